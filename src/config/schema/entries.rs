//! What there is to say about each key of the configuration, with its bounds: the only place
//! that has them. Whoever reads a value asks [`super::Entry`] for them.

use super::super::keys;
use super::{Entry, Shape};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

macro_rules! entries {
    ($($section:ident { $($key:literal: $shape:expr, $default:literal, $about:literal;)* })*) => {
        &[$($(Entry {
            section: &keys::$section,
            key: $key,
            shape: $shape,
            default: $default,
            about: $about,
        },)*)*]
    };
}

pub const ENTRIES: &[Entry] = entries! {
    ROOT {
        "time_zone": Shape::Text, "\"UTC\"", "IANA name of the zone for events without one, all-day events, the bounds of a day and the schedule.";
        "include": Shape::Texts, "[]", "More files with [rooms.NAME] tables, read in this order; `*` and `?` match within one name of a path.";
        "on_remove": Shape::Words(&["keep", "clear"]), "\"keep\"", "What becomes of the display of a room or pod that leaves the configuration while podcal runs.";
        "ledger": Shape::Table(&keys::LEDGER), "", "What podcal remembers.";
        "schedule": Shape::Table(&keys::SCHEDULE), "", "When things are done, in `time_zone`.";
        "window": Shape::Table(&keys::WINDOW), "", "How far ahead a display knows its meetings.";
        "meetings": Shape::Table(&keys::MEETINGS), "", "What a display may show.";
        "guard": Shape::Table(&keys::GUARD), "", "When a calendar that is suddenly empty is not believed at once.";
        "limits": Shape::Table(&keys::LIMITS), "", "What podcal may use of the computer.";
        "http": Shape::Table(&keys::HTTP), "", "Limits on requests, to calendars and pods.";
        "web": Shape::Table(&keys::WEB), "", "A page of all displays and the metrics; off without `listen`.";
        "pod": Shape::Table(&keys::POD), "", "What holds for every pod; a pod of a room can override each key.";
        "rooms": Shape::Rooms, "", "One table for each room; its name is for commands and logs.";
    }
    LEDGER {
        "path": Shape::Text, "\"podcal.db\"", "A SQLite file, created on first start.";
        "url": Shape::Text, "", "A PostgreSQL database in place of the file, such as postgres://podcal@db.example.com/podcal.";
        "password": Shape::Secret, "", "Of the user in `url`.";
        "folder": Shape::Text, "", "With `url`: where the control socket and renewed OAuth tokens are kept; default: beside the configuration.";
        "keep": Shape::Duration(DAY, 3_660 * DAY), "\"90d\"", "How long the history is kept.";
    }
    SCHEDULE {
        "sync": Shape::Cron, "\"0 */5 * * * *\"", "Pull the feeds, push what changed.";
        "health": Shape::Cron, "\"*/30 * * * * *\"", "Is the pod the same, and does it show what was pushed?";
        "config": Shape::Cron, "\"0 0 * * * *\"", "Read the pods' settings, report or repair what changed.";
        "jitter": Shape::Duration(0, HOUR), "\"15s\"", "Rooms and pods are spread over this duration.";
    }
    WINDOW {
        "days": Shape::Whole(1, 366), "7", "From now to the end of the last of this number of days, today included, in the room's zone.";
    }
    MEETINGS {
        "all_day": Shape::Truth, "true", "Show events that last whole days.";
        "tentative": Shape::Truth, "true", "Show events that are not yet confirmed.";
        "max": Shape::Whole(1, 1_000), "100", "The largest number of meetings on a display, the nearest first.";
        "description": Shape::Words(&["none", "conference", "full"]), "\"conference\"", "What is shown of the description: nothing, links to join, or the plain text.";
        "private_title": Shape::Text, "\"Private meeting\"", "The title of private and confidential events; their organizer and description are left out.";
        "hidden_title": Shape::Text, "\"Reserved\"", "The title of every meeting where `hide_titles` is set.";
        "untitled": Shape::Text, "\"Busy\"", "The title of an event that has none.";
        "hide_titles": Shape::Truth, "false", "Show `hidden_title` instead of every title.";
        "hide_organizers": Shape::Truth, "false", "Show no organizer.";
        "max_stale": Shape::DurationOrNever(MINUTE, 366 * DAY), "\"never\"", "Where a feed has failed for longer than this, `when_stale` decides about its meetings.";
        "when_stale": Shape::Words(&["keep", "clear"]), "\"keep\"", "Keep such meetings until they end, or remove them.";
    }
    GUARD {
        "vanished": Shape::Whole(0, 1_000), "3", "This number of upcoming meetings that vanish together, leaving none, are kept for a while; 0 switches it off.";
        "hold": Shape::Duration(0, 7 * DAY), "\"15m\"", "After this duration, if the calendar is still empty, the meetings are removed.";
        "rooms": Shape::Whole(0, 100_000), "5", "This number of rooms (and a third of those with meetings) that lose everything from one host at once are held together; 0 switches it off.";
    }
    LIMITS {
        "memory": Shape::Size(16_000_000, 1 << 38), "\"256MB\"", "For all that is downloaded, waiting and being read at once.";
    }
    HTTP {
        "timeout": Shape::Duration(100, 10 * MINUTE), "\"20s\"", "For one request.";
        "max_feed_size": Shape::Size(1, 4 << 30), "\"50MB\"", "A larger feed is refused, as sent and as unpacked.";
    }
    WEB {
        "listen": Shape::Text, "", "An address and a port, such as 127.0.0.1:8080; without it the page is off.";
        "username": Shape::Text, "", "Asked for on every path but /healthz and /readyz.";
        "password": Shape::Secret, "", "Goes with `username`.";
    }
    POD {
        "username": Shape::Text, "\"admin\"", "The user to sign in as.";
        "password": Shape::Secret, "", "The pods' admin password; \"\" for pods without one.";
        "min_interval": Shape::Duration(0, DAY), "\"10s\"", "Polls of one pod are at least this far apart; pushes are not held up.";
        "tls": Shape::Table(&keys::TLS), "{ verify = \"pin\" }", "How a pod proves who it is.";
        "third_party_type": Shape::Text, "", "How these pods spell \"3rd party only\" in display.calendar.type.";
        "enforce": Shape::Settings, "", "Settings of the pod that are repaired when somebody changes them.";
    }
    ROOM_POD {
        "url": Shape::Text, "", "The address of the pod, such as 192.0.2.11, short for https://192.0.2.11:5443.";
    }
    ROOM {
        "title": Shape::Text, "", "The room's name for people; without it, the name of the table.";
        "time_zone": Shape::Text, "", "The room's own zone; without it, `time_zone` of the file.";
        "feed": Shape::TextOr(&keys::FEED), "", "The room's calendar: an https:, http: or webcal: address, a file, or a table.";
        "feeds": Shape::ListOf(&keys::FEED), "", "Several calendars, shown as one.";
        "pod": Shape::TextOr(&keys::ROOM_POD), "", "The room's pod: an address, or a table.";
        "pods": Shape::ListOf(&keys::ROOM_POD), "", "Several pods that show the same.";
        "meetings": Shape::Table(&keys::MEETINGS), "", "Overrides keys of [meetings].";
        "window": Shape::Table(&keys::WINDOW), "", "Overrides keys of [window].";
        "guard": Shape::Table(&keys::ROOM_GUARD), "", "Overrides `vanished` and `hold` of [guard].";
    }
    FEED {
        "ics": Shape::Text, "", "The address of an iCalendar document, or file:PATH.";
        "caldav": Shape::Text, "", "The address of a CalDAV calendar, of a principal, or of a server.";
        "calendar": Shape::Text, "", "The display name of the calendar, where CalDAV finds several.";
        "username": Shape::Text, "", "The user to sign in as.";
        "password": Shape::Secret, "", "Goes with `username`.";
        "token": Shape::Secret, "", "A bearer token.";
        "oauth2": Shape::Table(&keys::OAUTH2), "", "OAuth 2 with a refresh token.";
        "only": Shape::Table(&keys::ONLY), "", "Which events are for this room; all the patterns that are given must match.";
        "user_agent": Shape::Text, "", "What podcal calls itself; without it, its name and version.";
        "tls": Shape::Table(&keys::TLS), "{ verify = \"ca\" }", "How the calendar server proves who it is.";
    }
    ONLY {
        "location": Shape::Text, "", "A pattern for the location; `*` stands for any text.";
        "title": Shape::Text, "", "A pattern for the title.";
        "organizer": Shape::Text, "", "A pattern for the organizer's name or address.";
        "category": Shape::Text, "", "A pattern for one of the categories.";
    }
    OAUTH2 {
        "token_url": Shape::Text, "", "Where an access token is asked for.";
        "client_id": Shape::Text, "", "The name of the application.";
        "client_secret": Shape::Secret, "", "The secret of the application.";
        "refresh_token": Shape::Secret, "", "The token that access tokens are asked for with.";
    }
    TLS {
        "verify": Shape::Words(&["pin", "ca", "off"]), "", "pin: trust the first certificate, remember it, refuse another (pods only); ca: an authority that this computer trusts; off: any certificate.";
        "sha256": Shape::Text, "", "The SHA-256 of this very certificate, in 64 hexadecimal digits.";
        "ca_file": Shape::Text, "", "A file with an authority of your own, in PEM.";
    }
    SECRET {
        "file": Shape::Text, "", "A file that contains the secret and nothing else.";
        "env": Shape::Text, "", "An environment variable that contains the secret.";
    }
};
