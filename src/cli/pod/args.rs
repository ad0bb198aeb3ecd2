//! The arguments of `podcal pod` and their help.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::address::AddressOptions;
use crate::pod::Aspect;

/// Do one operation of the pods' OpenControl v2 API by hand.
///
/// Works on the pods of a configured room, or on any pod by its address. Writes
/// do exactly what they say and no more; `--dry-run` shows what would be sent.
///
/// A password goes to a bare address only if the pod shows the certificate that the
/// ledger knows for it, or one that `--fingerprint`, `--ca-file` or `--ca` accepts;
/// otherwise the fingerprint is printed and nothing is sent. `--insecure` sends it anyway.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  podcal pod aurora calendar list
  podcal pod aurora calendar set bookings.ics --dry-run
  podcal pod aurora config set display.calendar.show=true
  podcal pod 192.0.2.11 trust
  podcal pod 192.0.2.11 --password-file pw --fingerprint 0f9c... info --json
  podcal pod aurora trust
  podcal pod --every-room trust")]
pub struct PodArgs {
    /// A room of the configuration, or the address of a pod such as 192.0.2.11
    #[arg(value_name = "ROOM|URL", required_unless_present = "every_room")]
    pub target: Option<String>,

    /// All pods of all rooms; only for `trust`, which lists them and asks first
    #[arg(long, conflicts_with = "target")]
    pub every_room: bool,

    #[command(subcommand)]
    pub action: Action,

    #[command(flatten)]
    pub options: Options,
}

/// Which pods, how to reach them, and how careful to be.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Only the room's pod at this address; may be repeated
    #[arg(long = "pod", value_name = "ADDRESS", global = true)]
    pub pods: Vec<String>,

    /// Write to all pods of a room that has several
    #[arg(long, global = true)]
    pub all: bool,

    /// Show what a write would send, and send nothing
    #[arg(long, global = true)]
    pub dry_run: bool,

    /// Do it even if the pod's calendar mode does not support it, or is not "3rd party only"
    #[arg(long, global = true)]
    pub insist: bool,

    /// Try the password although sign-in is paused after a rejected one
    #[arg(long, global = true)]
    pub try_password: bool,

    /// With --every-room: accept without being asked
    #[arg(long, global = true)]
    pub yes: bool,

    /// Print one JSON document: the global `--json`
    #[arg(skip)]
    pub json: bool,

    #[command(flatten)]
    pub address: AddressOptions,
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
    ScreenKey {
        /// The key to compare with the one on the screen
        key: String,
    },
    /// List, set and clear the meetings of the display
    #[command(subcommand)]
    Calendar(CalendarAction),
    /// Read and change the pod's configuration
    #[command(subcommand)]
    Config(ConfigAction),
    /// Turn the HDMI input on or off (a restart turns it on again)
    Hdmi {
        /// Whether the input is on
        state: Switch,
    },
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
    Get {
        /// The id of the meeting
        id: String,
    },
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
        /// The id of the meeting
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
    Delete {
        /// The id of the meeting
        id: String,
    },
    /// Remove all meetings of the display
    Clear,
}

/// The fields of a meeting.
#[derive(Args, Clone, Debug, Default)]
pub struct Fields {
    /// The title
    #[arg(long)]
    pub title: Option<String>,
    /// The organizer
    #[arg(long)]
    pub organizer: Option<String>,
    /// The start: RFC 3339, such as 2026-03-02T09:00:00Z, or Unix seconds
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// The end: RFC 3339, or Unix seconds
    #[arg(long, value_name = "TIME")]
    pub end: Option<String>,
}

#[derive(Subcommand, Clone, Debug)]
pub enum ConfigAction {
    /// The configuration, or the part at PATH such as display.calendar; secrets are blanked
    Get {
        /// Such as display.calendar; everything if left out
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
    /// The configuration as the first API has it, with calendar mode and licence
    Legacy,
}

#[derive(Subcommand, Clone, Debug)]
pub enum SplashAction {
    /// Fetch an image
    Get {
        /// The number of the image in `display.splash.images`
        position: u32,
        /// 16x9 or 32x9
        #[arg(value_parser = aspect)]
        aspect: Aspect,
        /// The file to write; standard output if left out
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Send an image, JPEG or PNG
    Set {
        /// The number of the image in `display.splash.images`
        position: u32,
        /// 16x9 or 32x9
        #[arg(value_parser = aspect)]
        aspect: Aspect,
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
    Version {
        /// The GUID of the camera
        guid: String,
    },
    /// Start the update of a camera's firmware
    Update {
        /// The GUID of the camera
        guid: String,
        /// Even if no update is due (`forceUpdate`)
        #[arg(long, visible_alias = "force-update")]
        force: bool,
    },
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

fn aspect(text: &str) -> Result<Aspect, String> {
    Aspect::parse(text).ok_or_else(|| "write 16x9 or 32x9".to_owned())
}
