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


WALL_LENGTH = "the exact length of DTEND or of PT24H becomes a length on the wall when clocks change within it " \
              "(end-dtend-series-is-exact, zone-duration-days-and-hours-across-dst)"


CLOCK_CHANGE = "at a change of clocks: recurring-ical-events moves a skipped start without its end, ical.js takes the " \
               "second of two hours and the offset after a gap (zone-repeated-hour-is-the-first, " \
               "rrule-hour-that-is-skipped)"


def explain(engine, series, case, missing, extra, together):
    """The reason why the engine differs, or None.

    `together`: the engines agree, and only a fault that both have counts.
    """
    difference = Difference(series, case, missing, extra)
    reasons = difference.without_shifted_pairs()
    if not reasons or difference.missing or difference.extra:
        rest = _explain_rest(engine, difference, together)
        if rest is None:
            return None
        reasons.add(rest)
    return "; and ".join(sorted(reasons))


def _explain_rest(engine, difference, together):
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

    def digits(self, unix):
        return self.local(unix).strftime("%Y%m%dT%H%M%S")

    def day(self, unix):
        return self.local(unix).strftime("%Y%m%d")

    def start(self):
        form = "%Y%m%d" if self.series["kind"] == "date" else "%Y%m%dT%H%M%S"
        return dt.datetime.strptime(self.series["start"], form)

    def is_start(self, unix):
        return self.local(unix).replace(tzinfo=None) == self.start()

    def near_clock_change(self, unix):
        return self.offset(unix - 7200) != self.offset(unix + 7200)

    def without_shifted_pairs(self):
        """Drops what the engine has within an hour of ours because clocks change; the reasons."""
        reasons = set()
        for ours in list(self.missing):
            for theirs in self.extra:
                reason = self.shifted(ours, theirs)
                if reason:
                    self.missing.remove(ours)
                    self.extra.remove(theirs)
                    reasons.add(reason)
                    break
        return reasons

    def shifted(self, ours, theirs):
        if ours[2] != theirs[2] or max(abs(ours[0] - theirs[0]), abs(ours[1] - theirs[1])) > 3600:
            return None
        if ours[0] == theirs[0]:
            on_the_wall = self.series["kind"] == "floating" and self.series["length"] == "DTEND"
            crosses = len({self.offset(t) for t in (*ours[:2], theirs[1])}) > 1 or self.series["length_changes"]
            if crosses and not on_the_wall:
                return WALL_LENGTH
        if any(self.near_clock_change(t) for t in (*theirs[:2], *ours[:2])):
            return CLOCK_CHANGE
        return None

    def lists(self, part):
        return [str(value) for value in self.rule.get(part, [])]

    def ordinals(self):
        return [day for day in self.lists("BYDAY") if len(day) > 2]

    def is_named(self, start):
        """Whether an EXDATE or RECURRENCE-ID has the digits of this start, in whatever zone."""
        return bool({self.digits(start), self.utc(start)} & set(self.series["named"]))

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
    of_override = title != d.series["name"] and "exdate-other-zone" in d.features
    return is_missing and (d.is_named(start) or of_override)


@instance_fault(JS, "a RECURRENCE-ID or EXDATE in another zone is compared by its digits "
                    "(override-recurrence-id-in-another-zone)")
def digits_without_zone(d, start, title, is_missing):
    return bool(d.features & {"recurrence-id-other-zone", "exdate-other-zone"}) and d.is_named(start)


@instance_fault(BOTH, "UNTIL without Z on a zoned series is read as UTC (until-local-west-of-greenwich)")
def local_until_as_utc(d, start, title, is_missing):
    if "until-local-on-zoned" not in d.features:
        return False
    ours, theirs = d.digits(start) <= d.rule["UNTIL"], d.utc(start) <= d.rule["UNTIL"]
    return ours != theirs and is_missing == ours


@instance_fault(JS, "an EXDATE that is a date takes out only one instance of its day (set-exdate-date-takes-the-whole-day)")
def dated_exdate(d, start, title, is_missing):
    days = {name[:8] for name in d.series["named"]}
    return not is_missing and "exdate-date-on-time" in d.features and d.day(start) in days


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


@fault(JS, "a DTSTART that the rule does not make is no instance (set-start-off-the-rule)")
def start_dropped(d):
    return len(d.extra) <= ("COUNT" in d.rule) and all(d.is_start(start) for start, _, _ in d.missing)


# --- recurring-ical-events

@fault(PYTHON, "weekdays with and without a number are intersected (rrule-monthly-mixed-ordinals)")
def mixed_weekdays(d):
    return 0 < len(d.ordinals()) < len(d.lists("BYDAY"))


@fault(PYTHON, "a period keeps its length where RANGE=THISANDFUTURE changes it (override-this-and-future-over-a-period)")
def period_in_range(d):
    theirs = collections.Counter((start, title) for start, _, title in d.extra)
    return d.features >= {"this-and-future", "rdate-period"} and \
        theirs == collections.Counter((start, title) for start, _, title in d.missing)


@fault(PYTHON, "BYWEEKNO without BYDAY gives all seven days (rrule-week-without-weekday)")
def whole_weeks(d):
    return "BYWEEKNO" in d.rule and "BYDAY" not in d.rule


@fault(PYTHON, "days of the last week of a year that lie in the next are lost (rrule-week-that-ends-in-january)")
def last_week(d):
    return "BYWEEKNO" in d.rule and not d.extra and all(d.day(start)[4:] <= "0103" for start, _, _ in d.missing)


# --- ical.js

@fault(JS, "RDATE;VALUE=PERIOD is refused")
def periods(d):
    return "rdate-period" in d.features

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
