"""What is known to be wrong in the engines, each as narrow as it can be told.

A rule is given what podcal has and the engine has not (`missing`), and the other
way round (`extra`), of one series; it says whether exactly this fault makes
exactly that difference. Where a fault disturbs the whole set of a rule (all that
follows a miscounted COUNT, say), the shape of the RRULE alone decides. Most
differences have a calendar in tests/data/conformance with the reasoning.
"""

import collections
import datetime as dt
from zoneinfo import ZoneInfo

PYTHON = "recurring-ical-events"
JS = "ical.js"
BOTH = (PYTHON, JS)

_rules = []


def fault(engines, reason):
    def add(function):
        _rules.append((engines if isinstance(engines, tuple) else (engines,), reason, function))
        return function
    return add


_instance_rules = []


def instance_fault(engines, reason):
    def add(function):
        _instance_rules.append((engines if isinstance(engines, tuple) else (engines,), reason, function))
        return function
    return add


def explain(engine, series, case, missing, extra, together):
    """The reason why the engine differs, or None.

    `together`: the engines agree, and only a fault that both have counts.
    """
    difference = Difference(series, case, missing, extra)
    for engines, reason, applies in _rules:
        if engine in engines and not (together and engines != BOTH) and applies(difference):
            return reason
    return _explain_each(engine, difference, together)


def _explain_each(engine, d, together):
    """The reason where each instance has one of its own."""
    reasons = set()
    for items, is_missing in ((d.missing, True), (d.extra, False)):
        for start, _, title in items:
            for engines, reason, applies in _instance_rules:
                if engine in engines and not (together and engines != BOTH) and applies(d, start, title, is_missing):
                    reasons.add(reason)
                    break
            else:
                return None
    return "; and ".join(sorted(reasons))


def explain_error(engine, series, case, error):
    if engine == JS and "RDATE periods" in error and "rdate-period" in series["features"]:
        return "RDATE;VALUE=PERIOD is refused"
    if engine == JS and "Malformed values in BYDAY" in error:
        return "BYDAY beyond the days of a month or beside BYMONTHDAY is refused"
    if engine == JS and error == "no answer in time":
        return "never ends on rules that hit seldom (DAILY;BYMONTHDAY=-1 and the like)"
    return None


class Difference:
    def __init__(self, series, case, missing, extra):
        self.series = series
        self.rule = series["rule"] or {}
        self.features = set(series["features"])
        self.zone = ZoneInfo(series["zone"] or ("UTC" if series["kind"] == "utc" else case["time_zone"]))
        self.missing = list(missing.elements())
        self.extra = list(extra.elements())

    def local(self, unix):
        return dt.datetime.fromtimestamp(unix, self.zone)

    def offset(self, unix):
        return self.local(unix).utcoffset()

    def utc(self, unix):
        return dt.datetime.fromtimestamp(unix, dt.timezone.utc).strftime("%Y%m%dT%H%M%S")

    def day(self, unix):
        return self.local(unix).strftime("%Y%m%d")

    def start(self):
        form = "%Y%m%d" if self.series["kind"] == "date" else "%Y%m%dT%H%M%S"
        return dt.datetime.strptime(self.series["start"], form)

    def is_start(self, unix):
        return self.local(unix).replace(tzinfo=None) == self.start()

    def near_clock_change(self, unix):
        return self.offset(unix - 7200) != self.offset(unix + 7200)

    def lists(self, part):
        return [str(value) for value in self.rule.get(part, [])]

    def ordinals(self):
        return [day for day in self.lists("BYDAY") if len(day) > 2]

    def is_named(self, start):
        """Whether an EXDATE or RECURRENCE-ID has the digits of this start, in whatever zone."""
        return bool({self.local(start).strftime("%Y%m%dT%H%M%S"), self.utc(start)} & set(self.series["named"]))

    def negative(self, part):
        return any(value.startswith("-") for value in self.lists(part))

    def unsorted(self, part):
        values = self.rule.get(part, [])
        return values != sorted(values)


# --- faults of single instances; several may come together in one series

@instance_fault(BOTH, "a RECURRENCE-ID that is a date leaves the instance of that day in place "
                      "(override-recurrence-id-as-date)")
def dated_recurrence_id(d, start, title, is_missing):
    return not is_missing and title == d.series["name"] and d.day(start) in d.series["dated_ids"]


@instance_fault(BOTH, "UNTIL as a date is its first second, not its whole day (rrule-until-date-for-zoned)")
def until_as_date(d, start, title, is_missing):
    return is_missing and "until-date-on-time" in d.features and d.day(start) == d.rule["UNTIL"]


@instance_fault(PYTHON, "an EXDATE or RECURRENCE-ID also takes out the instance that has its digits in another zone")
def digits_of_another_zone(d, start, title, is_missing):
    return is_missing and d.is_named(start)


@instance_fault(JS, "a RECURRENCE-ID or EXDATE in another zone is compared by its digits "
                    "(override-recurrence-id-in-another-zone)")
def digits_without_zone(d, start, title, is_missing):
    return bool(d.features & {"recurrence-id-other-zone", "exdate-other-zone"}) and d.is_named(start)


@instance_fault(PYTHON, "UNTIL without Z on a zoned series is read as UTC (until-local-on-zoned)")
def local_until_as_utc(d, start, title, is_missing):
    return is_missing and "until-local-on-zoned" in d.features and d.utc(start) > d.rule["UNTIL"]


# --- both engines

@fault(BOTH, "a DTSTART that the rule does not make is not counted, and ical.js does not show it "
             "(set-start-off-the-rule)")
def start_not_counted(d):
    off = "start-off-rule" in d.features or "BYSETPOS" in d.rule
    return off and len(d.extra) == ("COUNT" in d.rule) and all(d.is_start(start) for start, _, _ in d.missing)


@fault(BOTH, "BYSETPOS in the first week of a WEEKLY rule counts from DTSTART, not from the beginning of the week "
             "(rrule-weekly-setpos-counts-before-start)")
def first_week(d):
    return d.rule.get("FREQ") == "WEEKLY" and "BYSETPOS" in d.rule and not d.missing and all(
        dt.timedelta(0) < d.local(start).replace(tzinfo=None) - d.start() < dt.timedelta(days=7)
        for start, _, _ in d.extra)


@fault(BOTH, "the exact length of DTEND or of PT24H becomes a length on the wall when clocks change within it "
             "(end-dtend-series-is-exact, zone-duration-days-and-hours-across-dst)")
def wall_length(d):
    theirs = {(start, title): end for start, end, title in d.extra}
    if len(theirs) != len(d.missing):
        return False
    for start, end, title in d.missing:
        other = theirs.get((start, title))
        if other is None:
            return False
        shift = d.offset(start) - d.offset(end)
        crosses = shift or d.offset(start) != d.offset(other) or d.series["length_changes"]
        if abs(other - end) > 3600 or not crosses:
            return False
    return True


@fault(JS, "a DTSTART that the rule does not make is no instance (set-start-off-the-rule)")
def start_dropped(d):
    return len(d.extra) <= ("COUNT" in d.rule) and all(d.is_start(start) for start, _, _ in d.missing)


# --- recurring-ical-events

@fault(PYTHON, "weekdays with and without a number are intersected (rrule-monthly-mixed-ordinals)")
def mixed_weekdays(d):
    return 0 < len(d.ordinals()) < len(d.lists("BYDAY"))


@fault(BOTH, "at a change of clocks: recurring-ical-events moves a skipped start without its end, ical.js takes the second "
             "of two hours and the offset after a gap (zone-repeated-hour-is-the-first, rrule-hour-that-is-skipped)")
def at_clock_change(d):
    return len(d.extra) == len(d.missing) and all(
        any(a[2] == b[2] and max(abs(a[0] - b[0]), abs(a[1] - b[1])) <= 3600 and
            (d.near_clock_change(b[0]) or d.near_clock_change(b[1])) for b in d.extra) for a in d.missing)


@fault(PYTHON, "a period keeps its length where RANGE=THISANDFUTURE changes it (override-this-and-future-over-a-period)")
def period_in_range(d):
    theirs = collections.Counter((start, title) for start, _, title in d.extra)
    return d.features >= {"this-and-future", "rdate-period"} and \
        theirs == collections.Counter((start, title) for start, _, title in d.missing)


@fault(PYTHON, "BYWEEKNO without BYDAY gives all seven days (rrule-week-without-weekday)")
def whole_weeks(d):
    return "BYWEEKNO" in d.rule and "BYDAY" not in d.rule


# --- ical.js

@fault(JS, "BYSETPOS is applied only to the days of MONTHLY rules (rrule-weekly-bysetpos)")
def set_positions(d):
    return "BYSETPOS" in d.rule and (d.rule["FREQ"] != "MONTHLY" or set(d.rule) & {"BYHOUR", "BYMINUTE", "BYMONTHDAY"})


@fault(JS, "BYWEEKNO is not understood (rrule-byweekno)")
def week_numbers(d):
    return "BYWEEKNO" in d.rule


@fault(JS, "YEARLY;BYDAY with numbers gives every such weekday (rfc-twentieth-monday)")
def yearly_ordinals(d):
    return d.rule.get("FREQ") == "YEARLY" and d.ordinals() and "BYMONTH" not in d.rule


@fault(JS, "YEARLY;BYMONTHDAY without BYMONTH stays in the month of DTSTART (rrule-yearly-month-day-without-month)")
def yearly_month_days(d):
    return d.rule.get("FREQ") == "YEARLY" and "BYMONTHDAY" in d.rule and "BYMONTH" not in d.rule


@fault(JS, "the lists of BYHOUR and BYMINUTE are taken in the order in which they are written")
def unsorted_times(d):
    return d.unsorted("BYHOUR") or d.unsorted("BYMINUTE")


@fault(JS, "negative BYMONTHDAYs miss days of DAILY rules and beside BYDAY, and are a day off in YEARLY rules "
           "(rrule-daily-in-months-on-negative-day)")
def negative_month_days(d):
    return d.negative("BYMONTHDAY") and (d.rule["FREQ"] in ("DAILY", "YEARLY") or "BYDAY" in d.rule)


@fault(JS, "a numbered weekday that a month does not have is taken from the next (rrule-monthly-ordinals-mixed)")
def fifth_weekdays(d):
    return d.rule.get("FREQ") == "MONTHLY" and any(day[:-2].lstrip("-") == "5" for day in d.ordinals())


@fault(JS, "MONTHLY;BYMONTH;BYDAY with numbers skips months of the list")
def monthly_ordinals_in_months(d):
    return d.rule.get("FREQ") == "MONTHLY" and d.ordinals() and "BYMONTH" in d.rule


@fault(JS, "an RDATE equal to an instance is a second instance (set-rdate-equal-to-an-instance)")
def doubled(d):
    return "rdate" in d.features and not d.missing


@fault(JS, "HOURLY;BYHOUR loses hours (rrule-hourly-within-working-hours)")
def hourly_by_hour(d):
    return d.rule.get("FREQ") == "HOURLY" and "BYHOUR" in d.rule


@fault(JS, "MONTHLY and YEARLY days with BYHOUR or BYMINUTE begin a set too early or end it too late")
def days_with_times(d):
    return d.rule.get("FREQ") in ("MONTHLY", "YEARLY") and bool(set(d.rule) & {"BYHOUR", "BYMINUTE"})
