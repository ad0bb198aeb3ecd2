use proptest::prelude::*;

use super::*;

fn lines(body: &[u8]) -> Vec<(u32, String)> {
    let body = as_bytes(body);
    let mut buffer = Vec::new();
    Lines::new(&body)
        .map(|line| (line.number, decode(line.unfold(&mut buffer)).into_owned()))
        .collect()
}

fn check(body: &[u8], expected: &[(u32, &str)]) {
    let found = lines(body);
    let found: Vec<_> = found.iter().map(|(n, text)| (*n, text.as_str())).collect();
    assert_eq!(found, expected, "{}", body.escape_ascii());
}

#[test]
fn every_kind_of_line_end_counts() {
    let expected = [(1, "A:1"), (2, "B:2"), (3, "C:3")];
    check(b"A:1\r\nB:2\r\nC:3\r\n", &expected);
    check(b"A:1\nB:2\nC:3", &expected);
    check(b"A:1\rB:2\rC:3\r", &expected);
    check(b"A:1\r\r\nB:2\r\r\nC:3\r\r\n", &expected);
    check(b"\xEF\xBB\xBFA:1\nB:2\r\nC:3", &expected);
    check(b"A:1\n\n\n\nB:2", &[(1, "A:1"), (5, "B:2")]);
    check(b"A:1\r\rB:2\r", &[(1, "A:1"), (3, "B:2")]);
    check(b"", &[]);
    check(b"\r\n\r\n", &[]);
}

#[test]
fn a_stray_return_inside_a_text_ends_no_line_unless_a_property_follows() {
    check(b"A:1\nB:2\r3\n", &[(1, "A:1"), (2, "B:23")]);
    check(
        b"VERSION:2.0\nSUMMARY:a\rDTSTART:1\n",
        &[(1, "VERSION:2.0"), (2, "SUMMARY:a"), (3, "DTSTART:1")],
    );
    check(b"A:1\nB:2\r\r\r\r3\n", &[(1, "A:1"), (2, "B:23")]);
}

#[test]
fn folds_are_joined_wherever_they_stand() {
    check(b"A:1\r\n 2\r\n\t3\r\nB:4", &[(1, "A:123"), (4, "B:4")]);
    // Inside the two bytes of an umlaut, inside an escape, inside a name.
    check(
        b"A:Gr\xC3\n \xB6\n \xC3\n\t\x9Fe\n",
        &[(1, "A:Gr\u{f6}\u{df}e")],
    );
    check(b"A:a\\\r\n n\r\n", &[(1, "A:a\\n")]);
    check(b"SUMM\r\n ARY\r\n :x", &[(1, "SUMMARY:x")]);
    check(b"A\r :1\rB:2\r", &[(1, "A:1"), (3, "B:2")]);
    // Line ends that were doubled on their way.
    check(b"A:1\r\n\n 2\r\n\nB:3\r\n\n", &[(1, "A:12"), (5, "B:3")]);
    check(b"A:1\n \nB:2", &[(1, "A:1"), (3, "B:2")]);
}

#[test]
fn names_are_found_in_front_of_folds() {
    let name = |body: &[u8]| {
        let line = Lines::new(body).next().unwrap();
        String::from_utf8(line.name(&mut Vec::new()).to_vec()).unwrap()
    };
    assert_eq!(name(b"DTSTART;TZID=x:1"), "DTSTART");
    assert_eq!(name(b"DTSTART\n ;VALUE=DATE\n :1"), "DTSTART");
    assert_eq!(name(b"DTST\r\n ART:1"), "DTSTART");
    assert_eq!(name(b"\xEF\xBB\xBFBEGIN:X"), "BEGIN");
    assert_eq!(name(b" UID :1"), "UID");
    assert_eq!(name(b"no property at all"), "no property at all");
}

#[test]
fn each_line_has_the_encoding_that_it_is_in() {
    check(b"A:caf\xE9\nB:caf\xC3\xA9", &[(1, "A:café"), (2, "B:café")]);
    check(b"A:\x93quoted\x94 \x80", &[(1, "A:“quoted” €")]);
    // One odd byte in UTF-8, and a character that its writer cut in two.
    check("A:größe ".as_bytes(), &[(1, "A:größe ")]);
    check(b"A:gr\xC3\xB6\xC3\x9Fe caf\xE9", &[(1, "A:größe café")]);
    check(
        b"A:\xE4\xBC\x9A\xE8\xAD\xB0\xE5\xAE",
        &[(1, "A:会議\u{FFFD}")],
    );
}

#[test]
fn lines_of_an_indented_file_are_no_folds() {
    // The whole file by one depth, or each component by one more.
    check(
        b"  BEGIN:VCALENDAR\n  VERSION:2.0\n  BEGIN:VEVENT\n  SUMMARY:a\n  END:VEVENT\n",
        &[
            (1, "BEGIN:VCALENDAR"),
            (2, "VERSION:2.0"),
            (3, "BEGIN:VEVENT"),
            (4, "SUMMARY:a"),
            (5, "END:VEVENT"),
        ],
    );
    check(
        b"BEGIN:VCALENDAR\n\tBEGIN:VEVENT\n\t\tSUMMARY:a\n\t\tX-A;B=1:b\n\tEND:VEVENT\nEND:VCALENDAR",
        &[
            (1, "BEGIN:VCALENDAR"),
            (2, "BEGIN:VEVENT"),
            (3, "SUMMARY:a"),
            (4, "X-A;B=1:b"),
            (5, "END:VEVENT"),
            (6, "END:VCALENDAR"),
        ],
    );
    // One line only, behind one that was not folded.
    check(
        b"METHOD:PUBLISH\n    BEGIN:VEVENT\nUID:1\n    DTSTART:20260105\n END:VEVENT",
        &[
            (1, "METHOD:PUBLISH"),
            (2, "BEGIN:VEVENT"),
            (3, "UID:1"),
            (4, "DTSTART:20260105"),
            (5, "END:VEVENT"),
        ],
    );
    // Folds: what a text holds, whatever it looks like.
    let text = format!("DESCRIPTION:{}\n BEGIN:VEVENT\n URL:x\n", "x".repeat(63));
    let joined = format!("DESCRIPTION:{}BEGIN:VEVENTURL:x", "x".repeat(63));
    check(text.as_bytes(), &[(1, &joined)]);
    check(
        b"DESCRIPTION:see\n URL:x\n   Note: y",
        &[(1, "DESCRIPTION:seeURL:x  Note: y")],
    );
    check(
        b"A:1\n  BEGIN:VEVENT is a line",
        &[(1, "A:1 BEGIN:VEVENT is a line")],
    );
}

#[test]
fn a_soft_line_break_joins_lines() {
    check(
        b"SUMMARY;ENCODING=QUOTED-PRINTABLE:caf=C3=\r\n=A9 at=\r\n noon=\r\nDTEND:1",
        &[
            (1, "SUMMARY;ENCODING=QUOTED-PRINTABLE:caf=C3=A9 atnoon="),
            (4, "DTEND:1"),
        ],
    );
    check(b"A:1=\nB:2", &[(1, "A:1="), (2, "B:2")]);
    check(b"URL:http://x?a=\n b", &[(1, "URL:http://x?a=b")]);
}

#[test]
fn control_characters_are_dropped_but_tabs() {
    check(b"A:\x00a\x07b\x1Bc\x7Fd\te", &[(1, "A:abcd\te")]);
}

#[test]
fn utf_16_is_known_by_its_mark_or_its_zeros() {
    let text = "BEGIN:X\r\nA:größe 会\r\n";
    let expected = [(1, "BEGIN:X"), (2, "A:größe 会")];
    for mark in ["\u{FEFF}", ""] {
        let units: Vec<u16> = format!("{mark}{text}").encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        check(&little, &expected);
        check(&big, &expected);
    }
}

#[test]
fn a_line_is_read_to_its_limit_only() {
    let mut body = b"A:".to_vec();
    body.resize(MAX_LINE + 100, b'x');
    let line = Lines::new(&body).next().unwrap();
    assert_eq!(line.unfold(&mut Vec::new()).len(), MAX_LINE);
    let folds = b"A:1\n 2".repeat(400_000);
    let mut buffer = Vec::new();
    let total: usize = Lines::new(&folds)
        .map(|l| l.unfold(&mut buffer).len())
        .sum();
    assert!(total <= folds.len());
}

proptest! {
    #[test]
    fn no_control_character_is_overlooked(text in "[ -~é\u{80}\t\u{1}\u{7f}]{0,40}") {
        let clean: String = text.chars().filter(|c| !c.is_ascii_control() || *c == '\t').collect();
        prop_assert_eq!(decode(text.as_bytes()), clean);
        let any = text.bytes().any(|byte| byte.is_ascii_control());
        prop_assert_eq!(has_control(text.as_bytes()), any);
    }
}
