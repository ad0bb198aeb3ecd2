//! Faults that a pod shows on demand: which, for which requests, and how often.
//!
//! Deciding is here; how a fault looks on the wire is in `pod.rs` and `server.rs`.

use std::time::Duration;

/// One thing that goes wrong, until it has happened [`Fault::times`] or is cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) kind: Kind,
    left: Option<u32>,
    skip: u32,
    method: Option<String>,
    path: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Slow(Duration),
    CutOff,
    Status(u16),
    Html,
    EmptyObject,
    LostAnswer,
    Hang,
    Refuse,
}

impl Fault {
    /// Answers rightly, but late.
    #[must_use]
    pub fn slow(by: Duration) -> Self {
        Self::of(Kind::Slow(by))
    }

    /// Does the work, sends the headers and half of the body, and closes the connection.
    #[must_use]
    pub fn cut_off() -> Self {
        Self::of(Kind::CutOff)
    }

    /// Does nothing and answers this status with an `Errors` body. Any number from 100 to 999.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::of(Kind::Status(status))
    }

    /// Does nothing and answers 200 with a login page.
    #[must_use]
    pub fn html() -> Self {
        Self::of(Kind::Html)
    }

    /// Does nothing and answers 200 with `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::of(Kind::EmptyObject)
    }

    /// Does the work and closes the connection without an answer.
    #[must_use]
    pub fn lost_answer() -> Self {
        Self::of(Kind::LostAnswer)
    }

    /// Reads the request and never answers.
    #[must_use]
    pub fn hang() -> Self {
        Self::of(Kind::Hang)
    }

    /// Closes new connections before TLS, and old ones at their next request.
    #[must_use]
    pub fn refuse() -> Self {
        Self::of(Kind::Refuse)
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

    /// Lets so many fitting requests pass first.
    #[must_use]
    pub fn after(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// Only for this method and path, such as `PUT` and `/v2/calendar`; a `*` at the path's end stands for anything,
    /// an empty method or path for every one.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = (!method.is_empty()).then(|| method.to_ascii_uppercase());
        self.path = (!path.is_empty()).then(|| path.to_owned());
        self
    }

    pub(super) fn once_unless_counted(mut self) -> Self {
        self.left = self.left.or(Some(1));
        self
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            left: None,
            skip: 0,
            method: None,
            path: None,
        }
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self
                .path
                .as_deref()
                .is_none_or(|wanted| match wanted.strip_suffix('*') {
                    Some(start) => path.starts_with(start),
                    None => path == wanted,
                })
    }

    fn is_for_everything(&self) -> bool {
        self.method.is_none() && self.path.is_none()
    }

    fn is_used_up(&self) -> bool {
        self.left == Some(0)
    }

    /// Counts one fitting request; whether the fault is shown for it.
    fn count(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        true
    }
}

/// The faults of one pod, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        if !fault.is_used_up() {
            self.0.push(fault);
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault to show for this request, counted.
    pub fn take(&mut self, method: &str, path: &str) -> Option<Kind> {
        self.take_first(|fault| fault.fits(method, path))
    }

    /// Whether a new connection is to be closed, counted.
    pub fn refuses_connection(&mut self) -> bool {
        self.take_first(|fault| fault.kind == Kind::Refuse && fault.is_for_everything())
            .is_some()
    }

    fn take_first(&mut self, fits: impl Fn(&Fault) -> bool) -> Option<Kind> {
        let mut taken = None;
        for fault in self.0.iter_mut().filter(|fault| fits(fault)) {
            if fault.count() {
                taken = Some(fault.kind);
                break;
            }
        }
        self.0.retain(|fault| !fault.is_used_up());
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_for_its_requests_and_as_often_as_asked() {
        let mut faults = Faults::default();
        faults.add(
            Fault::status(500)
                .times(2)
                .after(1)
                .on("PUT", "/v2/calendar"),
        );
        faults.add(Fault::html().on("get", "/v2/config*"));
        let shown = [
            ("PUT", "/v2/calendar"),
            ("GET", "/v2/calendar"),
            ("PUT", "/v2/calendar"),
            ("GET", "/v2/config/sharing"),
            ("PUT", "/v2/calendar"),
            ("PUT", "/v2/calendar"),
        ]
        .map(|(method, path)| faults.take(method, path));
        let status = Some(Kind::Status(500));
        assert_eq!(shown, [None, None, status, Some(Kind::Html), status, None]);
        assert!(!faults.refuses_connection());
    }

    #[test]
    fn connections_are_refused_only_when_no_path_is_named() {
        let mut faults = Faults::default();
        faults.add(Fault::refuse().on("PUT", "/v2/calendar"));
        assert!(!faults.refuses_connection());
        faults.add(Fault::refuse().once());
        assert!(faults.refuses_connection());
        assert!(!faults.refuses_connection());
    }
}
