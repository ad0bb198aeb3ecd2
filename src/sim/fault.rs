//! The life of a fault, for pods and calendar hosts alike: for which requests, how often, and how
//! long.
//!
//! Which faults there are is in `pod_fault.rs` and `feedhost/fault.rs`; how they look is with
//! whoever shows them.

use std::time::Duration;

use tokio::time::Instant;

use super::spec::Spec;

/// One thing that goes wrong, until it has happened [`Fault::times`], its time is over, or it is
/// cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault<K> {
    kind: K,
    left: Option<u32>,
    skip: u32,
    lasts: Option<Duration>,
    method: Option<String>,
    path: Option<String>,
}

impl<K> Fault<K> {
    pub(super) fn of(kind: K) -> Self {
        Self {
            kind,
            left: None,
            skip: 0,
            lasts: None,
            method: None,
            path: None,
        }
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

    /// Lets this many matching requests pass first.
    #[must_use]
    pub fn after(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// Ends this long after it was added.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasts = Some(time);
        self
    }

    /// Only for this method and path. A `*` at the path's end stands for anything, an empty method
    /// or path for every one.
    pub(super) fn only(mut self, method: &str, path: &str) -> Self {
        self.method = (!method.is_empty()).then(|| method.to_ascii_uppercase());
        self.path = (!path.is_empty()).then(|| path.to_owned());
        self
    }

    pub(super) fn once_unless_limited(mut self) -> Self {
        if self.lasts.is_none() {
            self.left = self.left.or(Some(1));
        }
        self
    }

    /// Takes `times`, `after`, `for`, `method` and `path` from a specification; `path` as `normal`
    /// has it.
    pub(super) fn with(
        mut self,
        spec: &mut Spec,
        normal: impl Fn(&str) -> String,
    ) -> Result<Self, String> {
        self.left = spec.number("times")?;
        self.skip = spec.number("after")?.unwrap_or_default();
        self.lasts = spec.time("for")?;
        let method = spec.text("method")?.unwrap_or_default();
        let path = spec.text("path")?.map(|path| normal(&path));
        Ok(self.only(&method, &path.unwrap_or_default()))
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

/// The faults of one pod or host, in the order in which they were added.
#[derive(Debug)]
pub(super) struct Faults<K>(Vec<(Fault<K>, Option<Instant>)>);

impl<K> Default for Faults<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Clone> Faults<K> {
    pub fn add(&mut self, fault: Fault<K>) {
        let until = fault
            .lasts
            .and_then(|lasts| Instant::now().checked_add(lasts));
        self.0.push((fault, until));
        self.0.retain(is_alive);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong now or after some requests, in the order in which it was added.
    pub fn kinds(&self) -> Vec<K> {
        let alive = self.0.iter().filter(|fault| is_alive(fault));
        alive.map(|(fault, _)| fault.kind.clone()).collect()
    }

    /// The faults to show for this request, counted: of each group the first that fits. `group` is
    /// `None` for a fault that is not for this moment.
    pub fn take<G: PartialEq>(
        &mut self,
        method: &str,
        path: &str,
        group: impl Fn(&K) -> Option<G>,
    ) -> Vec<K> {
        self.take_fitting(|fault| group(&fault.kind).filter(|_| fault.fits(method, path)))
    }

    /// The fault to show for a new connection, counted. Only those that are for every request.
    pub fn take_for_connection(&mut self, is_for: impl Fn(&K) -> bool) -> Option<K> {
        self.take_fitting(|fault| (fault.is_for_everything() && is_for(&fault.kind)).then_some(()))
            .pop()
    }

    fn take_fitting<G: PartialEq>(&mut self, group: impl Fn(&Fault<K>) -> Option<G>) -> Vec<K> {
        self.0.retain(is_alive);
        let (mut groups, mut taken) = (Vec::new(), Vec::new());
        for (fault, _) in &mut self.0 {
            if let Some(group) = group(fault)
                && !groups.contains(&group)
                && fault.count()
            {
                groups.push(group);
                taken.push(fault.kind.clone());
            }
        }
        self.0.retain(is_alive);
        taken
    }
}

fn is_alive<K>((fault, until): &(Fault<K>, Option<Instant>)) -> bool {
    fault.left != Some(0) && until.is_none_or(|until| Instant::now() < until)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Faults = super::Faults<&'static str>;

    fn take(faults: &mut Faults, method: &str, path: &str) -> Vec<&'static str> {
        faults.take(method, path, |_| Some(()))
    }

    #[test]
    fn a_fault_is_shown_for_its_requests_and_as_often_as_asked() {
        let mut faults = Faults::default();
        let put = Fault::of("put").only("put", "/v2/calendar");
        faults.add(put.times(2).after(1));
        faults.add(Fault::of("get").only("GET", "/v2/config*"));
        let shown = [
            ("PUT", "/v2/calendar"),
            ("GET", "/v2/calendar"),
            ("PUT", "/v2/calendar"),
            ("GET", "/v2/config/sharing"),
            ("PUT", "/v2/calendar"),
            ("PUT", "/v2/calendar"),
        ]
        .map(|(method, path)| take(&mut faults, method, path).pop());
        assert_eq!(
            shown,
            [None, None, Some("put"), Some("get"), Some("put"), None]
        );
    }

    #[test]
    fn of_each_group_the_first_is_shown() {
        let mut faults = Faults::default();
        for kind in ["slow", "error", "slower", "other"] {
            faults.add(Fault::of(kind).once());
        }
        let group = |kind: &&str| (*kind != "other").then(|| kind.starts_with("slow"));
        assert_eq!(faults.take("GET", "/", group), ["slow", "error"]);
        assert_eq!(faults.take("GET", "/", group), ["slower"]);
        assert_eq!(take(&mut faults, "GET", "/"), ["other"]);
    }

    #[test]
    fn a_connection_is_concerned_only_when_no_path_is_named() {
        let mut faults = Faults::default();
        faults.add(Fault::of("refuse").only("PUT", "/v2/calendar"));
        assert_eq!(faults.take_for_connection(|_| true), None);
        faults.add(Fault::of("refuse").once());
        assert_eq!(faults.take_for_connection(|_| true), Some("refuse"));
        assert_eq!(faults.take_for_connection(|_| true), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_ends_when_its_time_is_over() {
        let mut faults = Faults::default();
        faults.add(Fault::of("busy").lasting(Duration::from_secs(5)));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(take(&mut faults, "GET", "/"), ["busy"]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(take(&mut faults, "GET", "/"), [""; 0]);
    }
}
