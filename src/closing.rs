//! How a connection ends without losing its last bytes.
//!
//! The kernel answers with a reset where a connection is closed with bytes unread, and where more
//! come in after that; and a reset may overtake the last bytes that were sent, or destroy them where
//! they lie. So the last bytes are sent, the sending side is shut down (RFC 9112, section 9.6), the
//! connection lingers, and what its client has sent is drained before it is closed. A stream lingers
//! in [`Lingering`], which costs no thread; a connection in its own thread, if something unread has
//! come or its request was refused, for then its client may go on sending what nobody wants.
//!
//! What its peer has no room for, the kernel would keep for minutes after a stream was closed, and for as
//! many as come: so a stream lingers till all has left, and when its time or its room is over, it is reset.

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
/// … and this much longer at most, so that many are let go at once …
const SLACK: Duration = Duration::from_millis(125);
/// … unless its client has no room for the rest yet: then up to this long.
const MAX_LINGER: Duration = Duration::from_secs(10);
/// For each so many bytes that could not leave yet, a stream takes the room of one more. (In the kernel
/// they take two to three times as much.)
const UNSENT: usize = 2048;
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

/// Sends all of these bytes, without waiting; false if that can't be: then the stream is good for nothing more.
pub fn send(stream: &TcpStream, bytes: &[u8], is_last: bool) -> bool {
    let is_sent = os::send_now(stream, bytes, is_last).is_ok_and(|length| length == bytes.len());
    if !is_sent {
        os::abort_at_close(stream);
    }
    is_sent
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

/// Streams that were ended and are not closed yet; the oldest first.
#[derive(Default)]
pub struct Lingering {
    streams: VecDeque<Ended>,
    /// What they take: the room of so many.
    pub places: usize,
}

struct Ended {
    stream: Arc<TcpStream>,
    since: Instant,
    due: Instant,
    places: usize,
}

impl Lingering {
    /// Takes one more.
    pub fn push(&mut self, stream: Arc<TcpStream>, now: Instant) {
        self.put(stream, now, now);
    }

    /// Lets go of the oldest, while they take the room of more than so many.
    pub fn shrink_to(&mut self, places: usize) -> Vec<Arc<TcpStream>> {
        let mut surplus = Vec::new();
        while self.places > places {
            surplus.extend(self.shed());
        }
        surplus
    }

    /// Lets go of the oldest: something is short.
    pub fn shed(&mut self) -> Option<Arc<TcpStream>> {
        self.pop().map(|oldest| oldest.stream).inspect(reset_if_unsent)
    }

    /// When the next are to be closed.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.streams.front().map(|oldest| oldest.due + SLACK)
    }

    /// Those that have lingered long enough, if the time has come for some.
    pub fn take_due(&mut self, now: Instant) -> Vec<Arc<TcpStream>> {
        let mut over = Vec::new();
        let is_time = self.next_deadline().is_some_and(|deadline| deadline <= now);
        while is_time && self.streams.front().is_some_and(|oldest| oldest.due <= now) {
            let Some(Ended { stream, since, .. }) = self.pop() else { break };
            if os::unsent(&stream) > 0 && now < since + MAX_LINGER {
                self.put(stream, since, now);
            } else {
                reset_if_unsent(&stream);
                over.push(stream);
            }
        }
        over
    }

    fn put(&mut self, stream: Arc<TcpStream>, since: Instant, now: Instant) {
        let places = 1 + os::unsent(&stream) / UNSENT;
        self.places += places;
        self.streams.push_back(Ended { stream, since, due: now + LINGER, places });
    }

    fn pop(&mut self) -> Option<Ended> {
        let oldest = self.streams.pop_front()?;
        self.places -= oldest.places;
        Some(oldest)
    }
}

fn reset_if_unsent(stream: &Arc<TcpStream>) {
    if os::unsent(stream) > 0 {
        os::abort_at_close(stream);
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
