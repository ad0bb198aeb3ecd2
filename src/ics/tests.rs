//! What a person sees of reading as a whole; the parts have their tests beside them.

use super::*;
use bytes::Bytes;

fn item(body: impl Into<Vec<u8>>) -> FeedItem {
    FeedItem {
        href: String::new(),
        etag: None,
        last_modified: None,
        body: Bytes::from(body.into()),
    }
}

#[test]
fn dump() {
    for dir in [
        "../shared/conformance",
        "../shared/real-feeds",
        "../../shared/conformance",
        "../../shared/real-feeds",
    ] {
        let Ok(entries) = std::fs::read_dir(dir) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "ics") {
                continue;
            }
            let body = std::fs::read(&path).unwrap();
            let t = std::time::Instant::now();
            let r = read(&item(body));
            println!(
                "== {} {:?} {:?}",
                path.file_name().unwrap().display(),
                r,
                t.elapsed()
            );
            if let Ok(r) = r {
                for v in r.verdicts.iter().take(8) {
                    println!("   {:?} {}", v.subject, v.rule);
                }
                if r.series.len() < 4 {
                    for s in &r.series {
                        println!("   {s:?}");
                    }
                }
            }
        }
    }
}
