//! The display of a pod as people in the room see it: a page at `/` that follows changes, and the
//! clock, by itself.
//!
//! The board is rendered here and escaped in one place; the page only puts in what `/events` sends.

use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use jiff::Zoned;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::meeting::Meeting;
use super::state::{Pod, State};
use super::{config, device};
use crate::model::time::UnixTime;

const PAGE: &str = include_str!("page.html");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'";

pub(super) fn page(pod: &Pod) -> Response<Body> {
    let (title, board) = pod.read(|state| (escaped(&room_name(state)), board(pod, state)));
    html(
        PAGE.replace("{{title}}", &title)
            .replace("{{board}}", &board),
    )
}

/// A page whose script and style stand in it, and that loads nothing else.
pub(super) fn html(page: String) -> Response<Body> {
    let mut response = uncached("text/html; charset=utf-8", Body::from(page));
    let policy = HeaderValue::from_static(POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn uncached(media: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The board, as a server-sent event whenever it has come to look different.
pub(super) fn events(pod: Arc<Pod>) -> Response<Body> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let changes = pod.changes();
    let stream =
        futures_util::stream::unfold((pod, changes, ticks, String::new()), async |state| {
            let (pod, mut changes, mut ticks, mut shown) = state;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    changed = changes.changed() => if changed.is_err() { return None },
                }
                let now = pod.read(|state| board(&pod, state));
                if now != shown {
                    let event = format!("data: {}\n\n", json!(now));
                    shown = now;
                    return Some((Ok::<_, io::Error>(event), (pod, changes, ticks, shown)));
                }
            }
        });
    uncached("text/event-stream", Body::from_stream(stream))
}

pub(super) fn room_name(state: &State) -> String {
    let name = state
        .settings
        .pointer("/display/name")
        .and_then(Value::as_str);
    name.unwrap_or(&state.name).to_owned()
}

/// What the display shows at this moment, as HTML.
pub(super) fn board(pod: &Pod, state: &State) -> String {
    let view = View::of(pod, state);
    let mut html = String::new();
    let (name, clock) = (escaped(&room_name(state)), view.time(pod.now(state)));
    let date = view.now.strftime("%A, %-d %B").to_string();
    let _ = write!(
        html,
        "<header><h1>{name}</h1><div class=clock><time>{clock}</time><span>{date}</span></div></header>"
    );
    if view.calendar {
        view.calendar(&mut html, &state.meetings);
    } else {
        html.push_str("<section class='now hidden'><h2>No calendar</h2><p>The calendar is switched off on this display.</p></section>");
    }
    let (key, address) = (&state.screen_key, pod.address);
    let _ = write!(
        html,
        "<footer><span>Screen key <b>{key}</b></span><span>{address}</span><span>simulated</span>"
    );
    if state.hdmi_off {
        html.push_str("<span>HDMI input off</span>");
    }
    if device::is_updating(pod, state) {
        html.push_str("<span>camera updating</span>");
    }
    html.push_str("</footer>");
    html
}

/// The same in one line: "Free until 17:49".
pub(super) fn now(pod: &Pod, state: &State) -> String {
    let view = View::of(pod, state);
    if !view.calendar {
        return "No calendar".to_owned();
    }
    let (current, next) = view.current_and_next(&state.meetings);
    match current.first() {
        Some(meeting) => {
            let (title, end) = (
                view.title(meeting),
                UnixTime::from_seconds(meeting.end_time),
            );
            format!("Now: {title} until {}", view.moment(end))
        }
        None => format!("Free {}", view.until(&next)).trim_end().to_owned(),
    }
}

/// The moment at which the board is drawn, and what it shows.
struct View {
    now: Zoned,
    at: i64,
    calendar: bool,
    hours_24: bool,
    titles: bool,
    organizers: bool,
}

impl View {
    fn of(pod: &Pod, state: &State) -> Self {
        let settings = config::shown(pod, state);
        let is_on = |path: &str| settings.pointer(path) == Some(&Value::Bool(true));
        let zone = settings
            .pointer("/display/clock/timezone")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let at = pod.now(state);
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        Self {
            now: at.timestamp().to_zoned(zone),
            at: at.seconds(),
            calendar: is_on("/display/calendar/enabled") && is_on("/display/calendar/show"),
            hours_24: is_on("/display/clock/show_24_hours"),
            titles: is_on("/display/calendar/show_titles"),
            organizers: is_on("/display/calendar/show_organizers"),
        }
    }

    /// All that go on, and the next three.
    fn current_and_next<'m>(
        &self,
        meetings: &'m [Meeting],
    ) -> (Vec<&'m Meeting>, Vec<&'m Meeting>) {
        let mut sorted: Vec<&Meeting> = meetings.iter().collect();
        sorted.sort_by_key(|meeting| (meeting.start_time, meeting.end_time));
        let current = sorted
            .iter()
            .copied()
            .filter(|meeting| meeting.start_time <= self.at && self.at < meeting.end_time)
            .collect();
        let next = sorted
            .iter()
            .copied()
            .filter(|meeting| self.at < meeting.start_time)
            .take(3)
            .collect();
        (current, next)
    }

    /// "until 17:49", or nothing where nothing more is planned.
    fn until(&self, next: &[&Meeting]) -> String {
        let until = next
            .first()
            .map(|meeting| UnixTime::from_seconds(meeting.start_time));
        until.map_or_else(String::new, |until| format!("until {}", self.moment(until)))
    }

    fn calendar(&self, html: &mut String, meetings: &[Meeting]) {
        let (current, next) = self.current_and_next(meetings);
        match current.split_first() {
            Some((first, others)) => {
                html.push_str("<section class='now busy'><h2>Now</h2>");
                self.meeting(html, first);
                for other in others {
                    html.push_str("<div class=also>");
                    self.meeting(html, other);
                    html.push_str("</div>");
                }
                html.push_str("</section>");
            }
            None => {
                let until = self.until(&next);
                let _ = write!(
                    html,
                    "<section class='now free'><h2>Free</h2><p>{until}</p></section>"
                );
            }
        }
        html.push_str("<section class=next><h2>Next</h2>");
        if next.is_empty() {
            html.push_str("<p>Nothing more is planned.</p>");
        }
        html.push_str("<ol>");
        for meeting in next {
            html.push_str("<li>");
            self.meeting(html, meeting);
            html.push_str("</li>");
        }
        html.push_str("</ol></section>");
    }

    fn meeting(&self, html: &mut String, meeting: &Meeting) {
        let (title, span) = (self.title(meeting), self.span(meeting));
        let _ = write!(html, "<p class=when>{span}</p><p class=title>{title}</p>");
        if self.organizers && !meeting.organizer.is_empty() {
            let _ = write!(html, "<p class=who>{}</p>", escaped(&meeting.organizer));
        }
    }

    fn title(&self, meeting: &Meeting) -> String {
        match self.titles {
            true => escaped(&meeting.title),
            false => "Reserved".to_owned(),
        }
    }

    /// "10:00 – 10:30", or "all day".
    fn span(&self, meeting: &Meeting) -> String {
        let (start, end) = (
            UnixTime::from_seconds(meeting.start_time),
            UnixTime::from_seconds(meeting.end_time),
        );
        let (first, last) = (self.local(start), self.local(end));
        let begins_a_day = |local: &Zoned| local.start_of_day().is_ok_and(|day| day == *local);
        if start < end && begins_a_day(&first) && begins_a_day(&last) {
            let day = |date: Date| date.strftime("%a %-d %b").to_string();
            let (first, last) = (first.date(), last.date().yesterday().unwrap_or(last.date()));
            return match first == last {
                true if first == self.now.date() => "all day".to_owned(),
                true => format!("{}, all day", day(first)),
                false => format!("{} – {}, all day", day(first), day(last)),
            };
        }
        let to = match first.date() == last.date() {
            true => self.time(end),
            false => self.moment(end),
        };
        format!("{} – {to}", self.moment(start))
    }

    fn local(&self, at: UnixTime) -> Zoned {
        at.timestamp().to_zoned(self.now.time_zone().clone())
    }

    fn time(&self, at: UnixTime) -> String {
        self.local(at)
            .strftime(if self.hours_24 { "%H:%M" } else { "%-I:%M %p" })
            .to_string()
    }

    /// The time of day, with the day where that is another one.
    fn moment(&self, at: UnixTime) -> String {
        let local = self.local(at);
        if local.date() == self.now.date() {
            return self.time(at);
        }
        format!("{} {}", local.strftime("%a %-d %b"), self.time(at))
    }
}

pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            // Braces too, so that no title can name a place of the page's template.
            '{' => html.push_str("&#123;"),
            c => html.push(c),
        }
    }
    html
}
