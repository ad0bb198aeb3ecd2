//! Tables of rooms as a spreadsheet exports them: with commas, semicolons or tabs, with or
//! without a heading.

use super::draft::{self, DraftRoom};

/// What was read, and what was passed over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub rooms: Vec<DraftRoom>,
    /// Columns that podcal has no use for.
    pub unused: Vec<String>,
}

const COLUMNS: [&str; 5] = ["room", "feed", "pod", "title", "time_zone"];

/// A row of cells and the line that it begins on.
type Row = (usize, Vec<String>);

/// Reads a table with the columns `room`, `feed` and `pod`, and perhaps `title` and
/// `time_zone`. Without a heading the columns are in this order. Several rows of one room
/// are one room with several feeds and pods.
///
/// # Errors
/// What is wrong, each with its line.
pub fn rooms(text: &str) -> Result<Table, Vec<(usize, String)>> {
    let mut rows = rows(text)
        .map_err(|line| vec![(line, "has a quotation mark that is never closed".to_owned())])?
        .into_iter();
    let Some(first) = rows.next() else {
        return Err(vec![(1, "the table is empty".to_owned())]);
    };
    let (columns, unused, first) = heading(first);
    let mut problems = Vec::new();
    for needed in ["room", "feed", "pod"] {
        if !columns.contains(&Some(needed)) {
            problems.push((
                1,
                format!("has no column `{needed}`; write a heading such as room,feed,pod"),
            ));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut rooms = Vec::new();
    for (line, cells) in first.into_iter().chain(rows) {
        match row(line, &cells, &columns) {
            Ok(room) => rooms.push(room),
            Err(says) => problems.push((line, says)),
        }
    }
    let rooms = draft::joined(rooms);
    if rooms.is_empty() && problems.is_empty() {
        problems.push((1, "has no rows beneath the heading".to_owned()));
    }
    match problems.is_empty() {
        true => Ok(Table { rooms, unused }),
        false => Err(problems),
    }
}

/// What each column is, the columns that are of no use, and the row where it is no heading.
fn heading(first: Row) -> (Vec<Option<&'static str>>, Vec<String>, Option<Row>) {
    let known = |cell: &String| {
        let plain = cell.trim().to_lowercase().replace([' ', '-'], "_");
        COLUMNS.into_iter().find(|column| {
            plain == *column || plain.strip_suffix('s').is_some_and(|one| one == *column)
        })
    };
    let columns: Vec<Option<&'static str>> = first.1.iter().map(known).collect();
    // A room may be called "room"; a heading has at least two of the names.
    if columns.iter().flatten().count() < 2 {
        let columns = COLUMNS.into_iter().map(Some).take(first.1.len()).collect();
        return (columns, Vec::new(), Some(first));
    }
    let unused = first
        .1
        .iter()
        .zip(&columns)
        .filter(|(cell, column)| column.is_none() && !cell.trim().is_empty())
        .map(|(cell, _)| cell.trim().to_owned())
        .collect();
    (columns, unused, None)
}

fn row(line: usize, cells: &[String], columns: &[Option<&str>]) -> Result<DraftRoom, String> {
    let beyond = cells.get(columns.len()..).unwrap_or_default();
    if beyond.iter().any(|cell| !cell.trim().is_empty()) {
        return Err(format!(
            "has {} cells, and the table has {} columns; put a cell that contains a separator in quotation marks",
            cells.len(),
            columns.len()
        ));
    }
    let cell = |wanted: &str| {
        let found = columns.iter().position(|column| *column == Some(wanted));
        let text = found.and_then(|at| cells.get(at)).map(|cell| cell.trim());
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    Ok(DraftRoom {
        name: cell("room").ok_or("has no room")?,
        title: cell("title"),
        time_zone: cell("time_zone"),
        feeds: cell("feed").into_iter().collect(),
        pods: cell("pod").into_iter().collect(),
        line,
    })
}

/// The rows that are not blank (RFC 4180), with whatever separator there is most of in
/// the first line.
///
/// # Errors
/// The line on which a quotation mark opens that is never closed.
fn rows(text: &str) -> Result<Vec<Row>, usize> {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let count = |separator: char| first.unwrap_or_default().matches(separator).count();
    let separator = [',', ';', '\t']
        .into_iter()
        .max_by_key(|separator| (count(*separator), *separator == ','))
        .unwrap_or(',');
    let mut rows = Vec::new();
    let mut cells = Vec::new();
    let mut cell = String::new();
    let (mut line, mut begins) = (1, 1);
    let mut quoted_since = None;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char == '\n' {
            line += 1;
        }
        match char {
            '"' if quoted_since.is_some() => match chars.next_if_eq(&'"') {
                Some(quote) => cell.push(quote),
                None => quoted_since = None,
            },
            _ if quoted_since.is_some() => cell.push(char),
            '"' if cell.trim().is_empty() => {
                cell.clear();
                quoted_since = Some(line);
            }
            '\n' => {
                cells.push(std::mem::take(&mut cell));
                rows.push((begins, std::mem::take(&mut cells)));
                begins = line;
            }
            _ if char == separator => cells.push(std::mem::take(&mut cell)),
            _ => cell.push(char),
        }
    }
    if let Some(line) = quoted_since {
        return Err(line);
    }
    cells.push(cell);
    rows.push((begins, cells));
    rows.retain(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty()));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(text: &str) -> Vec<String> {
        let table = rooms(text).unwrap();
        let shown = |room: &DraftRoom| {
            let title = room.title.as_deref().unwrap_or("-");
            let zone = room.time_zone.as_deref().unwrap_or("-");
            format!(
                "{} {} {title} {zone} {} {}",
                room.line,
                room.name,
                room.feeds.join("+"),
                room.pods.join("+")
            )
        };
        table.rooms.iter().map(shown).collect()
    }

    #[test]
    fn commas_semicolons_and_tabs_separate() {
        for separator in [",", ";", "\t"] {
            let text =
                "room|feed|pod\r\noak|https://c/1|192.0.2.1\r\n\r\nelm|https://c/2|192.0.2.2";
            assert_eq!(
                read(&text.replace('|', separator)),
                [
                    "2 oak - - https://c/1 192.0.2.1",
                    "4 elm - - https://c/2 192.0.2.2"
                ]
            );
        }
    }

    #[test]
    fn a_heading_may_be_missing_or_in_another_order() {
        let expected = ["1 oak - - https://c/1 192.0.2.1"];
        assert_eq!(read("oak,https://c/1,192.0.2.1\n"), expected);
        let text = "Pod, Time Zone ,Rooms,floor,Title,FEED\n192.0.2.1,UTC,oak,3,Oak,https://c/1\n";
        assert_eq!(read(text), ["2 oak Oak UTC https://c/1 192.0.2.1"]);
        assert_eq!(rooms(text).unwrap().unused, ["floor"]);
    }

    #[test]
    fn quotation_marks_protect_separators_and_line_breaks() {
        let text = "room,feed,pod\n\"Oak, \"\"big\"\"\",\"https://c/1,2\",192.0.2.1\n\"a\nb\",https://c/2,192.0.2.2\n\
                    12\" screen,https://c/3,192.0.2.3\n";
        assert_eq!(
            read(text),
            [
                "2 Oak, \"big\" - - https://c/1,2 192.0.2.1",
                "3 a\nb - - https://c/2 192.0.2.2",
                "5 12\" screen - - https://c/3 192.0.2.3",
            ]
        );
    }

    #[test]
    fn rows_of_one_room_are_joined() {
        let text =
            "room,feed,pod\noak,https://c/1,192.0.2.1\noak,https://c/2,192.0.2.1\noak,,192.0.2.2\n";
        assert_eq!(
            read(text),
            ["2 oak - - https://c/1+https://c/2 192.0.2.1+192.0.2.2"]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, says) in [
            ("", 1, "is empty"),
            ("room,feed,pod\n", 1, "no rows"),
            ("room,feed\noak,https://c/1\n", 1, "no column `pod`"),
            ("oak\n", 1, "no column `feed`"),
            ("room,feed,pod\n,https://c/1,192.0.2.1\n", 2, "has no room"),
            (
                "room,feed,pod\noak,https://c/1?a,b,192.0.2.1\n",
                2,
                "4 cells",
            ),
            (
                "room,feed,pod\noak,\"https://c/1,192.0.2.1\n",
                2,
                "never closed",
            ),
        ] {
            let problems = rooms(text).unwrap_err();
            assert!(
                problems
                    .iter()
                    .any(|(at, why)| *at == line && why.contains(says)),
                "{text:?}: {problems:?}"
            );
        }
    }
}
