//! Who serves and who accepts: a connection that is being served has a slot and a thread of its own,
//! which does not accept meanwhile.
//!
//! There are so many slots and no more. When all are taken, the connection that has kept its thread
//! waiting longest is evicted, so that slow clients can't keep a payback out; and none is kept alive
//! for another request, so that busy ones can't either. The fewer slots there are beside what might be
//! served, the sooner: where there are but a few threads, a request has to come as a whole.

use std::net::{Shutdown, TcpStream};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::lock;

/// A connection that has kept its thread waiting no longer than this may have a request on its way.
pub const GRACE: Duration = Duration::from_millis(400);
/// With fewer slots than might be served it is less in proportion, but this at least: in a second a
/// payback is served that came behind 1,500 clients which send no more.
const SHORT_GRACE: Duration = Duration::from_millis(1);
/// Where it is less than this, there is no time for a client that has not spoken yet.
const TIME_TO_SPEAK: Duration = Duration::from_millis(50);
/// At each listener as many threads are kept accepting as there are processors: one that has served
/// finds the next connection waiting, and none is woken for it. At most this many at all of them, …
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
    /// The connections that have a slot.
    served: Vec<Arc<Served>>,
    /// Connections that ever had one.
    accepted: u64,
}

struct Served {
    stream: TcpStream,
    /// Since when its thread waits for its client, and what of the stream is to be shut down to end
    /// that; `None` while it has something to do.
    idle: Mutex<Option<(Instant, Shutdown)>>,
    /// Its thread is about to find an end that was made here.
    evicted: AtomicBool,
}

/// One connection's place; dropping it releases it.
pub struct Slot<'s> {
    slots: &'s Slots,
    served: Arc<Served>,
}

/// For who accepts.
impl Slots {
    /// So many slots, all free, for the connections of so many listeners; fewer, if there may not be so
    /// many threads for them.
    pub fn new(max: usize, threads: usize, listeners: usize) -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let spare = SPARE.min(processors * listeners).min(threads / SPARE_PART).max(listeners);
        let limit = max.min(threads.saturating_sub(spare).max(1));
        let grace = (GRACE * limit as u32 / max as u32).max(SHORT_GRACE);
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

    /// Where nobody accepts, if there is such a listener: a thread that is about to start does from now on.
    pub fn take_lone_listener(&self) -> Option<usize> {
        let accepting = &mut lock(&self.table).accepting;
        let at = accepting.iter().position(|count| *count == 0)?;
        accepting[at] = 1;
        Some(at)
    }

    /// It could not be started.
    pub fn leave(&self, at: usize) {
        lock(&self.table).accepting[at] -= 1;
    }

    /// A slot for a connection that a thread has accepted here, which does not accept from then on.
    /// When all slots are taken, this waits until one is released.
    pub fn acquire(&self, stream: TcpStream, at: usize) -> Slot<'_> {
        let mut table = lock(&self.table);
        while table.served.len() >= self.limit {
            table.evict(self.grace);
            table = self.wait(table);
        }
        let (idle, evicted) = (Mutex::new(None), AtomicBool::new(false));
        let served = Arc::new(Served { stream, idle, evicted });
        let slot = Slot { slots: self, served };
        table.served.push(slot.served.clone());
        table.accepted += 1;
        table.accepting[at] -= 1;
        slot
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
            for served in &table.served {
                if lock(&served.idle).is_some() {
                    let _ = served.stream.shutdown(Shutdown::Read);
                }
            }
            table = self.wait(table);
        }
    }

    /// Whether there are so few slots that a thread has no time for a client that has not spoken yet.
    pub fn are_short(&self) -> bool {
        self.grace < TIME_TO_SPEAK
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
    /// Evicts the connection that has waited longest, if any has waited long enough. Its thread then
    /// finds an end, behind what has come before that, and releases the slot.
    fn evict(&self, grace: Duration) {
        let idle = self.served.iter().filter_map(|it| Some(((*lock(&it.idle))?.0, it)));
        let idle = idle.filter(|(since, _)| since.elapsed() >= grace);
        let Some((_, served)) = idle.min_by_key(|(since, _)| *since) else { return };
        // Still? While this is locked, its thread gets no further than that.
        let mut idle = lock(&served.idle);
        if let Some((_, direction)) = idle.take_if(|(since, _)| since.elapsed() >= grace) {
            served.evicted.store(true, Relaxed);
            let _ = served.stream.shutdown(direction);
        }
    }
}

/// For the thread of a connection.
impl Slot<'_> {
    pub fn stream(&self) -> &TcpStream {
        &self.served.stream
    }

    /// From now on its thread waits for its client, to read from it or to write to it; or has something
    /// to do. (Each byte that drips in is not a beginning.)
    pub fn set_idle(&self, direction: Option<Shutdown>) {
        let mut idle = lock(&self.served.idle);
        let since = idle.map_or_else(Instant::now, |(since, _)| since);
        *idle = direction.map(|it| (since, it));
    }

    /// Whether the connection may be kept alive for another request. Not while somebody waits for a
    /// slot: of clients that never rest, none has waited long.
    pub fn may_keep_alive(&self) -> bool {
        !self.is_ending() && self.slots.queue.load(Relaxed) == 0
    }

    /// Whether the connection was evicted, or the server stops: an end of what the client sends may be
    /// our doing then.
    pub fn is_ending(&self) -> bool {
        self.served.evicted.load(Relaxed) || self.slots.is_closing()
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
        lock(&self.slots.table).served.retain(|it| !Arc::ptr_eq(it, &self.served));
        if self.slots.queue.load(Relaxed) > 0 {
            self.slots.released.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn who_is_evicted_with_a_request_on_its_way_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let slots = Slots::new(1, 2, 1);
        slots.take_lone_listener().unwrap();
        let slot = slots.acquire(listener.accept().unwrap().0, 0);
        slot.set_idle(Some(Shutdown::Read));
        client.write_all(b"ask").unwrap();
        thread::sleep(GRACE);
        slots.shed();
        assert!(slot.is_ending());
        let mut bytes = Vec::new();
        slot.stream().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"ask");
        slot.set_idle(None);
        slot.stream().write_all(b"answer").unwrap();
        // One that does not read its answer is evicted once more.
        slot.set_idle(Some(Shutdown::Write));
        thread::sleep(GRACE);
        slots.shed();
        assert!(slot.stream().write_all(b"answer").is_err());
    }
}
