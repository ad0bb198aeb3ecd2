//! What every error of podcal answers: what happened and where (`Display`),
//! what to do about it (`hint`), and whether waiting may help (`is_passing`).

use std::borrow::Cow;

/// An error that a person can act on.
///
/// `Display` says what and where in one line, without its source; the report
/// prints the chain and then the hint on a line of its own.
pub trait Fault: std::error::Error {
    /// What the operator can do, as a sentence without a full stop.
    fn hint(&self) -> Cow<'static, str>;

    /// Whether the same request may succeed later with nothing changed here.
    ///
    /// Decided by the part that saw the answer; the scheduler only counts.
    fn is_passing(&self) -> bool;
}

/// An error and its causes on one line, each layer once.
///
/// Some libraries repeat their cause in their own text; that is said once.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let says = cause.to_string();
        if !says.is_empty() && !last.ends_with(&says) {
            text.push_str(": ");
            text.push_str(&says);
            last = says;
        }
        source = cause.source();
    }
    text
}
