//! Small calendars around the present time.

use std::sync::LazyLock;

use jiff::Timestamp;

/// The same for all of a run, so that a calendar written twice is the same calendar.
static START: LazyLock<i64> = LazyLock::new(|| Timestamp::now().as_second());

/// Unix seconds, so many hours after the tests began.
pub fn hour(hours: i64) -> i64 {
    *START + hours * 3600
}

/// Unix seconds at this very moment.
pub fn now() -> i64 {
    Timestamp::now().as_second()
}

/// An event of half an hour that begins so many hours from now.
pub fn meeting(title: &str, hours: i64) -> String {
    meeting_at(title, hour(hours), hour(hours) + 1800)
}

/// An event between two Unix times.
pub fn meeting_at(title: &str, start: i64, end: i64) -> String {
    let uid = title.replace(' ', "-").to_lowercase();
    format!(
        "BEGIN:VEVENT\r\nUID:{uid}@example.com\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{}\r\nDTEND:{}\r\n\
         SUMMARY:{title}\r\nEND:VEVENT\r\n",
        utc(start),
        utc(end)
    )
}

/// An event that nobody can read: its start is no time.
pub fn broken() -> String {
    "BEGIN:VEVENT\r\nUID:broken@example.com\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:next tuesday\r\n\
     SUMMARY:Broken\r\nEND:VEVENT\r\n"
        .to_owned()
}

pub fn calendar(events: &[String]) -> String {
    calendar_with("", events)
}

/// A calendar with more properties, each line ended by CR LF.
pub fn calendar_with(properties: &str, events: &[String]) -> String {
    let events = events.concat();
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//podcal tests//EN\r\n{properties}{events}END:VCALENDAR\r\n"
    )
}

fn utc(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .unwrap()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}
