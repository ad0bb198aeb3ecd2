//! A folder of calendars on the disk, as the calendar host serves it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::feedhost::FeedHost;

pub(super) struct Folder {
    path: PathBuf,
    known: FileMarks,
}

/// The files that are served, each with time and size.
type FileMarks = HashMap<String, (Option<SystemTime>, u64)>;

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            known: FileMarks::new(),
        }
    }

    /// Serves what is new or changed. Links that lead out of the folder are not followed.
    pub fn look_through(&mut self, host: &FeedHost) -> io::Result<()> {
        let mut found = FileMarks::new();
        let folder = self.path.canonicalize()?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let extension = Path::new(&name).extension();
            if !extension.is_some_and(|extension| extension.eq_ignore_ascii_case("ics")) {
                continue;
            }
            let Ok(path) = entry.path().canonicalize() else {
                continue;
            };
            let Ok(metadata) = path.metadata() else {
                continue;
            };
            if path.starts_with(&folder) && metadata.is_file() {
                let mark = (metadata.modified().ok(), metadata.len());
                if self.known.get(&name) != Some(&mark) {
                    host.set(&name, std::fs::read(&path)?);
                }
                found.insert(name, mark);
            }
        }
        for name in self.known.keys().filter(|name| !found.contains_key(*name)) {
            host.remove(name);
        }
        self.known = found;
        Ok(())
    }
}
