//! Doing a job on each pod, one after the other.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::args::Options;
use super::input::Job;
use super::show::{self, Shown};
use crate::cli::Failure;
use crate::config::{Pod, TlsTrust};
use crate::fault::{self, Fault as _};
use crate::model::failure::Failure as ModelFailure;
use crate::model::name::PodUrl;
use crate::net::clean;
use crate::pod::{
    Access, CalendarMode, Fingerprint, Operation, PodClient, PodError, PodErrorKind, Request,
    certificate,
};
use crate::service::gate::Gate;
use crate::service::pod_contact::SignInPermit;

/// A pod to work on, and what is known of it.
#[derive(Clone)]
pub struct Target {
    pub pod: Pod,
    /// Its certificate as it was seen before, where it is kept.
    pub pin: Option<Fingerprint>,
    /// Whether the caller keeps pins for this pod: it belongs to a room.
    pub keeps_pin: bool,
    /// Where a rejected password pauses sign-in; `None` for a bare address.
    pub gate: Option<Gate>,
}

/// Where things are printed.
pub struct Streams<'a> {
    /// Data.
    pub out: &'a mut (dyn Write + Send),
    /// Notes and progress.
    pub talk: &'a mut (dyn Write + Send),
    /// Whether `talk` is a terminal, which can show progress.
    pub progress: bool,
}

/// Why a job ended early: on this pod alone, or on all of them.
enum Stop {
    Pod(PodError),
    All(Failure),
}

impl From<PodError> for Stop {
    fn from(error: PodError) -> Self {
        Self::Pod(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::All(failure)
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Certificates to keep as pins from now on.
    pub pins: Vec<(PodUrl, Fingerprint)>,
    /// Pods whose device a person accepts, whatever it was before.
    pub trusted: Vec<PodUrl>,
    /// One for each pod that failed; not reported yet.
    pub errors: Vec<PodError>,
    /// A question was answered with no: the screen key is another one, or there
    /// is no such meeting.
    pub denied: bool,
}

/// Does a job on all targets and prints what came.
///
/// With one pod `--json` prints its document; with several an array of
/// `{"pod", "answer"}` or `{"pod", "error", "error_type", "hint"}`.
///
/// # Errors
/// Several pods where only one makes sense, or output that cannot be written.
pub async fn run(
    job: &Job,
    options: &Options,
    targets: &[Target],
    streams: &mut Streams<'_>,
) -> Result<Outcome, Failure> {
    check_targets(job, options, targets)?;
    let several = targets.len() > 1;
    let mut outcome = Outcome::default();
    let mut documents = Vec::new();
    for target in targets {
        let pod = &target.pod.url;
        let shown = match job {
            Job::Trust => trust(options, target, &mut outcome).await,
            _ => one(job, options, target, streams, &mut outcome).await,
        };
        match shown {
            Ok(shown) => {
                outcome.denied |= shown.denied;
                for note in &shown.notes {
                    say(streams.talk, &format!("note: {pod}: {note}"))?;
                }
                write_image(&shown, streams)?;
                if options.json {
                    documents.push(if several {
                        json!({"pod": pod.to_string(), "answer": shown.json})
                    } else {
                        shown.json
                    });
                } else if several {
                    say(streams.out, &format!("{pod}\n{}\n", indented(&shown.text)))?;
                } else if !shown.text.is_empty() {
                    say(streams.out, &shown.text)?;
                }
            }
            Err(Stop::All(failure)) => return Err(failure),
            Err(Stop::Pod(error)) => {
                if options.json && several {
                    documents.push(error_document(&error));
                }
                outcome.errors.push(error);
            }
        }
    }
    let document = match (several, documents.pop()) {
        (true, last) => Some(Value::Array(documents.into_iter().chain(last).collect())),
        (false, document) => document,
    };
    if let Some(document) = document.filter(|_| options.json) {
        let text = serde_json::to_string_pretty(&document).unwrap_or_default();
        say(streams.out, &clean::json(&text))?;
    }
    Ok(outcome)
}

/// Why a pod could not do it.
pub fn error_document(error: &PodError) -> Value {
    json!({
        "pod": error.pod.to_string(),
        "error": fault::chain(error),
        "error_type": error.key(),
        "hint": error.hint(),
    })
}

fn check_targets(job: &Job, options: &Options, targets: &[Target]) -> Result<(), Failure> {
    if options.json
        && matches!(
            job,
            Job::Ask {
                prints_image: true,
                ..
            }
        )
    {
        return Err(Failure::usage(
            "an image is not JSON",
            "name a file with `--output FILE`",
        ));
    }
    if targets.len() < 2 {
        return Ok(());
    }
    let names: Vec<_> = targets.iter().map(|one| one.pod.url.to_string()).collect();
    let choose = || {
        format!(
            "choose with `--pod {}`",
            names.first().map_or("ADDRESS", String::as_str)
        )
    };
    if job.is_for_one_pod() {
        return Err(Failure::usage(
            format!("the room has {} pods: {}", names.len(), names.join(", ")),
            &choose(),
        ));
    }
    if job.writes() && !options.all {
        return Err(Failure::usage(
            format!(
                "the room has {} pods and it is not said which to write to: {}",
                names.len(),
                names.join(", ")
            ),
            &format!("{}, or write to all with `--all`", choose()),
        ));
    }
    Ok(())
}

/// The job on one pod.
async fn one(
    job: &Job,
    options: &Options,
    target: &Target,
    streams: &mut Streams<'_>,
    outcome: &mut Outcome,
) -> Result<Shown, Stop> {
    let pod = &target.pod;
    if let Job::Ask { request, .. } = job {
        let fail = |kind| PodError::new(&pod.url, request.operation, kind);
        // What cannot be sent is found before the pod is asked for anything.
        let would_send = show::would_send(request, &pod.url).map_err(fail)?;
        if options.dry_run && job.writes() {
            return Ok(would_send);
        }
    }
    // A fingerprint that was given counts more than one that was kept.
    let pin = options.address.expected_fingerprint()?.or(target.pin);
    check_trust(target, pin).await?;
    let access = match job.writes() {
        true => Access::ReadWrite,
        false => Access::ReadOnly,
    };
    let client = PodClient::new(pod, pin, access)?;
    let permit = permit(options, target).await.map_err(|failure| {
        let kind = PodErrorKind::SignInPaused(Box::new(failure));
        PodError::new(&pod.url, Operation::SignIn, kind)
    })?;
    let result = match job {
        Job::Ask {
            request, progress, ..
        } => {
            let asking = ask(request, options, &client);
            let progress = progress
                .clone()
                .filter(|_| streams.progress && !options.json);
            showing_progress(asking, progress, request, &client, streams).await
        }
        Job::Token { reveal: true } => {
            let token = client.fresh_token().await;
            let token = token.map(|(token, _)| Shown::new(token.reveal(), Value::Null));
            token.map_err(Stop::Pod)
        }
        _ => client
            .sign_in()
            .await
            .map(|facts| show::token(&facts, &pod.username))
            .map_err(Stop::Pod),
    };
    // Dropped without a report, the password counts as sent and unanswered.
    match (permit, &result) {
        (Some(permit), Ok(_)) => permit.report(&Ok(())).await,
        (Some(permit), Err(Stop::Pod(error))) => permit.report_failure(error).await,
        _ => {}
    }
    match (&pod.tls, pin, client.seen()) {
        (TlsTrust::Pin, None, Some(seen)) if target.keeps_pin => {
            outcome.pins.push((pod.url.clone(), seen));
            result
        }
        (TlsTrust::Pin, None, Some(seen)) => result.map(|shown| {
            shown.noting(format!(
                "its certificate was not checked; to insist on it add `--fingerprint {seen}`"
            ))
        }),
        _ => result,
    }
}

/// The right to send the password, where a rejected one pauses sign-in.
async fn permit(options: &Options, target: &Target) -> Result<Option<SignInPermit>, ModelFailure> {
    match &target.gate {
        None => Ok(None),
        Some(gate) => SignInPermit::of(gate, &target.pod, options.try_password)
            .await
            .map(Some),
    }
}

/// Refuses to send a password to a bare address whose certificate nobody has
/// accepted yet.
async fn check_trust(target: &Target, pin: Option<Fingerprint>) -> Result<(), PodError> {
    let Target { pod, keeps_pin, .. } = target;
    let has_password = !pod.password.reveal().is_empty();
    if *keeps_pin || pin.is_some() || pod.tls != TlsTrust::Pin || !has_password {
        return Ok(());
    }
    let found = certificate(pod).await?;
    let kind = PodErrorKind::CertificateUnknown { found };
    Err(PodError::new(&pod.url, Operation::SignIn, kind))
}

async fn trust(options: &Options, target: &Target, outcome: &mut Outcome) -> Result<Shown, Stop> {
    let pod = &target.pod;
    let expected = options.address.expected_fingerprint()?;
    let found = certificate(pod).await?;
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        let kind = PodErrorKind::CertificateChanged { expected, found };
        let operation = Operation::ReadCertificate;
        return Err(PodError::new(&pod.url, operation, kind).into());
    }
    if target.keeps_pin {
        outcome.trusted.push(pod.url.clone());
        // Where the configuration says whom to trust, only the device is accepted.
        if pod.tls == TlsTrust::Pin {
            outcome.pins.push((pod.url.clone(), found));
        }
    }
    Ok(show::trusted(target.pin, found, target.keeps_pin))
}

/// Sends the request; before meetings are written it looks at the calendar mode,
/// unless told not to.
async fn ask(
    request: &Request<Shown>,
    options: &Options,
    client: &PodClient,
) -> Result<Shown, PodError> {
    let operation = request.operation;
    let mut note = None;
    if operation.writes_meetings() && !options.insist {
        let mode = client.calendar_mode().await?;
        let is_third_party = mode == CalendarMode::ThirdParty;
        let unsupported = is_third_party && operation.unsupported_in_third_party_mode();
        if unsupported || mode.is_known_other() {
            let kind = PodErrorKind::OtherMode(mode);
            return Err(PodError::new(client.url(), operation, kind));
        }
        note = (!is_third_party)
            .then_some("the pod does not report its calendar mode; it was not verified");
    }
    let shown = client.ask(request).await?;
    Ok(match note {
        Some(note) => shown.noting(note),
        None => shown,
    })
}

async fn showing_progress(
    asking: impl Future<Output = Result<Shown, PodError>>,
    progress: Option<watch::Receiver<u64>>,
    request: &Request<Shown>,
    client: &PodClient,
    streams: &mut Streams<'_>,
) -> Result<Shown, Stop> {
    let Some(mut progress) = progress else {
        return Ok(asking.await?);
    };
    let length = request.image_length().unwrap_or_default();
    let mut last = None;
    tokio::pin!(asking);
    let result = loop {
        tokio::select! {
            result = &mut asking => break result,
            Ok(()) = progress.changed() => {
                let percent = progress.borrow_and_update().saturating_mul(100) / length.max(1);
                if last != Some(percent) {
                    last = Some(percent);
                    write!(streams.talk, "\r{}: {percent} % of {length} bytes", client.url())
                        .and_then(|()| streams.talk.flush())
                        .map_err(unwritable)?;
                }
            }
        }
    };
    if last.is_some() {
        say(streams.talk, "")?;
    }
    Ok(result?)
}

fn write_image(shown: &Shown, streams: &mut Streams<'_>) -> Result<(), Failure> {
    match &shown.image {
        None => Ok(()),
        Some((image, None)) => streams
            .out
            .write_all(image)
            .and_then(|()| streams.out.flush())
            .map_err(unwritable),
        Some((image, Some(path))) => write_file(path, image).map_err(|error| {
            Failure::usage(
                format!("{} cannot be written: {error}", path.display()),
                "name a file in a folder that exists",
            )
        }),
    }
}

/// Beside the file first, so that a failure leaves no half of it.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = path.with_file_name(name);
    std::fs::write(&part, bytes)?;
    std::fs::rename(&part, path)
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

fn say(to: &mut (dyn Write + Send), text: &str) -> Result<(), Failure> {
    writeln!(to, "{}", clean::lines(text)).map_err(unwritable)
}

fn unwritable(error: io::Error) -> Failure {
    Failure::usage(
        format!("the output cannot be written: {error}"),
        "check where it is redirected to",
    )
}
