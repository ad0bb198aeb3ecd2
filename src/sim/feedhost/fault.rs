//! What goes wrong with a feed on demand, for which path and how often.

use std::time::Duration;

/// One thing that goes wrong, until it has happened [`FeedFault::times`] or is cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedFault {
    kind: Kind,
    left: Option<u32>,
    path: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    LoginPage,
    Empty,
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
    Never304,
    NoGzip,
}

impl FeedFault {
    /// 200 with an HTML page that asks for a password.
    #[must_use]
    pub fn login_page() -> Self {
        Self::of(Kind::LoginPage)
    }

    /// 200 with nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Kind::Empty)
    }

    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::of(Kind::Status(status, None))
    }

    /// A status such as 429 or 503 with `Retry-After`.
    #[must_use]
    pub fn retry_after(status: u16, seconds: u64) -> Self {
        Self::of(Kind::Status(status, Some(seconds)))
    }

    /// Promises the whole by `Content-Length`, sends half and closes the connection.
    #[must_use]
    pub fn cut_off() -> Self {
        Self::of(Kind::CutOff)
    }

    /// Sends half in chunks and closes the connection without the last chunk.
    #[must_use]
    pub fn cut_chunked() -> Self {
        Self::of(Kind::CutChunked)
    }

    /// Sends the headers at once and the body late.
    #[must_use]
    pub fn slow(by: Duration) -> Self {
        Self::of(Kind::Slow(by))
    }

    /// Sends `size` bytes, waits, and so on.
    #[must_use]
    pub fn drip(size: usize, every: Duration) -> Self {
        Self::of(Kind::Drip(size, every))
    }

    /// Never answers.
    #[must_use]
    pub fn hang() -> Self {
        Self::of(Kind::Hang)
    }

    /// Closes the connection instead of answering.
    #[must_use]
    pub fn refuse() -> Self {
        Self::of(Kind::Refuse)
    }

    /// A calendar of at least so many bytes.
    #[must_use]
    pub fn oversized(bytes: u64) -> Self {
        Self::of(Kind::Oversized(bytes))
    }

    /// A small gzip body that inflates to so many bytes.
    #[must_use]
    pub fn gzip_bomb(bytes: u64) -> Self {
        Self::of(Kind::GzipBomb(bytes))
    }

    /// 302 to an address, which may be relative, or the path itself for a loop.
    #[must_use]
    pub fn redirect(to: impl Into<String>) -> Self {
        Self::of(Kind::Redirect(302, to.into()))
    }

    #[must_use]
    pub fn redirect_with(status: u16, to: impl Into<String>) -> Self {
        Self::of(Kind::Redirect(status, to.into()))
    }

    #[must_use]
    pub fn content_type(media: impl Into<String>) -> Self {
        Self::of(Kind::ContentType(media.into()))
    }

    #[must_use]
    pub fn weak_etag() -> Self {
        Self::of(Kind::WeakEtag)
    }

    /// `-gzip` at the end of the entity tag of a compressed answer.
    #[must_use]
    pub fn gzip_etag() -> Self {
        Self::of(Kind::GzipEtag)
    }

    /// Validators are sent and then ignored.
    #[must_use]
    pub fn never_304() -> Self {
        Self::of(Kind::Never304)
    }

    #[must_use]
    pub fn no_gzip() -> Self {
        Self::of(Kind::NoGzip)
    }

    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only for this path.
    #[must_use]
    pub fn on(mut self, path: &str) -> Self {
        self.path = Some(super::normal(path));
        self
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            left: None,
            path: None,
        }
    }
}

#[derive(Default)]
pub(super) struct Faults(Vec<FeedFault>);

impl Faults {
    pub fn add(&mut self, fault: FeedFault) {
        if fault.left != Some(0) {
            self.0.push(fault);
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault to show for this path, counted.
    pub fn take(&mut self, path: &str) -> Option<Kind> {
        let fits = |fault: &FeedFault| fault.path.as_deref().is_none_or(|wanted| wanted == path);
        let index = self.0.iter().position(fits)?;
        let fault = self.0.get_mut(index)?;
        let kind = fault.kind.clone();
        if let Some(left) = &mut fault.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.0.remove(index);
            }
        }
        Some(kind)
    }
}
