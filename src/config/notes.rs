//! What is noted while a file is read: problems and warnings with their places, so that
//! none stops the reading and all are told at once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::fault::Problem;
use super::syntax;

/// The notes on one file.
pub struct Notes {
    /// Of an included file.
    file: Option<PathBuf>,
    /// Where each line begins, in bytes.
    line_starts: Vec<usize>,
    problems: RefCell<Vec<(Problem, Kind)>>,
    warnings: RefCell<Vec<Problem>>,
}

/// Whether a problem can be caused by another: what is missing may stand behind
/// a quotation mark that was never closed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Wrong,
    Missing,
}

/// Problems and warnings, each in the order of the file.
pub struct Noted {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Notes {
    #[must_use]
    pub fn new(text: &str, file: Option<&Path>) -> Self {
        Self {
            file: file.map(Path::to_owned),
            line_starts: std::iter::once(0)
                .chain(text.match_indices('\n').map(|(at, _)| at + 1))
                .collect(),
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    #[must_use]
    pub fn problem(&self, line: usize, key: String, says: String) -> Problem {
        Problem {
            file: self.file.clone(),
            line,
            key,
            says,
        }
    }

    pub fn wrong(&self, problem: Problem, kind: Kind) {
        self.problems.borrow_mut().push((problem, kind));
    }

    pub fn warn(&self, warning: Problem) {
        self.warnings.borrow_mut().push(warning);
    }

    #[must_use]
    pub fn line_of(&self, at: usize) -> usize {
        self.line_starts
            .partition_point(|start| *start <= at)
            .max(1)
    }

    #[must_use]
    pub fn place(&self, line: usize, key: String) -> Place {
        Place {
            file: self.file.clone(),
            line,
            key,
        }
    }

    /// All notes, with the faults that the reader of TOML found in the text.
    ///
    /// Where the text is not TOML, what seems to be missing may only be unreadable, and
    /// from the first bracket or quotation mark that is not closed the tables cannot be
    /// relied on; of the other problems those are given that hold nevertheless.
    #[must_use]
    pub fn finished(self, text: &str, faults: &[toml::de::Error]) -> Noted {
        let mut problems = self.problems.take();
        let syntax = syntax::problems(text, faults, |at| self.line_of(at));
        if !syntax.is_empty() {
            let unreadable: BTreeSet<usize> = syntax.iter().map(|problem| problem.line).collect();
            let lost = faults
                .iter()
                .filter(|fault| !syntax::stays_on_its_line(fault.message()))
                .map(|fault| self.line_of(fault.span().unwrap_or_default().start))
                .min()
                .unwrap_or(usize::MAX);
            problems.retain(|(problem, kind)| {
                *kind == Kind::Wrong && problem.line < lost && !unreadable.contains(&problem.line)
            });
        }
        let mut problems: Vec<Problem> = problems.into_iter().map(|(problem, _)| problem).collect();
        problems.extend(syntax.into_iter().map(|problem| Problem {
            file: self.file.clone(),
            ..problem
        }));
        // What is noted here about another file comes behind.
        problems.sort_by_key(|problem| (problem.file != self.file, problem.line));
        let mut warnings = self.warnings.take();
        warnings.sort_by_key(|warning| warning.line);
        Noted { problems, warnings }
    }
}

/// Where something stands, for a problem that is found later.
#[derive(Clone, Debug)]
pub struct Place {
    file: Option<PathBuf>,
    line: usize,
    key: String,
}

impl Place {
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The line, and the file where it is another one than that of `from`.
    #[must_use]
    pub fn seen_from(&self, from: &Self) -> String {
        self.seen_from_file(from.file.as_deref())
    }

    /// The same, seen from the configuration itself.
    #[must_use]
    pub fn seen_from_root(&self) -> String {
        self.seen_from_file(None)
    }

    fn seen_from_file(&self, from: Option<&Path>) -> String {
        let line = self.line;
        match &self.file {
            file if file.as_deref() == from => format!("line {line}"),
            Some(file) => format!("{}, line {line}", file.display()),
            None => format!("line {line} of the main file"),
        }
    }

    /// A problem with a key that is made of the one here.
    #[must_use]
    pub fn problem(&self, key: impl FnOnce(&str) -> String, says: String) -> Problem {
        Problem {
            file: self.file.clone(),
            line: self.line,
            key: key(&self.key),
            says,
        }
    }
}
