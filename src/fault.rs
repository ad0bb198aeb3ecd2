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
