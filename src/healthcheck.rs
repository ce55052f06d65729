//! `orderpay healthcheck`: for images that have no shell and no curl.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::config;
use crate::deadline::{DeadlineStream, is_timeout, time_left};

/// From the first address that is tried to the answer; what a resolver takes comes on top.
const TIMEOUT: Duration = Duration::from_secs(2);
/// In bytes: what answers without an end is no server of ours.
const MAX_LINE: u64 = 1024;

/// Asks the server at `url` (`http://HOST:PORT`, its path does not matter) for `/healthz`; an error
/// says why it is not well.
pub fn check(url: &str) -> Result<(), String> {
    let authority = url.strip_prefix("http://").unwrap_or(url);
    let authority = authority.split('/').next().unwrap_or(authority);
    let problem = match ask(authority) {
        Ok(status) if status.starts_with("HTTP/1.1 200 ") => return Ok(()),
        Ok(status) => format!("answered {status:?}, not 200"),
        Err(error) if is_timeout(&error) => format!("no answer within {} s", TIMEOUT.as_secs()),
        Err(error) => error.to_string(),
    };
    Err(format!("healthcheck {url}: {problem}"))
}

/// The status line of its answer.
fn ask(authority: &str) -> io::Result<String> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let host = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let addresses = config::resolve(&host)?;
    let deadline = Instant::now() + TIMEOUT;
    let none: io::Result<TcpStream> = Err(ErrorKind::AddrNotAvailable.into());
    let stream = addresses.iter().fold(none, |found, address| {
        found.or_else(|_| TcpStream::connect_timeout(address, time_left(deadline)?))
    })?;
    let request = format!("GET /healthz HTTP/1.0\r\nHost: {authority}\r\n\r\n");
    let mut stream = DeadlineStream {
        stream: &stream,
        deadline,
        is_last: false,
        waits: &|_, deadline| deadline,
    };
    stream.write_all(request.as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(MAX_LINE)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
