//! `podcal check`: is the configuration good, and with `--connect`, does everything
//! that it names answer as it should?

use std::fmt;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};

use super::output::{Ended, Output};
use super::{Failure, Global};
use crate::app::{App, clock};
use crate::config::{self, Config, Feed, Pod, Room, TlsTrust};
use crate::contact::{self, Contact};
use crate::fault::{self, Fault as _};
use crate::feed::inspect::{CalDavReport, DocumentReport, Inspection, inspect};
use crate::ledger::LedgerError;
use crate::model::time::UnixTime;
use crate::pod::config::{CalendarMode, LegacyConfig, PodConfig};
use crate::pod::{PodClient, PodError};
use crate::report;
use crate::sync::{self, Pull, PullResult};
use crate::watch;

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
}

/// How well something is, and what was found of it.
struct Finding {
    grade: Grade,
    subject: String,
    says: Vec<String>,
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
            if output.json {
                let problems: Vec<Value> = faults
                    .problems()
                    .iter()
                    .map(|one| json!({ "line": one.line, "key": one.key, "says": one.says }))
                    .collect();
                output.json(&json!({ "good": false, "problems": problems }));
            }
            return Err(Failure {
                text: report::print(&faults),
                code: report::USAGE,
            });
        }
    };
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let config = loaded.config;
    if !output.json {
        show_config(output, global, &config, &warnings);
    }
    let mut checked = Vec::new();
    if args.connect {
        let app = App::open_to_read(config.clone()).await?;
        let work = config.rooms.iter().map(|room| check_room(&app, room));
        let done: Vec<_> = stream::iter(work).buffered(AT_ONCE).collect().await;
        checked = done.into_iter().collect::<Result<Vec<_>, LedgerError>>()?;
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
        "{} is good: {} rooms, {feeds} feeds, {pods} pods.",
        global.config.display(),
        config.rooms.len()
    ));
    for warning in warnings {
        output.line(&format!("  warning: {warning}"));
    }
}

fn show_findings(output: Output, config: &Config, checked: &[Vec<Finding>]) {
    for (room, findings) in config.rooms.iter().zip(checked) {
        output.line(&format!("\n{} ({})", room.name, room.title));
        for finding in findings {
            let mut says = finding.says.iter();
            let first = says.next().map(String::as_str).unwrap_or_default();
            output.line(&format!(
                "  {:<8} {}: {first}",
                finding.grade.to_string(),
                finding.subject
            ));
            says.for_each(|line| output.line(&format!("           {line}")));
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
                .map(|one| json!({ "subject": one.subject, "grade": one.grade.to_string(), "says": one.says }))
                .collect();
            json!({ "room": room.name, "findings": findings })
        })
        .collect();
    json!({ "good": true, "problems": [], "warnings": warnings, "rooms": rooms })
}

async fn check_room(app: &App, room: &Room) -> Result<Vec<Finding>, LedgerError> {
    let now = clock();
    let mut findings = Vec::new();
    for feed in &room.feeds {
        findings.push(check_feed(app, feed, now).await);
    }
    if findings
        .iter()
        .all(|finding| finding.grade != Grade::Failed)
    {
        findings.push(check_agenda(app, room, now).await?);
    }
    for pod in &room.pods {
        findings.push(check_pod(app, pod, now).await?);
    }
    Ok(findings)
}

async fn check_feed(app: &App, feed: &Feed, now: UnixTime) -> Finding {
    let subject = format!("feed {}", feed.id.host());
    match inspect(feed, app.edges.feeds.network(), now).await {
        Ok(Inspection::File { size_bytes }) => Finding {
            grade: Grade::Good,
            subject,
            says: vec![format!("a file of {size_bytes} bytes")],
        },
        Ok(Inspection::Document(found)) => document(subject, &found),
        Ok(Inspection::CalDav(found)) => collection(subject, &found),
        Err(error) => {
            let says = vec![fault::chain(&error), error.hint().into_owned()];
            Finding {
                grade: Grade::Failed,
                subject,
                says,
            }
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
    }
}

fn collection(subject: String, found: &CalDavReport) -> Finding {
    let server = found
        .server
        .as_deref()
        .unwrap_or("an unknown CalDAV server");
    let mut says = vec![format!("{server}, login: {}", found.login)];
    if let Some(calendar) = &found.calendar {
        says.push(format!(
            "calendar `{}` at {}",
            calendar.name, calendar.address
        ));
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
    }
}

/// What comes out of the feeds for the display.
async fn check_agenda(app: &App, room: &Room, now: UnixTime) -> Result<Finding, LedgerError> {
    let subject = "calendar".to_owned();
    let plan = sync::plan_room(&app.edges, room, now, Pull::Afresh).await?;
    let failed = plan
        .gathered
        .feeds
        .iter()
        .find_map(|copy| match &copy.pulled {
            PullResult::Failed(trouble) => Some(vec![trouble.says.clone(), trouble.hint.clone()]),
            _ => None,
        });
    if let Some(says) = failed {
        return Ok(Finding {
            grade: Grade::Failed,
            subject,
            says,
        });
    }
    let meetings = plan.composed.agenda.len();
    let troubles = plan
        .verdicts
        .iter()
        .filter(|verdict| verdict.rule.is_trouble())
        .count();
    let mut says = vec![format!(
        "{meetings} meetings in the window of {} days",
        room.days
    )];
    if troubles > 0 {
        says.push(format!(
            "{troubles} entries could not be read as they were meant; see `podcal explain {}`",
            room.name
        ));
    }
    if meetings == 0 {
        says.push("no meeting to come: is this the right calendar?".to_owned());
    }
    let grade = if troubles > 0 || meetings == 0 {
        Grade::Warning
    } else {
        Grade::Good
    };
    Ok(Finding {
        grade,
        subject,
        says,
    })
}

async fn check_pod(app: &App, pod: &Pod, now: UnixTime) -> Result<Finding, LedgerError> {
    let subject = format!("pod {}", pod.url);
    let standing = app.edges.ledger.pod(&pod.url).await?;
    let client = match contact::open(&app.edges, pod, &standing, now) {
        Contact::Open(client) => client,
        Contact::Resting { until } => {
            let says = vec![
                format!("its password was rejected; not tried again before {until}"),
                "correct the password, then check again".to_owned(),
            ];
            return Ok(Finding {
                grade: Grade::Failed,
                subject,
                says,
            });
        }
        Contact::Failed(error) => return Ok(pod_failed(subject, &error)),
    };
    Ok(match look(&client).await {
        Ok(seen) => pod_found(subject, pod, &client, &seen, now),
        Err(error) => pod_failed(subject, &error),
    })
}

/// What a look at a pod shows.
struct Seen {
    device_id: Option<String>,
    mode: CalendarMode,
    meetings: usize,
    config: PodConfig,
    legacy: Option<LegacyConfig>,
}

async fn look(client: &PodClient) -> Result<Seen, PodError> {
    client.sign_in().await?;
    Ok(Seen {
        device_id: watch::device_id(client).await?,
        mode: client.calendar_mode().await?,
        meetings: client.meetings().await?.len(),
        config: client.config().await?,
        // Older and newer firmware may lack it; the mode was asked for above.
        legacy: client.legacy_config().await.ok(),
    })
}

fn pod_failed(subject: String, error: &PodError) -> Finding {
    Finding {
        grade: Grade::Failed,
        subject,
        says: vec![fault::chain(error), error.hint().into_owned()],
    }
}

fn pod_found(
    subject: String,
    pod: &Pod,
    client: &PodClient,
    seen: &Seen,
    now: UnixTime,
) -> Finding {
    let name = seen.config.name().unwrap_or_default();
    let version = seen.legacy.as_ref().and_then(LegacyConfig::version);
    let version = version
        .map(|version| format!(", version {version}"))
        .unwrap_or_default();
    let mut says = vec![
        format!(
            "signed in; device {} `{name}`{version}",
            seen.device_id.as_deref().unwrap_or("(not told)")
        ),
        format!(
            "calendar mode: {}; {} meetings on the display",
            seen.mode, seen.meetings
        ),
    ];
    if let Some(fingerprint) = client.seen() {
        says.push(format!("certificate sha256 {fingerprint}"));
    }
    let oddities = oddities(pod, seen, now);
    let grade = match (seen.mode.is_known_other(), oddities.is_empty()) {
        (true, _) => Grade::Failed,
        (false, true) => Grade::Good,
        (false, false) => Grade::Warning,
    };
    says.extend(oddities);
    Finding {
        grade,
        subject,
        says,
    }
}

/// What keeps people from seeing the right meetings, though everything answers.
fn oddities(pod: &Pod, seen: &Seen, now: UnixTime) -> Vec<String> {
    let mut says: Vec<String> = Vec::new();
    let mut add = |text: &str| says.push(text.to_owned());
    if seen.mode.is_known_other() {
        add("it is never written to in this mode; set its calendar to \"3rd party only\"");
    }
    if seen.mode == CalendarMode::Unverified {
        add("it does not tell its calendar mode; see `third_party_type`");
    }
    if seen.config.calendar_enabled() == Some(false) {
        add("its calendar is switched off (display.calendar.enabled)");
    }
    if seen.config.calendar_show() == Some(false) {
        add("its calendar is not shown (display.calendar.show)");
    }
    if seen.config.is_modern() == Some(false) {
        add("it has the old welcome screen, which shows no calendar (display.splash.is_modern)");
    }
    if seen.config.signage_covers_the_screen() == Some(true) {
        add("digital signage covers the welcome screen with the calendar");
    }
    if pod.tls == TlsTrust::Off {
        add("any certificate is accepted (tls.verify = \"off\")");
    }
    if let Some(days) = seen
        .legacy
        .as_ref()
        .and_then(LegacyConfig::license_days)
        .filter(|days| *days < 30)
    {
        says.push(format!("its licence ends in {days} days"));
    }
    if let Some(ms) = seen.legacy.as_ref().and_then(LegacyConfig::clock_ms) {
        let clock = UnixTime::from_seconds(ms / 1000);
        let off = clock.seconds().abs_diff(now.seconds());
        if off > CLOCK_OFF {
            says.push(format!(
                "its clock is {off} seconds off; it shows meetings at the wrong time"
            ));
        }
    }
    says
}
