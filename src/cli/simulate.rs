//! `podcal simulate`: simulated pods for trying things without hardware.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::output::{Ended, Output};
use super::{Failure, expand};
use crate::config::load;
use crate::model::digest::hex;
use crate::model::zone::Zone;
use crate::service::signals::Signals;
use crate::sim::action::{self, ScheduledCommand};
use crate::sim::building::{Building, Setup, SetupError, Spread};
use crate::sim::feedhost::{self, FeedFault, SignIn};
use crate::sim::options::{Password, Quirk};
use crate::sim::{CalendarMode, Options, Quirks, Sim};

/// Pods that are listed one by one; of more, only the first ones.
const LISTED: usize = 12;
/// Requests that each pod remembers, with few and with many pods.
const REMEMBERED: (usize, usize) = (1000, 50);

/// Simulate pods: HTTPS servers that answer the whole OpenControl v2 API as a pod would.
///
/// Each pod has a certificate of its own, the same after a restart, and shows its display
/// as a page at `/`. What the API does not allow is refused and recorded; the control
/// address shows it, and makes pods fail on demand. All faults: docs/simulate.md.
/// Stops on Ctrl-C.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Where the first pod listens.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5443")]
    listen: SocketAddr,
    /// The admin password of every pod; without one, any password is accepted.
    #[arg(long, value_name = "P", conflicts_with = "password_file")]
    password: Option<Password>,
    /// The same, from a file, so that it does not show in the list of processes.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How many pods.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pods: u32,
    /// How the addresses of the other pods follow from the first.
    #[arg(long, value_name = "HOW", default_value = "ports")]
    spread: SpreadArg,
    /// The name of the room; with several pods, followed by a number.
    #[arg(long, value_name = "NAME", default_value = "")]
    name: String,
    /// The calendar type that the pods are set to.
    #[arg(long, value_name = "MODE", default_value = "3rd-party", value_parser = mode)]
    mode: CalendarMode,
    /// How `display.calendar.type` spells "3rd Party Only"; the vendor does not publish it.
    #[arg(long, value_name = "WORD", default_value = "3rd_party_only")]
    third_party_type: String,
    /// IANA name of the pods' time zone.
    #[arg(long, value_name = "ZONE", default_value = "America/Denver", value_parser = expand::zone)]
    time_zone: Zone,
    /// How long a token is valid, such as 90s, 30m or 1h.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time)]
    token_life: Duration,
    /// Seconds by which the pods' clocks are ahead, or behind if negative.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    clock_offset: i64,
    /// Changes identities, certificates and keys.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// A quirk of real pods; may be repeated.
    #[arg(long = "quirk", value_name = "QUIRK", value_parser = quirk())]
    quirks: Vec<String>,
    /// Refuse only what cannot be understood, not all that the API reference does not allow.
    #[arg(long)]
    lenient: bool,
    /// Accept no password after N wrong ones, until the pod is rebooted.
    #[arg(long, value_name = "N")]
    lock_after: Option<u32>,
    /// Also serve the .ics files of this folder, and follow changes in it.
    #[arg(long, value_name = "DIR")]
    feeds: Option<PathBuf>,
    /// Where the .ics files are served, over plain HTTP.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:5080",
        requires = "feeds"
    )]
    feeds_listen: SocketAddr,
    /// Keep the pods' state in this file over a restart.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Accept commands (faults, reboot, another mode ...) over plain HTTP at this loopback address.
    #[arg(long, value_name = "ADDR:PORT")]
    control: Option<SocketAddr>,
    /// Make pods fail from the start (cap=4,pod=2) or at intervals (500@30s); may be repeated.
    #[arg(long = "fault", value_name = "SPEC[@EVERY]", value_parser = ScheduledCommand::parse, long_help = fault_help())]
    faults: Vec<ScheduledCommand>,
    /// Make the calendar host fail from the start, such as delay=2s or 503,path=/oak.ics; may be
    /// repeated.
    #[arg(long = "feed-fault", value_name = "SPEC", value_parser = feedhost::parse_fault, requires = "feeds", long_help = feed_fault_help())]
    feed_faults: Vec<FeedFault>,
    /// Require this user name at the calendar host (Basic).
    #[arg(long, value_name = "NAME", requires_all = ["feeds", "feeds_password"])]
    feeds_user: Option<String>,
    /// The password that goes with it.
    #[arg(long, value_name = "P", requires = "feeds_user")]
    feeds_password: Option<Password>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SpreadArg {
    /// The same IP address, the next ports.
    Ports,
    /// The same port, the next IP addresses: 127.0.0.1, 127.0.0.2 ...
    Addresses,
}

fn quirk() -> PossibleValuesParser {
    let value = |quirk: &Quirk| PossibleValue::new(quirk.name).help(quirk.help);
    PossibleValuesParser::new(Quirks::ALL.iter().map(value))
}

fn mode(text: &str) -> Result<CalendarMode, String> {
    CalendarMode::parse(text)
        .ok_or_else(|| "expected 3rd-party, exchange, o365 or google".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    action::duration(text).ok_or_else(|| "expected a time such as 90s, 30m or 1h".to_owned())
}

fn fault_help() -> String {
    format!(
        "Make pods fail from the start, such as cap=4,pod=2, or at intervals, such as 500@30s or \
         slow=10s,method=PUT,path=/v2/calendar@5m; may be repeated.\n\nKnown are {}. Each may be followed by pod=N \
         and for=TIME, a fault also by times=N, after=N, method=M and path=P (a * at the end of a path stands for \
         anything). See docs/simulate.md.",
        action::words()
    )
}

fn feed_fault_help() -> String {
    format!(
        "Make the calendar host fail from the start, such as delay=2s or 503,path=/oak.ics; may be repeated.\n\n\
         Known are {}. Each may be followed by times=N, after=N, for=TIME, method=M and path=P (a * at the end of a \
         path stands for anything). See docs/simulate.md.",
        feedhost::WORDS
    )
}

/// Runs the pods until SIGINT or SIGTERM.
pub async fn run(args: SimulateArgs, output: Output) -> Result<Ended, Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::signals(&error))?;
    let has_password = args.password.is_some() || args.password_file.is_some();
    let building = Building::open(setup(args)?).await.map_err(failure)?;
    if output.json {
        output.json(&as_json(&building));
    } else {
        output.line(&as_text(&building, has_password));
    }
    let ran = building
        .run_until(async {
            signals.stop().await;
        })
        .await;
    ran.map_err(|error| failure(error).after_its_document())?;
    Ok(Ended::Well)
}

fn setup(args: SimulateArgs) -> Result<Setup, Failure> {
    let password = match (args.password, args.password_file) {
        (Some(password), _) => password,
        (None, Some(file)) => {
            let secret = load::secret_file(&file).map_err(|says| {
                Failure::usage(
                    format!("the password file {} {says}", file.display()),
                    "name a file that contains nothing but the password",
                )
            })?;
            secret.reveal().into()
        }
        (None, None) => Password::default(),
    };
    let mut quirks = Quirks::default();
    for quirk in &Quirks::ALL {
        let is_on = args.quirks.iter().any(|name| name == quirk.name);
        *(quirk.of)(&mut quirks) = is_on;
    }
    let feed_sign_in = args.feeds_user.zip(args.feeds_password);
    let feed_sign_in = feed_sign_in.map(|(user, password)| SignIn::basic(&user, password.reveal()));
    let (few, many) = REMEMBERED;
    let options = Options {
        seed: args.seed,
        name: args.name,
        password,
        token_life: args.token_life,
        mode: args.mode,
        type_spelling: args.third_party_type,
        time_zone: args.time_zone.to_string(),
        clock_offset: args.clock_offset,
        strict: !args.lenient,
        quirks,
        lock_after: args.lock_after,
        remember: if args.pods > 100 { many } else { few },
        ..Options::default()
    };
    Ok(Setup {
        listen: args.listen,
        pods: args.pods,
        spread: match args.spread {
            SpreadArg::Ports => Spread::Ports,
            SpreadArg::Addresses => Spread::Addresses,
        },
        options,
        feeds: args.feeds.map(|folder| (folder, args.feeds_listen)),
        state: args.state,
        control: args.control,
        schedule: args.faults,
        feed_faults: args.feed_faults,
        feed_sign_in,
    })
}

fn failure(error: SetupError) -> Failure {
    let mut message = error.to_string();
    if let Some(source) = std::error::Error::source(&error) {
        let _ = write!(message, ": {source}");
    }
    Failure::at_work(message, error.hint())
}

fn fingerprint(pod: &Sim) -> String {
    hex(&pod.fingerprint())
}

fn as_json(building: &Building) -> Value {
    let pod = |pod: &Sim| {
        json!({
            "number": pod.number(),
            "pod": pod.url().trim_start_matches("https://"),
            "url": pod.url(),
            "device_id": pod.device_id(),
            "screen_key": pod.screen_key(),
            "camera_guid": pod.camera_guid(),
            "sha256": fingerprint(pod),
        })
    };
    json!({
        "pods": building.pods().iter().map(pod).collect::<Value>(),
        "control_url": building.control().map(|address| format!("http://{address}/")),
        "feeds_url": building.feeds().map(|host| host.url("")),
    })
}

fn as_text(building: &Building, has_password: bool) -> String {
    let mut text = String::new();
    let pods = building.pods();
    for pod in pods.iter().take(LISTED) {
        let _ = writeln!(
            text,
            "pod {:<4} {}   screen key {}   sha256 {}",
            pod.number(),
            pod.url(),
            pod.screen_key(),
            fingerprint(pod)
        );
    }
    if let Some(last) = pods.get(LISTED..).and_then(<[Sim]>::last) {
        let _ = writeln!(
            text,
            "... and {} more, up to {}",
            pods.len() - LISTED,
            last.url()
        );
    }
    let url = pods.first().map(Sim::url).unwrap_or_default();
    let password = if has_password {
        "password=$PASSWORD"
    } else {
        "password="
    };
    let _ = write!(
        text,
        "\n\
         See a display:   open {url}/ in a browser (its certificate is self-signed)\n\
         Ask for a token: curl -k {url}/v2/token -d grant_type=password -d username=admin \
         --data-urlencode \"{password}\"\n\
         Then:            curl -k {url}/v2/calendar -H \"Authorization: Bearer $TOKEN\"\n"
    );
    if !has_password {
        text.push_str("No password is set: any password is accepted.\n");
    }
    if let Some(host) = building.feeds() {
        let _ = writeln!(text, "Calendars:       {}NAME.ics", host.url(""));
    }
    if let Some(control) = building.control() {
        let _ = writeln!(
            text,
            "Control:         http://{control}/   for example: curl http://{control}/pods/1/faults \
             -H 'Content-Type: application/json' -d '{{\"fault\": \"status\", \"status\": 503, \"times\": 2}}'"
        );
    }
    text.push_str("Ctrl-C stops.");
    text
}
