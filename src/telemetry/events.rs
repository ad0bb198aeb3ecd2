//! The name of every log event, and what it means. This list is an interface:
//! somebody's alert depends on it.
//!
//! Fields that events share: `room`, `pod` (host), `feed` (host and a digest),
//! `error.type`, `duration_ms`, `meetings`, `added`, `removed`, `changed`, `since`.
//! `error` wants a person; `warn` means that podcal carried on; `info` is a change;
//! `debug` is a room in which nothing changed.

/// info: the service began: version, rooms, pods, zone data.
pub const SERVICE_STARTED: &str = "service.started";
/// info: the service ended, and what for.
pub const SERVICE_STOPPED: &str = "service.stopped";
/// info: a new configuration is in force.
pub const CONFIG_RELOADED: &str = "config.reloaded";
/// error: a new configuration is bad; the old one stays in force.
pub const CONFIG_REFUSED: &str = "config.refused";
/// warn: something in the configuration is unwise, such as a literal password.
pub const CONFIG_WARNING: &str = "config.warning";

/// info: the page and the metrics can be read, and at which address.
pub const WEB_LISTENING: &str = "web.listening";

/// error: the ledger was damaged and set aside; what could be read of it was taken over.
pub const LEDGER_SET_ASIDE: &str = "ledger.set_aside";
/// warn: the ledger was there and empty.
pub const LEDGER_EMPTY: &str = "ledger.empty";
/// info: a ledger of an older podcal was brought up to date.
pub const LEDGER_UPGRADED: &str = "ledger.upgraded";
/// warn: others could or can read or write the ledger.
pub const LEDGER_PERMISSIONS: &str = "ledger.permissions";
/// warn: the ledger is on a file system without shared memory.
pub const LEDGER_NO_WRITE_AHEAD_LOG: &str = "ledger.no_write_ahead_log";
/// error: the ledger cannot be written; displays are served, and it is tried again.
pub const LEDGER_WRITE_FAILED: &str = "ledger.write_failed";
/// info: the ledger can be written again, and everything current was.
pub const LEDGER_WRITE_RECOVERED: &str = "ledger.write_recovered";
/// warn: the ledger was deleted or replaced under the running service.
pub const LEDGER_REPLACED: &str = "ledger.replaced";
/// error: another process claimed the ledger of this service.
pub const LEDGER_LOST: &str = "ledger.lost";

/// info: a feed brought something new; debug: it did not.
pub const FEED_PULLED: &str = "feed.pulled";
/// warn: a feed began to fail, or still does; the display keeps its last good meetings.
pub const FEED_FAILING: &str = "feed.failing";
/// info: a feed is well again.
pub const FEED_RECOVERED: &str = "feed.recovered";
/// warn: part of a feed could not be read as it was meant; `explain` names each event.
pub const FEED_TROUBLE: &str = "feed.trouble";

/// debug: a room's cycle ended with nothing to do.
pub const ROOM_IN_STEP: &str = "room.in_step";
/// warn: a room has a feed that was never read; nothing is pushed before it is.
pub const ROOM_WAITING: &str = "room.waiting";
/// warn: all meetings to come vanished at once and are held.
pub const ROOM_HELD: &str = "room.held";
/// info: a hold ended, because the meetings came back or their going was believed.
pub const ROOM_RELEASED: &str = "room.released";
/// error: a cycle of a room failed in podcal itself; the next one tries again.
pub const ROOM_FAILED: &str = "room.failed";

/// info: a pod confirmed a set of meetings.
pub const PUSH_DONE: &str = "push.done";
/// warn: a push failed; it is tried again. error: it wants a person, such as for a
/// rejected password or a changed certificate.
pub const PUSH_FAILED: &str = "push.failed";
/// error: a pod is in another calendar mode and is not written to.
pub const PUSH_REFUSED: &str = "push.refused";
/// warn: a pod does not tell its calendar mode; podcal pushes all the same.
pub const MODE_UNVERIFIED: &str = "pod.mode_unverified";
/// info: a pod's certificate was seen for the first time and is insisted on from now on.
pub const CERTIFICATE_PINNED: &str = "pod.certificate_pinned";

/// info, warn or error by the new state: a pod's health changed.
pub const POD_HEALTH: &str = "pod.health";
/// warn: a display lost or does not show what it confirmed; it is pushed again.
pub const DISPLAY_LOST: &str = "display.lost";
/// warn: a pod alters what it is sent; it is left at that.
pub const DISPLAY_ALTERED: &str = "display.altered";
/// warn: a setting of a pod changed, or is not as `enforce` wants it.
pub const CONFIG_DRIFT: &str = "pod.config_drift";
/// info: a setting of a pod was repaired.
pub const CONFIG_REPAIRED: &str = "pod.config_repaired";
/// warn: a setting of a pod could not be read or repaired.
pub const CONFIG_FAILED: &str = "pod.config_failed";
