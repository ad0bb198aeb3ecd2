//! `podcal man`: the manual pages, one for each command.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Args, CommandFactory as _};
use clap_mangen::Man;
use serde_json::json;

use super::output::{Ended, Output};
use super::{Cli, Failure};

/// Write a manual page for podcal and for each of its commands into a folder.
///
/// The folder is created if it does not exist; pages of an earlier version are replaced.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  podcal man /usr/local/share/man/man1
  podcal man pages && man pages/podcal-sync.1")]
pub struct ManArgs {
    /// The folder to write to.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(args: &ManArgs, output: Output) -> Result<Ended, Failure> {
    let files = write(&args.folder).map_err(|error| {
        Failure::at_work(
            format!(
                "the manual pages cannot be written to {}: {error}",
                args.folder.display()
            ),
            "name a folder that you may write to",
        )
    })?;
    if output.json {
        output.json(&json!({ "files": files }));
    } else {
        let (count, folder) = (files.len(), args.folder.display());
        output.line(&format!("Wrote {count} pages to {folder}."));
    }
    Ok(Ended::Well)
}

fn write(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let mut program = Cli::command();
    // So that each command knows what is the same for all.
    program.build();
    let mut files = Vec::new();
    write_pages(folder, program, &mut files)?;
    files.sort();
    Ok(files)
}

/// The page of a command and those of all below it.
fn write_pages(folder: &Path, command: clap::Command, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let below: Vec<clap::Command> = command
        .get_subcommands()
        .filter(|one| one.get_name() != "help")
        .cloned()
        .collect();
    // `podcal pod calendar` is the page podcal-pod-calendar(1).
    let name = command.get_display_name().unwrap_or(command.get_name());
    let name = name.to_owned();
    let file = folder.join(format!("{name}.1"));
    let mut page = Vec::new();
    let version = env!("CARGO_PKG_VERSION");
    Man::new(command.version(version)).render(&mut page)?;
    fs::write(&file, page)?;
    files.push(file);
    below
        .into_iter()
        .try_for_each(|one| write_pages(folder, one, files))
}
