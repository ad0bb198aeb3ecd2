//! `[ledger]`: a file, or a PostgreSQL server.

use std::sync::Arc;

use url::Url;

use super::file::{Table, Value};
use super::secret::{Empty, Sources, secret};
use crate::model::ledger_place::{LedgerPlace, LedgerServer};

const EXPECTED: &str = "an address such as \"postgres://podcal@db.example.com/podcal\"";

const HOLDS_PASSWORD: &str = "holds a password";

/// What the address may say after `?`.
const OPTIONS: &[&str] = &["host", "sslmode", "sslrootcert"];

const SSL_MODES: &[&str] = &[
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// Reads where the ledger is. What is wrong is noted, and the default stands for it.
pub fn place(table: Option<&Table<'_>>, sources: &Sources<'_>) -> LedgerPlace {
    let get = |key| table.and_then(|table| table.get(key));
    let path = get("path");
    let Some(url) = get("url") else {
        for key in ["password", "folder"] {
            if let Some(value) = get(key) {
                value
                    .wrong("is only for a ledger on a server; write `url` beside it, or remove it");
            }
        }
        let path = path.and_then(|value| value.line_of_text());
        return sources.path(path.unwrap_or("podcal.db")).into();
    };
    if path.is_some() {
        url.wrong("`path` is there too; keep one of them");
    }
    let folder = get("folder").and_then(|value| value.line_of_text());
    let password = get("password").and_then(|value| secret(&value, sources, Empty::Refused));
    let server = address(&url).map(|url| Arc::new(LedgerServer { url, password }));
    LedgerPlace {
        path: sources.path(folder.unwrap_or("")).join("podcal"),
        server,
    }
}

fn address(value: &Value<'_>) -> Option<String> {
    let text = value.string_or(EXPECTED)?.trim();
    match server_address(text) {
        Ok(address) => Some(address),
        Err(wrong) if wrong == HOLDS_PASSWORD => {
            value.wrong(format!(
                "{wrong}; write it beside it: `password = {{ file = \"...\" }}` or `{{ env = \"...\" }}`"
            ));
            None
        }
        Err(wrong) => {
            value.wrong(wrong);
            None
        }
    }
}

/// The address of a PostgreSQL server, in one spelling.
///
/// # Errors
/// What is wrong with it; never with what it holds, as that may be a password.
pub fn server_address(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| format!("is not {EXPECTED}"))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(format!("is not {EXPECTED}"));
    }
    if url.password().is_some() {
        return Err(HOLDS_PASSWORD.to_owned());
    }
    if url.username().is_empty() {
        return Err(format!("names no user; write {EXPECTED}"));
    }
    if url.path().trim_matches('/').is_empty() {
        return Err(format!("names no database; write {EXPECTED}"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("names no host; write {EXPECTED}"));
    }
    for (key, option) in url.query_pairs() {
        if !OPTIONS.contains(&&*key) {
            return Err(format!(
                "has an option that podcal does not know; known are {}",
                OPTIONS.join(", ")
            ));
        }
        if key == "sslmode" && !SSL_MODES.contains(&&*option) {
            return Err(format!(
                "has an unknown `sslmode`; there are {}",
                SSL_MODES.join(", ")
            ));
        }
    }
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_postgres_one_without_a_password() {
        for good in [
            "postgres://podcal@db.example.com/podcal",
            "postgresql://podcal@db.example.com:6432/podcal?sslmode=verify-ca&sslrootcert=/etc/ca.pem",
            "postgres://podcal@localhost/podcal?host=/run/postgresql",
        ] {
            assert!(
                server_address(good).is_ok(),
                "{good}: {:?}",
                server_address(good)
            );
        }
        for (bad, says) in [
            ("db.example.com", "is not an address such as"),
            (
                "mysql://podcal@db.example.com/podcal",
                "is not an address such as",
            ),
            (
                "postgres://podcal:hunter2@db.example.com/podcal",
                "holds a password",
            ),
            ("postgres://db.example.com/podcal", "names no user"),
            ("postgres://podcal@db.example.com", "names no database"),
            ("postgres://podcal@/podcal", "is not an address such as"),
            (
                "postgres://podcal@db.example.com/podcal?password=hunter2",
                "an option",
            ),
            (
                "postgres://podcal@db.example.com/podcal?sslmode=on",
                "unknown `sslmode`",
            ),
        ] {
            let error = server_address(bad).unwrap_err();
            assert!(
                error.contains(says) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
