//! The load: as many threads as there are cores, each with many connections and none that blocks.
//! They cost so little that the server is what takes the time, and not clients that fight it for
//! the cores.

use std::io;
use std::net::Ipv4Addr;
use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{PATIENCE, Wire, address_of};
use crate::connection::Connection;
use crate::harness::fault;
use crate::os::{Epoll, Event};
use crate::process::machine_context_switches;
use crate::servers::Server;

const ROUND: Duration = Duration::from_secs(1);
/// Visits that each thread makes at once.
const SLOTS: usize = 32;
/// Connections that one visit has at most.
const ROLES: usize = 2;

/// What a client does with a server, again and again: a state machine.
pub trait Visit: Sized {
    fn begin(site: &Site) -> io::Result<Self>;

    /// The connection in this role is ready. True once the visit is over, and all was right.
    fn go_on(&mut self, site: &Site, role: usize) -> io::Result<bool>;

    /// The next visit, after this.
    fn again(self, site: &Site) -> io::Result<Self> {
        drop(self);
        Self::begin(site)
    }
}

/// Where one visit after the other takes place.
pub struct Site<'g> {
    pub epoll: &'g Epoll,
    server: &'g Server,
    slot: usize,
    /// One for each slot: each has 28,000 ports, and a round takes some thousands of them.
    from: Ipv4Addr,
    /// No visit begins after that.
    end: Instant,
}

impl Site<'_> {
    pub fn open(&self, role: usize, request: impl Into<Vec<u8>>) -> io::Result<Connection> {
        let token = (self.slot * ROLES + role) as u64;
        Connection::open(self.epoll, token, (self.from, self.server.place.address), request)
    }

    pub fn wire(&self) -> &'static Wire {
        self.server.place.wire
    }

    fn checked<T>(&self, result: io::Result<T>) -> Option<T> {
        result.inspect_err(|error| fault(&self.server.name, error)).ok()
    }

    /// The visit goes on, and once it is over the next begins.
    fn go_on<V: Visit>(&self, mut visit: V, role: usize, done: &mut u64) -> Option<V> {
        let is_over = self.checked(visit.go_on(self, role));
        if is_over == Some(false) {
            return Some(visit);
        }
        *done += u64::from(is_over.is_some());
        if Instant::now() >= self.end {
            return None;
        }
        self.checked(if is_over.is_some() { visit.again(self) } else { V::begin(self) })
    }
}

/// What one round of load did.
pub struct Load {
    done: f64,
    seconds: f64,
    cpu_seconds: f64,
    switches: f64,
}

impl Load {
    /// A round of these visits to a server.
    pub fn of<V: Visit>(server: &Server) -> Self {
        let generators = thread::available_parallelism().map_or(1, NonZero::get);
        let processes = server.processes();
        let (start, cpu, switches) =
            (Instant::now(), processes.cpu_seconds(), machine_context_switches());
        let end = start + ROUND;
        let done: u64 = thread::scope(|scope| {
            let generate = |generator| scope.spawn(move || generate::<V>(server, generator, end));
            let generators: Vec<_> = (0..generators).map(generate).collect();
            generators.into_iter().map(|one| one.join().expect("a generator ends")).sum()
        });
        Load {
            done: done as f64,
            seconds: start.elapsed().as_secs_f64(),
            cpu_seconds: processes.cpu_seconds() - cpu,
            switches: machine_context_switches() - switches,
        }
    }

    pub fn per_second(&self) -> f64 {
        self.done / self.seconds
    }

    /// Microseconds of the server's for each visit.
    pub fn cpu(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.done
    }

    pub fn switches(&self) -> f64 {
        self.switches / self.done
    }
}

/// Fills its slots with visits till the end, and waits for the last. Returns how many were right.
fn generate<V: Visit>(server: &Server, generator: usize, end: Instant) -> u64 {
    let epoll = Epoll::new().expect("an epoll");
    let site = |slot| {
        let from = address_of(generator * SLOTS + slot);
        Site { epoll: &epoll, server, slot, from, end }
    };
    let sites: Vec<Site> = (0..SLOTS).map(site).collect();
    let mut visits: Vec<Option<V>> =
        sites.iter().map(|site| site.checked(V::begin(site))).collect();
    let (mut done, mut events) = (0, [Event::default(); SLOTS * ROLES]);
    while visits.iter().any(Option::is_some) {
        let ready = epoll.wait(&mut events, PATIENCE).expect("epoll waits");
        if ready.is_empty() {
            visits.iter().flatten().for_each(|_| fault(&server.name, "no answer, no end"));
            break;
        }
        for event in ready {
            let (slot, role) = (event.token as usize / ROLES, event.token as usize % ROLES);
            let visit = visits[slot].take();
            visits[slot] = visit.and_then(|visit| sites[slot].go_on(visit, role, &mut done));
        }
    }
    done
}
