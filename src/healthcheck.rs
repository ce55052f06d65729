//! `orderpay healthcheck`: for images that have no shell and no curl.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::address;

/// Each step may take this long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the server at `url` (`http://HOST:PORT`, its path does not matter) for `/healthz`; an error
/// says why it is not well.
pub fn check(url: &str) -> Result<(), String> {
    let authority = url.strip_prefix("http://").unwrap_or(url);
    let authority = authority.split('/').next().unwrap_or(authority);
    let answer = ask(authority).map_err(|error| format!("healthcheck {url}: {error}"))?;
    let status = answer.lines().next().unwrap_or_default();
    if status.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(format!("healthcheck {url}: answered {status:?}, not 200"))
    }
}

fn ask(authority: &str) -> io::Result<String> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let host = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in address::resolve(&host)? {
        let mut stream = match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => stream,
            Err(error) => {
                last = error;
                continue;
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let request =
            format!("GET /healthz HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        return Ok(answer);
    }
    Err(last)
}
