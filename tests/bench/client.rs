//! The clients: a browser that waits, a platform that pays, and what both read, checked to the
//! byte.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::os;

/// Longer than any answer takes, shorter than the patience of who runs this.
pub const PATIENCE: Duration = Duration::from_secs(5);

pub const FRAMES: &str = "data:支付成功\n\nevent:finish\nid:6666\ndata:哈哈\n\n";
pub const TIMEOUT_FRAME: &str = "data:timeout!!\n\n";

/// What the same scene looks like on the wire of different servers.
pub struct Wire {
    /// The method and, after the head, the body of a payback.
    payback: (&'static str, &'static str),
    /// What is in the answer to a payback.
    receipt: &'static str,
    /// What the opening of a waiter ends with, but for the end of a chunk.
    opening: &'static str,
    /// What the last frame ends with, likewise.
    last: &'static str,
    ending: Ending,
}

#[derive(PartialEq)]
enum Ending {
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
    opening: "\r\n\r\nevent:waiting\nid:0\nretry:1000\ndata\n\n",
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

impl Wire {
    pub fn has_opened(&self, seen: &[u8]) -> bool {
        contains(seen, self.opening)
    }

    /// All frames are there.
    pub fn has_told(&self, seen: &[u8]) -> bool {
        contains(seen, self.last)
    }

    /// The server keeps the stream of a waiter who was told all.
    pub fn stays_open(&self) -> bool {
        self.ending == Ending::Open
    }

    /// Checks all that a waiter got after its opening, at its end.
    pub fn check_frames(&self, seen: &[u8]) -> io::Result<()> {
        let whole = match self.ending {
            Ending::Exact => seen == FRAMES.as_bytes(),
            Ending::Framed => contains(seen, FRAMES),
            Ending::Open => self.has_told(seen),
        };
        if whole { Ok(()) } else { Err(unexpected("frames", seen)) }
    }

    /// Checks the whole answer to a payback.
    pub fn check_receipt(&self, seen: &[u8]) -> io::Result<()> {
        let paid = seen.starts_with(b"HTTP/1.1 20") && contains(seen, self.receipt);
        if paid { Ok(()) } else { Err(unexpected("receipt", seen)) }
    }
}

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

fn connect(place: Place, from: Ipv4Addr) -> io::Result<TcpStream> {
    let stream = os::connect_from(from, place.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// One order from its opening to the end of its stream, on two new connections, by one thread that
/// has nothing else to do. Returns the time from the start of the payback to the last frame.
pub fn cycle(place: Place, from: Ipv4Addr, order: &str) -> io::Result<Duration> {
    let wire = place.wire;
    let mut waiter = connect(place, from)?;
    waiter.write_all(orderpay(order).as_bytes())?;
    read_until(&mut waiter, |seen| wire.has_opened(seen))?;
    let start = Instant::now();
    let platform = pay(place, from, order)?;
    let mut frames = read_until(&mut waiter, |seen| wire.has_told(seen))?;
    let took = start.elapsed();
    read_receipt(platform, wire)?;
    if !wire.stays_open() {
        waiter.read_to_end(&mut frames)?;
    }
    wire.check_frames(&frames)?;
    Ok(took)
}

/// Calls back. The answer is to be read when there is time.
pub fn pay(place: Place, from: Ipv4Addr, order: &str) -> io::Result<TcpStream> {
    let mut platform = connect(place, from)?;
    platform.write_all(payback(place.wire, order).as_bytes())?;
    Ok(platform)
}

pub fn read_receipt(mut platform: TcpStream, wire: &Wire) -> io::Result<()> {
    wire.check_receipt(&read_to_end(&mut platform)?)
}

/// Asks for the health of the server, and reads the answer and the end of the connection.
pub fn ask_health(place: Place, from: Ipv4Addr) -> io::Result<()> {
    let mut stream = connect(place, from)?;
    stream.write_all(HEALTH_ONCE)?;
    check_health(&read_to_end(&mut stream)?)
}

pub const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// On a connection that ends after the answer.
pub const HEALTH_ONCE: &[u8] =
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Checks the whole answer to a question for the health.
pub fn check_health(answer: &[u8]) -> io::Result<()> {
    let healthy = answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"\r\n\r\nok");
    if healthy { Ok(()) } else { Err(unexpected("answer", answer)) }
}

pub fn orderpay(order: &str) -> String {
    format!(
        "GET /sse/orderpay/{order} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    )
}

/// Platforms call back on a new connection, once.
pub fn payback(wire: &Wire, order: &str) -> String {
    let (method, body) = wire.payback;
    let length =
        if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!(
        "{method} /sse/payback/{order} HTTP/1.1\r\nHost: localhost\r\n{length}\
         Connection: close\r\n\r\n{body}"
    )
}

fn read_until(stream: &mut TcpStream, is_enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let (mut seen, mut piece) = (Vec::with_capacity(512), [0; 1024]);
    while !is_enough(&seen) {
        match stream.read(&mut piece)? {
            0 => return Err(unexpected("end", &seen)),
            count => seen.extend_from_slice(&piece[..count]),
        }
    }
    Ok(seen)
}

fn read_to_end(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut seen = Vec::with_capacity(512);
    stream.read_to_end(&mut seen)?;
    Ok(seen)
}

/// An id that no other order of this run has.
pub fn new_order() -> String {
    static ORDERS: AtomicU64 = AtomicU64::new(0);
    format!("order-{}", ORDERS.fetch_add(1, Ordering::Relaxed))
}

/// Looks from behind: what is wanted is the last that came.
fn contains(bytes: &[u8], wanted: &str) -> bool {
    bytes.windows(wanted.len()).rev().any(|part| part == wanted.as_bytes())
}

pub fn unexpected(what: &str, bytes: &[u8]) -> io::Error {
    io::Error::other(format!("unexpected {what} after {:?}", String::from_utf8_lossy(bytes)))
}
