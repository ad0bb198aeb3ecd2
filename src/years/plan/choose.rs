//! One fault, or one change, out of all that there are.

use super::{ConfigEdit, Edit, HostFault, Plan, PodFault, Rng};

pub(super) fn edit(rng: &mut Rng) -> Edit {
    match rng.below(12) {
        0..=4 => Edit::Add {
            in_minutes: rng.between(1, 3 * 24 * 60),
            minutes: rng.pick(&[15, 30, 60, 240]),
            is_private: rng.once_in(4),
        },
        5 | 6 => Edit::Cancel(rng.number()),
        7 => Edit::Move(rng.number(), rng.pick(&[-60, -15, 15, 60, 24 * 60])),
        8 => Edit::Retitle(rng.number()),
        9 | 10 => Edit::TogglePrivate(rng.number()),
        _ => Edit::Wipe,
    }
}

pub(super) fn host_fault(rng: &mut Rng) -> HostFault {
    let asked = rng.pick(&[None, Some(30), Some(600), Some(7_200), Some(200_000)]);
    let slow = rng.between(1, 18);
    rng.pick(&[
        HostFault::Refuses,
        HostFault::Hangs,
        HostFault::Slow(slow),
        HostFault::Error,
        HostFault::LoginPage,
        HostFault::CutOff,
        HostFault::Throttles(asked),
        HostFault::Empty,
        HostFault::Empty,
        HostFault::Partial,
        HostFault::Rejects,
        HostFault::Forbids,
        HostFault::Stuck,
        HostFault::NoValidators,
        HostFault::OddDate,
    ])
}

pub(super) fn pod_fault(rng: &mut Rng) -> PodFault {
    let asked = rng.pick(&[None, Some(30), Some(600), Some(7_200)]);
    let late = rng.pick(&[1, 5, 40]);
    let length = rng.pick(&[5, 10]);
    let most = rng.pick(&[1, 3]);
    let off = rng.pick(&[-600, 90, 7_200]);
    rng.pick(&[
        PodFault::Down,
        PodFault::Hangs,
        PodFault::Error,
        PodFault::Throttles(asked),
        PodFault::Locked,
        PodFault::LosesAnswers,
        PodFault::RefusesPuts,
        PodFault::OtherMode,
        PodFault::ModeUnknown,
        PodFault::Late(late),
        PodFault::Ignores,
        PodFault::ReadsEmpty,
        PodFault::CutsTitles(length),
        PodFault::Keeps(most),
        PodFault::NewIds,
        PodFault::NoDeviceId,
        PodFault::ClockOff(off),
    ])
}

pub(super) fn config_edit(rng: &mut Rng, plan: &Plan, addresses: usize) -> ConfigEdit {
    let room = rng.index(plan.config.rooms.len());
    let feed = rng.index(plan.feeds.len());
    let nth = rng.index(3);
    match rng.below(14) {
        0 => ConfigEdit::RemoveRoom(room),
        1 | 2 => ConfigEdit::AddRoom(room),
        3 => ConfigEdit::AddFeed { room, feed },
        4 => ConfigEdit::RemoveFeed { room, nth },
        5 => ConfigEdit::ReplaceFeed { room, nth, feed },
        6 => ConfigEdit::Filter {
            room,
            nth,
            place: rng.pick(&[None, Some(0), Some(1)]),
        },
        7 | 8 => ConfigEdit::HideTitles(room),
        9 => ConfigEdit::MovePod {
            address: rng.index(addresses),
            room,
        },
        10 => ConfigEdit::RemovePod(rng.index(addresses)),
        11 => ConfigEdit::Guard {
            room,
            vanished: rng.pick(&[0, 1, 3, 5]),
            hold_minutes: rng.pick(&[5, 15, 60]),
        },
        12 => ConfigEdit::Max {
            room,
            max: rng.pick(&[3, 5, 100]),
        },
        _ => ConfigEdit::Nothing,
    }
}
