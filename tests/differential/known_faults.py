"""What is known to be wrong in the engines, each as narrow as it can be told.

A rule is given what podcal has and the engine has not (`missing`), and the other
way round (`extra`), of one series; it says whether exactly this fault makes
exactly that difference. Where a fault disturbs the whole set of a rule (all that
follows a miscounted COUNT, say), the shape of the RRULE alone decides. Most
differences have a calendar in tests/data/conformance with the reasoning.
"""

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


def explain(engine, series, case, missing, extra, together):
    """The reason why the engine differs, or None.

    `together`: the engines agree, and only a fault that both have counts.
    """
    difference = Difference(series, case, missing, extra)
    for engines, reason, applies in _rules:
        if engine in engines and not (together and engines != BOTH) and applies(difference):
            return reason
    return None


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

    def lists(self, part):
        return [str(value) for value in self.rule.get(part, [])]

    def ordinals(self):
        return [day for day in self.lists("BYDAY") if len(day) > 2]

    def is_named(self, start):
        """Whether an EXDATE or RECURRENCE-ID has the digits of this start, in whatever zone."""
        utc = dt.datetime.fromtimestamp(start, dt.timezone.utc)
        return bool({t.strftime("%Y%m%dT%H%M%S") for t in (self.local(start), utc)} & set(self.series["named"]))

    def negative(self, part):
        return any(value.startswith("-") for value in self.lists(part))

    def unsorted(self, part):
        values = self.rule.get(part, [])
        return values != sorted(values)


# --- both engines

@fault(BOTH, "a RECURRENCE-ID that is a date leaves the instance of that day in place "
             "(override-recurrence-id-as-date)")
def dated_recurrence_id(d):
    return not d.missing and d.extra and all(
        title == d.series["name"] and d.local(start).strftime("%Y%m%d") in d.series["dated_ids"]
        for start, _, title in d.extra)


@fault(BOTH, "UNTIL as a date is its first second, not its whole day (rrule-until-date-for-zoned)")
def until_as_date(d):
    return "until-date-on-time" in d.features and not d.extra and all(
        d.local(start).strftime("%Y%m%d") == d.rule["UNTIL"] for start, _, _ in d.missing)


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


@fault(PYTHON, "a DTSTART that the rule does not make is not counted (set-start-off-the-rule)")
def start_not_counted(d):
    return ("start-off-rule" in d.features or "BYSETPOS" in d.rule) and "COUNT" in d.rule and not d.missing and \
        len(d.extra) == 1


@fault(JS, "a DTSTART that the rule does not make is no instance (set-start-off-the-rule)")
def start_dropped(d):
    return all(d.local(start).strftime("%Y%m%dT%H%M%S").startswith(d.series["start"]) for start, _, _ in d.missing) \
        and len(d.missing) <= 1 and len(d.extra) <= ("COUNT" in d.rule)


# --- recurring-ical-events

@fault(PYTHON, "an EXDATE or RECURRENCE-ID also takes out the instance that has its digits in another zone")
def digits_of_another_zone(d):
    return not d.extra and all(d.is_named(start) for start, _, _ in d.missing)


@fault(PYTHON, "UNTIL without Z on a zoned series is read as UTC (until-local-on-zoned)")
def local_until_as_utc(d):
    return "until-local-on-zoned" in d.features and not d.extra and all(
        dt.datetime.fromtimestamp(start, dt.timezone.utc).strftime("%Y%m%dT%H%M%S") > d.rule["UNTIL"]
        for start, _, _ in d.missing)


@fault(PYTHON, "weekdays with and without a number are intersected (rrule-monthly-mixed-ordinals)")
def mixed_weekdays(d):
    return 0 < len(d.ordinals()) < len(d.lists("BYDAY"))


@fault(PYTHON, "a start or an end that clocks skip is moved without the other")
def skipped_hour(d):
    return bool(d.missing) and len(d.extra) == len(d.missing) and all(
        any(abs(a[0] - b[0]) + abs(a[1] - b[1]) <= 3600 and a[2] == b[2] and d.offset(b[0] - 7200) != d.offset(b[1] + 7200)
            for b in d.extra) for a in d.missing)


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


@fault(JS, "negative BYMONTHDAYs miss days (rrule-daily-in-months-on-negative-day)")
def negative_month_days(d):
    return d.negative("BYMONTHDAY") and (d.rule["FREQ"] == "DAILY" or "BYDAY" in d.rule)


@fault(JS, "a numbered weekday that a month does not have is taken from the next (rrule-monthly-ordinals-mixed)")
def fifth_weekdays(d):
    return d.rule.get("FREQ") == "MONTHLY" and any(day[:-2].lstrip("-") == "5" for day in d.ordinals())


@fault(JS, "MONTHLY;BYMONTH;BYDAY with numbers skips months of the list")
def monthly_ordinals_in_months(d):
    return d.rule.get("FREQ") == "MONTHLY" and d.ordinals() and "BYMONTH" in d.rule


@fault(JS, "a RECURRENCE-ID or EXDATE in another zone is compared by its digits "
           "(override-recurrence-id-in-another-zone)")
def digits_without_zone(d):
    return bool(d.features & {"recurrence-id-other-zone", "exdate-other-zone", "recurrence-id-date"}) and all(
        d.is_named(start) or d.local(start).strftime("%Y%m%d") in d.series["dated_ids"]
        for start, _, _ in d.missing + d.extra)


@fault(JS, "an RDATE equal to an instance is a second instance (set-rdate-equal-to-an-instance)")
def doubled(d):
    return "rdate" in d.features and not d.missing


@fault(JS, "HOURLY;BYHOUR loses hours (rrule-hourly-within-working-hours)")
def hourly_by_hour(d):
    return d.rule.get("FREQ") == "HOURLY" and "BYHOUR" in d.rule


@fault(JS, "MONTHLY and YEARLY days with BYHOUR or BYMINUTE begin a set too early or end it too late")
def days_with_times(d):
    return d.rule.get("FREQ") in ("MONTHLY", "YEARLY") and bool(set(d.rule) & {"BYHOUR", "BYMINUTE"})


@fault(JS, "in the repeated hour the second is taken (zone-repeated-hour-is-the-first)")
def second_of_two(d):
    theirs = sorted(d.extra)
    ours = sorted(d.missing)
    return len(theirs) == len(ours) and all(
        a[2] == b[2] and (b[0] - a[0]) in (0, 3600) and (b[1] - a[1]) in (0, 3600) for a, b in zip(ours, theirs))
