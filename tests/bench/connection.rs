//! A connection of a client that never waits: it says what it has to say when it can, and hears
//! what has come.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Instant;

use crate::os::{self, Epoll, READABLE, WRITABLE};

/// Where it comes from and where it goes.
pub type Pair = (Ipv4Addr, SocketAddrV4);

pub struct Connection {
    /// Gone once one side has ended it.
    stream: Option<TcpStream>,
    token: u64,
    /// The request, until it was sent.
    unsent: Vec<u8>,
    /// When the request was sent; before that, when the connection was begun.
    pub asked: Instant,
    /// What the server has said.
    pub seen: Vec<u8>,
}

impl Connection {
    /// Begins to connect. The request follows when the socket says that it is connected.
    pub fn begin(
        epoll: &Epoll,
        token: u64,
        pair: Pair,
        request: impl Into<Vec<u8>>,
    ) -> io::Result<Self> {
        let connection = Self::unwatched(token, pair, request)?;
        if let Some(stream) = &connection.stream {
            epoll.watch(stream, token, WRITABLE)?;
        }
        Ok(connection)
    }

    /// Connects and asks: over loopback the handshake is mostly over before `connect` returns.
    pub fn open(
        epoll: &Epoll,
        token: u64,
        pair: Pair,
        request: impl Into<Vec<u8>>,
    ) -> io::Result<Self> {
        let mut connection = Self::unwatched(token, pair, request)?;
        let readiness = if connection.send()? { READABLE } else { WRITABLE };
        if let Some(stream) = &connection.stream {
            epoll.watch(stream, token, readiness)?;
        }
        Ok(connection)
    }

    fn unwatched(token: u64, (from, to): Pair, request: impl Into<Vec<u8>>) -> io::Result<Self> {
        let asked = Instant::now();
        let stream = Some(os::start_connecting_from(from, to)?);
        Ok(Connection { stream, token, unsent: request.into(), asked, seen: Vec::new() })
    }

    /// True once the request is sent.
    fn send(&mut self) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        let now = Instant::now();
        match stream.write(&self.unsent) {
            Ok(count) if count == self.unsent.len() => {
                self.asked = now;
                self.unsent.clear();
                Ok(true)
            }
            Ok(_) => Err(io::Error::other("an empty send buffer had no room for a request")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Asks again, on the same connection.
    pub fn ask_again(&mut self, request: &[u8]) -> io::Result<()> {
        self.seen.clear();
        self.unsent.extend_from_slice(request);
        if self.send()? { Ok(()) } else { Err(io::Error::other("no room for another request")) }
    }

    /// The socket is said to be ready: sends or reads once.
    pub fn go_on(&mut self, epoll: &Epoll) -> io::Result<()> {
        if !self.unsent.is_empty() {
            let sent = self.send()?;
            return match &self.stream {
                Some(stream) if sent => epoll.watch_instead(stream, self.token, READABLE),
                _ => Ok(()),
            };
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let mut piece = [0; 1024];
        match stream.read(&mut piece) {
            Ok(0) => self.stream = None,
            Ok(count) => self.seen.extend_from_slice(&piece[..count]),
            // It was ready for one who had this token before.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub fn has_ended(&self) -> bool {
        self.stream.is_none()
    }

    pub fn close(&mut self) {
        self.stream = None;
    }
}
