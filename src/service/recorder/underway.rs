//! A write under way.

use super::Recorder;
use super::desk::Outgoing;
use crate::ledger::Result;

/// A batch on its way to the disk. Given up half-way, its history is kept for the next one.
pub(super) struct Underway<'a> {
    recorder: &'a Recorder,
    outgoing: Option<Outgoing>,
}

impl<'a> Underway<'a> {
    pub(super) fn new(recorder: &'a Recorder, outgoing: Outgoing) -> Self {
        Self {
            recorder,
            outgoing: Some(outgoing),
        }
    }

    pub(super) async fn store(&self) -> Result<()> {
        match &self.outgoing {
            Some(outgoing) => self.recorder.store(&outgoing.batch).await,
            None => Ok(()),
        }
    }

    pub(super) fn wrote(mut self) {
        if let Some(outgoing) = self.outgoing.take() {
            self.recorder.desk().wrote(outgoing);
        }
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if let Some(outgoing) = self.outgoing.take() {
            self.recorder.desk().failed(outgoing);
        }
    }
}
