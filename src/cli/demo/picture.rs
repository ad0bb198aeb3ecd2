//! What a display shows, drawn for a terminal: the room, now, and what is next.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::model::meeting::Meeting;
use crate::model::time::UnixTime;
use crate::model::zone::Zone;

/// Columns of one display, its frame included.
pub const WIDTH: usize = 34;

/// A display: what it holds, and where it hangs.
pub struct Display<'a> {
    pub title: &'a str,
    pub zone: &'a Zone,
    pub meetings: &'a [Meeting],
}

/// The lines of one display at a time.
pub fn draw(display: &Display<'_>, now: UnixTime) -> Vec<String> {
    let time = |at| display.zone.local(at).strftime("%H:%M").to_string();
    let current = display
        .meetings
        .iter()
        .find(|one| one.start_time <= now && now < one.end_time);
    let mut lines = vec![
        spread(&display.title.to_uppercase(), &time(now)),
        String::new(),
    ];
    match current {
        Some(one) => {
            lines.push(format!(
                "● BUSY until {}",
                when(display.zone, one.end_time, now)
            ));
            lines.push(format!("  {}", one.title));
            lines.push(format!("  {}", one.organizer));
        }
        None => {
            lines.push("○ FREE".to_owned());
            lines.extend([String::new(), String::new()]);
        }
    }
    lines.push(String::new());
    let mut next: Vec<String> = display
        .meetings
        .iter()
        .filter(|one| one.start_time > now)
        .take(3)
        .map(|one| format!("{}  {}", when(display.zone, one.start_time, now), one.title))
        .collect();
    next.resize(3, String::new());
    lines.extend(next);
    framed(&lines)
}

/// Displays side by side, as many as fit.
pub fn side_by_side(displays: &[Vec<String>], columns: usize) -> Vec<String> {
    let at_once = (columns / (WIDTH + 1)).max(1);
    let mut lines = Vec::new();
    for row in displays.chunks(at_once) {
        let height = row.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let parts: Vec<&str> = row
                .iter()
                .map(|display| display.get(line).map(String::as_str).unwrap_or_default())
                .collect();
            lines.push(parts.join(" "));
        }
    }
    lines
}

fn when(zone: &Zone, at: UnixTime, now: UnixTime) -> String {
    let (local, today) = (zone.local(at), zone.local(now).date());
    if local.date() == today {
        local.strftime("%H:%M").to_string()
    } else {
        local.strftime("%a %H:%M").to_string()
    }
}

fn spread(left: &str, right: &str) -> String {
    let inner = WIDTH - 4;
    let space = inner.saturating_sub(width(left) + width(right)).max(1);
    format!("{left}{}{right}", " ".repeat(space))
}

fn framed(lines: &[String]) -> Vec<String> {
    let inner = WIDTH - 4;
    let edge = "─".repeat(WIDTH - 2);
    let mut framed = vec![format!("╭{edge}╮")];
    for line in lines {
        let cut: String = line.graphemes(true).take(inner).collect();
        let fill = " ".repeat(inner - width(&cut).min(inner));
        framed.push(format!("│ {cut}{fill} │"));
    }
    framed.push(format!("╰{edge}╯"));
    framed
}

fn width(text: &str) -> usize {
    text.graphemes(true).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::meeting::MeetingId;

    #[test]
    fn a_display_shows_now_and_the_next_three() {
        let meeting = |start: i64, title: &str| Meeting {
            id: MeetingId::from_text(title),
            title: title.into(),
            organizer: "Ada".into(),
            description: None,
            start_time: UnixTime::from_seconds(start * 3600),
            end_time: UnixTime::from_seconds((start + 1) * 3600),
        };
        let meetings = [
            meeting(8, "Now"),
            meeting(9, "A title that is much too long for it"),
            meeting(40, "Later"),
        ];
        let display = Display {
            title: "Aurora",
            zone: &Zone::utc(),
            meetings: &meetings,
        };
        let drawn = draw(&display, UnixTime::from_seconds(8 * 3600 + 120));
        assert_eq!(
            drawn,
            [
                "╭────────────────────────────────╮",
                "│ AURORA                   08:02 │",
                "│                                │",
                "│ ● BUSY until 09:00             │",
                "│   Now                          │",
                "│   Ada                          │",
                "│                                │",
                "│ 09:00  A title that is much to │",
                "│ Fri 16:00  Later               │",
                "│                                │",
                "╰────────────────────────────────╯",
            ]
        );
        assert_eq!(side_by_side(&[drawn.clone(), drawn.clone()], 100).len(), 11);
        assert_eq!(side_by_side(&[drawn.clone(), drawn], 40).len(), 22);
    }
}
