//! The command line: one file a command, with its arguments, its help and `run`.

mod agenda;
mod check;
mod completions;
mod config;
mod demo;
#[cfg(test)]
mod documents;
mod expand;
mod explain;
mod failure;
mod history;
mod init;
mod ledger;
mod man;
mod output;
mod pod;
mod progress;
mod reload;
mod room;
mod run;
mod simulate;
mod status;
mod sync;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::failure::{Failure, error_document};
use self::output::{Ended, Output};
use crate::config::Config;
use crate::model::zone;
use crate::report;
use crate::service::signals::Signals;
use crate::telemetry::{self, LogFormat, LogLevel};

/// Keeps meeting room displays (Mersive Solstice pods) in step with the rooms' calendars.
#[derive(Debug, Parser)]
#[command(
    name = "podcal",
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        env = "PODCAL_CONFIG",
        default_value = "podcal.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    /// The form of log lines on stderr.
    #[arg(
        long,
        global = true,
        env = "PODCAL_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    log_format: LogFormat,
    /// The lowest level of log lines that are written [default: info; demo: error].
    #[arg(long, global = true, env = "PODCAL_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// Print one JSON document instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Config(config::ConfigArgs),
    Run(run::RunArgs),
    Reload(reload::ReloadArgs),
    Sync(sync::SyncArgs),
    Check(check::CheckArgs),
    Agenda(agenda::AgendaArgs),
    Explain(explain::ExplainArgs),
    Expand(expand::ExpandArgs),
    Status(status::StatusArgs),
    History(history::HistoryArgs),
    Pod(pod::PodArgs),
    Ledger(ledger::LedgerArgs),
    Simulate(simulate::SimulateArgs),
    Demo(demo::DemoArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let version: &'static str = Box::leak(
        format!(
            "{} (time zone data {})",
            env!("CARGO_PKG_VERSION"),
            zone::database_version()
        )
        .into(),
    );
    let parsed = Cli::command()
        .version(version)
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let usual = match cli.command {
        // Its pictures say what the log would.
        Command::Demo(_) => LogLevel::Error,
        _ => LogLevel::Info,
    };
    telemetry::start(cli.global.log_format, cli.global.log_level.unwrap_or(usual));
    // The only TLS library in use; a second call would find it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[cfg(unix)]
    raise_open_files();
    let output = Output {
        json: cli.global.json,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::at_work(
                format!("cannot start: {error}"),
                "free some memory or threads",
            );
            return fail(&failure, output);
        }
    };
    let is_service = matches!(cli.command, Command::Run(_));
    let is_json_log = cli.global.log_format == LogFormat::Json;
    let ended = runtime.block_on(dispatch(cli));
    if let (true, Err(failure)) = (is_service, &ended) {
        // Whatever ends the service is an event too, for whoever watches the log. Below a log
        // of text stands the whole, so its line has the first of it.
        let lines = failure.text.trim_start_matches("error: ").lines();
        let shown = if is_json_log { usize::MAX } else { 1 };
        let lines: Vec<&str> = lines.map(str::trim).take(shown).collect();
        telemetry::emit(telemetry::words::service::failed(&lines.join("; ")));
    }
    telemetry::finish();
    // What is still in flight is not waited for: a cycle can be repeated.
    runtime.shutdown_background();
    match ended {
        Ok(_) if !output::is_complete() => {
            let failure = Failure::at_work(
                "the output could not be written",
                "look where it is redirected to; the disk may be full",
            );
            fail(&failure.after_its_document(), output)
        }
        Ok(ended) => ended.into(),
        Err(failure) => {
            // The event says it; a line that is not JSON would only disturb who reads the log.
            if !(is_service && is_json_log) {
                telemetry::say(&failure.text);
            }
            fail_without_text(&failure, output)
        }
    }
}

/// Takes as many open files as the system allows: thousands of pods that are slow to
/// answer each hold a connection, and the usual soft limit of 1024 would make the
/// others look unreachable. Where it cannot be raised, it stays.
#[cfg(unix)]
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised);
}

async fn dispatch(cli: Cli) -> Result<Ended, Failure> {
    let Cli { global, command } = cli;
    let output = Output { json: global.json };
    match command {
        Command::Init(args) => init::run(&global, args, output),
        Command::Config(args) => Ok(config::run(args, output)),
        Command::Run(args) => run::run(&global, args).await,
        Command::Reload(args) => reload::run(&global, args, output).await,
        Command::Sync(args) => sync::run(&global, args, output).await,
        Command::Check(args) => until_stopped(check::run(&global, args, output)).await,
        Command::Agenda(args) => until_stopped(agenda::run(&global, args, output)).await,
        Command::Explain(args) => until_stopped(explain::run(&global, args, output)).await,
        Command::Expand(args) => expand::run(args, output).await,
        Command::Status(args) => status::run(&global, args, output).await,
        Command::History(args) => history::run(&global, args, output).await,
        Command::Pod(args) => until_stopped(pod::command(&global, args, output)).await,
        Command::Ledger(args) => until_stopped(ledger::run(args, output)).await,
        Command::Simulate(args) => simulate::run(args, output).await,
        Command::Demo(args) => demo::run(args, output).await,
        Command::Completions(args) => Ok(completions::run(args, output)),
        Command::Man(args) => man::run(&args, output),
    }
}

/// Does what asks calendars and pods, until it is asked to stop: as process 1 of a container
/// nothing else would end it.
async fn until_stopped(
    work: impl Future<Output = Result<Ended, Failure>>,
) -> Result<Ended, Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::signals(&error))?;
    tokio::select! {
        ended = work => ended,
        signal = signals.stop() => Err(Failure::at_work(
            format!("stopped by {signal} before it was done"),
            "run it again",
        )),
    }
}

/// Loads the configuration. What is unwise in it is said by `check` and by the
/// service when it starts; every other command would only repeat it.
fn load(global: &Global) -> Result<Config, Failure> {
    match crate::config::load::load(&global.config) {
        Ok(loaded) => Ok(loaded.config),
        Err(faults) => Err(Failure::configuration(&faults, &global.config)),
    }
}

/// Whether there is anything to read; a missing ledger is not an empty one.
fn ledger_exists(config: &Config) -> Result<(), Failure> {
    if config.ledger_server.is_some() || config.ledger.exists() {
        return Ok(());
    }
    Err(Failure::at_work(
        format!("there is no ledger at {} yet", config.ledger.display()),
        "run `podcal sync` once, or start the service with `podcal run`",
    ))
}

/// Something that the reader of a command's output should know besides.
fn note(text: &str) {
    telemetry::say(&format!("note: {text}"));
}

fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return ExitCode::SUCCESS;
    }
    // What stands there could not be parsed, so it is looked for as it is.
    let mut arguments = std::env::args_os().take_while(|argument| argument != "--");
    if arguments.any(|argument| argument == "--json") {
        let (says, hint) = usage_words(error);
        Output { json: true }.json(&error_document(&says, &hint, "usage"));
    }
    ExitCode::from(report::USAGE)
}

/// What clap says, on one line, and what it advises.
fn usage_words(error: &clap::Error) -> (String, String) {
    const HELP: &str = "see `podcal --help`";
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return ("no command is given".to_owned(), HELP.to_owned());
    }
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let says = paragraphs.next().unwrap_or_default();
    let says: Vec<&str> = says.lines().map(str::trim).collect();
    let says = says.join(" ");
    let tip = paragraphs.find_map(|one| one.trim().strip_prefix("tip: "));
    (
        says.trim_start_matches("error: ").to_owned(),
        tip.unwrap_or(HELP).to_owned(),
    )
}

fn fail(failure: &Failure, output: Output) -> ExitCode {
    telemetry::say(&failure.text);
    fail_without_text(failure, output)
}

fn fail_without_text(failure: &Failure, output: Output) -> ExitCode {
    if let (true, Some(document)) = (output.json, &failure.document) {
        output.json(document);
    }
    ExitCode::from(failure.code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// The text of each command's `--help` lies in `tests/data/texts/help`, to be read in one
    /// place. After a change, write them anew with `PODCAL_WRITE_TEXTS=1 cargo test --lib help`.
    #[test]
    fn each_help_text_is_the_one_that_was_reviewed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/texts/help");
        let mut program = without_environment(Cli::command().term_width(100));
        program.build();
        let whole = program.clone().render_long_help().to_string();
        let mut texts = vec![("podcal".to_owned(), whole)];
        for command in commands(&program) {
            let name = command.get_name().to_owned();
            let text = help(command, &format!("podcal {name}"));
            texts.push((name, text));
        }
        let mut expected = BTreeSet::new();
        for (command, text) in texts {
            let name = format!("{command}.txt");
            let path = folder.join(&name);
            if std::env::var_os("PODCAL_WRITE_TEXTS").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(reviewed == text, "{} differs:\n{text}", path.display());
            expected.insert(name);
        }
        let found = std::fs::read_dir(folder).unwrap();
        let found = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(
            found.collect::<BTreeSet<_>>(),
            expected,
            "files without a command"
        );
    }

    /// What is below a command, but for `help`, which clap adds.
    fn commands(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
        let all = command.get_subcommands();
        all.filter(|below| below.get_name() != "help")
    }

    /// Of the command and of all below it; without the part that is the same for all.
    fn help(command: &clap::Command, line: &str) -> String {
        let text = command.clone().render_long_help().to_string();
        let own = text.split("\nGlobal options:\n").next().unwrap_or_default();
        let mut text = format!("=== {line} --help\n\n{}\n\n", own.trim_end());
        for below in commands(command) {
            // What every operation of a command understands is in the text of the command.
            let below = below
                .clone()
                .mut_args(|arg| arg.clone().hide(arg.is_global_set()));
            text += &help(&below, &format!("{line} {}", below.get_name()));
        }
        text
    }

    /// What is set where the test runs is no part of the text.
    fn without_environment(command: clap::Command) -> clap::Command {
        command
            .mut_args(|arg| arg.hide_env_values(true))
            .mut_subcommands(without_environment)
    }

    #[test]
    fn global_options_may_stand_before_and_after_the_command() {
        for line in [
            ["podcal", "--json", "status"],
            ["podcal", "status", "--json"],
        ] {
            assert!(Cli::try_parse_from(line).unwrap().global.json);
        }
    }
}
