//! What can go wrong with a pod, and the words for it.

use std::fmt;
use std::mem::Discriminant;
use std::time::Duration;

use super::fault::Fault;
use super::spec::Spec;

/// The words of these faults, for help texts and errors.
pub(super) const WORDS: &str = "slow=10s, a status such as 503, html, empty-object, cut-off, lost-answer, hang, refuse, \
                                no-handshake, reads-empty, new-ids, cap=N, late=10s, truncate=N, trim, upper-case, \
                                suffix=TEXT, keep-old";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodFault {
    Slow(Duration),
    /// And the seconds of `Retry-After`.
    Status(u16, Option<u64>),
    Html,
    EmptyObject,
    CutOff,
    LostAnswer,
    Hang,
    Refuse,
    NoHandshake,
    ReadsEmpty,
    NewIds,
    Cap(usize),
    Late(Delay),
    Truncate(usize),
    Trim,
    UpperCase,
    Suffix(String),
    KeepOld,
}

impl fmt::Display for PodFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slow(by) => return write!(f, "slow by {} s", by.as_secs()),
            Self::Status(status, _) => return write!(f, "status {status}"),
            Self::Html => "html",
            Self::EmptyObject => "empty-object",
            Self::CutOff => "cut-off",
            Self::LostAnswer => "lost-answer",
            Self::Hang => "hang",
            Self::Refuse => "refuse",
            Self::NoHandshake => "no-handshake",
            Self::ReadsEmpty => "reads-empty",
            Self::NewIds => "new-ids",
            Self::Cap(meetings) => return write!(f, "cap {meetings}"),
            Self::Late(_) => "late",
            Self::Truncate(characters) => return write!(f, "truncate {characters}"),
            Self::Trim => "trim",
            Self::UpperCase => "upper-case",
            Self::Suffix(_) => "suffix",
            Self::KeepOld => "keep-old",
        })
    }
}

/// When a set of meetings that was answered with success is on the display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    Time(Duration),
    /// At this read of the calendar, counted from 1.
    Reads(u32),
}

/// Of the faults of one group, one is shown at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Delay,
    Answer,
}

impl PodFault {
    /// The group of a fault that is shown whatever the request asks for.
    pub(super) fn of_any_request(&self) -> Option<Group> {
        match self {
            Self::Slow(_) => Some(Group::Delay),
            Self::Status(..)
            | Self::Html
            | Self::EmptyObject
            | Self::CutOff
            | Self::LostAnswer
            | Self::Hang
            | Self::Refuse => Some(Group::Answer),
            _ => None,
        }
    }

    /// The group of a fault that alters what a set of meetings does: one of each kind.
    pub(super) fn of_a_set(&self) -> Option<Discriminant<Self>> {
        let is_of_a_set = matches!(
            self,
            Self::NewIds
                | Self::Cap(_)
                | Self::Late(_)
                | Self::Truncate(_)
                | Self::Trim
                | Self::UpperCase
                | Self::Suffix(_)
                | Self::KeepOld
        );
        is_of_a_set.then(|| std::mem::discriminant(self))
    }

    pub(super) fn of_a_read(&self) -> Option<()> {
        (*self == Self::ReadsEmpty).then_some(())
    }

    pub(super) fn of_a_connection(&self) -> bool {
        matches!(self, Self::Refuse | Self::NoHandshake)
    }

    fn read(spec: &mut Spec) -> Result<Self, String> {
        Ok(match spec.word() {
            "slow" => Self::Slow(spec.needed("seconds", Spec::time)?),
            "status" => {
                let status = spec.needed("status", Spec::status)?;
                Self::Status(status, spec.number("retry_after")?)
            }
            "html" => Self::Html,
            "empty-object" => Self::EmptyObject,
            "cut-off" => Self::CutOff,
            "lost-answer" => Self::LostAnswer,
            "hang" => Self::Hang,
            "refuse" => Self::Refuse,
            "no-handshake" => Self::NoHandshake,
            "reads-empty" => Self::ReadsEmpty,
            "new-ids" => Self::NewIds,
            "cap" => Self::Cap(spec.needed("meetings", Spec::number)?),
            "late" => match (spec.time("seconds")?, spec.number("reads")?) {
                (Some(time), None) => Self::Late(Delay::Time(time)),
                (None, Some(reads)) => Self::Late(Delay::Reads(reads)),
                _ => return Err("`late` needs `seconds` or `reads`".to_owned()),
            },
            "truncate" => Self::Truncate(spec.needed("characters", Spec::number)?),
            "trim" => Self::Trim,
            "upper-case" => Self::UpperCase,
            "suffix" => Self::Suffix(spec.needed("text", Spec::text)?),
            "keep-old" => Self::KeepOld,
            word => return Err(format!("unknown fault `{word}`; known are {WORDS}")),
        })
    }
}

impl Fault<PodFault> {
    /// Answers rightly, but late.
    #[must_use]
    pub fn slow(by: Duration) -> Self {
        Self::of(PodFault::Slow(by))
    }

    /// Does nothing and answers this status with an `Errors` body. Any number from 100 to 999.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::of(PodFault::Status(status, None))
    }

    /// As [`Fault::status`], with `Retry-After`.
    #[must_use]
    pub fn retry_after(status: u16, seconds: u64) -> Self {
        Self::of(PodFault::Status(status, Some(seconds)))
    }

    /// Does nothing and answers 200 with a login page.
    #[must_use]
    pub fn html() -> Self {
        Self::of(PodFault::Html)
    }

    /// Does nothing and answers 200 with `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::of(PodFault::EmptyObject)
    }

    /// Does the work, sends the headers and half of the body, and closes the connection.
    #[must_use]
    pub fn cut_off() -> Self {
        Self::of(PodFault::CutOff)
    }

    /// Does the work and closes the connection without an answer.
    #[must_use]
    pub fn lost_answer() -> Self {
        Self::of(PodFault::LostAnswer)
    }

    /// Reads the request and never answers.
    #[must_use]
    pub fn hang() -> Self {
        Self::of(PodFault::Hang)
    }

    /// Closes new connections before TLS, and old ones at their next request.
    #[must_use]
    pub fn refuse() -> Self {
        Self::of(PodFault::Refuse)
    }

    /// Accepts new connections and never begins TLS. Cannot be limited to a path.
    #[must_use]
    pub fn no_handshake() -> Self {
        Self::of(PodFault::NoHandshake)
    }

    /// Reads of the calendar give no meetings, whatever the display shows.
    #[must_use]
    pub fn reads_empty() -> Self {
        Self::of(PodFault::ReadsEmpty)
    }

    /// Gives every meeting of a set an id of the pod's own, a new one each time.
    #[must_use]
    pub fn new_ids() -> Self {
        Self::of(PodFault::NewIds)
    }

    /// Keeps only the nearest meetings of a set: those that go on or come first.
    #[must_use]
    pub fn cap(meetings: usize) -> Self {
        Self::of(PodFault::Cap(meetings))
    }

    /// Answers a set with success at once and shows it later.
    #[must_use]
    pub fn late(by: Duration) -> Self {
        Self::of(PodFault::Late(Delay::Time(by)))
    }

    /// Answers a set with success at once and shows it at the `n`-th read of the calendar.
    #[must_use]
    pub fn late_reads(n: u32) -> Self {
        Self::of(PodFault::Late(Delay::Reads(n)))
    }

    /// Cuts the titles of a set to this many characters.
    #[must_use]
    pub fn truncate(characters: usize) -> Self {
        Self::of(PodFault::Truncate(characters))
    }

    /// Takes white space off both ends of the titles of a set.
    #[must_use]
    pub fn trim() -> Self {
        Self::of(PodFault::Trim)
    }

    #[must_use]
    pub fn upper_case() -> Self {
        Self::of(PodFault::UpperCase)
    }

    /// Adds a text to the titles of a set.
    #[must_use]
    pub fn suffix(text: impl Into<String>) -> Self {
        Self::of(PodFault::Suffix(text.into()))
    }

    /// Answers a set with success and keeps the old one.
    #[must_use]
    pub fn keep_old() -> Self {
        Self::of(PodFault::KeepOld)
    }

    /// Only for this method and path, such as `PUT` and `/v2/calendar`; a `*` at the path's end
    /// stands for anything, an empty method or path for every one.
    #[must_use]
    pub fn on(self, method: &str, path: &str) -> Self {
        self.only(method, path)
    }

    pub(super) fn read(spec: &mut Spec) -> Result<Self, String> {
        Self::of(PodFault::read(spec)?).with(spec, str::to_owned)
    }
}
