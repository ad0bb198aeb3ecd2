//! The page in a real browser: Debian's chromium, driven by chromedriver.
//!
//! Where they are missing these tests say that they are left out; with `PODCAL_REQUIRE_BROWSER`
//! set they fail. Pictures of what was seen are kept in `target/browser`.

mod driver;

use podcal::sim::Fault;
use serde_json::json;

use self::driver::Browser;
use crate::support::{PASSWORD, Service, World, calendar, hour, meeting, meeting_at, titles};

const AUDIT: &str = include_str!("web_browser/audit.js");
const TAB: char = '\u{E004}';
const ENTER: char = '\u{E007}';

/// Nothing of it may ever be on a page.
const SECRET: &str = "Salary of Ada";

/// Three rooms, of which one cannot be reached.
async fn world() -> World {
    let private =
        meeting_at(SECRET, hour(5), hour(6)).replace("SUMMARY", "CLASS:PRIVATE\r\nSUMMARY");
    let cancelled =
        meeting_at("Choir", hour(2), hour(3)).replace("SUMMARY", "STATUS:CANCELLED\r\nSUMMARY");
    let events = [
        meeting_at("Standup", hour(-1), hour(1)),
        meeting_at("予算会議", hour(2), hour(4)),
        private,
        cancelled,
    ];
    let mut world = World::start().await;
    for room in ["ash", "elm", "oak"] {
        world = world.room(room, &events).await;
    }
    world.set_room("elm", "title", "\"Elm (3rd floor)\"");
    world.set_room("oak", "pods", "[\"https://127.0.0.1:1\"]");
    world.set("web.listen", "\"127.0.0.1:0\"");
    world
}

async fn address(service: &Service) -> String {
    service.says("web.listening").await;
    let log = service.log();
    let (_, rest) = log.rsplit_once("are at http://").unwrap();
    rest.split('/').next().unwrap().to_owned()
}

async fn until_shown(world: &World) {
    for room in ["ash", "elm"] {
        world
            .until("the first push", room, |pod| titles(pod).len() == 3)
            .await;
    }
}

const SETTLED: &str = "document.querySelectorAll('.tile[data-state=in_step]').length === 2 && \
                       document.querySelectorAll('.tile[data-state=out_of_step]').length === 1";

/// The rooms that are to be seen, in order.
const SEEN: &str = "return Array.from(document.querySelectorAll('.tile'), (tile) => tile.checkVisibility() ? \
                    tile.dataset.room : '').filter(Boolean)";

#[tokio::test]
async fn tiles_stand_worst_first_are_filtered_and_follow_changes() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    until_shown(&world).await;
    browser.resize(1280, 800).await;
    browser.open(&format!("http://{address}/")).await;
    browser.until(SETTLED).await;
    assert_eq!(browser.script(SEEN).await, json!(["oak", "ash", "elm"]));
    browser.picture("board-light").await;

    browser.type_into("#q", "3RD").await;
    assert_eq!(browser.script(SEEN).await, json!(["elm"]));
    browser
        .script("document.getElementById('q').value = ''")
        .await;
    browser
        .script(
            "const state = document.getElementById('state'); state.value = 'problems'; \
                    state.dispatchEvent(new Event('input', { bubbles: true }))",
        )
        .await;
    assert_eq!(browser.script(SEEN).await, json!(["oak"]));
    browser
        .script(
            "const state = document.getElementById('state'); state.value = ''; \
                    state.dispatchEvent(new Event('input', { bubbles: true }))",
        )
        .await;

    // The calendar changes, and the page that stays open shows it.
    browser.script("window.isTheSamePage = true").await;
    world.set_feed("ash", &calendar(&[meeting_at("Retro", hour(-1), hour(1))]));
    browser
        .until("document.querySelector('[data-room=ash]').textContent.includes('Retro')")
        .await;
    assert_eq!(
        browser.script("return window.isTheSamePage").await,
        json!(true)
    );
    assert_eq!(browser.complaints().await, [""; 0]);
    service.stop().await;
}

#[tokio::test]
async fn the_wall_is_dark_and_large_only_where_something_is_wrong() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    until_shown(&world).await;
    browser.pretend("screen", "light").await;
    browser.resize(1920, 1080).await;
    browser.open(&format!("http://{address}/wall")).await;
    browser.until(SETTLED).await;
    assert_eq!(browser.script(SEEN).await, json!(["oak", "ash", "elm"]));
    let controls = browser
        .script("return document.querySelectorAll('form, input, select, button').length")
        .await;
    assert_eq!(controls, json!(0));
    let summary = browser
        .script(
            "const sum = document.getElementById('summary'); \
                 return [sum.textContent, parseFloat(getComputedStyle(sum).fontSize) >= 32]",
        )
        .await;
    assert_eq!(
        summary,
        json!(["2 of 3 rooms in step, 1 out of step", true])
    );
    let ground = browser
        .script("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        .await;
    let ground: Vec<u64> = serde_json::from_value(ground).unwrap();
    assert!(
        ground.iter().all(|part| *part < 40),
        "{ground:?} is not dark"
    );
    let areas = "const area = (room) => { const box = document.querySelector(`[data-room=${room}]`)\
                 .getBoundingClientRect(); return box.width * box.height; }; ";
    let larger =
        |one: &str, other: &str| format!("{areas} return area('{one}') > 2 * area('{other}')");
    assert_eq!(browser.script(&larger("oak", "ash")).await, json!(true));
    browser.picture("wall").await;

    // It follows by itself: ash goes wrong, and is large and among the first.
    browser.script("window.isTheSamePage = true").await;
    world.pod("ash").fault(Fault::refuse());
    browser
        .until("document.querySelector('[data-room=ash][data-state=out_of_step]')")
        .await;
    assert_eq!(browser.script(SEEN).await, json!(["ash", "oak", "elm"]));
    assert_eq!(browser.script(&larger("ash", "elm")).await, json!(true));
    let sum = browser
        .script("return document.getElementById('summary').textContent")
        .await;
    assert_eq!(sum, json!("1 of 3 rooms in step, 2 out of step"));
    assert_eq!(
        browser.script("return window.isTheSamePage").await,
        json!(true)
    );

    // For one floor: what comes in later is filtered too.
    world.pod("ash").clear_faults();
    browser.open(&format!("http://{address}/wall?q=elm")).await;
    assert_eq!(browser.script(SEEN).await, json!(["elm"]));
    browser
        .until("document.querySelector('[data-room=ash][data-state=in_step]')")
        .await;
    assert_eq!(browser.script(SEEN).await, json!(["elm"]));
    assert_eq!(browser.complaints().await, [""; 0]);
    service.stop().await;
}

#[tokio::test]
async fn a_room_is_reached_by_keyboard_and_explains_a_moment() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    until_shown(&world).await;
    browser.resize(1000, 900).await;
    browser.open(&format!("http://{address}/?q=ash")).await;
    browser
        .until("document.querySelector('[data-room=ash][data-state=in_step]')")
        .await;
    // First of all a way past the filter; then everything in order, and each shows that it has the
    // focus.
    let mut passed = Vec::new();
    for _ in 0..12 {
        browser.press(TAB).await;
        let focused = browser
            .script("const at = document.activeElement; const style = getComputedStyle(at); \
                     return [at.textContent || at.id, style.outlineStyle !== 'none' || at.className === 'skip']")
            .await;
        assert_eq!(focused[1], json!(true), "{focused} does not show its focus");
        let name = focused[0].as_str().unwrap().to_owned();
        passed.push(name.clone());
        if name == "ash" {
            break;
        }
    }
    assert_eq!(passed[0], "Skip to the content");
    assert_eq!(passed.last().unwrap(), "ash", "{passed:?}");
    browser.press(ENTER).await;
    browser.until("document.querySelector('#explain')").await;
    let timeline = browser
        .script("return document.querySelectorAll('svg.timeline .meeting').length")
        .await;
    assert!(timeline.as_u64().unwrap() >= 3, "{timeline}");

    // The zone of the world is UTC.
    let at = jiff::Timestamp::from_second(hour(2) + 1800).unwrap();
    let at = at.strftime("%Y-%m-%dT%H:%M").to_string();
    browser
        .script(&format!("document.getElementById('at').value = '{at}'"))
        .await;
    browser.click("#at ~ button").await;
    browser.until("document.querySelector('.answer')").await;
    let answer = browser
        .script("return document.querySelector('.answer').innerText")
        .await;
    let answer = answer.as_str().unwrap();
    for words in [
        "the display shows `予算会議`",
        "It does not show `Choir`: cancelled",
        "Private meeting",
    ] {
        assert!(answer.contains(words), "{words} in {answer}");
    }
    browser.picture("room-explained").await;

    // What one is typing survives a change of the room.
    browser
        .script("document.getElementById('at').value = '2031-01-02T03:04'")
        .await;
    world.set_feed("ash", &calendar(&[meeting("Retro", 3)]));
    browser
        .until("document.getElementById('live').textContent.includes('Retro')")
        .await;
    let typed = browser
        .script("return document.getElementById('at').value")
        .await;
    assert_eq!(typed, json!("2031-01-02T03:04"));
    browser.click("#at ~ button").await;
    browser.until("document.querySelector('#at-fault')").await;
    assert_eq!(browser.complaints().await, [""; 0]);
    service.stop().await;
}

#[tokio::test]
async fn every_page_can_be_read_in_both_themes_on_paper_and_on_a_phone() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    until_shown(&world).await;
    browser.open(&format!("http://{address}/")).await;
    browser.until(SETTLED).await;
    let at = jiff::Timestamp::from_second(hour(2) + 1800).unwrap();
    let room = format!("/rooms/elm?at={}", at.strftime("%Y-%m-%dT%H:%M"));
    for (name, path) in [("board", "/"), ("wall", "/wall"), ("room", room.as_str())] {
        browser.open(&format!("http://{address}{path}")).await;
        for (medium, theme) in [("screen", "light"), ("screen", "dark"), ("print", "light")] {
            browser.pretend(medium, theme).await;
            browser.resize(1280, 800).await;
            let audit = browser.script(AUDIT).await;
            assert!(audit["looked"].as_u64().unwrap() > 10, "{audit}");
            assert_eq!(audit["poor"], json!([]), "{name}, {medium}, {theme}");
            browser.picture(&format!("{name}-{medium}-{theme}")).await;
        }
        let printed = browser
            .script("return Array.from(document.querySelectorAll('form, nav'), (part) => part.checkVisibility())")
            .await;
        assert!(
            !printed.as_array().unwrap().contains(&json!(true)),
            "{printed}"
        );
        browser.pretend("screen", "light").await;
        browser.resize(320, 700).await;
        let wide = browser
            .script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            .await;
        assert_eq!(wide, json!(0), "{name} scrolls sideways on a phone");
        browser.picture(&format!("{name}-phone")).await;
        let source = browser
            .script("return document.documentElement.outerHTML")
            .await;
        assert!(!source.as_str().unwrap().contains(SECRET), "{name}");
        let names = browser
            .script("return Array.from(document.querySelectorAll('input, select, table'), (part) => Boolean(part.labels \
                     ? part.labels.length : part.closest('[aria-label], [aria-labelledby]')))")
            .await;
        assert!(
            !names.as_array().unwrap().contains(&json!(false)),
            "{name}: {names}"
        );
    }
    assert_eq!(browser.complaints().await, [""; 0]);
    // The two checks above do see what is wrong.
    browser
        .script("document.querySelector('h1').style.color = '#888'; document.querySelector('main p').style.color = '#999'")
        .await;
    let audit = browser.script(AUDIT).await;
    assert!(!audit["poor"].as_array().unwrap().is_empty(), "{audit}");
    browser
        .script("document.body.appendChild(document.createElement('script')).textContent = 'window.ran = true'")
        .await;
    assert_eq!(
        browser.script("return window.ran === undefined").await,
        json!(true)
    );
    assert!(
        !browser.complaints().await.is_empty(),
        "a breach of the policy is seen"
    );
    service.stop().await;
}

#[tokio::test]
async fn five_thousand_tiles_are_filtered_while_one_types() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let world = world().await;
    let service = world.serve();
    let address = address(&service).await;
    until_shown(&world).await;
    browser.resize(1280, 800).await;
    browser.open(&format!("http://{address}/")).await;
    browser.until(SETTLED).await;
    let milliseconds = browser
        .script(
            "const tile = document.querySelector('[data-room=ash]'); const list = document.getElementById('tiles'); \
             for (let n = 0; n < 5000; n += 1) { const copy = tile.cloneNode(true); copy.dataset.room = 'x' + n; \
             copy.dataset.text = 'room ' + n; list.append(copy); } \
             document.body.offsetHeight; const from = performance.now(); \
             document.getElementById('q').value = '4321'; filter(); document.body.offsetHeight; \
             return performance.now() - from",
        )
        .await;
    assert_eq!(browser.script(SEEN).await, json!(["x4321"]));
    // Some 20 ms where nothing else runs; what was wrong once took 4,800.
    assert!(milliseconds.as_f64().unwrap() < 1500.0, "{milliseconds} ms");
    service.stop().await;
}

#[tokio::test]
async fn with_a_login_the_page_comes_with_it_and_follows_changes() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let world = world()
        .await
        .with("web.username", "\"desk\"")
        .with("web.password", &format!("{PASSWORD:?}"));
    let service = world.serve();
    let address = address(&service).await;
    until_shown(&world).await;
    browser.open(&format!("http://{address}/")).await;
    let refused = browser
        .script("return document.querySelectorAll('.tile').length")
        .await;
    assert_eq!(refused, json!(0));
    browser.complaints().await;
    browser
        .open(&format!("http://desk:{PASSWORD}@{address}/"))
        .await;
    browser.until(SETTLED).await;
    world.set_feed("ash", &calendar(&[meeting_at("Retro", hour(-1), hour(1))]));
    browser
        .until("document.querySelector('[data-room=ash]').textContent.includes('Retro')")
        .await;
    assert_eq!(browser.complaints().await, [""; 0]);
    service.stop().await;
}

#[tokio::test]
async fn the_simulators_wall_makes_pods_go_wrong_and_shows_it() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let world = World::start().await;
    let simulate = [
        "simulate",
        "--listen",
        "127.0.0.1:0",
        "--control",
        "127.0.0.1:0",
        "--json",
    ];
    let (_pods, document) = world.begin_json(&simulate).await;
    let control = document["control_url"].as_str().unwrap();
    browser.resize(1000, 700).await;
    browser.open(control).await;
    let state = "document.querySelector('article[data-pod=\"1\"] .state').textContent";
    browser.until(&format!("{state}.includes('Free')")).await;
    let is_reached = async || {
        let address = document["pods"][0]["pod"].as_str().unwrap();
        let ran = world
            .podcal(&["pod", address, "--no-password", "--insecure", "info"])
            .await;
        ran.code() == Some(0)
    };
    assert!(is_reached().await, "the pod answers before the fault");
    let press = |says: &str| {
        format!(
            "Array.from(document.querySelectorAll('button')).find((one) => one.textContent === '{says}').click()"
        )
    };
    browser.script(&press("Refuse connections")).await;
    browser
        .until("document.getElementById('says').textContent === 'Refuse connections: done'")
        .await;
    browser
        .until(&format!("{state}.includes('Faults: refuse')"))
        .await;
    browser.picture("simulator").await;
    assert!(!is_reached().await, "the pod refuses");
    browser.script(&press("Clear faults")).await;
    browser.until(&format!("!{state}.includes('Faults')")).await;
    assert!(is_reached().await, "the pod answers again");
    assert_eq!(browser.complaints().await, [""; 0]);
}
