//! A line between a browser and the server that can fail as lines do: one connection a request, so that what fails is a
//! request and no other.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::Client;

/// How a relay that has been cut notices it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What becomes of a request for a stream.
pub enum Fault {
    /// No byte ever comes back.
    Silence,
    /// Somebody else answers, and ends the connection.
    Answer(&'static str),
}

pub struct Relay {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    /// How often the line was cut: a connection of before is dead.
    cuts: AtomicUsize,
    faults: Mutex<VecDeque<Fault>>,
}

impl Relay {
    pub fn start(server: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (cuts, faults) = (AtomicUsize::new(0), Mutex::default());
        let shared = Arc::new(Shared { server, cuts, faults });
        let relay = Relay { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for browser in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(browser));
            }
        });
        relay
    }

    /// From now on nothing goes over the connections that there are, and nobody is told.
    pub fn cut_in_silence(&self) {
        self.shared.cuts.fetch_add(1, SeqCst);
    }

    /// The next request for a stream that has no fault yet gets this one.
    pub fn fail_next(&self, fault: Fault) {
        self.shared.faults.lock().unwrap().push_back(fault);
    }
}

impl Shared {
    fn serve(&self, browser: TcpStream) -> io::Result<()> {
        let cuts = self.cuts.load(SeqCst);
        let mut requests = Client::from(browser.try_clone()?);
        let head = requests.try_until("\r\n\r\n")?;
        browser.set_read_timeout(None)?;
        let is_for_stream = head.starts_with(b"GET /sse/orderpay");
        let fault = if is_for_stream { self.faults.lock().unwrap().pop_front() } else { None };
        match fault {
            Some(Fault::Silence) => hold(browser),
            Some(Fault::Answer(answer)) => (&browser).write_all(answer.as_bytes()),
            None => {
                let server = TcpStream::connect(self.server)?;
                (&server).write_all(&head[..head.len() - 2])?;
                (&server).write_all(b"Connection: close\r\n\r\n")?;
                (&server).write_all(&requests.take_received())?;
                let (from, mut to) = (browser.try_clone()?, server.try_clone()?);
                thread::spawn(move || io::copy(&mut &from, &mut to));
                self.pass_back(&server, browser, cuts)
            }
        }
    }

    fn pass_back(
        &self,
        mut server: &TcpStream,
        mut browser: TcpStream,
        cuts: usize,
    ) -> io::Result<()> {
        server.set_read_timeout(Some(LOOK_EVERY))?;
        let mut piece = [0; 4096];
        loop {
            let read = server.read(&mut piece);
            if self.cuts.load(SeqCst) != cuts {
                return hold(browser);
            }
            match read {
                Ok(0) => return browser.shutdown(Shutdown::Both),
                Ok(length) => browser.write_all(&piece[..length])?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads what comes and says nothing, until the browser gives up.
fn hold(mut browser: TcpStream) -> io::Result<()> {
    io::copy(&mut browser, &mut io::sink()).map(drop)
}
