//! Parses the command line, starts the logs, runs the command, and turns what it
//! returns into one report and one exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    podcal::cli::main()
}
