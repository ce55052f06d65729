//! The clients: a browser that waits, a platform that pays, and what both read, checked to the
//! byte.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use crate::os;

/// Longer than any answer takes, shorter than the patience of who runs this.
const PATIENCE: Duration = Duration::from_secs(5);

pub const FRAMES: &str = "data:支付成功\n\nevent:finish\nid:6666\ndata:哈哈\n\n";
pub const TIMEOUT_FRAME: &str = "data:timeout!!\n\n";

/// What the same scene looks like on the wire of different servers.
pub struct Wire {
    /// The method and, after the head, the body of a payback.
    pub payback: (&'static str, &'static str),
    /// What the answer to a payback ends with.
    pub receipt: &'static str,
    /// What the opening of a waiter ends with.
    pub opening: &'static str,
    /// What the last frame ends with.
    pub last: &'static str,
    pub ending: Ending,
}

#[derive(PartialEq)]
pub enum Ending {
    /// Both frames byte for byte and nothing else, then the end of the stream.
    Exact,
    /// Both frames, perhaps in a chunk, then the end of the stream.
    Framed,
    /// The server keeps the stream open: the client closes it.
    Open,
}

pub static ORDERPAY: Wire = Wire {
    payback: ("GET", ""),
    receipt: "\r\n\r\nok",
    opening: "retry:1000\ndata\n\n",
    last: "data:哈哈\n\n",
    ending: Ending::Exact,
};

/// Another server with the same paths and frames, whatever its framing.
pub static ALIKE: Wire = Wire { opening: "\n\n", ending: Ending::Framed, ..ORDERPAY };

pub static NCHAN: Wire = Wire {
    payback: ("POST", "支付成功"),
    receipt: "last message id",
    opening: ": hi\n\n",
    last: "data: 支付成功\n\n",
    ending: Ending::Open,
};

/// Where a server is and what it speaks: all that a client has to know.
#[derive(Clone, Copy)]
pub struct Place {
    pub address: SocketAddrV4,
    pub wire: &'static Wire,
}

/// The address of a client: each has its own, so that none runs out of ports.
pub fn address_of(client: usize) -> Ipv4Addr {
    let [.., high, low] = client.to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

pub fn connect(place: Place, from: Ipv4Addr) -> io::Result<TcpStream> {
    let stream = os::connect_from(from, place.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A browser whose order is placed.
pub struct Waiter {
    stream: TcpStream,
    body: Vec<u8>,
    wire: &'static Wire,
}

impl Waiter {
    /// Places the order and reads the opening.
    pub fn park(place: Place, from: Ipv4Addr, order: &str) -> io::Result<Self> {
        let mut stream = connect(place, from)?;
        stream.write_all(orderpay(order).as_bytes())?;
        Self::opened(stream, place.wire)
    }

    /// The order was placed on this connection; reads the opening.
    pub fn opened(mut stream: TcpStream, wire: &'static Wire) -> io::Result<Self> {
        read_until(&mut stream, &mut Vec::with_capacity(512), wire.opening)?;
        Ok(Waiter { stream, body: Vec::with_capacity(128), wire })
    }

    pub fn read_last_frame(&mut self) -> io::Result<()> {
        read_until(&mut self.stream, &mut self.body, self.wire.last)
    }

    /// Reads the end of the stream and checks all that came after the opening.
    pub fn end(mut self) -> io::Result<()> {
        if self.wire.ending == Ending::Open {
            return Ok(());
        }
        self.stream.read_to_end(&mut self.body)?;
        let whole = match self.wire.ending {
            Ending::Exact => self.body == FRAMES.as_bytes(),
            _ => contains(&self.body, FRAMES),
        };
        if whole { Ok(()) } else { Err(unexpected("frames", &self.body)) }
    }

    pub fn into_stream(self) -> TcpStream {
        self.stream
    }
}

/// One order from its opening to the end of its stream, on two new connections.
/// Returns the time from the start of the payback to the last frame.
pub fn cycle(place: Place, from: Ipv4Addr, order: &str) -> io::Result<Duration> {
    let mut waiter = Waiter::park(place, from, order)?;
    let start = Instant::now();
    let mut platform = connect(place, from)?;
    platform.write_all(payback(place.wire, order).as_bytes())?;
    waiter.read_last_frame()?;
    let took = start.elapsed();
    read_until(&mut platform, &mut Vec::with_capacity(512), place.wire.receipt)?;
    waiter.end()?;
    Ok(took)
}

/// Asks for the health of the server, on a connection that ends after the answer.
pub fn ask(place: Place, from: Ipv4Addr) -> io::Result<TcpStream> {
    let mut stream = connect(place, from)?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    Ok(stream)
}

/// Reads the answer to that and the end of the connection.
pub fn read_health(mut stream: TcpStream) -> io::Result<()> {
    let mut answer = Vec::with_capacity(512);
    stream.read_to_end(&mut answer)?;
    let healthy = answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"\r\n\r\nok");
    if healthy { Ok(()) } else { Err(unexpected("answer", &answer)) }
}

pub fn orderpay(order: &str) -> String {
    format!(
        "GET /sse/orderpay/{order} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    )
}

fn payback(wire: &Wire, order: &str) -> String {
    let (method, body) = wire.payback;
    let length =
        if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} /sse/payback/{order} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n{body}")
}

fn read_until(stream: &mut TcpStream, seen: &mut Vec<u8>, last: &str) -> io::Result<()> {
    let mut piece = [0; 1024];
    while !contains(seen, last) {
        match stream.read(&mut piece)? {
            0 => return Err(unexpected("end", seen)),
            count => seen.extend_from_slice(&piece[..count]),
        }
    }
    Ok(())
}

pub fn contains(bytes: &[u8], wanted: &str) -> bool {
    bytes.windows(wanted.len()).any(|part| part == wanted.as_bytes())
}

pub fn unexpected(what: &str, bytes: &[u8]) -> io::Error {
    io::Error::other(format!("unexpected {what} after {:?}", String::from_utf8_lossy(bytes)))
}
