//! Hosts are taken as they are written, or refused: what programs make of odd spellings is a
//! stranger's address more often than the one that was meant.

use std::net::Ipv4Addr;

use url::{Host, Url};

/// The host as it is written in an address, without user, port and path.
#[must_use]
pub fn host_in(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    match host.rfind(']') {
        Some(bracket) => host.get(..=bracket).unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Refuses `010.001.002.011`: for many programs, with `Url` among them, numbers that
/// begin with a zero are octal, so that it would be 8.1.2.9.
///
/// # Errors
/// What was probably meant.
pub fn refuse_zeros(host: &str) -> Result<(), String> {
    let parts: Option<Vec<u8>> = host
        .split('.')
        .map(|part| {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| digits)
        })
        .collect();
    match parts.as_deref() {
        Some(&[a, b, c, d]) => {
            let meant = Ipv4Addr::new(a, b, c, d).to_string();
            if meant == host {
                return Ok(());
            }
            Err(format!(
                "has numbers that begin with a zero, which some programs read as octal; did you mean \"{meant}\"?"
            ))
        }
        _ => Ok(()),
    }
}

/// Refuses what `Url` reads as another host than is written: `10.1` as 10.0.0.1,
/// numbers, hexadecimal digits and wide ones as IPv4 addresses, names with escapes.
///
/// # Errors
/// What it would be.
pub fn refuse_other_spelling(url: &Url, host: &str) -> Result<(), String> {
    match url.host() {
        Some(Host::Ipv4(address)) if address.to_string() != host => Err(format!(
            "is not an IPv4 address in its usual form; did you mean \"{address}\"?"
        )),
        Some(Host::Domain(name))
            if host.contains('%') || host.is_ascii() && !host.eq_ignore_ascii_case(name) =>
        {
            Err(format!(
                "holds characters that do not belong into a name; did you mean \"{name}\"?"
            ))
        }
        _ => Ok(()),
    }
}
