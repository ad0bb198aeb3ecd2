//! What can happen in a world: faults, what people do to calendars, what operators do.

/// How a calendar host, or one of its calendars, fails. Times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFault {
    Refuses,
    Hangs,
    Slow(u64),
    Error,
    /// A sign-in page in place of a calendar.
    LoginPage,
    CutOff,
    /// 429 or 503.
    Throttles(Option<u64>),
    /// A valid calendar without any event.
    Empty,
    /// Some members of the collection cannot be had.
    Partial,
    /// The right secret is rejected.
    Rejects,
    Forbids,
    /// Answers that nothing changed, whatever did.
    Stuck,
    NoValidators,
    /// Its `Date` is days off.
    OddDate,
}

/// How a pod fails, or what it is like for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodFault {
    Down,
    Hangs,
    Error,
    Throttles(Option<u64>),
    /// The right password is rejected.
    Locked,
    /// It does what it is sent and does not say so.
    LosesAnswers,
    /// Answers a PUT with an error.
    RefusesPuts,
    OtherMode,
    ModeUnknown,
    /// Shows what it is sent after so many seconds.
    Late(u64),
    Ignores,
    ReadsEmpty,
    CutsTitles(usize),
    Keeps(usize),
    NewIds,
    NoDeviceId,
    ClockOff(i64),
}

/// What people do to a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    Add {
        in_minutes: u64,
        minutes: u64,
        is_private: bool,
    },
    /// The nth of those to come.
    Cancel(u64),
    Move(u64, i64),
    Retitle(u64),
    TogglePrivate(u64),
    /// Everything to come is deleted for good.
    Wipe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerFault {
    /// The file is deleted.
    Lost,
    /// Nothing can be written.
    Full,
    /// It cannot be read any more; with `true`, pauses could be saved.
    Damaged(bool),
    /// Put back from a backup, with the service stopped for a moment.
    Yesterday,
}

/// What an operator changes in the configuration; the service reloads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigEdit {
    RemoveRoom(usize),
    AddRoom(usize),
    AddFeed {
        room: usize,
        feed: usize,
    },
    RemoveFeed {
        room: usize,
        nth: usize,
    },
    ReplaceFeed {
        room: usize,
        nth: usize,
        feed: usize,
    },
    Filter {
        room: usize,
        nth: usize,
        place: Option<u8>,
    },
    HideTitles(usize),
    MovePod {
        address: usize,
        room: usize,
    },
    RemovePod(usize),
    Guard {
        room: usize,
        vanished: u32,
        hold_minutes: u64,
    },
    Max {
        room: usize,
        max: usize,
    },
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Host {
        host: usize,
        fault: HostFault,
        ms: u64,
    },
    Feed {
        feed: usize,
        fault: HostFault,
        ms: u64,
    },
    Edit {
        feed: usize,
        edit: Edit,
    },
    Pod {
        address: usize,
        fault: PodFault,
        ms: u64,
    },
    /// So many times, some minutes apart.
    Reboot {
        address: usize,
        ms: u64,
        times: u64,
    },
    /// Another device takes its place for good.
    Replace {
        address: usize,
    },
    /// Two devices change places, and back after a while.
    Exchange {
        one: usize,
        other: usize,
        ms: u64,
    },
    /// Somebody else writes to the display.
    Foreign {
        address: usize,
        meetings: u64,
        times: u64,
    },
    /// Somebody deletes all but the nearest meetings of a display.
    Curtail {
        address: usize,
        left: usize,
    },
    /// The wall clock is set, and set right after a while.
    Clock {
        seconds: i64,
        ms: u64,
    },
    /// Killed, and started again after a while.
    Kill {
        ms: u64,
    },
    /// Killed when the next push was done and before that is known.
    KillAtPut {
        ms: u64,
    },
    Stop {
        ms: u64,
    },
    Ledger {
        fault: LedgerFault,
        ms: u64,
    },
    Config(ConfigEdit),
    Sync {
        room: usize,
        force: bool,
    },
    Trust {
        address: usize,
    },
    /// `podcal check --connect` beside the service.
    Check,
    /// A secret changes at the calendar host; the configured one follows after a while.
    RotateFeed {
        feed: usize,
        ms: u64,
    },
    RotatePod {
        address: usize,
        ms: u64,
    },
}

/// An action and when it happens, in milliseconds from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed {
    pub at: u64,
    pub what: Action,
}
