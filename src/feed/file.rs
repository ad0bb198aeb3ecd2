//! A calendar in a file: read whole when its size or time of change differs from
//! what is held, and believed to have changed only when its bytes have.

use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use hyper::header::HeaderMap;
use tokio::io::AsyncReadExt as _;

use super::body::{self, BodyProblem};
use super::document::{Hashed, State};
use super::error::{FileProblem, PullError, PullErrorKind};
use super::load::Load;
use super::network::Network;
use crate::model::item::{Held, Pulled};

pub(super) async fn pull(
    path: &Path,
    max_size: u64,
    held: &Held,
    network: &Network,
    load: &Arc<Load>,
) -> Result<Pulled, PullError> {
    let problem = |problem| {
        let path = path.to_owned();
        PullErrorKind::File { path, problem }.at("file")
    };
    let seen = stamp(path, max_size).await.map_err(problem)?;
    let known = State::of(held);
    // A file that changed twice within the clock's grain would look the same, so
    // one that was young when it was read is read again.
    if let Some(known) = &known
        && known.etag.as_deref() == Some(seen.text().as_str())
        && !known.doubtful
    {
        return Ok(Pulled::Unchanged {
            state: held.state.clone(),
            missing: Vec::new(),
            server_date: None,
        });
    }
    let too_large = |kind: PullErrorKind| kind.at("file");
    load.begin(Some(seen.size)).map_err(too_large)?;
    let mut weight = load.weight();
    weight.add(seen.size).map_err(too_large)?;
    let bytes = read(path, seen.size).await.map_err(problem)?;
    let after = stamp(path, max_size).await.map_err(problem)?;
    if after.text() != seen.text() {
        return Err(problem(FileProblem::Changing));
    }
    let faulty = |found| {
        problem(match found {
            BodyProblem::TooLargeInflated => FileProblem::TooLarge { limit: max_size },
            BodyProblem::CutOff | BodyProblem::UnknownEncoding(_) | BodyProblem::Damaged => {
                FileProblem::Changing
            }
        })
    };
    let bytes = Bytes::from(bytes);
    let measure = {
        let bytes = bytes.clone();
        move || body::decoded_size(&bytes, &HeaderMap::new(), max_size)
    };
    let size = network.aside(measure).await.map_err(faulty)?;
    weight.add(size).map_err(too_large)?;
    let decode = move || {
        let body = body::decoded_of(bytes, &HeaderMap::new(), size)?;
        Ok(Hashed::new(body.bytes))
    };
    let body = network.aside(decode).await.map_err(faulty)?;
    let mut state = State::new(Some(seen.text()), None, &body);
    state.doubtful = seen.is_young();
    Ok(state.pulled(held, known.as_ref(), body.body))
}

/// What tells one state of a file from another without reading it.
struct Stamp {
    size: u64,
    changed_at_ns: u128,
    age_ns: u128,
}

impl Stamp {
    fn text(&self) -> String {
        format!("{}-{}", self.changed_at_ns, self.size)
    }

    /// Changed within the last two seconds, the coarsest grain of file systems in use.
    fn is_young(&self) -> bool {
        self.age_ns < 2_000_000_000
    }
}

async fn stamp(path: &Path, max_size: u64) -> Result<Stamp, FileProblem> {
    let metadata = tokio::fs::metadata(path).await.map_err(io_problem)?;
    if !metadata.is_file() {
        return Err(FileProblem::NotAFile);
    }
    if metadata.len() > max_size {
        return Err(FileProblem::TooLarge { limit: max_size });
    }
    let changed = metadata.modified().map_err(io_problem)?;
    Ok(Stamp {
        size: metadata.len(),
        changed_at_ns: changed
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos(),
        age_ns: changed.elapsed().unwrap_or_default().as_nanos(),
    })
}

async fn read(path: &Path, size: u64) -> Result<Vec<u8>, FileProblem> {
    let file = tokio::fs::File::open(path).await.map_err(io_problem)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(size.saturating_add(1))
        .read_to_end(&mut bytes)
        .await
        .map_err(io_problem)?;
    if bytes.len() as u64 > size {
        return Err(FileProblem::Changing);
    }
    Ok(bytes)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn io_problem(error: std::io::Error) -> FileProblem {
    match error.kind() {
        std::io::ErrorKind::NotFound => FileProblem::Missing,
        std::io::ErrorKind::PermissionDenied => FileProblem::NotAllowed,
        kind => FileProblem::Other(kind),
    }
}
