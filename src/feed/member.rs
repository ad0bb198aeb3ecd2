//! The addresses inside a calendar. Servers spell one and the same name in
//! different ways (`%2B` and `%2b`, `@` and `%40`), so names are compared after
//! decoding once, and asked for again in the server's own spelling.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::model::feed_url::FeedUrl;

/// A name that two spellings of the same address share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(String);

impl Key {
    /// Of an item that is held, by the name it is held under.
    pub(super) fn of_held(href: &str) -> Self {
        Self(canonical(href))
    }
}

/// Something that an answer names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub key: Key,
    /// What to hold it under: the last segment, or the whole path where it does
    /// not lie in the calendar's own folder; as the server spells it.
    pub name: String,
    /// What to ask for it with.
    pub href: String,
}

/// Reads an href of an answer that came from `calendar`; `None` for the calendar
/// itself, and for what is no address.
pub(super) fn member(calendar: &FeedUrl, href: &str) -> Option<Member> {
    let path = path_of(href)?;
    let whole = canonical(path);
    let folder = canonical(calendar.reveal().path());
    if whole == folder || whole.is_empty() {
        return None;
    }
    let trimmed = path.trim_end_matches('/');
    let (parent, last) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
    let name = if canonical(parent) == folder {
        last
    } else {
        trimmed
    };
    Some(Member {
        key: Key(canonical(name)),
        name: name.to_owned(),
        href: href.to_owned(),
    })
}

/// Whether an href names this very place, with or without a slash at its end.
pub(super) fn is_same(place: &FeedUrl, href: &str) -> bool {
    path_of(href).is_some_and(|path| canonical(path) == canonical(place.reveal().path()))
}

/// The address that an href stands for, seen from where it was given.
pub(super) fn resolve(from: &FeedUrl, href: &str) -> Option<FeedUrl> {
    // `//name` would name a host; servers that double a slash do not mean that.
    let href = match href.strip_prefix("//") {
        Some(rest) => format!("/{}", rest.trim_start_matches('/')),
        None => href.to_owned(),
    };
    from.reveal().join(&href).ok().and_then(FeedUrl::from_url)
}

/// The path of an href, which may be a path or a whole address.
fn path_of(href: &str) -> Option<&str> {
    let path = match href.split_once("://") {
        Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
            rest.split_once('/').map_or("", |(_, path)| path)
        }
        _ => href,
    };
    let path = path.split(['?', '#']).next()?;
    (!href.is_empty()).then_some(path)
}

/// Each segment decoded once and encoded again in one way for all.
fn canonical(path: &str) -> String {
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| {
            let bytes: Vec<u8> = percent_decode_str(segment).collect();
            percent_encode(&bytes, NON_ALPHANUMERIC).to_string()
        })
        .collect();
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar() -> FeedUrl {
        FeedUrl::parse("https://dav.example.com/rooms/a%40b/")
            .unwrap()
            .0
    }

    fn key(href: &str) -> Option<Key> {
        member(&calendar(), href).map(|member| member.key)
    }

    #[test]
    fn one_name_in_seven_spellings_is_one_name() {
        let spellings = [
            "/rooms/a@b/10%20old%2Bmoved%40room~1.ics",
            "/rooms/a%40b/10%20old%2Bmoved@room~1.ics",
            "/rooms/a%40b/10%20old%2bmoved%40room%7E1.ics",
            "https://dav.example.com/rooms/a%40b/10%20old%2bmoved@room~1.ics",
            "//rooms/a@b/10 old%2Bmoved@room~1.ics",
        ];
        for href in spellings {
            assert_eq!(key(href), key(spellings[0]), "{href}");
        }
        // A plus is a plus, and decoding happens once.
        assert_ne!(key("/rooms/a@b/a+b.ics"), key("/rooms/a@b/a%20b.ics"));
        assert_ne!(key("/rooms/a@b/%2541.ics"), key("/rooms/a@b/A.ics"));
        assert_ne!(key("/rooms/a@b/a%2Fb"), key("/rooms/a@b/a/b"));
    }

    #[test]
    fn the_calendar_itself_is_no_member() {
        for href in [
            "/rooms/a@b/",
            "/rooms/a%40b",
            "https://dav.example.com/rooms/a@b/",
            "",
        ] {
            assert_eq!(key(href), None, "{href}");
        }
    }

    #[test]
    fn a_name_is_held_as_the_server_spells_it() {
        let found = member(&calendar(), "/rooms/a@b/x%2by.EML").unwrap();
        assert_eq!(found.name, "x%2by.EML");
        assert_eq!(found.key, Key::of_held("x%2By.EML"));
        let elsewhere = member(&calendar(), "/other/x.ics").unwrap();
        assert_eq!(elsewhere.name, "/other/x.ics");
        assert_eq!(elsewhere.key, Key::of_held("/other/x.ics"));
    }

    #[test]
    fn a_doubled_slash_names_no_host() {
        let url = resolve(&calendar(), "//evil.example.net/x.ics").unwrap();
        assert_eq!(url.host(), "dav.example.com");
        let url = resolve(&calendar(), "y z.ics").unwrap();
        assert_eq!(url.reveal().path(), "/rooms/a%40b/y%20z.ics");
    }
}
