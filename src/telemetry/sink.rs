//! Where lines go: a thread that writes to stderr, so that a terminal that is stopped, a
//! full disk or a reader that went away never holds up the service.
//!
//! Lines that nobody takes are dropped and counted, and the count is said when lines
//! are taken again. A log library with fields that are not known when it is compiled
//! would have been kept instead of this; `tracing` fixes the fields of each call.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::damping::Damping;
use super::line::{Level, Line};
use super::{LogFormat, LogLevel};
use crate::control::now::Monotonic;
use crate::model::time::UnixTime;
use crate::net::clean;

/// Lines that wait to be written.
const QUEUE: usize = 8_192;
/// What waits for the end of a minute is looked at this often.
const TICK: Duration = Duration::from_secs(1);
/// At the end of the process, lines are waited for this long.
const LAST_WORDS: Duration = Duration::from_millis(500);

static SINK: OnceLock<Sink> = OnceLock::new();

struct Sink {
    format: LogFormat,
    level: Level,
    colours: bool,
    started: Instant,
    damping: Arc<Mutex<Damping>>,
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

enum Message {
    Line(String),
    /// Answered when everything before it has been written.
    Flush(SyncSender<()>),
}

/// Starts logging to stderr. A second call does nothing.
pub fn start(format: LogFormat, level: LogLevel) {
    let _ = SINK.get_or_init(|| {
        let colours = format == LogFormat::Text
            && io::IsTerminal::is_terminal(&io::stderr())
            && std::env::var_os("NO_COLOR").is_none();
        let (queue, lines) = sync_channel(QUEUE);
        let sink = Sink {
            format,
            level: level.level(),
            colours,
            started: Instant::now(),
            damping: Arc::default(),
            queue,
            lost: Arc::default(),
        };
        let lost = sink.lost.clone();
        // Without a thread there is no log; the service works anyway.
        let _ = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_lines(&lines, &lost, format));
        sink
    });
}

/// Writes a line, if its level is asked for. Never waits.
pub fn emit(line: Line) {
    let Some(sink) = SINK.get().filter(|sink| line.level <= sink.level) else {
        return;
    };
    let lines = sink
        .damping
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .learn(line, wall(), sink.monotonic());
    sink.send(lines);
}

/// Writes what waited for the end of its minute; called now and then.
pub fn tick() {
    if let Some(sink) = SINK.get() {
        let lines = sink
            .damping
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tick(sink.monotonic());
        sink.send(lines);
    }
}

/// Writes everything that waits, for a moment at most.
pub fn finish() {
    let Some(sink) = SINK.get() else { return };
    let lines = sink
        .damping
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .flush();
    sink.send(lines);
    sink.flush();
}

/// Writes a command's last words, made fit for a terminal, behind all lines of the log. A reader
/// that stopped reading holds it up for a moment at most.
pub fn say(text: &str) {
    let text = clean::lines(text);
    match SINK.get() {
        Some(sink) => {
            if sink
                .queue
                .try_send(Message::Line(format!("{text}\n")))
                .is_ok()
            {
                sink.flush();
            }
        }
        None => {
            write(&format!("{text}\n"));
        }
    }
}

impl Sink {
    /// Waits for what was sent so far to be written.
    fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_WORDS);
        }
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_start(self.started.elapsed())
    }

    fn send(&self, lines: Vec<(UnixTime, Line)>) {
        for (at, line) in lines {
            let text = written(self.format, self.colours, at, &line);
            if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
                self.queue.try_send(Message::Line(text))
            {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn written(format: LogFormat, colours: bool, at: UnixTime, line: &Line) -> String {
    // Lines of this second carry its milliseconds; those that waited, their own second.
    let now = jiff::Timestamp::now();
    let at = if at.seconds() == now.as_second() {
        format!("{now:.3}")
    } else {
        format!("{:.3}", at.timestamp())
    };
    match format {
        LogFormat::Text => line.as_text(&at, colours),
        LogFormat::Json => line.as_json(&at),
    }
}

fn wall() -> UnixTime {
    UnixTime::from_seconds(jiff::Timestamp::now().as_second())
}

fn write_lines(lines: &Receiver<Message>, lost: &AtomicU64, format: LogFormat) {
    loop {
        let message = match lines.recv_timeout(TICK) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => {
                tick();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        match message {
            Message::Line(text) => {
                let dropped = lost.swap(0, Ordering::Relaxed);
                let said = dropped == 0 || write(&written(format, false, wall(), &loss(dropped)));
                if !said {
                    lost.fetch_add(dropped, Ordering::Relaxed);
                }
                if !write(&text) {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            Message::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// Whether a text was taken whole.
fn write(text: &str) -> bool {
    let mut stderr = io::stderr().lock();
    stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush())
        .is_ok()
}

fn loss(lines: u64) -> Line {
    Line::new(
        "log.lost",
        Level::Warn,
        format!("{lines} lines of this log could not be written and are lost"),
    )
    .with("lines", lines)
}
