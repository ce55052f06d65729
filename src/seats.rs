//! The connections that are being served: so many seats, and no more.
//!
//! When all are taken, the connection that has kept its thread waiting longest gives up its seat,
//! so that slow clients can't keep a payback out; and none is kept alive for another request, so
//! that busy ones can't either.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::lock;

/// A connection keeps its seat at least this long: its request may be on its way.
const PATIENCE: Duration = Duration::from_millis(400);

/// All seats.
pub struct Seats {
    limit: usize,
    start: Instant,
    table: Mutex<Table>,
    freed: Condvar,
    /// Threads that wait for a seat to be given up.
    queue: AtomicUsize,
    closing: AtomicBool,
}

#[derive(Default)]
struct Table {
    seats: Vec<Option<Arc<Seat>>>,
    /// Indexes of empty places in `seats`.
    free: Vec<usize>,
}

/// One connection's place: its stream, until somebody takes it with [`Seats::leave`].
pub struct Seat {
    pub stream: TcpStream,
    index: usize,
    /// Since when its thread waits for the client, in ms since the start; [`BUSY`] if it doesn't.
    waits_since: AtomicU64,
}

const BUSY: u64 = u64::MAX;

impl Seats {
    /// So many seats, all free.
    pub fn new(limit: usize) -> Self {
        Seats {
            limit,
            start: Instant::now(),
            table: Mutex::default(),
            freed: Condvar::new(),
            queue: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        }
    }

    /// Connections that are being served.
    pub fn taken(&self) -> usize {
        lock(&self.table).taken()
    }

    /// Seats a new connection. When all seats are taken, this waits until one is given up.
    pub fn take(&self, stream: TcpStream) -> Arc<Seat> {
        let mut table = lock(&self.table);
        while table.taken() >= self.limit {
            table.evict(self.ms(Instant::now()));
            table = self.wait(table);
        }
        let index = table.free.pop().unwrap_or(table.seats.len());
        let seat = Arc::new(Seat { stream, index, waits_since: AtomicU64::new(BUSY) });
        match table.seats.get_mut(index) {
            Some(place) => *place = Some(seat.clone()),
            None => table.seats.push(Some(seat.clone())),
        }
        seat
    }

    /// Gives up a seat and returns its stream.
    pub fn leave(&self, seat: Arc<Seat>) -> Option<TcpStream> {
        let mut table = lock(&self.table);
        table.seats[seat.index] = None;
        table.free.push(seat.index);
        drop(table);
        if self.queue.load(Relaxed) > 0 {
            self.freed.notify_all();
        }
        // The table's share is gone, so this one is the last.
        Arc::into_inner(seat).map(|seat| seat.stream)
    }

    /// The thread of this seat waits for its client from `now` on.
    pub fn waits(&self, seat: &Seat, now: Instant) {
        seat.waits_since.store(self.ms(now), Relaxed);
    }

    /// The thread of this seat has a whole request to answer.
    pub fn works(&self, seat: &Seat) {
        seat.waits_since.store(BUSY, Relaxed);
    }

    /// Lets go of the connection that has waited longest, and then waits a moment for a seat to be
    /// given up. It's for one who finds that there are too few threads or descriptors.
    pub fn squeeze(&self) {
        let mut table = lock(&self.table);
        table.evict(self.ms(Instant::now()));
        drop(self.wait(table));
    }

    /// Whether a connection may be kept alive for another request. Not while somebody waits for a
    /// seat: of clients that never rest, none has waited long.
    pub fn may_stay(&self) -> bool {
        !self.closing() && self.queue.load(Relaxed) == 0
    }

    /// No connection is to be accepted or kept alive any more.
    pub fn closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// Whether the connection was shut down from here: the end of what its client sends is our doing.
    pub fn was_shut(&self, seat: &Seat) -> bool {
        self.closing() || seat.waits_since.load(Relaxed) == BUSY
    }

    /// From now on no connection is kept alive.
    pub fn close(&self) {
        self.closing.store(true, Relaxed);
    }

    /// Ends all connections that wait for a request, and waits till the others are answered, but
    /// not past the deadline.
    pub fn wait_empty(&self, deadline: Instant) {
        let mut table = lock(&self.table);
        while table.taken() > 0 && Instant::now() < deadline {
            for seat in table.seats.iter().flatten() {
                if seat.waits_since.load(Relaxed) != BUSY {
                    let _ = seat.stream.shutdown(Shutdown::Read);
                }
            }
            table = self.wait(table);
        }
    }

    /// Waits a moment at most: meanwhile another seat may be ready to be given up.
    fn wait<'t>(&self, table: MutexGuard<'t, Table>) -> MutexGuard<'t, Table> {
        let moment = PATIENCE / 10;
        self.queue.fetch_add(1, Relaxed);
        let waited = self.freed.wait_timeout(table, moment);
        self.queue.fetch_sub(1, Relaxed);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn ms(&self, now: Instant) -> u64 {
        now.duration_since(self.start).as_millis() as u64
    }
}

impl Table {
    fn taken(&self) -> usize {
        self.seats.len() - self.free.len()
    }

    /// Shuts down the connection that has waited longest, if any has waited long enough. Its thread
    /// then reads the end, and leaves.
    fn evict(&mut self, now: u64) {
        let waits = |seat: &&Arc<Seat>| seat.waits_since.load(Relaxed);
        let Some(seat) = self.seats.iter().flatten().min_by_key(waits) else { return };
        if waits(&seat).saturating_add(PATIENCE.as_millis() as u64) <= now {
            seat.waits_since.store(BUSY, Relaxed);
            let _ = seat.stream.shutdown(Shutdown::Both);
        }
    }
}
