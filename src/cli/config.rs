//! `podcal config`: the example file, and a schema for editors.

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{Ended, Output};
use crate::config::schema;

/// The example file itself, so that it and the program are of one version.
const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Print what a configuration can contain: an example, or a schema for editors.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum What {
    /// Print a configuration with every key, what it means and its default.
    Example,
    /// Print a JSON schema that lets editors complete and check the configuration.
    ///
    /// In VS Code with the extension Even Better TOML, write the schema to a file and begin
    /// `podcal.toml` with the line `#:schema ./podcal.schema.json`.
    Schema,
}

pub fn run(args: ConfigArgs, output: Output) -> Ended {
    match args.what {
        What::Example if output.json => output.json(&json!({ "toml": EXAMPLE })),
        What::Example => output.raw(EXAMPLE.as_bytes()),
        What::Schema => output.json(&schema::document()),
    }
    Ended::Well
}
