"""Seeded random calendars, each with what its events are made of.

A calendar is (text, case): `case` holds the window, the zone and, for each
series, the features by which compare.py recognises the known faults of an
engine. The first word of every title names its series, so that each series is
judged alone. What is generated is what people and their programs write: no rule
here is impossible, and none is too dense to be expanded in full.
"""

import datetime as dt
import itertools
import random

from dateutil.rrule import rrulestr

DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def _zone(name, standard, daylight=None, to_daylight=None, to_standard=None):
    """A VTIMEZONE; the changes are (first DTSTART, rule), good from 2008 on."""
    lines = ["BEGIN:VTIMEZONE", f"TZID:{name}"]
    if daylight is None:
        lines += ["BEGIN:STANDARD", "DTSTART:19700101T000000", f"TZOFFSETFROM:{standard}", f"TZOFFSETTO:{standard}",
                  "END:STANDARD"]
    else:
        for kind, before, after, (start, rule) in [("DAYLIGHT", standard, daylight, to_daylight),
                                                   ("STANDARD", daylight, standard, to_standard)]:
            lines += [f"BEGIN:{kind}", f"DTSTART:{start}", f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}",
                      f"RRULE:FREQ=YEARLY;{rule}", f"END:{kind}"]
    return lines + ["END:VTIMEZONE"]


_EU = ("BYMONTH=3;BYDAY=-1SU", "BYMONTH=10;BYDAY=-1SU")
_US = (("20070311T020000", "BYMONTH=3;BYDAY=2SU"), ("20071104T020000", "BYMONTH=11;BYDAY=1SU"))
ZONES = {
    "Europe/Berlin": _zone("Europe/Berlin", "+0100", "+0200", ("19960331T020000", _EU[0]), ("19961027T030000", _EU[1])),
    "Europe/London": _zone("Europe/London", "+0000", "+0100", ("19960331T010000", _EU[0]), ("19961027T020000", _EU[1])),
    "America/New_York": _zone("America/New_York", "-0500", "-0400", *_US),
    "America/Denver": _zone("America/Denver", "-0700", "-0600", *_US),
    "America/St_Johns": _zone("America/St_Johns", "-0330", "-0230", ("20120311T020000", "BYMONTH=3;BYDAY=2SU"),
                              ("20121104T020000", "BYMONTH=11;BYDAY=1SU")),
    "Australia/Sydney": _zone("Australia/Sydney", "+1000", "+1100", ("20081005T020000", "BYMONTH=10;BYDAY=1SU"),
                              ("20080406T030000", "BYMONTH=4;BYDAY=1SU")),
    "Pacific/Auckland": _zone("Pacific/Auckland", "+1200", "+1300", ("20070930T020000", "BYMONTH=9;BYDAY=-1SU"),
                              ("20080406T030000", "BYMONTH=4;BYDAY=1SU")),
    "Asia/Kolkata": _zone("Asia/Kolkata", "+0530"),
    "Asia/Tokyo": _zone("Asia/Tokyo", "+0900"),
}
ROOM_ZONES = [*ZONES, "UTC", "America/Los_Angeles"]


def _text(value, kind):
    """A local time, or a date, in the basic format."""
    return value.strftime("%Y%m%d") if kind == "date" else value.strftime("%Y%m%dT%H%M%S")


class Series:
    """One series in the making."""

    def __init__(self, rng, number):
        self.rng = rng
        self.uid = f"{rng.getrandbits(48):012x}@example.org"
        self.name = f"e{number}"
        self.kind = rng.choices(["utc", "zoned", "floating", "date"], [25, 45, 12, 18])[0]
        self.zone = rng.choice(list(ZONES)) if self.kind == "zoned" else None
        self.rule = None
        self.features = set()
        self.dated_ids = []
        self.named = set()
        self.length_changes = False
        self.lines = []
        self.overrides = []

    # --- how values are written

    def prop(self, name, value, kind=None, zone=None, params=""):
        kind = kind or self.kind
        zone = zone or self.zone
        if kind == "date":
            return f"{name};VALUE=DATE{params}:{_text(value, 'date')}"
        if kind == "zoned":
            return f"{name};TZID={zone}{params}:{_text(value, kind)}"
        return f"{name}{params}:{_text(value, kind)}{'Z' if kind == 'utc' else ''}"

    def instant(self, local):
        """Local time in the zone of the series -> UTC, or None where it has none."""
        from zoneinfo import ZoneInfo
        if self.kind == "utc":
            return local
        if self.kind != "zoned":
            return None
        return local.replace(tzinfo=ZoneInfo(self.zone)).astimezone(dt.timezone.utc).replace(tzinfo=None)

    # --- the parts of an event

    def make_start(self):
        rng = self.rng
        year = rng.choices([2019, 2021, 2023, 2024, 2025, 2026], [1, 1, 2, 4, 6, 12])[0]
        day = dt.datetime(year, rng.randint(1, 12), rng.randint(1, 28)) + dt.timedelta(days=rng.randint(0, 3))
        if self.kind == "date":
            return day
        hour = rng.choice([0, 1, 2, 2, 8, 9, 9, 10, 14, 16, 22, 23])
        return day + dt.timedelta(hours=hour, minutes=rng.choice([0, 0, 15, 30, 45]))

    def make_length(self):
        """(how it is written, nominal days, seconds)."""
        rng = self.rng
        if self.kind == "date":
            form = rng.choices(["DTEND", "DURATION", "none"], [6, 2, 2])[0]
            days = 1 if form == "none" else rng.choice([1, 1, 1, 2, 3, 7])
            return form, days, 0
        form = rng.choices(["DTEND", "DURATION", "none"], [12, 7, 1])[0]
        if form == "none":
            return form, 0, 0
        if form == "DTEND":
            return form, 0, rng.choice([900, 1800, 3600, 3600, 5400, 7200, 28800, 86400, 108000, 180000])
        days = rng.choices([0, 1, 2], [12, 2, 1])[0]
        seconds = rng.choice([0, 900, 3600, 5400, 9000]) if days else rng.choice([900, 1800, 3600, 5400, 86400, 93600])
        return form, days, seconds

    def end_line(self, start, length):
        form, days, seconds = length
        if form == "none":
            return []
        if form == "DTEND":
            return [self.prop("DTEND", start + dt.timedelta(days=days, seconds=seconds))]
        hours, rest = divmod(seconds, 3600)
        minutes, left = divmod(rest, 60)
        text = "P" + (f"{days}D" if days else "")
        if seconds:
            text += "T" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{left}S" if left else "")
        if days and days % 7 == 0 and not seconds:
            text = f"P{days // 7}W"
        return [f"DURATION:{text}"]

    def make_rule(self, start):
        rng = self.rng
        timed = self.kind != "date"
        freq = rng.choices(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"],
                           [22, 30, 30, 14, 4 * timed, 2 * timed, 1 * timed])[0]
        rule = {"FREQ": freq}
        most = {"YEARLY": 4, "MONTHLY": 6, "WEEKLY": 5, "DAILY": 9, "HOURLY": 12, "MINUTELY": 240, "SECONDLY": 9000}[freq]
        if freq in ("MINUTELY", "SECONDLY"):
            rule["INTERVAL"] = rng.randint(5, most) if freq == "MINUTELY" else rng.randint(600, most)
        elif rng.random() < 0.4:
            rule["INTERVAL"] = rng.randint(2, most)

        def some(values, least=1, top=3):
            return rng.sample(values, min(len(values), rng.randint(least, top)))

        def ordinals(limit):
            return [f"{rng.choice([n for n in range(-limit, limit + 1) if n])}{day}" for day in some(DAYS, 1, 3)]

        def month_days():
            return some([1, 2, 10, 13, 15, 28, 29, 30, 31, -1, -2, -3, -7, -15, -31], 1, 3)

        if freq == "YEARLY":
            form = rng.randrange(11)
            if form == 1:
                rule["BYMONTH"] = some(list(range(1, 13)))
            elif form == 2:
                rule["BYMONTH"] = some(list(range(1, 13)))
                rule["BYMONTHDAY"] = month_days()
            elif form == 3:
                rule["BYMONTH"] = some(list(range(1, 13)))
                rule["BYDAY"] = ordinals(4)
            elif form == 4:
                rule["BYDAY"] = ordinals(20)
            elif form == 5:
                rule["BYWEEKNO"] = some([1, 2, 10, 20, 26, 40, 51, 52, 53, -1, -2, -10])
                rule["BYDAY"] = some(DAYS)
            elif form == 6:
                rule["BYYEARDAY"] = some([1, 59, 60, 61, 100, 200, 365, 366, -1, -2, -100, -306, -366])
            elif form == 7:
                rule["BYMONTH"] = some(list(range(1, 13)))
                rule["BYDAY"] = some(DAYS)
                rule["BYSETPOS"] = some([1, 2, 3, -1, -2], 1, 2)
            elif form == 8:
                rule["BYMONTHDAY"] = month_days()
            elif form == 9:
                rule["BYMONTH"] = some(list(range(1, 13)))
                rule["BYMONTHDAY"] = some([1, 7, 13, 21, 28], 2, 5)
                rule["BYDAY"] = some(DAYS, 2, 4)
            elif form == 10:
                rule["BYWEEKNO"] = some([1, 15, 30, 52, 53, -1])
        elif freq == "MONTHLY":
            form = rng.randrange(9)
            if form == 1:
                rule["BYDAY"] = ordinals(5)
            elif form == 2:
                rule["BYMONTHDAY"] = month_days()
            elif form == 3:
                rule["BYDAY"] = some(DAYS, 1, 5)
                rule["BYSETPOS"] = some([1, 2, 3, -1, -2], 1, 2)
            elif form == 4:
                rule["BYDAY"] = some(DAYS)
                rule["BYMONTHDAY"] = some([7, 8, 9, 13, 14, 25, 26, 27, -1, -2, -3], 1, 6)
            elif form == 5:
                rule["BYMONTH"] = some(list(range(1, 13)), 1, 5)
                rule["BYDAY"] = ordinals(4)
            elif form == 6:
                rule["BYDAY"] = some(DAYS)
            elif form == 7:
                rule["BYDAY"] = ordinals(4) + some(DAYS, 1, 1)
            elif form == 8:
                rule["BYMONTHDAY"] = some(list(range(1, 32)), 3, 6)
                rule["BYSETPOS"] = some([1, 2, -1], 1, 2)
        elif freq == "WEEKLY":
            form = rng.randrange(5)
            if form:
                rule["BYDAY"] = some(DAYS, 1, 4)
            if form == 2:
                rule["BYMONTH"] = some(list(range(1, 13)), 2, 6)
            if form == 3:
                rule["BYDAY"] = some(DAYS, 2, 5)
                rule["BYSETPOS"] = some([1, 2, -1], 1, 2)
        elif freq == "DAILY":
            form = rng.randrange(6)
            if form == 1:
                rule["BYDAY"] = some(DAYS, 1, 5)
            elif form == 2:
                rule["BYMONTH"] = some(list(range(1, 13)), 2, 5)
            elif form == 3:
                rule["BYMONTHDAY"] = some([1, 5, 13, 15, 28, 31], 1, 4)
            elif form == 4:
                rule["BYMONTH"] = some(list(range(1, 13)), 2, 5)
                rule["BYMONTHDAY"] = some([1, 5, 13, 15, 28, 31, -1, -2], 1, 4)
        elif freq == "HOURLY" and rng.random() < 0.5:
            rule["BYHOUR"] = sorted({start.hour, *some(list(range(7, 19)), 2, 6)})
        if freq in ("YEARLY", "MONTHLY", "WEEKLY", "DAILY") and timed and rng.random() < 0.12:
            rule["BYHOUR"] = some([0, 1, 2, 3, 8, 9, 12, 17, 23], 1, 3)
            if rng.random() < 0.5:
                rule["BYMINUTE"] = some([0, 10, 30, 59], 1, 2)
            if freq == "DAILY" and rng.random() < 0.3:
                rule["BYSETPOS"] = [rng.choice([1, -1])]
        if rng.random() < 0.3 or ("BYWEEKNO" in rule and rng.random() < 0.5):
            rule["WKST"] = rng.choice(["MO", "MO", "SU", "SU", *DAYS])
        return rule

    def rule_text(self, rule=None):
        rule = dict(rule or self.rule)
        parts = []
        for key, value in rule.items():
            parts.append(f"{key}={','.join(map(str, value)) if isinstance(value, list) else value}")
        head, rest = parts[0], parts[1:]
        self.rng.shuffle(rest)
        return ";".join([head, *rest])

    def civil(self, start, rule, most=400):
        """The local starts of the rule as dateutil sees them: good enough to aim at."""
        bare = {key: value for key, value in rule.items() if key not in ("UNTIL", "COUNT")}
        if any(d[0] in "-0123456789" for d in rule.get("BYDAY", [])):
            # dateutil finds nothing where weekdays with and without a number are mixed.
            bare["BYDAY"] = [d if d not in DAYS else f"{n}{d}" for d in rule["BYDAY"] for n in range(1, 6 if d in DAYS else 2)]
        text = ";".join(f"{k}={','.join(map(str, v)) if isinstance(v, list) else v}" for k, v in bare.items())
        end = start + dt.timedelta(days=365 * 9)
        return list(itertools.islice(itertools.takewhile(lambda t: t < end, rrulestr(text, dtstart=start)), most))

    def make_end_of_rule(self, rule, starts):
        """COUNT, UNTIL in one of its forms, or nothing."""
        rng = self.rng
        choice = rng.choices(["never", "count", "until"], [30, 30, 40])[0]
        if rule["FREQ"] in ("MINUTELY", "SECONDLY", "HOURLY") and choice == "never":
            choice = "count"
        if choice == "count":
            rule["COUNT"] = rng.randint(1, 60)
        if choice == "until" and starts:
            last = rng.choice(starts[:120])
            if rng.random() < 0.3 and self.kind != "date":
                last += dt.timedelta(seconds=rng.choice([-1, 1, 3600, -3600]))
            if self.kind == "date":
                if rng.random() < 0.15:
                    rule["UNTIL"] = _text(last, "time") + "Z"
                    self.features.add("until-time-on-date")
                else:
                    rule["UNTIL"] = _text(last, "date")
            elif self.kind == "floating":
                rule["UNTIL"] = _text(last, "time")
                if rng.random() < 0.1:
                    rule["UNTIL"] = _text(last, "date")
                    self.features.add("until-date-on-time")
            else:
                form = rng.random()
                if form < 0.12:
                    rule["UNTIL"] = _text(last, "date")
                    self.features.add("until-date-on-time")
                elif form < 0.2 and self.kind == "zoned":
                    rule["UNTIL"] = _text(last, "time")
                    self.features.add("until-local-on-zoned")
                else:
                    rule["UNTIL"] = _text(self.instant(last), "time") + "Z"

    def remember(self, at, written=None):
        """Remembers the digits by which an EXDATE or RECURRENCE-ID names an instance."""
        self.named |= {_text(t, "time") for t in (at, self.instant(at), written) if t}

    def exdate_lines(self, starts):
        rng = self.rng
        hit = rng.sample(starts, min(len(starts), rng.randint(1, 4)))
        lines = []
        form = rng.choice(["own", "own", "list", "utc", "date", "other-zone", "miss"])
        if self.kind == "date":
            form = "list" if form == "list" else "own"
        for t in hit:
            self.remember(t)
        if form == "list":
            head = self.prop("EXDATE", hit[0])
            tail = [_text(t, self.kind) + ("Z" if self.kind == "utc" else "") for t in hit[1:]]
            return [",".join([head, *tail])], hit
        if form in ("utc", "other-zone") and self.kind not in ("utc", "zoned"):
            form = "own"
        for t in hit:
            if form == "utc":
                lines.append(self.prop("EXDATE", self.instant(t), "utc"))
                self.features.add("exdate-utc")
            elif form == "other-zone":
                zone = rng.choice(list(ZONES))
                lines.append(self.prop("EXDATE", _in_zone(self.instant(t), zone), "zoned", zone))
                self.remember(t, _in_zone(self.instant(t), zone))
                self.features.add("exdate-other-zone")
                self.features.add("zone:" + zone)
            elif form == "date":
                lines.append(self.prop("EXDATE", t, "date"))
                self.features.add("exdate-date-on-time")
            elif form == "miss":
                lines.append(self.prop("EXDATE", t + dt.timedelta(minutes=7)))
                self.remember(t + dt.timedelta(minutes=7))
                self.features.add("exdate-misses")
            else:
                lines.append(self.prop("EXDATE", t))
        if form == "date":
            days = {t.date() for t in hit}
            return lines, [t for t in starts if t.date() in days]
        return lines, hit if form != "miss" else []

    def rdate_lines(self, starts):
        rng = self.rng
        lines, added = [], []
        for _ in range(rng.randint(1, 3)):
            t = rng.choice(starts) + dt.timedelta(days=rng.randint(1, 20))
            if self.kind == "date":
                lines.append(self.prop("RDATE", t))
            else:
                t += dt.timedelta(minutes=rng.choice([0, 60, 95, -45]))
                form = rng.choice(["own", "own", "utc", "period", "period-end"])
                if form in ("period", "period-end") and self.kind in ("utc", "zoned"):
                    at = _text(t, self.kind) + ("Z" if self.kind == "utc" else "")
                    zone = f";TZID={self.zone}" if self.kind == "zoned" else ""
                    end = t + dt.timedelta(minutes=75)
                    close = "PT1H15M" if form == "period" else _text(end, self.kind) + ("Z" if self.kind == "utc" else "")
                    lines.append(f"RDATE;VALUE=PERIOD{zone}:{at}/{close}")
                    self.features.add("rdate-period")
                elif form == "utc" and self.kind in ("utc", "zoned"):
                    lines.append(self.prop("RDATE", self.instant(t), "utc"))
                    self.features.add("rdate-utc")
                else:
                    lines.append(self.prop("RDATE", t))
            added.append(t)
        self.features.add("rdate")
        return lines, added

    def override(self, number, at, length, alone, future=False):
        rng = self.rng
        lines = ["BEGIN:VEVENT", f"UID:{self.uid}", "DTSTAMP:20250101T000000Z"]
        params = ";RANGE=THISANDFUTURE" if future else ""
        if future:
            self.features.add("this-and-future")
        form = "own"
        if self.kind in ("utc", "zoned") and not future:
            form = rng.choices(["own", "utc", "other-zone", "date"], [10, 3, 2, 1 if alone else 0])[0]
        self.remember(at)
        if form == "utc":
            lines.append(self.prop("RECURRENCE-ID", self.instant(at), "utc", params=params))
            self.features.add("recurrence-id-utc" if self.kind == "zoned" else "plain")
        elif form == "other-zone":
            zone = rng.choice(list(ZONES))
            self.features |= {"zone:" + zone, "recurrence-id-other-zone"}
            lines.append(self.prop("RECURRENCE-ID", _in_zone(self.instant(at), zone), "zoned", zone, params))
            self.remember(at, _in_zone(self.instant(at), zone))
        elif form == "date":
            self.features.add("recurrence-id-date")
            self.dated_ids.append(_text(at, "date"))
            lines.append(self.prop("RECURRENCE-ID", at, "date", params=params))
        else:
            lines.append(self.prop("RECURRENCE-ID", at, params=params))
        shift = rng.choice(["none", "none", "hours", "days", "far"])
        if future and shift in ("days", "far"):
            shift = "hours"
        start = at
        if shift == "hours" and self.kind != "date":
            start = at + dt.timedelta(minutes=rng.choice([-120, -30, 15, 60, 180]))
        elif shift == "days" or (shift == "hours" and self.kind == "date" and not future):
            start = at + dt.timedelta(days=rng.choice([-3, -1, 1, 2, 5]))
        elif shift == "far":
            start = at + dt.timedelta(days=rng.choice([-60, -20, 30, 75]))
        lines.append(self.prop("DTSTART", start))
        new_length = length if rng.random() < 0.6 or self.kind == "date" else ("DTEND", 0, rng.choice([600, 2700, 4500]))
        lines += self.end_line(start, new_length)
        lines.append(f"SUMMARY:{self.name} {'from' if future else 'override'} {number}")
        end = rng.random()
        if end < 0.15:
            lines.append("STATUS:CANCELLED")
        elif end < 0.2:
            lines.append("TRANSP:TRANSPARENT")
        lines.append("END:VEVENT")
        return lines

    def build(self):
        rng = self.rng
        start = self.make_start()
        length = self.make_length()
        recurring = rng.random() < 0.88
        starts = [start]
        rule_line = None
        if recurring:
            rule = self.make_rule(start)
            starts = self.civil(start, rule, 400)
            if starts and rng.random() < 0.9:
                start = starts[0]
            elif not starts or starts[0] != start:
                self.features.add("start-off-rule")
            starts = self.civil(start, rule) or [start]
            self.make_end_of_rule(rule, starts)
            self.rule = rule
            rule_line = "RRULE:" + self.rule_text()
            if "COUNT" in rule:
                starts = starts[: rule["COUNT"]]
        if length[0] == "none":
            self.features.add("no-end")
        self.start = start
        self.length = length[0]
        if self.kind == "zoned" and length[0] == "DTEND":
            end = start + dt.timedelta(seconds=length[2])
            self.length_changes = end - start != self.instant(end) - self.instant(start)
        exdates, excluded = [], []
        rdates = []
        extra = []
        if recurring and rng.random() < 0.3:
            exdates, excluded = self.exdate_lines(starts[:60])
            self.features.add("exdate")
        if rng.random() < 0.15:
            rdates, extra = self.rdate_lines(starts[:60])
        if recurring and rng.random() < 0.4:
            days = {t.date() for t in excluded} if "exdate-date-on-time" in self.features else set()
            free = [t for t in starts[:80] if t not in excluded and t.date() not in days]
            picks = rng.sample(free, min(len(free), rng.randint(1, 4)))
            future = bool(picks) and rng.random() < 0.2
            if future and self.rule["FREQ"] in ("HOURLY", "MINUTELY", "SECONDLY"):
                future = False
            for number, at in enumerate(sorted(picks)):
                last = number == len(picks) - 1
                alone = sum(t.date() == at.date() for t in starts) == 1
                self.overrides.append(self.override(number, at, length, alone, future and last))
            self.features.add("override")
        without_master = bool(self.overrides) and rng.random() < 0.08
        master = ["BEGIN:VEVENT", f"UID:{self.uid}", "DTSTAMP:20250101T000000Z", self.prop("DTSTART", start)]
        master += self.end_line(start, length)
        if rule_line:
            master.append(rule_line)
        master += exdates + rdates + [f"SUMMARY:{self.name}"]
        decided = rng.random()
        if decided < 0.02:
            master.append("STATUS:CANCELLED")
        elif decided < 0.04:
            master.append("TRANSP:TRANSPARENT")
        elif decided < 0.1:
            master.append(rng.choice(["STATUS:TENTATIVE", "STATUS:CONFIRMED", "TRANSP:OPAQUE"]))
        master.append("END:VEVENT")
        blocks = [master, *self.overrides]
        if without_master:
            blocks = self.overrides
            self.features.add("without-master")
        if rng.random() < 0.3:
            rng.shuffle(blocks)
        self.lines = blocks
        aim = [t for t in [*starts, *extra] if 2024 <= t.year <= 2028] or [start]
        return rng.choice(aim), length

    def zones(self):
        zones = {self.zone} if self.zone else set()
        return zones | {f[5:] for f in self.features if f.startswith("zone:")}

    def describe(self):
        return {
            "name": self.name,
            "uid": self.uid,
            "kind": self.kind,
            "zone": self.zone,
            "rule": self.rule,
            "start": _text(self.start, self.kind),
            "dated_ids": self.dated_ids,
            "named": sorted(self.named),
            "length": self.length,
            "length_changes": self.length_changes,
            "features": sorted(f for f in self.features if not f.startswith("zone:")),
        }


def _in_zone(utc, zone):
    from zoneinfo import ZoneInfo
    return utc.replace(tzinfo=dt.timezone.utc).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def calendar(seed, index):
    rng = random.Random(f"podcal {seed} {index}")
    series = [Series(rng, number) for number in range(rng.choice([1, 1, 1, 2, 3]))]
    aims = [one.build() for one in series]
    room = rng.choice(ROOM_ZONES)
    aim, length = rng.choice(aims)
    span = dt.timedelta(days=rng.choice([1, 7, 7, 14, 31, 31, 100, 366]))
    if rng.random() < 0.3:
        # An edge exactly on, or a second beside, the start or the end of an instance (in UTC series).
        begin = aim + rng.choice([dt.timedelta(0), dt.timedelta(days=length[1], seconds=length[2])])
        begin += dt.timedelta(seconds=rng.choice([-1, 0, 0, 1]))
        if rng.random() < 0.5:
            begin -= span
    else:
        begin = aim - dt.timedelta(seconds=rng.randint(0, int(span.total_seconds())))
    blocks = [block for one in series for block in one.lines]
    zones = set().union(*(one.zones() for one in series))
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//podcal//differential//EN"]
    for zone in sorted(zones):
        lines += ZONES[zone]
    for block in blocks:
        lines += block
    lines.append("END:VCALENDAR")
    case = {
        "seed": seed,
        "index": index,
        "from": begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "to": (begin + span).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "time_zone": room,
        "series": [one.describe() for one in series],
    }
    return "".join(_fold(line) + "\r\n" for line in lines), case


def _fold(line):
    octets = line.encode()
    pieces = [octets[:75]]
    octets = octets[75:]
    while octets:
        pieces.append(octets[:74])
        octets = octets[74:]
    return b"\r\n ".join(pieces).decode()
