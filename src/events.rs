//! What happens: each event is one line on stderr, so that a terminal tells the story, and one count
//! for `/metrics`.

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::order::OrderId;
use crate::response::{FIRST_ERROR, Response, STATUSES};
use crate::utc::Utc;
use crate::{lock, spawn};

/// Something worth a line, which names it in lower case, and a count.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// The server takes connections.
    Listening,
    /// A journal has kept orders over a restart.
    Remembered,
    /// An `orderpay` was parked.
    Waiting,
    /// An `orderpay` found its result and got it at once.
    Fetched,
    /// An `orderpay` came back after `finish`, and was told to stop.
    Seen,
    /// An `orderpay` found no room, and was told to come back later.
    Full,
    /// A payback settled its order.
    Paid,
    /// A payback for a settled order changed nothing.
    Repeated,
    /// A payback was not acknowledged.
    Unavailable,
    /// A waiter's time was up.
    Timeout,
    /// A waiter's client was gone.
    Vanished,
    /// A request was answered with an error.
    Refused,
    /// A signal came: no more connections are taken.
    Stopping,
    /// All that was begun is done. It stays the last.
    Stopped,
}

/// The log, and the counts since the start; by default without a log.
#[derive(Default)]
pub struct Events {
    log: Option<Arc<Log>>,
    counts: [AtomicU64; Event::Stopped as usize + 1],
    refusals: [AtomicU64; STATUSES.len()],
}

/// Lines on their way to stderr, which a thread of its own writes.
#[derive(Default)]
struct Log {
    backlog: Mutex<Backlog>,
    changed: Condvar,
}

#[derive(Default)]
struct Backlog {
    /// They gather while those before them are written.
    lines: String,
    is_writing: bool,
    /// Lines that found no place behind these.
    dropped: u64,
}

/// So many bytes of lines wait for stderr at most; past that they are dropped, because a terminal that
/// is stopped with Ctrl-S, or a pipe that nobody reads, must not stop a payment.
const MAX_BACKLOG: usize = 64 * 1024;
/// In bytes, of a value that a client has chosen.
const MAX_VALUE: usize = 64;
/// The last lines have this long to be written.
const FLUSH: Duration = Duration::from_millis(100);

impl Log {
    fn push(&self, line: &str) {
        let mut backlog = lock(&self.backlog);
        if backlog.dropped > 0 || backlog.lines.len() + line.len() > MAX_BACKLOG {
            backlog.dropped += 1;
            return;
        }
        backlog.lines += line;
        self.changed.notify_all();
    }

    /// Writes what there is, in one go, and how many lines are missing behind it.
    fn write(&self) {
        let backlog = lock(&self.backlog);
        let waited = self.changed.wait_while(backlog, |backlog| backlog.lines.is_empty());
        let mut backlog = waited.unwrap_or_else(PoisonError::into_inner);
        let Backlog { mut lines, dropped, .. } = mem::take(&mut *backlog);
        backlog.is_writing = true;
        drop(backlog);
        if dropped > 0 {
            let now = Utc::from(SystemTime::now());
            lines += &format!("{now} event=dropped lines={dropped}\n");
        }
        // A closed stderr stops nothing.
        let _ = io::stderr().write_all(lines.as_bytes());
        lock(&self.backlog).is_writing = false;
        self.changed.notify_all();
    }
}

impl Events {
    /// Counts, and logs to stderr from a thread of its own.
    pub fn logged() -> io::Result<Self> {
        let log = Arc::new(Log::default());
        let kept = log.clone();
        let run = move || {
            loop {
                log.write();
            }
        };
        spawn("log", run)?;
        Ok(Events { log: Some(kept), ..Events::default() })
    }

    /// Counts the event, and logs a line with its details: `key=value`, with spaces between them.
    pub fn record(&self, event: Event, details: fmt::Arguments<'_>) {
        self.counts[event as usize].fetch_add(1, Relaxed);
        let Some(log) = &self.log else { return };
        let now = Utc::from(SystemTime::now());
        let name = format!("{event:?}").to_ascii_lowercase();
        let space = if details.as_str() == Some("") { "" } else { " " };
        log.push(&format!("{now} event={name}{space}{details}\n"));
    }

    /// Records what became of somebody who wants to wait for this order.
    pub fn record_waiter(&self, event: Event, order: &OrderId, stream: &TcpStream) {
        self.record(event, format_args!("order={order} peer={}", self.peer(stream)));
    }

    /// Records that somebody waits; if they came back, with the last event ID that they have sent.
    pub fn record_waiting(&self, order: &OrderId, stream: &TcpStream, last: Option<&[u8]>) {
        // What a client has chosen: as much of it as a line can bear.
        let chosen = last.map(|it| it[..it.len().min(MAX_VALUE)].escape_ascii());
        let last = chosen.map_or(String::new(), |it| format!(" last_event_id=\"{it}\""));
        let peer = self.peer(stream);
        self.record(Event::Waiting, format_args!("order={order} peer={peer}{last}"));
    }

    /// Records why a request was answered with an error, if it was.
    pub fn record_refusal(&self, answer: &Response, stream: &TcpStream) {
        let (status, reason) = (answer.status, answer.body.trim_end());
        let known = STATUSES.iter().position(|(it, _)| *it == status && status >= FIRST_ERROR);
        let Some(error) = known else { return };
        self.refusals[error].fetch_add(1, Relaxed);
        let peer = self.peer(stream);
        self.record(Event::Refused, format_args!("status={status} peer={peer} reason={reason:?}"));
    }

    /// How often this has happened since the start.
    pub fn count(&self, event: Event) -> u64 {
        self.counts[event as usize].load(Relaxed)
    }

    /// How many requests were answered with each error since the start.
    pub fn refusals(&self) -> impl Iterator<Item = (u16, u64)> {
        let all = STATUSES.iter().zip(&self.refusals).filter(|it| it.0.0 >= FIRST_ERROR);
        all.map(|((status, _), count)| (*status, count.load(Relaxed)))
    }

    /// The other end of a connection, if it is still known, and if somebody is told.
    fn peer(&self, stream: &TcpStream) -> String {
        let address = self.log.as_ref().and_then(|_| stream.peer_addr().ok());
        address.map_or_else(|| "gone".into(), |address| address.to_string())
    }

    /// Waits until all lines are written, but not for long.
    pub fn flush(&self) {
        let Some(log) = &self.log else { return };
        let is_busy = |backlog: &mut Backlog| backlog.is_writing || !backlog.lines.is_empty();
        let _ = log.changed.wait_timeout_while(lock(&log.backlog), FLUSH, is_busy);
    }
}
