//! The sample calendars of the demo, written around the present so that there is
//! always something to see now, next and later today.

use chrono::NaiveDateTime;
use icalendar::{
    Calendar, CalendarDateTime, Class, Component as _, Event, EventLike as _, EventStatus,
};
use jiff::civil::{self, Date};

use crate::model::time::UnixTime;
use crate::model::zone::Zone;

/// A room of the demo.
pub struct Sample {
    pub key: &'static str,
    pub title: &'static str,
    pub zone: &'static str,
    /// The calendar as an iCalendar document.
    pub calendar: fn(&Around) -> String,
}

pub const SAMPLES: [Sample; 3] = [
    Sample {
        key: "aurora",
        title: "Aurora",
        zone: "Europe/Berlin",
        calendar: aurora,
    },
    Sample {
        key: "borealis",
        title: "Borealis",
        zone: "America/New_York",
        calendar: borealis,
    },
    Sample {
        key: "meridian",
        title: "Meridian",
        zone: "Asia/Tokyo",
        calendar: meridian,
    },
];

/// The present, as a room's wall clock shows it.
pub struct Around {
    zone: Zone,
    now: civil::DateTime,
}

impl Around {
    pub fn new(zone: Zone, now: UnixTime) -> Self {
        let now = zone.local(now);
        Self { zone, now }
    }

    fn today(&self) -> Date {
        self.now.date()
    }

    /// So many minutes from the beginning of this hour.
    fn minutes(&self, minutes: i64) -> civil::DateTime {
        let hour = self.today().at(self.now.hour(), 0, 0, 0);
        hour.saturating_add(jiff::Span::new().minutes(minutes))
    }

    fn at(&self, local: civil::DateTime) -> CalendarDateTime {
        CalendarDateTime::WithTimezone {
            date_time: naive(local),
            tzid: self.zone.name().to_owned(),
        }
    }

    fn event(&self, uid: &str, title: &str, organizer: &str, from: i64, to: i64) -> Event {
        let mut event = Event::new();
        event
            .uid(&format!("{uid}@demo.example"))
            .summary(title)
            .starts(self.at(self.minutes(from)))
            .ends(self.at(self.minutes(to)));
        if !organizer.is_empty() {
            let mut property = icalendar::Property::new("ORGANIZER", "mailto:someone@demo.example");
            property.add_parameter("CN", organizer);
            event.append_property(property);
        }
        event
    }
}

/// A meeting now, a weekly series whose instance of today was moved, and one whose
/// instance of today was cancelled.
fn aurora(around: &Around) -> String {
    let weeks_ago = |minutes: i64, weeks: i64| minutes - weeks * 7 * 24 * 60;
    let mut series = around.event(
        "weekly",
        "Planning",
        "Grace Hopper",
        weeks_ago(60, 3),
        weeks_ago(120, 3),
    );
    series.add_property("RRULE", "FREQ=WEEKLY");
    let mut moved = around.event("weekly", "Planning (moved)", "Grace Hopper", 90, 150);
    moved.recurrence_id(around.at(around.minutes(60)));
    let mut review = around.event(
        "review",
        "Design review",
        "Alan Kay",
        weeks_ago(240, 2),
        weeks_ago(300, 2),
    );
    review.add_property("RRULE", "FREQ=WEEKLY");
    let mut cancelled = around.event("review", "Design review", "Alan Kay", 240, 300);
    cancelled
        .recurrence_id(around.at(around.minutes(240)))
        .status(EventStatus::Cancelled);
    Calendar::new()
        .push(
            around
                .event("now", "Project kick-off", "Ada Lovelace", -30, 60)
                .done(),
        )
        .push(series.done())
        .push(moved.done())
        .push(review.done())
        .push(cancelled.done())
        .push(
            around
                .event("later", "Team retrospective", "Barbara Liskov", 180, 240)
                .done(),
        )
        .done()
        .to_string()
}

/// A private meeting now, and one that was booked in another time zone by a
/// program that has its own names for zones.
fn borealis(around: &Around) -> String {
    let mut private = around.event(
        "private",
        "Annual review: J. Doe",
        "Human Resources",
        -15,
        60,
    );
    private.class(Class::Private);
    // The same instant on the wall in Los Angeles, three hours behind New York.
    let mut elsewhere = Event::new();
    let pacific = |minutes: i64| CalendarDateTime::WithTimezone {
        date_time: naive(around.minutes(minutes - 180)),
        tzid: "Pacific Standard Time".to_owned(),
    };
    elsewhere
        .uid("elsewhere@demo.example")
        .summary("Call with the west coast")
        .starts(pacific(60))
        .ends(pacific(120));
    let mut link = icalendar::Property::new("CONFERENCE", "https://meet.example.com/west-coast");
    link.add_parameter("VALUE", "URI");
    elsewhere.append_property(link);
    let mut free = around.event("free", "Cake in the kitchen", "Everybody", 60, 90);
    free.add_property("TRANSP", "TRANSPARENT");
    Calendar::new()
        .push(private.done())
        .push(elsewhere.done())
        .push(free.done())
        .push(
            around
                .event("later", "Vendor demo", "Donald Knuth", 150, 210)
                .done(),
        )
        .done()
        .to_string()
}

/// A booking of the whole day, and a meeting within it tomorrow.
fn meridian(around: &Around) -> String {
    let date = |day: Date| {
        chrono::NaiveDate::from_ymd_opt(i32::from(day.year()), day.month() as u32, day.day() as u32)
    };
    let tomorrow = around.today().saturating_add(jiff::Span::new().days(1));
    let mut fair = Event::new();
    fair.uid("fair@demo.example").summary("Open house");
    if let (Some(first), Some(end)) = (date(around.today()), date(tomorrow)) {
        fair.starts(first).ends(end);
    }
    let day = 24 * 60;
    Calendar::new()
        .push(fair.done())
        .push(
            around
                .event(
                    "tomorrow",
                    "Budget round",
                    "Katherine Johnson",
                    day,
                    day + 60,
                )
                .done(),
        )
        .done()
        .to_string()
}

fn naive(local: civil::DateTime) -> NaiveDateTime {
    let (date, time) = (local.date(), local.time());
    let day = chrono::NaiveDate::from_ymd_opt(
        i32::from(date.year()),
        date.month() as u32,
        date.day() as u32,
    );
    let time = chrono::NaiveTime::from_hms_opt(
        time.hour() as u32,
        time.minute() as u32,
        time.second() as u32,
    );
    // Both exist in either library.
    day.unwrap_or_default().and_time(time.unwrap_or_default())
}
