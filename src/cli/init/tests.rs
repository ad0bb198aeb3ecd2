use super::*;

/// What is asked, and what comes of the answers.
fn asked(args: &InitArgs, rooms: Vec<DraftRoom>, answers: &str) -> (io::Result<First>, String) {
    let start = Start {
        folder: Path::new("nowhere"),
        zone: Some("America/Denver".to_owned()),
    };
    let mut output = Vec::new();
    let mut input = answers.as_bytes();
    let mut terminal = Terminal::new(&mut input, &mut output, false);
    let first = start.asked(args, rooms, &mut terminal);
    (first, String::from_utf8(output).unwrap())
}

#[test]
fn everything_is_asked_for_until_it_makes_sense() {
    let answers = "PST\n\
                   \n\
                   \n\
                   oak\n\
                   calendar.example.com/oak.ics\n\
                   https://calendar.example.com/oak.ics\n\
                   http://192.0.2.1\n\
                   192.0.2.1\n\
                   oak\n\
                   elm \"2\"\n\
                   file:elm.ics\n\
                   192.0.2.1\n\
                   192.0.2.2\n\
                   \n\
                   hunter2\n";
    let (first, questions) = asked(&InitArgs::default(), Vec::new(), answers);
    let first = first.unwrap();
    assert_eq!(first.draft.time_zone, "America/Denver");
    assert_eq!(first.typed.as_deref(), Some("hunter2"));
    let rooms: Vec<(&str, &str, &str)> = first
        .draft
        .rooms
        .iter()
        .map(|room| {
            (
                room.name.as_str(),
                room.feeds[0].as_str(),
                room.pods[0].as_str(),
            )
        })
        .collect();
    assert_eq!(
        rooms,
        [
            ("oak", "https://calendar.example.com/oak.ics", "192.0.2.1"),
            ("elm \"2\"", "file:elm.ics", "192.0.2.2"),
        ]
    );
    for says in [
        "[America/Denver]",
        "\"America/Los_Angeles\"",
        "an answer is needed",
        "has no scheme",
        "https only",
        "is a room already",
        "already a pod of room \"oak\"",
    ] {
        assert!(questions.contains(says), "{says}: {questions}");
    }
    assert!(!questions.contains("hunter2"));
}

#[test]
fn what_options_give_is_not_asked_for() {
    let args = InitArgs {
        time_zone: Some("UTC".to_owned()),
        no_password: true,
        ..InitArgs::default()
    };
    let room = DraftRoom {
        name: "oak".to_owned(),
        ..DraftRoom::default()
    };
    let (first, questions) = asked(&args, vec![room], "");
    let first = first.unwrap();
    assert_eq!(
        (questions.as_str(), first.draft.password),
        ("", Password::None)
    );
}

#[test]
fn answers_that_end_early_write_nothing() {
    let (first, _) = asked(&InitArgs::default(), Vec::new(), "UTC\noak\n");
    assert!(first.is_err());
}

#[test]
fn a_file_that_exists_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let first = First {
        draft: Draft {
            time_zone: "UTC".to_owned(),
            password: Password::File(PASSWORD_FILE.into()),
            rooms: Vec::new(),
        },
        typed: Some("hunter2".to_owned()),
    };
    let (path, password) = (
        folder.path().join("podcal.toml"),
        folder.path().join(PASSWORD_FILE),
    );
    fs::write(&path, "mine").unwrap();
    assert!(first.write(&path).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert!(!password.exists(), "no password is left behind");

    fs::remove_file(&path).unwrap();
    fs::write(&password, "mine").unwrap();
    assert!(first.write(&path).is_err());
    assert_eq!(fs::read_to_string(&password).unwrap(), "mine");
    assert!(!path.exists());

    fs::remove_file(&password).unwrap();
    assert!(first.write(&path).is_ok());
    assert_eq!(fs::read_to_string(&password).unwrap(), "hunter2\n");
    #[cfg(unix)]
    for file in [&path, &password] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
