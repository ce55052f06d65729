//! A client that sends exactly the bytes it is told to, and never waits for ever.
//!
//! What may fail in a test that breaks things on purpose is there twice: `try_…` returns the error, its twin panics.

use std::ffi::c_int;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::{Answer, PATIENCE, os, request, settled_ago};

/// Long enough for the server to read one piece before it gets the next.
const BETWEEN_PIECES: Duration = Duration::from_millis(1);

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

pub struct Client {
    pub stream: TcpStream,
    /// What arrived and was not asked for yet.
    pub received: Vec<u8>,
}

impl From<TcpStream> for Client {
    fn from(stream: TcpStream) -> Client {
        Client { stream, received: Vec::new() }
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    pub fn try_connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client::from(stream))
    }

    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("local address")
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.try_send(bytes).expect("send");
        self
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends each piece in a packet of its own.
    pub fn send_in_pieces<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> &mut Client {
        for piece in pieces {
            self.send(piece);
            thread::sleep(BETWEEN_PIECES);
        }
        self
    }

    pub fn send_byte_by_byte(&mut self, bytes: &[u8]) -> &mut Client {
        self.send_in_pieces(bytes.chunks(1))
    }

    /// Says that nothing more will be sent, as `nc -N` does.
    pub fn half_close(&mut self) -> &mut Client {
        self.stream.shutdown(Shutdown::Write).expect("half-close");
        self
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        // asm-generic/socket.h; a `struct linger` that is on, with no seconds.
        const SO_LINGER: c_int = 13;
        os::set_socket_option(&self.stream, SO_LINGER, &[1 as c_int, 0]);
    }

    /// Reads one answer: its body is as long as it says, or goes on to the end.
    pub fn answer(&mut self) -> Answer {
        self.try_answer().unwrap_or_else(|error| self.give_up("an answer", &error))
    }

    pub fn try_answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.try_head()?;
        let length = answer.field("Content-Length").map(|it| it.parse().expect("a length"));
        answer.body = match (answer.status, length) {
            (204, None) => Vec::new(),
            (_, Some(length)) => self.try_exactly(length)?,
            (_, None) => self.try_rest()?,
        };
        answer.raw.extend_from_slice(&answer.body);
        Ok(answer)
    }

    /// Reads a head alone: the answer to a `HEAD`, or the start of a stream.
    pub fn head(&mut self) -> Answer {
        self.try_head().unwrap_or_else(|error| self.give_up("a head", &error))
    }

    pub fn try_head(&mut self) -> io::Result<Answer> {
        Answer::from_head(&self.try_until(END_OF_HEAD)?)
    }

    /// Reads up to `mark` and with it.
    pub fn until(&mut self, mark: impl AsRef<[u8]>) -> Vec<u8> {
        self.try_until(&mark).unwrap_or_else(|error| self.give_up("the mark", &error))
    }

    pub fn try_until(&mut self, mark: impl AsRef<[u8]>) -> io::Result<Vec<u8>> {
        let mark = mark.as_ref();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.received.windows(mark.len()).position(|it| it == mark) {
                return Ok(self.received.drain(..at + mark.len()).collect());
            }
            self.try_more(deadline)?;
        }
    }

    /// Reads to the end of the stream, which must not be a reset.
    pub fn rest(&mut self) -> Vec<u8> {
        self.try_rest().unwrap_or_else(|error| self.give_up("the end", &error))
    }

    pub fn try_rest(&mut self) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_more(deadline) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Ok(self.received.split_off(0));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What has arrived until now, without waiting.
    pub fn so_far(&mut self) -> Vec<u8> {
        while self.try_more(Instant::now()).is_ok() {}
        self.received.clone()
    }

    pub fn try_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
        while self.received.len() < length {
            self.try_more(deadline)?;
        }
        Ok(self.received.drain(..length).collect())
    }

    /// Reads once; the end of the stream is an error, `UnexpectedEof`, as is the deadline, `TimedOut`.
    pub fn try_more(&mut self, deadline: Instant) -> io::Result<()> {
        const SHORTEST: Duration = Duration::from_millis(1);
        let left = deadline.saturating_duration_since(Instant::now()).max(SHORTEST);
        self.stream.set_read_timeout(Some(left))?;
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.received.extend_from_slice(&piece[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
            // A signal of some child interrupts a read that has a timeout (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes what arrived, as it is.
    pub fn take_received(&mut self) -> Vec<u8> {
        self.received.split_off(0)
    }

    fn give_up(&self, what: &str, error: &io::Error) -> ! {
        panic!("no {what} ({error}), only {:?}", String::from_utf8_lossy(&self.received));
    }
}

/// An open event stream: its head, the round that its opening names, and what comes after that: frames, without the
/// comment that says how long ago an order was settled.
pub struct Stream {
    pub head: Answer,
    pub round: u64,
    pub client: Client,
}

impl Stream {
    /// Asks for a stream and waits until its opening is there: from then on the order can be paid.
    pub fn open(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Stream {
        let mut client = Client::connect(address);
        client.send(request("GET", path, fields, ""));
        Stream::opened(client)
    }

    /// Waits for the opening on a connection that has sent its request.
    pub fn opened(mut client: Client) -> Stream {
        let head = client.head();
        assert_eq!(head.status, 200, "{}", head.masked());
        let opening = text(client.until("\n\n"));
        let round = opening.strip_prefix("event:waiting\nid:");
        let round = round.and_then(|it| it.strip_suffix("\nretry:1000\ndata\n\n")?.parse().ok());
        let round = round.unwrap_or_else(|| panic!("no opening: {opening:?}"));
        Stream { head, round, client }
    }

    /// Reads the next frame, up to its empty line.
    pub fn frame(&mut self) -> String {
        text(self.client.until("\n\n"))
    }

    /// Reads all that comes until the stream ends.
    pub fn rest(&mut self) -> String {
        text(self.client.rest())
    }

    pub fn so_far(&mut self) -> String {
        text(self.client.so_far())
    }
}

fn text(bytes: Vec<u8>) -> String {
    let text = String::from_utf8(bytes).expect("an event stream is UTF-8");
    text.split_inclusive('\n').filter(|line| settled_ago(line).is_none()).collect()
}
