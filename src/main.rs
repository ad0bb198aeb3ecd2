//! Parses the command line, starts the logs, runs the command, and turns what it
//! returns into one report and one exit code.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// See `docs/performance.md` for what it saves.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    podcal::cli::main()
}
