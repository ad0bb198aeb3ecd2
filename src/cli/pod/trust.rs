//! Keeps what was accepted by hand: in the running service, or in the ledger.

use std::time::Duration;

use super::run::Outcome;
use crate::app::clock;
use crate::cli::Failure;
use crate::config::Config;
use crate::ledger::{Ledger, LedgerError, WHICHEVER_ANSWERS};
use crate::model::name::PodUrl;
use crate::service::control_socket::{self, Answer, Request};
use crate::service::remote::ask_owners;

/// The service accepts a certificate after it has looked at the pod.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps certificates as pins, and that a person accepts a device: the service does it where
/// one runs, since it alone owns what is known of its pods.
pub async fn keep_trust(config: &Config, outcome: &Outcome) -> Result<(), Failure> {
    let is_trust = !outcome.trusted.is_empty();
    if outcome.pins.is_empty() && !is_trust {
        return Ok(());
    }
    let path = crate::ledger::resolve(&config.ledger)?;
    let mut asked = false;
    for url in &outcome.trusted {
        asked |= trust_by_service(config, &path, url).await?;
    }
    if asked {
        return Ok(());
    }
    let (ledger, _) = match Ledger::claim_and_open(&config.ledger_place(), clock()).await {
        Ok(opened) => opened,
        // It meets the pod itself, and pins what it finds then.
        Err(error) if error.is_held() && !is_trust => return Ok(()),
        Err(error) if error.is_held() && config.ledger_server.is_some() => {
            return trust_elsewhere(config, outcome, error).await;
        }
        Err(error) => return Err(error.into()),
    };
    for (url, pin) in &outcome.pins {
        let rooms = config.rooms.iter();
        let mut of_pod = rooms.filter(|room| room.pods.iter().any(|pod| pod.url == *url));
        let room = of_pod.next().map(|room| &room.name);
        ledger.set_pin(url, room, Some(pin.0), clock()).await?;
    }
    for url in &outcome.trusted {
        let whichever = WHICHEVER_ANSWERS;
        ledger.accept_device(url, whichever, clock()).await?;
    }
    ledger.close().await;
    Ok(())
}

/// Has the replicas that serve these pods accept what answers at their addresses now.
async fn trust_elsewhere(
    config: &Config,
    outcome: &Outcome,
    held: LedgerError,
) -> Result<(), Failure> {
    let ledger = Ledger::open_place_to_read(&config.ledger_place()).await?;
    if ledger.roll().await?.replicas.is_empty() {
        // Another command, not a service.
        return Err(held.into());
    }
    let mut answers = Ok(());
    for url in &outcome.trusted {
        let mut rooms = config.rooms.iter();
        let of_pod = rooms.find(|room| room.pods.iter().any(|pod| pod.url == *url));
        let Some(room) = of_pod else {
            continue;
        };
        let request = [(room.name.clone(), Request::Trust { pod: url.key() })];
        let asked = ask_owners(&ledger, &request, PATIENCE).await;
        let answer = asked.map(|answers| answers.into_values().next());
        answers = match answer {
            Ok(Some(Answer::Refused { says, hint })) => Err(Failure::at_work(says, &hint)),
            Ok(_) => answers,
            Err(error) => Err(error.into()),
        };
    }
    ledger.close().await;
    answers
}

/// Whether a service runs that accepted what answers at the address now.
async fn trust_by_service(
    config: &Config,
    ledger: &std::path::Path,
    url: &PodUrl,
) -> Result<bool, Failure> {
    let request = Request::Trust { pod: url.key() };
    let answer = control_socket::ask_either(&config.path, ledger, &request, PATIENCE)
        .await
        .map_err(|error| Failure::no_answer(ledger, &error))?;
    match answer {
        None => Ok(false),
        Some(Answer::Done(_)) => Ok(true),
        Some(Answer::Refused { says, hint }) => Err(Failure::at_work(says, &hint)),
    }
}
