//! Bytes to logical lines: line ends, folds, byte order marks and encodings.
//!
//! Folds are joined as bytes, because they may stand inside a character (RFC 5545
//! section 3.1), and only for lines that somebody wants: most of a feed's bytes are
//! descriptions, alarms and attendees that podcal never looks at.
//!
//! A line that begins with a blank continues the one before it. Templates that indent
//! what they write break that; [`Lines::begins_anew`] tells their lines from folds.

use std::borrow::Cow;

use memchr::memchr2;

use super::property::Name;

/// More than this of one line is not looked at. It has room for half a million EXDATEs.
pub const MAX_LINE: usize = 8 << 20;

/// The body as UTF-8 or a single-byte encoding, without a byte order mark.
///
/// UTF-16 is known by its mark, or by the zero beside the first letter.
#[must_use]
pub fn as_bytes(body: &[u8]) -> Cow<'_, [u8]> {
    match body {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Cow::Borrowed(rest),
        [0xFF, 0xFE, rest @ ..] => Cow::Owned(from_utf16(rest, u16::from_le_bytes)),
        [0xFE, 0xFF, rest @ ..] => Cow::Owned(from_utf16(rest, u16::from_be_bytes)),
        [b'B' | b'b', 0, ..] => Cow::Owned(from_utf16(body, u16::from_le_bytes)),
        [0, b'B' | b'b', ..] => Cow::Owned(from_utf16(body, u16::from_be_bytes)),
        _ => Cow::Borrowed(body),
    }
}

fn from_utf16(body: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    let (pairs, _) = body.as_chunks::<2>();
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect::<String>()
        .into_bytes()
}

/// The logical lines of a body; blank ones are left out.
///
/// A line ends at LF, CRLF or any run of CR before LF. A lone CR ends a line where
/// the first line of the body ends so, or where what follows looks like a property;
/// elsewhere it is a stray control character inside a text.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    body: &'a [u8],
    at: usize,
    number: u32,
    lone_cr: bool,
}

/// One logical line, its folds not yet joined.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Of its first physical line, counted from 1.
    pub number: u32,
    /// Where its first byte stands in the body, and the one after its line end.
    pub start: usize,
    pub end: usize,
    /// Blanks stand before it, though it is a line of its own.
    pub indented: bool,
    raw: &'a [u8],
    folded: bool,
    /// Quoted-printable, with line breaks behind `=`.
    soft: bool,
}

impl<'a> Lines<'a> {
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        let first_end = memchr2(b'\r', b'\n', body);
        let rest = first_end.and_then(|at| body.get(at..)).unwrap_or_default();
        let after = rest.iter().find(|byte| **byte != b'\r');
        Self {
            body,
            at: 0,
            number: 1,
            lone_cr: rest.first() == Some(&b'\r') && after != Some(&b'\n'),
        }
    }

    /// The lines of a part of a body that begins with a line of this number, and
    /// ends lines as the whole does.
    #[must_use]
    pub fn part(&self, from: usize, to: usize, number: u32) -> Self {
        Self {
            body: self.body.get(..to).unwrap_or(self.body),
            at: from,
            number,
            lone_cr: self.lone_cr,
        }
    }

    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    #[must_use]
    pub fn end_at_lone_cr(&self) -> bool {
        self.lone_cr
    }

    /// Goes on with the line that begins at `at` and has this number.
    pub fn go_on_at(&mut self, at: usize, number: u32) {
        (self.at, self.number) = (at, number);
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.body.get(at).copied()
    }

    /// The end of the physical line that begins at `from`: before its line end, and after it.
    fn physical(&self, from: usize) -> (usize, usize) {
        let mut look = from;
        loop {
            let rest = self.body.get(look..).unwrap_or_default();
            let Some(found) = memchr2(b'\r', b'\n', rest) else {
                return (self.body.len(), self.body.len());
            };
            let end = look + found;
            if self.byte(end) == Some(b'\n') {
                return (end, end + 1);
            }
            if self.lone_cr {
                return match self.byte(end + 1) {
                    Some(b'\n') => (end, end + 2),
                    _ => (end, end + 1),
                };
            }
            let mut after = end;
            while self.byte(after) == Some(b'\r') {
                after += 1;
            }
            match self.byte(after) {
                Some(b'\n') => return (end, after + 1),
                None => return (end, after),
                Some(_) if self.is_property(after) => return (end, after),
                Some(_) => look = after,
            }
        }
    }

    /// Whether upper-case letters and then `:` or `;` stand here.
    fn is_property(&self, at: usize) -> bool {
        let rest = self.body.get(at..).unwrap_or_default();
        let head = rest.get(..40).unwrap_or(rest);
        let name = head
            .iter()
            .take_while(|byte| byte.is_ascii_uppercase() || **byte == b'-')
            .count();
        name > 2 && matches!(head.get(name), Some(b':' | b';'))
    }

    /// How many blanks and tabs stand here.
    fn blanks(&self, at: usize) -> usize {
        let rest = self.body.get(at..).unwrap_or_default();
        rest.iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count()
    }

    /// Whether a physical line that begins with blanks, at `here`, is not the continuation
    /// of the logical line that began at `start` with `indent` blanks, and whose last
    /// physical line has `length` bytes.
    ///
    /// Who folds puts one blank more in front of what did not fit on a line of 75
    /// bytes. Who indents puts any number in front of lines of any length, and these
    /// read like lines: `BEGIN:VEVENT`, or a name of a property.
    #[must_use]
    pub fn begins_anew(&self, here: usize, start: usize, indent: usize, length: usize) -> bool {
        let blanks = self.blanks(here);
        let at = here + blanks;
        let may_be_fold = blanks == indent + 1;
        if may_be_fold && length >= 70 {
            return false;
        }
        if !self.byte(at).is_some_and(|byte| byte.is_ascii_alphabetic()) {
            return false;
        }
        if self.is_bracket(at) {
            return true;
        }
        if indent > 0 || self.is_bracket(start + indent) {
            return self.is_property(at) && !(may_be_fold && length >= 60);
        }
        const PLAIN: [&[u8]; 7] = [
            b"DTSTART",
            b"DTEND",
            b"DTSTAMP",
            b"DURATION",
            b"RRULE",
            b"SUMMARY",
            b"UID",
        ];
        let rest = self.body.get(at..).unwrap_or_default();
        let is_plain = |name: &&[u8]| {
            rest.starts_with(name) && matches!(rest.get(name.len()), Some(b':' | b';'))
        };
        blanks > 1 && length < 60 && PLAIN.iter().any(is_plain)
    }

    /// Whether a line that begins or ends a component stands here, and nothing else.
    fn is_bracket(&self, at: usize) -> bool {
        let rest = self.body.get(at..).unwrap_or_default();
        let line = rest.get(..32).unwrap_or(rest);
        let end = memchr2(b'\r', b'\n', line).unwrap_or(line.len());
        let line = line.get(..end).unwrap_or(line).trim_ascii();
        let named = [b"BEGIN:".as_slice(), b"END:"].iter().find_map(|prefix| {
            let (head, name) = line.split_at_checked(prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then_some(name)
        });
        const NAMES: [&[u8]; 9] = [
            b"VCALENDAR",
            b"VEVENT",
            b"VTIMEZONE",
            b"STANDARD",
            b"DAYLIGHT",
            b"VALARM",
            b"VTODO",
            b"VJOURNAL",
            b"VFREEBUSY",
        ];
        named.is_some_and(|name| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)))
    }

    /// Whether a quoted-printable line goes on behind the `=` with which it ends
    /// (RFC 2045 section 6.7); vCalendar 1.0 needs no blank before the rest.
    fn breaks_softly(&self, start: usize, end: usize) -> bool {
        if end <= start || self.byte(end - 1) != Some(b'=') {
            return false;
        }
        let line = self.body.get(start..end).unwrap_or_default();
        let head = line.get(..200).unwrap_or(line);
        let head = head.split(|byte| *byte == b':').next().unwrap_or_default();
        const WORD: &[u8] = b"QUOTED-PRINTABLE";
        let is_encoded = head
            .windows(WORD.len())
            .any(|window| window.eq_ignore_ascii_case(WORD));
        is_encoded && !self.is_property(self.at) && !self.is_known(self.at)
    }

    /// Whether the name of a property that is read stands here, in any letter case.
    fn is_known(&self, at: usize) -> bool {
        let rest = self.body.get(at..).unwrap_or_default();
        let head = rest.get(..48).unwrap_or(rest);
        let end = memchr2(b':', b';', head);
        end.and_then(|end| head.get(..end))
            .is_some_and(|name| Name::of(name) != Name::Other)
    }

    fn skip_blank(&mut self) {
        while let Some(byte @ (b'\r' | b'\n')) = self.byte(self.at) {
            self.at += 1;
            if byte == b'\n' || (self.lone_cr && self.byte(self.at) != Some(b'\n')) {
                self.number = self.number.saturating_add(1);
            }
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        self.skip_blank();
        if self.at >= self.body.len() {
            return None;
        }
        let (start, number) = (self.at, self.number);
        let indent = self.blanks(start);
        let (mut folded, mut soft) = (false, false);
        let mut text_end;
        let mut end;
        loop {
            let from = self.at;
            (text_end, end) = self.physical(from);
            let length = text_end - from;
            self.at = end;
            self.number = self.number.saturating_add(1);
            // Doubled line ends put a blank line before each fold.
            self.skip_blank();
            let breaks_softly = self.breaks_softly(start, text_end);
            match self.byte(self.at) {
                Some(b' ' | b'\t') if !self.begins_anew(self.at, start, indent, length) => {
                    folded = true
                }
                Some(_) if breaks_softly => folded = true,
                _ => break,
            }
            soft |= breaks_softly;
        }
        Some(Line {
            number,
            start,
            end,
            indented: indent > 0,
            raw: self.body.get(start + indent..text_end).unwrap_or_default(),
            folded,
            soft,
        })
    }
}

impl<'a> Line<'a> {
    /// Whether it is just these bytes, and begins where a line should.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.raw == bytes && !self.indented
    }

    /// The bytes of the line with its folds joined, at most [`MAX_LINE`] of them.
    pub fn unfold<'b>(&self, buffer: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        self.unfold_at_most(MAX_LINE, buffer)
    }

    /// The same with a smaller limit.
    pub fn unfold_at_most<'b>(&self, limit: usize, buffer: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if !self.folded {
            return self.raw.get(..limit).unwrap_or(self.raw);
        }
        buffer.clear();
        let mut rest = self.raw;
        while buffer.len() < limit {
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                buffer.extend_from_slice(rest);
                break;
            };
            buffer.extend_from_slice(rest.get(..end).unwrap_or_default());
            if self.soft && buffer.last() == Some(&b'=') {
                buffer.pop();
            }
            rest = rest.get(end..).unwrap_or_default();
            let ends = rest
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            rest = rest.get(ends..).unwrap_or_default();
            if let [b' ' | b'\t', after @ ..] = rest {
                rest = after;
            }
        }
        buffer.truncate(limit);
        buffer
    }

    /// The name of the property, as it stands before the first `:` or `;`.
    pub fn name<'b>(&self, buffer: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        let head = self.raw.get(..64).unwrap_or(self.raw);
        let head = match memchr2(b':', b';', head) {
            Some(end) if memchr2(b'\r', b'\n', head.get(..end).unwrap_or_default()).is_none() => {
                head.get(..end).unwrap_or_default()
            }
            // Folded inside the name, or straight after it.
            _ => {
                let line = self.unfold_at_most(128, buffer);
                let end = memchr2(b':', b';', line).unwrap_or(line.len());
                line.get(..end).unwrap_or_default()
            }
        };
        head.strip_prefix(b"\xEF\xBB\xBF")
            .unwrap_or(head)
            .trim_ascii()
    }

    /// How many bytes it has with its folds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw.len()
    }
}

/// Text from bytes: UTF-8, else Windows-1252, without control characters but TAB.
///
/// One odd byte in a line that is plainly UTF-8 otherwise does not turn its other
/// letters into pairs of signs; a character cut in two becomes U+FFFD.
#[must_use]
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let text = match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(decode_odd(bytes)),
    };
    if has_control(text.as_bytes()) {
        let clean = |character: &char| !character.is_ascii_control() || *character == '\t';
        return Cow::Owned(text.chars().filter(clean).collect());
    }
    text
}

/// Whether control characters may be among these bytes, TAB too: eight are looked at
/// together, as all text passes through here and next to none has any.
fn has_control(bytes: &[u8]) -> bool {
    const EACH: u64 = u64::MAX / 0xFF;
    let (words, rest) = bytes.as_chunks::<8>();
    // The high bit of a byte that is below another one, which subtracting makes borrow.
    let any_below = |word: u64, least: u64| word.wrapping_sub(EACH * least) & !word & (EACH * 0x80);
    words.iter().any(|word| {
        let word = u64::from_ne_bytes(*word);
        any_below(word, 0x20) | any_below(word ^ (EACH * 0x7F), 1) != 0
    }) || rest.iter().any(u8::is_ascii_control)
}

fn decode_odd(bytes: &[u8]) -> String {
    let is_utf8 = bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii());
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        match chunk.invalid() {
            [_, _, ..] if is_utf8 => text.push(char::REPLACEMENT_CHARACTER),
            odd => text.extend(odd.iter().map(|byte| windows_1252(*byte))),
        }
    }
    text
}

fn windows_1252(byte: u8) -> char {
    /// 0x80 to 0x9F; the five that are not assigned are C1 controls.
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž',
        '\u{8F}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}',
        'ž', 'Ÿ',
    ];
    match byte.checked_sub(0x80) {
        Some(offset) => *HIGH.get(usize::from(offset)).unwrap_or(&char::from(byte)),
        None => char::from(byte),
    }
}

#[cfg(test)]
mod tests;
