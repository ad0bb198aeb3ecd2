//! Doing a job on each pod, one after the other.

use std::io::{self, Cursor, Write};
use std::path::Path;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::input::{Image, Job};
use super::show::{self, Shown};
use super::{Options, UsageError};
use crate::config::{Pod, TlsTrust};
use crate::fault::Fault as _;
use crate::model::name::PodUrl;
use crate::model::zone::Zone;
use crate::pod::config::CalendarMode;
use crate::pod::error::{PodError, cleaned};
use crate::pod::{Access, Done, Fingerprint, Operation, PodClient, certificate, tree};

/// A pod to work on, and what is known of it.
#[derive(Clone)]
pub struct Target {
    pub pod: Pod,
    /// Its certificate as it was seen before, where it is kept.
    pub pin: Option<Fingerprint>,
    /// Whether the caller keeps pins for this pod: it belongs to a room.
    pub keeps_pin: bool,
    /// In which times are shown to people.
    pub zone: Zone,
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

/// What came of it.
#[derive(Debug, Default)]
pub struct Ran {
    /// Certificates to keep as pins from now on.
    pub pins: Vec<(PodUrl, Fingerprint)>,
    /// One for each pod that failed; not reported yet.
    pub errors: Vec<PodError>,
    /// A question was answered with no: the screen key is another one, or there
    /// is no such meeting.
    pub denied: bool,
}

/// Does a job on all targets and prints what came.
///
/// With one pod `--json` prints its document; with several an array of
/// `{"pod", "result"}` or `{"pod", "error"}`.
///
/// # Errors
/// Several pods where only one makes sense, or output that cannot be written.
pub async fn run(
    job: &Job,
    options: &Options,
    targets: &[Target],
    streams: &mut Streams<'_>,
) -> Result<Ran, UsageError> {
    check_targets(job, options, targets)?;
    let expected = options.expected_fingerprint()?;
    let several = targets.len() > 1;
    let mut ran = Ran::default();
    let mut documents = Vec::new();
    for target in targets {
        let pod = &target.pod.url;
        let shown = one(job, options, expected, target, streams, &mut ran).await?;
        match shown {
            Ok(shown) => {
                for note in &shown.notes {
                    say(streams.talk, &format!("note: {pod}: {note}"))?;
                }
                if options.json {
                    documents.push(if several {
                        json!({"pod": pod.key(), "result": shown.json})
                    } else {
                        shown.json
                    });
                } else if several {
                    say(streams.out, &format!("{pod}\n{}\n", indented(&shown.text)))?;
                } else if !shown.text.is_empty() {
                    say(streams.out, &shown.text)?;
                }
            }
            Err(error) => {
                if options.json && several {
                    documents.push(json!({
                        "pod": pod.key(),
                        "error": {
                            "type": error.kind(),
                            "message": error.to_string(),
                            "hint": error.hint(),
                        },
                    }));
                }
                ran.errors.push(error);
            }
        }
    }
    let document = match (several, documents.pop()) {
        (true, last) => Some(Value::Array(documents.into_iter().chain(last).collect())),
        (false, document) => document,
    };
    if let Some(document) = document.filter(|_| options.json) {
        let text = serde_json::to_string_pretty(&document).unwrap_or_default();
        say(streams.out, &text)?;
    }
    Ok(ran)
}

fn check_targets(job: &Job, options: &Options, targets: &[Target]) -> Result<(), UsageError> {
    if let Job::ReadSplash { output: None, .. } = job
        && options.json
    {
        return Err(UsageError::new(
            "an image is no JSON".to_owned(),
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
    if matches!(job, Job::ReadSplash { .. } | Job::Token { reveal: true }) {
        return Err(UsageError::new(
            format!("the room has {} pods: {}", names.len(), names.join(", ")),
            choose(),
        ));
    }
    let first = targets.first().map(|target| &target.pod.url);
    let writes = first.is_some_and(|pod| !matches!(job.write_request(pod), Ok(None)));
    if writes && !options.all {
        return Err(UsageError::new(
            format!(
                "the room has {} pods and it is not said which to write to: {}",
                names.len(),
                names.join(", ")
            ),
            format!("{}, or write to all with `--all`", choose()),
        ));
    }
    Ok(())
}

/// The job on one pod. The outer error ends everything, the inner one this pod.
async fn one(
    job: &Job,
    options: &Options,
    expected: Option<Fingerprint>,
    target: &Target,
    streams: &mut Streams<'_>,
    ran: &mut Ran,
) -> Result<Result<Shown, PodError>, UsageError> {
    let pod = &target.pod;
    if let Job::Trust = job {
        return trust(expected, target, ran).await;
    }
    let request = match job.write_request(&pod.url) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    if options.dry_run
        && let Some(request) = &request
    {
        let image = match job {
            Job::WriteSplash { image, .. } => Some(image.length()),
            _ => None,
        };
        return Ok(Ok(show::would_send(request, image)));
    }
    let access = match request {
        Some(_) => Access::ReadWrite,
        None => Access::ReadOnly,
    };
    // A fingerprint that was given counts more than one that was kept.
    let pin = expected.or(target.pin);
    let client = match PodClient::new(pod, pin, access) {
        Ok(client) => client,
        Err(error) => return Ok(Err(error)),
    };
    let mut result = perform(job, options, &client, target, streams, ran).await?;
    if let (TlsTrust::Pin, None, Some(seen)) = (&pod.tls, pin, client.seen()) {
        if target.keeps_pin {
            ran.pins.push((pod.url.clone(), seen));
        } else {
            let note = format!(
                "its certificate was not checked; to insist on it add `--fingerprint {seen}`"
            );
            result = result.map(|shown| shown.noting(note));
        }
    }
    Ok(result)
}

async fn trust(
    expected: Option<Fingerprint>,
    target: &Target,
    ran: &mut Ran,
) -> Result<Result<Shown, PodError>, UsageError> {
    let pod = &target.pod;
    if target.keeps_pin && pod.tls != TlsTrust::Pin {
        return Err(UsageError::new(
            format!(
                "the pod at {} is not trusted by a kept certificate",
                pod.url
            ),
            "change its `tls` in the configuration",
        ));
    }
    let found = match certificate(pod).await {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Ok(Err(PodError::CertificateChanged {
            pod: pod.url.clone(),
            expected,
            found,
        }));
    }
    if target.keeps_pin {
        ran.pins.push((pod.url.clone(), found));
    }
    Ok(Ok(show::trusted(target.pin, found, target.keeps_pin)))
}

async fn perform(
    job: &Job,
    options: &Options,
    client: &PodClient,
    target: &Target,
    streams: &mut Streams<'_>,
    ran: &mut Ran,
) -> Result<Result<Shown, PodError>, UsageError> {
    if let Job::ReadSplash {
        position,
        aspect,
        output,
    } = job
    {
        let mut image = Vec::new();
        let length = match client.read_splash(*position, *aspect, &mut image).await {
            Ok(length) => length,
            Err(error) => return Ok(Err(error)),
        };
        return match output {
            None => {
                streams.out.write_all(&image).map_err(unwritable)?;
                streams.out.flush().map_err(unwritable)?;
                Ok(Ok(Shown::new("", Value::Null)))
            }
            Some(path) => {
                write_file(path, &image).map_err(|error| {
                    UsageError::new(
                        format!("{} cannot be written: {error}", path.display()),
                        "name a file in a folder that exists",
                    )
                })?;
                let path = path.display().to_string();
                let text = format!("{path}: {length} bytes");
                Ok(Ok(Shown::new(text, json!({"file": path, "bytes": length}))))
            }
        };
    }
    if let Job::WriteSplash {
        position,
        aspect,
        image,
    } = job
    {
        let place = (*position, *aspect);
        return send_image(client, place, image, options, streams).await;
    }
    Ok(simple(job, options, client, target, ran).await)
}

/// Everything that is one call of the client.
async fn simple(
    job: &Job,
    options: &Options,
    client: &PodClient,
    target: &Target,
    ran: &mut Ran,
) -> Result<Shown, PodError> {
    let confirmed = |operation, done: Done| show::done(operation, &done);
    match job {
        Job::Token { reveal } => {
            let (token, facts) = client.fresh_token().await?;
            let shown = show::token(&facts, &target.pod.username);
            Ok(if *reveal {
                Shown::new(token.reveal(), Value::Null)
            } else {
                shown
            })
        }
        Job::Info => Ok(show::info(&client.info().await?)),
        Job::Metadata => {
            let metadata = client.metadata().await?;
            let id = tree::at(&metadata, &["device_id"]).and_then(tree::text);
            let text = format!("device_id   {}", cleaned(&id.unwrap_or_default(), 200));
            Ok(Shown::new(text, metadata))
        }
        Job::ScreenKey(key) => {
            let valid = client.screen_key(key).await?;
            ran.denied |= !valid;
            let text = if valid {
                "this is the key on the screen"
            } else {
                "this is not the key on the screen"
            };
            Ok(Shown::new(text, json!({ "valid": valid })))
        }
        Job::List => Ok(show::meetings(&client.meetings().await?, &target.zone)),
        Job::Get(id) => Ok(match client.meeting(id).await? {
            Some(meeting) => show::meeting(&meeting, &target.zone),
            None => {
                ran.denied = true;
                Shown::new("there is no meeting with this id", Value::Null)
            }
        }),
        Job::Add(meeting) => {
            let note = guard(client, Operation::AddMeeting, options.insist).await?;
            let id = client.add_meeting(meeting).await?;
            Ok(with(
                note,
                Shown::new(
                    format!("added {}", cleaned(id.as_str(), 200)),
                    json!({ "id": id }),
                ),
            ))
        }
        Job::Set(meetings) => {
            let operation = Operation::SetMeetings;
            let note = guard(client, operation, options.insist).await?;
            let done = client.set_meetings(meetings).await?;
            Ok(with(note, confirmed(operation, done)))
        }
        Job::Update(id, changes) => {
            let operation = Operation::UpdateMeeting;
            let note = guard(client, operation, options.insist).await?;
            let done = client.update_meeting(id, changes).await?;
            Ok(with(note, confirmed(operation, done)))
        }
        Job::Delete(id) => {
            let operation = Operation::DeleteMeeting;
            let note = guard(client, operation, options.insist).await?;
            let done = client.delete_meeting(id).await?;
            Ok(with(note, confirmed(operation, done)))
        }
        Job::Clear => {
            let operation = Operation::ClearMeetings;
            let note = guard(client, operation, options.insist).await?;
            let done = client.clear_meetings().await?;
            Ok(with(note, confirmed(operation, done)))
        }
        Job::ReadConfig(path) if path.is_empty() => {
            Ok(show::tree(client.config().await?.without_secrets()))
        }
        Job::ReadConfig(path) => {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let part = client.config_at(&path).await?;
            Ok(show::tree(tree::without_secrets_at(&path, &part)))
        }
        Job::LegacyConfig => Ok(show::tree(client.legacy_config().await?.without_secrets())),
        Job::PatchConfig { subset, rollback } => {
            let done = client.patch_config(subset.clone(), *rollback).await?;
            Ok(confirmed(Operation::PatchConfig, done))
        }
        Job::Hdmi { force_off } => {
            let done = client.hdmi_input(*force_off).await?;
            Ok(confirmed(Operation::SwitchHdmi, done))
        }
        Job::CameraStatus => {
            let status = client.camera_status().await?;
            let text = cleaned(&status, 100);
            Ok(Shown::new(text, json!({ "updateStatus": status })))
        }
        Job::CameraVersion(guid) => {
            let camera = client.camera_version(guid).await?;
            let json = serde_json::to_value(&camera).unwrap_or_default();
            Ok(show::camera(&camera, json))
        }
        Job::UpdateCamera { guid, force } => {
            let done = client.update_camera(guid, *force).await?;
            Ok(confirmed(Operation::UpdateCamera, done))
        }
        // Done before a client was made, or by `perform`.
        Job::Trust | Job::ReadSplash { .. } | Job::WriteSplash { .. } => {
            Ok(Shown::new("", Value::Null))
        }
    }
}

/// Looks at the calendar mode before meetings are written, unless told not to.
///
/// The note is for a pod that does not tell its mode.
async fn guard(
    client: &PodClient,
    operation: Operation,
    insist: bool,
) -> Result<Option<String>, PodError> {
    if insist {
        return Ok(None);
    }
    let mode = client.calendar_mode().await?;
    let unsupported =
        mode == CalendarMode::ThirdParty && operation.unsupported_in_third_party_mode();
    if unsupported || mode.is_known_other() {
        return Err(PodError::OtherMode {
            pod: client.url().clone(),
            operation,
            mode,
        });
    }
    let unverified = mode == CalendarMode::Unverified;
    Ok(unverified
        .then(|| "the pod does not tell its calendar mode; it was not verified".to_owned()))
}

fn with(note: Option<String>, shown: Shown) -> Shown {
    match note {
        Some(note) => shown.noting(note),
        None => shown,
    }
}

async fn send_image(
    client: &PodClient,
    (position, aspect): (u32, crate::pod::Aspect),
    image: &Image,
    options: &Options,
    streams: &mut Streams<'_>,
) -> Result<Result<Shown, PodError>, UsageError> {
    let length = image.length();
    let (sender, mut receiver) = watch::channel(0_u64);
    let progress = move |sent| {
        let _ = sender.send(sent);
    };
    let sending = async {
        match image {
            Image::Bytes(bytes) => {
                let bytes = Cursor::new(bytes.clone());
                client
                    .write_splash(position, aspect, length, bytes, progress)
                    .await
            }
            Image::File { path, .. } => match tokio::fs::File::open(path).await {
                Ok(file) => {
                    client
                        .write_splash(position, aspect, length, file, progress)
                        .await
                }
                Err(source) => Err(PodError::Local {
                    pod: client.url().clone(),
                    operation: Operation::WriteSplash,
                    source,
                }),
            },
        }
    };
    tokio::pin!(sending);
    let shows = streams.progress && !options.json;
    let mut last = None;
    let result = loop {
        tokio::select! {
            result = &mut sending => break result,
            Ok(()) = receiver.changed(), if shows => {
                let percent = receiver.borrow_and_update().saturating_mul(100) / length.max(1);
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
    Ok(result.map(|done| show::done(Operation::WriteSplash, &done)))
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

fn say(to: &mut (dyn Write + Send), text: &str) -> Result<(), UsageError> {
    writeln!(to, "{text}").map_err(unwritable)
}

fn unwritable(error: io::Error) -> UsageError {
    UsageError::new(
        format!("the output cannot be written: {error}"),
        "look where it is redirected to",
    )
}
