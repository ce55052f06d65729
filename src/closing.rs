//! How a connection ends without losing its last bytes.
//!
//! The kernel answers with a reset where a connection is closed with bytes unread, and where more
//! come in after that; and a reset may overtake the last bytes that were sent, or destroy them where
//! they lie. So the last bytes are sent, the sending side is shut down (RFC 9112, section 9.6), the
//! connection lingers, and what its client has sent is drained before it is closed. A stream lingers
//! in [`Lingering`], which costs no thread; a connection in its own thread, if something unread has
//! come or its request was refused, for then its client may go on sending what nobody wants.
//!
//! What can't leave, for the peer has no room or its line is down, the kernel would keep for minutes after
//! a stream was closed, and for as many as come. So a stream lingers till all has left, in a room that all
//! of them share; where there is none, those that take most are reset. (What has left and is not acknowledged,
//! ten packets at most, the kernel keeps all the same.)

use std::cmp::Reverse;
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
/// … unless not all has left: then up to this long, in which a line may come back.
const MAX_LINGER: Duration = Duration::from_secs(120);
/// A stream takes one place, and one more for each so many bytes that could not leave. (In the kernel they
/// take two to three times as much.)
const BYTES_PER_PLACE: usize = 2048;
/// So many streams at most are looked at before others get the table again.
const MAX_DUE: usize = 64;
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

/// Streams that were ended and are not closed yet; the next to be looked at first.
#[derive(Default)]
pub struct Lingering {
    streams: VecDeque<Ended>,
    /// What all of them take.
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
        let unsent = os::unsent(&stream);
        self.put(stream, unsent, now, now);
    }

    /// Lets go of some, while they take more than so many places.
    pub fn shrink_to(&mut self, places: usize) -> Vec<Arc<TcpStream>> {
        let mut surplus = Vec::new();
        while self.places > places {
            surplus.extend(self.shed());
        }
        surplus
    }

    /// Lets go of the one that takes most, of equals the oldest: something is short.
    pub fn shed(&mut self) -> Option<Arc<TcpStream>> {
        let weight = |at: &usize| (self.streams[*at].places, Reverse(self.streams[*at].since));
        let heaviest = (0..self.streams.len()).max_by_key(weight)?;
        let stream = self.remove(heaviest)?.stream;
        Some(reset_if(os::unsent(&stream) > 0, stream))
    }

    /// When the next are to be closed.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.streams.front().map(|next| next.due + SLACK)
    }

    /// Some of those that have lingered long enough, if the time has come for any.
    pub fn take_due(&mut self, now: Instant) -> Vec<Arc<TcpStream>> {
        let is_time = self.next_deadline().is_some_and(|deadline| deadline <= now);
        let due = self.streams.partition_point(|it| is_time && it.due <= now);
        let mut over = Vec::new();
        for _ in 0..due.min(MAX_DUE) {
            let Some(Ended { stream, since, .. }) = self.remove(0) else { break };
            let unsent = os::unsent(&stream);
            if unsent > 0 && now < since + MAX_LINGER {
                self.put(stream, unsent, since, now);
            } else {
                over.push(reset_if(unsent > 0, stream));
            }
        }
        over
    }

    fn put(&mut self, stream: Arc<TcpStream>, unsent: usize, since: Instant, now: Instant) {
        let places = 1 + unsent / BYTES_PER_PLACE;
        self.places += places;
        self.streams.push_back(Ended { stream, since, due: now + LINGER, places });
    }

    fn remove(&mut self, at: usize) -> Option<Ended> {
        let ended = self.streams.remove(at)?;
        self.places -= ended.places;
        Some(ended)
    }
}

fn reset_if(is_unsent: bool, stream: Arc<TcpStream>) -> Arc<TcpStream> {
    if is_unsent {
        os::abort_at_close(&stream);
    }
    stream
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    /// A stream and its peer, which does not read.
    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(listener.accept().unwrap().0), peer)
    }

    /// It is sent more than there is room for.
    fn stuck() -> (Arc<TcpStream>, TcpStream) {
        let (stream, peer) = pair();
        stream.set_nonblocking(true).unwrap();
        while (&*stream).write(&[b'x'; 4096]).is_ok() {}
        (stream, peer)
    }

    #[test]
    fn a_stream_lingers_till_all_has_left_or_its_time_is_over() {
        let (mut lingering, start) = (Lingering::default(), Instant::now());
        let [(ended, _peer), (stuck, mut deaf), (broken, gone)] = [pair(), stuck(), stuck()];
        [ended, stuck, broken].into_iter().for_each(|it| lingering.push(it, start));
        drop(gone);
        let closed = |lingering: &mut Lingering, at: Duration| {
            lingering.take_due(start + at).into_iter().map(close).count()
        };
        assert_eq!(closed(&mut lingering, LINGER), 0, "many at once");
        assert_eq!(closed(&mut lingering, LINGER + SLACK), 2);
        assert!(lingering.places > 1);
        assert_eq!(closed(&mut lingering, MAX_LINGER - SLACK), 0);
        assert_eq!(closed(&mut lingering, MAX_LINGER + LINGER), 1);
        assert_eq!((lingering.places, lingering.next_deadline()), (0, None));
        let error = deaf.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn who_takes_most_has_to_go_first_and_of_equals_the_oldest() {
        let (mut lingering, start) = (Lingering::default(), Instant::now());
        let pairs = [pair(), stuck(), pair(), stuck(), pair()];
        let streams = pairs.each_ref().map(|(stream, _)| stream.clone());
        for (stream, at) in streams.iter().zip(0..) {
            lingering.push(stream.clone(), start + Duration::from_millis(at));
        }
        let position =
            |it: Arc<TcpStream>| streams.iter().position(|other| Arc::ptr_eq(other, &it));
        let surplus: Vec<_> = lingering.shrink_to(2).into_iter().flat_map(position).collect();
        assert!(surplus == [1, 3, 0] || surplus == [3, 1, 0], "{surplus:?}");
        assert_eq!(lingering.places, 2);
    }
}
