use std::fmt::Write as _;

use super::*;
use crate::expand::written::{rule, time};

/// Nothing here needs more.
const STEPS: u64 = 10_000_000;

fn pattern(start: &str, text: &str) -> Pattern {
    let rule = rule(text);
    let start = Wall::from_local(time(start));
    let until = match rule.until {
        Some(crate::ics::series::Until::Utc(until) | crate::ics::series::Until::Local(until)) => {
            Wall::from_local(until)
        }
        Some(crate::ics::series::Until::Date(date)) => Day::from_date(date).midnight().plus(86_399),
        None => Wall::MAX,
    };
    Pattern::new(&rule, start, false, until)
}

/// The first wall times of a rule, at most so many.
pub(super) fn first(pattern: &Pattern, from: Wall, to: Wall, most: usize) -> Vec<Wall> {
    let mut walls = Vec::new();
    let mut allowance = Allowance::of_steps(STEPS);
    let result = pattern.between(from, to, &mut allowance, &mut |wall| {
        walls.push(wall);
        if walls.len() == most {
            ControlFlow::Break(Spent::Instances)
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_ne!(result, Err(Spent::Steps));
    walls
}

/// `expected` lists what comes first, as YYYYMMDD where the time is that of the
/// start, else as YYYYMMDDTHHMM or just THHMM on the day before it in the list;
/// `...` at its end says that more follows, else there must be no more.
fn check(start: &str, text: &str, expected: &str) {
    let goes_on = expected.trim_end().ends_with("...");
    let mut day = String::new();
    let expected: Vec<String> = expected
        .trim_end()
        .trim_end_matches("...")
        .split_whitespace()
        .map(|word| {
            let (date, time) = word.split_once('T').unwrap_or((word, ""));
            if !date.is_empty() {
                day = date.to_owned();
            }
            if time.is_empty() {
                format!("{day}{}", start.split_at(8).1)
            } else {
                format!("{day}T{time:0<6}")
            }
        })
        .collect();
    let pattern = pattern(start, text);
    let most = expected.len() + usize::from(!goes_on);
    let found: Vec<String> = first(&pattern, Wall::MIN, Wall::MAX, most)
        .iter()
        .map(|wall| wall.local().strftime("%Y%m%dT%H%M%S").to_string())
        .collect();
    assert_eq!(found, expected, "{start} {text}");
    assert!(pattern.is_on_rule(), "{start} is on {text}");
    // The same must come out when the walk begins at each of them.
    let all = first(&pattern, Wall::MIN, Wall::MAX, most);
    for (index, from) in all.iter().enumerate() {
        let rest = first(&pattern, *from, Wall::MAX, most - index);
        assert_eq!(rest, all[index..], "from {from:?}: {start} {text}");
    }
}

const START: &str = "19970902T090000";

#[test]
fn daily_rules_of_rfc_5545_section_3_8_5_3() {
    check(
        START,
        "FREQ=DAILY;COUNT=10",
        "19970902 19970903 19970904 19970905 19970906 19970907 19970908 19970909 19970910 19970911",
    );
    let christmas = pattern(START, "FREQ=DAILY;UNTIL=19971224T000000Z");
    assert_eq!(first(&christmas, Wall::MIN, Wall::MAX, 1_000).len(), 113);
    check(
        START,
        "FREQ=DAILY;INTERVAL=2",
        "19970902 19970904 19970906 19970908 19970910 ...",
    );
    check(
        START,
        "FREQ=DAILY;INTERVAL=10;COUNT=5",
        "19970902 19970912 19970922 19971002 19971012",
    );
    for text in [
        "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
        "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
    ] {
        let januaries = first(
            &pattern("19980101T090000", text),
            Wall::MIN,
            Wall::MAX,
            1_000,
        );
        assert_eq!(januaries.len(), 93, "{text}");
        assert!(januaries.iter().all(|wall| wall.local().month() == 1));
    }
}

#[test]
fn weekly_rules_of_rfc_5545_section_3_8_5_3() {
    let ten_weeks = "19970902 19970909 19970916 19970923 19970930 \
        19971007 19971014 19971021 19971028 19971104";
    check(START, "FREQ=WEEKLY;COUNT=10", ten_weeks);
    let christmas = pattern(START, "FREQ=WEEKLY;UNTIL=19971224T000000Z");
    assert_eq!(first(&christmas, Wall::MIN, Wall::MAX, 1_000).len(), 17);
    check(
        START,
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "19970902 19970916 19970930 19971014 19971028 19971111 19971125 19971209 19971223 \
         19980106 19980120 19980203 19980217 ...",
    );
    let tuesday_and_thursday = "19970902 19970904 19970909 19970911 19970916 19970918 19970923 \
        19970925 19970930 19971002";
    check(
        START,
        "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
        tuesday_and_thursday,
    );
    check(
        START,
        "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
        tuesday_and_thursday,
    );
    check(
        "19970901T090000",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "19970901 19970903 19970905 19970915 19970917 19970919 19970929 19971001 19971003 \
         19971013 19971015 19971017 19971027 19971029 19971031 19971110 19971112 19971114 \
         19971124 19971126 19971128 19971208 19971210 19971212 19971222",
    );
    check(
        START,
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "19970902 19970904 19970916 19970918 19970930 19971002 19971014 19971016",
    );
    check(
        "19970805T090000",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
        "19970805 19970810 19970819 19970824",
    );
    check(
        "19970805T090000",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
        "19970805 19970817 19970819 19970831",
    );
}

#[test]
fn monthly_rules_of_rfc_5545_section_3_8_5_3() {
    for (start, text, expected) in [
        (
            "19970905T090000",
            "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
            "19970905 19971003 19971107 19971205 19980102 19980206 19980306 19980403 19980501 19980605",
        ),
        (
            "19970905T090000",
            "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
            "19970905 19971003 19971107 19971205",
        ),
        (
            "19970907T090000",
            "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
            "19970907 19970928 19971102 19971130 19980104 19980125 19980301 19980329 19980503 19980531",
        ),
        (
            "19970922T090000",
            "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
            "19970922 19971020 19971117 19971222 19980119 19980216",
        ),
        (
            "19970928T090000",
            "FREQ=MONTHLY;BYMONTHDAY=-3",
            "19970928 19971029 19971128 19971229 19980129 19980226 ...",
        ),
        (
            "19970902T090000",
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
            "19970902 19970915 19971002 19971015 19971102 19971115 19971202 19971215 19980102 19980115",
        ),
        (
            "19970930T090000",
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
            "19970930 19971001 19971031 19971101 19971130 19971201 19971231 19980101 19980131 19980201",
        ),
        (
            "19970910T090000",
            "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
            "19970910 19970911 19970912 19970913 19970914 19970915 19990310 19990311 19990312 19990313",
        ),
        (
            "19970902T090000",
            "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
            "19970902 19970909 19970916 19970923 19970930 19971104 19971111 19971118 19971125 \
             19980106 19980113 19980120 19980127 19980303 ...",
        ),
        (
            "19980213T090000",
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            "19980213 19980313 19981113 19990813 20001013 ...",
        ),
        (
            "19970913T090000",
            "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
            "19970913 19971011 19971108 19971213 19980110 19980207 19980307 19980411 19980509 19980613 ...",
        ),
        (
            "19970904T090000",
            "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
            "19970904 19971007 19971106",
        ),
        (
            "19970929T090000",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
            "19970929 19971030 19971127 19971230 19980129 19980226 19980330 ...",
        ),
        (
            "20070115T090000",
            "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
            "20070115 20070130 20070215 20070315 20070330",
        ),
    ] {
        check(start, text, expected);
    }
}

#[test]
fn yearly_rules_of_rfc_5545_section_3_8_5_3() {
    for (start, text, expected) in [
        (
            "19970610T090000",
            "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
            "19970610 19970710 19980610 19980710 19990610 19990710 20000610 20000710 20010610 20010710",
        ),
        (
            "19970310T090000",
            "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
            "19970310 19990110 19990210 19990310 20010110 20010210 20010310 20030110 20030210 20030310",
        ),
        (
            "19970101T090000",
            "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
            "19970101 19970410 19970719 20000101 20000409 20000718 20030101 20030410 20030719 20060101",
        ),
        (
            "19970519T090000",
            "FREQ=YEARLY;BYDAY=20MO",
            "19970519 19980518 19990517 ...",
        ),
        (
            "19970512T090000",
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
            "19970512 19980511 19990517 ...",
        ),
        (
            "19970313T090000",
            "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
            "19970313 19970320 19970327 19980305 19980312 19980319 19980326 19990304 19990311 \
             19990318 19990325 ...",
        ),
        (
            "19970605T090000",
            "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
            "19970605 19970612 19970619 19970626 19970703 19970710 19970717 19970724 19970731 \
             19970807 19970814 19970821 19970828 19980604 ...",
        ),
        (
            "19961105T090000",
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            "19961105 20001107 20041102 ...",
        ),
    ] {
        check(start, text, expected);
    }
}

#[test]
fn rules_shorter_than_a_day_of_rfc_5545_section_3_8_5_3() {
    check(
        START,
        "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000",
        "19970902 T1200 T1500",
    );
    check(
        START,
        "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
        "19970902 T0915 T0930 T0945 T1000 T1015",
    );
    check(
        START,
        "FREQ=MINUTELY;INTERVAL=90;COUNT=4",
        "19970902 T1030 T1200 T1330",
    );
    let all = |text: &str| first(&pattern(START, text), Wall::MIN, Wall::MAX, 200);
    let by_product = all("FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40;BYSECOND=0");
    let by_limits = all("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16");
    assert_eq!(by_product, by_limits);
    check(
        "19970902T080000",
        "FREQ=DAILY;INTERVAL=2;BYHOUR=8,9;BYMINUTE=0,30",
        "19970902 T0830 T0900 T0930 19970904T0800 ...",
    );
    check(
        START,
        "FREQ=SECONDLY;INTERVAL=1800;BYMINUTE=30,0;COUNT=3",
        "19970902 T0930 T1000",
    );
    check(
        "20260105T235930",
        "FREQ=SECONDLY;BYSECOND=30;BYDAY=MO,WE;COUNT=3",
        "20260105 20260107T000030 T000130",
    );
    check(
        START,
        "FREQ=HOURLY;BYMINUTE=0,10,20;BYSETPOS=-1,1;COUNT=4",
        "19970902 T0920 T1000 T1020",
    );
    check(
        START,
        "FREQ=HOURLY;INTERVAL=7;BYMONTH=9,12;BYDAY=TU;COUNT=5",
        "19970902 T1600 T2300 19970909T0200 T0900",
    );
}

#[test]
fn days_that_a_month_does_not_have_are_left_out() {
    check(
        "20260131T090000",
        "FREQ=MONTHLY",
        "20260131 20260331 20260531 20260731 20260831 20261031 20261231 ...",
    );
    check(
        "20240229T090000",
        "FREQ=YEARLY",
        "20240229 20280229 20320229 ...",
    );
    check(
        "20960229T090000",
        "FREQ=YEARLY",
        "20960229 21040229 21080229 ...",
    );
    check(
        "20241231T090000",
        "FREQ=YEARLY;BYYEARDAY=366",
        "20241231 20281231 ...",
    );
}

/// RFC 7529 section 4.1.
#[test]
fn skip_moves_days_that_are_not_there() {
    check(
        "20260131T090000",
        "FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=BACKWARD",
        "20260131 20260228 20260331 20260430 20260531 ...",
    );
    check(
        "20260131T090000",
        "FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=FORWARD",
        "20260131 20260301 20260331 20260501 20260531 20260701 ...",
    );
    check(
        "20240229T090000",
        "FREQ=YEARLY;RSCALE=GREGORIAN;SKIP=FORWARD",
        "20240229 20250301 20260301 20270301 20280229 ...",
    );
    check(
        "20240229T090000",
        "FREQ=YEARLY;RSCALE=GREGORIAN;SKIP=BACKWARD",
        "20240229 20250228 20260228 20270228 20280229 ...",
    );
    check(
        "20260430T090000",
        "FREQ=MONTHLY;BYMONTHDAY=31;RSCALE=GREGORIAN;SKIP=BACKWARD;BYDAY=TH,SU",
        "20260430 20260531 20261231 20270131 20270228 ...",
    );
}

/// Weeks have at least four days in their year; some years have 53 of them.
#[test]
fn week_numbers_cross_the_year() {
    check(
        "20241230T090000",
        "FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO,SU",
        "20241230 20250105 20251229 20260104 20270104 20270110 ...",
    );
    check(
        "20201228T090000",
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO",
        "20201228 20261228 20321227 ...",
    );
    check(
        "20201228T090000",
        "FREQ=YEARLY;BYWEEKNO=-1;BYDAY=MO",
        "20201228 20211227 20221226 20231225 20241223 ...",
    );
    check(
        "20260104T090000",
        "FREQ=YEARLY;BYWEEKNO=1;BYDAY=SU;WKST=SU",
        "20260104 20270103 20280102 20281231 ...",
    );
    // The weekday is left to the start.
    check(
        "20260113T090000",
        "FREQ=YEARLY;BYWEEKNO=3",
        "20260113 20270119 20280118 ...",
    );
}

#[test]
fn ordinals_are_united_with_plain_weekdays_and_mean_nothing_in_weeks() {
    check(
        "20260105T090000",
        "FREQ=MONTHLY;BYDAY=2SA,MO",
        "20260105 20260110 20260112 20260119 20260126 20260202 20260209 20260214 ...",
    );
    check(
        "20251201T090000",
        "FREQ=WEEKLY;BYDAY=1MO",
        "20251201 20251208 20251215 ...",
    );
    check(
        "20260119T090000",
        "FREQ=MONTHLY;BYDAY=3WE,5SU,3MO",
        "20260119 20260121 20260216 20260218 20260316 20260318 20260329 ...",
    );
    check(
        "20260105T090000",
        "FREQ=YEARLY;BYDAY=1MO,-1FR",
        "20260105 20261225 20270104 20271231 ...",
    );
    check(
        "20261126T090000",
        "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
        "20261126 20271125 20281123 ...",
    );
}

#[test]
fn intervals_keep_their_phase_however_far_away() {
    check(
        "20251231T090000",
        "FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,WE,FR",
        "20251231 20260102 20260119 20260121 20260123 20260209 ...",
    );
    check(
        "20251115T120000",
        "FREQ=MONTHLY;INTERVAL=5",
        "20251115 20260415 20260915 ...",
    );
    check(
        "20200101T000000",
        "FREQ=HOURLY;INTERVAL=100",
        "20200101 20200105T0400 20200109T0800 ...",
    );
    check(
        "20260105T090000",
        "FREQ=YEARLY;INTERVAL=4294967295",
        "20260105",
    );
    check(
        "20260105T090000",
        "FREQ=SECONDLY;INTERVAL=4294967295;COUNT=2",
        "20260105 21620211T152815",
    );
}

/// The impossible ones end, and cost no more than the days that were asked for.
#[test]
fn rules_that_never_come_true_end() {
    for text in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
        "FREQ=MINUTELY;INTERVAL=60;BYMINUTE=17",
    ] {
        for count in ["", ";COUNT=10"] {
            let pattern = pattern("20200101T090000", &format!("{text}{count}"));
            assert!(!pattern.is_on_rule());
            let day = Wall::from_local(time("20260201T000000"));
            let found = first(&pattern, day, day.plus(60 * 86_400), 10);
            assert_eq!(found, [], "{text}{count}");
        }
    }
}

#[test]
fn a_second_of_sixty_is_the_last_of_its_minute() {
    check(
        "20260105T090059",
        "FREQ=DAILY;BYSECOND=59,60;COUNT=2",
        "20260105 20260106",
    );
}

#[test]
fn counting_takes_no_longer_than_walking_to_the_window() {
    for text in [
        "FREQ=DAILY;COUNT=4294967295",
        "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4294967295",
        "FREQ=SECONDLY;COUNT=4294967295",
        "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=4,5,6;COUNT=4294967295",
    ] {
        let pattern = pattern("19000101T010400", text);
        let from = Wall::from_local(time("20260105T000000"));
        let mut found = 0;
        let mut allowance = Allowance::of_steps(200);
        let result = pattern.between(from, from.plus(86_400), &mut allowance, &mut |_| {
            found += 1;
            if found == 1 {
                ControlFlow::Break(Spent::Instances)
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!((found, result), (1, Err(Spent::Instances)), "{text}");
    }
}

/// The count runs out where it would if each were counted out.
#[test]
fn counts_that_are_jumped_end_where_counted_ones_do() {
    for text in [
        "FREQ=DAILY;INTERVAL=3;COUNT=",
        "FREQ=WEEKLY;BYDAY=TU,SA;INTERVAL=2;COUNT=",
        "FREQ=DAILY;BYHOUR=9,12;COUNT=",
        "FREQ=HOURLY;INTERVAL=11;COUNT=",
        "FREQ=MINUTELY;BYSECOND=0,20,40;COUNT=",
    ] {
        let mut report = String::new();
        for count in 1..60_usize {
            let pattern = pattern(START, &format!("{text}{count}"));
            let all = first(&pattern, Wall::MIN, Wall::MAX, 1_000);
            assert_eq!(all.len(), count, "{text}{count}");
            for from in &all {
                let rest = first(&pattern, *from, Wall::MAX, 1_000);
                if all[all.len() - rest.len()..] != rest || rest[0] != *from {
                    writeln!(report, "{count} from {from:?}").unwrap();
                }
            }
        }
        assert!(report.is_empty(), "{text} {report}");
    }
}
