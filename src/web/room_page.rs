//! `/rooms/NAME`: one room with its displays, agenda, feeds and history.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use maud::{Markup, html};
use tokio::time::timeout;

use super::board::Board;
use super::frame::{Frame, mark, room_address, text};
use super::tile::on_display;
use super::timeline::timeline;
use super::times::{maybe, span, stamp};
use crate::config::{Room, TlsTrust};
use crate::ledger::{Entry, Event};
use crate::model::agenda::{Agenda, Changes};
use crate::model::digest::hex;
use crate::model::meeting::Meeting;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;
use crate::net::clean;
use crate::service::history_text;
use crate::service::snapshot::Snapshot;
use crate::service::status::{DisplayStatus, FeedStatus, RoomState, RoomStatus};
use crate::telemetry::words::service::count;

/// Lines of the history on the page; `podcal history` has all.
const HISTORY: u32 = 50;
/// Of one display.
const DRIFTS: usize = 3;
/// A disk that does not answer must not keep the page.
const PATIENCE: Duration = Duration::from_secs(3);

/// The page of the room at this place of the configuration.
pub async fn page(
    snapshot: &Snapshot,
    place: usize,
    board: &Board,
    explain: &Markup,
) -> Option<Markup> {
    let room = snapshot.config.rooms.get(place)?;
    let status = snapshot.room(place)?;
    let feeds: Vec<_> = room.feeds.iter().map(|feed| feed.id.clone()).collect();
    let ledger = snapshot.recorder.ledger();
    let history = timeout(PATIENCE, ledger.history(&room.name, &feeds, HISTORY)).await;
    let history = history.ok().and_then(Result::ok);
    let now = snapshot.at.wall;
    let zone = &room.zone;
    let title = text(&room.title);
    let agenda = snapshot.memories.room(&room.name).map(|memory| {
        let meetings = memory.agenda.iter();
        Agenda::new(meetings.map(|one| one.meeting.clone()).collect())
    });
    let agenda = agenda.unwrap_or_default().still_to_come(now);
    let content = html! {
        header {
            nav aria-label="Pages" { a href="/" { "All rooms" } }
            h1 { (title) }
            p.note {
                @if title != room.name.as_str() { "Room " code { (text(room.name.as_str())) } ". " }
                "Times are in " (zone.name()) "."
            }
            p #lost.warning hidden { "The connection to podcal is lost; what you see may be old." }
        }
        main #main.room {
            div #live {
            (how_it_stands(zone, &status, now))
            @if !snapshot.roll.replicas.is_empty() {
                p.note {
                    @match snapshot.roll.owner_of(&room.name) {
                        Some(replica) => { "Served by " (text(&replica.name)) "." }
                        None => "Served by none of the replicas.",
                    }
                }
            }
            section aria-labelledby="displays" {
                h2 #displays { "Displays" }
                @for display in &status.displays {
                    @let drifts = drifts(history.as_deref(), display);
                    (display_card(snapshot, zone, display, &agenda, &drifts))
                }
            }
            section aria-labelledby="agenda" {
                h2 #agenda { "What the displays should show" }
                (by_day(zone, &agenda, now))
            }
            section aria-labelledby="feeds" {
                h2 #feeds { "Feeds" }
                @for feed in &status.feeds { (feed_card(snapshot, zone, feed)) }
            }
            }
            (explain)
            div #live-history {
            section aria-labelledby="history" {
                h2 #history { "History" }
                (happened(zone, history.as_deref(), room))
            }
            }
        }
    };
    let events = format!(
        "/events?since={}.{}&room={}",
        board.epoch,
        board.revision,
        room_address(room.name.as_str()).trim_start_matches("/rooms/")
    );
    let frame = Frame {
        title: &format!("{title} · podcal"),
        is_wall: false,
        events: &events,
    };
    Some(frame.around(&content))
}

/// For a room that is not configured.
pub fn unknown(name: &str) -> Markup {
    let frame = Frame {
        title: "No such room · podcal",
        is_wall: false,
        events: "",
    };
    frame.around(&html! {
        header { h1 { "No such room" } }
        main #main {
            p { "podcal does not serve a room " code { (text(name)) } ". " a href="/" { "All rooms" } }
        }
    })
}

fn how_it_stands(zone: &Zone, status: &RoomStatus, now: UnixTime) -> Markup {
    html! {
        section.stands data-state=(status.state.key()) aria-label="State" {
            p.state {
                span.mark aria-hidden="true" { (mark(status.state)) }
                " " b { (status.state.words()) }
                @if let Some(since) = status.since() { " since " (stamp(zone, since)) }
            }
            @if let Some(hold) = &status.hold {
                p {
                    (count(hold.missing, "upcoming meeting", "upcoming meetings"))
                    " vanished at once and are kept until " (stamp(zone, hold.until))
                    ". To accept the empty calendar now, run "
                    code { "podcal sync --room " (text(status.room.as_str())) " --force" } "."
                }
            }
            @if status.state != RoomState::Held {
                @for trouble in status.troubles() { p.trouble { (text(&trouble)) } }
            }
            p.note { "As of " (stamp(zone, now)) }
        }
    }
}

/// A name and a value.
fn row(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn display_card(
    snapshot: &Snapshot,
    zone: &Zone,
    display: &DisplayStatus,
    agenda: &Agenda,
    drifts: &[&Entry],
) -> Markup {
    let now = snapshot.at.wall;
    let memory = &display.memory;
    let view = snapshot.views.pods.get(&display.pod);
    let (offset, cap) = view.map_or((None, None), |view| {
        let view = view.borrow();
        (view.clock_offset, view.cap)
    });
    let pods = snapshot.config.rooms.iter().flat_map(|room| &room.pods);
    let mut pods = pods.filter(|pod| pod.url == display.pod);
    let trust = pods.next().map(|pod| &pod.tls);
    let certificate = certificate(
        trust,
        snapshot.recorder.pin(&display.pod).map(|pin| pin.sha256),
    );
    html! {
        article.card {
            h3 { (text(&display.pod.to_string())) }
            p.state {
                (display.state.words())
                @if let Some(since) = memory.state_since { " since " (stamp(zone, since)) }
            }
            @if let Some(detail) = &memory.detail { p.trouble { (text(detail)) } }
            (on_display(zone, display, now))
            dl.facts {
                (row("Shows", html! { (compared(memory.sent.as_ref(), agenda, now)) }))
                (row("Last push", maybe(zone, memory.sent_at)))
                (row("Last answer", maybe(zone, memory.seen_at)))
                (row("Display last read", maybe(zone, memory.checked_at)))
                @if let Some(failing) = &memory.failing {
                    (row("Pushes fail since", html! {
                        (stamp(zone, failing.since)) ": " (text(&failing.failure.says))
                        " " span.note { (text(&failing.failure.hint)) }
                    }))
                }
                (row("Calendar mode", html! { (text(memory.mode.as_deref().unwrap_or("not known yet"))) }))
                (row("Device", html! { (text(memory.device_id.as_deref().unwrap_or("not known yet"))) }))
                (row("Certificate", html! { (certificate) }))
                (row("Clock", html! { (clock(offset)) }))
                (row("Configuration", html! {
                    @if drifts.is_empty() { "no drift in the latest history" }
                    @for entry in drifts { p { (stamp(zone, entry.at)) ": " (text(&history_text::says(entry, zone))) } }
                }))
                @if let Some(cap) = cap {
                    (row("Limit", html! { "shows " (count(cap, "meeting", "meetings")) " at most" }))
                }
            }
        }
    }
}

/// What the pod proves itself by.
fn certificate(trust: Option<&TlsTrust>, pin: Option<[u8; 32]>) -> String {
    match (trust, pin) {
        (Some(TlsTrust::Ca), _) => "checked by the system's certificate authorities".to_owned(),
        (Some(TlsTrust::CaFile(_)), _) => "checked by the authorities of `ca_file`".to_owned(),
        (Some(TlsTrust::Off), _) => "not checked (`verify = \"off\"`)".to_owned(),
        (Some(TlsTrust::Sha256(sha256)), _) => {
            format!("as configured, SHA-256 {}", hex(sha256))
        }
        (Some(TlsTrust::Pin) | None, Some(sha256)) => format!("pinned, SHA-256 {}", hex(&sha256)),
        (Some(TlsTrust::Pin) | None, None) => "none pinned yet".to_owned(),
    }
}

/// The latest drifts of the configuration of a display's pod.
fn drifts<'a>(history: Option<&'a [Entry]>, display: &DisplayStatus) -> Vec<&'a Entry> {
    let address = display.pod.to_string();
    let entries = history.unwrap_or_default().iter();
    let is_its_own = |entry: &&Entry| {
        matches!(entry.event, Event::Drift { .. }) && history_text::subject(&entry.event) == address
    };
    entries.filter(is_its_own).take(DRIFTS).collect()
}

/// Of a pod, where it is known to be off.
fn clock(offset: Option<i64>) -> String {
    match offset {
        None => "not known".to_owned(),
        Some(0) => "right".to_owned(),
        Some(ahead) if ahead > 0 => format!("{ahead} s ahead"),
        Some(behind) => format!("{} s behind", behind.unsigned_abs()),
    }
}

fn compared(sent: Option<&Agenda>, wanted: &Agenda, now: UnixTime) -> String {
    let Some(sent) = sent else {
        return "nothing was put on it yet".to_owned();
    };
    let sent = sent.still_to_come(now);
    let meetings = count(sent.len(), "meeting", "meetings");
    let Changes {
        added,
        removed,
        changed,
    } = Changes::between(&sent, wanted);
    if added.is_empty() && removed.is_empty() && changed.is_empty() {
        return format!("{meetings}, as it should");
    }
    format!(
        "{meetings}; {} to be added, {} to be removed, {} to be changed",
        added.len(),
        removed.len(),
        changed.len()
    )
}

fn by_day(zone: &Zone, agenda: &Agenda, now: UnixTime) -> Markup {
    let today = zone.local(now).date();
    let mut days: BTreeMap<Date, Vec<&Meeting>> = BTreeMap::new();
    for meeting in agenda.meetings() {
        let day = zone.local(meeting.start_time).date().max(today);
        days.entry(day).or_default().push(meeting);
    }
    html! {
        @if days.is_empty() { p { "No meetings." } }
        @for (day, meetings) in &days {
            h3 { (day.strftime("%A %Y-%m-%d").to_string()) @if *day == today { " (today)" } }
            (timeline(zone, *day, agenda.meetings(), now))
            ul.agenda {
                @for meeting in meetings {
                    li data-on=[(meeting.start_time <= now).then_some("now")] {
                        span.when { (span(zone, meeting, now)) }
                        span.what {
                            b { (text(&meeting.title)) }
                            @if !meeting.organizer.is_empty() { " " span.note { (text(&meeting.organizer)) } }
                            @if let Some(description) = &meeting.description {
                                span.note.description { (clean::lines(description)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn feed_card(snapshot: &Snapshot, zone: &Zone, feed: &FeedStatus) -> Markup {
    let memory = &feed.memory;
    let view = snapshot.views.feeds.get(&feed.feed);
    let (read_at, not_read) = view.map_or((None, Vec::new()), |view| {
        let view = view.borrow();
        let latest = view.latest.as_ref();
        (
            view.read_at,
            latest.map_or_else(Vec::new, |version| {
                let mut not_read = Vec::new();
                let trouble = &version.trouble;
                if trouble.entries > 0 {
                    let entries = count(trouble.entries, "entry", "entries");
                    not_read.push(format!("{entries} could not be read properly"));
                }
                if !trouble.unknown_zones.is_empty() {
                    let zones: Vec<String> = trouble
                        .unknown_zones
                        .iter()
                        .map(|zone| text(zone))
                        .collect();
                    not_read.push(format!("unknown time zones: {}", zones.join(", ")));
                }
                if !version.missing.is_empty() {
                    let missing = count(version.missing.len(), "member", "members");
                    not_read.push(format!("{missing} of the collection could not be fetched"));
                }
                not_read
            }),
        )
    });
    html! {
        article.card {
            h3 { (text(&feed.feed.to_string())) }
            dl.facts {
                (row("Last read", maybe(zone, read_at.or(memory.read_at))))
                (row("Last change", maybe(zone, memory.changed_at)))
                @if let Some(failing) = &memory.failing {
                    (row("Fails since", html! {
                        (stamp(zone, failing.since)) " (" (count(
                            usize::try_from(failing.failures).unwrap_or(usize::MAX), "failure", "failures"
                        )) "): " (text(&failing.failure.says))
                        " " span.note { (text(&failing.failure.hint)) }
                    }))
                }
                @if let Some(until) = memory.not_before {
                    (row("Not asked before", stamp(zone, until)))
                }
                (row("Not read", html! {
                    @if not_read.is_empty() { "nothing" } @else { (not_read.join("; ")) }
                }))
            }
        }
    }
}

fn happened(zone: &Zone, history: Option<&[Entry]>, room: &Room) -> Markup {
    let Some(entries) = history else {
        return html! { p.warning { "The history cannot be read now." } };
    };
    html! {
        @if entries.is_empty() { p { "Nothing has happened yet." } } @else {
            div.scroll tabindex="0" role="region" aria-labelledby="history" {
                table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Result" } } }
                    tbody {
                        @for entry in entries {
                            tr {
                                td { (stamp(zone, entry.at)) }
                                td { (text(history_text::subject(&entry.event))) }
                                td { (text(&history_text::says(entry, zone))) }
                            }
                        }
                    }
                }
            }
            p.note { "More: " code { "podcal history " (text(room.name.as_str())) } }
        }
    }
}
