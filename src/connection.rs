//! One connection: read a request, answer it, again. Each step has a deadline for the whole of it,
//! so that a client that drips one byte a second is no exception.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use crate::app::App;
use crate::request::{self, Progress, RequestError};
use crate::response::Response;
use crate::routes::Wait;
use crate::slots::Slot;

/// A connection with no request for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// RFC 9110, section 15.5.9: a head that is not whole this long after its first byte is 408.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// So is a body that is not whole this long after its head.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that does not take its whole answer within this time is given up.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// RFC 9112, section 9.6: after the last answer, what the client still sends is read this long …
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// … and up to this many bytes, or else the kernel would reset the connection and with it the answer.
const LINGER_BYTES: usize = 4 * 1024 * 1024;
/// In bytes: nearly every request fits.
const READ_SIZE: usize = 2048;

/// Serves a connection until it is over, or parked. No step may take longer than `patience`.
pub fn serve(app: &App, slot: Slot<'_>, patience: Duration) {
    slot.mark_idle();
    let mut connection = Connection {
        app,
        slot: &slot,
        patience,
        stream: DeadlineStream::new(&slot.stream),
        received: Vec::with_capacity(READ_SIZE),
        awaited: None,
    };
    let end = loop {
        if let ControlFlow::Break(end) = connection.step() {
            break end;
        }
    };
    if let (Some(Wait { order, last_event_id }), Some(stream)) = (end, slot.into_stream()) {
        app.waiters.open(&order, stream, last_event_id.as_deref());
    }
}

struct Connection<'c> {
    app: &'c App,
    slot: &'c Slot<'c>,
    patience: Duration,
    stream: DeadlineStream<'c>,
    /// What has come and was not answered yet.
    received: Vec<u8>,
    /// What it waits for, and until when: the same until the next request, or its next part.
    awaited: Option<(Part, Instant)>,
}

/// What is to come from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The first byte of a request.
    Start,
    Head,
    Body,
}

/// Whether a connection goes on; if not, it is over, or waits for an order.
type Step = ControlFlow<Option<Wait>>;

const OVER: Step = ControlFlow::Break(None);

impl Connection<'_> {
    /// Answers the next request, or reads some more of it.
    fn step(&mut self) -> Step {
        match request::parse(&self.received) {
            Ok(Progress::Idle { empty_lines }) => {
                self.received.drain(..empty_lines);
                self.receive(Part::Start)
            }
            Ok(Progress::Head) => self.receive(Part::Head),
            Ok(Progress::Body { expects_continue }) => {
                if expects_continue && !matches!(self.awaited, Some((Part::Body, _))) {
                    self.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
                self.receive(Part::Body)
            }
            Ok(Progress::Whole(request, len)) => {
                self.slot.mark_busy();
                let in_a_hurry = self.patience < IDLE_TIMEOUT;
                let keep_alive =
                    request.head.keep_alive() && !in_a_hurry && self.app.slots.may_keep_alive();
                let head_only = request.head.method == b"HEAD";
                let response = self.app.answer(&request, &self.slot.stream)?;
                self.received.drain(..len);
                self.awaited = None;
                self.send(&response, keep_alive, head_only)
            }
            Err(error) => self.refuse(error),
        }
    }

    fn receive(&mut self, part: Part) -> Step {
        let deadline = match self.awaited {
            Some((awaited, deadline)) if awaited == part => deadline,
            _ => Instant::now() + part.timeout().min(self.patience),
        };
        self.awaited = Some((part, deadline));
        let begun = part != Part::Start;
        match self.stream.read(&mut self.received, deadline) {
            Ok(0) if begun && !self.slot.was_evicted() => self.refuse(RequestError::Incomplete),
            Ok(0) => OVER,
            Ok(_) => ControlFlow::Continue(()),
            Err(error) if begun && is_timeout(&error) => self.refuse(RequestError::TooSlow),
            Err(_) => OVER,
        }
    }

    /// Whatever follows a refused request is not read as another: nobody knows where it would begin.
    fn refuse(&mut self, error: RequestError) -> Step {
        let head_only = request::is_head(&self.received);
        self.send(&error.into(), false, head_only)
    }

    fn send(&mut self, response: &Response, keep_alive: bool, head_only: bool) -> Step {
        self.app.record_refusal(response, &self.slot.stream);
        let bytes = response.to_bytes(SystemTime::now(), keep_alive, head_only);
        self.slot.mark_idle();
        self.write(&bytes)?;
        if keep_alive {
            return ControlFlow::Continue(());
        }
        self.stream.linger(Instant::now() + LINGER_TIMEOUT.min(self.patience));
        OVER
    }

    fn write(&mut self, bytes: &[u8]) -> Step {
        let deadline = Instant::now() + WRITE_TIMEOUT.min(self.patience);
        self.stream.write_all(bytes, deadline).map_or(OVER, ControlFlow::Continue)
    }
}

impl Part {
    fn timeout(self) -> Duration {
        match self {
            Part::Start => IDLE_TIMEOUT,
            Part::Head => HEAD_TIMEOUT,
            Part::Body => BODY_TIMEOUT,
        }
    }
}

/// A stream with deadlines instead of timeouts, which begin anew with each byte.
pub struct DeadlineStream<'s> {
    stream: &'s TcpStream,
    /// The timeouts that the socket is known to have, so that they are set only when they change.
    read_timeout: Duration,
    write_timeout: Duration,
}

impl<'s> DeadlineStream<'s> {
    /// Its reads may take for ever yet, and its writes as long as our listeners let them.
    pub fn new(stream: &'s TcpStream) -> Self {
        DeadlineStream { stream, read_timeout: Duration::ZERO, write_timeout: WRITE_TIMEOUT }
    }

    /// Reads once, and puts it behind what is in `received`; how much it was.
    pub fn read(&mut self, received: &mut Vec<u8>, deadline: Instant) -> io::Result<usize> {
        let had = received.len();
        received.resize(had + READ_SIZE, 0);
        let outcome = self.read_into(&mut received[had..], deadline);
        received.truncate(had + *outcome.as_ref().unwrap_or(&0));
        outcome
    }

    fn read_into(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            let timeout = time_left(deadline)?;
            if timeout != self.read_timeout {
                self.stream.set_read_timeout(Some(timeout))?;
                self.read_timeout = timeout;
            }
            match (&mut &*self.stream).read(buffer) {
                // signal(7): Ctrl-Z interrupts every read that has a timeout.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    /// Writes all, before the deadline.
    pub fn write_all(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            let timeout = time_left(deadline)?;
            if timeout != self.write_timeout {
                self.stream.set_write_timeout(Some(timeout))?;
                self.write_timeout = timeout;
            }
            match (&mut &*self.stream).write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => bytes = &bytes[written?..],
            }
        }
        Ok(())
    }

    /// RFC 9112, section 9.6: says that no more will come, and reads what the client still sends.
    fn linger(&mut self, deadline: Instant) {
        let mut sink = [0; 4096];
        let mut left = LINGER_BYTES;
        let _ = self.stream.shutdown(Shutdown::Write);
        while left > 0
            && let Ok(len @ 1..) = self.read_into(&mut sink, deadline)
        {
            left = left.saturating_sub(len);
        }
    }
}

/// Whether an error says that a deadline has passed.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// How long it is until then, for a timeout; an error if it is over. In whole milliseconds, so that the usual timeout is the same from one request to the next.
pub fn time_left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000) {
        0 => Err(ErrorKind::TimedOut.into()),
        millis => Ok(Duration::from_millis(millis as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn a_client_that_reads_a_little_now_and_then_does_not_put_the_deadline_off() {
        let (mut client, server) = pair();
        thread::spawn(move || {
            let mut little = vec![0; 1 << 20];
            while client.read(&mut little).is_ok_and(|len| len > 0) {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let start = Instant::now();
        let answer = vec![b'x'; 64 << 20];
        let deadline = start + Duration::from_millis(200);
        let error = DeadlineStream::new(&server).write_all(&answer, deadline).unwrap_err();
        assert!(is_timeout(&error), "{error}");
        assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    }

    #[test]
    fn what_is_read_stands_behind_what_there_was() {
        let (mut client, server) = pair();
        let mut received = b"GE".to_vec();
        client.write_all(b"T /").unwrap();
        let mut stream = DeadlineStream::new(&server);
        let soon = || Instant::now() + Duration::from_millis(50);
        assert_eq!(stream.read(&mut received, soon()).unwrap(), 3);
        assert!(is_timeout(&stream.read(&mut received, soon()).unwrap_err()));
        assert_eq!(received, b"GET /");
        drop(client);
        assert_eq!(stream.read(&mut received, soon()).unwrap(), 0);
    }
}
