//! A calendar such as rooms have, the same on every machine: 70 % single events, 25 %
//! recurring ones that began up to ten years ago, 5 % recurring ones with exceptions;
//! three zones with their VTIMEZONE, attendees, and the HTML copy of the text that
//! Outlook adds. Only what every program compared here can read: IANA names for zones,
//! UNTIL in UTC, DTSTART on its rule.

use std::fmt::Write as _;

use jiff::ToSpan as _;
use jiff::civil::{DateTime, date};

/// The Monday at which the window begins, midnight UTC.
pub const NOW: i64 = 1_772_409_600;
pub const WINDOW_DAYS: i64 = 14;

const ZONES: [(&str, &str); 3] = [
    (
        "Europe/Berlin",
        "BEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n\
         TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\nEND:DAYLIGHT\r\n\
         BEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n\
         TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nEND:STANDARD\r\n",
    ),
    (
        "America/Denver",
        "BEGIN:DAYLIGHT\r\nDTSTART:20070311T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\r\n\
         TZOFFSETFROM:-0700\r\nTZOFFSETTO:-0600\r\nTZNAME:MDT\r\nEND:DAYLIGHT\r\n\
         BEGIN:STANDARD\r\nDTSTART:20071104T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\r\n\
         TZOFFSETFROM:-0600\r\nTZOFFSETTO:-0700\r\nTZNAME:MST\r\nEND:STANDARD\r\n",
    ),
    (
        "Asia/Kolkata",
        "BEGIN:STANDARD\r\nDTSTART:19451015T000000\r\nTZOFFSETFROM:+0630\r\nTZOFFSETTO:+0530\r\n\
         TZNAME:IST\r\nEND:STANDARD\r\n",
    ),
];

const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const WORDS: [&str; 12] = [
    "Budget",
    "review",
    "planning",
    "weekly",
    "Größe",
    "design",
    "hiring",
    "board",
    "quarter",
    "standup",
    "retrospective",
    "customer",
];

/// A calendar of so many events.
#[must_use]
pub fn calendar(events: usize) -> String {
    let mut feed = Feed {
        text: String::with_capacity(events * 2_000),
        dice: Dice(0x5eed_2026_0302),
    };
    feed.line("BEGIN:VCALENDAR");
    feed.line("VERSION:2.0");
    feed.line("PRODID:-//Example//Rooms//EN");
    feed.line("METHOD:PUBLISH");
    feed.line("X-WR-CALNAME:Aurora");
    for (tzid, observances) in ZONES {
        feed.line("BEGIN:VTIMEZONE");
        feed.line(&format!("TZID:{tzid}"));
        feed.text.push_str(observances);
        feed.line("END:VTIMEZONE");
    }
    for number in 0..events {
        match feed.dice.roll(100) {
            0..70 => feed.single(number),
            70..95 => feed.recurring(number, Exception::None),
            95..98 => feed.recurring(number, Exception::Excluded),
            _ => feed.recurring(number, Exception::Moved),
        }
    }
    feed.line("END:VCALENDAR");
    feed.text
}

#[derive(Clone, Copy, PartialEq)]
enum Exception {
    None,
    Excluded,
    Moved,
}

struct Feed {
    text: String,
    dice: Dice,
}

impl Feed {
    /// Between two years ago and half a year ahead.
    fn single(&mut self, number: usize) {
        let day = self.dice.between(-730, 180);
        let start = self.start(day);
        let (tzid, _) = self.zone();
        self.event(number, tzid, start, &[]);
    }

    fn recurring(&mut self, number: usize, exception: Exception) {
        let day = self.dice.between(-3_650, 7);
        let mut start = self.start(day);
        let (tzid, _) = self.zone();
        let weekday = |at: DateTime| WEEKDAYS[at.weekday().to_monday_zero_offset() as usize];
        let weekly = exception != Exception::None;
        let (rule, step) = match self.dice.roll(20) {
            0..10 => (format!("FREQ=WEEKLY;BYDAY={}", weekday(start)), 7),
            _ if weekly => (format!("FREQ=WEEKLY;BYDAY={}", weekday(start)), 7),
            10..13 => (
                format!("FREQ=WEEKLY;INTERVAL=2;BYDAY={}", weekday(start)),
                14,
            ),
            13..16 => {
                while start.weekday().to_monday_zero_offset() > 4 {
                    start = start.saturating_add(1.day());
                }
                ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR".to_owned(), 1)
            }
            16..18 => {
                let nth = (start.day() - 1) / 7 + 1;
                let nth = if nth > 4 { -1 } else { nth };
                (format!("FREQ=MONTHLY;BYDAY={nth}{}", weekday(start)), 30)
            }
            18 => ("FREQ=DAILY;INTERVAL=3".to_owned(), 3),
            _ => (
                format!("FREQ=MONTHLY;BYMONTHDAY={}", start.day().min(28)),
                30,
            ),
        };
        if rule.contains("BYMONTHDAY") && start.day() > 28 {
            start = start.with().day(28).build().unwrap();
        }
        let end = match self.dice.roll(10) {
            0..4 => String::new(),
            4..8 => {
                let last = start.saturating_add(self.dice.between(60, 1_500).days());
                format!(";UNTIL={}Z", last.strftime("%Y%m%dT%H%M%S"))
            }
            _ => format!(";COUNT={}", self.dice.between(5, 200)),
        };
        let mut lines = vec![format!("RRULE:{rule}{end}")];
        // The instance nearest to the window, so that the exception counts.
        let today = date(2026, 3, 2).at(0, 0, 0, 0);
        let days = i64::from(today.date().since(start.date()).unwrap().get_days());
        let at = start.saturating_add((days.max(0) / step * step + step).days());
        if exception == Exception::Excluded {
            lines.push(format!("EXDATE;TZID={tzid}:{}", written(at)));
        }
        self.event(number, tzid, start, &lines);
        if exception == Exception::Moved {
            let id = format!("RECURRENCE-ID;TZID={tzid}:{}", written(at));
            self.event(number, tzid, at.saturating_add(90.minutes()), &[id]);
        }
    }

    fn event(&mut self, number: usize, tzid: &str, start: DateTime, lines: &[String]) {
        let minutes = [30, 45, 60, 90, 120][self.dice.roll(5) as usize];
        let end = start.saturating_add(minutes.minutes());
        self.line("BEGIN:VEVENT");
        self.line(&format!(
            "UID:{number:08x}-7d4c-4b9a-9f61-0123456789ab@example.com"
        ));
        self.line("DTSTAMP:20260301T120000Z");
        self.line(&format!("DTSTART;TZID={tzid}:{}", written(start)));
        self.line(&format!("DTEND;TZID={tzid}:{}", written(end)));
        for line in lines {
            self.line(line);
        }
        let title = self.words(4);
        self.line(&format!("SUMMARY:{title}"));
        self.line("ORGANIZER;CN=Ada Example:mailto:ada@example.com");
        for attendee in 0..self.dice.roll(8) {
            self.line(&format!(
                "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=TRUE;\
                 CN=Person {attendee};X-NUM-GUESTS=0:mailto:person{attendee}@example.com"
            ));
        }
        let text = self.words(40);
        self.line(&format!(
            "DESCRIPTION:{text}\\n\\nJoin: https://meet.example.com/j/{number}?pwd=abc"
        ));
        if self.dice.roll(2) == 0 {
            let text = self.words(120);
            self.line(&format!(
                "X-ALT-DESC;FMTTYPE=text/html:<html><head><style>p {{margin:0\\; \
                 font-family:Calibri}}</style></head><body><p>{text}</p></body></html>"
            ));
        }
        self.line("LOCATION:Aurora");
        self.line("CLASS:PUBLIC");
        self.line("SEQUENCE:0");
        self.line("STATUS:CONFIRMED");
        self.line("TRANSP:OPAQUE");
        self.line("X-MICROSOFT-CDO-BUSYSTATUS:BUSY");
        self.line("END:VEVENT");
    }

    /// In working hours, which no clock change touches.
    fn start(&mut self, day: i64) -> DateTime {
        let hour = i8::try_from(self.dice.between(8, 17)).unwrap();
        let minute = i8::try_from(self.dice.between(0, 3) * 15).unwrap();
        date(2026, 3, 2)
            .at(hour, minute, 0, 0)
            .saturating_add(day.days())
    }

    fn zone(&mut self) -> (&'static str, &'static str) {
        ZONES[self.dice.roll(3) as usize]
    }

    fn words(&mut self, count: usize) -> String {
        let mut text = String::new();
        for index in 0..count {
            let gap = if index == 0 { "" } else { " " };
            let _ = write!(text, "{gap}{}", WORDS[self.dice.roll(12) as usize]);
        }
        text
    }

    /// Folded at 75 bytes (RFC 5545 section 3.1), between characters.
    fn line(&mut self, line: &str) {
        let mut used = 0;
        for letter in line.chars() {
            if used + letter.len_utf8() > 75 {
                self.text.push_str("\r\n ");
                used = 1;
            }
            self.text.push(letter);
            used += letter.len_utf8();
        }
        self.text.push_str("\r\n");
    }
}

fn written(at: DateTime) -> String {
    at.strftime("%Y%m%dT%H%M%S").to_string()
}

/// A small generator, so that the calendar is the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.roll(u64::try_from(high - low + 1).unwrap())).unwrap()
    }
}
