//! A VEVENT as its lines come in: everything understood but the zones, which may be
//! defined after it.

use std::ops::Range;

use super::date;
use super::property::{self, Name, Property};
use super::rrule::{self, LeftOut, NoRule, RuleText};
use super::series::{Event, Freq, Nominal, Rule};
use super::stamp::{DateContext, PeriodEnd, Stamp, stamp};
use super::zone::Zones;
use crate::model::entities;
use crate::model::occurrence::{BusyStatus, Class, Person, Status};
use crate::model::time::UnixTime;
use crate::model::verdict;

/// A text longer than this is cut; a display shows a line of it.
pub const MAX_TEXT: usize = 256 << 10;
/// EXDATEs and RDATEs of one event: daily for 270 years.
pub const MAX_DATES: usize = 100_000;
pub const MAX_RULES: usize = 32;
const MAX_CATEGORIES: usize = 200;
const MAX_LINKS: usize = 20;
const MAX_DECLINED: usize = 1_000;
const MAX_TROUBLES: usize = 16;

/// What these take of memory.
///
/// The drafts are given up one by one when events are made of them, which take as much.
const PER_EVENT: usize = size_of::<Draft>() + size_of::<Event>() + 512;
const PER_DATE: usize = 160;
const PER_TEXT: usize = 96;

#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The number of its VCALENDAR in the file.
    pub calendar: u32,
    /// Of its BEGIN:VEVENT.
    pub line: u32,
    /// Its bytes, from BEGIN to the end of END.
    pub span: Range<usize>,
    pub uid: Option<String>,
    pub summary: Option<String>,
    pub description: Option<String>,
    pub location: Option<String>,
    pub categories: Vec<String>,
    pub organizer: Option<Person>,
    pub declined: Vec<String>,
    rooms: u32,
    rooms_declined: u32,
    kept_declined: bool,
    pub class: Option<Class>,
    pub status: Option<Status>,
    pub transparent: Option<bool>,
    pub busy_status: Option<BusyStatus>,
    pub intended_status: Option<BusyStatus>,
    /// From CONFERENCE, X-GOOGLE-CONFERENCE, X-MICROSOFT-SKYPETEAMSMEETINGURL.
    pub conference: [Vec<String>; 3],
    pub url: Option<String>,
    pub start: Option<Stamp>,
    pub end: Option<Stamp>,
    pub duration: Option<Nominal>,
    pub recurrence_id: Option<(Stamp, bool)>,
    pub rules: Vec<Rule>,
    pub exclusion_rules: Vec<Rule>,
    pub dates: Vec<(Stamp, Option<PeriodEnd>)>,
    pub exclusion_dates: Vec<Stamp>,
    pub sequence: u32,
    pub modified: Option<UnixTime>,
    pub stamped: Option<UnixTime>,
    /// From `keep`: the filters that a private event matched.
    pub only_matched: Option<Vec<String>>,
    /// Its properties stand where those of a calendar should.
    pub without_begin: bool,
    /// From `keep`: where it stood in the bytes as they were sent.
    pub kept_line: Option<u32>,
    /// Where its properties stand, if asked for: name, first byte, the one after the last.
    pub lines: Vec<(Name, usize, usize)>,
    /// What is wrong with parts of it.
    pub troubles: Vec<verdict::Rule>,
    /// A date without which it is no event could not be read: the line, and what.
    pub broken: Option<(u32, String)>,
}

impl Draft {
    #[must_use]
    pub fn new(calendar: u32, line: u32, start: usize) -> Self {
        Self {
            calendar,
            line,
            span: start..start,
            ..Self::default()
        }
    }

    /// About how many bytes it takes, with the event that is made of it, beside its texts.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let lists = self.lines.capacity() * size_of::<(Name, usize, usize)>()
            + self.dates.len() * PER_DATE
            + self.exclusion_dates.len() * PER_DATE
            + (self.rules.len() + self.exclusion_rules.len()) * 3 * size_of::<Rule>()
            + (self.categories.len() + self.declined.len()) * PER_TEXT
            + self.troubles.len() * PER_TEXT;
        (PER_EVENT + lists) as u64
    }

    /// Every room that was invited declined, or the organizer did.
    #[must_use]
    pub fn room_declined(&self) -> bool {
        let organizer = self
            .organizer
            .as_ref()
            .and_then(|person| person.address.as_deref());
        self.kept_declined
            || (self.rooms > 0 && self.rooms == self.rooms_declined)
            || organizer.is_some_and(|address| self.declined.contains(&address.to_lowercase()))
    }

    /// Whether it has this property already; told for those that may stand once.
    #[must_use]
    pub fn has(&self, name: Name) -> bool {
        match name {
            Name::Uid => self.uid.is_some(),
            Name::Start => self.start.is_some(),
            Name::EndTime => self.end.is_some(),
            Name::Duration => self.duration.is_some(),
            Name::RecurrenceId => self.recurrence_id.is_some(),
            Name::Rule => !self.rules.is_empty(),
            Name::Summary => self.summary.is_some(),
            Name::Location => self.location.is_some(),
            Name::Organizer => self.organizer.is_some(),
            Name::Status => self.status.is_some(),
            Name::Transparency => self.transparent.is_some(),
            _ => false,
        }
    }

    /// A line that says nothing, where something was expected.
    pub fn trouble(&mut self, rule: verdict::Rule) {
        if self.troubles.len() < MAX_TROUBLES && !self.troubles.contains(&rule) {
            self.troubles.push(rule);
        }
    }

    /// A property that could not be read stands there again, and can be.
    fn mend(&mut self, name: &str) {
        let is_that = |what: &str| what.split(' ').next() == Some(name);
        if self.broken.as_ref().is_some_and(|(_, what)| is_that(what)) {
            self.broken = None;
            let what = format!("one {name} cannot be read; another one counts");
            self.trouble(verdict::Rule::Note { what });
        }
    }

    fn unreadable(&mut self, what: impl Into<String>) {
        self.trouble(verdict::Rule::Unreadable { what: what.into() });
    }

    /// One property. Of those that may stand once the first counts.
    pub fn take(&mut self, name: Name, property: &Property<'_>, line: u32, zones: &mut Zones) {
        let value = property.value;
        match name {
            Name::Uid => {
                let uid = value.trim();
                if self.uid.is_none() && !uid.is_empty() {
                    self.uid = Some(uid.to_owned());
                }
            }
            Name::Summary => title(&mut self.summary, property),
            Name::Description => text(&mut self.description, property),
            Name::Location => title(&mut self.location, property),
            Name::Url => text(&mut self.url, property),
            Name::Categories => {
                let room = MAX_CATEGORIES.saturating_sub(self.categories.len());
                let categories = property::list(value).map(|one| property::unescape(one.trim()));
                self.categories
                    .extend(categories.filter(|one| !one.is_empty()).take(room));
            }
            Name::Organizer if self.organizer.is_none() => self.organizer = person(property),
            Name::Attendee => self.attendee(property),
            Name::Class | Name::Access => self.class(value),
            Name::Status => {
                self.status = self
                    .status
                    .or(match value.trim().to_ascii_uppercase().as_str() {
                        "" => None,
                        "CANCELLED" | "CANCELED" => Some(Status::Cancelled),
                        "TENTATIVE" => Some(Status::Tentative),
                        _ => Some(Status::Confirmed),
                    });
            }
            Name::Transparency => {
                let transparent = value.trim().eq_ignore_ascii_case("TRANSPARENT");
                self.transparent = self.transparent.or(Some(transparent));
            }
            Name::BusyStatus => self.busy_status = self.busy_status.or(busy_status(value)),
            Name::IntendedStatus => {
                self.intended_status = self.intended_status.or(busy_status(value));
            }
            Name::Conference | Name::GoogleConference | Name::SkypeTeams => {
                let [plain, google, teams] = &mut self.conference;
                let links = match name {
                    Name::Conference => plain,
                    Name::GoogleConference => google,
                    _ => teams,
                };
                let link = property::unescape(value.trim());
                if links.len() < MAX_LINKS && !link.is_empty() {
                    links.push(link);
                }
            }
            Name::Start if self.start.is_none() => match stamp(property, line, zones) {
                Some(start) => {
                    self.start = Some(start);
                    self.mend("DTSTART");
                }
                None => {
                    self.broken
                        .get_or_insert((line, "DTSTART is not a date".to_owned()));
                }
            },
            Name::EndTime if self.end.is_none() => {
                self.end = stamp(property, line, zones);
                if self.end.is_none() {
                    self.unreadable("DTEND is not a date");
                }
            }
            Name::Duration if self.duration.is_none() => {
                self.duration = date::duration(value);
                if self.duration.is_none() {
                    self.unreadable("DURATION is not a length of time");
                }
            }
            Name::RecurrenceId if self.recurrence_id.is_none() => {
                match stamp(property, line, zones) {
                    Some(stamp) => {
                        self.recurrence_id = Some((stamp, property.has("RANGE", "THISANDFUTURE")));
                        self.mend("RECURRENCE-ID");
                    }
                    None => {
                        let what = "RECURRENCE-ID is not a date".to_owned();
                        self.broken.get_or_insert((line, what));
                    }
                }
            }
            Name::Rule => self.rule(value, "RRULE"),
            Name::ExclusionRule => self.rule(value, "EXRULE"),
            Name::Dates => self.dates(property, line, zones),
            Name::ExclusionDates => self.exclusion_dates(property, line, zones),
            Name::Sequence => self.sequence = value.trim().parse().unwrap_or(0),
            Name::Modified => self.modified = date::stamp(value),
            Name::Stamped => self.stamped = date::stamp(value),
            Name::KeptLine => self.kept_line = value.trim().parse().ok(),
            Name::KeptOnly => {
                let digests = value.split(',').map(str::trim);
                let digests = digests.filter(|digest| !digest.is_empty());
                self.only_matched = Some(digests.map(str::to_owned).collect());
            }
            Name::KeptDeclined => self.kept_declined = value.trim().eq_ignore_ascii_case("TRUE"),
            _ => {}
        }
    }

    /// The stricter of CLASS and Apple's older property for the same.
    fn class(&mut self, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        // RFC 5545 section 3.8.1.3: an unknown word is to be treated as PRIVATE.
        let class = if value.eq_ignore_ascii_case("PUBLIC") {
            Class::Public
        } else {
            Class::Private
        };
        if self.class != Some(Class::Private) {
            self.class = Some(class);
        }
    }

    fn attendee(&mut self, property: &Property<'_>) {
        let is_room = property.has("CUTYPE", "ROOM") || property.has("CUTYPE", "RESOURCE");
        let declined = property.has("PARTSTAT", "DECLINED");
        if is_room {
            self.rooms = self.rooms.saturating_add(1);
            self.rooms_declined = self.rooms_declined.saturating_add(u32::from(declined));
        }
        if declined && self.declined.len() < MAX_DECLINED {
            let address = person(property).and_then(|person| person.address);
            self.declined
                .extend(address.map(|address| address.to_lowercase()));
        }
    }

    fn rule(&mut self, value: &str, name: &'static str) {
        let rules = if name == "RRULE" {
            &mut self.rules
        } else {
            &mut self.exclusion_rules
        };
        if value.trim().is_empty() {
            return;
        }
        let trouble = match rrule::read(value) {
            Ok(_) if rules.len() >= MAX_RULES => verdict::Rule::Capped {
                cap: "rules in an event",
                at: MAX_RULES as u64,
            },
            Ok(RuleText { rule, left_out }) => {
                let freq = rule.freq;
                if !rules.contains(&rule) {
                    // One, as a rule; a vector that grows by itself makes room for four.
                    rules.reserve_exact(1);
                    rules.push(rule);
                }
                for left_out in left_out {
                    self.trouble(rule_trouble(name, freq, left_out));
                }
                return;
            }
            Err(NoRule::Unreadable(part)) => verdict::Rule::Unreadable {
                what: format!("{name}: {part} is missing or not something that a rule can say"),
            },
            Err(NoRule::Scale) => verdict::Rule::Unsupported {
                what: format!("{name} in a calendar other than the Gregorian (RSCALE)"),
            },
        };
        self.trouble(trouble);
    }

    fn dates(&mut self, property: &Property<'_>, line: u32, zones: &mut Zones) {
        let mut context = DateContext::of(property);
        for text in property
            .value
            // Some programs put semicolons between them.
            .split([',', ';'])
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            if self.dates.len() >= MAX_DATES {
                return self.trouble(verdict::Rule::Capped {
                    cap: "RDATEs in an event",
                    at: MAX_DATES as u64,
                });
            }
            let (start, end) = match text.split_once('/') {
                None => (text, None),
                Some((start, end)) => (start, Some(end)),
            };
            let start = context.stamp(start, line, zones);
            let end = end.map(|end| match date::duration(end) {
                Some(length) => Some(PeriodEnd::After(length)),
                None => context.stamp(end, line, zones).map(PeriodEnd::At),
            });
            match (start, end) {
                (Some(start), None) => self.dates.push((start, None)),
                (Some(start), Some(Some(end))) => self.dates.push((start, Some(end))),
                _ => self.unreadable("RDATE has an entry that is not a date"),
            }
        }
    }

    fn exclusion_dates(&mut self, property: &Property<'_>, line: u32, zones: &mut Zones) {
        let mut context = DateContext::of(property);
        for text in property
            .value
            // Some programs put semicolons between them.
            .split([',', ';'])
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            if self.exclusion_dates.len() >= MAX_DATES {
                return self.trouble(verdict::Rule::Capped {
                    cap: "EXDATEs in an event",
                    at: MAX_DATES as u64,
                });
            }
            // A PERIOD is not allowed here; its start says what is meant.
            let start = text.split('/').next().unwrap_or(text);
            match context.stamp(start, line, zones) {
                Some(stamp) => self.exclusion_dates.push(stamp),
                None => self.unreadable("EXDATE has an entry that is not a date"),
            }
        }
    }
}

/// Whether an ATTENDEE may be one that is read: who declined, or a room or resource.
#[must_use]
pub fn attendee_matters(line: &[u8]) -> bool {
    let starts = |text: &[u8], word: &[u8]| {
        let head = text.get(..word.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(word))
    };
    memchr::memchr_iter(b'=', line).any(|at| {
        let (name, value) = line.split_at(at);
        let value = value.get(1..).unwrap_or_default().trim_ascii_start();
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        let is_kind = || {
            let name = name.trim_ascii_end();
            let start = name.len().saturating_sub("CUTYPE".len());
            starts(name.get(start..).unwrap_or_default(), b"CUTYPE")
        };
        starts(value, b"DECLINED") || starts(value, b"R") && is_kind()
    })
}

fn rule_trouble(name: &str, freq: Freq, left_out: LeftOut) -> verdict::Rule {
    let freq = match freq {
        Freq::Secondly => "SECONDLY",
        Freq::Minutely => "MINUTELY",
        Freq::Hourly => "HOURLY",
        Freq::Daily => "DAILY",
        Freq::Weekly => "WEEKLY",
        Freq::Monthly => "MONTHLY",
        Freq::Yearly => "YEARLY",
    };
    match left_out {
        LeftOut::Entry(part) => verdict::Rule::Unreadable {
            what: format!("{name}: {part} has an entry that no rule may have; the rest counts"),
        },
        LeftOut::Forbidden("BYSETPOS") => verdict::Rule::Note {
            what: format!("{name}: BYSETPOS means nothing without a list and does not count"),
        },
        LeftOut::Forbidden(part) => verdict::Rule::Note {
            what: format!("{name}: {part} means nothing in a {freq} rule and does not count"),
        },
        LeftOut::Ordinals => verdict::Rule::Note {
            what: format!("{name}: the numbers in BYDAY mean nothing in this {freq} rule"),
        },
    }
}

fn text(slot: &mut Option<String>, property: &Property<'_>) {
    if slot.is_none() {
        *slot = Some(property.text());
    }
}

/// A text of one line, in which publishers of web pages leave HTML entities.
fn title(slot: &mut Option<String>, property: &Property<'_>) {
    if slot.is_none() {
        let text = property.text();
        *slot = Some(match text.contains('&') {
            true => entities::read_all(&text).into_owned(),
            false => text,
        });
    }
}

/// The name from CN, the address from the value or, where that is none, from EMAIL.
fn person(property: &Property<'_>) -> Option<Person> {
    let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let name = property
        .parameter("CN")
        .and_then(|name| filled(property::unescape(&name).trim_matches(['"', '\''])));
    let value = property.value.trim();
    let mail = value
        .split_at_checked("mailto:".len())
        .and_then(|(scheme, address)| scheme.eq_ignore_ascii_case("mailto:").then_some(address));
    let address = match mail {
        Some(address) => filled(address),
        None => property
            .parameter("EMAIL")
            .and_then(|address| filled(&address))
            .or_else(|| filled(value)),
    };
    (name.is_some() || address.is_some()).then_some(Person { name, address })
}

fn busy_status(value: &str) -> Option<BusyStatus> {
    Some(match value.trim().to_ascii_uppercase().as_str() {
        "FREE" => BusyStatus::Free,
        "TENTATIVE" => BusyStatus::Tentative,
        "BUSY" => BusyStatus::Busy,
        "OOF" => BusyStatus::OutOfOffice,
        "WORKINGELSEWHERE" => BusyStatus::WorkingElsewhere,
        _ => return None,
    })
}
