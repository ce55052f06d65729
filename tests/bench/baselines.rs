//! What the figures are held against: two servers that do the least that can be done. They run as
//! children, so that their CPU time is their own.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::str;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::client::FRAMES;

const OPENING: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n\
    Content-Type: text/event-stream;charset=UTF-8\r\nCache-Control: no-store, no-transform\r\n\
    X-Accel-Buffering: no\r\nConnection: close\r\n\r\nevent:waiting\nid:0\nretry:1000\ndata\n\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n\
    Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 2\r\n\r\nok";

type Parked = Arc<Mutex<HashMap<String, TcpStream>>>;

/// A thread spawned for every connection, one request on each, nothing checked.
pub fn spawn() -> io::Result<()> {
    let parked = Parked::default();
    thread_per_connection("spawn", move |stream| answer_one(stream, &parked))
}

/// The roofline of keep-alive: one read, one write of a constant, nothing parsed.
pub fn constant() -> io::Result<()> {
    thread_per_connection("constant", |mut stream| {
        let mut request = [0; 4096];
        while stream.read(&mut request)? > 0 {
            stream.write_all(OK)?;
        }
        Ok(())
    })
}

fn thread_per_connection<S>(name: &str, serve: S) -> io::Result<()>
where
    S: Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{name} listening on http://{}/", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, serve) = (stream?, serve.clone());
        // The connection may end as it likes: the client counts what it misses.
        thread::spawn(move || serve(stream).ok());
    }
    Ok(())
}

fn answer_one(mut stream: TcpStream, parked: &Parked) -> io::Result<()> {
    let mut request = [0; 4096];
    let count = stream.read(&mut request)?;
    let request = str::from_utf8(&request[..count]).map_err(io::Error::other)?;
    let target = request.split(' ').nth(1).unwrap_or_default();
    if let Some(order) = target.strip_prefix("/sse/orderpay/") {
        let mut parked = parked.lock().expect("nobody panics with this lock");
        stream.write_all(OPENING)?;
        parked.insert(order.to_owned(), stream);
        return Ok(());
    }
    if let Some(order) = target.strip_prefix("/sse/payback/") {
        let waiter = parked.lock().expect("nobody panics with this lock").remove(order);
        if let Some(mut waiter) = waiter {
            waiter.write_all(FRAMES.as_bytes())?;
        }
    }
    stream.write_all(OK)
}
