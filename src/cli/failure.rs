//! How a command fails: its text for people, its document for `--json`, its exit code.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::config::fault::ConfigFaults;
use crate::fault::{self, Fault};
use crate::ledger::LedgerError;
use crate::report;
use crate::server::StartError;

/// Why a command could not do what it was asked for, with the code that it exits with.
#[derive(Debug)]
pub struct Failure {
    pub(super) text: String,
    pub(super) code: u8,
    /// The same for `--json`; `None` where the command's own document says it.
    pub(super) document: Option<Box<Value>>,
}

impl Failure {
    /// Something failed at work.
    #[must_use]
    pub fn at_work(says: impl AsRef<str>, hint: &str) -> Self {
        Self::new(says.as_ref(), hint, "failed", report::FAILURE)
    }

    /// What was asked for makes no sense.
    #[must_use]
    pub fn usage(says: impl AsRef<str>, hint: &str) -> Self {
        Self::new(says.as_ref(), hint, "usage", report::USAGE)
    }

    /// The configuration cannot be used.
    pub fn configuration(faults: &ConfigFaults, path: &Path) -> Self {
        let problems: Vec<Value> = faults
            .problems()
            .iter()
            .map(|one| {
                let file = one.file.as_deref().unwrap_or(path);
                json!({ "file": file, "line": one.line, "key": one.key, "says": one.says })
            })
            .collect();
        let all = fault::chain(faults);
        // Each problem stands in the list, and not again in the sentence.
        let says = all.lines().next().unwrap_or_default();
        let hint = match problems.is_empty() {
            true => faults.hint(),
            false => "correct each of the `problems`".into(),
        };
        let mut document = error_document(says, &hint, "configuration");
        if let Some(document) = document.as_object_mut() {
            document.insert("problems".to_owned(), Value::Array(problems));
        }
        Self {
            text: report::print(faults),
            code: report::USAGE,
            document: Some(Box::new(document)),
        }
    }

    fn new(says: &str, hint: &str, error_type: &str, code: u8) -> Self {
        Self {
            text: format!("error: {says}\n  hint: {hint}"),
            code,
            document: Some(Box::new(error_document(says, hint, error_type))),
        }
    }

    /// With one more key in its document.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let document = self.document.as_mut();
        if let Some(document) = document.and_then(|document| document.as_object_mut()) {
            document.insert(key.to_owned(), value.into());
        }
        self
    }

    /// For after the command's own document: `--json` prints only one.
    pub fn after_its_document(mut self) -> Self {
        self.document = None;
        self
    }
}

/// What `--json` prints where a command fails outright.
pub fn error_document(says: &str, hint: &str, error_type: &str) -> Value {
    json!({ "error": says, "error_type": error_type, "hint": hint })
}

impl Failure {
    pub fn signals(error: &io::Error) -> Self {
        Self::at_work(
            format!("cannot listen to signals: {error}"),
            "see the limits of the system",
        )
    }

    /// Why the service does not start. A database that it cannot use is a matter of its set-up.
    pub fn at_start(error: StartError) -> Self {
        let kind = match &error {
            StartError::Ledger(LedgerError::Server(error)) => Some(error.kind()),
            _ => None,
        };
        let failure = Self::from(error);
        match kind {
            Some(kind) => Self {
                code: report::USAGE,
                ..failure.with("error_type", kind)
            },
            None => failure,
        }
    }

    /// A service holds the ledger and does not answer.
    pub fn no_answer(ledger: &Path, error: &io::Error) -> Self {
        Self::at_work(
            format!(
                "the service on the ledger {} does not answer: {error}",
                ledger.display()
            ),
            "see its log; restart it if it hangs",
        )
    }
}

impl<F: Fault> From<F> for Failure {
    fn from(fault: F) -> Self {
        let document = error_document(&fault::chain(&fault), &fault.hint(), "failed");
        Self {
            text: report::print(&fault),
            code: report::FAILURE,
            document: Some(Box::new(document)),
        }
    }
}
