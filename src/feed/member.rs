//! The addresses inside a calendar. Servers spell one and the same name in
//! different ways (`%2B` and `%2b`, `@` and `%40`), so names are compared after
//! decoding once, and asked for again in the server's own spelling.

use std::fmt;
use std::ops::Range;

use percent_encoding::percent_decode_str;

use crate::model::digest::{Parts, hex};
use crate::model::feed_url::FeedUrl;

/// What two spellings of the same address share. A digest, since there may be very
/// many and each very long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// Of an item that is held, by the name it is held under.
    pub(super) fn of_held(href: &str) -> Self {
        Self::written(href).unwrap_or_else(|| Self::of(href))
    }

    /// The key in a name that [`Member::name`] made of it.
    fn written(name: &str) -> Option<Self> {
        let digits = name.strip_prefix('=')?;
        let mut key = [0; 16];
        let is_whole = digits.len() == 2 * key.len();
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        is_whole.then_some(Self(key))
    }

    fn of(path: &str) -> Self {
        let segments =
            segments(path).map(|segment| percent_decode_str(segment).collect::<Vec<_>>());
        let digest = Parts::of(segments);
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(digest) {
            *to = from;
        }
        Self(key)
    }
}

/// Where a member lies, seen from its calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Inside,
    /// As if the beginning of the calendar's path were not there: a proxy has added
    /// it, and the server does not know of it.
    WithoutPrefix,
    Elsewhere,
}

/// Something that an answer names.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub key: Key,
    pub position: Position,
    /// What to ask for it with.
    pub href: String,
    name: Range<usize>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({:?})", self.position)
    }
}

impl Member {
    /// What to hold it under: the last segment, as the server spells it, or a digest
    /// where it does not lie in the calendar's own folder: a whole path may be a secret.
    pub(super) fn name(&self) -> String {
        match self.position {
            Position::Inside => self
                .href
                .get(self.name.clone())
                .unwrap_or_default()
                .to_owned(),
            Position::WithoutPrefix | Position::Elsewhere => format!("={}", hex(&self.key.0)),
        }
    }

    /// Where to fetch it. What lies in the calendar is on the host that was asked,
    /// whatever scheme, port or internal host the server gives; `None` for what is
    /// on another host.
    pub(super) fn url(&self, calendar: &FeedUrl) -> Option<FeedUrl> {
        let href = match self.position {
            Position::Inside => path_of(&self.href)?,
            Position::WithoutPrefix | Position::Elsewhere => &self.href,
        };
        let url = resolve(calendar, href)?;
        let same = url.host() == calendar.host() && url.is_encrypted() == calendar.is_encrypted();
        same.then_some(url)
    }
}

/// The calendar's own address, prepared for many comparisons.
pub(super) struct Folder {
    path: Vec<Vec<u8>>,
}

impl Folder {
    pub(super) fn of(url: &FeedUrl) -> Self {
        Self {
            path: decoded(url.reveal().path()),
        }
    }

    /// Reads an href of an answer; `None` for the calendar itself, and for what is
    /// no address.
    pub(super) fn member(&self, href: String) -> Option<Member> {
        let path = path_of(&href)?;
        let whole = decoded(path);
        if whole == self.path || whole.is_empty() {
            return None;
        }
        let (_, parent) = whole.split_last()?;
        let position = if parent == self.path {
            Position::Inside
        } else if self.path.len() > parent.len() && self.path.ends_with(parent) {
            Position::WithoutPrefix
        } else {
            Position::Elsewhere
        };
        let start = href.find(path).unwrap_or_default();
        let trimmed = path.trim_end_matches('/');
        let skipped = match position {
            Position::Inside => trimmed.rfind('/').map_or(0, |slash| slash + 1),
            Position::WithoutPrefix | Position::Elsewhere => 0,
        };
        let name = start + skipped..start + trimmed.len();
        let key = Key::of(href.get(name.clone())?);
        Some(Member {
            key,
            position,
            name,
            href,
        })
    }

    /// Whether an href is this folder's, or that of something in it at any depth. In
    /// the root of a host is everything, which says nothing.
    pub(super) fn contains(&self, href: &str) -> bool {
        let within = |path: &str| decoded(path).starts_with(&self.path);
        !self.path.is_empty() && path_of(href).is_some_and(within)
    }

    /// Whether an href names something right below a folder that is this one without
    /// its beginning.
    pub(super) fn lacks_prefix(&self, href: &str) -> bool {
        let member = self.member(href.to_owned());
        member.is_some_and(|member| member.position == Position::WithoutPrefix)
    }
}

/// Whether an href names this very place, with or without a slash at its end.
pub(super) fn is_same(place: &FeedUrl, href: &str) -> bool {
    path_of(href).is_some_and(|path| decoded(path) == decoded(place.reveal().path()))
}

/// The address that an href stands for, seen from where it was given.
pub(super) fn resolve(from: &FeedUrl, href: &str) -> Option<FeedUrl> {
    // `//name` would name a host; servers that double a slash do not mean that.
    match href.strip_prefix("//") {
        Some(rest) => from.join(&format!("/{}", rest.trim_start_matches('/'))),
        None => from.join(href),
    }
}

/// The path of an href, which may be a path or a whole address.
pub(super) fn path_of(href: &str) -> Option<&str> {
    let path = match href.split_once("://") {
        Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => rest
            .find('/')
            .and_then(|slash| rest.get(slash..))
            .unwrap_or(""),
        _ => href,
    };
    let path = path.split(['?', '#']).next()?;
    (!href.is_empty()).then_some(path)
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// Each segment decoded once.
fn decoded(path: &str) -> Vec<Vec<u8>> {
    segments(path)
        .map(|segment| percent_decode_str(segment).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar() -> FeedUrl {
        FeedUrl::parse("https://dav.example.com/rooms/a%40b/")
            .unwrap()
            .0
    }

    fn member(href: &str) -> Option<Member> {
        Folder::of(&calendar()).member(href.to_owned())
    }

    fn key(href: &str) -> Option<Key> {
        member(href).map(|member| member.key)
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
        let found = member("/rooms/a@b/x%2by.EML").unwrap();
        assert_eq!(found.name(), "x%2by.EML");
        assert_eq!(found.key, Key::of_held("x%2By.EML"));
        let elsewhere = member("/other/x.ics").unwrap();
        assert!(!elsewhere.name().contains("other"));
        assert_eq!(Key::of_held(&elsewhere.name()), elsewhere.key);
        // As an older podcal held it.
        assert_eq!(Key::of_held("/other/x.ics"), elsewhere.key);
        assert_eq!(elsewhere.key, Key::of_held("/other/x.ics"));
    }

    #[test]
    fn a_member_is_fetched_from_the_host_that_was_asked() {
        let address = |href: &str| member(href)?.url(&calendar());
        for href in [
            "/rooms/a@b/x.ics",
            "http://dav.example.com/rooms/a@b/x.ics",
            "https://dav.example.com:8443/rooms/a@b/x.ics",
            "http://backend.internal:5232/rooms/a%40b/x.ics",
        ] {
            let url = address(href).unwrap();
            assert_eq!(url.host(), "dav.example.com", "{href}");
            assert!(url.is_encrypted() && url.reveal().path().ends_with("/x.ics"));
        }
        assert_eq!(address("https://evil.example.net/elsewhere/x.ics"), None);
        assert_eq!(address("http://dav.example.com/elsewhere/x.ics"), None);
    }

    #[test]
    fn a_path_without_the_prefix_of_a_proxy_is_known() {
        let behind = FeedUrl::parse("https://example.com/dav/rooms/a/")
            .unwrap()
            .0;
        let folder = Folder::of(&behind);
        let position = |href: &str| folder.member(href.to_owned()).unwrap().position;
        assert_eq!(position("/dav/rooms/a/x.ics"), Position::Inside);
        assert_eq!(position("/rooms/a/x.ics"), Position::WithoutPrefix);
        assert_eq!(position("/a/x.ics"), Position::WithoutPrefix);
        assert_eq!(position("/other/a/x.ics"), Position::Elsewhere);
        assert_eq!(position("/dav/rooms/b/x.ics"), Position::Elsewhere);
        assert!(folder.contains("http://internal/dav/rooms/a/b/c"));
        assert!(!folder.contains("/dav/rooms/"));
    }

    #[test]
    fn a_doubled_slash_names_no_host() {
        let url = resolve(&calendar(), "//evil.example.net/x.ics").unwrap();
        assert_eq!(url.host(), "dav.example.com");
        let url = resolve(&calendar(), "y z.ics").unwrap();
        assert_eq!(url.reveal().path(), "/rooms/a%40b/y%20z.ics");
    }
}
