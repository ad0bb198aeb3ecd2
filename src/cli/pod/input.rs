//! From arguments to a finished job: files and standard input are read and
//! checked here, before any pod is asked for anything.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Action, CalendarAction, CameraAction, ConfigAction, Fields, SplashAction, Switch};
use crate::fault::Fault;
use crate::model::meeting::Meeting;
use crate::model::name::PodUrl;
use crate::model::time::UnixTime;
use crate::pod::device::IMAGE_LIMIT;
use crate::pod::{Aspect, MeetingChanges, NewMeeting, PodError, Request, tree};

/// More than this is no calendar, configuration or meeting typed by hand.
const TEXT_LIMIT: u64 = 50 * 1024 * 1024;

/// Reads the meetings of an iCalendar file, or says why it is none.
pub type MeetingsFromIcs<'a> = &'a (dyn Fn(&[u8]) -> Result<Vec<Meeting>, String> + Sync);

/// Arguments that do not make sense, or name what is not there.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError {
    what: String,
    hint: Cow<'static, str>,
}

impl UsageError {
    #[must_use]
    pub fn new(what: String, hint: impl Into<Cow<'static, str>>) -> Self {
        let hint = hint.into();
        Self { what, hint }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for UsageError {}

impl Fault for UsageError {
    fn hint(&self) -> Cow<'static, str> {
        self.hint.clone()
    }

    fn is_passing(&self) -> bool {
        false
    }
}

/// What to do on each pod; everything that had to be read for it was read.
pub enum Job {
    Token {
        reveal: bool,
    },
    Info,
    Metadata,
    ScreenKey(String),
    List,
    Get(String),
    Add(NewMeeting),
    Set(Vec<Meeting>),
    Update(String, MeetingChanges),
    Delete(String),
    Clear,
    ReadConfig(Vec<String>),
    PatchConfig {
        subset: Value,
        rollback: Option<u32>,
    },
    LegacyConfig,
    Hdmi {
        force_off: bool,
    },
    ReadSplash {
        position: u32,
        aspect: Aspect,
        output: Option<PathBuf>,
    },
    WriteSplash {
        position: u32,
        aspect: Aspect,
        image: Image,
    },
    CameraStatus,
    CameraVersion(String),
    UpdateCamera {
        guid: String,
        force: bool,
    },
    Trust,
}

/// An image to send.
#[derive(Clone)]
pub enum Image {
    File { path: PathBuf, length: u64 },
    Bytes(Bytes),
}

impl Image {
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

impl Job {
    /// The request of a write, just as it would be sent; `None` for what only reads.
    ///
    /// # Errors
    /// An id that cannot be part of a path.
    pub fn write_request(&self, pod: &PodUrl) -> Result<Option<Request>, PodError> {
        Ok(Some(match self {
            Self::Add(meeting) => Request::add_meeting(pod, meeting),
            Self::Set(meetings) => Request::set_meetings(pod, meetings),
            Self::Update(id, changes) => Request::update_meeting(pod, id, changes)?,
            Self::Delete(id) => Request::delete_meeting(pod, id)?,
            Self::Clear => Request::clear_meetings(pod),
            Self::PatchConfig { subset, rollback } => {
                Request::patch_config(pod, subset.clone(), *rollback)
            }
            Self::Hdmi { force_off } => Request::hdmi_input(pod, *force_off),
            Self::WriteSplash {
                position, aspect, ..
            } => Request::write_splash(pod, *position, *aspect),
            Self::UpdateCamera { guid, force } => Request::update_camera(pod, guid, *force)?,
            _ => return Ok(None),
        }))
    }
}

/// Makes a job of the arguments. `stdin` is read where an argument is `-`.
///
/// # Errors
/// What cannot be read, or is not what the operation takes.
pub async fn job(
    action: &Action,
    stdin: &mut (dyn AsyncRead + Send + Unpin),
    meetings_from_ics: MeetingsFromIcs<'_>,
) -> Result<Job, UsageError> {
    Ok(match action {
        Action::Token { reveal } => Job::Token { reveal: *reveal },
        Action::Info => Job::Info,
        Action::Metadata => Job::Metadata,
        Action::ScreenKey { key } => Job::ScreenKey(key.clone()),
        Action::Calendar(action) => calendar(action, stdin, meetings_from_ics).await?,
        Action::Config(ConfigAction::Get { path }) => {
            Job::ReadConfig(path.as_deref().map(config_path).unwrap_or_default())
        }
        Action::Config(ConfigAction::Set { changes, rollback }) => Job::PatchConfig {
            subset: subset(changes, stdin).await?,
            rollback: *rollback,
        },
        Action::Config(ConfigAction::Legacy) => Job::LegacyConfig,
        Action::Hdmi { state } => Job::Hdmi {
            force_off: *state == Switch::Off,
        },
        Action::Splash(SplashAction::Get {
            position,
            aspect,
            output,
        }) => Job::ReadSplash {
            position: *position,
            aspect: *aspect,
            output: output.clone(),
        },
        Action::Splash(SplashAction::Set {
            position,
            aspect,
            image,
        }) => Job::WriteSplash {
            position: *position,
            aspect: *aspect,
            image: read_image(image, stdin).await?,
        },
        Action::Camera(CameraAction::Status) => Job::CameraStatus,
        Action::Camera(CameraAction::Version { guid }) => Job::CameraVersion(guid.clone()),
        Action::Camera(CameraAction::Update { guid, force }) => Job::UpdateCamera {
            guid: guid.clone(),
            force: *force,
        },
        Action::Trust => Job::Trust,
    })
}

async fn calendar(
    action: &CalendarAction,
    stdin: &mut (dyn AsyncRead + Send + Unpin),
    meetings_from_ics: MeetingsFromIcs<'_>,
) -> Result<Job, UsageError> {
    Ok(match action {
        CalendarAction::List => Job::List,
        CalendarAction::Get { id } => Job::Get(id.clone()),
        CalendarAction::Delete { id } => Job::Delete(id.clone()),
        CalendarAction::Clear => Job::Clear,
        CalendarAction::Set { meetings } => {
            let bytes = text_or_file(meetings, stdin).await?;
            Job::Set(if is_ics(meetings, &bytes) {
                meetings_from_ics(&bytes).map_err(|why| {
                    UsageError::new(
                        format!("the iCalendar file cannot be read: {why}"),
                        "look at it with `podcal expand`",
                    )
                })?
            } else {
                meetings_from_json(&bytes)?
            })
        }
        CalendarAction::Add { meeting, fields } => {
            const KEYS: &[&str] = &["title", "organizer", "start_time", "end_time"];
            let map = fields_of(meeting.as_deref(), KEYS, fields, None, stdin).await?;
            Job::Add(NewMeeting {
                title: text(&map, "title")?,
                organizer: text(&map, "organizer")?,
                start_time: time(&map, "start_time")?,
                end_time: time(&map, "end_time")?,
            })
        }
        CalendarAction::Update {
            id,
            changes,
            fields,
            description,
        } => {
            const KEYS: &[&str] = &[
                "title",
                "organizer",
                "description",
                "start_time",
                "end_time",
            ];
            let description = description.as_deref();
            let map = fields_of(changes.as_deref(), KEYS, fields, description, stdin).await?;
            if map.is_empty() {
                return Err(UsageError::new(
                    "nothing is to be changed".to_owned(),
                    "name a field, such as `--title \"Review\"`",
                ));
            }
            let changes = MeetingChanges {
                title: text(&map, "title")?,
                organizer: text(&map, "organizer")?,
                description: text(&map, "description")?,
                start_time: time(&map, "start_time")?,
                end_time: time(&map, "end_time")?,
            };
            Job::Update(id.clone(), changes)
        }
    })
}

/// The fields of a meeting from JSON and from options; options win.
async fn fields_of(
    argument: Option<&str>,
    keys: &[&str],
    fields: &Fields,
    description: Option<&str>,
    stdin: &mut (dyn AsyncRead + Send + Unpin),
) -> Result<Map<String, Value>, UsageError> {
    let mut map = match argument {
        None => Map::new(),
        Some(argument) => {
            let bytes = text_or_file(argument, stdin).await?;
            match parse(&bytes)? {
                Value::Object(map) => map,
                _ => {
                    return Err(UsageError::new(
                        "the meeting is no JSON object".to_owned(),
                        "write such as {\"title\": \"Review\", \"start_time\": 1772442000}",
                    ));
                }
            }
        }
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
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(unknown) => Err(UsageError::new(
            format!("this operation does not take `{unknown}`"),
            format!("it takes {}", keys.join(", ")),
        )),
        None => Ok(map),
    }
}

fn text(map: &Map<String, Value>, key: &str) -> Result<Option<String>, UsageError> {
    match map.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(UsageError::new(
            format!("`{key}` is no text"),
            "write it in quotes",
        )),
    }
}

fn time(map: &Map<String, Value>, key: &str) -> Result<Option<UnixTime>, UsageError> {
    let Some(value) = map.get(key) else {
        return Ok(None);
    };
    let seconds = match value {
        Value::Number(number) => number.as_i64().map(UnixTime::from_seconds),
        Value::String(text) => match text.trim().parse() {
            Ok(seconds) => Some(UnixTime::from_seconds(seconds)),
            Err(_) => UnixTime::parse(text.trim()),
        },
        _ => None,
    };
    seconds.map(Some).ok_or_else(|| {
        UsageError::new(
            format!("`{key}` is no time"),
            "write RFC 3339 such as 2026-03-02T09:00:00Z, or whole Unix seconds",
        )
    })
}

/// A strict reading: what is sent to a display is a whole, valid set.
fn meetings_from_json(bytes: &[u8]) -> Result<Vec<Meeting>, UsageError> {
    const KEYS: [&str; 6] = [
        "id",
        "title",
        "organizer",
        "description",
        "start_time",
        "end_time",
    ];
    const FORM: &str = "write {\"meetings\": [{\"id\", \"title\", \"organizer\", \"start_time\", \"end_time\", \"description\"?}]} with times in Unix seconds, or give an .ics file";
    let wrong = |what: String| UsageError::new(what, FORM);
    let list = match parse(bytes)? {
        Value::Array(list) => list,
        Value::Object(mut map) => match map.remove("meetings") {
            Some(Value::Array(list)) if map.is_empty() => list,
            _ => {
                return Err(wrong(
                    "the object holds something else than `meetings`".to_owned(),
                ));
            }
        },
        _ => return Err(wrong("this is no list of meetings".to_owned())),
    };
    let mut ids = HashSet::new();
    list.into_iter()
        .enumerate()
        .map(|(index, item)| {
            let wrong = |what: &str| wrong(format!("meeting {}: {what}", index + 1));
            let Value::Object(map) = &item else {
                return Err(wrong("is no object"));
            };
            if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
                return Err(wrong(&format!("has the unknown key `{key}`")));
            }
            for key in KEYS.iter().filter(|key| **key != "description") {
                if !map.contains_key(*key) {
                    return Err(wrong(&format!("lacks `{key}`")));
                }
            }
            let meeting: Meeting =
                serde_json::from_value(item).map_err(|_| wrong("has a field of the wrong type"))?;
            if meeting.start_time >= meeting.end_time {
                return Err(wrong("does not end after its start"));
            }
            if meeting.id.as_str().is_empty() {
                return Err(wrong("has an empty id"));
            }
            if !ids.insert(meeting.id.clone()) {
                return Err(wrong("has the id of another one"));
            }
            Ok(meeting)
        })
        .collect()
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
) -> Result<Value, UsageError> {
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
            return Err(UsageError::new(
                "the change is no JSON object".to_owned(),
                FORM,
            ));
        }
        merge(&mut whole, part);
    }
    // Salts and hashes of a configuration that was read would not be taken back.
    let sendable = tree::sendable(&whole);
    match &sendable {
        Value::Object(map) if map.is_empty() => {
            Err(UsageError::new("nothing is to be changed".to_owned(), FORM))
        }
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

fn parse(bytes: &[u8]) -> Result<Value, UsageError> {
    serde_json::from_slice(bytes).map_err(|error| {
        UsageError::new(
            format!(
                "this is no JSON: line {}, column {}",
                error.line(),
                error.column()
            ),
            "look for a missing quote, comma or bracket there",
        )
    })
}

/// The argument itself where it is JSON, standard input for `-`, else a file.
async fn text_or_file(
    argument: &str,
    stdin: &mut (dyn AsyncRead + Send + Unpin),
) -> Result<Bytes, UsageError> {
    if argument.trim_start().starts_with(['{', '[']) {
        return Ok(Bytes::copy_from_slice(argument.as_bytes()));
    }
    if argument == "-" {
        return read_all(stdin, TEXT_LIMIT, "standard input").await;
    }
    let mut file = tokio::fs::File::open(argument)
        .await
        .map_err(|error| unreadable(argument, &error))?;
    read_all(&mut file, TEXT_LIMIT, argument).await
}

async fn read_image(
    argument: &str,
    stdin: &mut (dyn AsyncRead + Send + Unpin),
) -> Result<Image, UsageError> {
    if argument == "-" {
        // A pod wants to know the length first.
        let bytes = read_all(stdin, IMAGE_LIMIT, "standard input").await?;
        return Ok(Image::Bytes(bytes));
    }
    let metadata = tokio::fs::metadata(argument)
        .await
        .map_err(|error| unreadable(argument, &error))?;
    if !metadata.is_file() {
        return Err(UsageError::new(
            format!("{argument} is no file"),
            "name a JPEG or PNG file, or `-`",
        ));
    }
    Ok(Image::File {
        path: PathBuf::from(argument),
        length: metadata.len(),
    })
}

async fn read_all(
    from: &mut (dyn AsyncRead + Send + Unpin),
    limit: u64,
    name: &str,
) -> Result<Bytes, UsageError> {
    let mut bytes = Vec::new();
    from.take(limit + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| unreadable(name, &error))?;
    if bytes.len() as u64 > limit {
        return Err(UsageError::new(
            format!("{name} holds more than {limit} bytes"),
            "send less",
        ));
    }
    Ok(Bytes::from(bytes))
}

fn unreadable(name: &str, error: &std::io::Error) -> UsageError {
    UsageError::new(
        format!("{name} cannot be read: {error}"),
        "name a file that exists, or `-` for standard input",
    )
}
