//! How a connection ends without losing its last bytes.
//!
//! The kernel answers with a reset where a connection is closed with bytes unread, and where more
//! come in after that; and a reset may overtake the last bytes that were sent, or destroy them where
//! they lie. So the last bytes are sent, the sending side is shut down (RFC 9112, section 9.6), the
//! connection lingers, and what its client has sent is drained before it is closed. A stream lingers
//! in [`Lingering`], which costs no thread; a connection in its own thread, if something unread has
//! come or its request was refused, for then its client may go on sending what nobody wants.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::iter;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::DeadlineStream;
use crate::os;

/// A stream that was ended lingers at least this long …
const LINGER: Duration = Duration::from_millis(500);
/// … and this much longer at most, so that many are let go at once.
const SLACK: Duration = Duration::from_millis(125);
/// What a client has sent is read up to this many times 4 KiB; a waiter has nothing to say.
const DRAIN_READS: usize = 16;
/// RFC 9112, section 9.6: after the last answer, what the client still sends is read this long …
const LINGER_AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// … and up to this many bytes, or else the kernel would reset the connection and with it the answer.
const LINGER_BYTES: u64 = 4 * 1024 * 1024;

/// Ends a stream with these last bytes, without waiting, and leaves it to linger; false if they reach
/// nobody, as far as can be told now: there was no room for them, or a reset has come at once, and not
/// just word from a router that has lost its way for a moment (ICMP, which `take_error` tells too).
pub fn end(stream: &TcpStream, last: &[u8]) -> bool {
    let is_sent = send(stream, last, true) && stream.shutdown(Shutdown::Write).is_ok();
    let error = stream.take_error().map(|error| error.map(|error| error.kind()));
    is_sent && !matches!(error, Ok(Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)))
}

/// Sends all of these bytes, without waiting; false if that can't be.
pub fn send(stream: &TcpStream, bytes: &[u8], is_last: bool) -> bool {
    os::send_now(stream, bytes, is_last).is_ok_and(|length| length == bytes.len())
}

/// Reads what a client has sent, without waiting for more; false if the connection is broken. Its
/// end is none: a client that has half-closed, as `nc` does, still listens.
pub fn drain(stream: &TcpStream) -> bool {
    let mut sink = [0; 4096];
    let mut reads = iter::repeat_with(|| os::receive_now(stream, &mut sink)).take(DRAIN_READS);
    match reads.find(|read| !matches!(read, Ok(1..))) {
        Some(Err(error)) => error.kind() == ErrorKind::WouldBlock,
        _ => true,
    }
}

/// Streams that were ended and are not closed yet; the oldest first, and no more than a limit.
pub struct Lingering {
    streams: VecDeque<(Instant, Arc<TcpStream>)>,
    max: usize,
}

impl Lingering {
    /// None yet, and so many at most.
    pub fn new(max: usize) -> Self {
        Lingering { streams: VecDeque::new(), max }
    }

    /// Takes one more; the oldest has to go for it if they are too many.
    pub fn push(&mut self, stream: Arc<TcpStream>, now: Instant) -> Option<Arc<TcpStream>> {
        self.streams.push_back((now + LINGER, stream));
        if self.streams.len() > self.max { self.shed() } else { None }
    }

    /// Lets go of the oldest: descriptors are short.
    pub fn shed(&mut self) -> Option<Arc<TcpStream>> {
        self.streams.pop_front().map(|(_, stream)| stream)
    }

    /// When the next are to be closed.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.streams.front().map(|(due, _)| *due + SLACK)
    }

    /// Those that have lingered long enough, if the time has come for some.
    pub fn take_due(&mut self, now: Instant) -> Vec<Arc<TcpStream>> {
        let is_time = self.next_deadline().is_some_and(|deadline| deadline <= now);
        let due = self.streams.partition_point(|(due, _)| is_time && *due <= now);
        self.streams.drain(..due).map(|(_, stream)| stream).collect()
    }
}

/// Closes a stream that has lingered: what came in meanwhile is drained first.
pub fn close(stream: Arc<TcpStream>) {
    drain(&stream);
}

/// Ends a connection after its last answer. If the client may still be sending, what comes is read for
/// a while; else there is nothing to linger for.
pub fn linger(connection: &mut DeadlineStream<'_>, is_sending: bool) {
    let stream = connection.stream;
    let _ = stream.shutdown(Shutdown::Write);
    if is_sending || os::receive_now(stream, &mut [0; 64]).is_ok() {
        let deadline = Instant::now() + LINGER_AFTER_REFUSAL;
        connection.deadline = (connection.waits)(Shutdown::Read, deadline);
        let _ = io::copy(&mut connection.take(LINGER_BYTES), &mut io::sink());
    }
}
