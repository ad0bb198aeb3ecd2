//! What to say where the text is not TOML: the reader's faults in the words of an
//! administrator, with line and key, and without the text that it met, which may
//! be a password.

use std::collections::BTreeSet;

use super::fault::Problem;
use super::keys;

/// How many lines that are not TOML are named one by one: a file of another kind
/// is nothing else.
const MOST_SYNTAX_PROBLEMS: usize = 20;

/// The TOML reader's errors without the text that it met, which may be a password.
pub fn problems(
    text: &str,
    faults: &[toml::de::Error],
    line_of: impl Fn(usize) -> usize,
) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let mut faults: Vec<_> = faults
        .iter()
        .map(|fault| {
            let span = fault.span().unwrap_or(0..0);
            // A line break that comes too early belongs to the line that it ends.
            (line_of(span.start.min(text.len())), span, fault)
        })
        .collect();
    faults.sort_by_key(|(line, span, _)| (*line, span.start));
    faults.retain(|(line, _, _)| seen.insert(*line));
    // What stands below a heading that cannot be used seems to be given twice.
    let headings: BTreeSet<usize> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.trim_start().starts_with('['))
        .map(|(number, _)| number)
        .collect();
    let wrong: BTreeSet<usize> = faults.iter().map(|(line, _, _)| *line).collect();
    faults.retain(|(line, _, fault)| {
        let heading = headings.range(..line).next_back();
        let is_below_fault = heading.is_some_and(|heading| wrong.contains(heading));
        let is_follow_up = is_below_fault && !headings.contains(line);
        !(is_follow_up && fault.message().starts_with(TWICE))
    });
    let more = faults.len().saturating_sub(MOST_SYNTAX_PROBLEMS);
    let mut problems: Vec<Problem> = faults
        .iter()
        .take(MOST_SYNTAX_PROBLEMS)
        .map(|(line, span, fault)| Problem {
            file: None,
            line: *line,
            key: key_on_line(text, *line).unwrap_or_default(),
            says: explained(
                fault.message(),
                text.get(span.clone()).unwrap_or_default(),
                text.lines().nth(line - 1).unwrap_or_default(),
            ),
        })
        .collect();
    if let (1.., Some(last)) = (more, problems.last_mut()) {
        last.says = format!("{}; {more} more lines are not valid TOML", last.says);
    }
    problems
}

const NOT_QUOTED: &str = "string values must be quoted";
const NO_VALUE: &str = "key with no value";
const TWICE: &str = "duplicate key";
const MISREAD: [&str; 5] = [
    "invalid boolean",
    "invalid date",
    "invalid float",
    "invalid integer",
    "invalid time",
];

/// Whether this fault leaves the lines after it readable.
pub fn stays_on_its_line(message: &str) -> bool {
    [NOT_QUOTED, NO_VALUE, TWICE]
        .iter()
        .chain(&MISREAD)
        .any(|start| message.starts_with(start))
}

/// The commonest messages of the TOML reader in the words of an administrator. `line` is
/// the whole line, and decides only what is said: nothing of it is repeated.
fn explained(message: &str, found: &str, line: &str) -> String {
    let value = line.split_once('=').map_or("", |(_, value)| value.trim());
    if let Some(says) = lookalike(message, line, value) {
        return says;
    }
    if message.starts_with(NOT_QUOTED) && found.trim().is_empty() {
        return "a value is missing after `=`".to_owned();
    }
    if message.starts_with(NOT_QUOTED) || MISREAD.iter().any(|start| message.starts_with(start)) {
        return match is_truth(value) {
            true => "not a TOML value; write true or false, in lower case".to_owned(),
            false => "not a TOML value; put a text in quotes, such as \"text\"".to_owned(),
        };
    }
    if message.starts_with(NO_VALUE) {
        return "expected `key = value` or `[table]`".to_owned();
    }
    if message.starts_with(TWICE) {
        return "is set twice; keep one".to_owned();
    }
    if message.starts_with("invalid basic string, expected `\"`")
        || message.starts_with("invalid literal string, expected `'`")
    {
        return "the closing quotation mark is missing".to_owned();
    }
    if message.starts_with("missing escaped value") {
        return "contains a backslash; write two of them, or put the text between '...'".to_owned();
    }
    if message.starts_with("carriage return") {
        return "contains line breaks of an old kind (CR alone); save the file with LF or CRLF"
            .to_owned();
    }
    if message.starts_with("unexpected key or value") && !value.is_empty() {
        return "something follows the value; end the line after the value (a comment begins with #)"
            .to_owned();
    }
    let is_heading = line.trim_start().starts_with('[');
    if is_heading && line.contains(']') {
        return "this name needs quotes, such as [rooms.\"Big Room\"]".to_owned();
    }
    let before_equals = line.split('=').next().unwrap_or_default();
    if message.starts_with("invalid unquoted key") && before_equals.contains(':') {
        return "expected `key = value`; write `=` instead of `:`".to_owned();
    }
    let message = message.trim_end_matches(", expected nothing");
    format!("not valid TOML: {message}")
}

/// Characters that look like those of TOML and come from a word processor or a web page.
fn lookalike(message: &str, line: &str, value: &str) -> Option<String> {
    const QUOTES: [char; 9] = ['“', '”', '„', '‟', '‘', '’', '‚', '«', '»'];
    let is_unclosed = message.contains("expected `\"`") || message.contains("expected `'`");
    if value.starts_with(QUOTES) || is_unclosed && value.ends_with(QUOTES) {
        return Some(
            "contains typographic quotation marks; write straight ones, such as \"text\""
                .to_owned(),
        );
    }
    let mut quote = None;
    for char in line.chars() {
        match (quote, char) {
            (None, '"' | '\'') => quote = Some(char),
            (Some(open), _) if open == char => quote = None,
            (None, '\u{a0}' | '\u{2000}'..='\u{200f}' | '\u{202f}' | '\u{3000}' | '\u{feff}') => {
                return Some(format!(
                    "contains the invisible character U+{:04X}; write an ordinary space, or nothing",
                    u32::from(char)
                ));
            }
            _ => {}
        }
    }
    None
}

/// A truth as other languages write it.
fn is_truth(value: &str) -> bool {
    let word = value.split(['#', ' ', '\t']).next().unwrap_or_default();
    ["true", "false", "yes", "no", "on", "off"]
        .iter()
        .any(|truth| truth.eq_ignore_ascii_case(word))
}

/// The full key or heading on a line of text, as far as that can be told without
/// reading it as TOML; `None` unless it begins or ends with a key that podcal
/// knows, because a line of a password may look like a key.
fn key_on_line(text: &str, line: usize) -> Option<String> {
    let known = |key: &str| keys::ALL.iter().any(|section| section.knows(key));
    let mut heading = "";
    let mut key = None;
    for written in text.lines().take(line) {
        let written = written.trim();
        key = None;
        if written.starts_with('[') {
            let name = written.trim_start_matches('[');
            let name = name.split(']').next().unwrap_or_default();
            let plain = name
                .chars()
                .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.'));
            let sound = plain
                && name
                    .split('.')
                    .next()
                    .is_some_and(|first| keys::ROOT.knows(first));
            heading = if sound { name } else { "" };
            key = sound.then(|| name.to_owned());
        } else if let Some((name, _)) = written.split_once('=') {
            let name = name.trim();
            key = known(name).then(|| match heading {
                "" => name.to_owned(),
                heading => format!("{heading}.{name}"),
            });
        }
    }
    key
}
