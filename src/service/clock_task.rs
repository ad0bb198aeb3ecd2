//! Compares both clocks once a second, and with what hosts say; tells every task.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use super::feed_task::ServerDate;
use super::restart::Keeper;
use super::room_task::ClockState;
use crate::control::clock::{ClockEvent, ClockWatch};
use crate::telemetry::{self, words};

const LOOK: Duration = Duration::from_secs(1);

/// The clocks of a process that begins: a clock that is wrong at the start takes nothing
/// from a display.
#[derive(Debug, Default)]
pub struct WatchedClock {
    watched: ClockWatch,
    steps: u64,
}

impl WatchedClock {
    /// Looks at the clocks for the first time.
    #[must_use]
    pub fn begin(clock: Clock) -> Self {
        let mut watched = Self::default();
        let events = watched.watched.tick(clock.now());
        watched.say(&events);
        watched
    }

    #[must_use]
    pub fn state(&self) -> ClockState {
        ClockState {
            is_believed: self.watched.is_believed(),
            steps: self.steps,
        }
    }

    fn say(&mut self, events: &[ClockEvent]) {
        for event in events {
            self.steps += u64::from(matches!(event, ClockEvent::Stepped { .. }));
            telemetry::emit(words::clock::line(event));
        }
    }
}

/// Runs until its task is dropped.
pub async fn run(
    clock: Clock,
    mut watched: WatchedClock,
    mut dates: mpsc::UnboundedReceiver<ServerDate>,
    state: watch::Sender<ClockState>,
) {
    let mut keeper = Keeper::new("the watch over the clock");
    while keeper
        .failed(compare(clock, &mut watched, &mut dates, &state))
        .await
    {}
}

async fn compare(
    clock: Clock,
    watched: &mut WatchedClock,
    dates: &mut mpsc::UnboundedReceiver<ServerDate>,
    state: &watch::Sender<ClockState>,
) {
    loop {
        let look = clock.now().monotonic.plus(LOOK);
        let mut waiting = None;
        let events = tokio::select! {
            () = clock.sleep_until(look) => watched.watched.tick(clock.now()),
            // A date is judged at once, before anything is done by a wrong clock.
            told = dates.recv() => match told {
                Some(ServerDate { host, date, judged }) => {
                    waiting = Some(judged);
                    watched.watched.heard(&host, date, clock.now())
                }
                None => return,
            },
        };
        watched.say(&events);
        let newest = watched.state();
        state.send_if_modified(|published| std::mem::replace(published, newest) != newest);
        drop(waiting);
    }
}
