//! Bind, accept, a thread per connection, shut down.
//!
//! Leader and followers: a few threads wait in `accept`. The one that gets a connection serves it
//! itself, with no hand-over, and then comes back to accept; it starts another thread only when it
//! was the last one accepting.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::connection::{self, Leaving};
use crate::{os, reaper};

/// Threads that are kept waiting in `accept`, of all listeners: so many that a steady crowd starts
/// none, and so few that where sixteen may run, one listener leaves enough to another.
const SPARE: usize = 16;
/// In bytes. A connection's thread needs about a tenth of it.
const STACK: usize = 128 * 1024;
/// What is being answered at a stop has this long …
const LAST_ANSWERS: Duration = Duration::from_millis(1500);
/// … and all of it, so that it takes less than the two seconds that were promised.
const STOP: Duration = Duration::from_millis(1800);

/// A server that accepts connections, until it is stopped.
pub struct Server {
    app: Arc<App>,
    doors: Vec<Arc<Door>>,
    reaper: thread::JoinHandle<()>,
}

/// A listener, and the threads that wait at it.
struct Door {
    app: Arc<App>,
    listener: TcpListener,
    /// Its part of [`SPARE`].
    spare: usize,
    /// Threads that wait for a connection, or with one for its seat.
    attending: AtomicUsize,
    /// How often nobody was left who attends.
    turns: AtomicUsize,
}

impl Server {
    /// Serves `app` on these listeners, with threads of its own.
    pub fn start(app: Arc<App>, listeners: Vec<TcpListener>) -> io::Result<Server> {
        let spare = SPARE.div_ceil(listeners.len());
        let doors: Vec<_> = listeners.into_iter().map(|l| Door::new(&app, l, spare)).collect();
        let reaped = app.clone();
        let kept = app.clone();
        spawn("journal", move || kept.waiters.keep_journal())?;
        let reaper = spawn("reaper", move || reaper::run(&reaped.waiters))?;
        for door in &doors {
            door.clone().open()?;
        }
        Ok(Server { app, doors, reaper })
    }

    /// Stops accepting, finishes what is being answered, ends who waits.
    pub fn stop(self) {
        let asked = Instant::now();
        self.app.seats.close();
        for door in &self.doors {
            door.close();
        }
        self.app.seats.wait_empty(asked + LAST_ANSWERS);
        self.app.waiters.close(asked + STOP);
        let _ = self.reaper.join();
    }
}

/// A listener on `address` whose connections need no options set one by one: on Linux they inherit
/// `TCP_NODELAY` (a frame right after its greeting must not wait for an acknowledgement) and the
/// write timeout.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    os::deepen_backlog(&listener)?;
    let socket = as_stream(&listener)?;
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(connection::WRITE))?;
    Ok(listener)
}

/// The same socket, for what std offers on streams only.
fn as_stream(listener: &TcpListener) -> io::Result<TcpStream> {
    Ok(TcpStream::from(OwnedFd::from(listener.try_clone()?)))
}

impl Door {
    fn new(app: &Arc<App>, listener: TcpListener, spare: usize) -> Arc<Door> {
        Arc::new(Door {
            app: app.clone(),
            listener,
            spare,
            attending: AtomicUsize::new(0),
            turns: AtomicUsize::new(0),
        })
    }

    /// Starts one more thread that accepts.
    fn open(self: Arc<Self>) -> io::Result<()> {
        self.attending.fetch_add(1, SeqCst);
        let door = self.clone();
        let spawned = spawn("connection", move || door.attend());
        if spawned.is_err() {
            self.attending.fetch_sub(1, SeqCst);
        }
        spawned.map(drop)
    }

    /// Ends every `accept` that waits, and all that follow.
    fn close(&self) {
        if let Ok(socket) = as_stream(&self.listener) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Accepts, serves, and accepts again, as long as there are few who do.
    fn attend(self: Arc<Self>) {
        while !self.app.seats.closing() {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    self.welcome(stream);
                    if self.attending.load(SeqCst) >= self.spare {
                        return;
                    }
                    self.attending.fetch_add(1, SeqCst);
                }
                Err(_) if self.app.seats.closing() => return,
                // No descriptor or no memory is left for it.
                Err(error) if os::is_shortage(&error) => self.app.seats.squeeze(),
                // accept(2): what is wrong is the connection, which ended before it was accepted.
                Err(_) => {}
            }
        }
    }

    fn welcome(self: &Arc<Self>, stream: TcpStream) {
        self.app.events.counts().connections.fetch_add(1, Relaxed);
        let seat = self.app.seats.take(stream);
        // Not before: or else all who wait for a seat would be replaced, and there is no end to them.
        let was_last = self.attending.fetch_sub(1, SeqCst) == 1;
        if was_last {
            self.find_follower();
        }
        let served = catch_unwind(AssertUnwindSafe(|| connection::serve(&self.app, &seat)));
        let stream = self.app.seats.leave(seat);
        // A panic has cost this connection, and told about itself.
        if let (Ok(Leaving::Wait { order, last_event_id }), Some(stream)) = (served, stream) {
            self.app.waiters.open(&order, stream, last_event_id.as_deref());
        }
    }

    /// The last who attended sees to it that somebody does: where no more threads can be had, a slow
    /// connection has to give up its own. It is relieved when another comes, and was the last again.
    fn find_follower(self: &Arc<Self>) {
        let turn = self.turns.fetch_add(1, SeqCst) + 1;
        let alone = || self.attending.load(SeqCst) == 0 && self.turns.load(SeqCst) == turn;
        while alone() && self.clone().open().is_err() && self.app.seats.taken() > 1 {
            self.app.seats.squeeze();
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.into()).stack_size(STACK).spawn(run)
}
