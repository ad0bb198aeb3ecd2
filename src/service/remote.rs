//! Asking the replicas that serve some rooms, through the database that all of them share.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::control_socket::{Answer, Request, SyncRequest};
use super::report::{RoomReport, SyncReport};
use crate::ledger::{Ledger, LedgerError};
use crate::model::name::RoomName;

/// How often it is looked for answers.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Has the owners of these rooms do something each, and waits for their answers.
///
/// # Errors
/// When the database cannot be asked.
pub async fn ask_owners(
    ledger: &Ledger,
    requests: &[(RoomName, Request)],
    longest: Duration,
) -> Result<BTreeMap<RoomName, Answer>, LedgerError> {
    let begun = Instant::now();
    let rows: Vec<(RoomName, String)> = requests
        .iter()
        .filter_map(|(room, request)| {
            let json = serde_json::to_string(request).ok()?;
            Some((room.clone(), json))
        })
        .collect();
    let ids = ledger.ask(&rows).await?;
    let mut found = ledger.answers(&ids).await?;
    while found.len() < ids.len() && begun.elapsed() < longest {
        sleep(LOOK_EVERY).await;
        found = ledger.answers(&ids).await?;
    }
    // They are forgotten after a while anyway.
    let _ = ledger.forget_requests(&ids).await;
    let mut found: BTreeMap<i64, String> = found.into_iter().collect();
    let answers = ids.iter().zip(rows).map(|(id, (room, _))| {
        let answer = found.remove(id);
        let answer = answer.and_then(|json| serde_json::from_str(&json).ok());
        let answer = answer.unwrap_or_else(|| no_answer(&room).into());
        (room, answer)
    });
    Ok(answers.collect())
}

/// One pass over these rooms by their owners.
///
/// # Errors
/// When the database cannot be asked; what the first owner says that refuses.
pub async fn sync_by_owners(
    ledger: &Ledger,
    rooms: &[RoomName],
    options: &SyncRequest,
    longest: Duration,
) -> Result<Vec<RoomReport>, Refusal> {
    let request = |room: &RoomName| {
        let request = SyncRequest {
            rooms: vec![room.to_string()],
            ..options.clone()
        };
        (room.clone(), Request::Sync(request))
    };
    let requests: Vec<_> = rooms.iter().map(request).collect();
    let answers = ask_owners(ledger, &requests, longest).await;
    let answers = answers.map_err(|error| Refusal::from(&error))?;
    let mut reports = Vec::new();
    for (room, answer) in answers {
        match answer {
            Answer::Done(report) => match serde_json::from_value::<SyncReport>(report) {
                Ok(report) => reports.extend(report.rooms),
                Err(_) => return Err(no_answer(&room)),
            },
            Answer::Refused { says, hint } => return Err(Refusal { says, hint }),
        }
    }
    Ok(reports)
}

/// Why something was not done, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub says: String,
    pub hint: String,
}

impl From<&LedgerError> for Refusal {
    fn from(error: &LedgerError) -> Self {
        let failure = error.failure();
        Self {
            says: failure.says,
            hint: failure.hint,
        }
    }
}

impl From<Refusal> for Answer {
    fn from(Refusal { says, hint }: Refusal) -> Self {
        Self::Refused { says, hint }
    }
}

fn no_answer(room: &RoomName) -> Refusal {
    Refusal {
        says: format!("no replica answered for the room `{room}`"),
        hint: "see `podcal status`: is the room in the configuration of every replica?".to_owned(),
    }
}
