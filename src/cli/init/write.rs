//! Writing a first configuration, and what is said about it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::json;

use super::draft::{Draft, Password};
use crate::cli::Failure;
use crate::cli::output::Output;

/// Where a password that is typed goes, beside the configuration.
pub const PASSWORD_FILE: &str = "pod_password";

/// A first configuration, and the password that is to be written beside it.
pub struct First {
    pub draft: Draft,
    /// It goes into [`PASSWORD_FILE`].
    pub typed: Option<String>,
}

impl First {
    /// Writes the password and then the configuration, each for its owner alone and
    /// neither over a file that exists.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let password_file = path.with_file_name(PASSWORD_FILE);
        if let Some(typed) = &self.typed {
            write_new(&password_file, &format!("{typed}\n"))?;
        }
        let written = write_new(path, &self.draft.written().text);
        if written.is_err() && self.typed.is_some() {
            let _ = fs::remove_file(&password_file);
        }
        written
    }

    /// Says what was written, and what to do next.
    pub fn report(&self, path: &Path, unused: &[String], output: Output) {
        let draft = &self.draft;
        let password_file = match &draft.password {
            Password::File(file) => Some(path.parent().unwrap_or(Path::new("")).join(file)),
            _ => None,
        };
        if output.json {
            output.json(&json!({
                "file": path,
                "room_count": draft.rooms.len(),
                "time_zone": draft.time_zone,
                "password_file": password_file,
                "unused_columns": unused,
            }));
            return;
        }
        let rooms = match draft.rooms.len() {
            1 => "1 room".to_owned(),
            count => format!("{count} rooms"),
        };
        output.line(&format!(
            "Wrote {} with {rooms} in {}; only you can read it.",
            path.display(),
            draft.time_zone
        ));
        match (&draft.password, &self.typed, password_file) {
            (Password::File(_), Some(_), Some(file)) => output.line(&format!(
                "The pods' password is in {}; only you can read it.",
                file.display()
            )),
            (Password::File(_), _, Some(file)) => {
                output.line(&format!(
                    "The pods' password is read from {}.",
                    file.display()
                ));
            }
            (Password::Variable(name), ..) => output.line(&format!(
                "The pods' password is read from the environment variable {name}{}",
                match std::env::var_os(name) {
                    Some(_) => ".",
                    None => ", which is not set here: set it for podcal.",
                }
            )),
            _ => output.line("The pods have no password."),
        }
        if !unused.is_empty() {
            output.line(&format!(
                "Columns that are not used: {}.",
                unused.join(", ")
            ));
        }
        let config = match path == Path::new("podcal.toml") {
            true => String::new(),
            false => format!(" --config {}", path.display()),
        };
        output.line("\nNext:");
        let commands = [
            (
                format!("podcal{config} check"),
                "looks for mistakes in the file",
            ),
            (
                format!("podcal{config} check --connect"),
                "tries each calendar and each pod",
            ),
            (
                format!("podcal{config} sync --dry-run"),
                "shows what each display would get",
            ),
            (format!("podcal{config} run"), "starts the service"),
            (
                "podcal config example".to_owned(),
                "prints all that can be configured",
            ),
        ];
        let widest = commands.iter().map(|(command, _)| command.chars().count());
        let widest = widest.max().unwrap_or_default();
        for (command, what) in commands {
            output.line(&format!("  {command:<widest$}  {what}"));
        }
        output.line("A service that runs as another user has to own these files.");
    }
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => unwritable(path, &error),
    })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| {
            // Half a file would stand in the way of the next attempt.
            let _ = fs::remove_file(path);
            unwritable(path, &error)
        })
}

/// What to say where a file is in the way.
pub fn exists(path: &Path) -> Failure {
    Failure::usage(
        format!("{} exists already and is not overwritten", path.display()),
        "name another file with `--config FILE`, or edit this one; `podcal check` lists what is wrong with it",
    )
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::at_work(
        format!("{} cannot be written: {error}", path.display()),
        "name a file in a folder that exists and that you may write to, with `--config FILE`",
    )
}
