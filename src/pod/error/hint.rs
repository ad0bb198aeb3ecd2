//! What an administrator can do about each error of a pod, and whether waiting helps.

use std::borrow::Cow;

use super::{ApiError, Body, Distrust, PodError, Unreachable, seconds};
use crate::fault::Fault;
use crate::pod::config::CalendarMode;
use crate::pod::operation::Operation;

impl Fault for PodError {
    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Unreachable { pod, problem } => match problem {
                Unreachable::Refused => format!(
                    "nothing listens on port {}: the pod may be restarting, its web configuration may be turned off (`allow_web_browser_configuration`), or `allow_admin` may be off for this network",
                    pod.port()
                ).into(),
                Unreachable::UnknownHost => "correct the pod's address, or the name server of this machine".into(),
                _ => "look whether the pod has power and network, and whether this machine may reach its network".into(),
            },
            Self::TimedOut { sent: false, .. } => {
                "the pod may be off or asleep, or a firewall may drop the connection".into()
            }
            Self::TimedOut { .. } | Self::LostAnswer { .. } | Self::CutOff { .. } => {
                if self.ended_unanswered() {
                    "the pod may have done it all the same; look before repeating it".into()
                } else {
                    "the pod may be busy or restarting; try again".into()
                }
            }
            Self::CertificateChanged { found, .. } => format!(
                "nothing was sent. If the pod was reset, updated or replaced, accept the new certificate with `podcal pod ROOM trust` (or correct `tls.sha256` where the configuration has it); if not, somebody may be in between. Found: sha256 {found}"
            ).into(),
            Self::Untrusted { why, .. } => match why {
                Distrust::OtherName => "use the name that stands in the certificate as the pod's address, or `tls = { verify = \"pin\" }`".into(),
                Distrust::KeyNotProven => "nothing was sent. Another device may be showing the pod's certificate; look at what answers at this address".into(),
                Distrust::Unreadable => "install another certificate on the pod; as a last resort `tls = { verify = \"off\" }` accepts any".into(),
                _ => "install a good certificate on the pod, or use `tls = { verify = \"pin\" }` or `tls = { ca_file = \"...\" }`".into(),
            },
            Self::Tls { .. } => "look whether address and port are those of a pod's OpenControl API (5443)".into(),
            Self::NoAuthorities { .. } => {
                "install the system's CA certificates (package `ca-certificates`), name a good `ca_file`, or use `tls = { verify = \"pin\" }`".into()
            }
            Self::WrongPassword { rest, .. } => format!(
                "correct the pod's `password` (and `username`, usually `admin`); to avoid a lock-out it is not tried again for {}",
                seconds(*rest)
            ).into(),
            Self::SignInRefused { status: 429, .. } => "the pod has had too many attempts; wait, and look for other programs that sign in with a wrong password".into(),
            Self::SignInRefused { .. } => {
                "look at the pod's `username` (usually `admin`) and whether its API is enabled".into()
            }
            Self::TokenRefused { .. } => ApiError::InvalidToken.explained(Operation::SignIn).into(),
            Self::Refused { operation, error, .. } => error.explained(*operation).into(),
            Self::Unexpected { operation, status, body, .. } => match (status, body) {
                (404, _) => not_found(*operation).into(),
                (500.., _) => ApiError::Internal.explained(*operation).into(),
                (_, Body::EmptyObject | Body::Lacks(_)) => {
                    "some pods answer so when they do not accept the token, and a new one did not help; look at the pod's password and firmware".into()
                }
                (_, Body::Html) => {
                    "something else than a pod's API answers at this address: a login portal, a proxy or another device".into()
                }
                _ => "look whether this is the address of a pod, and at its firmware".into(),
            },
            Self::TooLarge { .. } => "look whether this is the address of a pod".into(),
            Self::Redirected { .. } => {
                "write the address to which the pod redirects into the configuration, if it is the right one".into()
            }
            Self::ReadOnly { .. } => "leave out `--dry-run` to do it".into(),
            Self::OtherMode { operation, mode, .. } => if *mode == CalendarMode::ThirdParty {
                format!("in this mode a pod can only be sent all meetings at once: use `calendar set`; to {operation} all the same, add `--insist`").into()
            } else {
                "a write could change a real mailbox. Set the pod's calendar to \"3rd party only\", or insist with `--insist`".into()
            },
            Self::BadRequest { .. } => "correct it and try again".into(),
            Self::Local { .. } => "look whether the file exists and may be read or written".into(),
        }
    }

    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::LostAnswer { .. }
            | Self::CutOff { .. }
            | Self::TokenRefused { .. } => true,
            Self::SignInRefused { status, .. } => *status == 429,
            Self::Refused { status, error, .. } => match error {
                ApiError::Internal | ApiError::ResourceConflict | ApiError::InvalidToken => true,
                ApiError::Other(_) => *status >= 500 || matches!(status, 408 | 429),
                ApiError::InvalidRequest
                | ApiError::NotFound
                | ApiError::PathFailed
                | ApiError::NotLicensed => false,
            },
            Self::Unexpected { status, body, .. } => {
                *status >= 500
                    || matches!(status, 408 | 429)
                    || (*status < 300 && !matches!(body, Body::Html))
            }
            Self::CertificateChanged { .. }
            | Self::Untrusted { .. }
            | Self::Tls { .. }
            | Self::NoAuthorities { .. }
            | Self::WrongPassword { .. }
            | Self::TooLarge { .. }
            | Self::Redirected { .. }
            | Self::ReadOnly { .. }
            | Self::OtherMode { .. }
            | Self::BadRequest { .. }
            | Self::Local { .. } => false,
        }
    }
}

impl ApiError {
    /// What it means and what to do, for an administrator.
    fn explained(&self, operation: Operation) -> &'static str {
        match self {
            Self::InvalidRequest => {
                "the pod did not accept the form or a value of the request; the description says which, and its firmware may expect another"
            }
            Self::NotFound => not_found(operation),
            Self::ResourceConflict => {
                "something else is changing the same settings; look whether Solstice Cloud, the Dashboard or the pod's own panel manages them, then repeat"
            }
            Self::PathFailed => {
                "the pod could not apply a part of the configuration that was sent; send a smaller part, with the keys as `podcal pod ROOM config get` shows them"
            }
            Self::Internal => {
                "the pod failed at it; it may be starting or updating. Where it stays so, restart the pod"
            }
            Self::NotLicensed => {
                "the pod's licence does not include OpenControl (Enterprise Edition has it); look at the licence in the Solstice Dashboard or Cloud"
            }
            Self::InvalidToken => {
                "the pod does not accept its own token; look at its clock, then restart it"
            }
            Self::Other(_) => "the reference does not know this error; look at the pod itself",
        }
    }
}

/// What a 404 means depends on what was asked for.
fn not_found(operation: Operation) -> &'static str {
    match operation {
        Operation::SignIn => {
            "the pod does not know OpenControl v2; its firmware is too old (4.5 or later has it), or this is no pod"
        }
        Operation::ReadInfo => {
            "the pod's firmware is older than Solstice 6.2, which has this first"
        }
        Operation::ReadCameraStatus | Operation::ReadCameraVersion | Operation::UpdateCamera => {
            "no such Logitech camera is attached to the pod"
        }
        Operation::GetMeeting | Operation::UpdateMeeting | Operation::DeleteMeeting => {
            "the pod has no meeting with this id; `calendar list` shows which there are"
        }
        Operation::ReadSplash | Operation::WriteSplash => {
            "the pod has no splash image at this position and aspect"
        }
        _ => "the pod's firmware does not have this; it may be too old",
    }
}
