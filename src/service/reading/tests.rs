//! What becomes of downloads.

use std::fmt::Write as _;

use super::*;

const START: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n";
const END: &str = "END:VCALENDAR\r\n";

fn event(uid: &str, day: &str, more: &str) -> String {
    format!(
        "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20270101T000000Z\r\nDTSTART:{day}T100000Z\r\n\
         DTEND:{day}T110000Z\r\nSUMMARY:Plan {uid}\r\n{more}END:VEVENT\r\n"
    )
}

fn calendar(events: &[String]) -> String {
    format!("{START}{}{END}", events.concat())
}

fn item(href: &str, body: impl Into<bytes::Bytes>) -> FeedItem {
    FeedItem {
        href: href.to_owned(),
        etag: Some(format!("\"{href}\"")),
        last_modified: None,
        body: body.into(),
    }
}

fn document(body: impl Into<bytes::Bytes>) -> Download {
    Download {
        is_document: true,
        items: vec![item("", body)],
        removed: Vec::new(),
        missing: Vec::new(),
        held: None,
        is_afresh: false,
    }
}

fn members(items: &[(&str, &str)], held: Option<&FeedVersion>) -> Download {
    Download {
        is_document: false,
        items: items
            .iter()
            .map(|(href, body)| item(href, (*body).to_owned()))
            .collect(),
        held: held.cloned().map(Arc::new),
        ..document("")
    }
}

fn by() -> ReduceBy {
    ReduceBy {
        from: UnixTime::parse("2027-03-02T00:00:00Z").unwrap(),
        filters: Arc::new([Only::default()]),
        memory: u64::MAX,
        largest: 1_000_000,
        host: "dav.example.com".to_owned(),
    }
}

fn read(download: &Download) -> FeedVersion {
    version(download, &by()).ok().unwrap()
}

#[track_caller]
fn refused(body: &str, kind: &str) -> Failure {
    let Err(Unread::Failed(failure)) = version(&document(body.to_owned()), &by()) else {
        panic!("it was read");
    };
    assert_eq!(failure.kind, kind);
    assert!(!failure.says.contains("Plan"));
    failure
}

fn hrefs(version: &FeedVersion) -> Vec<&str> {
    version
        .items
        .iter()
        .map(|item| item.href.as_str())
        .collect()
}

fn text(version: &FeedVersion) -> String {
    let mut text = String::new();
    for item in &version.items {
        let body = item.body.unpack().unwrap();
        assert_eq!(item.digest, digest::digest(&digest::SHA256, &body).as_ref());
        let _ = write!(text, "{}", String::from_utf8_lossy(&body));
    }
    text
}

#[test]
fn a_document_is_kept_without_what_is_over() {
    let old = event("old", "20270101", "");
    let new = event("new", "20270401", "");
    let version = read(&document(calendar(&[old.clone(), new.clone()])));
    assert!(text(&version).contains("Plan new") && !text(&version).contains("Plan old"));
    assert_eq!(version.trouble, Trouble::default());
    // What is left out makes no other version.
    assert_eq!(read(&document(calendar(&[new]))).id, {
        let shorter = calendar(&[event("new", "20270401", "")]);
        read(&document(shorter)).id
    });
    // A calendar in which everything is over is an empty one, and no failure.
    let empty = read(&document(calendar(&[old])));
    assert_eq!(empty.items.len(), 1);
    assert_ne!(empty.id, version.id);
}

#[test]
fn what_is_no_whole_calendar_is_refused() {
    refused("", "not_a_calendar");
    refused("<html>Sign in</html>", "not_a_calendar");
    let whole = calendar(&[event("a", "20270401", "")]);
    refused(whole.get(..whole.len() - 20).unwrap(), "cut_off");
    let broken = "BEGIN:VEVENT\r\nUID:a\r\nDTSTART:yesterday\r\nSUMMARY:Plan\r\nEND:VEVENT\r\n";
    refused(&calendar(&[broken.to_owned()]), "unreadable");
    // With one that can be read, also one that is over, it is a calendar in trouble.
    let old = event("old", "20270101", "");
    let version = read(&document(calendar(&[broken.to_owned(), old])));
    assert_eq!(version.trouble.entries, 1);
    let large = "X".repeat(2_000_000);
    let failure = refused(&large, "too_large");
    assert!(failure.says.contains("dav.example.com") && failure.hint.contains("limits.memory"));
}

#[test]
fn stamps_that_are_renewed_at_every_download_make_no_new_version() {
    let one = calendar(&[event("a", "20270401", "")]);
    let other = one.replace("DTSTAMP:20270101T000000Z", "DTSTAMP:20270302T101112Z");
    assert_ne!(one, other);
    assert_eq!(read(&document(one.clone())).id, read(&document(other)).id);
    let renamed = one.replace("Plan a", "Plan b");
    assert_ne!(read(&document(one.clone())).id, read(&document(renamed)).id);
    // Other filters do: the marks of what matched them are missing.
    let narrow = ReduceBy {
        filters: Arc::new([Only {
            title: Some("Plan*".to_owned()),
            ..Only::default()
        }]),
        ..by()
    };
    let narrow = version(&document(one.clone()), &narrow).ok().unwrap();
    assert_ne!(narrow.id, read(&document(one)).id);
    assert!(!narrow.reduction.filters.contains(&Only::default().digest()));
}

#[test]
fn unknown_zones_are_named_without_control_characters() {
    let event = "BEGIN:VEVENT\r\nUID:z\r\nDTSTART;TZID=Mars/Base:20270401T100000\r\n\
                 DTEND;TZID=Mars/Base:20270401T110000\r\nEND:VEVENT\r\n";
    let version = read(&document(calendar(&[event.to_owned()])));
    assert_eq!(version.trouble.unknown_zones, ["Mars/Base"]);
}

#[test]
fn members_come_go_and_change_each_for_itself() {
    let body = |uid: &str| calendar(&[event(uid, "20270401", "")]);
    let (a, b) = (body("a"), body("b"));
    let first = read(&members(&[("b.ics", &b), ("a.ics", &a)], None));
    assert_eq!(hrefs(&first), ["a.ics", "b.ics"]);
    let c = body("c");
    let mut download = members(&[("c.ics", &c)], Some(&first));
    download.removed = vec!["a.ics".to_owned()];
    let second = read(&download);
    assert_eq!(hrefs(&second), ["b.ics", "c.ics"]);
    assert_ne!(second.id, first.id);
    // Back again, in another order: the same version.
    let mut download = members(&[("a.ics", &a)], Some(&second));
    download.removed = vec!["c.ics".to_owned()];
    assert_eq!(read(&download).id, first.id);
    // From the beginning, what is held does not count.
    let mut download = members(&[("c.ics", &c)], Some(&first));
    download.is_afresh = true;
    assert_eq!(hrefs(&read(&download)), ["c.ics"]);
}

#[test]
fn a_member_that_cannot_be_read_keeps_its_last_version_or_is_counted() {
    let a = calendar(&[event("a", "20270401", "")]);
    let first = read(&members(&[("a.ics", &a)], None));
    let cut = a.get(..a.len() - 20).unwrap();
    for broken in ["<html>", "", cut] {
        let second = read(&members(&[("a.ics", broken)], Some(&first)));
        assert!(second.items == first.items, "{broken}");
        assert_eq!(second.id, first.id);
    }
    let second = read(&members(&[("b.ics", "<html>")], Some(&first)));
    assert_eq!(hrefs(&second), ["a.ics", "b.ics"]);
    assert_eq!(second.trouble.entries, 1);
    // It is still counted when another member changes.
    let c = calendar(&[event("c", "20270401", "")]);
    let third = read(&members(&[("c.ics", &c)], Some(&second)));
    assert_eq!(third.trouble.entries, 1);
    // One member that is too large is missing, and the others are read.
    let large = "X".repeat(2_000_000);
    let fourth = read(&members(&[("d.ics", &large), ("c.ics", &c)], Some(&first)));
    assert_eq!(fourth.missing, ["d.ics"]);
    assert_eq!(hrefs(&fourth), ["a.ics", "c.ics"]);
}

#[test]
fn members_that_could_not_be_had_are_missing_only_if_they_were_never_had() {
    let a = calendar(&[event("a", "20270401", "")]);
    let mut download = members(&[("a.ics", &a)], None);
    download.missing = vec!["b.ics".to_owned(), "a.ics".to_owned()];
    let first = read(&download);
    assert_eq!(first.missing, ["b.ics"]);
    // It comes: nothing is missing any more.
    let second = read(&members(&[("b.ics", &a)], Some(&first)));
    assert!(second.missing.is_empty());
    assert_ne!(second.id, first.id);
    // Without another change, too.
    assert!(with_missing(&first, &["b.ics".to_owned(), "a.ics".to_owned()]).is_none());
    let whole = with_missing(&first, &[]).unwrap();
    assert_eq!(whole.id, read(&members(&[("a.ics", &a)], None)).id);
    assert!(whole.missing.is_empty() && whole.items == first.items);
}

#[test]
fn a_member_of_a_version_for_other_filters_stays_and_is_uncertain() {
    let a = calendar(&[event("a", "20270401", "CLASS:PRIVATE\r\n")]);
    let first = read(&members(&[("a.ics", &a)], None));
    let mut download = members(&[], Some(&first));
    download.missing = vec!["a.ics".to_owned()];
    download.is_afresh = true;
    let other = ReduceBy {
        filters: Arc::new([Only {
            title: Some("Plan*".to_owned()),
            ..Only::default()
        }]),
        ..by()
    };
    let second = version(&download, &other).ok().unwrap();
    assert_eq!(hrefs(&second), ["a.ics"]);
    assert_eq!(second.missing, ["a.ics"]);
}

#[test]
fn what_is_made_of_a_calendar_counts_and_not_its_bytes_alone() {
    let small = "BEGIN:VEVENT\r\nDTSTART:20270401\r\nEND:VEVENT\r\n".to_owned();
    let download = document(calendar(&vec![small; 1_000]));
    let size = download.items[0].body.len() as u64;
    let within = |memory| version(&download, &ReduceBy { memory, ..by() });
    assert!(matches!(within(10 * size), Err(Unread::NeedsMemory)));
    assert!(within(200 * size).is_ok());
    let failure = needs_too_much(&by());
    assert!(failure.says.contains("dav.example.com") && failure.hint.contains("limits.memory"));
    // One event may be all of it.
    let dates = "RDATE:20270402T090000Z\r\n".repeat(2_000);
    let one = document(calendar(&[event("a", "20270401", &dates)]));
    let size = one.items[0].body.len() as u64;
    let memory = 4 * size;
    assert!(matches!(
        version(&one, &ReduceBy { memory, ..by() }),
        Err(Unread::NeedsMemory)
    ));
}
