//! The feeds of a room: addresses, how to sign in, and which events are meant.
//! An address is never repeated in a problem, because it is often a password.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::model::feed_url::FeedUrl;
use crate::model::name::FeedId;
use crate::model::secret::Secret;

use super::file::{Table, Value, quoted};
use super::keys;
use super::secret::{Empty, Sources, secret};
use super::{Feed, Login, OAuth2, Only, Source, TlsTrust};

/// Limits on a request, the same for every feed (`[http]`).
#[derive(Clone, Copy)]
pub struct Limits {
    pub timeout: Duration,
    pub max_size: u64,
}

const EXPECTED: &str = "an address, { ics = \"...\" } or { caldav = \"...\" }";

/// Reads one feed, an address or a table.
pub fn feed(value: &Value<'_>, limits: Limits, sources: &Sources<'_>) -> Option<Feed> {
    if value.raw().is_str() {
        let (source, digest) = document(value, None, sources)?;
        return Some(finished(source, &digest, Own::default(), limits));
    }
    let table = value.table_or(&keys::FEED, EXPECTED)?;
    let only = table
        .get("only")
        .map_or(Some(Only::default()), |only| self::only(&only));
    let user_agent = table.get("user_agent").map(|agent| header_text(&agent));
    let tls = table.get("tls").map(|value| tls(&value, sources));
    let source = match (table.get("ics"), table.get("caldav")) {
        (Some(address), None) => {
            if let Some(calendar) = table.get("calendar") {
                calendar.wrong("is for CalDAV; an ICS address has one calendar");
            }
            document(&address, Some(&table), sources)
        }
        (None, Some(address)) => collection(&address, &table, sources),
        (Some(_), Some(address)) => {
            address.wrong("a feed is either `ics` or `caldav`; write two feeds for both");
            None
        }
        (None, None) => {
            table.missing(
                "ics",
                "write `ics = \"https://...\"` or `caldav = \"https://...\"`",
            );
            None
        }
    };
    let (source, digest) = source?;
    let own = Own {
        only: only?,
        user_agent: user_agent.flatten(),
        tls: tls.map_or(Some(TlsTrust::Ca), |tls| tls)?,
    };
    Some(finished(source, &digest, own, limits))
}

/// What tells this feed from others beside its kind.
struct Digest {
    address: String,
    user: String,
    calendar: String,
}

/// What an entry says beside where and how to sign in.
struct Own {
    only: Only,
    user_agent: Option<String>,
    tls: TlsTrust,
}

impl Default for Own {
    fn default() -> Self {
        Self {
            only: Only::default(),
            user_agent: None,
            tls: TlsTrust::Ca,
        }
    }
}

/// How the server proves who it is; as for pods, but without trust on first use.
fn tls(value: &Value<'_>, sources: &Sources<'_>) -> Option<TlsTrust> {
    const EXPECTED: &str = "{ ca_file = \"...\" }, { sha256 = \"...\" } or { verify = \"ca\" }";
    let table = value.table_or(&keys::TLS, EXPECTED)?;
    let (None, None, Some(verify)) = (
        table.get("sha256"),
        table.get("ca_file"),
        table.get("verify"),
    ) else {
        return super::pods::tls(value, sources);
    };
    match verify.string()? {
        "ca" => Some(TlsTrust::Ca),
        "off" => {
            verify.warn(
                "anyone on the network can pose as this calendar and learn its password; use `sha256` instead",
            );
            Some(TlsTrust::Off)
        }
        "pin" => {
            verify.wrong(
                "is for pods; write \"ca\", or `sha256` with the fingerprint of the calendar's server",
            );
            None
        }
        other => {
            verify.wrong(format!(
                "{} is not known; write \"ca\" or \"off\"",
                quoted(other)
            ));
            None
        }
    }
}

fn finished(source: Source, digest: &Digest, own: Own, limits: Limits) -> Feed {
    let (kind, host) = match &source {
        Source::Ics { url, .. } => ("ics", url.host()),
        Source::File { .. } => ("file", "file".to_owned()),
        Source::CalDav { url, .. } => ("caldav", url.host()),
    };
    // The empty parts are where `only` stood in version 0.1: a ledger of then knows
    // its feeds again.
    let (address, user, calendar) = (&digest.address, &digest.user, &digest.calendar);
    let parts = [kind, address, user, calendar, "", "", "", ""];
    Feed {
        id: FeedId::new(&host, &parts),
        source,
        only: own.only,
        user_agent: own.user_agent,
        tls: own.tls,
        timeout: limits.timeout,
        max_size: limits.max_size,
    }
}

/// One ICS document, on the web or on disk.
fn document(
    value: &Value<'_>,
    table: Option<&Table<'_>>,
    sources: &Sources<'_>,
) -> Option<(Source, Digest)> {
    let text = value.string_or(EXPECTED)?.trim();
    if let Some(path) = after_scheme(text, "file") {
        if let Some(table) = table {
            for key in [
                "username",
                "password",
                "token",
                "oauth2",
                "user_agent",
                "tls",
            ] {
                if let Some(needless) = table.get(key) {
                    needless.wrong("has no effect on a file; remove it");
                }
            }
        }
        let path = file_path(path).map_err(|says| value.wrong(says)).ok()?;
        let digest = Digest {
            // As written: however the configuration was named, it is the same feed.
            address: path.to_string_lossy().into_owned(),
            user: String::new(),
            calendar: String::new(),
        };
        let path = sources.folder.join(path);
        return Some((Source::File { path }, digest));
    }
    let (url, login) = address(value, text, table, sources)?;
    let digest = Digest {
        address: url.reveal().to_string(),
        user: user_of(&login),
        calendar: String::new(),
    };
    Some((Source::Ics { url, login }, digest))
}

fn collection(
    value: &Value<'_>,
    table: &Table<'_>,
    sources: &Sources<'_>,
) -> Option<(Source, Digest)> {
    let text = value.string()?.trim();
    let calendar = table.get("calendar").map(|name| name.line_of_text());
    let (url, login) = address(value, text, Some(table), sources)?;
    let calendar = calendar.map_or(Some(None), |name| name.map(|name| Some(name.to_owned())))?;
    let digest = Digest {
        address: url.reveal().to_string(),
        user: user_of(&login),
        calendar: calendar.clone().unwrap_or_default(),
    };
    let source = Source::CalDav {
        url,
        login,
        calendar,
    };
    Some((source, digest))
}

/// An address and how to sign in there; from the address or from the keys beside it.
fn address(
    value: &Value<'_>,
    text: &str,
    table: Option<&Table<'_>>,
    sources: &Sources<'_>,
) -> Option<(FeedUrl, Login)> {
    // The keys are read first: a wrong address must not hide a wrong password.
    let beside = table.map_or(Some(Login::None), |table| login(table, sources));
    let (url, within) = parsed(text).map_err(|says| value.wrong(says)).ok()?;
    let login = match (within, beside?) {
        (None, login) => login,
        (Some((username, password)), Login::None) => {
            value.warn("the password is written in the address; use the keys `username` and `password`, which can name a file");
            Login::Password { username, password }
        }
        (Some(_), _) => {
            value.wrong(
                "contains a user name or password, and the keys for them are set as well; keep the keys",
            );
            return None;
        }
    };
    if !url.is_encrypted() && !matches!(login, Login::None) {
        value.warn(format!(
            "signs in at {} without encryption; use https",
            url.host()
        ));
    }
    Some((url, login))
}

fn parsed(text: &str) -> Result<(FeedUrl, Option<(String, Secret)>), String> {
    const EXPECTED: &str = "write \"https://...\" before a host, or \"file:...\" before a path";
    if text.is_empty() {
        return Err(format!("is empty; {EXPECTED}"));
    }
    if !text.contains("://") {
        return Err(format!("has no scheme; {EXPECTED}"));
    }
    let (url, login) = FeedUrl::parse(text)?;
    if login
        .as_ref()
        .is_some_and(|(_, password)| password.reveal().chars().any(char::is_control))
    {
        return Err("contains a password with a control character".to_owned());
    }
    Ok((url, login))
}

fn user_of(login: &Login) -> String {
    match login {
        Login::None | Login::Token(_) => String::new(),
        Login::Password { username, .. } => username.clone(),
        Login::OAuth2(oauth2) => oauth2.client_id.clone(),
    }
}

/// The keys `username` and `password`, `token`, or `oauth2`.
fn login(table: &Table<'_>, sources: &Sources<'_>) -> Option<Login> {
    let username = table.get("username").map(|name| user_name(&name));
    let password = table
        .get("password")
        .map(|value| secret(&value, sources, Empty::Refused));
    let token = table
        .get("token")
        .map(|value| secret(&value, sources, Empty::Refused));
    let oauth2 = table.get("oauth2").map(|value| oauth2(&value, sources));
    let ways = [
        username.is_some() || password.is_some(),
        token.is_some(),
        oauth2.is_some(),
    ];
    if ways.iter().filter(|given| **given).count() > 1 {
        table.wrong(
            "token",
            "there is more than one way to sign in; keep `username` and `password`, `token`, or `oauth2`",
        );
        return None;
    }
    if let Some(token) = token {
        return token.map(Login::Token);
    }
    if let Some(oauth2) = oauth2 {
        return oauth2.map(|oauth2| Login::OAuth2(Arc::new(oauth2)));
    }
    match (username, password) {
        (None, None) => Some(Login::None),
        (Some(username), Some(password)) => Some(Login::Password {
            username: username?,
            password: password?,
        }),
        (Some(_), None) => {
            table.missing("password", "`username` requires it");
            None
        }
        (None, Some(_)) => {
            table.missing("username", "`password` requires it");
            None
        }
    }
}

fn user_name(value: &Value<'_>) -> Option<String> {
    let name = value.line_of_text()?;
    if name.contains(':') {
        // RFC 7617 section 2: the first colon ends the user name.
        value.wrong(
            "contains a colon, which ends a user name in Basic sign-in; use another user name",
        );
        return None;
    }
    Some(name.to_owned())
}

fn oauth2(value: &Value<'_>, sources: &Sources<'_>) -> Option<OAuth2> {
    let table = value.table(&keys::OAUTH2)?;
    let needed = |key: &'static str| {
        let value = table.get(key);
        if value.is_none() {
            table.missing(key, "`oauth2` requires it");
        }
        value
    };
    let token_url = needed("token_url").and_then(|value| token_url(&value));
    let client_id = needed("client_id").and_then(|value| value.line_of_text());
    let client_secret =
        needed("client_secret").and_then(|value| secret(&value, sources, Empty::Refused));
    let refresh_token =
        needed("refresh_token").and_then(|value| secret(&value, sources, Empty::Refused));
    Some(OAuth2 {
        token_url: token_url?,
        client_id: client_id?.to_owned(),
        client_secret: client_secret?,
        refresh_token: refresh_token?,
    })
}

fn token_url(value: &Value<'_>) -> Option<FeedUrl> {
    let (url, login) = parsed(value.string()?.trim())
        .map_err(|says| value.wrong(says))
        .ok()?;
    if login.is_some() {
        value.wrong("contains a user name or password; write `client_id` and `client_secret`");
        return None;
    }
    if !url.is_encrypted() {
        value.warn(format!(
            "sends the client secret to {} without encryption; use https",
            url.host()
        ));
    }
    Some(url)
}

fn only(value: &Value<'_>) -> Option<Only> {
    let table = value.table(&keys::ONLY)?;
    let pattern = |key: &'static str| match table.get(key) {
        None => Some(None),
        Some(value) => value.line_of_text().map(|text| Some(text.to_owned())),
    };
    let (location, title) = (pattern("location"), pattern("title"));
    let (organizer, category) = (pattern("organizer"), pattern("category"));
    let only = Only {
        location: location?,
        title: title?,
        organizer: organizer?,
        category: category?,
    };
    if only.is_everything() {
        value.warn("has no pattern, so every event is for this room");
    }
    Some(only)
}

/// A text that can stand in a header of a request.
fn header_text(value: &Value<'_>) -> Option<String> {
    let text = value.line_of_text()?;
    if !text.is_ascii() {
        value.wrong("contains a character other than ASCII, which a request cannot carry");
        return None;
    }
    Some(text.to_owned())
}

/// What follows `scheme:`, in any letter case.
fn after_scheme<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let (written, rest) = text.split_once(':')?;
    written.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// The path in `file:///x`, `file://localhost/x`, `file:/x` or `file:x`.
fn file_path(rest: &str) -> Result<PathBuf, String> {
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(path) if path.starts_with('/') => path,
        Some(path) => match path.split_once('/') {
            Some((host, _)) if host.eq_ignore_ascii_case("localhost") => {
                path.strip_prefix(host).unwrap_or(path)
            }
            _ => {
                return Err(
                    "names a host in `file://`; write \"file:///folder/room.ics\", or \"file:room.ics\" beside \
                     the configuration file"
                        .to_owned(),
                );
            }
        },
    };
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| "is not a path: the bytes after `%` are not UTF-8".to_owned())?;
    if path.is_empty() {
        return Err("names no file; write \"file:room.ics\"".to_owned());
    }
    if path.chars().any(char::is_control) {
        return Err("contains a control character".to_owned());
    }
    Ok(PathBuf::from(path.into_owned()))
}
