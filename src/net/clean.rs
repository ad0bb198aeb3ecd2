//! Text from outside made fit for people: titles, names, keys, error bodies.
//!
//! Whatever moves a cursor, breaks a line, turns the direction of what follows or
//! cannot be seen is shown by its code, such as `\u{202e}`. Text is cleaned where
//! it leaves podcal: in errors, tables, plain output, JSON and the log.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

/// One line of at most `limit` characters; a cut is marked with `…`.
///
/// White space of any kind becomes one space, so that an honest title with a
/// line break reads well.
#[must_use]
pub fn line(text: &str, limit: usize) -> String {
    // Enough to fill the line whatever is dropped, and never the whole of a flood.
    let most = limit.saturating_mul(8);
    let mut clean = String::new();
    for (c, harmful) in marked(text).take(most) {
        if c.is_whitespace() && !is_separator(c) {
            if !clean.is_empty() && !clean.ends_with(' ') {
                clean.push(' ');
            }
        } else if harmful {
            let _ = write!(clean, "{}", c.escape_unicode());
        } else {
            clean.push(c);
        }
    }
    clean.truncate(clean.trim_end().len());
    if clean.chars().nth(limit).is_some() {
        clean = clean.chars().take(limit.saturating_sub(1)).collect();
        clean.push('…');
    }
    clean
}

/// One line of any length: line feeds and tabs become blanks, other harmful characters are
/// escaped.
#[must_use]
pub fn cell(text: &str) -> String {
    lines(text).replace(['\n', '\t'], " ")
}

/// A text of several lines: line feeds and tabs stay, other harmful characters
/// are escaped; nothing is cut.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, &['\n', '\t'], |clean, c| {
        let _ = write!(clean, "{}", c.escape_unicode());
    })
}

/// A JSON document, once it is serialised, with harmful characters written as
/// `\u202e`. It stays the same document.
#[must_use]
pub fn json(document: &str) -> Cow<'_, str> {
    // Between its texts a document has no other control characters than these.
    escaped(document, &['\n', '\t', '\r'], |clean, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(clean, "\\u{unit:04x}");
        }
    })
}

/// Writes a JSON document as [`json`] does, while it is serialised.
pub struct JsonWriter<W>(pub W);

impl<W: io::Write> io::Write for JsonWriter<W> {
    /// `serde_json` writes whole characters.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(json(text).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether a character could mislead who reads it, or a terminal: control
/// characters, line separators, marks of direction, characters of no width.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    c.is_control() || is_separator(c) || is_bidi(c) || is_invisible(c)
}

fn escaped<'a>(text: &'a str, stay: &[char], escape: impl Fn(&mut String, char)) -> Cow<'a, str> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain || !text.chars().any(|c| is_harmful(c) && !stay.contains(&c)) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for (c, harmful) in marked(text) {
        if harmful && !stay.contains(&c) {
            escape(&mut clean, c);
        } else {
            clean.push(c);
        }
    }
    Cow::Owned(clean)
}

/// Each character, and whether it is harmful at this place.
fn marked(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut previous = None;
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        let c = rest.next()?;
        let joins = matches!(c, '\u{200c}' | '\u{200d}')
            && previous.is_some_and(is_joined)
            && rest.peek().copied().is_some_and(is_joined);
        previous = Some(c);
        Some((c, is_harmful(c) && !joins))
    })
}

/// Line and paragraph separator, which end a line for many programs.
fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Marks that turn the direction of the text after them.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// Characters of no width, with which text can be hidden or differ unseen.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a joiner beside it is honest writing: an emoji of several parts, or a
/// script that joins its letters.
fn is_joined(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{2190}'..='\u{2bff}'
        | '\u{fb50}'..='\u{fdff}' | '\u{fe0f}' | '\u{fe70}'..='\u{fefc}' | '\u{1f000}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_clean_while_it_is_written_and_stays_the_same() {
        let value = serde_json::json!({ "a\u{202e}": ["x\u{200b}\n\u{7f}", "\u{e0041}ü\"\\"] });
        let mut written = Vec::new();
        serde_json::to_writer_pretty(JsonWriter(&mut written), &value).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert!(
            !text.chars().any(|c| is_harmful(c) && c != '\n'),
            "{text:?}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn nothing_harmful_gets_through() {
        for (text, clean) in [
            ("plain ü 会議", "plain ü 会議"),
            (" two\r\n lines\tof\u{a0}it ", "two lines of it"),
            ("red \u{1b}[31m", "red \\u{1b}[31m"),
            (
                "bell\u{7} del\u{7f} c1\u{9b}",
                "bell\\u{7} del\\u{7f} c1\\u{9b}",
            ),
            (
                "a\u{202e}b\u{2066}c\u{200f}",
                "a\\u{202e}b\\u{2066}c\\u{200f}",
            ),
            (
                "in\u{200b}vis\u{200d}ible\u{feff}",
                "in\\u{200b}vis\\u{200d}ible\\u{feff}",
            ),
            ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
            ("\u{e0041}tag", "\\u{e0041}tag"),
        ] {
            assert_eq!(line(text, 100), clean, "{text:?}");
        }
    }

    #[test]
    fn honest_joiners_stay() {
        for text in [
            "👩\u{200d}💻 review",
            "می\u{200c}خواهم",
            "❤\u{fe0f}\u{200d}🔥",
        ] {
            assert_eq!(line(text, 100), text);
            assert_eq!(lines(text), text);
        }
    }

    #[test]
    fn a_line_is_bounded_and_says_so() {
        assert_eq!(line("12345", 5), "12345");
        assert_eq!(line("12345 ", 5), "12345");
        assert_eq!(line("123456", 5), "1234…");
        assert_eq!(line(&"\u{1b}".repeat(1000), 12), "\\u{1b}\\u{1b…");
        assert_eq!(line("a whole line", usize::MAX), "a whole line");
    }

    #[test]
    fn several_lines_stay_several() {
        assert_eq!(lines("a\n\tb\r\u{1b}c"), "a\n\tb\\u{d}\\u{1b}c");
        assert!(matches!(lines("a\n\tb"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_document_stays_the_same() {
        let value = serde_json::json!({"a\u{202e}": "\u{9b}\u{2028}\n\u{e0041}\u{7f} ü"});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let clean = json(&text);
        assert!(
            clean.chars().all(|c| c == '\n' || !is_harmful(c)),
            "{clean}"
        );
        assert!(
            clean.contains("\\u202e") && clean.contains("\\udb40\\udc41"),
            "{clean}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&clean).unwrap(),
            value
        );
    }
}
