//! Faults that the simulator's tests put into the controllers, one at a time: a check that
//! finds none of them is worth nothing. In the program none is ever there.

/// A fault that is put in by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    HoldEndsByFailedPull,
    HoldIsForgottenByRestart,
    HoldCountsThroughFailures,
    HoldGoesByTheWall,
    HoldNeverEnds,
    LossIsBelieved,
    FewerIsNotBelieved,
    EndedStays,
    UnreadTakesAway,
    KeptIsNotRestricted,
    FiltersAreNotServed,
    DoubtIsIgnored,
    RetryAfterIsIgnored,
    RetryAfterHasNoEnd,
    RejectedIsTriedAgain,
    RejectionsCountTwice,
    TimesAreEnough,
    FewerIsInStep,
    PushComesWithoutMode,
    ModeIsRemembered,
    OtherModeIsWritten,
    EmptiedIsACorrection,
    CorrectionsHaveNoLimit,
    FailedPushFollowsAtOnce,
    PushWhatIsShown,
    SilenceIsBroken,
    OtherRoomsDeviceIsWritten,
    ForeignIsKept,
}

impl Mutation {
    #[cfg(any(test, feature = "years"))]
    pub const ALL: [Self; 28] = [
        Self::HoldEndsByFailedPull,
        Self::HoldIsForgottenByRestart,
        Self::HoldCountsThroughFailures,
        Self::HoldGoesByTheWall,
        Self::HoldNeverEnds,
        Self::LossIsBelieved,
        Self::FewerIsNotBelieved,
        Self::EndedStays,
        Self::UnreadTakesAway,
        Self::KeptIsNotRestricted,
        Self::FiltersAreNotServed,
        Self::DoubtIsIgnored,
        Self::RetryAfterIsIgnored,
        Self::RetryAfterHasNoEnd,
        Self::RejectedIsTriedAgain,
        Self::RejectionsCountTwice,
        Self::TimesAreEnough,
        Self::FewerIsInStep,
        Self::PushComesWithoutMode,
        Self::ModeIsRemembered,
        Self::OtherModeIsWritten,
        Self::EmptiedIsACorrection,
        Self::CorrectionsHaveNoLimit,
        Self::FailedPushFollowsAtOnce,
        Self::PushWhatIsShown,
        Self::SilenceIsBroken,
        Self::OtherRoomsDeviceIsWritten,
        Self::ForeignIsKept,
    ];
}

#[cfg(any(test, feature = "years"))]
thread_local! {
    static PUT_IN: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

/// Puts a fault into all controllers of this thread, or takes it out.
#[cfg(any(test, feature = "years"))]
pub fn put_in(mutation: Option<Mutation>) {
    PUT_IN.set(mutation);
}

/// Whether this fault was put in.
#[cfg(any(test, feature = "years"))]
#[must_use]
pub fn is(mutation: Mutation) -> bool {
    PUT_IN.get() == Some(mutation)
}

/// Whether this fault was put in: never.
#[cfg(not(any(test, feature = "years")))]
#[must_use]
pub const fn is(_: Mutation) -> bool {
    false
}
