//! What happens: each event is one line on stderr, so that a terminal tells the story, and one count
//! for `/metrics`.

use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::order::OrderId;
use crate::response::Status;
use crate::utc::Utc;

/// Something worth a line.
pub enum Event<'a> {
    /// The server takes connections.
    Listening { address: SocketAddr },
    /// What a journal has kept over a restart; torn off was this much of its last line, in bytes.
    Remembered { orders: usize, torn: u64 },
    /// An `orderpay` was parked; with the last event ID of a browser that comes back.
    Waiting { order: &'a OrderId, stream: &'a TcpStream, last_event_id: Option<&'a [u8]> },
    /// An `orderpay` found its result and got it at once.
    Fetched { order: &'a OrderId, stream: &'a TcpStream },
    /// An `orderpay` came back after `finish`, and was told to stop.
    Seen { order: &'a OrderId, stream: &'a TcpStream },
    /// An `orderpay` found no room, and was told to come back later.
    Full { order: &'a OrderId, stream: &'a TcpStream },
    /// A payback settled its order.
    Paid { order: &'a OrderId, delivered: usize },
    /// A payback for a settled order changed nothing.
    Repeated { order: &'a OrderId },
    /// A payback was not acknowledged.
    Unavailable { order: &'a OrderId },
    /// A waiter's time was up.
    Timeout { order: &'a OrderId, stream: &'a TcpStream },
    /// A waiter's client was gone.
    Vanished { order: &'a OrderId, stream: &'a TcpStream },
    /// A request was answered with an error.
    Refused { status: Status, stream: &'a TcpStream, reason: &'a str },
    /// A signal came: no more connections are taken.
    Stopping { waiting: usize },
    /// All that was begun is done.
    Stopped,
}

/// The log, and the counts since the start.
pub struct Events {
    log: Option<SyncSender<Line>>,
    counts: Counts,
}

/// What the log's thread is given.
enum Line {
    Text(String),
    /// To be told when everything before it is written.
    Flush(SyncSender<()>),
}

/// So many lines wait for stderr at most; past that they are dropped, because a terminal that is
/// stopped with Ctrl-S, or a pipe that nobody reads, must not stop a payment.
const BACKLOG: usize = 1024;
/// The last lines have this long to be written.
const FLUSH: Duration = Duration::from_millis(250);
/// In bytes, for the thread that writes them.
const STACK: usize = 64 * 1024;

/// How often what has happened.
#[derive(Default)]
pub struct Counts {
    pub connections: AtomicU64,
    pub paid: AtomicU64,
    pub repeated: AtomicU64,
    pub unavailable: AtomicU64,
    pub fetched: AtomicU64,
    pub timeouts: AtomicU64,
    pub vanished: AtomicU64,
    pub full: AtomicU64,
    pub refused: [AtomicU64; REFUSALS.len()],
}

/// The statuses that a refusal can have.
pub const REFUSALS: [Status; 12] = [
    Status::BadRequest,
    Status::Unauthorized,
    Status::Forbidden,
    Status::NotFound,
    Status::MethodNotAllowed,
    Status::RequestTimeout,
    Status::ContentTooLarge,
    Status::UriTooLong,
    Status::FieldsTooLarge,
    Status::NotImplemented,
    Status::ServiceUnavailable,
    Status::VersionNotSupported,
];

impl Events {
    /// Counts without a word.
    pub fn quiet() -> Self {
        Events { log: None, counts: Counts::default() }
    }

    /// Counts, and logs to stderr from a thread of its own.
    pub fn logged() -> io::Result<Self> {
        let (log, lines) = mpsc::sync_channel(BACKLOG);
        let log_all = move || lines.into_iter().for_each(log_line);
        thread::Builder::new().name("log".into()).stack_size(STACK).spawn(log_all)?;
        Ok(Events { log: Some(log), counts: Counts::default() })
    }

    /// How often what has happened since the start.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Counts the event, and logs its line.
    pub fn record(&self, event: Event<'_>) {
        if let Some(count) = self.counts.of(&event) {
            count.fetch_add(1, Relaxed);
        }
        if let Some(log) = &self.log {
            let line = format!("{} {event}\n", Utc::from(SystemTime::now()));
            let _ = log.try_send(Line::Text(line));
        }
    }

    /// Waits until all lines are written, but not for long.
    pub fn flush(&self) {
        if let Some(log) = &self.log {
            let (flush, flushed) = mpsc::sync_channel(1);
            let _ = log.try_send(Line::Flush(flush));
            let _ = flushed.recv_timeout(FLUSH);
        }
    }
}

/// A closed stderr, or nobody who waits any more, stops nothing.
fn log_line(line: Line) {
    let _ = match line {
        Line::Text(text) => io::stderr().write_all(text.as_bytes()),
        Line::Flush(flushed) => flushed.send(()).map_err(io::Error::other),
    };
}

impl Counts {
    fn of(&self, event: &Event<'_>) -> Option<&AtomicU64> {
        match event {
            Event::Paid { .. } => Some(&self.paid),
            Event::Repeated { .. } => Some(&self.repeated),
            Event::Unavailable { .. } => Some(&self.unavailable),
            Event::Fetched { .. } => Some(&self.fetched),
            Event::Timeout { .. } => Some(&self.timeouts),
            Event::Vanished { .. } => Some(&self.vanished),
            Event::Full { .. } => Some(&self.full),
            Event::Refused { status, .. } => {
                REFUSALS.iter().position(|refusal| refusal == status).map(|at| &self.refused[at])
            }
            _ => None,
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Listening { address } => write!(f, "event=listening address={address}"),
            Event::Remembered { orders, torn } => {
                write!(f, "event=remembered orders={orders} torn_bytes={torn}")
            }
            Event::Waiting { order, stream, last_event_id } => {
                of_waiter(f, "waiting", order, stream)?;
                match last_event_id {
                    Some(id) => write!(f, " last_event_id=\"{}\"", id.escape_ascii()),
                    None => Ok(()),
                }
            }
            Event::Fetched { order, stream } => of_waiter(f, "fetched", order, stream),
            Event::Seen { order, stream } => of_waiter(f, "seen", order, stream),
            Event::Full { order, stream } => of_waiter(f, "full", order, stream),
            Event::Timeout { order, stream } => of_waiter(f, "timeout", order, stream),
            Event::Vanished { order, stream } => of_waiter(f, "vanished", order, stream),
            Event::Paid { order, delivered } => {
                write!(f, "event=paid order={order} delivered={delivered}")
            }
            Event::Repeated { order } => write!(f, "event=repeated order={order}"),
            Event::Unavailable { order } => write!(f, "event=unavailable order={order}"),
            Event::Refused { status, stream, reason } => {
                let (status, peer) = (status.code(), Peer(stream));
                write!(f, "event=refused status={status} peer={peer} reason={reason:?}")
            }
            Event::Stopping { waiting } => write!(f, "event=stopping waiting={waiting}"),
            Event::Stopped => f.write_str("event=stopped"),
        }
    }
}

fn of_waiter(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    order: &OrderId,
    stream: &TcpStream,
) -> fmt::Result {
    write!(f, "event={name} order={order} peer={}", Peer(stream))
}

/// The other end of a connection, if it is still known.
struct Peer<'a>(&'a TcpStream);

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.peer_addr() {
            Ok(address) => address.fmt(f),
            Err(_) => f.write_str("gone"),
        }
    }
}
