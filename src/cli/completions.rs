//! `podcal completions`: what a shell needs to complete a command line of podcal.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use super::Cli;
use super::output::{Ended, Output};

/// Print a script that lets a shell complete commands, options and their values.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  podcal completions bash > /etc/bash_completion.d/podcal
  podcal completions zsh  > /usr/local/share/zsh/site-functions/_podcal
  podcal completions fish > ~/.config/fish/completions/podcal.fish")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub fn run(args: CompletionsArgs, output: Output) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "podcal", &mut script);
    if output.json {
        output.json(&json!({ "script": String::from_utf8_lossy(&script) }));
    } else {
        output.raw(&script);
    }
    Ended::Well
}
