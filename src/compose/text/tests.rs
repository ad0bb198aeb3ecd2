use super::*;
use crate::model::occurrence::Person;

#[track_caller]
fn check_title(text: &str, expected: Option<&str>) {
    assert_eq!(title(text).as_deref(), expected, "{text:?}");
}

#[test]
fn titles_stand_on_one_line_without_control_characters() {
    check_title("Planning", Some("Planning"));
    check_title("  a\r\n\tb \u{7} c\u{0}", Some("a b c"));
    check_title("abc\u{202E}fed", Some("abcfed"));
    check_title("\u{200B} \u{FEFF}", None);
    check_title("", None);
    check_title("e\u{301}te\u{301}", Some("été"));
    check_title("👩‍👩‍👧 family", Some("👩‍👩‍👧 family"));
}

#[test]
fn markup_is_taken_out_and_other_brackets_are_not() {
    check_title("<b>Board</b> &amp; staff", Some("Board & staff"));
    check_title("a < b and c > d", Some("a < b and c > d"));
    check_title("I <3 Rust & <T>", Some("I <3 Rust & <T>"));
    check_title("R&D", Some("R&D"));
}

#[test]
fn entities_are_read_whether_or_not_there_is_markup() {
    for (text, expected) in [
        ("R&amp;D sync", "R&D sync"),
        (
            "Research &amp; Development &#8211; Q&#039;s",
            "Research & Development – Q's",
        ),
        (
            "&quot;Caf&eacute;&quot; &copy; &#x2019; &hellip;&nbsp;x",
            "\"Café\" © ’ … x",
        ),
        (
            "M&uuml;nchen &Ouml;l &szlig; &ntilde; &euro; &rarr;",
            "München Öl ß ñ € →",
        ),
        // Written twice by two programs in a row.
        ("R&amp;amp;D &amp;#8211; x", "R&D – x"),
        // Windows-1252 under the numbers of control characters, as browsers read them.
        ("Don&#146;t &#150; x", "Don’t – x"),
        ("Don&#8217t", "Don’t"),
        // What is none stays as it is.
        (
            "AT&T; R&D; &bogus; &#xD800; &#; & &",
            "AT&T; R&D; &bogus; &#xD800; &#; & &",
        ),
        ("a &lt; b &gt; c", "a < b > c"),
        ("x&#8203;y&#0;z&#10;w", "xy z w"),
    ] {
        check_title(text, Some(expected));
    }
}

#[test]
fn a_long_title_ends_on_a_whole_character() {
    let long = "👩‍👩‍👧é".repeat(300);
    let cut = title(&long).unwrap();
    assert!(cut.ends_with('…'), "{cut}");
    assert!(cut.graphemes(true).count() <= MAX_TITLE);
    let exact = "x".repeat(MAX_TITLE);
    check_title(&exact, Some(&exact));
    assert!(
        title(&"e\u{301}\u{302}\u{303}\u{304}\u{305}".repeat(100_000))
            .unwrap()
            .chars()
            .count()
            <= MAX_TITLE * 4 + 1
    );
}

#[test]
fn the_organizer_is_the_name_or_the_address() {
    let with = |name: Option<&str>, address: Option<&str>| {
        let person = Person {
            name: name.map(Into::into),
            address: address.map(Into::into),
        };
        organizer(&Details {
            organizer: Some(person),
            ..Details::default()
        })
    };
    assert_eq!(
        with(Some("Ada Lovelace"), Some("ada@example.org")),
        "Ada Lovelace"
    );
    assert_eq!(with(Some("  "), Some("ada@example.org")), "ada@example.org");
    assert_eq!(with(None, None), "");
    assert_eq!(organizer(&Details::default()), "");
}

#[test]
fn descriptions_become_plain_text() {
    let html = "<html><head><style>p{}</style></head><body><p>Hello<br>there</p>\n\n\n<p>1 &lt; 2&nbsp;&#8211; yes</p></body></html>";
    assert_eq!(plain(html).as_deref(), Some("Hello\nthere\n\n1 < 2 – yes"));
    assert_eq!(
        plain("one\n\n\n\n\ntwo\u{7}").as_deref(),
        Some("one\n\ntwo")
    );
    assert_eq!(plain(" \n "), None);
}

#[track_caller]
fn check_links(details: Details, expected: &[&str]) {
    let links = join_links(&details).unwrap_or_default();
    assert_eq!(links.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn join_links_are_found_wherever_people_put_them() {
    let teams = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0";
    check_links(
        Details {
            conference: vec![
                "https://conf.example.org/room/1".into(),
                "tel:+1-555".into(),
            ],
            location: Some("https://zoom.us/j/123; Room 1".into()),
            description: Some(format!(
                "Join <{teams}>\nor (https://meet.google.com/abc-defg-hij)."
            )),
            ..Details::default()
        },
        &[
            "https://conf.example.org/room/1",
            "https://zoom.us/j/123",
            teams,
        ],
    );
    check_links(
        Details {
            url: Some("https://intranet.example.org/event/7".into()),
            description: Some(
                "see https://example.org/agenda.pdf and https://evilzoom.us.example.org/j/1".into(),
            ),
            ..Details::default()
        },
        &[],
    );
}

#[test]
fn a_link_wrapped_by_outlook_is_unwrapped() {
    let wrapped = "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fzoom.us%2Fj%2F99%3Fpwd%3Dx&data=05";
    check_links(
        Details {
            description: Some(wrapped.into()),
            ..Details::default()
        },
        &["https://zoom.us/j/99?pwd=x"],
    );
}
