//! `HOST:PORT` → the addresses that it stands for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// Looks a host up. `localhost` is the loopback, of both families, whatever a resolver says (RFC 6761,
/// section 6.3): in an image of one file there is none to ask.
pub fn resolve(text: &str) -> io::Result<Vec<SocketAddr>> {
    match text.rsplit_once(':') {
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
            let port = port.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            Ok(loopback.map(|ip| SocketAddr::new(ip, port)).into())
        }
        _ => text.to_socket_addrs().map(Iterator::collect),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_needs_no_resolver_and_is_both_families() {
        let both = ["127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()];
        assert_eq!(resolve("localhost:80").unwrap(), both);
        assert_eq!(resolve("LOCALHOST:80").unwrap(), both);
    }

    #[test]
    fn numbers_stand_for_themselves() {
        for text in ["0.0.0.0:8888", "[::]:8888", "[fe80::1%1]:0"] {
            assert_eq!(resolve(text).unwrap(), [text.parse().unwrap()], "{text}");
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_an_error() {
        for text in ["", "localhost", "localhost:", "localhost:x", "localhost:65536", "::1", ":"] {
            assert!(resolve(text).is_err(), "{text:?}");
        }
    }
}
