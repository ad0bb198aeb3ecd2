// ical.js as an oracle: one calendar a line in, one answer a line out.
//
// In:  {"path", "from", "to"}: a file, and the window in Unix seconds.
// Out: {"instances": [[start, end, title], ...], "errors": {UID: "..."}} or {"error": "..."}.
// A time is {"unix": n}, or {"local": "2026-01-05T09:00:00"} where it is a date
// or floats; the reader of the answer knows which zone it floats in.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.argv[2] + "/");
const { default: ICAL } = await import(pathToFileURL(require.resolve("ical.js")));

const DAY = 86400;
// What an override or RANGE=THISANDFUTURE can move is looked for this far behind the window.
const SLACK = 120 * DAY;
const MOST_STEPS = 200000;

function time(t) {
  if (t.isDate || t.zone === ICAL.Timezone.localTimezone) {
    return { local: t.isDate ? t.toString() + "T00:00:00" : t.toString() };
  }
  return { unix: t.toUnixTime() };
}

function shown(component) {
  const status = (component.getFirstPropertyValue("status") || "").toUpperCase();
  const transparency = (component.getFirstPropertyValue("transp") || "").toUpperCase();
  return status !== "CANCELLED" && transparency !== "TRANSPARENT";
}

function message(error) {
  return String(error && error.message ? error.message : error);
}

function series(component, exceptions, to, add) {
  const event = new ICAL.Event(component, { exceptions, strictExceptions: true });
  if (!event.isRecurring()) {
    add(event.startDate, event.endDate, event);
    return;
  }
  const used = new Set();
  const iterator = event.iterator();
  let next;
  for (let step = 0; (next = iterator.next()); step += 1) {
    if (step > MOST_STEPS) throw new Error("too many steps");
    if (next instanceof ICAL.Period) throw new Error("RDATE periods are not read");
    if (next.toUnixTime() > to + SLACK) break;
    const details = event.getOccurrenceDetails(next);
    if (details.item !== event) used.add(details.item.component);
    add(details.startDate, details.endDate, details.item);
  }
  for (const exception of exceptions) {
    if (used.has(exception)) continue;
    const override = new ICAL.Event(exception);
    add(override.startDate, override.endDate, override);
  }
}

function instances(text, to) {
  const found = [];
  const errors = {};
  const add = (start, end, event) => {
    if (shown(event.component)) found.push([time(start), time(end), event.summary]);
  };
  const roots = ICAL.parse(text);
  ICAL.TimezoneService.reset();
  for (const root of Array.isArray(roots[0]) ? roots : [roots]) {
    const calendar = new ICAL.Component(root);
    for (const zone of calendar.getAllSubcomponents("vtimezone")) ICAL.TimezoneService.register(zone);
    const masters = new Map();
    const overrides = new Map();
    for (const component of calendar.getAllSubcomponents("vevent")) {
      const uid = component.getFirstPropertyValue("uid");
      const into = component.hasProperty("recurrence-id") ? overrides : masters;
      if (!into.has(uid)) into.set(uid, []);
      into.get(uid).push(component);
    }
    for (const [uid, components] of overrides) {
      if (masters.has(uid)) continue;
      for (const component of components) {
        const event = new ICAL.Event(component);
        add(event.startDate, event.endDate, event);
      }
    }
    for (const [uid, components] of masters) {
      try {
        for (const component of components) series(component, overrides.get(uid) || [], to, add);
      } catch (error) {
        errors[uid] = message(error);
      }
    }
  }
  return { instances: found, errors };
}

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  let answer;
  try {
    answer = instances(readFileSync(job.path, "utf8"), job.to);
  } catch (error) {
    answer = { error: message(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
