"""The rows of the container: each is one thing that an operator relies on.

Started by tests/container/run, in a network of its own, with the folder to work in.
Pods and calendars are those of `podcal simulate`, run from the same image.
"""

import base64
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import http.server
import urllib.request

WORK = pathlib.Path(sys.argv[1])
IMAGE = "localhost/podcal"
IS_RELEASE = os.environ.get("PODCAL_IMAGE_IS_RELEASE") == "1"
USER = 65532
CONTROL = "http://127.0.0.1:5900"
PODMAN = ["podman", "--runtime", "crun", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]
# What the README says, and what a machine without systemd or cgroups asks for.
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
HERE = ["--pull", "never", "--no-healthcheck", "--cgroups", "disabled", "--network", "host",
        "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
EVERY = "*/2 * * * * *"


def run(*command, check=True, timeout=60, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **more)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def podman(*command, **more):
    return run(*PODMAN, *map(str, command), **more)


def eventually(says, probe, within=20):
    end = time.monotonic() + within
    while True:
        try:
            found = probe()
        except Exception as error:  # asked again below
            found, last = None, error
        else:
            last = found
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s: {says}; last: {last!r}")
        time.sleep(0.1)


def ask(path, body=None, method=None):
    request = urllib.request.Request(CONTROL + path, method=method or ("GET" if body is None else "POST"))
    if request.method != "GET":
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode() if body is not None else b""
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read() or b"null")


def shown(pod):
    found = ask(f"/pods/{pod}/meetings")
    found = found["meetings"] if isinstance(found, dict) else found
    return sorted(meeting["title"] for meeting in found)


def pushes(pod):
    return ask(f"/pods/{pod}/counts")["methods"].get("PUT", 0)


def calendar(*titles):
    """Meetings of one hour, from two hours after this hour on."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.com//rows//EN"]
    start = int(time.time()) // 3600 * 3600 + 7200
    for number, title in enumerate(titles):
        at = start + number * 3600
        stamp = lambda t: time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(t))
        lines += ["BEGIN:VEVENT", f"UID:{title}@example.com", f"DTSTAMP:{stamp(start)}", f"SUMMARY:{title}",
                  f"DTSTART:{stamp(at)}", f"DTEND:{stamp(at + 3600)}", "END:VEVENT"]
    return "\r\n".join(lines + ["END:VCALENDAR", ""])


def put(path, text, mode=0o644, owner=0):
    """Writes as an editor does: a new file in the place of the old one."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    os.chmod(new, mode)
    os.chown(new, owner, owner)
    new.rename(path)


def room(name, pod, feed=None):
    return (f'[rooms.{name}]\nfeed = "{feed or f"http://127.0.0.1:5080/{name}.ics"}"\n'
            f'pod = "127.0.0.1:{5442 + pod}"\n')


class Site:
    """One deployment: the folders that a container mounts, and its container."""

    made = 0

    def __init__(self, rooms=None, ledger="/var/lib/podcal/podcal.db"):
        Site.made += 1
        self.name = f"podcal-{Site.made}"
        self.folder = WORK / self.name
        self.config, self.secrets, self.ledger = (self.folder / it for it in ("config", "secrets", "ledger"))
        for folder in (self.config, self.secrets, self.ledger):
            folder.mkdir(parents=True)
        os.chown(self.ledger, USER, USER)
        self.ledger.chmod(0o700)
        put(self.secrets / "pod_password", "right\n", 0o400, USER)
        self.ledger_path = ledger
        self.write(rooms or [room("oak", 1), room("elm", 2)])

    def write(self, rooms, ledger=None, more=""):
        put(self.config / "podcal.toml",
            f'time_zone = "UTC"\n{more}[ledger]\npath = "{ledger or self.ledger_path}"\n'
            f'[schedule]\nsync = "{EVERY}"\nhealth = "{EVERY}"\njitter = "0s"\n'
            '[pod]\npassword = { file = "/run/secrets/pod_password" }\nmin_interval = "1s"\n'
            '[guard]\nvanished = 0\n' + "".join(rooms))

    def mounts(self, ledger="rw"):
        found = ["-v", f"{self.config}:/etc/podcal:ro", "-v", f"{self.secrets}:/run/secrets:ro"]
        return found + (["-v", f"{self.ledger}:/var/lib/podcal:{ledger}"] if ledger else [])

    def start(self, *command, options=(), ledger="rw", hardened=HARDENED):
        podman("rm", "-f", "-t", "0", self.name, check=False)
        podman("run", "-d", "--name", self.name, *HERE, *hardened, *self.mounts(ledger), *options, IMAGE, *command)
        return self

    def once(self, *command, options=(), ledger="rw", hardened=HARDENED, timeout=60):
        return podman("run", "--rm", *HERE, *hardened, *self.mounts(ledger), *options, IMAGE, *command,
                      check=False, timeout=timeout)

    def inside(self, *command, timeout=30):
        return podman("exec", self.name, *command, check=False, timeout=timeout)

    def health(self):
        return self.inside(*HEALTHCHECK).returncode

    def again(self):
        podman("start", self.name)

    def signal(self, name):
        podman("kill", "-s", name, self.name)

    def state(self):
        return json.loads(podman("inspect", self.name).stdout)[0]["State"]

    def ended(self, within=20):
        eventually("the container has ended", lambda: not self.state()["Running"], within)
        return self.state()["ExitCode"]

    def log(self):
        done = podman("logs", self.name)
        return (done.stdout + done.stderr).splitlines()

    def events(self, name):
        return [line for line in self.events_all() if line["event"] == name]

    def events_all(self):
        return [json.loads(line) for line in self.log() if line.startswith("{")]

    def in_step(self, within=25):
        eventually("health of a service that works", lambda: self.health() == 0, within)

    def remove(self):
        podman("rm", "-f", "-t", "0", self.name, check=False)


def feed(name, *titles):
    put(FEEDS / f"{name}.ics", calendar(*titles))


def display(pod, *titles, within=25):
    eventually(f"pod {pod} shows {titles}", lambda: shown(pod) == sorted(titles), within)


def same(found, expected, what):
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


def fatal(done, code, *words):
    """The last words of a service: JSON alone, one of them an ERROR that says all of this."""
    same(done.returncode, code, f"exit code, with {done.stderr}")
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    for line in lines:
        assert line.startswith("{"), f"a line that is no JSON: {line}"
    errors = [json.loads(line) for line in lines if json.loads(line)["level"] == "ERROR"]
    assert errors, f"no ERROR in {lines}"
    for word in words:
        assert word in errors[-1]["message"], f"{word!r} is not in {errors[-1]['message']!r}"


# The rows -----------------------------------------------------------------------------------


def what_is_in_the_image():
    config = INSPECTED["Config"]
    same(config["User"], "65532:65532", "the user")
    assert not config.get("Volumes"), f"VOLUME: {config['Volumes']}"
    assert HEALTHCHECK[0] == "podcal", HEALTHCHECK
    labels = config["Labels"]
    for name in ("title", "description", "version", "revision", "created", "source", "licenses"):
        assert labels.get(f"org.opencontainers.image.{name}"), f"no label {name}"
    version = podman("run", "--rm", *HERE, *HARDENED, IMAGE, "--version").stdout.split()[1]
    same(labels["org.opencontainers.image.version"], version, "the version of the label")
    root = pathlib.Path(ROOT)
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in files:
        assert path.name not in ("sh", "bash", "dash", "busybox", "perl", "apt", "dpkg"), f"{path} is in the image"
        assert not path.stat().st_mode & 0o6022, f"{path} is setuid or writable by others"
        owner = path.stat().st_uid
        same(owner, 0, f"the owner of {path}")
    size = sum(path.stat().st_size for path in files)
    program = (root / "usr/local/bin/podcal").stat().st_size
    print(f"    {size / 1e6:.1f} MB, of which podcal is {program / 1e6:.1f}")
    assert size - program < 5e6, f"{size - program} bytes beside the program"
    if IS_RELEASE:
        assert size < 25e6, f"the image has {size} bytes"


def writes_only_its_volume():
    site = Site()
    # Without a read-only root, so that it could write elsewhere.
    site.start(hardened=["--cap-drop", "ALL"])
    display(1, "oak 1", "oak 2")
    display(2, "elm 1")
    site.in_step()
    changed = [line for line in podman("diff", site.name).stdout.splitlines()
               if line[2:].split("/")[1] in ("etc", "usr", "tmp", "home", "root", "opt", "lib", "var")
               and line[2:] not in ("/etc", "/var", "/var/lib") and not line.endswith(("/etc/podcal", "/run/secrets",
                   "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab"))]
    changed = [line for line in changed if not line.endswith("/var/lib/podcal")]
    same(changed, [], "what it changed in the container")
    for path in site.ledger.iterdir():
        same(path.stat().st_uid, USER, f"the owner of {path.name}")
        assert not path.stat().st_mode & 0o077, f"{path.name} is readable by others"
    site.remove()


def health_is_right_in_every_direction():
    site = Site(ledger="/var/lib/podcal/rooms.db").start()
    display(1, "oak 1", "oak 2")
    site.in_step()
    site.write([room("oak", 1), "this is no TOML"])
    same(site.health(), 0, "health with a broken file")
    site.write([room("oak", 1)], ledger="/var/lib/podcal/other.db")
    same(site.health(), 0, "health with another ledger in the file")
    (site.config / "podcal.toml").unlink()
    same(site.health(), 0, "health without the file")
    site.write([room("oak", 1), room("elm", 2)])
    ask("/pods/all/faults", {"fault": "status", "status": 503})
    ask("/feeds/faults", {"fault": "status", "status": 503})
    time.sleep(5)
    same(site.health(), 0, "health while every pod and feed fails")
    ask("/pods/all/faults", method="DELETE")
    ask("/feeds/faults", method="DELETE")
    pid = site.state()["Pid"]
    os.kill(pid, 19)
    began = time.monotonic()
    assert site.health() != 0, "healthy while it is frozen"
    assert time.monotonic() - began < 10, "the health check has 10 seconds"
    os.kill(pid, 18)
    site.in_step()
    site.remove()


def a_killed_service_goes_on_where_it_was():
    site = Site().start()
    display(1, "oak 1", "oak 2")
    display(2, "elm 1")
    site.in_step()
    for turn in range(3):
        before = pushes(1), pushes(2)
        site.signal("KILL")
        same(site.ended(), 137, "exit code of a killed container")
        feed("oak", "oak 1", f"turn {turn}")
        site.again()
        display(1, "oak 1", f"turn {turn}")
        site.in_step()
        time.sleep(3)
        same((pushes(1) - before[0], pushes(2) - before[1]), (1, 0), "pushes after a restart")
    feed("oak", "oak 1", "oak 2")
    display(1, "oak 1", "oak 2")
    site.remove()


def stops_as_process_1():
    site = Site().start()
    display(1, "oak 1", "oak 2")
    for name in ("TERM", "INT"):
        site.in_step()
        began = time.monotonic()
        site.signal(name)
        same(site.ended(10), 0, f"exit code after SIG{name}")
        took = time.monotonic() - began
        assert took < 5, f"SIG{name} took {took:.1f} s"
        left = sorted(path.name for path in site.ledger.iterdir() if path.name != "podcal.db.lock")
        same(left, ["podcal.db"], "what a clean stop leaves beside the lock")
        site.again()
    site.remove()
    ask("/feeds/faults", {"fault": "hang"})
    for command in (["sync"], ["check", "--connect"]):
        for name in ("TERM", "INT"):
            site.start(*command)
            time.sleep(1.5)
            assert site.state()["Running"], f"{command} has ended: {site.log()}"
            began = time.monotonic()
            site.signal(name)
            site.ended(10)
            took = time.monotonic() - began
            assert took < 3, f"{command} took {took:.1f} s to end after SIG{name}"
    ask("/feeds/faults", method="DELETE")
    site.remove()


def reloads_without_a_shell():
    site = Site([room("oak", 1)]).start()
    display(1, "oak 1", "oak 2")
    site.in_step()
    said = site.inside("podcal", "reload")
    same(said.returncode, 0, f"reload of the same file: {said.stderr}")
    assert "unchanged" in said.stdout, said.stdout
    feed("elm", "after the reload")
    # An editor and git put a new file in the place of the old one: the folder has to be mounted.
    site.write([room("oak", 1), room("elm", 2)])
    said = site.inside("podcal", "reload")
    same(said.returncode, 0, f"reload: {said.stderr}")
    assert "elm" in said.stdout or "room" in said.stdout, said.stdout
    display(2, "after the reload")
    site.write([room("oak", 1), room("elm", 2), "nonsense = 1\n"])
    said = site.inside("podcal", "reload")
    assert said.returncode != 0 and "nonsense" in said.stdout + said.stderr, said
    feed("elm", "elm 1")
    display(2, "elm 1")
    site.write([room("oak", 1)])
    before = len(site.events_all())
    site.signal("HUP")
    eventually("SIGHUP is in the log", lambda: any(
        line["event"].startswith(("config.", "service.reload", "reload")) for line in site.events_all()[before:]))
    site.in_step()
    site.remove()


def secrets_are_exchanged_while_it_runs():
    """As Kubernetes does: a link to a link to a folder of the time, exchanged in one step."""
    site = Site()
    def write(version, text):
        folder = site.secrets / f"..{version}"
        folder.mkdir()
        put(folder / "pod_password", text, 0o440, USER)
        (site.secrets / "..data_tmp").symlink_to(folder.name)
        (site.secrets / "..data_tmp").rename(site.secrets / "..data")
    (site.secrets / "pod_password").unlink()
    write("first", "right\n")
    (site.secrets / "pod_password").symlink_to("..data/pod_password")
    site.start()
    display(1, "oak 1", "oak 2")
    site.in_step()
    ask("/pods/all/password", {"password": "exchanged"})
    feed("oak", "oak 1", "after the exchange")
    time.sleep(5)
    same(shown(1), ["oak 1", "oak 2"], "what is shown while the password is wrong")
    wrong = ask("/pods/1/counts")["sign_ins"]["wrong"]["count"]
    write("second", "exchanged\n")
    # A paused sign-in looks at the file every half a minute.
    display(1, "oak 1", "after the exchange", within=45)
    assert wrong <= 1, f"{wrong} sign-ins with the old password"
    same(site.health(), 0, "health after the exchange")
    site.remove()
    ask("/pods/all/password", {"password": "right"})
    feed("oak", "oak 1", "oak 2")


def a_volume_that_cannot_be_written():
    site = Site()
    os.chown(site.ledger, 0, 0)
    site.ledger.chmod(0o755)
    fatal(site.once(), 1, "/var/lib/podcal", "65532")
    os.chown(site.ledger, USER, USER)
    fatal(site.once(ledger="ro"), 1, "/var/lib/podcal")
    fatal(site.once(ledger=None), 1, "/var/lib/podcal")
    same(list(site.ledger.iterdir()), [], "what was left in the volume")


def a_named_volume_is_its_own():
    """A new volume takes the owner of the folder in the image, without anybody's help."""
    site = Site().start(ledger=None, options=["-v", f"rows-{os.getpid()}:/var/lib/podcal"])
    site.in_step()
    same(podman("diff", site.name).stdout.count("podcal.db"), 0, "a ledger in the container")
    site.signal("TERM")
    same(site.ended(), 0, "exit code")
    site.again()
    site.in_step()
    assert not site.events("service.failed"), site.log()
    site.remove()


def a_copy_of_the_ledger_is_worth_having():
    """SQLite's own backup, while it runs: the copy knows the pins and what is shown."""
    site = Site().start()
    display(1, "oak 1", "oak 2")
    site.in_step()
    assert len(site.events("pod.certificate_pinned")) == 2, "the pods were pinned before"
    other = Site()
    source = sqlite3.connect(site.ledger / "podcal.db")
    copy = sqlite3.connect(other.ledger / "podcal.db")
    source.backup(copy)
    source.close()
    copy.close()
    os.chown(other.ledger / "podcal.db", USER, USER)
    site.signal("TERM")
    site.ended()
    before = pushes(1), pushes(2)
    other.start()
    other.in_step()
    time.sleep(3)
    same(other.events("pod.certificate_pinned"), [], "pins that are made again")
    same((pushes(1), pushes(2)), before, "pushes after the move")
    site.remove()
    other.remove()


def a_full_volume_stops_no_display():
    site = Site()
    run("mount", "-t", "tmpfs", "-o", f"size=2m,mode=0700,uid={USER},gid={USER}", "none", str(site.ledger))
    try:
        site.start()
        display(1, "oak 1", "oak 2")
        site.in_step()
        filler = site.ledger / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        feed("oak", "oak 1", "on a full disk")
        display(1, "oak 1", "on a full disk")
        same(site.health(), 0, "health on a full disk")
        eventually("the full ledger is said", lambda: [
            line for line in site.events_all() if line["event"].startswith("ledger.") and line["level"] in ("WARN", "ERROR")])
        filler.unlink()
        feed("oak", "oak 1", "oak 2")
        display(1, "oak 1", "oak 2")
        site.in_step()
    finally:
        site.remove()
        run("umount", str(site.ledger))


def a_configuration_that_is_not_there():
    site = Site()
    (site.config / "podcal.toml").unlink()
    fatal(site.once(), 2, "/etc/podcal/podcal.toml")
    site.write([room("oak", 1)])
    (site.config / "podcal.toml").chmod(0o600)
    fatal(site.once(), 2, "/etc/podcal/podcal.toml", "65532")


def a_secret_that_cannot_be_read():
    site = Site()
    secret = site.secrets / "pod_password"
    os.chown(secret, 0, 0)
    fatal(site.once(), 2, "/run/secrets/pod_password", "65532")
    secret.unlink()
    fatal(site.once(), 2, "/run/secrets/pod_password")


class Https:
    """A calendar host that a company's own authority vouches for."""

    def __init__(self, folder):
        folder.mkdir()
        self.authority = folder / "ca.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", "/CN=Example authority", "-keyout", folder / "ca.key", "-out", self.authority,
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
            "/CN=calendar.example.com", "-keyout", folder / "key.pem", "-out", folder / "request.pem")
        (folder / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
        run("openssl", "x509", "-req", "-in", folder / "request.pem", "-CA", self.authority, "-CAkey", folder / "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", folder / "extensions", "-out", folder / "cert.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments, **more):
                super().__init__(*arguments, directory=str(FEEDS), **more)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 5081), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.server.handle_error = lambda *_: None
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def certificate_authorities():
    host = Https(WORK / "https")
    site = Site([room("oak", 1), room("elm", 2, "https://localhost:5081/elm.ics")])
    feed("elm", "by https")
    feed("oak", "by http")
    # None at all: the other room is served, and it is said what is missing.
    empty = WORK / "no-authorities"
    empty.write_text("")
    site.start(options=["-v", f"{empty}:/etc/ssl/certs/ca-certificates.crt:ro"])
    display(1, "by http")
    eventually("the room without authorities is in the log", lambda: [
        line for line in site.events_all() if line.get("room") == "elm" and line["level"] in ("WARN", "ERROR")])
    same(site.health(), 0, "health without certificate authorities")
    assert shown(2) != ["by https"], "a host was believed that nobody vouches for"
    # One that the image does not know.
    site.start()
    eventually("the unknown authority is in the log", lambda: [
        line for line in site.events_all() if line.get("room") == "elm" and line["level"] in ("WARN", "ERROR")])
    # The company's own.
    shutil.copy(host.authority, site.secrets / "ca.pem")
    (site.secrets / "ca.pem").chmod(0o644)
    site.start(options=["-e", "SSL_CERT_FILE=/run/secrets/ca.pem"])
    display(2, "by https")
    site.remove()
    feed("elm", "elm 1")
    feed("oak", "oak 1", "oak 2")


def the_zone_of_the_container_is_not_used():
    site = Site().start(options=["-e", "TZ=Asia/Tokyo"])
    before = pushes(1)
    display(1, "oak 1", "oak 2")
    site.in_step()
    agenda = json.loads(site.inside("podcal", "agenda", "oak", "--json").stdout)
    found = ask("/pods/1/meetings")
    found = found["meetings"] if isinstance(found, dict) else found
    same(sorted(meeting["start_time"] for meeting in agenda["meetings"]),
         sorted(int(meeting["start_time"]) for meeting in found), "start times")
    assert pushes(1) - before <= 1, "pushed again because of TZ"
    for line in site.log():
        json.loads(line)
    site.remove()


def the_commands_of_the_readme():
    """Pasted as they stand; `docker` is podman here, and root needs no `sudo`."""
    folder = WORK / "readme"
    tools = folder / "tools"
    tools.mkdir(parents=True)
    here = " ".join(HERE)
    (tools / "docker").write_text(
        f'#!/bin/bash\ncase $1 in build) ;; run) shift; exec {" ".join(PODMAN)} run {here} "$@" ;; '
        f'*) exec {" ".join(PODMAN)} "$@" ;; esac\n')
    (tools / "sudo").write_text('#!/bin/bash\nexec "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    section = pathlib.Path("README.md").read_text().split("\n## The container\n")[1].split("\n## ")[0]
    blocks = [block.split("```")[0] for block in section.split("```sh\n")[1:]]
    assert len(blocks) == 2, f"{len(blocks)} blocks of commands"
    done = run("bash", "-e", "-c", "\n".join(blocks), check=False, cwd=folder,
               env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"})
    same(done.returncode, 0, f"exit code of the commands, with {done.stdout}{done.stderr}")
    assert "healthy" in done.stdout and "unchanged" in done.stdout, done.stdout
    log = podman("logs", "podcal")
    same((log.stdout + log.stderr).count('"service.started"'), 2, "starts in the log")
    podman("rm", "-f", "-t", "0", "podcal", check=False)


def compose_file():
    """deploy/compose.yaml as it is: its folders, restart policy and health; only the network is this machine's."""
    folder = WORK / "compose"
    (folder / "tools").mkdir(parents=True)
    shutil.copy("deploy/compose.yaml", folder)
    (folder / "here.yaml").write_text(
        f"services: {{ podcal: {{ image: {IMAGE}, network_mode: host }} }}\n")
    # A machine without control groups cannot limit a container's memory, nor has this one a bridge.
    tool = folder / "tools/podman"
    tool.write_text(
        '#!/bin/bash\n'
        f'if [ "$1" != run ]; then exec {" ".join(PODMAN)} "$@"; fi\n'
        'shift; rest=()\n'
        'while [ $# -gt 0 ]; do case $1 in -m|--net|--network-alias) shift ;; *) rest+=("$1") ;; esac; shift; done\n'
        f'exec {" ".join(PODMAN)} run --pull never --cgroups disabled --ulimit nofile=1024:1024 '
        '--ulimit nproc=1000:1000 "${rest[@]}"\n')
    tool.chmod(0o755)
    site = Site([room("oak", 1)])
    for mounted in ("config", "secrets"):
        (site.folder / mounted).rename(folder / mounted)
    def compose(*command, **more):
        return run("podman-compose", "--podman-path", tool, "-p", "rows", "-f", folder / "compose.yaml",
                   "-f", folder / "here.yaml", *command, cwd=folder, **more)
    name = "rows_podcal_1"
    def healthy():
        return podman("exec", name, *HEALTHCHECK, check=False).returncode == 0
    try:
        said = compose("up", "-d", "--no-build", "podcal")
        display(1, "oak 1", "oak 2")
        eventually("health under Compose", healthy)
        found = json.loads(podman("inspect", name).stdout)[0]
        assert found["HostConfig"]["ReadonlyRootfs"], "the root can be written"
        assert not found["EffectiveCaps"], found["EffectiveCaps"]
        same(found["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped", "the restart policy")
        said = compose("exec", "-T", "podcal", "podcal", "reload")
        assert "unchanged" in said.stdout + said.stderr, said
        before = pushes(1)
        os.kill(found["State"]["Pid"], 9)
        eventually("a killed service is started again", lambda: json.loads(
            podman("inspect", name).stdout)[0]["State"]["Pid"] not in (0, found["State"]["Pid"]))
        eventually("health after the kill", healthy)
        same(pushes(1), before, "pushes after the kill")
    except AssertionError as error:
        log = podman("logs", name, check=False)
        raise AssertionError(f"{error}\n{said.stdout}{said.stderr}{log.stdout}{log.stderr}") from error
    finally:
        compose("down", "-v", check=False)


def kubernetes_manifests():
    """The pod of the StatefulSet with its ConfigMap, Secret and volume, played by podman; the network is the host's."""
    import yaml
    folder = pathlib.Path("deploy/kubernetes")
    stateful = next(one for one in yaml.safe_load_all((folder / "statefulset.yaml").read_text())
                    if one["kind"] == "StatefulSet")["spec"]
    config = yaml.safe_load((folder / "configmap.yaml").read_text())
    secret = yaml.safe_load((folder / "secret.yaml").read_text())
    claim = stateful["volumeClaimTemplates"][0]
    claim["spec"]["accessModes"] = ["ReadWriteOnce"]
    spec = stateful["template"]["spec"]
    container = spec["containers"][0]
    container["image"] = IMAGE
    container["imagePullPolicy"] = "Never"
    # In the network of the host a port has no name, and podman would probe with programs that the image has not.
    probes = {probe: container.pop(probe)["httpGet"]["path"]
              for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    del container["ports"]
    spec["hostNetwork"] = True
    spec["volumes"].append({"name": "ledger", "persistentVolumeClaim": {"claimName": "ledger"}})
    # As the API server stores it. Older podman passes it on without decoding it, so the pods take either.
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in secret.pop("stringData").items()}
    secret["data"] = encoded
    # podman 4 fails where this is left to its default.
    next(one for one in spec["volumes"] if "secret" in one)["secret"]["optional"] = False
    told = config["data"]["podcal.toml"].split("[rooms.")[0].replace("0.0.0.0:8080", "127.0.0.1:8080")
    config["data"]["podcal.toml"] = told + room("oak", 1)
    pod = {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": "podcal-0", "labels": stateful["template"]["metadata"]["labels"]}, "spec": spec}
    file = WORK / "kubernetes.yaml"
    file.write_text("---\n".join(yaml.safe_dump(one) for one in (config, secret, claim, pod)))
    # A pod wants control groups, which this machine has not: podman believes it has one, crun makes none.
    runtime = WORK / "crun-without-cgroups"
    runtime.write_text('#!/bin/bash\nexec crun --cgroup-manager=disabled "$@"\n')
    runtime.chmod(0o755)
    settings = WORK / "containers.conf"
    settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n')
    play = lambda *more: run(*PODMAN[:2], runtime, *PODMAN[3:], "kube", "play", *more, file, check=False,
                             env={**os.environ, "CONTAINERS_CONF": str(settings)})
    try:
        done = play()
        same(done.returncode, 0, f"kube play, with {done.stdout}{done.stderr}")
        volume = json.loads(podman("volume", "inspect", "podcal").stdout)[0]["Mountpoint"]
        ask("/pods/all/password", {"password": (pathlib.Path(volume) / "pod_password").read_text()})
        display(1, "oak 1", "oak 2")
        for probe, path in probes.items():
            eventually(f"{probe} at {path}", lambda: urllib.request.urlopen(
                f"http://127.0.0.1:8080{path}", timeout=5).status == 200)
    except AssertionError as error:
        log = podman("logs", "podcal-0-podcal", check=False)
        raise AssertionError(f"{error}\n{log.stdout}{log.stderr}") from error
    finally:
        play("--down")
        ask("/pods/all/password", {"password": "right"})


ROWS = [what_is_in_the_image, writes_only_its_volume, health_is_right_in_every_direction,
        a_killed_service_goes_on_where_it_was, stops_as_process_1, reloads_without_a_shell,
        secrets_are_exchanged_while_it_runs, a_volume_that_cannot_be_written, a_named_volume_is_its_own,
        a_copy_of_the_ledger_is_worth_having, a_full_volume_stops_no_display,
        a_configuration_that_is_not_there, a_secret_that_cannot_be_read, certificate_authorities,
        the_zone_of_the_container_is_not_used, the_commands_of_the_readme, compose_file, kubernetes_manifests]


def loopback_up():
    import fcntl
    import struct
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))


loopback_up()
INSPECTED = json.loads(run("podman", "image", "inspect", IMAGE).stdout)[0]
HEALTHCHECK = (INSPECTED.get("Healthcheck") or INSPECTED["HealthCheck"])["Test"][1:]
ROOT = podman("image", "mount", IMAGE).stdout.strip()
tried = podman("run", "--rm", *HERE, *HARDENED, IMAGE, "--version", check=False)
if tried.returncode:
    print(tried.stderr.strip())
    sys.exit(77)
FEEDS = WORK / "feeds"
FEEDS.mkdir()
FEEDS.chmod(0o755)
WORK.chmod(0o755)
feed("oak", "oak 1", "oak 2")
feed("elm", "elm 1")
podman("run", "-d", "--name", "simulate", *HERE, *HARDENED, "-v", f"{FEEDS}:/feeds:ro", IMAGE, "simulate", "--pods", 2,
       "--password", "right", "--control", "127.0.0.1:5900", "--feeds", "/feeds", "--feeds-listen", "127.0.0.1:5080")
eventually("the simulated pods answer", lambda: ask("/"), 30)

only = sys.argv[2:] or os.environ.get("ROWS", "").split()
failed = 0
passed = 0
for row in ROWS:
    if only and row.__name__ not in only:
        continue
    began = time.monotonic()
    try:
        row()
    except Exception as error:
        failed += 1
        print(f"FAILED  {row.__name__}: {error}", flush=True)
        running = podman("ps", "--format", "{{.Names}}", check=False).stdout.split()
        for name in running:
            if name != "simulate":
                log = podman("logs", "--tail", "15", name, check=False)
                print("\n".join("        " + line for line in (log.stdout + log.stderr).splitlines()), flush=True)
                podman("rm", "-f", "-t", "0", name, check=False)
        for path in ("/pods/all/faults", "/feeds/faults"):
            ask(path, method="DELETE")
        ask("/pods/all/password", {"password": "right"})
        feed("oak", "oak 1", "oak 2")
        feed("elm", "elm 1")
    else:
        passed += 1
        print(f"ok      {row.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
