//! What happens: each event is one line on stderr, so that a terminal tells the story, and one count
//! for `/metrics`.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::lock;
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
    counts: Mutex<Counts>,
}

/// How often what has happened: by the event's name, and by the status of a refusal, which is else 0.
pub type Counts = HashMap<(&'static str, u16), u64>;

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

impl Events {
    /// Counts without a word.
    pub fn quiet() -> Self {
        Events { log: None, counts: Mutex::default() }
    }

    /// Counts, and logs to stderr from a thread of its own.
    pub fn logged() -> io::Result<Self> {
        let (log, lines) = mpsc::sync_channel(BACKLOG);
        let log_all = move || lines.into_iter().for_each(log_line);
        thread::Builder::new().name("log".into()).stack_size(STACK).spawn(log_all)?;
        Ok(Events { log: Some(log), ..Events::quiet() })
    }

    /// How often what has happened since the start.
    pub fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Counts the event, and logs its line.
    pub fn record(&self, event: Event<'_>) {
        let status = if let Event::Refused { status, .. } = event { status.code() } else { 0 };
        *lock(&self.counts).entry((event.name(), status)).or_default() += 1;
        if let Some(log) = &self.log {
            let now = Utc::from(SystemTime::now());
            let _ = log.try_send(Line::Text(format!("{now} event={}{event}\n", event.name())));
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

impl Event<'_> {
    /// What the log calls it; what is counted under this name is told by [`crate::metrics`].
    fn name(&self) -> &'static str {
        match self {
            Event::Listening { .. } => "listening",
            Event::Remembered { .. } => "remembered",
            Event::Waiting { .. } => "waiting",
            Event::Fetched { .. } => "fetched",
            Event::Seen { .. } => "seen",
            Event::Full { .. } => "full",
            Event::Paid { .. } => "paid",
            Event::Repeated { .. } => "repeated",
            Event::Unavailable { .. } => "unavailable",
            Event::Timeout { .. } => "timeout",
            Event::Vanished { .. } => "vanished",
            Event::Refused { .. } => "refused",
            Event::Stopping { .. } => "stopping",
            Event::Stopped => "stopped",
        }
    }
}

/// What the log says behind its name.
impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Listening { address } => write!(f, " address={address}"),
            Event::Remembered { orders, torn } => write!(f, " orders={orders} torn_bytes={torn}"),
            Event::Waiting { order, stream, last_event_id: Some(id) } => {
                let (peer, id) = (Peer(stream), id.escape_ascii());
                write!(f, " order={order} peer={peer} last_event_id=\"{id}\"")
            }
            Event::Waiting { order, stream, .. }
            | Event::Fetched { order, stream }
            | Event::Seen { order, stream }
            | Event::Full { order, stream }
            | Event::Timeout { order, stream }
            | Event::Vanished { order, stream } => {
                write!(f, " order={order} peer={}", Peer(stream))
            }
            Event::Paid { order, delivered } => write!(f, " order={order} delivered={delivered}"),
            Event::Repeated { order } | Event::Unavailable { order } => write!(f, " order={order}"),
            Event::Refused { status, stream, reason } => {
                let (status, peer) = (status.code(), Peer(stream));
                write!(f, " status={status} peer={peer} reason={reason:?}")
            }
            Event::Stopping { waiting } => write!(f, " waiting={waiting}"),
            Event::Stopped => Ok(()),
        }
    }
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
