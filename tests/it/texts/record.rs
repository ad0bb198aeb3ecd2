//! What commands print, as a text that is the same for every run.
//!
//! A day like any other: whenever the tests run, the rooms are in a zone where it is after nine in
//! the morning, so that the meetings of [`at`] are where a text says they are. The zone, the day
//! and the moment are then named as on Monday, 2 March 2026, 09:15, in London. Ports, folders and
//! ids are numbered in their order.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::support::{Ran, World, meeting_at};

const TODAY: Date = jiff::civil::date(2026, 3, 2);
const ZONE: &str = "Europe/London";
/// Hours and minutes that meetings begin and end at; other times of a text come from the clock.
const OF_MEETINGS: [&str; 9] = [
    "00:00", "08:30", "11:00", "11:30", "13:00", "13:30", "15:00", "16:30", "23:59",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONG_DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

static START: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);

/// Zones without summer time, from eleven hours west of Greenwich to twelve hours east.
const ZONES: [&str; 24] = [
    "Pacific/Pago_Pago",
    "Pacific/Honolulu",
    "Pacific/Gambier",
    "Pacific/Pitcairn",
    "America/Phoenix",
    "America/Guatemala",
    "America/Bogota",
    "America/La_Paz",
    "America/Fortaleza",
    "America/Noronha",
    "Atlantic/Cape_Verde",
    "Africa/Abidjan",
    "Africa/Lagos",
    "Africa/Maputo",
    "Africa/Nairobi",
    "Asia/Dubai",
    "Asia/Tashkent",
    "Asia/Dhaka",
    "Asia/Bangkok",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Brisbane",
    "Pacific/Guadalcanal",
    "Pacific/Tarawa",
];

/// From Greenwich to where it is between nine and ten in the morning, in hours to the east.
fn hours_east() -> i64 {
    let east = 9 - START.as_second().rem_euclid(86_400) / 3600;
    if east < -11 { east + 24 } else { east }
}

pub fn zone() -> &'static str {
    ZONES[usize::try_from(hours_east() + 11).unwrap()]
}

fn local(at: Timestamp) -> DateTime {
    TimeZone::UTC.to_datetime(at) + hours_east().hours()
}

/// The day of the tests, in that zone.
fn today() -> Date {
    local(*START).date()
}

/// Unix seconds of a time such as `11:30`, so many days from today.
pub fn at(days: i64, time: &str) -> i64 {
    assert!(OF_MEETINGS.contains(&time), "{time}");
    let time: jiff::civil::Time = time.parse().unwrap();
    let time = today().to_datetime(time) + days.days() - hours_east().hours();
    TimeZone::UTC.to_timestamp(time).unwrap().as_second()
}

/// A meeting from one of the times of [`OF_MEETINGS`] to another.
pub fn meeting(title: &str, days: i64, from: &str, to: &str) -> String {
    meeting_at(title, at(days, from), at(days, to))
}

/// The texts of one command, in worlds one after the other.
pub struct Texts {
    name: &'static str,
    text: String,
    /// A minute before: its first world was made a little earlier.
    began: Timestamp,
    pub world: World,
}

impl Texts {
    pub fn of(name: &'static str, world: World) -> Self {
        Self {
            name,
            text: String::new(),
            began: Timestamp::now() - 1.minutes(),
            world,
        }
    }

    /// What a command prints and how it ends.
    pub async fn run(&mut self, what: &str, line: &str) {
        let arguments = words(line);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = self.world.podcal(&arguments).await;
        self.add(what, line, &ran);
    }

    pub fn add(&mut self, what: &str, line: &str, ran: &Ran) {
        self.heading(what, line);
        let (stdout, stderr) = (&ran.stdout, in_order(&ran.stderr));
        for (heading, text) in [("", stdout.as_str()), ("--- stderr\n", &stderr)] {
            if !text.is_empty() {
                self.text += heading;
                self.text += &self.plain(text);
            }
        }
        self.text += &format!("--- exit code {}\n\n", ran.code().unwrap());
    }

    /// What a command has printed, up to this word, that goes on until it is stopped.
    pub async fn begin(&mut self, what: &str, line: &str, last: &str) {
        self.heading(what, line);
        let arguments = words(line);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let is_enough = |text: &str| text.contains(last);
        let (_child, stdout) = self.world.begin(&arguments, is_enough).await;
        self.text += &self.plain(&stdout);
        self.text += "--- goes on\n\n";
    }

    fn plain(&self, text: &str) -> String {
        plain(&self.world, self.began, text)
    }

    fn heading(&mut self, what: &str, line: &str) {
        let line = format!("podcal {}", self.plain(line));
        self.text += &format!("=== {what}\n$ {}\n", line.trim_end());
    }

    /// Compares them with those that were reviewed.
    #[track_caller]
    pub fn end(self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/texts/commands");
        let path = folder.join(format!("{}.txt", self.name));
        let text = format!("{}\n", self.text.trim_end());
        if std::env::var_os("PODCAL_WRITE_TEXTS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let reviewed = fs::read_to_string(&path).unwrap_or_default();
        for (line, (new, old)) in text.lines().zip(reviewed.lines()).enumerate() {
            let place = format!("{}:{}", path.display(), line + 1);
            assert_eq!(
                new, old,
                "{place}; with PODCAL_WRITE_TEXTS=1 it is written anew"
            );
        }
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(&text), lines(&reviewed), "{}", path.display());
    }
}

/// A command line as a shell would take it apart; what stands between '...' is one word.
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        match number % 2 {
            0 => all.extend(part.split_whitespace().map(str::to_owned)),
            _ => all.push(part.to_owned()),
        }
    }
    all
}

/// Log lines of rooms that were served at the same time come in any order.
fn in_order(stderr: &str) -> String {
    let is_log = |line: &str| line.get(10..11) == Some("T") && line.starts_with("20");
    let mut lines: Vec<&str> = stderr.lines().collect();
    let mut from = 0;
    while from < lines.len() {
        let len = lines[from..].iter().take_while(|line| is_log(line)).count();
        let after_the_time = |line: &&str| line.split_once(' ').unwrap().1.to_owned();
        lines[from..from + len].sort_by_key(after_the_time);
        from += len + 1;
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The same for every run.
fn plain(world: &World, began: Timestamp, text: &str) -> String {
    let text = text.replace(world.path("").to_str().unwrap(), "/srv/podcal/");
    let text = text.replace(zone(), ZONE);
    // Between a pull and its push a display is behind, and that is noticed on some runs only; so
    // is a wrong clock of a pod whose display was behind.
    let text = text.replace("(before: behind)", "(before: in step)");
    let is_passing = |line: &&str| {
        line.contains(" behind (before: ")
            || line.ends_with(" is behind")
            || (line.contains("pod.health: ") && line.contains(": wrong clock: "))
    };
    let text: String = text
        .split_inclusive('\n')
        .filter(|line| !is_passing(&line.trim_end()))
        .collect();
    let mut names = Names {
        began,
        ports: world.ports(),
        others: Vec::new(),
    };
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let before = plain.chars().next_back().unwrap_or(' ');
        // Within a word nothing begins, and after a plus sign is an offset.
        let found = moment(rest, names.began).or_else(|| names.find(before, rest));
        match found.filter(|_| !before.is_ascii_alphanumeric() && before != '+') {
            Some((length, becomes)) => {
                plain += &becomes;
                rest = &rest[length..];
            }
            None => {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    plain
}

/// What is named by its number instead.
struct Names {
    began: Timestamp,
    ports: Vec<u16>,
    others: Vec<String>,
}

impl Names {
    /// A port, an id, a process or a duration at the start of the text: its length, and what is
    /// written for it.
    fn find(&mut self, before: char, text: &str) -> Option<(usize, String)> {
        let length = word(text).len();
        let (head, tail) = text.split_at(length);
        let number: Option<u64> = head.parse().ok();
        let is_number = number.is_some();
        let is_hex = head.chars().all(|c| c.is_ascii_hexdigit());
        if is_number && length == 5 {
            let known = self.ports.iter().position(|port| port.to_string() == head);
            return match known {
                Some(number) => Some((5, (50_000 + number).to_string())),
                None if before == ':' => Some((5, (40_000 + self.number(head)).to_string())),
                None => None,
            };
        }
        // A clock that is ten minutes behind, by the time that it took to ask for it.
        if number.is_some_and(|number| (540..=660).contains(&number)) && tail.starts_with(" s") {
            return Some((length, "600".to_owned()));
        }
        if head == "process" && tail.contains(" on host ") {
            let end = text.find(')')?;
            return Some((end, "process 1 on host podcal".to_owned()));
        }
        // What was sent is compressed, and not always to the same size.
        if head == "after" && tail.contains(" bytes") {
            let end = text.find(" bytes")?;
            let is_size = text[length + 1..end].parse::<u64>().is_ok();
            return is_size.then(|| (end, "after 100".to_owned()));
        }
        for (unit, becomes) in [
            (" as sent", "100 as sent"),
            (" s ago", "just now"),
            (" min ago", "just now"),
            (" ms", "3 ms"),
        ] {
            if is_number && tail.starts_with(unit) {
                return Some((length + unit.len(), becomes.to_owned()));
            }
        }
        match length {
            6 if before == '#' => Some((6, format!("{:06}", self.number(head)))),
            16.. if is_hex => Some((length, format!("<id {}>", self.number(head)))),
            _ => None,
        }
    }

    /// In the order in which they were seen, from 1.
    fn number(&mut self, name: &str) -> usize {
        let known = self.others.iter().position(|one| one == name);
        1 + known.unwrap_or_else(|| {
            self.others.push(name.to_owned());
            self.others.len() - 1
        })
    }
}

/// A date or a time at the start of the text: its length, and what is written for it.
fn moment(text: &str, began: Timestamp) -> Option<(usize, String)> {
    if let Some(time) = shaped(text, "0000-00-00T00:00:00") {
        let fraction = text[time.len()..].split('Z').next()?;
        let length = time.len() + fraction.len() + 1;
        let at = format!("{time}Z").parse().ok()?;
        let becomes = of_the_day(at, began)?.strftime("%Y-%m-%dT%H:%M:%SZ");
        return (fraction.len() < 11).then(|| (length, becomes.to_string()));
    }
    if let Some(date) = shaped(text, "0000-00-00") {
        let date: Date = date.parse().ok()?;
        return Some((10, day(date)?.to_string()));
    }
    for shape in ["00:00:00", "00:00"] {
        if let Some(time) = shaped(text, shape) {
            return Some((shape.len(), clock(time, began)?));
        }
    }
    if let Some(seconds) = shaped(text, "0000000000") {
        let at = Timestamp::from_second(seconds.parse().ok()?).ok()?;
        let at = TimeZone::UTC.to_timestamp(of_the_day(at, began)?).ok()?;
        return Some((10, at.as_second().to_string()));
    }
    let head = word(text);
    for days in [DAYS, LONG_DAYS] {
        let number = days.iter().position(|day| *day == head);
        if let Some(number) = number.filter(|_| text[head.len()..].starts_with(' ')) {
            let of_today = today().weekday().to_monday_zero_offset();
            let moved = (number + 7 - usize::try_from(of_today).unwrap()) % 7;
            return Some((head.len(), days[moved].to_owned()));
        }
    }
    // Such as "2 March".
    let (number, rest) = text.split_once(' ')?;
    let month = word(rest);
    let in_year = |year| {
        let month = MONTHS.iter().position(|known| *known == month)?;
        Date::new(year, i8::try_from(month).ok()? + 1, number.parse().ok()?).ok()
    };
    let year = today().year();
    let date = [year, year + 1, year - 1]
        .into_iter()
        .filter_map(in_year)
        .find_map(day)?;
    Some((
        number.len() + 1 + month.len(),
        date.strftime("%-d %B").to_string(),
    ))
}

/// The letters and digits at the start of the text.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}

/// The start of the text, where it has digits where the shape has and is no longer number.
fn shaped<'a>(text: &'a str, shape: &str) -> Option<&'a str> {
    let start = text.get(..shape.len())?;
    let fits = |(one, wanted): (char, char)| match wanted {
        '0' => one.is_ascii_digit(),
        other => one == other,
    };
    let goes_on = text[shape.len()..].starts_with(|c: char| c.is_ascii_digit());
    let all = start.chars().zip(shape.chars()).all(fits);
    (all && !goes_on).then_some(start)
}

/// A day near today, from the days around the one that the texts are of.
fn day(date: Date) -> Option<Date> {
    let days = today().until(date).ok()?.get_days();
    (-3..=40).contains(&days).then(|| TODAY + days.days())
}

/// A moment near now, by the clocks of the texts.
fn of_the_day(at: Timestamp, began: Timestamp) -> Option<DateTime> {
    let local = local(at);
    let time: Vec<i8> = clock(&local.strftime("%H:%M:%S").to_string(), began)?
        .split(':')
        .map(|part| part.parse().unwrap())
        .collect();
    Some(day(local.date())?.at(time[0], time[1], time[2], 0))
}

/// A time of a meeting as it is; any other is moved, because it depends on when the tests began.
fn clock(time: &str, began: Timestamp) -> Option<String> {
    let minutes = &time[..5];
    let seconds = time.get(5..).unwrap_or_default();
    if OF_MEETINGS.contains(&minutes) && ["", ":00"].contains(&seconds) {
        return Some(time.to_owned());
    }
    let of = |text: &str| -> Option<i64> {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let began = local(began).strftime("%H:%M").to_string();
    let moved = (of(minutes)? - of(&began)? + 9 * 60 + 15).rem_euclid(24 * 60);
    // How long the tests took until then does not count.
    let moved = moved - moved % 5;
    let zeros = seconds.replace(|c: char| c.is_ascii_digit(), "0");
    Some(format!("{:02}:{:02}{zeros}", moved / 60, moved % 60))
}
