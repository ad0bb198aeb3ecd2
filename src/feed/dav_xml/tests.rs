//! Answers of the shape that each server gives, as `caldav-servers` found them.

use super::*;

fn only(xml: &str) -> Response {
    let multistatus = read(xml.as_bytes()).unwrap();
    assert_eq!(multistatus.responses.len(), 1, "{multistatus:?}");
    multistatus.responses.into_iter().next().unwrap()
}

#[test]
fn radicale_default_namespace_and_the_token_first() {
    let answer = read(
        br#"<?xml version='1.0' encoding='utf-8'?>
<multistatus xmlns="DAV:"><sync-token>http://radicale.org/ns/sync/2ddd</sync-token>
<response><href>/user/room/b.ics</href><propstat><prop><getetag>"168f"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>
<response><href>/user/room/a.ics</href><status>HTTP/1.1 404 Not Found</status></response></multistatus>"#,
    )
    .unwrap();
    assert_eq!(
        answer.sync_token.as_deref(),
        Some("http://radicale.org/ns/sync/2ddd")
    );
    assert_eq!(
        answer.responses[0].properties.etag.as_deref(),
        Some("\"168f\"")
    );
    assert_eq!(answer.responses[0].status, None);
    assert_eq!(answer.responses[1].status, Some(404));
}

#[test]
fn xandikos_numbered_prefixes_no_declaration_and_404_inside_of_207() {
    let missing = only(
        r#"<ns0:multistatus xmlns:ns0="DAV:"><ns0:response><ns0:href>/user/calendars/none/</ns0:href><ns0:status>HTTP/1.1 404 Not Found</ns0:status></ns0:response></ns0:multistatus>"#,
    );
    assert_eq!(missing.status, Some(404));
    let there = only(
        r#"<ns0:multistatus xmlns:ns0="DAV:" xmlns:ns1="urn:ietf:params:xml:ns:caldav" xmlns:ns2="http://calendarserver.org/ns/"><ns0:response><ns0:href>/user/calendars/room/</ns0:href><ns0:propstat><ns0:status>HTTP/1.1 200 OK</ns0:status><ns0:prop><ns0:resourcetype><ns0:collection /><ns1:calendar /></ns0:resourcetype><ns2:getctag>5f0c</ns2:getctag><ns0:sync-token>5f0c</ns0:sync-token></ns0:prop></ns0:propstat><ns0:propstat><ns0:status>HTTP/1.1 404 Not Found</ns0:status><ns0:prop><ns0:displayname>not this</ns0:displayname></ns0:prop></ns0:propstat></ns0:response></ns0:multistatus>"#,
    );
    let properties = there.properties;
    assert!(properties.is_calendar && properties.is_collection);
    assert_eq!(properties.ctag, properties.sync_token);
    assert_eq!(
        properties.display_name, None,
        "each part has its own status"
    );
}

#[test]
fn cyrus_the_clients_prefixes_and_cdata() {
    let answer = only(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:multistatus xmlns:d=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><d:response>\
         <d:href>/dav/calendars/user/room/Default/a.ics</d:href><d:propstat><d:prop>\
         <d:displayname><![CDATA[Aurora & Co]]></d:displayname><d:getetag>\"x1\"</d:getetag>\
         <C:calendar-data><![CDATA[BEGIN:VCALENDAR\r\nSUMMARY:a<b & c\r\nEND:VCALENDAR\r\n]]></C:calendar-data>\
         </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>",
    );
    assert_eq!(
        answer.properties.display_name.as_deref(),
        Some("Aurora & Co")
    );
    let data = answer.properties.calendar_data.unwrap();
    assert!(data.contains("SUMMARY:a<b & c"), "{data}");
}

#[test]
fn cyrus_a_truncated_report_says_507_of_the_collection() {
    let answer = read(
        br#"<D:multistatus xmlns:D="DAV:"><D:response><D:href>/c/a.ics</D:href><D:propstat><D:prop><D:getetag>"1"</D:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>
<D:response><D:href>/c/</D:href><D:status>HTTP/1.1 507 Insufficient Storage</D:status><D:error><D:number-of-matches-within-limits/></D:error></D:response><D:sync-token>data:,1795414254-13</D:sync-token></D:multistatus>"#,
    )
    .unwrap();
    assert_eq!(answer.responses[1].status, Some(507));
    assert_eq!(answer.sync_token.as_deref(), Some("data:,1795414254-13"));
}

#[test]
fn davical_indented_and_a_home_on_every_resource() {
    let answer = only(
        r#"<?xml version="1.0" encoding="utf-8" ?>
<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
 <response>
  <href>/caldav.php/room/</href>
  <propstat>
   <prop>
    <C:calendar-home-set>
     <href>/caldav.php/room/</href>
    </C:calendar-home-set>
    <current-user-principal>
     <href>/caldav.php/room/</href>
    </current-user-principal>
   </prop>
   <status>HTTP/1.1 200 OK</status>
  </propstat>
 </response>
</multistatus>"#,
    );
    assert_eq!(answer.href, "/caldav.php/room/");
    assert_eq!(answer.properties.home_sets, ["/caldav.php/room/"]);
    assert_eq!(
        answer.properties.principal.as_deref(),
        Some("/caldav.php/room/")
    );
}

#[test]
fn sogo_quotes_as_entities_and_a_calendar_that_is_an_outbox_too() {
    let answer = only(
        r#"<D:multistatus xmlns:D="DAV:" xmlns:a="urn:ietf:params:xml:ns:caldav" xmlns:b="http://calendarserver.org/ns/" xmlns:c="http://groupdav.org/"><D:response><D:href>/SOGo/dav/room/Calendar/personal</D:href><D:propstat><D:prop><D:resourcetype><D:collection/><a:calendar/><c:vevent-collection/><a:schedule-outbox/></D:resourcetype><D:getetag>&quot;gcs00000000&quot;</D:getetag><b:getctag>1795414254</b:getctag><a:supported-calendar-component-set><a:comp name="VEVENT"/><a:comp name="vtodo"/></a:supported-calendar-component-set></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"#,
    );
    assert!(answer.properties.is_calendar);
    assert_eq!(answer.properties.etag.as_deref(), Some("\"gcs00000000\""));
    assert_eq!(answer.properties.components, ["VEVENT", "VTODO"]);
}

#[test]
fn sabre_the_token_is_the_ctag_and_reports_are_listed() {
    let answer = only(
        r#"<d:multistatus xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns" xmlns:cal="urn:ietf:params:xml:ns:caldav" xmlns:cs="http://calendarserver.org/ns/"><d:response><d:href>/calendars/room/aurora/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/><cal:calendar/><cs:shared-owner/></d:resourcetype><cs:getctag>http://sabre.io/ns/sync/11</cs:getctag><d:sync-token>http://sabre.io/ns/sync/11</d:sync-token><d:supported-report-set><d:supported-report><d:report><d:sync-collection/></d:report></d:supported-report><d:supported-report><d:report><cal:calendar-multiget/></d:report></d:supported-report></d:supported-report-set></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#,
    );
    assert!(answer.properties.offers_sync);
    assert_eq!(
        answer.properties.sync_token.as_deref(),
        Some("http://sabre.io/ns/sync/11")
    );
}

#[test]
fn nextcloud_deleted_events_may_be_teapots_and_deleted_calendars_are_marked() {
    let answer = only(
        r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/c/a.ics</d:href><d:status>HTTP/1.1 418 I'm a teapot</d:status></d:response></d:multistatus>"#,
    );
    assert_eq!(answer.status, Some(418));
    let trash = only(
        r#"<d:multistatus xmlns:d="DAV:" xmlns:cal="urn:ietf:params:xml:ns:caldav" xmlns:nc="http://nextcloud.com/ns"><d:response><d:href>/c/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/><cal:calendar/><nc:deleted-calendar/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#,
    );
    assert!(trash.properties.is_deleted);
}

#[test]
fn calypso_and_zoho_empty_properties_are_not_there() {
    for xml in [
        r#"<D:multistatus xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/"><D:response><D:href>/c/</D:href><D:propstat><D:prop><D:sync-token/><CS:getctag></CS:getctag><D:displayname> </D:displayname><D:getetag>bare-tag</D:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"#,
        r#"<D:multistatus xmlns:D="DAV:"><D:response><D:href>/c/</D:href><D:propstat><D:prop/><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"#,
    ] {
        let properties = only(xml).properties;
        assert_eq!(properties.sync_token, None);
        assert_eq!(properties.ctag, None);
        assert_eq!(properties.display_name, None);
        // Unquoted tags are tags.
        assert!(properties.etag.is_none_or(|etag| etag == "bare-tag"));
    }
}

#[test]
fn icloud_and_purelymail_whole_addresses() {
    let answer = only(
        r#"<?xml version="1.0" encoding="UTF-8"?><multistatus xmlns="DAV:"><response xmlns="DAV:"><href>/</href><propstat><prop><calendar-home-set xmlns="urn:ietf:params:xml:ns:caldav"><href xmlns="DAV:">https://p12-caldav.icloud.com:443/123/calendars/</href></calendar-home-set></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"#,
    );
    assert_eq!(
        answer.properties.home_sets,
        ["https://p12-caldav.icloud.com:443/123/calendars/"]
    );
}

#[test]
fn davmail_tags_without_quotes_and_encoded_names() {
    let answer = only(
        r#"<D:multistatus xmlns:D="DAV:"><D:response><D:href>/users/room@x/calendar/AAMk%3D.EML</D:href><D:propstat><D:prop><D:getetag>2015-07-22T00:43:35Z</D:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"#,
    );
    assert_eq!(
        answer.properties.etag.as_deref(),
        Some("2015-07-22T00:43:35Z")
    );
}

#[test]
fn one_response_may_name_several_resources() {
    let answer = read(
        br#"<multistatus xmlns="DAV:"><response><href>/c/a</href><href>/c/b</href><status>HTTP/1.1 404 Not Found</status></response></multistatus>"#,
    )
    .unwrap();
    let hrefs: Vec<&str> = answer
        .responses
        .iter()
        .map(|one| one.href.as_str())
        .collect();
    assert_eq!(hrefs, ["/c/a", "/c/b"]);
}

#[test]
fn names_count_by_namespace_and_never_by_prefix() {
    let answer =
        read(br#"<D:multistatus xmlns:D="http://example.com/"><D:response/></D:multistatus>"#);
    assert_eq!(answer, Err(XmlProblem::Unexpected));
    let error = read(br#"<d:error xmlns:d="DAV:"><d:valid-sync-token/></d:error>"#);
    assert_eq!(error, Err(XmlProblem::Unexpected));
}

#[test]
fn a_control_character_costs_nobody_anything() {
    for control in ["\u{1}", "&#1;", "&#0;", "&#x1F;"] {
        let xml = format!(
            r#"<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><response><href>/c/a</href><propstat><prop><C:calendar-data>SUMMARY:a{control}b</C:calendar-data></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"#
        );
        let data = only(&xml).properties.calendar_data.unwrap();
        assert!(
            data.starts_with("SUMMARY:a") && data.ends_with('b'),
            "{data:?}"
        );
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for xml in [
        "",
        "not xml",
        "<multistatus xmlns=\"DAV:\"><response>",
        "<multistatus xmlns=\"DAV:\"><response></multistatus></response>",
        "<multistatus xmlns=\"DAV:\"><response><href>a & b</href></response></multistatus>",
        "<multistatus xmlns=\"DAV:\"/><multistatus xmlns=\"DAV:\"/>",
        "<!DOCTYPE html><html><body>Sign in<br></body></html>",
    ] {
        assert!(read(xml.as_bytes()).is_err(), "{xml}");
    }
    assert_eq!(
        read(b"<multistatus xmlns=\"DAV:\">\xff</multistatus>"),
        Err(XmlProblem::NotUtf8)
    );
}

#[test]
fn entity_bombs_and_deep_nesting_are_refused_at_once() {
    let bomb = r#"<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><multistatus xmlns="DAV:">&b;</multistatus>"#;
    assert_eq!(read(bomb.as_bytes()), Err(XmlProblem::Entities));
    let unknown = r#"<multistatus xmlns="DAV:">&b;</multistatus>"#;
    assert_eq!(read(unknown.as_bytes()), Err(XmlProblem::Entities));
    let deep = format!("<multistatus xmlns=\"DAV:\">{}", "<a>".repeat(1_000_000));
    assert_eq!(read(deep.as_bytes()), Err(XmlProblem::TooDeep));
}

#[test]
fn tokens_and_addresses_are_escaped_and_otherwise_sent_as_they_came() {
    let asked = ask_for_changes("data:,1&2<3>\"");
    assert!(asked.contains("data:,1&amp;2&lt;3&gt;"), "{asked}");
    assert!(!asked.contains("nresults") && !asked.contains("limit"));
    let asked = ask_for_bodies(["/c/a&b%2bc.ics"].into_iter());
    assert!(
        asked.contains("<d:href>/c/a&amp;b%2bc.ics</d:href>"),
        "{asked}"
    );
    for asked in [ask_for_bodies([].into_iter()), ask_for_events()] {
        assert!(!asked.contains("expand") && !asked.contains("time-range"));
    }
    assert!(ask_for_events().contains("comp-filter name=\"VEVENT\""));
}

#[test]
fn elements_without_a_namespace_are_read() {
    for xml in [
        "<multistatus><response><href>/c/</href><propstat><prop><resourcetype><collection/><calendar/></resourcetype><getctag>7</getctag></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>",
        "<D:multistatus><D:response><D:href>/c/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/><C:calendar/></D:resourcetype><S:getctag>7</S:getctag></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>",
    ] {
        let place = only(xml);
        assert!(place.properties.is_calendar, "{xml}");
        assert_eq!(place.properties.ctag.as_deref(), Some("7"));
    }
    // Another namespace is another name.
    let other = read(b"<multistatus xmlns=\"urn:other\"/>");
    assert_eq!(other, Err(XmlProblem::Unexpected));
}

#[test]
fn one_response_for_many_has_properties_for_one() {
    let answer = read(
        b"<multistatus xmlns=\"DAV:\"><response><href>/a</href><href>/b</href><status>HTTP/1.1 404 Not Found</status></response>\
          <response><href>/c</href><href>/d</href><propstat><prop><getetag>1</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>",
    )
    .unwrap();
    let seen: Vec<_> = answer
        .responses
        .iter()
        .map(|response| {
            (
                response.href.as_str(),
                response.status,
                response.properties.etag.is_some(),
            )
        })
        .collect();
    let expected = [
        ("/a", Some(404), false),
        ("/b", Some(404), false),
        ("/c", None, true),
        ("/d", None, false),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn more_than_any_server_sends_is_refused_by_name() {
    let refused = |inner: String| {
        let text = format!("<multistatus xmlns=\"DAV:\">{inner}</multistatus>");
        read(text.as_bytes()).unwrap_err().to_string()
    };
    let hrefs = "<href>/a</href>".repeat(MAX_HREFS + 1);
    assert_eq!(
        refused(format!("<response>{hrefs}</response>")),
        "more than 120000 addresses"
    );
    let responses = "<response><href>/a</href></response>".repeat(MAX_RESPONSES + 1);
    assert!(refused(responses).starts_with("more than 120000 "));
    let long = "x".repeat(MAX_HREF + 1);
    let href = format!("<response><href>{long}</href></response>");
    assert_eq!(refused(href), "more than 8192 bytes in one address");
    let long = "x".repeat(MAX_PROPERTY + 1);
    let name = format!(
        "<response><propstat><prop><displayname>{long}</displayname></prop></propstat></response>"
    );
    assert_eq!(refused(name), "more than 65536 bytes in one property");
    // What is not asked for may be as long as it likes.
    let text = format!("<multistatus xmlns=\"DAV:\"><x>{long}</x></multistatus>");
    assert!(read(text.as_bytes()).is_ok());
}
