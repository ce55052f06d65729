//! A stream with a deadline instead of timeouts, which begin anew with each byte.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::os;

/// Reads and writes that have to be over by then.
pub struct DeadlineStream<'s> {
    pub stream: &'s TcpStream,
    pub deadline: Instant,
    /// Whether the end of stream follows at once what is written.
    pub is_last: bool,
    /// Told when there is something to wait for, what would have to be shut down to end that, and until
    /// when; may bring that forward.
    pub waits: &'s dyn Fn(Shutdown, Instant) -> Instant,
}

impl Read for DeadlineStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        time_left(self.deadline)?;
        match os::receive_now(self.stream, buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            received => return received,
        }
        self.deadline = (self.waits)(Shutdown::Read, self.deadline);
        self.stream.set_read_timeout(Some(time_left(self.deadline)?))?;
        self.stream.read(buffer)
    }
}

impl Write for DeadlineStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        time_left(self.deadline)?;
        match os::send_now(self.stream, bytes, self.is_last) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            sent => return sent,
        }
        self.deadline = (self.waits)(Shutdown::Write, self.deadline);
        self.stream.set_write_timeout(Some(time_left(self.deadline)?))?;
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

/// How long it is until then, for a timeout; an error if it is over.
pub fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
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
        let error = DeadlineStream {
            stream: &server,
            deadline,
            is_last: false,
            waits: &|_, deadline| deadline,
        }
        .write_all(&answer)
        .unwrap_err();
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
        let error = DeadlineStream {
            stream: &server,
            deadline,
            is_last: false,
            waits: &|_, deadline| deadline,
        }
        .read_to_end(all)
        .unwrap_err();
        assert!(is_timeout(&error), "{error}");
        assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    }
}
