//! `podcal init`: writes a first configuration, from answers, options or a table.

mod ask;
mod csv;
mod draft;
mod write;

use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;

use self::ask::Terminal;
use self::draft::{Draft, DraftRoom, Password};
use self::write::{First, PASSWORD_FILE, exists};
use super::output::{Ended, Output};
use super::{Failure, Global};
use crate::config::load;
use crate::model::name::RoomName;
use crate::model::zone::Zone;
use crate::telemetry::words::service::count;

/// Write a first configuration, asking for what it needs.
///
/// On a terminal it asks for what the options leave out. A file that exists is never overwritten.
#[derive(Debug, Default, Args)]
#[command(after_help = "Examples:
  podcal init
  podcal init --room oak --feed https://calendar.example.com/oak.ics --pod 192.0.2.11 \\
              --password-env POD_PASSWORD
  podcal init --csv rooms.csv --password-file /run/secrets/pod_password")]
pub struct InitArgs {
    /// The name of a room; may be repeated, with `--feed` and `--pod` in the same order
    #[arg(long, value_name = "NAME")]
    room: Vec<String>,
    /// The address of the room's calendar, or file:PATH
    #[arg(long, value_name = "URL")]
    feed: Vec<String>,
    /// The address of the room's pod
    #[arg(long, value_name = "ADDRESS")]
    pod: Vec<String>,
    /// Take the rooms from a table with the columns room, feed and pod (and title, time_zone);
    /// `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["room", "feed", "pod"])]
    csv: Option<PathBuf>,
    /// The time zone of the rooms, an IANA name [default: that of this computer]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// The pods' password is in this file
    #[arg(long, value_name = "FILE", group = "the_password")]
    password_file: Option<PathBuf>,
    /// The pods' password is in this environment variable
    #[arg(long, value_name = "VARIABLE", group = "the_password")]
    password_env: Option<String>,
    /// The pods have no password
    #[arg(long, group = "the_password")]
    no_password: bool,
}

pub fn run(global: &Global, args: InitArgs, output: Output) -> Result<Ended, Failure> {
    let path = global.config.as_path();
    if fs::symlink_metadata(path).is_ok() {
        return Err(exists(path));
    }
    let (rooms, unused) = rooms(&args)?;
    let start = Start {
        folder: path.parent().unwrap_or(Path::new("")),
        zone: zone_of_computer(),
    };
    let (stdin, stderr) = (io::stdin(), io::stderr());
    let asks = stdin.is_terminal() && stderr.is_terminal();
    let first = if asks {
        let (mut input, mut questions) = (stdin.lock(), stderr.lock());
        let mut terminal = Terminal::new(&mut input, &mut questions, true);
        start.asked(&args, rooms, &mut terminal).map_err(|_| {
            Failure::usage(
                "the answers ended early; nothing was written",
                "start again",
            )
        })?
    } else {
        start.given(&args, rooms)?
    };
    refuse_problems(&first, path, args.csv.as_deref())?;
    first.write(path)?;
    first.report(path, &unused, output);
    Ok(Ended::Well)
}

/// What is known before anybody is asked.
struct Start<'p> {
    /// Of the configuration.
    folder: &'p Path,
    /// Of this computer, where it tells.
    zone: Option<String>,
}

impl Start<'_> {
    /// From options alone.
    fn given(&self, args: &InitArgs, rooms: Vec<DraftRoom>) -> Result<First, Failure> {
        let mut missing = Vec::new();
        if rooms.is_empty() {
            missing.push("`--room NAME --feed URL --pod ADDRESS` or `--csv FILE`");
        }
        let password = self.password(args);
        if password.is_none() {
            missing.push("`--password-file FILE`, `--password-env VARIABLE` or `--no-password`");
        }
        match password {
            Some(password) if missing.is_empty() => Ok(First {
                draft: Draft {
                    time_zone: self.time_zone(args),
                    password,
                    rooms,
                },
                typed: None,
            }),
            _ => Err(Failure::usage(
                format!(
                    "this is not a terminal, so nobody can be asked; missing: {}",
                    missing.join(", and ")
                ),
                "add these options",
            )),
        }
    }

    /// What options leave out is asked for.
    fn asked(
        &self,
        args: &InitArgs,
        mut rooms: Vec<DraftRoom>,
        terminal: &mut Terminal<'_>,
    ) -> io::Result<First> {
        let time_zone = match &args.time_zone {
            Some(zone) => zone.clone(),
            None => terminal.ask("Time zone of the rooms", self.zone.as_deref(), &|zone| {
                complaint(|draft| zone.clone_into(&mut draft.time_zone), "time_zone")
            })?,
        };
        if rooms.is_empty() {
            rooms = ask_rooms(terminal)?;
        }
        let mut typed = None;
        let password = match self.password(args) {
            Some(password) => password,
            None => {
                terminal.say(
                    "The password of the pods' user `admin`; leave it empty if they have none.",
                )?;
                match terminal.ask_hidden("Password (not shown)")? {
                    password if password.is_empty() => Password::None,
                    password => {
                        typed = Some(password);
                        Password::File(PASSWORD_FILE.into())
                    }
                }
            }
        };
        Ok(First {
            draft: Draft {
                time_zone,
                password,
                rooms,
            },
            typed,
        })
    }

    fn time_zone(&self, args: &InitArgs) -> String {
        let zone = args.time_zone.as_ref().or(self.zone.as_ref());
        zone.map_or_else(|| "UTC".to_owned(), Clone::clone)
    }

    /// The password of the options; one that stands beside the configuration is used.
    fn password(&self, args: &InitArgs) -> Option<Password> {
        if let Some(file) = &args.password_file {
            return Some(Password::File(self.seen_from_folder(file)));
        }
        if let Some(name) = &args.password_env {
            return Some(Password::Variable(name.clone()));
        }
        if args.no_password {
            return Some(Password::None);
        }
        let file = self.folder.join(PASSWORD_FILE);
        file.exists().then(|| Password::File(PASSWORD_FILE.into()))
    }

    /// A path as the configuration, in another folder perhaps, has to name it.
    fn seen_from_folder(&self, file: &Path) -> PathBuf {
        if self.folder.as_os_str().is_empty() {
            return file.to_owned();
        }
        std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
    }
}

fn ask_rooms(terminal: &mut Terminal<'_>) -> io::Result<Vec<DraftRoom>> {
    let mut rooms: Vec<DraftRoom> = Vec::new();
    loop {
        let names: Vec<String> = rooms.iter().map(|room| room.name.clone()).collect();
        let name_complaint = |name: &str| match RoomName::new(name) {
            _ if names.iter().any(|known| known == name) => Some("is a room already".to_owned()),
            None if !name.is_empty() => Some("write up to 100 characters on one line".to_owned()),
            _ => None,
        };
        let name = match rooms.is_empty() {
            true => terminal.ask("Name of a room, such as aurora", None, &name_complaint)?,
            false => terminal.ask("Another room (empty: no more)", Some(""), &name_complaint)?,
        };
        if name.is_empty() {
            return Ok(rooms);
        }
        let feed = terminal.ask(
            "  Address of its calendar (https:// or file:)",
            None,
            &|feed| {
                let change =
                    |draft: &mut Draft| set(draft, |room| room.feeds = vec![feed.to_owned()]);
                complaint(change, "rooms.room.feed")
            },
        )?;
        let known = rooms.clone();
        let pod = terminal.ask("  Address of its pod, such as 192.0.2.11", None, &|pod| {
            let change = |draft: &mut Draft| {
                set(draft, |room| room.pods = vec![pod.to_owned()]);
                draft.rooms.splice(0..0, known.iter().cloned());
            };
            complaint(change, "rooms.room.pod")
        })?;
        rooms.push(DraftRoom {
            name,
            feeds: vec![feed],
            pods: vec![pod],
            ..DraftRoom::default()
        });
    }
}

fn set(draft: &mut Draft, change: impl Fn(&mut DraftRoom)) {
    draft.rooms.iter_mut().for_each(change);
}

/// What the check of a configuration says about one answer.
fn complaint(change: impl Fn(&mut Draft), key: &str) -> Option<String> {
    let mut draft = Draft {
        time_zone: "UTC".to_owned(),
        password: Password::None,
        rooms: vec![DraftRoom {
            name: "room".to_owned(),
            feeds: vec!["file:room.ics".to_owned()],
            pods: vec!["192.0.2.1".to_owned()],
            ..DraftRoom::default()
        }],
    };
    change(&mut draft);
    let problems = draft.problems(Path::new("podcal.toml"), load::Draft::default());
    problems
        .into_iter()
        .find(|(_, problem)| problem.key.starts_with(key))
        .map(|(_, problem)| problem.says)
}

/// The rooms of the options or of the table, and the columns that are not used.
fn rooms(args: &InitArgs) -> Result<(Vec<DraftRoom>, Vec<String>), Failure> {
    if let Some(file) = &args.csv {
        let text = table_text(file)?;
        let table = csv::rooms(&text).map_err(|problems| {
            let lines: Vec<String> = problems
                .iter()
                .map(|(line, says)| format!("\n  line {line}: {says}"))
                .collect();
            Failure::usage(
                format!("{} is not a table of rooms{}", file.display(), lines.concat()),
                "write the columns room, feed and pod, such as `aurora,https://calendar.example.com/a.ics,192.0.2.11`",
            )
        })?;
        return Ok((table.rooms, table.unused));
    }
    let counts = [args.room.len(), args.feed.len(), args.pod.len()];
    if counts.iter().any(|count| *count != args.room.len()) {
        return Err(Failure::usage(
            format!(
                "each room needs `--room`, `--feed` and `--pod`; they were given {}, {} and {}",
                times(counts[0]),
                times(counts[1]),
                times(counts[2])
            ),
            "give one of each for every room; for several feeds or pods of one room repeat its name",
        ));
    }
    let rooms = args.room.iter().zip(&args.feed).zip(&args.pod);
    let rooms = rooms.map(|((name, feed), pod)| DraftRoom {
        name: name.clone(),
        feeds: vec![feed.clone()],
        pods: vec![pod.clone()],
        ..DraftRoom::default()
    });
    Ok((draft::joined(rooms.collect()), Vec::new()))
}

fn times(number: usize) -> String {
    count(number, "time", "times")
}

fn table_text(file: &Path) -> Result<String, Failure> {
    let text = if file == Path::new("-") {
        let mut bytes = Vec::new();
        match io::stdin().lock().read_to_end(&mut bytes) {
            Ok(_) => load::decode_text(bytes),
            Err(error) => Err(format!("cannot be read ({error})")),
        }
    } else {
        load::read_text(file)
    };
    text.map_err(|says| {
        Failure::usage(
            format!("the table {} {says}", file.display()),
            "name a file with `--csv FILE`, saved as CSV in UTF-8",
        )
    })
}

/// Refuses what `podcal check` would refuse, before anything is written.
fn refuse_problems(first: &First, path: &Path, csv: Option<&Path>) -> Result<(), Failure> {
    let password_file = path.with_file_name(PASSWORD_FILE);
    let unwritten = load::Draft {
        file: first
            .typed
            .as_deref()
            .map(|typed| (password_file.as_path(), typed)),
        variable: match &first.draft.password {
            Password::Variable(name) => Some(name),
            _ => None,
        },
    };
    let problems = first.draft.problems(path, unwritten);
    if problems.is_empty() {
        return Ok(());
    }
    let mut text = match (csv, problems.len()) {
        (Some(csv), 1) => format!("{} has 1 problem", csv.display()),
        (Some(csv), count) => format!("{} has {count} problems", csv.display()),
        (None, _) => "no configuration can be written from this".to_owned(),
    };
    for (room, problem) in &problems {
        let line = room
            .and_then(|room| first.draft.rooms.get(room))
            .map(|room| room.line)
            .filter(|line| *line > 0);
        text += &match line {
            Some(line) => format!("\n  line {line}, {}: {}", problem.key, problem.says),
            None => format!("\n  {}: {}", problem.key, problem.says),
        };
    }
    Err(Failure::usage(
        text,
        "correct this and start again; nothing was written",
    ))
}

/// Only a suggestion: the service never looks at the zone of the computer.
fn zone_of_computer() -> Option<String> {
    let variable = std::env::var("TZ").ok();
    let from_variable = variable.map(|zone| zone.trim_start_matches(':').to_owned());
    let from_file = || fs::read_to_string("/etc/timezone").ok();
    let from_link = || {
        let link = fs::canonicalize("/etc/localtime").ok()?;
        let (_, name) = link.to_str()?.split_once("zoneinfo/")?;
        Some(name.to_owned())
    };
    [from_variable, from_link(), from_file()]
        .into_iter()
        .flatten()
        .map(|name| name.trim().to_owned())
        .find(|name| Zone::named(name).is_some())
}

#[cfg(test)]
mod tests;
