//! Finding the rooms that a command line names.

use super::Failure;
use crate::config::{Config, Room};

/// The room of that name, in any letter case when only one fits.
pub fn find<'a>(config: &'a Config, name: &str) -> Result<&'a Room, Failure> {
    let rooms = &config.rooms;
    if let Some(room) = rooms.iter().find(|room| room.name.as_str() == name) {
        return Ok(room);
    }
    let folded = name.to_lowercase();
    let alike = |room: &&Room| {
        room.name.as_str().to_lowercase() == folded || room.title.to_lowercase() == folded
    };
    let mut same = rooms.iter().filter(alike);
    if let (Some(room), None) = (same.next(), same.next()) {
        return Ok(room);
    }
    Err(unknown(config, name))
}

/// The rooms of those names, or all when none is named.
pub fn select<'a>(config: &'a Config, names: &[String]) -> Result<Vec<&'a Room>, Failure> {
    if names.is_empty() {
        return Ok(config.rooms.iter().collect());
    }
    let mut rooms: Vec<&Room> = Vec::new();
    for name in names {
        let room = find(config, name)?;
        if !rooms.iter().any(|known| known.name == room.name) {
            rooms.push(room);
        }
    }
    Ok(rooms)
}

fn unknown(config: &Config, name: &str) -> Failure {
    let names = || config.rooms.iter().map(|room| room.name.as_str());
    let nearest = names()
        .map(|known| {
            (
                strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase()),
                known,
            )
        })
        .min()
        .filter(|(distance, _)| *distance <= 2 + name.len() / 5);
    let hint = match nearest {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => {
            let some: Vec<&str> = names().take(12).collect();
            let more = if config.rooms.len() > some.len() {
                ", ..."
            } else {
                ""
            };
            format!(
                "rooms in {}: {}{more}",
                config.path.display(),
                some.join(", ")
            )
        }
    };
    Failure::usage(format!("there is no room `{name}`"), &hint)
}
