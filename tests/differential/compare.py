"""Runs podcal and the two engines over random calendars and judges who stands alone.

Each series is judged by itself. A series on which an engine differs counts
against that engine, unless a rule of known_faults.py explains every instance in
which it differs; then the engine is no witness there and is listed with the
reason. podcal fails where it stands alone against two witnesses, against the
only one that is left, or where all three differ.
"""

import argparse
import collections
import concurrent.futures
import datetime as dt
import json
import pathlib
import select
import shutil
import subprocess
import sys
from zoneinfo import ZoneInfo

import generate
import known_faults

HERE = pathlib.Path(__file__).resolve().parent
ENGINES = {
    "recurring-ical-events": lambda work: [sys.executable, HERE / "engine_recurring.py"],
    "ical.js": lambda work: ["node", HERE / "engine_ical.mjs", work / "node"],
}
SECONDS_A_CALENDAR = 5


class Engine:
    """One process for many calendars; started anew when a calendar takes too long."""

    def __init__(self, command):
        self.command = [str(part) for part in command]
        self.process = None

    def ask(self, job):
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.DEVNULL)
        try:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], SECONDS_A_CALENDAR)
            line = self.process.stdout.readline() if ready else b""
        except BrokenPipeError:
            line = b""
        if line:
            return json.loads(line)
        self.close()
        return {"error": "no answer in time"}

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def unix(text):
    return int(dt.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def resolve(time, zone):
    if "unix" in time:
        return time["unix"]
    # fold=0: the first of two, and the offset from before a gap (RFC 5545 section 3.3.5).
    return int(dt.datetime.fromisoformat(time["local"]).replace(tzinfo=zone).timestamp())


def overlaps(start, end, first, last):
    return first <= start < last if start == end else start < last and end > first


def by_series(instances, case, first, last):
    """Series name -> multiset of (start, end, title) that overlap the window."""
    found = {series["name"]: collections.Counter() for series in case["series"]}
    for start, end, title in instances:
        if overlaps(start, end, first, last):
            found.setdefault((title or "").split(" ")[0], collections.Counter())[(start, end, title)] += 1
    return found


def ask_podcal(binary, path, case):
    command = [binary, "expand", str(path), "--from", case["from"], "--to", case["to"],
               "--time-zone", case["time_zone"], "--json"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS_A_CALENDAR)
    except subprocess.TimeoutExpired:
        return {"error": "no answer in time"}
    if done.returncode:
        return {"error": f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[-300:]}"}
    meetings = json.loads(done.stdout)["meetings"]
    return {"instances": [[m["start_time"], m["end_time"], m["title"]] for m in meetings]}


def ask_all(args, cases):
    """Engine name -> the answers, in order of the cases."""

    def one(name):
        engine = Engine(ENGINES[name](args.work))
        answers = []
        for path, case in cases:
            answers.append(engine.ask({"path": str(path), "from": unix(case["from"]), "to": unix(case["to"])}))
        engine.close()
        return answers

    def ours():
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda item: ask_podcal(args.podcal, *item), cases))

    answers = {}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        waiting = {name: pool.submit(one, name) for name in ENGINES}
        waiting["podcal"] = pool.submit(ours)
        for name, future in waiting.items():
            answers[name] = future.result()
    return answers


def shown(counter):
    def line(item):
        start, end, title = item
        stamp = lambda t: dt.datetime.fromtimestamp(t, dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{stamp(start)}  {stamp(end)}  {title}"
    return [line(item) for item in sorted(counter.elements())]


def main():
    parser = argparse.ArgumentParser(prog="tests/differential/run")
    parser.add_argument("--podcal", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--work", required=True, type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--only", type=int, help="one calendar of the seed, with everybody's answer")
    args = parser.parse_args()

    folder = args.work / f"seed-{args.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cases = []
    for index in [args.only] if args.only is not None else range(args.count):
        text, case = generate.calendar(args.seed, index)
        path = folder / f"{index}.ics"
        path.write_bytes(text.encode())
        cases.append((path, case))
    answers = ask_all(args, cases)

    tally = collections.Counter()
    excused = collections.Counter()
    groups = collections.defaultdict(list)
    for number, (path, case) in enumerate(cases):
        first, last = unix(case["from"]), unix(case["to"])
        room = ZoneInfo(case["time_zone"])
        found = {}
        for name, given in answers.items():
            answer = given[number]
            if "error" in answer:
                found[name] = answer["error"]
                continue
            instances = answer["instances"]
            if name != "podcal":
                instances = [[resolve(s, room), resolve(e, room), t] for s, e, t in instances]
            found[name] = by_series(instances, case, first, last)
            for series in case["series"]:
                if series["uid"] in answer.get("errors", {}):
                    found[name][series["name"]] = answer["errors"][series["uid"]]
        for series in case["series"]:
            verdict, reasons = judge(series, case, found)
            tally[verdict] += 1
            for reason in reasons:
                excused[reason] += 1
            if verdict not in ("all agree", "one witness agrees", "no witness") or args.only is not None:
                groups[verdict].append((path, case, series, found))

    saved = args.work / f"seed-{args.seed}-disagreements"
    shutil.rmtree(saved, ignore_errors=True)
    for verdict, items in groups.items():
        for path, case, series, found in items:
            save(saved / verdict.replace(" ", "-"), path, case, series, found)
    report(args, tally, excused, groups, saved)
    return 1 if any(tally[verdict] for verdict in FAILURES) else 0


FAILURES = ("podcal alone", "podcal against the only witness", "all differ", "podcal fails")


def judge(series, case, found):
    name = series["name"]
    ours = found["podcal"]
    if isinstance(ours, str):
        return "podcal fails", []
    ours = ours[name]
    witnesses, reasons = {}, []
    # Where the engines agree with one another, only a fault that both have can excuse them.
    together = len({json.dumps(sorted(found[engine][name].elements())) if isinstance(found[engine], dict)
                    and not isinstance(found[engine][name], str) else engine for engine in ENGINES}) == 1
    for engine in ENGINES:
        theirs = found[engine]
        if not isinstance(theirs, str):
            theirs = theirs[name]
        if isinstance(theirs, str):
            reason = known_faults.explain_error(engine, series, case, theirs)
            reasons.append(f"{engine}: {reason or 'unexplained error: ' + theirs[:100]}")
            continue
        if theirs != ours:
            reason = known_faults.explain(engine, series, case, ours - theirs, theirs - ours, together)
            if reason:
                reasons.append(f"{engine}: {reason}")
                continue
        witnesses[engine] = theirs
    against = [engine for engine, theirs in witnesses.items() if theirs != ours]
    if not witnesses:
        return "no witness", reasons
    if not against:
        return ("all agree" if len(witnesses) == 2 else "one witness agrees"), reasons
    if len(witnesses) == 1:
        return "podcal against the only witness", reasons
    if len(against) == 1:
        return f"{against[0]} alone, unexplained", reasons
    first, second = witnesses.values()
    return ("podcal alone" if first == second else "all differ"), reasons


def save(folder, path, case, series, found):
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{case['index']}-{series['name']}"
    shutil.copy(path, folder / f"{name}.ics")
    lines = [json.dumps({key: case[key] for key in ("from", "to", "time_zone")}), json.dumps(series)]
    for engine, answer in found.items():
        lines.append(f"--- {engine}")
        if not isinstance(answer, str):
            answer = answer[series["name"]]
        lines += [answer] if isinstance(answer, str) else shown(answer)
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


def report(args, tally, excused, groups, saved):
    print(f"seed {args.seed}: {args.count if args.only is None else 1} calendars, {sum(tally.values())} series")
    for verdict, count in tally.most_common():
        print(f"  {count:6}  {verdict}")
    print("engines that were no witness, and why:")
    for reason, count in excused.most_common():
        print(f"  {count:6}  {reason}")
    for verdict, items in groups.items():
        print(f"{verdict}: {saved}/{verdict.replace(' ', '-')}")
        for _, case, series, _ in items[:12]:
            print(f"    {case['index']}-{series['name']}  {series['kind']}  {json.dumps(series['rule'])}  {series['features']}")


if __name__ == "__main__":
    sys.exit(main())
