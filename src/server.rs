//! Bind, accept, a thread per connection, shut down.
//!
//! Leader and followers: up to as many threads as there are processors accept at each listener. The one
//! that gets a connection serves it itself, with no hand-over, and then accepts again, wherever the
//! fewest do. To answer a request that is there takes about as long as to wake a thread, so only before
//! it has to wait, for its client or for the disk, does it start others where nobody accepts.

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::connection;
use crate::events::Event;
use crate::os::{self, Buffers};
use crate::spawn;

/// A request fits, whole or nearly; and the frames of the longest result, which a waiter gets at once or
/// not at all. More would be for peers that send what nobody reads, or don't read what they are sent.
const BUFFERS: Buffers = Buffers { receive: 4 * 1024, send: 32 * 1024 };
/// A machine has no IPv6.
const EAFNOSUPPORT: i32 = 97;
/// What is being answered at a stop has this long, then who waits and the journal …
const LAST_ANSWERS: Duration = Duration::from_millis(1200);
/// … this long each, and so has who has waited for it in vain: less than two seconds in all.
const LAST_RESULTS: Duration = Duration::from_millis(300);

/// A server that accepts connections, until it is stopped.
pub struct Server {
    pub app: App,
    listeners: Vec<TcpListener>,
}

impl Server {
    /// Serves `app` on these listeners, with threads of its own.
    pub fn start(app: App, listeners: Vec<TcpListener>) -> io::Result<Arc<Server>> {
        let server = Arc::new(Server { app, listeners });
        let kept = server.clone();
        spawn("journal", move || kept.app.waiters.keep_journal())?;
        server.fill()?;
        for address in server.addresses() {
            server.app.events.record(Event::Listening, format_args!("address={address}"));
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().flat_map(TcpListener::local_addr)
    }

    /// Stops accepting, finishes what is being answered, ends who waits.
    pub fn stop(&self) {
        let asked = Instant::now();
        let Server { app, listeners } = self;
        app.events.record(Event::Stopping, format_args!("waiting={}", app.waiters.counts().0));
        app.slots.close();
        for socket in listeners.iter().flat_map(as_stream) {
            // It ends every `accept` that waits, and all that follow.
            let _ = socket.shutdown(Shutdown::Both);
        }
        app.slots.wait_empty(asked + LAST_ANSWERS);
        app.waiters.close(asked + LAST_ANSWERS + LAST_RESULTS);
        app.slots.wait_empty(asked + LAST_ANSWERS + 2 * LAST_RESULTS);
        app.events.record(Event::Stopped, format_args!(""));
        app.events.flush();
    }

    /// Starts a thread for each listener where nobody accepts.
    fn fill(self: &Arc<Self>) -> io::Result<()> {
        while let Some(at) = self.app.slots.take_lone_listener() {
            let server = self.clone();
            let started = spawn("connection", move || server.run(at));
            started.inspect_err(|_| self.app.slots.leave(at))?;
        }
        Ok(())
    }

    /// Sees to it that somebody accepts while this thread waits; false if no thread can be had. Then a
    /// slow connection has to give up its own, and this one has to be quick.
    fn make_way(self: &Arc<Self>) -> bool {
        let is_made = self.fill().is_ok();
        if !is_made {
            self.app.slots.shed();
        }
        is_made
    }

    /// Accepts at a listener, serves, and accepts again, as long as there are few who do.
    fn run(self: Arc<Self>, first: usize) {
        let slots = &self.app.slots;
        let mut next = Some(first);
        while let Some(at) = next {
            let Some(stream) = self.accept(&self.listeners[at]) else { return };
            let slot = slots.acquire(stream, at);
            let serve = || connection::serve(&self.app, slot, &|| self.make_way());
            // A panic has cost this connection, and told about itself.
            let _ = catch_unwind(AssertUnwindSafe(serve));
            next = slots.next_listener();
        }
    }

    /// The next connection, unless the server is stopping.
    fn accept(&self, listener: &TcpListener) -> Option<TcpStream> {
        while !self.app.slots.is_closing() {
            match listener.accept() {
                Ok((stream, _)) => return Some(stream),
                // No descriptor or no memory is left for it.
                Err(error) if os::is_shortage(&error) => {
                    self.app.waiters.shed();
                    self.app.slots.shed();
                }
                // accept(2): what is wrong is the connection, which ended before it was accepted.
                Err(_) => {}
            }
        }
        None
    }
}

/// Listeners on all addresses of each of these names. A machine may lack some that a name stands for,
/// and all of IPv6, but not everything. An error says what can't be had.
pub fn bind(names: &[Vec<SocketAddr>]) -> Result<Vec<TcpListener>, String> {
    const ADVICE: &str = "choose another with --listen; its port 0 picks a free one";
    let listen = |address: &SocketAddr| (*address, os::listen_at(address, &BUFFERS));
    let outcomes = names.iter().map(|addresses| addresses.iter().map(listen).collect());
    let outcomes: Vec<Vec<_>> = outcomes.collect();
    let any = |outcomes: &[(_, io::Result<_>)]| outcomes.iter().any(|(_, it)| it.is_ok());
    let any_at_all = outcomes.iter().any(|it| any(it));
    let mut listeners = Vec::new();
    for of_name in outcomes {
        let any_of_name = any(&of_name);
        for (address, outcome) in of_name {
            match outcome {
                Ok(listener) => listeners.push(listener),
                Err(error) if any_of_name && error.kind() == ErrorKind::AddrNotAvailable => {}
                Err(error) if any_at_all && error.raw_os_error() == Some(EAFNOSUPPORT) => {}
                Err(error) => return Err(format!("can't listen on {address}: {error}: {ADVICE}")),
            }
        }
    }
    Ok(listeners)
}

/// The same socket, for what std offers on streams only.
fn as_stream(listener: &TcpListener) -> io::Result<TcpStream> {
    Ok(TcpStream::from(OwnedFd::from(listener.try_clone()?)))
}
