//! The one list of the keys that a configuration may hold, and what to say to
//! a key that is not in it.

/// A kind of table and its keys.
#[derive(Debug)]
pub struct Section {
    /// Where the table stands, for people.
    pub place: &'static str,
    pub keys: &'static [&'static str],
}

pub const ROOT: Section = Section {
    place: "the top of the file, before the first `[table]`",
    keys: &[
        "time_zone",
        "include",
        "on_remove",
        "ledger",
        "schedule",
        "window",
        "meetings",
        "guard",
        "limits",
        "http",
        "web",
        "pod",
        "rooms",
    ],
};

/// A file that `include` names.
pub const INCLUDED: Section = Section {
    place: "an included file",
    keys: &["rooms"],
};

pub const LEDGER: Section = Section {
    place: "`[ledger]`",
    keys: &["path", "url", "password", "folder", "keep"],
};

pub const SCHEDULE: Section = Section {
    place: "`[schedule]`",
    keys: &["sync", "health", "config", "jitter"],
};

pub const WINDOW: Section = Section {
    place: "`[window]`",
    keys: &["days"],
};

pub const MEETINGS: Section = Section {
    place: "`[meetings]`",
    keys: &[
        "all_day",
        "tentative",
        "max",
        "description",
        "private_title",
        "hidden_title",
        "untitled",
        "hide_titles",
        "hide_organizers",
        "max_stale",
        "when_stale",
    ],
};

pub const GUARD: Section = Section {
    place: "`[guard]`",
    keys: &["vanished", "hold", "rooms"],
};

/// What a room may write over `[guard]`.
pub const ROOM_GUARD: Section = Section {
    place: "`guard` of a room",
    keys: &["vanished", "hold"],
};

pub const LIMITS: Section = Section {
    place: "`[limits]`",
    keys: &["memory"],
};

pub const WEB: Section = Section {
    place: "`[web]`",
    keys: &["listen", "username", "password"],
};

pub const HTTP: Section = Section {
    place: "`[http]`",
    keys: &["timeout", "max_feed_size"],
};

/// The defaults for every pod.
pub const POD: Section = Section {
    place: "`[pod]`",
    keys: &[
        "username",
        "password",
        "min_interval",
        "tls",
        "third_party_type",
        "enforce",
    ],
};

pub const ROOM: Section = Section {
    place: "a room",
    keys: &[
        "title",
        "time_zone",
        "feed",
        "feeds",
        "pod",
        "pods",
        "meetings",
        "window",
        "guard",
    ],
};

pub const FEED: Section = Section {
    place: "a feed",
    keys: &[
        "ics",
        "caldav",
        "calendar",
        "username",
        "password",
        "token",
        "oauth2",
        "only",
        "user_agent",
        "tls",
    ],
};

/// A pod of a room; all but `url` overrides `[pod]`.
pub const ROOM_POD: Section = Section {
    place: "a pod of a room",
    keys: &[
        "url",
        "username",
        "password",
        "min_interval",
        "tls",
        "third_party_type",
        "enforce",
    ],
};

pub const ONLY: Section = Section {
    place: "`only` of a feed",
    keys: &["location", "title", "organizer", "category"],
};

pub const OAUTH2: Section = Section {
    place: "`oauth2` of a feed",
    keys: &["token_url", "client_id", "client_secret", "refresh_token"],
};

pub const TLS: Section = Section {
    place: "`tls` of a pod or feed",
    keys: &["verify", "sha256", "ca_file"],
};

pub const SECRET: Section = Section {
    place: "a password, token or secret",
    keys: &["file", "env"],
};

/// Every table of the configuration itself.
pub const ALL: [&Section; 18] = [
    &ROOT,
    &LEDGER,
    &SCHEDULE,
    &WINDOW,
    &MEETINGS,
    &GUARD,
    &LIMITS,
    &HTTP,
    &WEB,
    &POD,
    &ROOM,
    &ROOM_GUARD,
    &FEED,
    &ROOM_POD,
    &ONLY,
    &OAUTH2,
    &TLS,
    &SECRET,
];

/// Words that people use for keys that are spelt quite differently here.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("tz", "time_zone"),
    ("database", "ledger"),
    ("db", "path"),
    ("name", "title"),
    ("ics", "feed"),
    ("ical", "feed"),
    ("caldav", "feeds"),
    ("calendar", "feed"),
    ("calendars", "feeds"),
    ("url", "feed"),
    ("url", "ics"),
    ("address", "url"),
    ("host", "url"),
    ("ip", "url"),
    ("display", "pod"),
    ("displays", "pods"),
    ("host", "pod"),
    ("ip", "pod"),
    ("user", "username"),
    ("login", "username"),
    ("pass", "password"),
    ("secret", "password"),
    ("bearer", "token"),
    ("filter", "only"),
    ("subject", "title"),
    ("summary", "title"),
    ("room", "location"),
    ("categories", "category"),
    ("fingerprint", "sha256"),
    ("pin", "sha256"),
    ("ca", "ca_file"),
    ("variable", "env"),
    ("path", "file"),
    ("file", "path"),
    ("url", "token_url"),
    ("interval", "min_interval"),
    ("push", "sync"),
    ("pull", "sync"),
    ("max_size", "max_feed_size"),
    ("room", "rooms"),
    ("pods", "pod"),
    ("includes", "include"),
    ("bind", "listen"),
    ("address", "listen"),
    ("port", "listen"),
    ("ram", "memory"),
    ("stale", "max_stale"),
];

impl Section {
    #[must_use]
    pub fn knows(&self, key: &str) -> bool {
        self.keys.contains(&key)
    }

    /// What to say to a key that this table does not know.
    #[must_use]
    pub fn advice(&self, unknown: &str) -> String {
        if self.place == INCLUDED.place && ROOT.knows(unknown) {
            return "belongs to the main file; an included file contains [rooms.NAME] tables only"
                .to_owned();
        }
        if self.place == ROOM_GUARD.place && GUARD.knows(unknown) {
            return "is for all rooms together; write it in `[guard]`".to_owned();
        }
        match self.meant(unknown) {
            Some(known) => format!("unknown key; did you mean `{known}`?"),
            None => match elsewhere(unknown) {
                Some(place) if place == ROOM.place => {
                    "unknown key here; write it under `[rooms.NAME]`, for each room".to_owned()
                }
                Some(place) => format!("unknown key here; it belongs to {place}"),
                None => format!("unknown key; known here: {}", listed(self.keys)),
            },
        }
    }

    fn meant(&self, unknown: &str) -> Option<&'static str> {
        let plain = plain(unknown);
        self.keys
            .iter()
            .find(|known| self::plain(known) == plain)
            .or_else(|| {
                self.keys
                    .iter()
                    .find(|known| OTHER_WORDS.contains(&(unknown, **known)))
            })
            // A key that is right in another table is not a typing error.
            .or_else(|| match elsewhere(unknown) {
                Some(_) => None,
                None => self.keys.iter().find(|known| {
                    known.split('_').any(|word| word == unknown) && unknown.len() > 2
                }),
            })
            .copied()
            .or_else(|| match elsewhere(unknown) {
                Some(_) => None,
                None => closest(unknown, self.keys.iter().copied()),
            })
    }
}

/// Where this key would be right, if in one place only.
fn elsewhere(key: &str) -> Option<&'static str> {
    let mut places = ALL
        .iter()
        .filter(|section| section.knows(key))
        // The first knows what everybody has, the other repeats `[guard]`.
        .filter(|section| ![SECRET.place, ROOM_GUARD.place].contains(&section.place));
    match (places.next(), places.next()) {
        (Some(section), None) => Some(section.place),
        _ => None,
    }
}

/// The word that differs least from what was written, if it differs little.
pub fn closest<'w>(written: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // Longer than any word here, and the comparison takes time in proportion to its square.
    if written.len() > 100 {
        return None;
    }
    let written = plain(written);
    let allowed = (written.chars().count() / 3).max(1);
    words
        .map(|word| (strsim::damerau_levenshtein(&written, &plain(word)), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

fn plain(key: &str) -> String {
    key.chars()
        .filter(|char| !matches!(char, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// `a`, `b`, `c`
pub fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(section: &Section, unknown: &str, says: &str) {
        assert_eq!(section.advice(unknown), says, "{unknown}");
    }

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        check(&ROOM, "zone", "unknown key; did you mean `time_zone`?");
        check(&ROOT, "timezone", "unknown key; did you mean `time_zone`?");
        check(&ROOT, "tz", "unknown key; did you mean `time_zone`?");
        check(&ROOT, "pods", "unknown key; did you mean `pod`?");
        check(
            &ROOT,
            "feed",
            "unknown key here; write it under `[rooms.NAME]`, for each room",
        );
        check(
            &MEETINGS,
            "hide-titles",
            "unknown key; did you mean `hide_titles`?",
        );
        check(
            &MEETINGS,
            "tentatve",
            "unknown key; did you mean `tentative`?",
        );
        check(&FEED, "url", "unknown key; did you mean `ics`?");
        check(&ROOM, "url", "unknown key; did you mean `feed`?");
        check(&POD, "user", "unknown key; did you mean `username`?");
    }

    #[test]
    fn a_key_in_the_wrong_table_is_sent_to_the_right_one() {
        check(&POD, "timeout", "unknown key here; it belongs to `[http]`");
        check(&ROOM, "only", "unknown key here; it belongs to a feed");
        check(
            &HTTP,
            "time_zone",
            "unknown key; known here: `timeout`, `max_feed_size`",
        );
        check(
            &INCLUDED,
            "pod",
            "belongs to the main file; an included file contains [rooms.NAME] tables only",
        );
        check(
            &ROOM_GUARD,
            "rooms",
            "is for all rooms together; write it in `[guard]`",
        );
    }

    #[test]
    fn a_key_that_resembles_nothing_is_told_what_there_is() {
        check(
            &GUARD,
            "xyzzy",
            "unknown key; known here: `vanished`, `hold`, `rooms`",
        );
    }
}
