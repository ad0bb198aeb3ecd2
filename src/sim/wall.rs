//! All pods of the simulator on one page, with buttons for what can happen to a pod.

use std::fmt::Write;

use axum::body::Body;
use axum::http::Response;

use super::handle::Sim;
use super::page::{escaped, html, now, room_name};

const PAGE: &str = include_str!("wall.html");

/// What a button says, its method, path below the pod, and body.
const BUTTONS: [(&str, &str, &str, &str); 9] = [
    ("Restart", "POST", "reboot", "{}"),
    ("New device", "POST", "replace", "{}"),
    ("New certificate", "POST", "certificate", "{}"),
    (
        "Refuse connections",
        "POST",
        "faults",
        r#"{"fault":"refuse"}"#,
    ),
    ("Hang", "POST", "faults", r#"{"fault":"hang"}"#),
    (
        "Answer 503",
        "POST",
        "faults",
        r#"{"fault":"status","status":503}"#,
    ),
    (
        "Read back empty",
        "POST",
        "faults",
        r#"{"fault":"reads-empty"}"#,
    ),
    (
        "Clock one hour ahead",
        "POST",
        "clock",
        r#"{"offset_seconds":3600}"#,
    ),
    ("Clear faults", "DELETE", "faults", ""),
];

pub(super) fn page(pods: &[Sim]) -> Response<Body> {
    let mut tiles = String::new();
    for sim in pods {
        let (number, url) = (sim.number(), sim.url());
        let (name, meetings, violations, faults, now) = sim.pod.read(|state| {
            let faults: Vec<String> = state
                .log
                .faults
                .kinds()
                .iter()
                .map(ToString::to_string)
                .collect();
            (
                escaped(&room_name(state)),
                state.meetings.len(),
                state.log.violations.len(),
                escaped(&faults.join(", ")),
                now(&sim.pod, state),
            )
        });
        let faults = match faults.as_str() {
            "" => String::new(),
            faults => format!("<br><b class=faults>Faults: {faults}</b>"),
        };
        let _ = write!(
            tiles,
            "<article data-pod='{number}'><h2><a href='/pods/{number}/'>{name}</a></h2>\
             <p class=state>{url}<br>{now}<br>Meetings: {meetings}. \
             <a href='/pods/{number}/requests'>Requests</a>, \
             <a href='/pods/{number}/violations'>violations: {violations}</a>{faults}</p>"
        );
        for (says, method, path, body) in BUTTONS {
            let body = escaped(body);
            let _ = write!(
                tiles,
                "<button type=button data-method='{method}' data-path='{path}' data-body='{body}'>{says}</button>"
            );
        }
        tiles.push_str("</article>");
    }
    html(PAGE.replace("{{pods}}", &tiles))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::super::action::Command;
    use super::super::handle::Fault;
    use super::super::spec::Spec;
    use super::*;

    #[test]
    fn every_button_is_something_that_the_control_address_knows() {
        for (says, method, path, body) in BUTTONS {
            if method == "DELETE" {
                continue;
            }
            let mut members: Map<String, Value> = serde_json::from_str(body).unwrap();
            let fault = members.remove("fault");
            let word = fault.as_ref().map_or(path, |fault| fault.as_str().unwrap());
            let known = match path {
                "faults" => Fault::read(&mut Spec::new(word, members)).map(|_| ()),
                _ => Command::read(Spec::new(word, members)).map(|_| ()),
            };
            assert!(known.is_ok(), "{says}: {known:?}");
        }
    }
}
