//! What can go wrong with a calendar host, and the words for it.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::sim::fault::Fault;
use crate::sim::spec::Spec;

/// A fault of a calendar host.
pub type FeedFault = Fault<HostFault>;

/// The words of these faults, for help texts and errors.
pub const WORDS: &str = "delay=500ms, a status such as 503, html, empty, empty-calendar, not-modified, \
                                        redirect=URL, hang, refuse, cut-off, cut-chunked, slow=10s, drip=BYTES, \
                                        oversized=BYTES, gzip-bomb=BYTES, content-type=MEDIA, weak-etag, gzip-etag, \
                                        same-etag, new-etag, never-304, no-gzip, date=SECONDS";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostFault {
    Delay(Duration),
    LoginPage,
    Empty,
    EmptyCalendar,
    NotModified,
    /// And the seconds of `Retry-After`.
    Status(u16, Option<u64>),
    CutOff,
    CutChunked,
    Slow(Duration),
    Drip(usize, Duration),
    Hang,
    Refuse,
    Oversized(u64),
    GzipBomb(u64),
    Redirect(u16, String),
    ContentType(String),
    WeakEtag,
    GzipEtag,
    SameEtag,
    NewEtag,
    Never304,
    NoGzip,
    /// Seconds by which the `Date` header is ahead.
    Date(i64),
}

/// Of the faults of one group, one is shown at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Delay,
    Answer,
    Body,
    Etag,
    Media,
    Condition,
    Coding,
    Date,
}

impl HostFault {
    pub(super) fn group(&self) -> Group {
        match self {
            Self::Delay(_) => Group::Delay,
            Self::LoginPage
            | Self::Empty
            | Self::EmptyCalendar
            | Self::NotModified
            | Self::Status(..)
            | Self::Hang
            | Self::Refuse
            | Self::Oversized(_)
            | Self::GzipBomb(_)
            | Self::Redirect(..) => Group::Answer,
            Self::CutOff | Self::CutChunked | Self::Slow(_) | Self::Drip(..) => Group::Body,
            Self::WeakEtag | Self::GzipEtag | Self::SameEtag | Self::NewEtag => Group::Etag,
            Self::ContentType(_) => Group::Media,
            Self::Never304 => Group::Condition,
            Self::NoGzip => Group::Coding,
            Self::Date(_) => Group::Date,
        }
    }

    fn read(spec: &mut Spec) -> Result<Self, String> {
        Ok(match spec.word() {
            "delay" => Self::Delay(spec.needed("seconds", Spec::time)?),
            "html" | "login-page" => Self::LoginPage,
            "empty" => Self::Empty,
            "empty-calendar" => Self::EmptyCalendar,
            "not-modified" => Self::NotModified,
            "status" => {
                let status = spec.needed("status", Spec::status)?;
                Self::Status(status, spec.number("retry_after")?)
            }
            "redirect" => {
                let status = spec.status("status")?.unwrap_or(302);
                Self::Redirect(status, spec.needed("location", Spec::text)?)
            }
            "hang" => Self::Hang,
            "refuse" => Self::Refuse,
            "cut-off" => Self::CutOff,
            "cut-chunked" => Self::CutChunked,
            "slow" => Self::Slow(spec.needed("seconds", Spec::time)?),
            "drip" => {
                let every = spec.time("every")?.unwrap_or(Duration::from_secs(1));
                Self::Drip(spec.needed("bytes", Spec::number)?, every)
            }
            "oversized" => Self::Oversized(spec.needed("bytes", Spec::number)?),
            "gzip-bomb" => Self::GzipBomb(spec.needed("bytes", Spec::number)?),
            "content-type" => Self::ContentType(spec.needed("media", Spec::text)?),
            "weak-etag" => Self::WeakEtag,
            "gzip-etag" => Self::GzipEtag,
            "same-etag" => Self::SameEtag,
            "new-etag" => Self::NewEtag,
            "never-304" => Self::Never304,
            "no-gzip" => Self::NoGzip,
            "date" => Self::Date(spec.needed("offset_seconds", Spec::integer)?),
            word => return Err(format!("unknown fault `{word}`; known are {WORDS}")),
        })
    }
}

/// The faults that one request is shown.
pub(super) struct RequestFaults(pub Vec<HostFault>);

impl RequestFaults {
    pub fn has(&self, fault: &HostFault) -> bool {
        self.0.contains(fault)
    }

    pub fn find<'a, T>(&'a self, pick: impl Fn(&'a HostFault) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(pick)
    }
}

impl Fault<HostFault> {
    /// Answers rightly, but late.
    #[must_use]
    pub fn delay(by: Duration) -> Self {
        Self::of(HostFault::Delay(by))
    }

    /// 200 with an HTML page that asks for a password.
    #[must_use]
    pub fn login_page() -> Self {
        Self::of(HostFault::LoginPage)
    }

    /// 200 with nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(HostFault::Empty)
    }

    /// A calendar without events in place of the file.
    #[must_use]
    pub fn empty_calendar() -> Self {
        Self::of(HostFault::EmptyCalendar)
    }

    /// 304, whether or not the request has a condition.
    #[must_use]
    pub fn not_modified() -> Self {
        Self::of(HostFault::NotModified)
    }

    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::of(HostFault::Status(status, None))
    }

    /// A status such as 429 or 503 with `Retry-After`.
    #[must_use]
    pub fn retry_after(status: u16, seconds: u64) -> Self {
        Self::of(HostFault::Status(status, Some(seconds)))
    }

    /// Promises the whole by `Content-Length`, sends half and closes the connection.
    #[must_use]
    pub fn cut_off() -> Self {
        Self::of(HostFault::CutOff)
    }

    /// Sends half in chunks and closes the connection without the last chunk.
    #[must_use]
    pub fn cut_chunked() -> Self {
        Self::of(HostFault::CutChunked)
    }

    /// Sends the headers at once and the body late.
    #[must_use]
    pub fn slow(by: Duration) -> Self {
        Self::of(HostFault::Slow(by))
    }

    /// Sends the body in pieces of `size` bytes, with a pause before each.
    #[must_use]
    pub fn drip(size: usize, every: Duration) -> Self {
        Self::of(HostFault::Drip(size, every))
    }

    /// Never answers.
    #[must_use]
    pub fn hang() -> Self {
        Self::of(HostFault::Hang)
    }

    /// Closes the connection instead of answering.
    #[must_use]
    pub fn refuse() -> Self {
        Self::of(HostFault::Refuse)
    }

    /// A calendar of at least this many bytes.
    #[must_use]
    pub fn oversized(bytes: u64) -> Self {
        Self::of(HostFault::Oversized(bytes))
    }

    /// A small gzip body that inflates to this many bytes.
    #[must_use]
    pub fn gzip_bomb(bytes: u64) -> Self {
        Self::of(HostFault::GzipBomb(bytes))
    }

    /// 302 to an address, which may be relative, or the path itself for a loop.
    #[must_use]
    pub fn redirect(to: impl Into<String>) -> Self {
        Self::redirect_with(302, to)
    }

    #[must_use]
    pub fn redirect_with(status: u16, to: impl Into<String>) -> Self {
        Self::of(HostFault::Redirect(status, to.into()))
    }

    #[must_use]
    pub fn content_type(media: impl Into<String>) -> Self {
        Self::of(HostFault::ContentType(media.into()))
    }

    #[must_use]
    pub fn weak_etag() -> Self {
        Self::of(HostFault::WeakEtag)
    }

    /// `-gzip` at the end of the entity tag of a compressed answer.
    #[must_use]
    pub fn gzip_etag() -> Self {
        Self::of(HostFault::GzipEtag)
    }

    /// One entity tag for every file and content. Sending it back is answered with 304, or with
    /// the content if [`Fault::never_304`] is added.
    #[must_use]
    pub fn same_etag() -> Self {
        Self::of(HostFault::SameEtag)
    }

    /// Another entity tag in every answer.
    #[must_use]
    pub fn new_etag() -> Self {
        Self::of(HostFault::NewEtag)
    }

    /// Validators are sent and then ignored.
    #[must_use]
    pub fn never_304() -> Self {
        Self::of(HostFault::Never304)
    }

    /// A `Date` header that is ahead by this many seconds, or behind if negative.
    #[must_use]
    pub fn date(offset_seconds: i64) -> Self {
        Self::of(HostFault::Date(offset_seconds))
    }

    /// Only for this path; a `*` at its end stands for anything.
    #[must_use]
    pub fn on(self, path: &str) -> Self {
        self.only("", &normal(path))
    }

    pub(in crate::sim) fn read(spec: &mut Spec) -> Result<Self, String> {
        Self::of(HostFault::read(spec)?).with(spec, normal)
    }
}

/// Reads a fault such as `503,path=/oak.ics`; see [`WORDS`].
///
/// # Errors
/// Says which word is unknown or what is missing.
pub fn parse_fault(text: &str) -> Result<FeedFault, String> {
    let mut spec = Spec::from_words(text)?;
    let fault = FeedFault::read(&mut spec)?;
    spec.finish()?;
    Ok(fault)
}

/// Paths are compared decoded and without the leading slash.
pub(super) fn normal(path: &str) -> String {
    percent_decode_str(path.trim_start_matches('/'))
        .decode_utf8_lossy()
        .into_owned()
}
