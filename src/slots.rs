//! A limit on the connections that are being served: so many slots, and no more.
//!
//! When all are taken, the connection that has kept its thread waiting longest is evicted, so that
//! slow clients can't keep a payback out; and none is kept alive for another request, so that busy
//! ones can't either.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::lock;

/// No connection is evicted before it has kept its thread waiting this long: its request may be on
/// its way.
pub const GRACE: Duration = Duration::from_millis(400);

/// All slots.
pub struct Slots {
    limit: usize,
    table: Mutex<Table>,
    released: Condvar,
}

#[derive(Default)]
struct Table {
    /// By their numbers.
    taken: HashMap<u64, (Arc<TcpStream>, State)>,
    /// Slots that were ever acquired: the number of the next.
    acquired: u64,
    /// Threads that wait for a slot to be released.
    queue: usize,
    /// Nothing is to be accepted or kept alive any more.
    closing: bool,
}

/// What the thread of a connection is doing.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// It answers a request.
    Busy,
    /// It waits for its client, which has a request to send or an answer to read.
    Idle { since: Instant },
    /// It is about to read an end that was made here.
    Evicted,
}

/// One connection's place; dropping it releases it.
pub struct Slot<'s> {
    pub stream: Arc<TcpStream>,
    slots: &'s Slots,
    number: u64,
}

impl Slots {
    /// So many slots, all free.
    pub fn new(limit: usize) -> Self {
        Slots { limit, table: Mutex::default(), released: Condvar::new() }
    }

    /// Slots that are taken now, and that were ever acquired.
    pub fn counts(&self) -> (usize, u64) {
        let table = lock(&self.table);
        (table.taken.len(), table.acquired)
    }

    /// A slot for a new connection. When all are taken, this waits until one is released.
    pub fn acquire(&self, stream: TcpStream) -> Slot<'_> {
        let stream = Arc::new(stream);
        let mut table = lock(&self.table);
        while table.taken.len() >= self.limit {
            table.evict();
            table = self.wait(table);
        }
        let number = table.acquired;
        table.acquired += 1;
        table.taken.insert(number, (stream.clone(), State::Busy));
        Slot { stream, slots: self, number }
    }

    /// Evicts the connection that has waited longest, and then waits a moment for a slot to be
    /// released. It is for one who finds that there are too few threads or descriptors.
    pub fn shed(&self) {
        let mut table = lock(&self.table);
        table.evict();
        drop(self.wait(table));
    }

    /// Whether a connection may be kept alive for another request. Not while somebody waits for a
    /// slot: of clients that never rest, none has waited long.
    pub fn may_keep_alive(&self) -> bool {
        let table = lock(&self.table);
        !table.closing && table.queue == 0
    }

    /// Whether no connection is to be accepted any more.
    pub fn is_closing(&self) -> bool {
        lock(&self.table).closing
    }

    /// From now on no connection is accepted or kept alive.
    pub fn close(&self) {
        lock(&self.table).closing = true;
    }

    /// Ends all connections that wait for a request, and waits till the others are answered, but
    /// not past the deadline.
    pub fn wait_empty(&self, deadline: Instant) {
        let mut table = lock(&self.table);
        while !table.taken.is_empty() && Instant::now() < deadline {
            for (stream, state) in table.taken.values() {
                if let State::Idle { .. } = state {
                    let _ = stream.shutdown(Shutdown::Read);
                }
            }
            table = self.wait(table);
        }
    }

    /// Waits a moment at most: meanwhile another connection may have waited long enough.
    fn wait<'t>(&self, mut table: MutexGuard<'t, Table>) -> MutexGuard<'t, Table> {
        table.queue += 1;
        let waited = self.released.wait_timeout(table, GRACE / 10);
        table = waited.unwrap_or_else(PoisonError::into_inner).0;
        table.queue -= 1;
        table
    }
}

impl Table {
    /// Shuts down the connection that has waited longest, if any has waited long enough. Its thread
    /// then reads the end, and releases the slot.
    fn evict(&mut self) {
        let since = |state: &State| match state {
            State::Idle { since } => Some(*since),
            State::Busy | State::Evicted => None,
        };
        let idle = self.taken.values_mut().filter_map(|it| Some((since(&it.1)?, it)));
        if let Some((since, (stream, state))) = idle.min_by_key(|(since, _)| *since)
            && since.elapsed() >= GRACE
        {
            *state = State::Evicted;
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Slot<'_> {
    /// The thread of this connection has a whole request to answer.
    pub fn mark_busy(&self) {
        self.mark(State::Busy);
    }

    /// The thread of this connection waits for its client from now on.
    pub fn mark_idle(&self) {
        self.mark(State::Idle { since: Instant::now() });
    }

    /// Whether the connection was shut down from here: the end of what its client sends is our doing.
    pub fn was_evicted(&self) -> bool {
        let table = lock(&self.slots.table);
        table.closing || table.taken.get(&self.number).is_some_and(|it| it.1 == State::Evicted)
    }

    /// Releases the slot, and goes on with the connection elsewhere.
    pub fn into_stream(self) -> Option<TcpStream> {
        let stream = self.stream.clone();
        drop(self);
        // The table's share is gone, so this one is the last.
        Arc::into_inner(stream)
    }

    /// Once evicted, it stays so.
    fn mark(&self, new: State) {
        if let Some((_, state)) = lock(&self.slots.table).taken.get_mut(&self.number)
            && *state != State::Evicted
        {
            *state = new;
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut table = lock(&self.slots.table);
        table.taken.remove(&self.number);
        if table.queue > 0 {
            self.slots.released.notify_all();
        }
    }
}
