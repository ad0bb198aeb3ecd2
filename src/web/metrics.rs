//! `/metrics`: how things stand, and what was counted since the start. See `docs/metrics.md`.

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry, Result, TextEncoder};

use crate::control::pod::PodState;
use crate::service::snapshot::Snapshot;
use crate::service::status::RoomState;
use crate::telemetry;

/// Of Prometheus' text format.
pub const MEDIA: &str = prometheus::TEXT_FORMAT;

/// All metrics as text.
pub fn text(snapshot: &Snapshot) -> Result<String> {
    let registry = Registry::new();
    telemetry::metrics::register(&registry)?;
    gauges(snapshot, &registry)?;
    TextEncoder::new().encode_to_string(&registry.gather())
}

fn gauges(snapshot: &Snapshot, registry: &Registry) -> Result<()> {
    let family = |name: &str, help: &str, labels: &[&str]| -> Result<IntGaugeVec> {
        let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
        registry.register(Box::new(family.clone()))?;
        Ok(family)
    };
    let set = |family: &IntGaugeVec, labels: &[&str], value: i64| -> Result<()> {
        family.get_metric_with_label_values(labels)?.set(value);
        Ok(())
    };
    let build = family(
        "podcal_build_info",
        "Always 1; the version is in the label.",
        &["version"],
    )?;
    set(&build, &[env!("CARGO_PKG_VERSION")], 1)?;
    let writable = IntGauge::new(
        "podcal_ledger_writable",
        "Whether the ledger can be written (1) or not (0); displays are served either way.",
    )?;
    writable.set(snapshot.is_ledger_writable.into());
    registry.register(Box::new(writable))?;
    let rooms = family(
        "podcal_rooms",
        "Rooms, by their state as `podcal status` says it.",
        &["state"],
    )?;
    let pods = family(
        "podcal_pods",
        "Pods, by the state of the pod and its display.",
        &["state"],
    )?;
    let in_step = family(
        "podcal_room_in_step",
        "Whether every display of the room shows what it should by calendars that can be read (1) or not (0).",
        &["room"],
    )?;
    let feed_success = family(
        "podcal_feed_last_success_timestamp_seconds",
        "When the feed was last read, as Unix time; absent while it never was.",
        &["room", "feed"],
    )?;
    let pod_success = family(
        "podcal_pod_last_success_timestamp_seconds",
        "When the pod last answered, as Unix time; absent while it never did.",
        &["room", "pod"],
    )?;
    for state in RoomState::ALL {
        set(&rooms, &[state.key()], 0)?;
    }
    for state in PodState::ALL {
        set(&pods, &[state.key()], 0)?;
    }
    let served = family(
        "podcal_replica_rooms",
        "Rooms that each replica serves; absent where one podcal serves all of them.",
        &["replica"],
    )?;
    let is_shared = !snapshot.roll.replicas.is_empty();
    for (replica, rooms) in snapshot.roll.shares() {
        let rooms = i64::try_from(rooms).unwrap_or(i64::MAX);
        set(&served, &[&replica.name], rooms)?;
    }
    for place in 0..snapshot.config.rooms.len() {
        let Some(room) = snapshot.room(place) else {
            continue;
        };
        let name = room.room.as_str();
        rooms
            .get_metric_with_label_values(&[room.state.key()])?
            .inc();
        set(&in_step, &[name], (room.state == RoomState::InStep).into())?;
        for feed in &room.feeds {
            let view = snapshot.views.feeds.get(&feed.feed);
            let live = view.and_then(|view| view.borrow().read_at);
            // Of what others serve, those know it better.
            let remembered = feed.memory.read_at.filter(|_| !is_shared);
            if let Some(at) = live.or(remembered) {
                let feed = feed.feed.to_string();
                set(&feed_success, &[name, &feed], at.seconds())?;
            }
        }
        for display in &room.displays {
            pods.get_metric_with_label_values(&[display.state.key()])?
                .inc();
            let view = snapshot.views.pods.get(&display.pod);
            let live = view.and_then(|view| view.borrow().seen_at);
            let remembered = display.memory.seen_at.filter(|_| !is_shared);
            if let Some(at) = live.or(remembered) {
                let pod = display.pod.to_string();
                set(&pod_success, &[name, &pod], at.seconds())?;
            }
        }
    }
    Ok(())
}
