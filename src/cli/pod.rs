//! `podcal pod ROOM|URL <operation>`: every OpenControl v2 operation by hand.
//!
//! Here are the arguments and their help. `input` turns them into a finished
//! request before a pod is asked, `run` sends it to each pod, `show` words what came.
//! Which pods a room has, their pins and where pins are kept is the caller's.

mod command;
mod input;
mod run;
mod show;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use crate::config::{self, TlsTrust};
use crate::model::name::PodUrl;
use crate::model::secret::Secret;
use crate::pod::Fingerprint;

pub use command::command;
pub use input::{Job, MeetingsFromIcs, UsageError, job};
pub use run::{Outcome, Streams, Target, run};

/// Do one operation of the pods' OpenControl v2 API by hand.
///
/// Works on the pods of a configured room, or on any pod by its address. Writes
/// do exactly what they say and no more; `--dry-run` shows what would be sent.
///
/// A password goes to a bare address only if the pod shows the certificate that the
/// ledger knows for it, or one that `--fingerprint`, `--ca-file` or `--ca` accepts;
/// otherwise the fingerprint is printed and nothing sent. `--insecure` sends it anyway.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  podcal pod aurora calendar list
  podcal pod aurora calendar set bookings.ics --dry-run
  podcal pod aurora config set display.calendar.show=true
  podcal pod 192.0.2.11 trust
  podcal pod 192.0.2.11 --password-file pw --fingerprint 0f9c... info --json
  podcal pod aurora trust")]
pub struct PodArgs {
    /// A room of the configuration, or the address of a pod such as 192.0.2.11
    #[arg(value_name = "ROOM|URL")]
    pub target: String,

    #[command(subcommand)]
    pub action: Action,

    #[command(flatten)]
    pub options: Options,
}

/// Which pods, how to reach them, and how careful to be.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Of a room with several pods, only the one at this address (repeatable)
    #[arg(long = "pod", value_name = "ADDRESS", global = true)]
    pub pods: Vec<String>,

    /// Write to all pods of the room, where it has several
    #[arg(long, global = true)]
    pub all: bool,

    /// Show what a write would send, and send nothing
    #[arg(long, global = true)]
    pub dry_run: bool,

    /// Do it although the pod's calendar mode does not support it, or is not "3rd party only"
    #[arg(long, global = true)]
    pub insist: bool,

    /// Try the password although sign-in is paused after a rejected one
    #[arg(long, global = true)]
    pub try_password: bool,

    /// Print one JSON document: the global `--json`
    #[arg(skip)]
    pub json: bool,

    #[command(flatten)]
    pub address: AddressOptions,
}

/// How to reach a pod that is not in the configuration.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Bare addresses")]
#[command(group = ArgGroup::new("login").multiple(false))]
#[command(group = ArgGroup::new("trust_by").multiple(false))]
pub struct AddressOptions {
    /// Sign in as this user
    #[arg(long, value_name = "NAME", global = true)]
    pub username: Option<String>,

    /// Read the password from a file (its first line)
    #[arg(long, value_name = "FILE", global = true, group = "login")]
    pub password_file: Option<PathBuf>,

    /// Take the password from an environment variable
    #[arg(long, value_name = "VARIABLE", global = true, group = "login")]
    pub password_env: Option<String>,

    /// The pod has no password
    #[arg(long, global = true, group = "login")]
    pub no_password: bool,

    /// Accept any certificate: whoever answers at the address gets the password
    #[arg(long, global = true, group = "trust_by")]
    pub insecure: bool,

    /// Accept only the certificate with this SHA-256 fingerprint
    #[arg(long, value_name = "SHA256", global = true, group = "trust_by")]
    pub fingerprint: Option<String>,

    /// Accept certificates of the authorities in this PEM file
    #[arg(long, value_name = "FILE", global = true, group = "trust_by")]
    pub ca_file: Option<PathBuf>,

    /// Accept certificates of the system's authorities
    #[arg(long, global = true, group = "trust_by")]
    pub ca: bool,

    /// Time limit of one request
    #[arg(long, value_name = "SECONDS", global = true)]
    pub timeout: Option<u64>,
}

#[derive(Subcommand, Clone, Debug)]
pub enum Action {
    /// Sign in, and print how long the token is valid
    Token {
        /// Print the token itself, for use with another program
        #[arg(long, conflicts_with = "json")]
        reveal: bool,
    },
    /// Addresses, Wi-Fi and audio devices of the pod (Solstice 6.2 or later)
    Info,
    /// The identity of the device
    Metadata,
    /// Ask whether KEY is the key on the screen now; exits 1 if not
    ScreenKey { key: String },
    /// List, set and clear the meetings of the display
    #[command(subcommand)]
    Calendar(CalendarAction),
    /// Read and change the pod's configuration
    #[command(subcommand)]
    Config(ConfigAction),
    /// Turn the HDMI input on or off (a restart turns it on again)
    Hdmi { state: Switch },
    /// Get and set the images of the welcome screen
    #[command(subcommand)]
    Splash(SplashAction),
    /// Status, versions and updates of attached Logitech cameras
    #[command(subcommand)]
    Camera(CameraAction),
    /// Accept the certificate that the pod presents now
    Trust,
}

#[derive(Subcommand, Clone, Debug)]
pub enum CalendarAction {
    /// The meetings that the display holds
    List,
    /// One meeting
    Get { id: String },
    /// Add one meeting (not in "3rd party only" mode)
    Add {
        /// The meeting as JSON, a file with it, or `-`; the options below go first
        #[arg(value_name = "JSON|FILE|-")]
        meeting: Option<String>,
        #[command(flatten)]
        fields: Fields,
    },
    /// Replace all meetings of the display
    Set {
        /// An iCalendar file, `{"meetings":[...]}` or a JSON array; `-` for standard input
        #[arg(value_name = "FILE|JSON|-")]
        meetings: String,
    },
    /// Change fields of one meeting (not in "3rd party only" mode)
    Update {
        id: String,
        /// The changed fields as JSON, a file with them, or `-`; the options below go first
        #[arg(value_name = "JSON|FILE|-")]
        changes: Option<String>,
        #[command(flatten)]
        fields: Fields,
        /// The new description
        #[arg(long)]
        description: Option<String>,
    },
    /// Remove one meeting (not in "3rd party only" mode)
    Delete { id: String },
    /// Remove all meetings of the display
    Clear,
}

/// The fields of a meeting.
#[derive(Args, Clone, Debug, Default)]
pub struct Fields {
    #[arg(long)]
    pub title: Option<String>,
    #[arg(long)]
    pub organizer: Option<String>,
    /// RFC 3339, such as 2026-03-02T09:00:00Z, or Unix seconds
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// RFC 3339, or Unix seconds
    #[arg(long, value_name = "TIME")]
    pub end: Option<String>,
}

#[derive(Subcommand, Clone, Debug)]
pub enum ConfigAction {
    /// The configuration, or the part at PATH such as display.calendar; secrets are blanked
    Get {
        #[arg(value_name = "PATH")]
        path: Option<String>,
    },
    /// Change a part of the configuration; other keys stay as they are
    Set {
        /// JSON, a file with it, `-` for standard input, or PATH=VALUE pairs
        #[arg(value_name = "JSON|FILE|-|PATH=VALUE", required = true)]
        changes: Vec<String>,
        /// Take network changes back after this many seconds without Solstice Cloud
        #[arg(
            long,
            visible_alias = "rollback-timeout-seconds",
            value_name = "SECONDS"
        )]
        rollback: Option<u32>,
    },
    /// The configuration in the words of the first API; it has calendar mode and licence
    Legacy,
}

#[derive(Subcommand, Clone, Debug)]
pub enum SplashAction {
    /// Fetch an image
    Get {
        /// Its number in `display.splash.images`
        position: u32,
        /// 16x9 or 32x9
        #[arg(value_parser = aspect)]
        aspect: crate::pod::Aspect,
        /// Where to; standard output if left out
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Send an image, JPEG or PNG
    Set {
        /// Its number in `display.splash.images`
        position: u32,
        /// 16x9 or 32x9
        #[arg(value_parser = aspect)]
        aspect: crate::pod::Aspect,
        /// The image; `-` for standard input
        #[arg(value_name = "FILE|-")]
        image: String,
    },
}

#[derive(Subcommand, Clone, Debug)]
pub enum CameraAction {
    /// The update status
    Status,
    /// The versions of a camera
    Version { guid: String },
    /// Start the update of a camera's firmware
    Update {
        guid: String,
        /// Also where no update is due (`forceUpdate`)
        #[arg(long, visible_alias = "force-update")]
        force: bool,
    },
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

fn aspect(text: &str) -> Result<crate::pod::Aspect, String> {
    crate::pod::Aspect::parse(text).ok_or_else(|| "write 16x9 or 32x9".to_owned())
}

impl AddressOptions {
    /// Whether an option was given that only makes sense with a bare address.
    #[must_use]
    pub fn are_given(&self) -> bool {
        self.username.is_some()
            || self.password_file.is_some()
            || self.password_env.is_some()
            || self.no_password
            || self.insecure
            || self.ca_file.is_some()
            || self.ca
            || self.timeout.is_some()
    }

    /// The pod at a bare address, with the password and trust of these options.
    ///
    /// Without an option about the certificate it is that of the ledger, as with
    /// `verify = "pin"`; where the ledger knows none, `run` refuses to sign in.
    ///
    /// # Errors
    /// What is missing, or cannot be read.
    pub fn pod(&self, url: PodUrl, signs_in: bool) -> Result<config::Pod, UsageError> {
        Ok(config::Pod {
            url,
            username: self.username.clone().unwrap_or_else(|| "admin".to_owned()),
            password: self.password(signs_in)?,
            tls: self.tls()?,
            min_interval: Duration::ZERO,
            timeout: Duration::from_secs(self.timeout.unwrap_or(20).max(1)),
            third_party_type: None,
            enforce: None,
        })
    }

    fn password(&self, signs_in: bool) -> Result<Secret, UsageError> {
        if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                UsageError::new(
                    format!(
                        "the password file {} cannot be read: {error}",
                        path.display()
                    ),
                    "name a file that holds nothing but the password",
                )
            })?;
            return Ok(Secret::new(text.lines().next().unwrap_or_default()));
        }
        if let Some(name) = &self.password_env {
            let value = std::env::var(name).map_err(|_| {
                UsageError::new(
                    format!("the environment variable `{name}` is not set"),
                    "set it to the pod's password",
                )
            })?;
            return Ok(Secret::new(value));
        }
        if self.no_password || !signs_in {
            return Ok(Secret::new(""));
        }
        Err(UsageError::new(
            "a bare address needs the pod's password".to_owned(),
            "add `--password-file FILE` or `--password-env VARIABLE`; `--no-password` if the pod has none",
        ))
    }

    fn tls(&self) -> Result<TlsTrust, UsageError> {
        if self.insecure {
            return Ok(TlsTrust::Off);
        }
        if self.ca {
            return Ok(TlsTrust::Ca);
        }
        if let Some(path) = &self.ca_file {
            let pem = std::fs::read(path).map_err(|error| {
                UsageError::new(
                    format!("the CA file {} cannot be read: {error}", path.display()),
                    "name a file of certificates in PEM",
                )
            })?;
            return Ok(TlsTrust::CaFile(Arc::from(pem)));
        }
        let expected = self.expected_fingerprint()?;
        Ok(expected.map_or(TlsTrust::Pin, |expected| TlsTrust::Sha256(expected.0)))
    }

    /// The fingerprint of `--fingerprint`.
    ///
    /// # Errors
    /// It is none.
    pub fn expected_fingerprint(&self) -> Result<Option<Fingerprint>, UsageError> {
        let Some(text) = &self.fingerprint else {
            return Ok(None);
        };
        let found = Fingerprint::parse(text).ok_or_else(|| {
            UsageError::new(
                "`--fingerprint` is not a SHA-256 fingerprint".to_owned(),
                "write its 64 hexadecimal digits, with or without colons",
            )
        })?;
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests;
