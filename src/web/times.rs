//! Times for people, in the room's zone and always in one form.

use std::time::Duration;

use maud::{Markup, html};

use crate::model::meeting::Meeting;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;

/// Nearer ones are told by their weekday alone.
const NEAR: Duration = Duration::from_secs(6 * 24 * 3600);

/// "Tue 09:00", with the date where the weekday does not say which.
pub fn time(zone: &Zone, at: UnixTime, now: UnixTime) -> Markup {
    let local = zone.local(at);
    let is_near = at.since(now) < NEAR && now.since(at) < NEAR;
    let text = match is_near {
        true => local.strftime("%a %H:%M"),
        false => local.strftime("%a %Y-%m-%d %H:%M"),
    };
    html! { time datetime=(at.to_string()) { (text.to_string()) } }
}

/// "Tue 2026-11-24 09:00".
pub fn stamp(zone: &Zone, at: UnixTime) -> Markup {
    let text = zone.local(at).strftime("%a %Y-%m-%d %H:%M").to_string();
    html! { time datetime=(at.to_string()) { (text) } }
}

/// The same, or a dash.
pub fn maybe(zone: &Zone, at: Option<UnixTime>) -> Markup {
    match at {
        Some(at) => stamp(zone, at),
        None => html! { "never" },
    }
}

/// Whether a meeting is of whole days in that zone.
pub fn is_all_day(zone: &Zone, meeting: &Meeting) -> bool {
    let is_start_of_day = |at| zone.start_of_day(zone.local(at).date()) == at;
    meeting.start_time < meeting.end_time
        && is_start_of_day(meeting.start_time)
        && is_start_of_day(meeting.end_time)
}

/// "until 17:49", or with the day where that is another one.
pub fn until_then(zone: &Zone, at: UnixTime, now: UnixTime) -> Markup {
    let (then, today) = (zone.local(at), zone.local(now));
    if then.date() != today.date() {
        return html! { "until " (time(zone, at, now)) };
    }
    html! { "until " time datetime=(at.to_string()) { (then.strftime("%H:%M").to_string()) } }
}

/// "all day" or "until 10:30", for a meeting that is on.
pub fn until(zone: &Zone, meeting: &Meeting, now: UnixTime) -> Markup {
    let day = Duration::from_secs(36 * 3600);
    if is_all_day(zone, meeting) && meeting.end_time.since(meeting.start_time) < day {
        return html! { "all day" };
    }
    until_then(zone, meeting.end_time, now)
}

/// "09:00 to 10:30", "all day", or with the day where it ends on another one.
pub fn span(zone: &Zone, meeting: &Meeting, now: UnixTime) -> Markup {
    if is_all_day(zone, meeting) {
        return html! { "all day" };
    }
    let (start, end) = (zone.local(meeting.start_time), zone.local(meeting.end_time));
    let hour = |at: jiff::civil::DateTime| at.strftime("%H:%M").to_string();
    html! {
        time datetime=(meeting.start_time.to_string()) { (hour(start)) }
        " to "
        @if start.date() == end.date() {
            time datetime=(meeting.end_time.to_string()) { (hour(end)) }
        } @else {
            (time(zone, meeting.end_time, now))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::meeting::MeetingId;

    fn meeting(start: &str, end: &str) -> Meeting {
        Meeting {
            id: MeetingId::from_text("a"),
            title: "A".into(),
            organizer: "".into(),
            description: None,
            start_time: UnixTime::parse(start).unwrap(),
            end_time: UnixTime::parse(end).unwrap(),
        }
    }

    #[test]
    fn today_needs_no_weekday() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let at = |text: &str| UnixTime::parse(text).unwrap();
        let now = at("2026-10-24T08:00:00Z");
        let says = |then: &str| until_then(&zone, at(then), now).into_string();
        assert!(says("2026-10-24T15:49:00Z").ends_with(">17:49</time>"));
        assert!(says("2026-10-24T22:30:00Z").ends_with(">Sun 00:30</time>"));
    }

    #[test]
    fn a_day_is_all_day_by_the_rooms_zone_also_when_the_clocks_change() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let now = UnixTime::parse("2026-10-24T08:00:00Z").unwrap();
        let says = |start, end| {
            let text = span(&zone, &meeting(start, end), now).into_string();
            text.replace("</time>", "")
                .split('<')
                .map(|part| part.rsplit('>').next().unwrap().to_owned())
                .collect::<String>()
        };
        // 25 hours.
        assert_eq!(
            says("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            "all day"
        );
        assert_eq!(
            says("2026-10-24T22:00:00Z", "2026-10-25T22:00:00Z"),
            "00:00 to 23:00"
        );
        assert_eq!(
            says("2026-10-24T21:00:00Z", "2026-10-25T02:00:00Z"),
            "23:00 to Sun 03:00"
        );
    }
}
