//! One connection: read a request, answer it, again. Each step has a deadline for the whole of it,
//! so that a client that drips one byte a second is no exception.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant, SystemTime};

use crate::app::{Answer, App};
use crate::order::OrderId;
use crate::request::{self, MAX_BODY, MAX_HEAD, Progress, Refusal};
use crate::response::Response;
use crate::seats::Seat;

/// A connection with no request for this long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// RFC 9110, section 15.5.9: a head that is not whole this long after its first byte is 408.
const HEAD: Duration = Duration::from_secs(5);
/// So is a body that is not whole this long after its head.
const BODY: Duration = Duration::from_secs(5);
/// In bytes: nearly every request fits.
const USUAL: usize = 2048;
/// A client that does not take its answer for this long is given up.
pub const WRITE: Duration = Duration::from_secs(5);
/// RFC 9112, section 9.6: after the last answer, what the client still sends is read this long …
const LINGER: Duration = Duration::from_secs(1);
/// … and up to this many bytes, or else the kernel would reset the connection and with it the answer.
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// What becomes of a connection that was served.
pub enum Leaving {
    /// It is over.
    Close,
    /// It waits for this order.
    Wait { order: OrderId, last_event_id: Option<Vec<u8>> },
}

/// Serves a connection until it is over, or parked.
pub fn serve(app: &App, seat: &Seat) -> Leaving {
    app.seats.waits(seat, Instant::now());
    let inbox = Inbox::new(&seat.stream);
    let mut connection = Connection { app, seat, inbox, outbox: Vec::with_capacity(1024) };
    loop {
        if let ControlFlow::Break(leaving) = connection.step() {
            return leaving;
        }
    }
}

struct Connection<'c> {
    app: &'c App,
    seat: &'c Seat,
    inbox: Inbox<'c>,
    outbox: Vec<u8>,
}

impl Connection<'_> {
    /// Answers the next request, or reads some more of it.
    fn step(&mut self) -> ControlFlow<Leaving> {
        match request::parse(self.inbox.bytes()) {
            Ok(Progress::Whole(request, len)) => {
                self.app.seats.works(self.seat);
                let keep_alive = request.keep_alive && self.app.seats.may_stay();
                let head_only = request.method == b"HEAD";
                match self.app.answer(&request, &self.seat.stream) {
                    Answer::Stream { order, last_event_id } => {
                        ControlFlow::Break(Leaving::Wait { order, last_event_id })
                    }
                    Answer::Response(response) => {
                        self.inbox.consume(len);
                        self.send(&response, keep_alive, head_only)
                    }
                }
            }
            Ok(Progress::Head) => self.receive(Phase::Head),
            Ok(Progress::Body { expects_continue }) => {
                if expects_continue && self.inbox.phase != Phase::Body {
                    self.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
                self.receive(Phase::Body)
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn receive(&mut self, phase: Phase) -> ControlFlow<Leaving> {
        let idle = self.inbox.bytes().is_empty();
        match self.inbox.receive(if idle { Phase::Idle } else { phase }) {
            Ok(Received::Some) => ControlFlow::Continue(()),
            Ok(Received::End) if !idle && !self.app.seats.was_shut(self.seat) => {
                self.refuse(Refusal::Incomplete)
            }
            Err(Unheard::TooSlow) if !idle => self.refuse(Refusal::TooSlow),
            _ => ControlFlow::Break(Leaving::Close),
        }
    }

    /// Whatever follows a refusal is not read as a request: nobody knows where it would begin.
    fn refuse(&mut self, refusal: Refusal) -> ControlFlow<Leaving> {
        self.send(&refusal.into(), false, false)
    }

    fn send(&mut self, response: &Response, keep_alive: bool, head: bool) -> ControlFlow<Leaving> {
        self.app.tell_refusal(response, &self.seat.stream);
        self.outbox.clear();
        response.write(&mut self.outbox, SystemTime::now(), keep_alive, head);
        self.app.seats.waits(self.seat, Instant::now());
        self.write(&self.outbox)?;
        if keep_alive {
            return ControlFlow::Continue(());
        }
        linger(&self.seat.stream);
        ControlFlow::Break(Leaving::Close)
    }

    fn write(&self, bytes: &[u8]) -> ControlFlow<Leaving> {
        match (&self.seat.stream).write_all(bytes) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Leaving::Close),
        }
    }
}

/// What has been received and not yet been answered.
struct Inbox<'c> {
    stream: &'c TcpStream,
    buffer: Vec<u8>,
    unread: Range<usize>,
    phase: Phase,
    deadline: Instant,
    /// The read timeout that the socket has; zero before it has one.
    timeout: Duration,
}

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Body,
}

enum Received {
    /// Or nothing yet, if the process was stopped meanwhile (Ctrl-Z) and goes on: that interrupts
    /// every read that has a timeout (signal(7)).
    Some,
    End,
}

/// Why nothing was received.
enum Unheard {
    TooSlow,
    Broken,
}

impl<'c> Inbox<'c> {
    fn new(stream: &'c TcpStream) -> Self {
        Inbox {
            stream,
            buffer: vec![0; USUAL],
            unread: 0..0,
            phase: Phase::Idle,
            deadline: Instant::now(),
            timeout: Duration::ZERO,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    fn consume(&mut self, len: usize) {
        self.unread.start += len;
        self.phase = Phase::Idle;
    }

    /// Reads once. Its deadline starts when a phase does, and holds for all of the phase.
    fn receive(&mut self, phase: Phase) -> Result<Received, Unheard> {
        self.make_room();
        let now = Instant::now();
        if phase == Phase::Idle || phase != self.phase {
            self.phase = phase;
            self.deadline = now + phase.patience();
        }
        self.set_timeout(self.deadline.saturating_duration_since(now))?;
        match (&mut &*self.stream).read(&mut self.buffer[self.unread.end..]) {
            Ok(0) => Ok(Received::End),
            Ok(len) => {
                self.unread.end += len;
                Ok(Received::Some)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Unheard::TooSlow),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Received::Some),
            Err(_) => Err(Unheard::Broken),
        }
    }

    /// Moves what is unread to the front; what does not fit a usual buffer gets one that all fits.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.unread.end == self.buffer.len() {
            self.buffer.resize(MAX_HEAD + MAX_BODY + 1, 0);
        }
    }

    /// Tells the socket, unless it knows already.
    fn set_timeout(&mut self, timeout: Duration) -> Result<(), Unheard> {
        if timeout.is_zero() {
            return Err(Unheard::TooSlow);
        }
        if timeout != self.timeout {
            self.stream.set_read_timeout(Some(timeout)).map_err(|_| Unheard::Broken)?;
            self.timeout = timeout;
        }
        Ok(())
    }
}

impl Phase {
    fn patience(self) -> Duration {
        match self {
            Phase::Idle => IDLE,
            Phase::Head => HEAD,
            Phase::Body => BODY,
        }
    }
}

/// RFC 9112, section 9.6: says that no more will come, and reads what the client still sends.
fn linger(mut stream: &TcpStream) {
    let deadline = Instant::now() + LINGER;
    let mut sink = [0; 4096];
    let mut left = LINGER_BYTES;
    let _ = stream.shutdown(Shutdown::Write);
    while left > 0 {
        let patience = deadline.saturating_duration_since(Instant::now());
        if patience.is_zero() || stream.set_read_timeout(Some(patience)).is_err() {
            return;
        }
        match stream.read(&mut sink) {
            Ok(0) => return,
            Ok(len) => left = left.saturating_sub(len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
