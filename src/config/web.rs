//! `[web]`: where the page and the metrics are served, and who may read them.

use std::net::{Ipv4Addr, SocketAddr};

use super::file::{Value, quoted};
use super::keys;
use super::secret::{Empty, Sources, secret};
use super::{Web, WebLogin};

/// Reads `[web]`; `None` where it is off, or wrong.
pub fn web(value: &Value<'_>, sources: &Sources<'_>) -> Option<Web> {
    let table = value.table(&keys::WEB)?;
    let listen = table.get("listen").map(|value| listen(&value));
    let username = table.get("username").map(|value| value.line_of_text());
    let password = table
        .get("password")
        .map(|value| secret(&value, sources, Empty::Refused));
    let login = match (username, password) {
        (None, None) => None,
        (Some(username), Some(password)) => {
            if username.is_some_and(|name| name.contains(':')) {
                // RFC 7617 section 2: the first colon ends the user name.
                table.wrong("username", "contains a colon, which a browser cannot send");
            }
            Some((username?.to_owned(), password?))
        }
        (Some(_), None) => {
            table.missing("password", "`username` needs it beside it");
            return None;
        }
        (None, Some(_)) => {
            table.missing("username", "`password` needs it beside it");
            return None;
        }
    };
    let Some(listen) = listen else {
        value.warn("has no `listen`, so nothing is served; write `listen = \"127.0.0.1:8080\"`");
        return None;
    };
    let listen = listen?;
    if login.is_none() && !listen.ip().is_loopback() {
        value.warn(format!(
            "everybody who reaches {listen} can read the meetings of all rooms; write `username` and `password`, or \
             listen on 127.0.0.1"
        ));
    }
    Some(Web {
        listen,
        login: login.map(|(username, password)| WebLogin { username, password }),
    })
}

fn listen(value: &Value<'_>) -> Option<SocketAddr> {
    const EXPECTED: &str = "an address and a port such as \"127.0.0.1:8080\"";
    let text = value.string_or(EXPECTED)?.trim();
    if let Some(port) = text.strip_prefix("localhost:")
        && let Ok(port) = port.parse()
    {
        return Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    if let Ok(listen) = text.parse() {
        return Some(listen);
    }
    let port = text.strip_prefix(':').or_else(|| text.strip_prefix("*:"));
    value.wrong(match port.unwrap_or(text).parse::<u16>() {
        Ok(port) => format!(
            "lacks an address; write \"127.0.0.1:{port}\" for this computer alone, or \"0.0.0.0:{port}\" for \
             every network"
        ),
        Err(_) if text.is_empty() => format!("is empty; write {EXPECTED}"),
        Err(_) => format!("{} is not {EXPECTED}", quoted(text)),
    });
    None
}
