//! What one feed costs: reading it, expanding fourteen days and composing the agenda,
//! with podcal and with what a programmer would take otherwise: the crates `icalendar`
//! and `rrule`, and `ical-rs`. Then what a calendar costs that has not changed, and that
//! is read from the form in which the ledger holds it.
//!
//! Criterion measures each for itself; the ratios are medians of runs in turn, so that
//! what else the machine does falls on both. All must find the same number of meetings.

#![expect(clippy::unwrap_used, reason = "the calendar is our own")]
#![expect(clippy::indexing_slicing, reason = "tables of a known size")]
#![expect(clippy::print_stdout, reason = "the ratios are what this is for")]

mod synthetic;

use std::collections::{HashMap, HashSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use criterion::Criterion;
use icalendar::{Calendar, CalendarComponent, Component as _, DatePerhapsTime, Event};
use podcal::compose::{self, FromFeed};
use podcal::config::{MeetingRules, Only};
use podcal::model::item::FeedItem;
use podcal::model::time::{UnixTime, Window};
use podcal::model::zone::Zone;
use podcal::{expand, ics};

/// Pairs of runs behind a ratio.
const PAIRS: usize = 9;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    for (label, events) in [("1k", 1_000), ("10k", 10_000)] {
        let text = synthetic::calendar(events);
        let item = item(text.clone());
        let kept = ics::keep(&item, window().from(), &[]);
        println!(
            "{label} events: {} kB as sent, {} kB as kept, {} meetings in {} days",
            text.len() / 1000,
            kept.body.len() / 1000,
            by_podcal(&item),
            synthetic::WINDOW_DAYS
        );
        assert_eq!(by_podcal(&item), by_podcal(&kept));
        assert_eq!(by_podcal(&item), by_icalendar_and_rrule(&text));

        let mut group = criterion.benchmark_group(label);
        group.bench_function("podcal", |bench| bench.iter(|| by_podcal(&item)));
        group.bench_function("icalendar+rrule", |bench| {
            bench.iter(|| by_icalendar_and_rrule(&text));
        });
        if events <= 1_000 {
            assert_eq!(by_podcal(&item), by_ical_rs(&text));
            group.bench_function("ical-rs", |bench| bench.iter(|| by_ical_rs(&text)));
        }
        group.bench_function("podcal, reading only", |bench| {
            bench.iter(|| ics::read(&item).unwrap());
        });
        group.bench_function("icalendar, reading only", |bench| {
            bench.iter(|| text.parse::<Calendar>().unwrap());
        });
        group.bench_function("podcal, keeping", |bench| {
            bench.iter(|| ics::keep(&item, window().from(), &[]));
        });
        group.bench_function("podcal, unchanged cycle", |bench| {
            bench.iter(|| by_podcal(&kept));
        });
        group.finish();

        let podcal = || by_podcal(&item);
        ratio(label, "podcal", podcal, "icalendar+rrule", || {
            by_icalendar_and_rrule(&text)
        });
        if events <= 1_000 {
            ratio(label, "podcal", podcal, "ical-rs", || by_ical_rs(&text));
        }
        ratio(
            label,
            "podcal, reading only",
            || ics::read(&item).unwrap().series.len(),
            "icalendar, reading only",
            || text.parse::<Calendar>().unwrap().components.len(),
        );
        ratio(
            label,
            "podcal, unchanged cycle",
            || by_podcal(&kept),
            "icalendar+rrule",
            || by_icalendar_and_rrule(&text),
        );
    }
    criterion.final_summary();
}

/// How many times as long the second takes, and the quarter and three-quarter marks.
fn ratio<A, B>(label: &str, ours: &str, a: impl Fn() -> A, theirs: &str, b: impl Fn() -> B) {
    let mut ratios: Vec<f64> = (0..PAIRS)
        .map(|_| {
            let ours = took(&a).as_secs_f64();
            took(&b).as_secs_f64() / ours
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "{label}: {theirs} takes {:.1} times as long as {ours} ({:.1} to {:.1})",
        ratios[PAIRS / 2],
        ratios[PAIRS / 4],
        ratios[PAIRS * 3 / 4]
    );
}

fn took<T>(work: impl Fn() -> T) -> Duration {
    let began = Instant::now();
    black_box(work());
    began.elapsed()
}

fn window() -> Window {
    let from = UnixTime::from_seconds(synthetic::NOW);
    let to = UnixTime::from_seconds(synthetic::NOW + synthetic::WINDOW_DAYS * 86_400);
    Window::new(from, to).unwrap()
}

fn item(text: String) -> FeedItem {
    FeedItem {
        href: String::new(),
        etag: None,
        last_modified: None,
        body: Bytes::from(text),
    }
}

/// Read, expand, compose: as a cycle does.
fn by_podcal(item: &FeedItem) -> usize {
    let zone = Zone::named("America/Denver").unwrap();
    let reading = ics::merge(vec![ics::read(item).unwrap()]);
    let expansion = expand::expand(&reading.series, window(), &zone);
    let feed = FromFeed {
        occurrences: &expansion.occurrences,
        only: &Only::default(),
    };
    let rules = MeetingRules {
        max: usize::MAX,
        ..MeetingRules::default()
    };
    compose::agenda(&[feed], &rules, window())
        .agenda
        .meetings()
        .len()
}

/// The obvious program: parse, skip what is replaced, let `rrule` expand the rest.
fn by_icalendar_and_rrule(text: &str) -> usize {
    let (from, to) = (utc(window().from()), utc(window().to()));
    let calendar: Calendar = text.parse().unwrap();
    let events = || {
        calendar.components.iter().filter_map(|one| match one {
            CalendarComponent::Event(event) => Some(event),
            _ => None,
        })
    };
    let replaced: HashSet<(&str, DateTime<Utc>)> = events()
        .filter_map(|event| Some((event.get_uid()?, instant(&event.get_recurrence_id()?)?)))
        .collect();
    let mut meetings = Vec::new();
    for event in events() {
        let (start, end) = (instant(&event.get_start().unwrap()), event.get_end());
        let start = start.unwrap();
        let length = instant(&end.unwrap()).unwrap() - start;
        let uid = event.get_uid().unwrap();
        let starts = match event.property_value("RRULE") {
            None => vec![start],
            Some(_) => recurrence(event)
                .after((from - length).with_timezone(&rrule::Tz::UTC))
                .before(to.with_timezone(&rrule::Tz::UTC))
                .all(u16::MAX)
                .dates
                .iter()
                .map(DateTime::to_utc)
                .filter(|start| !replaced.contains(&(uid, *start)))
                .collect(),
        };
        for start in starts {
            if start < to && start + length > from {
                meetings.push((start, start + length, event.get_summary().unwrap_or("")));
            }
        }
    }
    meetings.sort_unstable();
    meetings.len()
}

fn recurrence(event: &Event) -> rrule::RRuleSet {
    let start = event.properties().get("DTSTART").unwrap();
    let zone = start.params().get("TZID").unwrap().value();
    let mut lines = format!(
        "DTSTART;TZID={zone}:{}\nRRULE:{}",
        start.value(),
        event.property_value("RRULE").unwrap()
    );
    for excluded in event.multi_properties().get("EXDATE").into_iter().flatten() {
        lines.push_str(&format!("\nEXDATE;TZID={zone}:{}", excluded.value()));
    }
    lines.parse().unwrap()
}

fn instant(at: &DatePerhapsTime) -> Option<DateTime<Utc>> {
    match at {
        DatePerhapsTime::DateTime(at) => at.try_into_utc(),
        DatePerhapsTime::Date(_) => None,
    }
}

fn utc(at: UnixTime) -> DateTime<Utc> {
    DateTime::from_timestamp(at.seconds(), 0).unwrap()
}

/// The same with the crate `ical-rs`, which evaluates each VTIMEZONE itself.
fn by_ical_rs(text: &str) -> usize {
    use ical::component::IcalComponent;
    use ical::prop::IcalProp;
    use ical::recur::IcalRecurDateTime as Local;
    use ical::recur::set::{IcalRecurSet, IcalRecurZone};
    use ical::tz::{IcalTz, IcalTzTransitions};
    use ical::value::IcalValue;

    let (from, to) = (window().from().seconds(), window().to().seconds());
    let tree = ical::tree::cst::IcalCst::parse(text).unwrap();
    let calendar = tree.decode();
    let zones: Vec<IcalTz> = calendar
        .components
        .iter()
        .filter_map(IcalTz::of_component)
        .collect();
    let mut clocks: HashMap<&str, IcalTzTransitions> = zones
        .iter()
        .map(|zone| (zone.id.as_str(), IcalTzTransitions::of_zone(zone.clone())))
        .collect();
    let value = |component: &IcalComponent<'_>, name: &str| {
        let named = |property: &&IcalProp<'_>| &*property.name == name;
        match &component.props.iter().find(named)?.value {
            IcalValue::Text(text) => Some(text.0.to_string()),
            IcalValue::DateTime(at) => Some(at.0.to_string()),
            _ => None,
        }
    };
    let mut series: HashMap<String, IcalRecurSet> = HashMap::new();
    let mut lengths: HashMap<String, i64> = HashMap::new();
    for component in &calendar.components {
        if &*component.name != "VEVENT" {
            continue;
        }
        let uid = value(component, "UID").unwrap();
        let seconds = |name| {
            Local::parse(&value(component, name).unwrap())
                .unwrap()
                .seconds()
        };
        let length = seconds("DTEND") - seconds("DTSTART");
        match series.get_mut(&uid) {
            Some(set) => {
                set.with_override_in(component, &zones);
            }
            None => {
                series.insert(
                    uid.clone(),
                    IcalRecurSet::of_component_in(component, &zones),
                );
            }
        }
        lengths.entry(uid).or_insert(length);
    }
    let mut meetings = Vec::new();
    for (uid, set) in &series {
        let IcalRecurZone::Tz(zone) = &set.zone else {
            continue;
        };
        let clock = clocks.get_mut(zone.as_str()).unwrap();
        for occurrence in set.expand() {
            let start = clock
                .resolve(occurrence.start)
                .literal_instant(occurrence.start);
            if start >= to {
                break;
            }
            if start + lengths[uid] > from {
                meetings.push((start, uid));
            }
        }
    }
    meetings.sort_unstable();
    meetings.len()
}
