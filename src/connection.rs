//! One connection: read a request, answer it, again. Each step has a deadline for the whole of it,
//! so that a client that drips one byte a second is no exception.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant, SystemTime};

use crate::app::App;
use crate::closing;
use crate::deadline::{DeadlineStream, is_timeout};
use crate::os;
use crate::request::{self, Progress, RequestError};
use crate::response::Response;
use crate::routes::Wait;
use crate::slots::{GRACE, Slot};

/// A connection with no request for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// RFC 9110, section 15.5.9: a head that is not whole this long after its first byte is 408.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// So is a body that is not whole this long after its head.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that does not take its whole answer within this time is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// In bytes: nearly every request fits; and past 1 KiB, a C library looks for memory the long way.
const READ_SIZE: usize = 1024;

/// Serves a connection until it is over, or parked. Before it waits, it has another thread `make_way`
/// for other connections; if none can, it does not wait for long.
pub fn serve(app: &App, slot: Slot<'_>, make_way: &dyn Fn() -> bool) {
    let waits = |direction, deadline: Instant| {
        slot.set_idle(Some(direction));
        if make_way() { deadline } else { deadline.min(Instant::now() + GRACE) }
    };
    let (stream, deadline) = (slot.stream(), Instant::now());
    let mut connection = Connection {
        app,
        slot: &slot,
        make_way,
        stream: DeadlineStream { stream, deadline, is_last: false, waits: &waits },
        received: Vec::with_capacity(READ_SIZE),
        awaited: None,
        gave_up: false,
    };
    let (outcome, gave_up) = (connection.run(), connection.gave_up);
    if gave_up {
        os::abort_at_close(slot.stream());
    } else if outcome.is_err() || os::unsent(slot.stream()) > 0 {
        let Some(stream) = slot.into_stream() else { return };
        match outcome {
            Ok(()) => app.waiters.linger(stream),
            Err(Wait(order, id)) => app.waiters.open(&order, stream, id.as_deref()),
        }
    }
}

struct Connection<'c> {
    app: &'c App,
    slot: &'c Slot<'c>,
    make_way: &'c dyn Fn() -> bool,
    stream: DeadlineStream<'c>,
    /// What has come and was not answered yet.
    received: Vec<u8>,
    /// What the stream's deadline is for: the same until the next request, or its next part.
    awaited: Option<Part>,
    /// An answer could not be written.
    gave_up: bool,
}

/// What is to come from a client.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// The first byte of a request.
    Start,
    Head,
    Body,
}

/// Each step tells whether the connection goes on.
impl Connection<'_> {
    /// Until the connection is over, or waits for an order.
    fn run(&mut self) -> Result<(), Wait> {
        while self.step()? {}
        Ok(())
    }

    /// Answers the next request, or reads some more of it.
    fn step(&mut self) -> Result<bool, Wait> {
        Ok(match request::parse(&self.received) {
            Ok(Progress::Idle { empty_lines }) => {
                self.received.drain(..empty_lines);
                self.receive(Part::Start, IDLE_TIMEOUT)
            }
            Ok(Progress::Head) => self.receive(Part::Head, HEAD_TIMEOUT),
            Ok(Progress::Body { expects_continue }) => {
                let asks = expects_continue && self.awaited != Some(Part::Body);
                (!asks || self.write(b"HTTP/1.1 100 Continue\r\n\r\n"))
                    && self.receive(Part::Body, BODY_TIMEOUT)
            }
            Ok(Progress::Whole(request, len)) => {
                self.slot.set_idle(None);
                if self.app.waiters.journal.is_some() {
                    // Whose disk may be slow.
                    (self.make_way)();
                }
                let response = self.app.answer(&request, self.slot.stream())?;
                let keep_alive = request.head.keep_alive();
                let head_only = request.head.method == b"HEAD";
                self.received.drain(..len);
                self.awaited = None;
                self.send(&response, keep_alive, head_only)
            }
            Err(error) => self.refuse(error),
        })
    }

    fn receive(&mut self, part: Part, timeout: Duration) -> bool {
        if self.awaited != Some(part) {
            self.awaited = Some(part);
            self.stream.deadline = Instant::now() + timeout;
        } else {
            // Who sends bit by bit may have each bit there in time.
            (self.make_way)();
        }
        let begun = part != Part::Start;
        match read_some(&mut self.stream, &mut self.received) {
            Ok(0) if begun && !self.slot.is_ending() => self.refuse(RequestError::INCOMPLETE),
            Ok(len) => len > 0,
            // signal(7): Ctrl-Z interrupts every read that has a timeout.
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) if begun && is_timeout(&error) => self.refuse(RequestError::TOO_SLOW),
            Err(_) => false,
        }
    }

    /// Whatever follows a refused request is not read as another: nobody knows where it would begin.
    fn refuse(&mut self, RequestError(status, advice): RequestError) -> bool {
        self.send(&Response::error(status, advice), false, request::is_head(&self.received))
    }

    fn send(&mut self, response: &Response, keep_alive: bool, head_only: bool) -> bool {
        self.app.events.record_refusal(response, self.slot.stream());
        let keep_alive = keep_alive && self.slot.may_keep_alive() && (self.make_way)();
        let bytes = response.to_bytes(SystemTime::now(), keep_alive, head_only);
        self.stream.is_last = !keep_alive;
        let written = self.write(&bytes);
        if written && !keep_alive {
            // What follows an answered request, or is part of a refused one.
            closing::linger(&mut self.stream, !self.received.is_empty());
        }
        written && keep_alive
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.deadline = Instant::now() + WRITE_TIMEOUT;
        self.gave_up = self.stream.write_all(bytes).is_err();
        self.slot.set_idle(None);
        !self.gave_up
    }
}

/// Reads once, and puts it behind what is in `received`; how much it was.
fn read_some(stream: &mut impl Read, received: &mut Vec<u8>) -> io::Result<usize> {
    let had = received.len();
    received.resize(had + READ_SIZE, 0);
    let outcome = stream.read(&mut received[had..]);
    received.truncate(had + *outcome.as_ref().unwrap_or(&0));
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_is_read_stands_behind_what_there_was() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let mut received = b"GE".to_vec();
        client.write_all(b"T /").unwrap();
        let mut read = || {
            let soon = Instant::now() + Duration::from_millis(50);
            let outcome = read_some(
                &mut DeadlineStream {
                    stream: &server,
                    deadline: soon,
                    is_last: false,
                    waits: &|_, deadline| deadline,
                },
                &mut received,
            );
            (outcome, received.clone())
        };
        assert_eq!(read().0.unwrap(), 3);
        let (outcome, received) = read();
        assert!(is_timeout(&outcome.unwrap_err()));
        assert_eq!(received, b"GET /");
        drop(client);
        assert_eq!(read().0.unwrap(), 0);
    }
}
