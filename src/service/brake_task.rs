//! The shell of the brake: hears what rooms lost, and tells all rooms what is held.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use super::restart::Keeper;
use super::room_task::RoomLosses;
use crate::control::brake::{Brake, BrakeSettings, BrakeState};
use crate::telemetry::{self, words};

/// Runs until its task is dropped.
pub async fn run(
    clock: Clock,
    mut settings: watch::Receiver<BrakeSettings>,
    mut losses: mpsc::UnboundedReceiver<RoomLosses>,
    state: watch::Sender<Arc<BrakeState>>,
) {
    let mut brake = Brake::new(*settings.borrow_and_update());
    let mut keeper = Keeper::new("the brake across rooms");
    while keeper
        .failed(judge(clock, &mut brake, &mut settings, &mut losses, &state))
        .await
    {}
}

async fn judge(
    clock: Clock,
    brake: &mut Brake,
    settings: &mut watch::Receiver<BrakeSettings>,
    losses: &mut mpsc::UnboundedReceiver<RoomLosses>,
    state: &watch::Sender<Arc<BrakeState>>,
) {
    loop {
        let wait = brake.next_change(clock.now());
        tokio::select! {
            told = losses.recv() => {
                let Some(told) = told else { return };
                brake.learn(&told.room, told.feeds);
                // What arrived together is judged together.
                while let Ok(told) = losses.try_recv() {
                    brake.learn(&told.room, told.feeds);
                }
            }
            Ok(()) = settings.changed() => brake.configure(*settings.borrow_and_update()),
            () = clock.sleep_until(wait) => {}
        }
        for event in brake.judge(clock.now()) {
            telemetry::emit(words::room::brake(&event));
        }
        state.send_if_modified(|published| {
            let is_new = **published != *brake.state();
            if is_new {
                *published = Arc::new(brake.state().clone());
            }
            is_new
        });
    }
}
