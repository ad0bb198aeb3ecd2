//! One request: an operation, what fills it in, and how its answer is decoded.
//!
//! A request is plain data until it is sent, so that a dry run shows the very
//! thing that would be sent. Sending it is the client's business; which requests
//! there are stands in `calendar`, `settings` and `device`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::answer::{Answer, Confirmation, IMAGE_LIMIT};
use super::error::PodErrorKind;
use super::operation::Operation;
use super::tree;
use crate::model::name::PodUrl;

/// A request to any pod, without token, whose answer is a `T`. Its `Debug` shows
/// no body.
pub struct Request<T> {
    pub operation: Operation,
    /// What fills in the `{...}` of the operation's path.
    arguments: Vec<String>,
    query: Option<(&'static str, String)>,
    body: Body,
    decode: Decoder<T>,
}

type Decoder<T> =
    Arc<dyn Fn(Result<&Answer, PodErrorKind>) -> Result<T, PodErrorKind> + Send + Sync>;

/// What a request carries.
pub(super) enum Body {
    Nothing,
    Json(Value),
    Image(Image),
}

/// An image to send, JPEG or PNG by its first bytes.
#[derive(Clone)]
pub struct Image {
    pub bytes: Bytes,
    /// Called with how many bytes went out so far.
    pub progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
}

impl<T> Request<T> {
    /// A request whose answer, if it is a good one, is read by `decode`.
    pub(super) fn new(
        operation: Operation,
        arguments: &[&str],
        decode: impl Fn(&Answer) -> Result<T, PodErrorKind> + Send + Sync + 'static,
    ) -> Self {
        Self::with_refusals(operation, arguments, move |answer| decode(answer?))
    }

    /// The same, for an operation whose refusal may be an answer too.
    pub(super) fn with_refusals(
        operation: Operation,
        arguments: &[&str],
        decode: impl Fn(Result<&Answer, PodErrorKind>) -> Result<T, PodErrorKind>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            operation,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            query: None,
            body: Body::Nothing,
            decode: Arc::new(decode),
        }
    }

    pub(super) fn json(self, body: Value) -> Self {
        let body = Body::Json(body);
        Self { body, ..self }
    }

    pub(super) fn image(self, image: Image) -> Self {
        let body = Body::Image(image);
        Self { body, ..self }
    }

    pub(super) fn query(self, key: &'static str, value: impl ToString) -> Self {
        let query = Some((key, value.to_string()));
        Self { query, ..self }
    }

    /// The same request with something made of its answer.
    pub fn map<U>(self, make: impl Fn(T) -> U + Send + Sync + 'static) -> Request<U>
    where
        T: 'static,
    {
        let decode = self.decode;
        Request {
            operation: self.operation,
            arguments: self.arguments,
            query: self.query,
            body: self.body,
            decode: Arc::new(move |answer| decode(answer).map(&make)),
        }
    }

    #[must_use]
    pub fn method(&self) -> Method {
        let name = self.operation.entry().request.split(' ').next();
        name.and_then(|name| name.parse().ok()).unwrap_or_default()
    }

    /// Where it goes on a pod.
    ///
    /// # Errors
    /// An argument that cannot be part of a path, or an image that is none.
    pub fn url(&self, pod: &PodUrl) -> Result<Url, PodErrorKind> {
        let mut path = vec!["v2"];
        let mut arguments = self.arguments.iter().map(String::as_str);
        let template = self.operation.entry().request.split_once('/');
        for part in template.map_or("", |(_, path)| path).split('/') {
            let name = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'));
            match name {
                None => path.push(part),
                Some(name) if name.ends_with('*') => {
                    let name = name.trim_end_matches('*');
                    for argument in arguments.by_ref() {
                        path.push(segment(name, argument)?);
                    }
                }
                Some(name) => path.push(segment(name, arguments.next().unwrap_or_default())?),
            }
        }
        let mut url = pod.join(&path);
        if let Some((key, value)) = &self.query {
            url.query_pairs_mut().append_pair(key, value);
        }
        self.check_image()?;
        Ok(url)
    }

    fn check_image(&self) -> Result<(), PodErrorKind> {
        let wrong = |what: String| Err(PodErrorKind::BadRequest { what });
        match &self.body {
            Body::Image(image) if image.bytes.len() as u64 > IMAGE_LIMIT => {
                wrong(format!("the image has more than {IMAGE_LIMIT} bytes"))
            }
            Body::Image(image) if image.content_type().is_none() => {
                wrong("the image is neither JPEG nor PNG".to_owned())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn body(&self) -> &Body {
        &self.body
    }

    /// Whether only a part of something is asked for, by a path of keys.
    pub(super) fn is_for_a_part(&self) -> bool {
        self.operation == Operation::ReadConfig && !self.arguments.is_empty()
    }

    pub(super) fn decode(&self, answer: Result<&Answer, PodErrorKind>) -> Result<T, PodErrorKind> {
        (self.decode)(answer)
    }

    /// The body for people: secrets in it are blanked.
    #[must_use]
    pub fn shown_body(&self) -> Option<Value> {
        match &self.body {
            Body::Json(body) => Some(tree::without_secrets(body)),
            _ => None,
        }
    }

    /// How long the image is that it carries.
    #[must_use]
    pub fn image_length(&self) -> Option<u64> {
        match &self.body {
            Body::Image(image) => Some(image.bytes.len() as u64),
            _ => None,
        }
    }

    /// All texts of the body: a pod may quote one in its error, and none of them
    /// may get there.
    pub(super) fn texts(&self) -> Vec<&str> {
        fn collect<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
            match value {
                Value::String(text) => into.push(text),
                Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
                Value::Object(map) => map.values().for_each(|item| collect(item, into)),
                _ => {}
            }
        }
        let mut texts = Vec::new();
        if let Body::Json(body) = &self.body {
            collect(body, &mut texts);
        }
        texts
    }
}

impl Request<Confirmation> {
    /// A write that the pod confirms.
    pub(super) fn write(operation: Operation, arguments: &[&str]) -> Self {
        Self::new(operation, arguments, Answer::confirmation)
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", self.operation.entry().request)
    }
}

impl Image {
    /// JPEG or PNG, by the first bytes.
    pub(super) fn content_type(&self) -> Option<&'static str> {
        if self.bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Some("image/jpeg")
        } else if self.bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some("image/png")
        } else {
            None
        }
    }
}

/// A text that stands for itself in a path.
///
/// An empty segment and the dots would make another path, that of the whole
/// collection: `DELETE /calendar/` must not come out of an empty id. And
/// `cameras/status` is another operation than `cameras/{guid}`.
fn segment<'a>(name: &str, text: &'a str) -> Result<&'a str, PodErrorKind> {
    let wrong = match text {
        "" => "is empty",
        "." | ".." => "is a dot path",
        "status" if name == "guid" => "is the word `status`",
        _ if text.len() > 500 => "is too long",
        _ if text.chars().any(char::is_control) => "holds a control character",
        _ => return Ok(text),
    };
    let what = format!("the {name} {wrong}");
    Err(PodErrorKind::BadRequest { what })
}
