//! From arguments to a finished request: files and standard input are read and
//! checked here, before any pod is asked for anything.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;

use super::args::{
    Action, CalendarAction, CameraAction, ConfigAction, Fields, SplashAction, Switch,
};
use super::show::{self, Shown};
use crate::cli::Failure;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::time::UnixTime;
use crate::model::zone::Zone;
use crate::pod::{
    Confirmation, IMAGE_LIMIT, Image, MeetingChanges, NewMeeting, Operation, Request, calendar,
    device, settings, tree,
};

/// A calendar, configuration or meeting typed by hand is not larger than this.
const TEXT_LIMIT: u64 = 50 * 1024 * 1024;

/// Reads the meetings of an iCalendar file, or says why it is none.
pub type MeetingsFromIcs<'a> = &'a (dyn Fn(&[u8]) -> Result<Vec<Meeting>, String> + Sync);

/// What to do on each pod; everything that had to be read for it was read.
pub enum Job {
    Ask {
        request: Request<Shown>,
        /// How many bytes of its image were sent, where it sends one.
        progress: Option<watch::Receiver<u64>>,
        /// Whether an image goes to standard output.
        prints_image: bool,
    },
    Token {
        reveal: bool,
    },
    Trust,
}

impl Job {
    /// Whether it changes something on the pod.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self, Self::Ask { request, .. } if request.operation.is_write())
    }

    /// Whether its output is that of one pod only.
    pub(super) fn is_for_one_pod(&self) -> bool {
        match self {
            Self::Ask { request, .. } => request.operation == Operation::ReadSplash,
            Self::Token { reveal } => *reveal,
            Self::Trust => false,
        }
    }
}

/// Makes a job of the arguments. `stdin` is read where an argument is `-`; times
/// of the answer are shown in `zone`.
///
/// # Errors
/// What cannot be read, or is not what the operation takes.
pub async fn job(
    action: &Action,
    zone: &Zone,
    stdin: &mut (dyn AsyncRead + Send + Unpin),
    meetings_from_ics: MeetingsFromIcs<'_>,
) -> Result<Job, Failure> {
    let mut progress = None;
    let request = match action {
        Action::Token { reveal } => return Ok(Job::Token { reveal: *reveal }),
        Action::Trust => return Ok(Job::Trust),
        Action::Info => device::info().map(|info| show::info(&info)),
        Action::Metadata => device::metadata().map(show::metadata),
        Action::ScreenKey { key } => device::screen_key(key).map(show::screen_key),
        Action::Calendar(action) => calendar(action, zone, stdin, meetings_from_ics).await?,
        Action::Config(ConfigAction::Get { path }) => {
            match path.as_deref().map(config_path).unwrap_or_default() {
                path if path.is_empty() => {
                    settings::read().map(|config| show::tree(config.without_secrets()))
                }
                path => {
                    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
                    let request = settings::read_part(&keys);
                    request.map(move |part| show::part(&path, &part))
                }
            }
        }
        Action::Config(ConfigAction::Set { changes, rollback }) => {
            confirmed(settings::patch(subset(changes, stdin).await?, *rollback))
        }
        Action::Config(ConfigAction::Legacy) => {
            settings::read_legacy().map(|config| show::tree(config.without_secrets()))
        }
        Action::Hdmi { state } => confirmed(device::hdmi_input(*state == Switch::Off)),
        Action::Splash(SplashAction::Get {
            position,
            aspect,
            output,
        }) => {
            let output = output.clone();
            device::read_splash(*position, *aspect)
                .map(move |image| Shown::image(image, output.clone()))
        }
        Action::Splash(SplashAction::Set {
            position,
            aspect,
            image,
        }) => {
            let (sender, receiver) = watch::channel(0);
            progress = Some(receiver);
            let image = Image {
                bytes: named(image, stdin, IMAGE_LIMIT).await?,
                progress: Some(Arc::new(move |sent| {
                    let _ = sender.send(sent);
                })),
            };
            confirmed(device::write_splash(*position, *aspect, image))
        }
        Action::Camera(CameraAction::Status) => device::camera_status().map(show::camera_status),
        Action::Camera(CameraAction::Version { guid }) => {
            device::camera_version(guid).map(|camera| show::camera(&camera))
        }
        Action::Camera(CameraAction::Update { guid, force }) => {
            confirmed(device::update_camera(guid, *force))
        }
    };
    let prints_image = matches!(
        action,
        Action::Splash(SplashAction::Get { output: None, .. })
    );
    Ok(Job::Ask {
        request,
        progress,
        prints_image,
    })
}

async fn calendar(
    action: &CalendarAction,
    zone: &Zone,
    stdin: &mut (dyn AsyncRead + Send + Unpin),
    meetings_from_ics: MeetingsFromIcs<'_>,
) -> Result<Request<Shown>, Failure> {
    let zone = zone.clone();
    Ok(match action {
        CalendarAction::List => {
            calendar::list().map(move |meetings| show::meetings(&meetings, &zone))
        }
        CalendarAction::Get { id } => {
            calendar::get(id).map(move |meeting| show::meeting(meeting.as_ref(), &zone))
        }
        CalendarAction::Delete { id } => confirmed(calendar::delete(id)),
        CalendarAction::Clear => confirmed(calendar::clear()),
        CalendarAction::Set { meetings } => {
            let bytes = text_or_file(meetings, stdin).await?;
            let meetings = if is_ics(meetings, &bytes) {
                meetings_from_ics(&bytes).map_err(|why| {
                    Failure::usage(
                        format!("the iCalendar file cannot be read: {why}"),
                        "look at it with `podcal expand`",
                    )
                })?
            } else {
                meetings_from_json(&bytes)?
            };
            confirmed(calendar::set(&meetings))
        }
        CalendarAction::Add { meeting, fields } => {
            let meeting: NewMeeting = meeting_from(meeting.as_deref(), fields, None, stdin).await?;
            calendar::add(&meeting).map(|id| show::added(&id))
        }
        CalendarAction::Update {
            id,
            changes,
            fields,
            description,
        } => {
            let description = description.as_deref();
            let changes: MeetingChanges =
                meeting_from(changes.as_deref(), fields, description, stdin).await?;
            if changes == MeetingChanges::default() {
                return Err(Failure::usage(
                    "no change was given",
                    "name a field, such as `--title \"Review\"`",
                ));
            }
            confirmed(calendar::update(id, &changes))
        }
    })
}

fn confirmed(request: Request<Confirmation>) -> Request<Shown> {
    let operation = request.operation;
    request.map(move |confirmation| show::confirmation(operation, &confirmation))
}

/// A meeting, or changes of one, from JSON and from options; options win.
async fn meeting_from<T: DeserializeOwned>(
    argument: Option<&str>,
    fields: &Fields,
    description: Option<&str>,
    stdin: &mut (dyn AsyncRead + Send + Unpin),
) -> Result<T, Failure> {
    const FORM: &str = "write such as {\"title\": \"Review\", \"start_time\": 1772442000}";
    let mut map = match argument {
        None => Map::new(),
        Some(argument) => match parse(&text_or_file(argument, stdin).await?)? {
            Value::Object(map) => map,
            _ => {
                return Err(Failure::usage("the meeting is not a JSON object", FORM));
            }
        },
    };
    for (key, value) in [
        ("title", fields.title.as_deref()),
        ("organizer", fields.organizer.as_deref()),
        ("description", description),
        ("start_time", fields.start.as_deref()),
        ("end_time", fields.end.as_deref()),
    ] {
        if let Some(value) = value {
            map.insert(key.to_owned(), Value::from(value));
        }
    }
    for key in ["start_time", "end_time"] {
        if let Some(value) = map.get_mut(key) {
            *value = json!(time(key, value)?);
        }
    }
    serde_json::from_value(Value::Object(map))
        .map_err(|error| Failure::usage(format!("this is not such a meeting: {error}"), FORM))
}

fn time(key: &str, value: &Value) -> Result<UnixTime, Failure> {
    let time = match value {
        Value::Number(number) => number.as_i64().map(UnixTime::from_seconds),
        Value::String(text) => match text.trim().parse() {
            Ok(seconds) => Some(UnixTime::from_seconds(seconds)),
            Err(_) => UnixTime::parse(text.trim()),
        },
        _ => None,
    };
    time.ok_or_else(|| {
        Failure::usage(
            format!("`{key}` is not a time"),
            "write RFC 3339 such as 2026-03-02T09:00:00Z, or whole Unix seconds",
        )
    })
}

/// A strict reading: what is sent to a display is a whole, valid set.
fn meetings_from_json(bytes: &[u8]) -> Result<Vec<Meeting>, Failure> {
    /// As it is sent; anything else in it is a mistake.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        id: String,
        title: String,
        organizer: String,
        description: Option<String>,
        start_time: UnixTime,
        end_time: UnixTime,
    }
    const FORM: &str = "write {\"meetings\": [{\"id\", \"title\", \"organizer\", \"start_time\", \"end_time\", \"description\"?}]} with times in Unix seconds, or give an .ics file";
    let wrong = |says: &str| Failure::usage(says, FORM);
    let list = match parse(bytes)? {
        Value::Array(list) => list,
        Value::Object(mut map) => match map.remove("meetings") {
            Some(Value::Array(list)) if map.is_empty() => list,
            _ => {
                return Err(wrong("the object has keys other than `meetings`"));
            }
        },
        _ => return Err(wrong("this is not a list of meetings")),
    };
    let mut ids = HashSet::new();
    let one = |(index, item): (usize, Value)| {
        let wrong = |what: &str| wrong(&format!("meeting {}: {what}", index + 1));
        let read: Strict =
            serde_json::from_value(item).map_err(|error| wrong(&error.to_string()))?;
        if read.start_time >= read.end_time {
            return Err(wrong("does not end after its start"));
        }
        if read.id.is_empty() {
            return Err(wrong("has an empty id"));
        }
        if !ids.insert(read.id.clone()) {
            return Err(wrong("has the id of another one"));
        }
        Ok(Meeting {
            id: MeetingId::from_text(&read.id),
            title: read.title.into(),
            organizer: read.organizer.into(),
            description: read.description.map(Into::into),
            start_time: read.start_time,
            end_time: read.end_time,
        })
    };
    list.into_iter().enumerate().map(one).collect()
}

fn is_ics(argument: &str, bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = text.trim_ascii_start();
    let begins = start
        .get(..15)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"BEGIN:VCALENDAR"));
    begins
        || Path::new(argument)
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("ics"))
}

/// `display.calendar` or `display/calendar`.
fn config_path(text: &str) -> Vec<String> {
    let separator = if text.contains('/') { '/' } else { '.' };
    text.split(separator)
        .filter(|key| !key.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The part of the configuration that the arguments say, merged into one.
async fn subset(
    changes: &[String],
    stdin: &mut (dyn AsyncRead + Send + Unpin),
) -> Result<Value, Failure> {
    const FORM: &str =
        "write JSON such as {\"display\": {\"name\": \"Aurora\"}}, or display.name=Aurora";
    let mut whole = Value::Object(Map::new());
    for change in changes {
        let part = match assignment(change) {
            Some((path, value)) => {
                let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
                path.into_iter().rev().fold(value, |inner, key| {
                    Value::Object(Map::from_iter([(key, inner)]))
                })
            }
            None => parse(&text_or_file(change, stdin).await?)?,
        };
        if !part.is_object() {
            return Err(Failure::usage("the change is not a JSON object", FORM));
        }
        merge(&mut whole, part);
    }
    // Salts and hashes of a configuration that was read would not be taken back.
    let sendable = tree::sendable(&whole);
    match &sendable {
        Value::Object(map) if map.is_empty() => Err(Failure::usage("no change was given", FORM)),
        _ => Ok(sendable),
    }
}

/// `display.name=Aurora` as path and value.
fn assignment(text: &str) -> Option<(Vec<String>, &str)> {
    let (path, value) = text.split_once('=')?;
    let is_path = path
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
    let path = config_path(path);
    // Deeper than any configuration, and than what JSON is read to.
    (is_path && !path.is_empty() && path.len() <= 32).then_some((path, value))
}

/// Lays `part` over `whole`, object by object; serde_json bounds the depth.
fn merge(whole: &mut Value, part: Value) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, value) in part {
                merge(whole.entry(key).or_insert(Value::Null), value);
            }
        }
        (whole, part) => *whole = part,
    }
}

fn parse(bytes: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::usage(
            format!(
                "this is not JSON: line {}, column {}",
                error.line(),
                error.column()
            ),
            "look for a missing quote, comma or bracket there",
        )
    })
}

/// The argument itself where it is JSON, else what it names.
async fn text_or_file(
    argument: &str,
    stdin: &mut (dyn AsyncRead + Send + Unpin),
) -> Result<Bytes, Failure> {
    if argument.trim_start().starts_with(['{', '[']) {
        return Ok(Bytes::copy_from_slice(argument.as_bytes()));
    }
    named(argument, stdin, TEXT_LIMIT).await
}

/// Standard input for `-`, else a file; the whole of it, at most `limit` bytes.
async fn named(
    argument: &str,
    stdin: &mut (dyn AsyncRead + Send + Unpin),
    limit: u64,
) -> Result<Bytes, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::usage(
            format!("{argument} cannot be read: {error}"),
            "name a file that exists, or `-` for standard input",
        )
    };
    let mut file;
    let from: &mut (dyn AsyncRead + Send + Unpin) = if argument == "-" {
        stdin
    } else {
        // A device or a pipe might never end.
        if !tokio::fs::metadata(argument)
            .await
            .map_err(unreadable)?
            .is_file()
        {
            let says = format!("{argument} is not a file");
            return Err(Failure::usage(
                says,
                "name a file, or `-` for standard input",
            ));
        }
        file = tokio::fs::File::open(argument).await.map_err(unreadable)?;
        &mut file
    };
    let mut bytes = Vec::new();
    let mut bounded = from.take(limit + 1);
    bounded.read_to_end(&mut bytes).await.map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        let says = format!("{argument} holds more than {limit} bytes");
        return Err(Failure::usage(says, "send less"));
    }
    Ok(Bytes::from(bytes))
}
