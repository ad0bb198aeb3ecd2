//! A feed asked once, for a command that wants to know why; through the gate for secrets
//! as every pull.

use super::sign_in::{client, permit, verdict};
use crate::config::Feed;
use crate::feed::Network;
use crate::feed::inspect::Inspection;
use crate::model::failure::Failure;
use crate::model::item::{FeedItem, Held, Pulled};
use crate::model::time::UnixTime;
use crate::service::gate::Gate;

/// A feed as it is now, whole.
pub struct Fetched {
    pub items: Vec<FeedItem>,
    /// Members that are listed and could not be fetched.
    pub missing: Vec<String>,
}

/// Pulls a feed once and whole.
///
/// # Errors
/// Why nothing came, also because sign-in is paused.
pub async fn fetch_afresh(
    feed: &Feed,
    network: &Network,
    gate: &Gate,
    insists: bool,
    now: UnixTime,
) -> Result<Fetched, Failure> {
    let (client, credential) = client(feed, network);
    let pass = permit(feed, credential.as_ref(), gate, insists)
        .await
        .map_err(|refusal| refusal.failure(feed))?;
    let answer = match &client {
        Ok(client) => client.pull(&Held::default(), now).await,
        Err(error) => Err(error.clone()),
    };
    if let Some(pass) = pass {
        pass.report(verdict(&answer)).await;
    }
    match answer {
        Ok(Pulled::Changed { items, missing, .. }) => Ok(Fetched { items, missing }),
        Ok(Pulled::Unchanged { missing, .. }) => Ok(Fetched {
            items: Vec::new(),
            missing,
        }),
        Err(error) => Err(error.failure()),
    }
}

/// Looks at who answers at a feed's address and how.
///
/// # Errors
/// Why nothing can be said, also because sign-in is paused.
pub async fn inspect(
    feed: &Feed,
    network: &Network,
    gate: &Gate,
    insists: bool,
    now: UnixTime,
) -> Result<Inspection, Failure> {
    let (_, credential) = client(feed, network);
    let pass = permit(feed, credential.as_ref(), gate, insists)
        .await
        .map_err(|refusal| refusal.failure(feed))?;
    let found = crate::feed::inspect::inspect(feed, network, now).await;
    if let Some(pass) = pass {
        pass.report(verdict(&found)).await;
    }
    found.map_err(|error| error.failure())
}
