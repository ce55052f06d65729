//! A stream with a deadline instead of timeouts, which begin anew with each byte.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Reads and writes that have to be over by then.
pub struct DeadlineStream<'s> {
    stream: &'s TcpStream,
    pub deadline: Instant,
    /// The timeouts that the socket is known to have, so that they are set only when they change.
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

impl<'s> DeadlineStream<'s> {
    /// Whatever timeouts the stream has had, they are set anew.
    pub fn new(stream: &'s TcpStream, deadline: Instant) -> Self {
        DeadlineStream { stream, deadline, read_timeout: None, write_timeout: None }
    }
}

impl Read for DeadlineStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let timeout = Some(time_left(self.deadline)?);
        if mem::replace(&mut self.read_timeout, timeout) != timeout {
            self.stream.set_read_timeout(timeout)?;
        }
        self.stream.read(buffer)
    }
}

impl Write for DeadlineStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let timeout = Some(time_left(self.deadline)?);
        if mem::replace(&mut self.write_timeout, timeout) != timeout {
            self.stream.set_write_timeout(timeout)?;
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether an error says that a deadline has passed.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// How long it is until then, for a timeout; an error if it is over. In whole milliseconds, so that
/// the usual timeout is the same from one request to the next.
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
        let error = DeadlineStream::new(&server, deadline).write_all(&answer).unwrap_err();
        assert!(is_timeout(&error), "{error}");
        assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    }

    #[test]
    fn a_client_that_sends_a_little_now_and_then_does_not_put_the_deadline_off() {
        let (mut client, server) = pair();
        thread::spawn(move || {
            while client.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let start = Instant::now();
        let deadline = start + Duration::from_millis(200);
        let all = &mut Vec::new();
        let error = DeadlineStream::new(&server, deadline).read_to_end(all).unwrap_err();
        assert!(is_timeout(&error), "{error}");
        assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    }
}
