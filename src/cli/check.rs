//! `podcal check`: is the configuration good, and with `--connect`, does everything
//! that it names answer as it should?

mod devices;
mod pods;

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;

use clap::Args;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde_json::{Value, json};

use self::devices::Device;
use self::pods::{look, pod_found};
use super::output::{Ended, Output};
use super::progress::Progress;
use super::{Failure, Global};
use crate::app::clock;
use crate::config::{self, Config, Feed, Pod, Room, Source};
use crate::fault::{self, Fault as _};
use crate::feed::inspect::{CalDavReport, DocumentReport, Inspection};
use crate::model::feed_url::FeedUrl;
use crate::model::time::UnixTime;
use crate::net::clean;
use crate::service::clock::Clock;
use crate::service::open_ledger::OpenLedger;
use crate::service::pod_contact::PodContact;
use crate::service::signals::Signals;
use crate::service::study::{AsOf, study};
use crate::service::{Ground, feed_task};
use crate::telemetry::words::service::count;

/// How many rooms are tried at once.
const AT_ONCE: usize = 32;
/// A pod whose clock is off by more shows the right meetings at the wrong time.
const CLOCK_OFF: u64 = 60;

/// Check the configuration, and with --connect everything that it names.
///
/// All faults of the configuration are listed at once, with line and key; then the exit
/// code is 2. With --connect each feed is pulled and each pod is signed in to, and what
/// is found is graded; the exit code is 1 when something could not be reached. Nothing
/// is written, neither to a pod nor to the ledger.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Try each feed and sign in to each pod.
    #[arg(long)]
    connect: bool,
    /// Try passwords although sign-in is paused after a rejected one.
    #[arg(long, requires = "connect")]
    try_password: bool,
}

/// How well something is, and what was found of it.
struct Finding {
    grade: Grade,
    subject: String,
    says: Vec<String>,
    /// Of a pod that answered.
    device: Option<Device>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Good,
    Warning,
    Failed,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Failed => "failed",
        })
    }
}

pub async fn run(global: &Global, args: CheckArgs, output: Output) -> Result<Ended, Failure> {
    let loaded = match config::load::load(&global.config) {
        Ok(loaded) => loaded,
        Err(faults) => {
            let failure = Failure::configuration(&faults, &global.config);
            return Err(failure.with("good", false));
        }
    };
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let config = loaded.config;
    if !output.json {
        show_config(output, global, &config, &warnings);
    }
    let mut checked = Vec::new();
    if args.connect {
        let mut signals = Signals::listen().map_err(|error| Failure::signals(&error))?;
        let clock = Clock::start(clock);
        let ledger = OpenLedger::open(&config, clock, true).await?;
        let checking = Checking {
            config: &config,
            ground: ledger.ground(clock, &ledger.network(), true, true),
            insists: args.try_password,
        };
        let progress = Progress::new("rooms checked", config.rooms.len());
        let work = config.rooms.iter().map(|room| {
            let checked = checking.room(room);
            checked.inspect(|_| progress.step())
        });
        let done: Result<Vec<Vec<Finding>>, &str> = tokio::select! {
            checked = stream::iter(work).buffered(AT_ONCE).collect() => Ok(checked),
            signal = signals.stop() => Err(signal),
        };
        drop(progress);
        ledger.close().await;
        checked = done.map_err(|signal| {
            Failure::at_work(
                format!("stopped by {signal} before everything was tried"),
                "run it again",
            )
        })?;
        checking.compare_devices(&mut checked);
    }
    let all_reached = checked
        .iter()
        .flatten()
        .all(|finding| finding.grade != Grade::Failed);
    if output.json {
        output.json(&as_json(&config, &warnings, &checked));
    } else {
        show_findings(output, &config, &checked);
    }
    Ok(if all_reached {
        Ended::Well
    } else {
        Ended::WithTrouble
    })
}

fn show_config(output: Output, global: &Global, config: &Config, warnings: &[String]) {
    let feeds: usize = config.rooms.iter().map(|room| room.feeds.len()).sum();
    let pods: usize = config.rooms.iter().map(|room| room.pods.len()).sum();
    output.line(&format!(
        "{} is good: {}, {}, {}.",
        global.config.display(),
        count(config.rooms.len(), "room", "rooms"),
        count(feeds, "feed", "feeds"),
        count(pods, "pod", "pods")
    ));
    for warning in warnings {
        output.line(&format!("  warning: {warning}"));
    }
}

/// How good the worst finding of a room is.
fn grade(findings: &[Finding]) -> Grade {
    let grades = findings.iter().map(|finding| finding.grade);
    grades.max().unwrap_or(Grade::Good)
}

/// Such as "498 of 500 rooms are good, 1 with warnings, 1 failed".
fn summary(checked: &[Vec<Finding>]) -> String {
    let of = |wanted| {
        let grades = checked.iter().map(|findings| grade(findings));
        grades.filter(|grade| *grade == wanted).count()
    };
    let mut says = format!(
        "{} of {} good",
        of(Grade::Good),
        count(checked.len(), "room", "rooms")
    );
    for (wanted, words) in [(Grade::Warning, "with warnings"), (Grade::Failed, "failed")] {
        match of(wanted) {
            0 => {}
            rooms => says = format!("{says}, {rooms} {words}"),
        }
    }
    says
}

/// Problems first, each room with all that was found of it.
fn show_findings(output: Output, config: &Config, checked: &[Vec<Finding>]) {
    if checked.is_empty() {
        return;
    }
    let is_good = checked.iter().all(|one| grade(one) == Grade::Good);
    output.line("");
    output.verdict(&summary(checked), is_good);
    let mut rooms: Vec<_> = config.rooms.iter().zip(checked).collect();
    rooms.sort_by_key(|(_, findings)| Reverse(grade(findings)));
    for (room, findings) in rooms {
        output.line(&format!("\n{} ({})", room.name, clean::cell(&room.title)));
        for finding in findings {
            let mut says = finding.says.iter();
            // Names that pods and calendar servers gave stand in them.
            let first = says.next().map(String::as_str).unwrap_or_default();
            // Most failures name the host themselves.
            let address = finding.subject.split(' ').next_back().unwrap_or_default();
            let subject = match first.contains(address) {
                true => String::new(),
                false => format!("{}: ", finding.subject),
            };
            let grade = finding.grade.to_string();
            let first = clean::cell(&room.zone.told(first));
            output.line(&format!("  {grade:<8} {subject}{first}"));
            says.for_each(|line| output.line(&format!("           {}", clean::cell(line))));
        }
    }
}

fn as_json(config: &Config, warnings: &[String], checked: &[Vec<Finding>]) -> Value {
    let rooms: Vec<Value> = config
        .rooms
        .iter()
        .zip(checked)
        .map(|(room, findings)| {
            let findings: Vec<Value> = findings
                .iter()
                .map(|one| json!({ "subject": one.subject, "grade": one.grade.to_string(), "notes": one.says }))
                .collect();
            json!({ "room": room.name, "findings": findings })
        })
        .collect();
    json!({ "good": true, "problems": [], "warnings": warnings, "rooms": rooms })
}

/// What every room is checked with.
struct Checking<'a> {
    config: &'a Config,
    ground: Ground,
    insists: bool,
}

impl Checking<'_> {
    async fn room(&self, room: &Room) -> Vec<Finding> {
        let now = clock();
        let mut findings = Vec::new();
        for feed in &room.feeds {
            findings.push(self.feed(feed, now).await);
        }
        if findings
            .iter()
            .all(|finding| finding.grade != Grade::Failed)
        {
            findings.push(self.agenda(room, now).await);
        }
        for pod in &room.pods {
            findings.push(self.pod(pod, now).await);
        }
        findings
    }

    async fn feed(&self, feed: &Feed, now: UnixTime) -> Finding {
        let subject = format!("feed {}", feed.id.host());
        let network = &self.ground.network;
        let inspection = feed_task::inspect(feed, network, &self.ground.gate, self.insists, now);
        match inspection.await {
            Ok(Inspection::File { size_bytes }) => Finding {
                grade: Grade::Good,
                subject,
                says: vec![format!("a file of {size_bytes} bytes")],
                device: None,
            },
            Ok(Inspection::Document(found)) => document(subject, &found),
            Ok(Inspection::CalDav(found)) => {
                let configured = match &feed.source {
                    Source::CalDav { url, .. } => Some(url),
                    Source::Ics { .. } | Source::File { .. } => None,
                };
                collection(subject, &found, configured)
            }
            Err(failure) => Finding {
                grade: Grade::Failed,
                subject,
                says: vec![failure.says, failure.hint],
                device: None,
            },
        }
    }

    /// What comes out of the feeds for the display.
    async fn agenda(&self, room: &Room, now: UnixTime) -> Finding {
        let subject = "calendar".to_owned();
        let study = study(&self.ground, room, AsOf::from(now), self.insists).await;
        let failed = study.feeds.iter().find_map(|feed| feed.failure.as_ref());
        if let Some(failure) = failed {
            return Finding {
                grade: Grade::Failed,
                subject,
                says: vec![failure.says.clone(), failure.hint.clone()],
                device: None,
            };
        }
        let meetings = study
            .view
            .wanted
            .agenda
            .as_ref()
            .map_or(0, |agenda| agenda.len());
        let mut says = vec![format!(
            "{} in the window of {}",
            count(meetings, "meeting", "meetings"),
            count(usize::from(room.days), "day", "days")
        )];
        let mut grade = Grade::Good;
        let mut warn = |text: String| {
            grade = Grade::Warning;
            says.push(text);
        };
        let troubles: usize = study.feeds.iter().map(|feed| feed.troubles).sum();
        if troubles > 0 {
            warn(format!(
                "{} could not be read properly; see `podcal explain {}`",
                count(troubles, "entry", "entries"),
                room.name
            ));
        }
        let zones: BTreeSet<&String> = study
            .feeds
            .iter()
            .flat_map(|feed| &feed.unknown_zones)
            .collect();
        for zone in zones {
            warn(format!(
                "the time zone `{zone}` is defined nowhere; its meetings are read in {}, and may be \
                 hours off",
                room.zone
            ));
        }
        let missing: usize = study.feeds.iter().map(|feed| feed.missing).sum();
        if missing > 0 {
            warn(format!(
                "{} listed by the server could not be fetched",
                count(missing, "event", "events")
            ));
        }
        for held in &study.view.held {
            warn(format!(
                "{} vanished at once and are held; `podcal sync --room {} --force` accepts the empty \
                 calendar now",
                count(held.missing, "upcoming meeting", "upcoming meetings"),
                room.name
            ));
        }
        if meetings == 0 {
            warn("no upcoming meeting: is this the right calendar?".to_owned());
        }
        Finding {
            grade,
            subject,
            says,
            device: None,
        }
    }

    async fn pod(&self, pod: &Pod, now: UnixTime) -> Finding {
        let subject = format!("pod {}", pod.url);
        let contact =
            PodContact::open(&self.ground.recorder, &self.ground.gate, pod, self.insists).await;
        let found = match contact {
            Ok(contact) => {
                let client = contact.client().clone();
                let seen = look(&client).await;
                contact.report(&seen).await;
                seen.map(|seen| pod_found(subject.clone(), pod, &client, seen, now))
                    .map_err(|error| error.failure())
            }
            Err(failure) => Err(failure),
        };
        match found {
            Ok(finding) => finding,
            Err(failure) => Finding {
                grade: Grade::Failed,
                subject,
                says: vec![failure.says, failure.hint],
                device: None,
            },
        }
    }
}

fn document(subject: String, found: &DocumentReport) -> Finding {
    let kind = found.content_type.as_deref().unwrap_or("no content type");
    let packed = if found.compressed {
        format!(" ({} as sent, compressed)", found.sent_bytes)
    } else {
        String::new()
    };
    let mut says = vec![format!(
        "{} bytes{packed}, {kind}, login: {}",
        found.size_bytes, found.login
    )];
    says.extend(
        found
            .redirected_to
            .as_ref()
            .map(|host| format!("redirected to {host}")),
    );
    says.push(
        match (found.not_modified, found.etag || found.last_modified) {
            (true, _) => "an unchanged calendar is not sent again (304)".to_owned(),
            (false, true) => {
                "it gives validators, but sends an unchanged calendar again".to_owned()
            }
            (false, false) => {
                "it gives no validators; the calendar is sent whole at each pull".to_owned()
            }
        },
    );
    let grade = if found.oddities.is_empty() {
        Grade::Good
    } else {
        Grade::Warning
    };
    says.extend(found.oddities.iter().cloned());
    Finding {
        grade,
        subject,
        says,
        device: None,
    }
}

fn collection(subject: String, found: &CalDavReport, configured: Option<&FeedUrl>) -> Finding {
    let server = found
        .server
        .as_deref()
        .unwrap_or("an unknown CalDAV server");
    let mut says = vec![format!("{server}, login: {}", found.login)];
    if let Some(calendar) = &found.calendar {
        // An address may be a secret, and its owner knows the one that is configured.
        let is_configured = |url: &FeedUrl| {
            url.reveal().as_str().trim_end_matches('/') == calendar.address.trim_end_matches('/')
        };
        let at = match configured.is_some_and(is_configured) {
            true => "the configured address",
            false => calendar.address.as_str(),
        };
        says.push(format!("calendar `{}` at {at}", calendar.name));
        says.push(format!(
            "{} events; changes are found {}",
            found.events, found.changes
        ));
    }
    if !found.others.is_empty() {
        says.push(
            "other calendars here (set `calendar` to the name, or `caldav` to the address):"
                .to_owned(),
        );
        says.extend(
            found
                .others
                .iter()
                .map(|one| format!("  `{}` at {}", one.name, one.address)),
        );
    }
    let mut grade = if found.oddities.is_empty() {
        Grade::Good
    } else {
        Grade::Warning
    };
    says.extend(found.oddities.iter().cloned());
    if let Some(trouble) = &found.trouble {
        grade = Grade::Failed;
        says.push(fault::chain(trouble));
        says.push(trouble.hint().into_owned());
    }
    Finding {
        grade,
        subject,
        says,
        device: None,
    }
}
