"""recurring-ical-events as an oracle: one calendar a line in, one answer a line out.

In and out as in engine_ical.mjs.
"""

import datetime as dt
import json
import sys

import recurring_ical_events
from icalendar import Calendar

# Overrides and local times may lie a little off; the reader of the answer cuts exactly.
SLACK = dt.timedelta(days=3)


def time(value):
    if not isinstance(value, dt.datetime):
        return {"local": value.isoformat() + "T00:00:00"}
    if value.tzinfo is None:
        return {"local": value.isoformat()}
    return {"unix": int(value.timestamp())}


def instances(path, first, last):
    found = []
    with open(path, "rb") as file:
        calendars = Calendar.from_ical(file.read(), multiple=True)
    start = dt.datetime.fromtimestamp(first, dt.timezone.utc) - SLACK
    end = dt.datetime.fromtimestamp(last, dt.timezone.utc) + SLACK
    for calendar in calendars:
        for event in recurring_ical_events.of(calendar).between(start, end):
            if str(event.get("STATUS", "")).upper() == "CANCELLED":
                continue
            if str(event.get("TRANSP", "")).upper() == "TRANSPARENT":
                continue
            begin = event["DTSTART"].dt
            finish = event["DTEND"].dt if "DTEND" in event else begin
            found.append([time(begin), time(finish), str(event.get("SUMMARY", ""))])
    return found


for line in sys.stdin:
    job = json.loads(line)
    try:
        answer = {"instances": instances(job["path"], job["from"], job["to"])}
    except Exception as error:  # An oracle that fails is not a witness; it must not end the run.
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
