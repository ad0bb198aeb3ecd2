//! Files that are damaged, empty, of something else, or of a newer podcal.

use super::*;

/// A closed ledger with a pin, an accepted device, a pause and some bulk.
async fn written(path: &Path) {
    let (ledger, _) = opened(path).await;
    for n in 1..=200_u8 {
        let one = pod(&format!("192.0.2.{n}"));
        ledger
            .set_pin(&one, Some(&room("elm")), Some([n; 32]), at(n.into()))
            .await
            .unwrap();
    }
    ledger
        .accept_device(&pod("192.0.2.1"), "device-1", at(1))
        .await
        .unwrap();
    ledger
        .set_sign_in(&account("a"), &sign_in(3))
        .await
        .unwrap();
    let mut bulk = batch(1);
    let text = (0..100_000).map(|n| format!("{n:x}")).collect::<String>();
    bulk.pod_settings = vec![("pod".to_owned(), at(1), text)];
    ledger.store(&bulk).await.unwrap();
    ledger.close().await;
}

/// The page of the file that holds these bytes.
fn page_with(bytes: &[u8], needle: &[u8]) -> usize {
    let found = bytes.windows(needle.len()).rposition(|at| at == needle);
    found.unwrap() / 4096
}

#[tokio::test]
async fn a_damaged_ledger_is_set_aside_and_pins_and_pauses_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    written(&path).await;
    let mut bytes = fs::read(&path).unwrap();
    // Somewhere in the bulk; what counts is elsewhere.
    let page = page_with(&bytes, b"1869e1869f");
    bytes[page * 4096..][..4096].fill(0xA5);
    // A page of the tree of the history, which nothing at the start reads.
    let page = page_with(&bytes, b"certificate");
    bytes[page * 4096..][..4096].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    let (ledger, events) = opened(&path).await;
    let [
        LedgerEvent::SetAside {
            aside,
            pins: 200,
            sign_ins: 1,
            lost,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(lost[..], [] as [&str; 0]);
    assert_eq!(
        aside.file_name().unwrap(),
        "podcal.db.damaged-20260302T090000Z"
    );
    assert_eq!(fs::read(aside).unwrap(), bytes, "as it was");
    let loaded = ledger.load().await.unwrap();
    assert_eq!(loaded.pins.len(), 200);
    assert_eq!(loaded.pins["https://192.0.2.7:5443"].sha256, [7; 32]);
    assert_eq!(loaded.sign_ins[account("a").as_str()], sign_in(3));
    assert_eq!(loaded.accepted_devices.len(), 1);
    assert!(loaded.memories.pods.is_empty());
    ledger.store(&batch(2)).await.unwrap();
    assert_eq!(batch_in(&ledger).await, Some(2));
}

#[tokio::test]
async fn pins_on_both_sides_of_the_damage_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    written(&path).await;
    let mut bytes = fs::read(&path).unwrap();
    let page = page_with(&bytes, &[100; 32]);
    bytes[page * 4096..][..4096].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let (ledger, events) = opened(&path).await;
    let [LedgerEvent::SetAside { pins, lost, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert!((50..200).contains(pins), "{pins}");
    assert_eq!(lost[..], ["pin"]);
    let loaded = ledger.load().await.unwrap();
    assert_eq!(loaded.pins.len(), *pins);
    let key = |n: u8| pod(&format!("192.0.2.{n}")).key();
    for n in [1, 99] {
        // The first and the last in the order of the keys.
        assert_eq!(loaded.pins[&key(n)].sha256, [n; 32]);
    }
}

#[tokio::test]
async fn a_file_of_any_length_or_content_does_not_keep_the_service_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    written(&whole).await;
    let whole = fs::read(&whole).unwrap();
    let noise: Vec<u8> = (0..100_000_u64)
        .map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect();
    let mut cases: Vec<(String, Vec<u8>)> = [1, 16, 99, 512, 4095, 4096, 8192, 20_480, 50_000]
        .into_iter()
        .map(|length| (format!("cut to {length}"), whole[..length].to_vec()))
        .collect();
    cases.push(("noise".to_owned(), noise.clone()));
    cases.push(("short noise".to_owned(), noise[..10].to_vec()));
    cases.push(("zeros".to_owned(), vec![0; 40_000]));
    let mut no_header = whole.clone();
    no_header[..100].copy_from_slice(&noise[..100]);
    cases.push(("no header".to_owned(), no_header));
    let mut no_mark = whole.clone();
    no_mark[68..72].fill(0);
    cases.push(("no mark".to_owned(), no_mark));
    let mut no_schema = whole.clone();
    no_schema[100..4096].fill(0);
    cases.push(("no schema".to_owned(), no_schema));
    for (n, (case, bytes)) in cases.into_iter().enumerate() {
        let path = folder.path().join(format!("{n}.db"));
        fs::write(&path, &bytes).unwrap();
        let lock = Ledger::claim(&path).await.unwrap();
        let opened = Ledger::open(lock, at(1_772_442_000)).await;
        let (ledger, events) = opened.unwrap_or_else(|error| panic!("{case}: {error:?}"));
        let aside = events.iter().find_map(|event| match event {
            LedgerEvent::SetAside { aside, .. } => Some(aside),
            _ => None,
        });
        let aside = aside.unwrap_or_else(|| panic!("{case}: {events:?}"));
        assert!(fs::read(aside).unwrap() == bytes, "{case}");
        ledger.store(&batch(1)).await.unwrap();
        assert_eq!(batch_in(&ledger).await, Some(1), "{case}");
        ledger.close().await;
        assert_sound(&path).await;
    }
}

#[tokio::test]
async fn an_empty_file_becomes_a_ledger_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    fs::write(&path, b"").unwrap();
    let (ledger, events) = opened(&path).await;
    let is_said = |event: &LedgerEvent| matches!(event, LedgerEvent::WasEmpty { .. });
    assert!(events.iter().any(is_said), "{events:?}");
    ledger.store(&batch(1)).await.unwrap();
    assert_eq!(batch_in(&ledger).await, Some(1));
}

#[tokio::test]
async fn two_damages_in_one_second_have_two_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    for _ in 0..2 {
        fs::write(&path, [0xA5; 5000]).unwrap();
        opened(&path).await.0.close().await;
    }
    let is_aside = |file: &io::Result<fs::DirEntry>| {
        let name = file.as_ref().unwrap().file_name();
        name.to_str().unwrap().contains(".damaged-")
    };
    let asides = fs::read_dir(&folder).unwrap().filter(is_aside).count();
    assert_eq!(asides, 2);
}

#[tokio::test]
async fn a_text_that_the_path_names_by_mistake_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.toml");
    let text = "time_zone = \"America/Denver\" # räume\n".repeat(100);
    fs::write(&path, &text).unwrap();
    for error in [
        open_error(&path).await,
        Ledger::open_to_read(&path).await.unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::NotADatabase { .. }), "{error}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photos.db");
    let mut other = options(&path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::query("CREATE TABLE photo (id INTEGER)")
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    for error in [
        open_error(&path).await,
        Ledger::open_to_read(&path).await.unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::Foreign { .. }), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn the_ledger_of_a_newer_podcal_is_not_touched() {
    let (folder, ledger) = new_ledger().await;
    let path = folder.path().join("podcal.db");
    ledger.close().await;
    let mut later = raw(&path).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, x'00', 0)",
    )
    .execute(&mut later)
    .await
    .unwrap();
    later.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    for error in [
        open_error(&path).await,
        Ledger::open_to_read(&path).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, LedgerError::Newer { found: 9999, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("newer podcal"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_schema_that_was_altered_is_refused() {
    let (folder, ledger) = new_ledger().await;
    let path = folder.path().join("podcal.db");
    ledger.close().await;
    let mut other = raw(&path).await;
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 2")
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
    let error = open_error(&path).await;
    assert!(
        matches!(error, LedgerError::Altered { version: 2, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_command_that_reads_does_not_set_a_damaged_file_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("podcal.db");
    fs::write(&path, [0xA5; 5000]).unwrap();
    let error = Ledger::open_to_read(&path).await.unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}
