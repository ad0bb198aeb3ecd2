//! The operations of OpenControl v2, as things that can be named, allowed and refused.

use std::fmt;

/// An operation of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    SignIn,
    /// The TLS handshake alone.
    ReadCertificate,
    ReadMetadata,
    ReadInfo,
    CheckScreenKey,
    ListMeetings,
    GetMeeting,
    AddMeeting,
    SetMeetings,
    UpdateMeeting,
    DeleteMeeting,
    ClearMeetings,
    ReadConfig,
    ReadLegacyConfig,
    PatchConfig,
    SwitchHdmi,
    ReadSplash,
    WriteSplash,
    ReadCameraStatus,
    ReadCameraVersion,
    UpdateCamera,
}

impl Operation {
    /// Whether it changes something on the pod. To sign in and to compare a
    /// screen key are requests with a body, but change nothing.
    #[must_use]
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Self::AddMeeting
                | Self::SetMeetings
                | Self::UpdateMeeting
                | Self::DeleteMeeting
                | Self::ClearMeetings
                | Self::PatchConfig
                | Self::SwitchHdmi
                | Self::WriteSplash
                | Self::UpdateCamera
        )
    }

    /// Whether it changes the meetings, and so perhaps a mailbox behind them.
    #[must_use]
    pub fn writes_meetings(self) -> bool {
        self == Self::SetMeetings
            || self == Self::ClearMeetings
            || self.unsupported_in_third_party_mode()
    }

    /// "This operation does not support the `3rd Party Only` calendar type; use
    /// Set calendar entries instead" (the reference, of these three).
    #[must_use]
    pub fn unsupported_in_third_party_mode(self) -> bool {
        matches!(
            self,
            Self::AddMeeting | Self::UpdateMeeting | Self::DeleteMeeting
        )
    }
}

/// What is done, such as `set the calendar`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignIn => "sign in",
            Self::ReadCertificate => "show its certificate",
            Self::ReadMetadata => "read the metadata",
            Self::ReadInfo => "read the network information",
            Self::CheckScreenKey => "check the screen key",
            Self::ListMeetings => "list the meetings",
            Self::GetMeeting => "get a meeting",
            Self::AddMeeting => "add a meeting",
            Self::SetMeetings => "set the meetings",
            Self::UpdateMeeting => "update a meeting",
            Self::DeleteMeeting => "delete a meeting",
            Self::ClearMeetings => "clear the meetings",
            Self::ReadConfig => "read the configuration",
            Self::ReadLegacyConfig => "read the legacy configuration",
            Self::PatchConfig => "change the configuration",
            Self::SwitchHdmi => "switch the HDMI input",
            Self::ReadSplash => "get a splash image",
            Self::WriteSplash => "set a splash image",
            Self::ReadCameraStatus => "read the camera status",
            Self::ReadCameraVersion => "read the camera version",
            Self::UpdateCamera => "update a camera",
        })
    }
}
