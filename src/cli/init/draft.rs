//! A first configuration before it is written: its text, and whether it would pass the check.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::fault::Problem;
use crate::config::load::{self, Draft as Unwritten};

/// What a first configuration says.
#[derive(Clone, Debug)]
pub struct Draft {
    pub time_zone: String,
    pub password: Password,
    pub rooms: Vec<DraftRoom>,
}

/// A room as it was given, not yet checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftRoom {
    pub name: String,
    pub title: Option<String>,
    pub time_zone: Option<String>,
    pub feeds: Vec<String>,
    pub pods: Vec<String>,
    /// Where it was given, in a table.
    pub line: usize,
}

impl DraftRoom {
    /// Adds what another row says about the same room.
    pub fn join(&mut self, other: Self) {
        let add = |to: &mut Vec<String>, from: Vec<String>| {
            for one in from {
                if !to.contains(&one) {
                    to.push(one);
                }
            }
        };
        add(&mut self.feeds, other.feeds);
        add(&mut self.pods, other.pods);
        self.title = self.title.take().or(other.title);
        self.time_zone = self.time_zone.take().or(other.time_zone);
    }
}

/// The rooms in their order, those of one name joined into the first of them.
#[must_use]
pub fn joined(rooms: Vec<DraftRoom>) -> Vec<DraftRoom> {
    let mut known = HashMap::new();
    let mut joined: Vec<DraftRoom> = Vec::new();
    for room in rooms {
        let at = *known.entry(room.name.clone()).or_insert(joined.len());
        match joined.get_mut(at) {
            Some(first) => first.join(room),
            None => joined.push(room),
        }
    }
    joined
}

/// Where the pods' password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// In a file that is there, or is about to be written.
    File(PathBuf),
    Variable(String),
    /// The pods have none.
    None,
}

/// A text in TOML, and the room that each of its lines is about.
pub struct Written {
    pub text: String,
    /// By line, counted from 0: the index of the room.
    rooms: Vec<Option<usize>>,
}

impl Draft {
    /// The configuration as TOML.
    #[must_use]
    pub fn written(&self) -> Written {
        let password = match &self.password {
            Password::File(path) => {
                format!("{{ file = {} }}", quoted(&path.to_string_lossy()))
            }
            Password::Variable(name) => format!("{{ env = {} }}", quoted(name)),
            Password::None => quoted(""),
        };
        let mut written = Written {
            text: String::new(),
            rooms: Vec::new(),
        };
        for line in [
            "# `podcal config example` prints every key, what it means and its default.",
            &format!("time_zone = {}", quoted(&self.time_zone)),
            "",
            "[pod]",
            &format!("password = {password}"),
        ] {
            written.line(line, None);
        }
        for (index, room) in self.rooms.iter().enumerate() {
            written.room(room, index);
        }
        written
    }

    /// What is wrong with it, and the room that is meant; nothing is written.
    ///
    /// `path` is where it will stand. `unwritten` is a file or variable that is not there yet.
    #[must_use]
    pub fn problems(&self, path: &Path, unwritten: Unwritten<'_>) -> Vec<(Option<usize>, Problem)> {
        let written = self.written();
        let Err(faults) = load::check_draft(&written.text, path, unwritten) else {
            return Vec::new();
        };
        let room_of = |problem: &Problem| {
            let line = problem.line.checked_sub(1)?;
            written.rooms.get(line).copied().flatten()
        };
        faults
            .problems()
            .iter()
            .map(|problem| {
                let mut problem = problem.clone();
                problem.says = self.with_lines_of_table(&problem.says, &written);
                (room_of(&problem), problem)
            })
            .collect()
    }

    /// The lines that a problem mentions are those of a file that nobody has seen; where
    /// the rooms come from a table, its lines are meant.
    fn with_lines_of_table(&self, says: &str, written: &Written) -> String {
        let Some((before, rest)) = says.split_once("(line ") else {
            return says.to_owned();
        };
        let Some((number, after)) = rest.split_once(')') else {
            return says.to_owned();
        };
        let line = number
            .parse::<usize>()
            .ok()
            .and_then(|line| written.rooms.get(line.checked_sub(1)?).copied().flatten())
            .and_then(|room| self.rooms.get(room))
            .map(|room| room.line)
            .filter(|line| *line > 0);
        match line {
            Some(line) => format!("{before}(line {line}){after}"),
            None => format!("{}{after}", before.trim_end()),
        }
    }
}

impl Written {
    fn line(&mut self, line: &str, room: Option<usize>) {
        self.text += line;
        self.text.push('\n');
        self.rooms.push(room);
    }

    fn room(&mut self, room: &DraftRoom, index: usize) {
        self.line("", None);
        let mut line = |text: &str| self.line(text, Some(index));
        line(&format!("[rooms.{}]", key(&room.name)));
        if let Some(title) = &room.title {
            line(&format!("title = {}", quoted(title)));
        }
        if let Some(zone) = &room.time_zone {
            line(&format!("time_zone = {}", quoted(zone)));
        }
        for (one, more, values) in [("feed", "feeds", &room.feeds), ("pod", "pods", &room.pods)] {
            match values.as_slice() {
                [] => {}
                [value] => line(&format!("{one} = {}", quoted(value))),
                values => {
                    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                    line(&format!("{more} = [{}]", values.join(", ")));
                }
            }
        }
    }
}

/// A key of TOML: bare where that is allowed.
fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
    match bare {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A basic string of TOML, on one line whatever is in it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(char);
            }
            char if char.is_control() => {
                quoted += &format!("\\u{:04X}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room(name: &str, pods: &[&str]) -> DraftRoom {
        DraftRoom {
            name: name.to_owned(),
            feeds: vec!["https://calendar.example.com/a.ics".to_owned()],
            pods: pods.iter().map(|pod| (*pod).to_owned()).collect(),
            ..DraftRoom::default()
        }
    }

    fn draft(rooms: Vec<DraftRoom>) -> Draft {
        Draft {
            time_zone: "UTC".to_owned(),
            password: Password::None,
            rooms,
        }
    }

    #[test]
    fn a_room_that_is_wrong_is_named_with_the_line_of_its_table() {
        let mut rooms = vec![
            room("oak", &["192.0.2.1"]),
            room("elm", &["192.0.2.2", "192.0.2.1"]),
            room("ash", &["not a host"]),
        ];
        for (index, room) in rooms.iter_mut().enumerate() {
            room.line = index + 2;
        }
        let problems = draft(rooms).problems(Path::new("podcal.toml"), Unwritten::default());
        let [(elm, twice), (ash, _)] = problems.as_slice() else {
            panic!("{problems:?}");
        };
        assert_eq!((*elm, *ash), (Some(1), Some(2)));
        assert!(
            twice.says.contains("room \"oak\" (line 2)"),
            "{}",
            twice.says
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_the_names_are_they_are_read_back(
            name in any::<String>(), title in any::<String>(), path in any::<String>(),
        ) {
            let mut one = room(&name, &["192.0.2.1"]);
            one.title = Some(title.clone());
            let mut draft = draft(vec![one]);
            draft.password = Password::File(path.clone().into());
            let written = draft.written();
            prop_assert_eq!(written.text.lines().count(), written.rooms.len());
            let table: toml::Table = written.text.parse().unwrap();
            prop_assert_eq!(table["rooms"][&name]["title"].as_str(), Some(title.as_str()));
            prop_assert_eq!(table["pod"]["password"]["file"].as_str(), Some(path.as_str()));
        }
    }
}
