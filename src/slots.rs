//! Who serves and who accepts: a connection that is being served has a slot and a thread of its own,
//! which does not accept meanwhile.
//!
//! There are so many slots and no more. When all are taken, the connection that has kept its thread
//! waiting longest is evicted, so that slow clients can't keep a payback out; and none is kept alive
//! for another request, so that busy ones can't either. Where there are fewer threads than connections
//! might be served, a thread is not for waiting: a request has to come as a whole, or is evicted.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::lock;

/// A connection that has kept its thread waiting no longer than this may have a request on its way.
pub const GRACE: Duration = Duration::from_millis(400);
/// Where threads are short, its next packet may be right behind the last: in a second 1,500 clients that
/// send no more have gone through three threads, and a payback behind them is served.
const SHORT_GRACE: Duration = Duration::from_millis(1);
/// Threads that are kept accepting, at all listeners: so many that a steady crowd starts none, …
const SPARE: usize = 8;
/// … or this part of all threads, where there are few.
const SPARE_PART: usize = 3;

/// All slots.
#[derive(Default)]
pub struct Slots {
    pub limit: usize,
    spare: usize,
    /// No connection is evicted before it has kept its thread waiting this long.
    grace: Duration,
    table: Mutex<Table>,
    released: Condvar,
    /// Threads that wait for a slot to be released.
    queue: AtomicUsize,
    /// Nothing is to be accepted or kept alive any more.
    closing: AtomicBool,
}

#[derive(Default)]
struct Table {
    /// How many threads wait at each listener for a connection, or with one from it for a slot: else
    /// all who wait for a slot would be replaced, without end.
    accepting: Vec<usize>,
    /// The connections that have a slot, by their numbers.
    served: HashMap<u64, Arc<Served>>,
    /// Connections that ever had one: the number of the next.
    accepted: u64,
}

struct Served {
    stream: TcpStream,
    /// Since when its thread waits for its client, which has a request to send or an answer to read;
    /// `None` while it has something to do.
    idle_since: Mutex<Option<Instant>>,
    /// Its thread is about to read an end that was made here.
    evicted: AtomicBool,
}

/// One connection's place; dropping it releases it.
pub struct Slot<'s> {
    slots: &'s Slots,
    number: u64,
    served: Arc<Served>,
}

/// For who accepts.
impl Slots {
    /// So many slots, all free, for the connections of so many listeners; fewer, if there may not be so
    /// many threads for them.
    pub fn new(max: usize, threads: usize, listeners: usize) -> Self {
        let spare = SPARE.min(threads / SPARE_PART).max(listeners);
        let limit = max.min(threads.saturating_sub(spare).max(1));
        let grace = if limit < max { SHORT_GRACE } else { GRACE };
        let table = Table { accepting: vec![0; listeners], ..Table::default() };
        Slots { limit, spare, grace, table: Mutex::new(table), ..Slots::default() }
    }

    /// Where a thread is to accept: at the listener where the fewest do, if they are fewer than its
    /// share.
    pub fn next_listener(&self) -> Option<usize> {
        let accepting = &mut lock(&self.table).accepting;
        let share = (self.spare / accepting.len()).max(1);
        let (at, fewest) = accepting.iter_mut().enumerate().min_by_key(|(_, count)| **count)?;
        (*fewest < share).then(|| {
            *fewest += 1;
            at
        })
    }

    /// A slot for a connection that a thread has accepted here, which does not accept from then on;
    /// and whether others do. When all slots are taken, this waits until one is released.
    pub fn acquire(&self, stream: TcpStream, at: usize) -> (Slot<'_>, bool) {
        let mut table = lock(&self.table);
        while table.served.len() >= self.limit {
            table.evict(self.grace);
            table = self.wait(table);
        }
        let served = Arc::new(Served {
            stream,
            idle_since: Mutex::new(None),
            evicted: AtomicBool::new(false),
        });
        let slot = Slot { slots: self, number: table.accepted, served };
        table.served.insert(slot.number, slot.served.clone());
        table.accepted += 1;
        table.accepting[at] -= 1;
        (slot, table.accepting[at] > 0)
    }

    /// Evicts the connection that has waited longest, and then waits a moment for a slot to be
    /// released. It is for one who finds that there are too few threads or descriptors.
    pub fn shed(&self) {
        let table = lock(&self.table);
        table.evict(self.grace);
        drop(self.wait(table));
    }

    /// Slots that are taken now, and that were ever acquired.
    pub fn counts(&self) -> (usize, u64) {
        let table = lock(&self.table);
        (table.served.len(), table.accepted)
    }

    /// Whether a connection may be kept alive for another request. Not while somebody waits for a
    /// slot: of clients that never rest, none has waited long.
    pub fn may_keep_alive(&self) -> bool {
        !self.is_closing() && self.queue.load(Relaxed) == 0
    }

    /// Whether no connection is to be accepted any more.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// From now on no connection is accepted or kept alive.
    pub fn close(&self) {
        self.closing.store(true, Relaxed);
    }

    /// Ends all connections that wait for a request, and waits till the others are answered, but
    /// not past the deadline.
    pub fn wait_empty(&self, deadline: Instant) {
        let mut table = lock(&self.table);
        while !table.served.is_empty() && Instant::now() < deadline {
            for served in table.served.values() {
                if lock(&served.idle_since).is_some() {
                    let _ = served.stream.shutdown(Shutdown::Read);
                }
            }
            table = self.wait(table);
        }
    }

    /// Waits a moment at most: meanwhile another connection may have waited long enough.
    fn wait<'t>(&self, table: MutexGuard<'t, Table>) -> MutexGuard<'t, Table> {
        self.queue.fetch_add(1, Relaxed);
        let waited = self.released.wait_timeout(table, self.grace.min(GRACE / 10));
        self.queue.fetch_sub(1, Relaxed);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Table {
    /// Shuts down the connection that has waited longest, if any has waited long enough. Its thread
    /// then reads the end, and releases the slot.
    fn evict(&self, grace: Duration) {
        let idle = self.served.values().filter_map(|it| Some(((*lock(&it.idle_since))?, it)));
        let idle = idle.filter(|(since, it)| since.elapsed() >= grace && !it.evicted.load(Relaxed));
        if let Some((_, served)) = idle.min_by_key(|(since, _)| *since) {
            served.evicted.store(true, Relaxed);
            let _ = served.stream.shutdown(Shutdown::Both);
        }
    }
}

/// For the thread of a connection.
impl Slot<'_> {
    pub fn stream(&self) -> &TcpStream {
        &self.served.stream
    }

    /// From now on its thread waits for its client, or has something to do.
    pub fn set_idle(&self, is_idle: bool) {
        *lock(&self.served.idle_since) = is_idle.then(Instant::now);
    }

    /// Whether the connection was shut down from here: the end of what its client sends is our doing.
    pub fn was_evicted(&self) -> bool {
        self.slots.is_closing() || self.served.evicted.load(Relaxed)
    }

    /// Releases the slot, and goes on with the connection elsewhere.
    pub fn into_stream(self) -> Option<TcpStream> {
        let served = self.served.clone();
        drop(self);
        // The table's share is gone, so this one is the last.
        Arc::into_inner(served).map(|served| served.stream)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        lock(&self.slots.table).served.remove(&self.number);
        if self.slots.queue.load(Relaxed) > 0 {
            self.slots.released.notify_all();
        }
    }
}
