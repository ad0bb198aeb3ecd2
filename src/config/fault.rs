//! What can be wrong with a configuration: every problem with its line and key,
//! gathered, so that a person corrects them all in one go.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::fault::Fault;

/// One thing to correct, or to think about: where it stands and what would be right.
///
/// Holds no secret value and no feed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, where it is one that `include` names and not the configuration itself.
    pub file: Option<PathBuf>,
    /// Counted from 1.
    pub line: usize,
    /// The full key, such as `rooms.aurora.feeds[0].password`; arrays count from 0.
    /// Empty where the line cannot be read as far as its key.
    pub key: String,
    /// What was found and what would be right.
    pub says: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}, ", file.display())?;
        }
        write!(f, "line {}", self.line)?;
        if !self.key.is_empty() {
            write!(f, ", {}", self.key)?;
        }
        write!(f, ": {}", self.says)
    }
}

/// Why there is no configuration to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFaults {
    #[error("there is no configuration at `{}`", path.display())]
    Missing { path: PathBuf },
    #[error("the configuration `{}` cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("`{}` is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("`{}` is a folder, not a configuration file", path.display())]
    Folder { path: PathBuf },
    /// A pipe, a socket or a device; `says` begins with "is".
    #[error("`{}` {says}", path.display())]
    Special { path: PathBuf, says: String },
    /// All problems at once, in the order of the file; at least one. Prints one line for each.
    #[error("{}", list(path, problems))]
    Wrong {
        path: PathBuf,
        problems: Vec<Problem>,
    },
}

impl ConfigFaults {
    /// What is to be corrected in the file; nothing where there is no file to correct.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Wrong { problems, .. } => problems,
            Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::Folder { .. }
            | Self::Special { .. } => &[],
        }
    }
}

fn list(path: &Path, problems: &[Problem]) -> String {
    let noun = if problems.len() == 1 {
        "problem"
    } else {
        "problems"
    };
    let mut text = format!("{} has {} {noun}", path.display(), problems.len());
    for problem in problems {
        let _ = write!(text, "\n  {problem}");
    }
    text
}

impl Fault for ConfigFaults {
    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Missing { .. } => {
                "name the file with `--config FILE` or `PODCAL_CONFIG`, or write a first one with `podcal init`; \
                 `podcal config example` prints one with every key, and `podcal demo` needs none"
                    .into()
            }
            Self::Unreadable { .. } => {
                let user = rustix::process::geteuid().as_raw();
                format!("let user {user}, which podcal runs as, read it, or name another file with `--config FILE`").into()
            }
            Self::TooLarge { .. } | Self::Special { .. } => {
                "name a regular file with `--config FILE`".into()
            }
            Self::Folder { path } => format!(
                "name the file in it, such as `--config {}`",
                path.join("podcal.toml").display()
            )
            .into(),
            // Each problem says what would be right.
            Self::Wrong { .. } => "".into(),
        }
    }

    fn is_passing(&self) -> bool {
        false
    }
}
