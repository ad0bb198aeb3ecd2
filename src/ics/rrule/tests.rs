use super::super::series::Until;
use super::*;
use jiff::civil::date as day;

fn rule(text: &str) -> Rule {
    let read = read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    read.rule
}

#[test]
fn rules_are_read_in_any_case_and_order() {
    let read = rule("wkst=su;byday=tu,MO,mo;Interval=2;freq=weekly;count=10;");
    assert_eq!(read.freq, Freq::Weekly);
    assert_eq!((read.interval, read.count), (2, Some(10)));
    assert_eq!(read.week_start, Weekday::Sunday);
    let days: Vec<_> = read.by_day.iter().map(|day| day.weekday).collect();
    assert_eq!(days, [Weekday::Monday, Weekday::Tuesday]);
}

#[test]
fn parts_that_nobody_knows_are_passed_over() {
    assert_eq!(
        rule("FREQ=DAILY;X-FOO=1;;BYEASTER=3;COUNT=3;BYDAY="),
        rule("FREQ=DAILY;COUNT=3")
    );
    assert_eq!(
        rule("RRULE:Anything;FREQ=WEEKLY"),
        rule("FREQ=WEEKLY"),
        "written by a program that repeats the name"
    );
    assert_eq!(
        rule("RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD").skip,
        Skip::Backward
    );
}

#[test]
fn until_is_read_in_every_form() {
    let until = |text: &str| rule(&format!("FREQ=DAILY;UNTIL={text}")).until.unwrap();
    assert_eq!(until("20261203"), Until::Date(day(2026, 12, 3)));
    assert_eq!(
        until("20261203T090000"),
        Until::Local(day(2026, 12, 3).at(9, 0, 0, 0))
    );
    let utc = Until::Utc(day(2026, 12, 3).at(9, 0, 0, 0));
    assert_eq!(until("20261203T090000Z"), utc);
    assert_eq!(until("2026-12-03T10:00:00+01:00"), utc);
}

#[test]
fn numbers_out_of_range_are_dropped() {
    assert_eq!(rule("FREQ=DAILY;INTERVAL=0").interval, 1);
    assert_eq!(rule("FREQ=DAILY;INTERVAL=-5").interval, 1);
    assert_eq!(
        rule("FREQ=DAILY;INTERVAL=99999999999999999999").interval,
        u32::MAX
    );
    assert_eq!(rule("FREQ=DAILY;COUNT=4294967296").count, Some(u32::MAX));
    let monthly = rule("FREQ=MONTHLY;BYMONTHDAY=31,-1,0,32,+15,15,x");
    assert_eq!(monthly.by_month_day, [-1, 15, 31]);
    assert_eq!(rule("FREQ=DAILY;BYSECOND=58,59,60").by_second, [58, 59]);
    let ordinals = rule("FREQ=YEARLY;BYDAY=-1SU,+2MO,99TU,MO,XX,é");
    let ordinals: Vec<_> = ordinals.by_day.iter().map(|day| day.ordinal).collect();
    assert_eq!(ordinals, [-1, 0, 2]);
}

/// A part that is dropped whole would make the rule say much more than was meant.
#[test]
fn a_rule_that_would_mean_something_else_is_no_rule() {
    for (text, part) in [
        ("", "FREQ"),
        ("FREQ=FORTNIGHTLY", "FREQ"),
        ("INTERVAL=2", "FREQ"),
        ("FREQ=DAILY;COUNT=0", "COUNT"),
        ("FREQ=DAILY;COUNT=-3", "COUNT"),
        ("FREQ=DAILY;UNTIL=whenever", "UNTIL"),
        ("FREQ=DAILY;BYMONTH=13", "BYMONTH"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY"),
        ("FREQ=WEEKLY;BYDAY=FOO", "BYDAY"),
        ("FREQ=YEARLY;BYYEARDAY=x", "BYYEARDAY"),
    ] {
        assert_eq!(read(text), Err(NoRule::Unreadable(part)), "{text}");
    }
    assert_eq!(read("RSCALE=HEBREW;FREQ=YEARLY"), Err(NoRule::Scale));
}

#[test]
fn lists_are_read_as_they_were_meant() {
    let days = |text: &str| {
        let rule = rule(&format!("FREQ=MONTHLY;BYDAY={text}"));
        let shown = rule.by_day.iter().map(|day| (day.ordinal, day.weekday));
        shown.collect::<Vec<_>>()
    };
    use Weekday::*;
    let week = [Monday, Tuesday, Wednesday, Thursday, Friday].map(|day| (0, day));
    for text in [
        "\"MO,TU,WE,TH,FR\"",
        "\"MO\",\"TU\",'WE',TH,FR",
        "MO\\,TU\\,WE\\,TH\\,FR",
        "MO TU WE TH FR",
        "Mon,Tue,Wednesday,thu,FRI",
        "MO,TU;BYDAY=WE,TH,FR",
        "MO,TU,WE,TH,FR,FR,MO,",
    ] {
        assert_eq!(days(text), week, "{text}");
        let text = format!("FREQ=WEEKLY;BYDAY={text};COUNT=3");
        assert_eq!(read(&text).unwrap().left_out, [], "{text}");
    }
    assert_eq!(days("\"TH,TH\""), [(0, Thursday)]);
    assert_eq!(days("255SU"), [(-1, Sunday)]);
    assert_eq!(days("254FR,+1MO"), [(-2, Friday), (1, Monday)]);
    assert_eq!(days("1 MO,2-TU"), [(-2, Tuesday), (1, Monday)]);
    assert_eq!(rule("FREQ=MONTHLY;BYMONTHDAY=255").by_month_day, [-1]);
    assert_eq!(rule("FREQ=YEARLY;BYYEARDAY=255").by_year_day, [255]);
    assert_eq!(rule("\"FREQ=DAILY;COUNT=3\"").count, Some(3));
    assert_eq!(rule("FREQ=DAILY\\;COUNT=3").count, Some(3));
}

#[test]
fn nothing_is_left_out_in_silence() {
    use LeftOut::*;
    for (text, same, left_out) in [
        (
            "FREQ=WEEKLY;BYDAY=MO,XX,99TU,é",
            "FREQ=WEEKLY;BYDAY=MO",
            vec![Entry("BYDAY")],
        ),
        ("FREQ=DAILY;COUNT=-1", "FREQ=DAILY", vec![Entry("COUNT")]),
        (
            "FREQ=DAILY;COUNT=0;UNTIL=20260110",
            "FREQ=DAILY;UNTIL=20260110",
            vec![Entry("COUNT")],
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=1,32,x",
            "FREQ=MONTHLY;BYMONTHDAY=1",
            vec![Entry("BYMONTHDAY")],
        ),
        (
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY",
            vec![Entry("INTERVAL")],
        ),
        ("FREQ=DAILY;WKST=X", "FREQ=DAILY", vec![Entry("WKST")]),
        // Section 3.3.10 forbids these there.
        (
            "FREQ=MONTHLY;BYYEARDAY=1,100;BYDAY=MO",
            "FREQ=MONTHLY;BYDAY=MO",
            vec![Forbidden("BYYEARDAY")],
        ),
        (
            "BYYEARDAY=x;FREQ=WEEKLY",
            "FREQ=WEEKLY",
            vec![Forbidden("BYYEARDAY")],
        ),
        (
            "FREQ=DAILY;BYYEARDAY=1,x",
            "FREQ=DAILY",
            vec![Forbidden("BYYEARDAY")],
        ),
        (
            "FREQ=WEEKLY;BYMONTHDAY=13",
            "FREQ=WEEKLY",
            vec![Forbidden("BYMONTHDAY")],
        ),
        (
            "FREQ=MONTHLY;BYWEEKNO=2;BYDAY=1MO",
            "FREQ=MONTHLY;BYDAY=1MO",
            vec![Forbidden("BYWEEKNO")],
        ),
        (
            "FREQ=HOURLY;BYWEEKNO=2",
            "FREQ=HOURLY",
            vec![Forbidden("BYWEEKNO")],
        ),
        (
            "FREQ=DAILY;BYSETPOS=2",
            "FREQ=DAILY",
            vec![Forbidden("BYSETPOS")],
        ),
        (
            "FREQ=WEEKLY;BYMONTHDAY=1;BYSETPOS=1",
            "FREQ=WEEKLY",
            vec![Forbidden("BYMONTHDAY"), Forbidden("BYSETPOS")],
        ),
        (
            "FREQ=WEEKLY;BYDAY=1MO,2MO,-1FR",
            "FREQ=WEEKLY;BYDAY=MO,FR",
            vec![Ordinals],
        ),
        (
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO",
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
            vec![Ordinals],
        ),
        ("FREQ=HOURLY;BYYEARDAY=1", "FREQ=HOURLY;BYYEARDAY=1", vec![]),
        ("FREQ=YEARLY;BYDAY=20MO", "FREQ=YEARLY;BYDAY=20MO", vec![]),
    ] {
        let read = read(text).unwrap();
        assert_eq!(read.rule, rule(same), "{text}");
        assert_eq!(read.left_out, left_out, "{text}");
    }
}

#[test]
fn a_list_of_millions_costs_no_memory() {
    let list = "1,".repeat(1_000_000);
    let read = rule(&format!("FREQ=DAILY;BYHOUR={list}2"));
    assert!(read.by_hour.capacity() <= 2 * MAX_LIST);
}
