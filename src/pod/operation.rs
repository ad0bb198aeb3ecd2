//! The operations of OpenControl v2: one table, from which the requests, the
//! client's rules, the errors and the list in `docs/opencontrol-v2.md` follow.
//!
//! To add an operation, add its entry here and, in the file of its subject
//! (`calendar`, `settings` or `device`), the request with its decoder.

use std::fmt;

/// What an operation is, and how it is treated.
pub struct Entry {
    /// What is done, such as `set the meetings`.
    pub does: &'static str,
    /// Method and path under `/v2`, as the reference has them. `{...}` is filled
    /// in with one segment of the path, `{...*}` with any number of them.
    pub request: &'static str,
    /// The command, after `podcal pod ROOM`.
    pub command: &'static str,
    pub effect: Effect,
    /// The answer is an object with at least one of these keys; if not, the token is
    /// suspected and renewed once. Without keys any object but an empty one will do.
    pub keys: &'static [&'static str],
    /// Whether doing it twice is the same as doing it once.
    pub repeatable: bool,
    /// Whether the body or the answer is an image, which is large and takes its time.
    pub image: bool,
    /// What a 404 means, as a hint.
    pub not_found: &'static str,
}

/// What an operation changes on the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing. To sign in and to compare a screen key have a body, but change nothing.
    Reads,
    Writes,
    /// The meetings, and so perhaps a mailbox behind them.
    WritesMeetings,
    /// A single meeting, for which the reference says: "This operation does not
    /// support the `3rd Party Only` calendar type; use Set calendar entries instead".
    WritesOneMeeting,
}

const OLD_FIRMWARE: &str = "the pod's firmware does not have this; it may be too old";
const NO_MEETING: &str =
    "the pod has no meeting with this id; `calendar list` shows which there are";
const NO_CAMERA: &str = "no such Logitech camera is attached to the pod";
const NO_IMAGE: &str = "the pod has no splash image at this position and aspect";

const PLAIN: Entry = Entry {
    does: "",
    request: "",
    command: "",
    effect: Effect::Reads,
    keys: &[],
    repeatable: true,
    image: false,
    not_found: OLD_FIRMWARE,
};

macro_rules! operations {
    ($($name:ident { $($field:ident: $value:expr,)* })*) => {
        /// An operation of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation { $($name),* }

        impl Operation {
            /// In the order of the list in the docs.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            #[must_use]
            pub const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$name => const { &Entry { $($field: $value,)* ..PLAIN } }),*
                }
            }
        }
    };
}

operations! {
    SignIn {
        does: "sign in",
        request: "POST /token",
        command: "token",
        // A wrong password must not be tried twice.
        repeatable: false,
        not_found: "the pod does not know OpenControl v2; its firmware is too old (4.5 or later has it), or this is not a pod",
    }
    // The TLS handshake alone.
    ReadCertificate {
        does: "show its certificate",
        command: "trust",
    }
    ReadMetadata {
        does: "read the metadata",
        request: "GET /metadata",
        command: "metadata",
        keys: &["device_id"],
    }
    ReadInfo {
        does: "read the network information",
        request: "GET /info",
        command: "info",
        not_found: "the pod's firmware is older than Solstice 6.2, which has this first",
    }
    CheckScreenKey {
        does: "check the screen key",
        request: "POST /info/screen_key",
        command: "screen-key",
    }
    ListMeetings {
        does: "list the meetings",
        request: "GET /calendar",
        command: "calendar list",
        // The reference's example spells the key with a colon in it.
        keys: &["meetings", "meetings:"],
    }
    GetMeeting {
        does: "get a meeting",
        request: "GET /calendar/{id}",
        command: "calendar get",
        keys: &["id", "title", "start_time"],
        not_found: NO_MEETING,
    }
    AddMeeting {
        does: "add a meeting",
        request: "POST /calendar",
        command: "calendar add",
        effect: Effect::WritesOneMeeting,
        repeatable: false,
    }
    SetMeetings {
        does: "set the meetings",
        request: "PUT /calendar",
        command: "calendar set",
        effect: Effect::WritesMeetings,
    }
    UpdateMeeting {
        does: "update a meeting",
        request: "PATCH /calendar/{id}",
        command: "calendar update",
        effect: Effect::WritesOneMeeting,
        not_found: NO_MEETING,
    }
    DeleteMeeting {
        does: "delete a meeting",
        request: "DELETE /calendar/{id}",
        command: "calendar delete",
        effect: Effect::WritesOneMeeting,
        not_found: NO_MEETING,
    }
    ClearMeetings {
        does: "clear the meetings",
        request: "DELETE /calendar",
        command: "calendar clear",
        effect: Effect::WritesMeetings,
    }
    ReadConfig {
        does: "read the configuration",
        request: "GET /config/{key*}",
        command: "config get",
    }
    ReadLegacyConfig {
        does: "read the legacy configuration",
        request: "GET /api/config",
        command: "config legacy",
    }
    PatchConfig {
        does: "change the configuration",
        request: "PATCH /config",
        command: "config set",
        effect: Effect::Writes,
    }
    SwitchHdmi {
        does: "switch the HDMI input",
        request: "POST /config/hdmi_input",
        command: "hdmi",
        effect: Effect::Writes,
    }
    ReadSplash {
        does: "get a splash image",
        request: "GET /config/display/splash/images/{position}/{aspect}",
        command: "splash get",
        image: true,
        not_found: NO_IMAGE,
    }
    WriteSplash {
        does: "set a splash image",
        request: "PATCH /config/display/splash/images/{position}/{aspect}",
        command: "splash set",
        effect: Effect::Writes,
        image: true,
        not_found: NO_IMAGE,
    }
    ReadCameraStatus {
        does: "read the camera status",
        request: "GET /control/cameras/status",
        command: "camera status",
        keys: &["updateStatus"],
        not_found: NO_CAMERA,
    }
    ReadCameraVersion {
        does: "read the camera version",
        request: "GET /control/cameras/{guid}",
        command: "camera version",
        not_found: NO_CAMERA,
    }
    UpdateCamera {
        does: "update a camera",
        request: "PATCH /control/cameras/{guid}",
        command: "camera update",
        effect: Effect::Writes,
        not_found: NO_CAMERA,
    }
}

impl Operation {
    /// Whether it changes something on the pod.
    #[must_use]
    pub fn is_write(self) -> bool {
        self.entry().effect != Effect::Reads
    }

    /// Whether it changes the meetings, and so perhaps a mailbox behind them.
    #[must_use]
    pub fn writes_meetings(self) -> bool {
        matches!(
            self.entry().effect,
            Effect::WritesMeetings | Effect::WritesOneMeeting
        )
    }

    /// Whether a pod in the third-party mode refuses it.
    #[must_use]
    pub fn unsupported_in_third_party_mode(self) -> bool {
        self.entry().effect == Effect::WritesOneMeeting
    }
}

/// What is done, such as `set the meetings`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().does)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list in the docs, as it follows from the table.
    fn list() -> String {
        let mut list =
            "| `podcal pod ROOM …` | request | changes |\n| --- | --- | --- |\n".to_owned();
        for operation in Operation::ALL {
            let entry = operation.entry();
            let request = match entry.request {
                "" => "the TLS handshake alone".to_owned(),
                request => format!("`{}`", request.replacen(" /", " /v2/", 1)),
            };
            let changes = match entry.effect {
                Effect::Reads => "nothing",
                Effect::Writes => "the pod",
                Effect::WritesMeetings => "all meetings",
                Effect::WritesOneMeeting => "one meeting; not in \"3rd party only\" mode",
            };
            list.push_str(&format!(
                "| `{}` | {request} | {changes} |\n",
                entry.command
            ));
        }
        list
    }

    #[test]
    fn the_list_in_the_docs_is_the_table() {
        let docs = include_str!("../../docs/opencontrol-v2.md");
        let list = list();
        assert!(
            docs.contains(&list),
            "docs/opencontrol-v2.md should hold:\n{list}"
        );
    }

    #[test]
    fn every_entry_says_what_it_is() {
        for operation in Operation::ALL {
            let entry = operation.entry();
            assert!(!entry.does.is_empty() && !entry.command.is_empty());
            let reads = entry.request.is_empty() || entry.request.starts_with("GET ");
            assert!(!(reads && operation.is_write()), "{operation}");
        }
    }
}
