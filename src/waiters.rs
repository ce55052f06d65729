//! The table of orders with real streams: opened, paid, ended.
//!
//! Two kinds of locks, and what each is for:
//! - the table's says who waits for what. It is held for an instant: nothing is written under it.
//! - a lane is what an order has to itself while somebody decides about it and writes to its waiters,
//!   so that all that happens to one order happens one after the other: nobody can pay it between
//!   its opening and its parking, and nothing follows its last frames. Every lane serves many orders;
//!   who is in the wrong one waits a moment, no more: what can't be sent at once is not sent, and the
//!   disk is waited for outside.
//!
//! Whoever needs both takes the lane first, and nobody takes two lanes.

use std::hash::{BuildHasher, RandomState};
use std::net::{Shutdown, TcpStream};
use std::slice;
use std::str;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::closing::{self, Lingering};
use crate::events::{Event, Events};
use crate::journal::{Journal, Record};
use crate::order::{OrderId, OrderResult};
use crate::orders::{Admission, Payment};
use crate::store::{Outcome, Store};
use crate::{lock, os, response, sse};

/// So many orders at most have something written at the same time: more than there are processors.
const LANES: usize = 64;
/// A waiter's time begins when its opening has been sent, which takes less than this.
const OPENING_TIME: Duration = Duration::from_millis(1);
/// So many waiters of one order are written to before others get its lane.
const SLICE: usize = 16;

/// A stream that nobody waits for: what can't be sent at once is not sent.
type Parked = Arc<TcpStream>;

/// All who wait, and all that is settled.
pub struct Waiters {
    pub(crate) table: Mutex<Table>,
    lanes: [Mutex<()>; LANES],
    hasher: RandomState,
    /// Told when something is due sooner than the reaper sleeps for.
    pub(crate) sooner: Condvar,
    pub journal: Option<Arc<Journal>>,
    pub(crate) events: Arc<Events>,
}

/// What is locked for an instant.
pub(crate) struct Table {
    pub store: Store<Parked>,
    pub lingering: Lingering,
    /// Places for streams that linger, beside those that waiters leave.
    spare_places: usize,
    /// `None`: until it is told.
    pub reaper_sleeps_till: Option<Instant>,
    pub closed: bool,
}

/// What a connection does.
impl Waiters {
    /// Opens the event stream of an `orderpay`: it waits from then on, or gets the result that there
    /// is. The stream belongs to the table now, whatever comes of it.
    pub fn open(&self, id: &OrderId, stream: TcpStream, last_event_id: Option<&[u8]>) {
        os::shrink_receive_buffer(&stream);
        // What came before that stays in the kernel until it is read.
        closing::drain(&stream);
        let stream = Arc::new(stream);
        if os::unsent(&stream) > 0 {
            // What it asked for before has not left yet: it could hold that as long as it waits.
            return self.turn_away(id, &stream);
        }
        while let Some(round) = self.try_open(id, &stream, last_event_id) {
            if !self.open_round(id, round) {
                return self.turn_away(id, &stream);
            }
        }
    }

    /// Settles an order, and writes its result to all who wait for it. With a journal, the result is
    /// on disk before that.
    pub fn pay(&self, id: &OrderId, result: &OrderResult) -> Payment {
        let claimed = {
            let mut table = lock(&self.table);
            // For the test of what a panic costs, and in no release: it panics where it hurts most.
            #[cfg(debug_assertions)]
            let asked = std::env::var("ORDERPAY_PANIC");
            #[cfg(debug_assertions)]
            assert_ne!(asked, Ok(id.to_string()), "ORDERPAY_PANIC has asked for it");
            table.store.claim(id, result)
        };
        match (claimed, &self.journal) {
            (Err(payment), _) => payment,
            (Ok((_, Some(commit))), Some(journal)) if journal.wait(&commit).is_err() => {
                lock(&self.table).store.give_up(id);
                Payment::Unrecorded
            }
            (Ok((round, _)), _) => self.settle(id, round),
        }
    }

    /// Goes the whole way of an opening in the order's lane: nobody can pay it between its opening and
    /// its parking. Or tells which round has to be opened first.
    fn try_open(&self, id: &OrderId, stream: &Parked, last_event_id: Option<&[u8]>) -> Option<u64> {
        let _lane = lock(self.lane(id));
        let (lost, opened) = (last_event_id.and_then(lost_round), Instant::now() + OPENING_TIME);
        let (admission, surplus) = {
            let mut table = lock(&self.table);
            let admission = table.store.orders.ask(id, lost, stream, opened);
            self.wake_reaper(&table);
            (admission, table.shed_surplus())
        };
        surplus.into_iter().for_each(closing::close);
        match admission {
            Admission::Opens(round) => return Some(round),
            Admission::Waits(round, _) if closing::send(stream, &opening(round), false) => {
                self.events.record_waiting(id, stream, last_event_id);
            }
            Admission::Waits(_, serial) => {
                lock(&self.table).store.orders.take(id, serial);
                self.events.record_waiter(Event::Vanished, id, stream);
            }
            Admission::Gets(round, result, age) => {
                self.events.record_waiter(Event::Fetched, id, stream);
                let result = sse::settled(age) + &sse::paid(&result);
                let bytes = [&opening(round)[..], result.as_bytes()].concat();
                self.end(slice::from_ref(stream), &bytes, Some((id, round)));
            }
            Admission::Full => self.turn_away(id, stream),
        }
        None
    }

    /// Opens a round of order 1. With a journal it is on disk before anybody hears of it.
    fn open_round(&self, id: &OrderId, round: u64) -> bool {
        let record = Record::Opened { order: id.clone(), round };
        let is_on_disk = self.journal.as_ref().is_none_or(|journal| {
            journal.record(&record).is_ok_and(|commit| journal.wait(&commit).is_ok())
        });
        if is_on_disk {
            lock(&self.table).store.orders.open_round(round);
        }
        is_on_disk
    }

    fn turn_away(&self, id: &OrderId, stream: &Parked) {
        self.events.record_waiter(Event::Full, id, stream);
        let bytes = [&response::stream_head(SystemTime::now()), sse::FULL.as_bytes()].concat();
        self.end(slice::from_ref(stream), &bytes, None);
    }

    /// The result is recorded: whoever of its paybacks comes here first settles the order.
    fn settle(&self, id: &OrderId, claimed: u64) -> Payment {
        let (round, result, waiters) = {
            let _lane = lock(self.lane(id));
            let outcome = {
                let mut table = lock(&self.table);
                let outcome = table.store.settle(id, claimed);
                self.wake_reaper(&table);
                outcome
            };
            match outcome {
                Outcome::Over(payment) => return payment,
                Outcome::Settled(round, result, waiters) => (round, result, waiters),
                // In the same lane: nobody hears of it before it is known whether it is settled.
                Outcome::Unsettled(round, result, waiters) => {
                    return self.settle_if_written(id, round, &result, &waiters);
                }
            }
        };
        let frames = sse::paid(&result);
        let slices = waiters.chunks(SLICE).map(|slice| {
            let _lane = lock(self.lane(id));
            self.end(slice, frames.as_bytes(), Some((id, round)))
        });
        Payment::Settled { written: slices.sum() }
    }

    /// There is no room for the result but among those that were written to somebody.
    fn settle_if_written(
        &self,
        id: &OrderId,
        round: u64,
        result: &OrderResult,
        waiters: &[Parked],
    ) -> Payment {
        let written = self.end(waiters, sse::paid(result).as_bytes(), Some((id, round)));
        let mut table = lock(&self.table);
        if written == 0 {
            table.store.drop_unsettled(id, round);
            return Payment::Full;
        }
        table.store.keep(id);
        table.store.written(id, round);
        self.wake_reaper(&table);
        Payment::Settled { written }
    }
}

/// Starting, stopping, telling.
impl Waiters {
    /// Nobody waits yet. After their end streams linger in so many places, and in those that waiters leave.
    pub fn new(store: Store<Parked>, spare_places: usize, events: Arc<Events>) -> Self {
        let journal = store.journal.clone();
        let (lingering, reaper_sleeps_till) = (Lingering::default(), None);
        let table = Table { store, lingering, spare_places, reaper_sleeps_till, closed: false };
        Waiters {
            table: Mutex::new(table),
            lanes: [const { Mutex::new(()) }; LANES],
            hasher: RandomState::new(),
            sooner: Condvar::new(),
            journal,
            events,
        }
    }

    /// What the thread does that has the journal's disk, until a stop.
    pub fn keep_journal(&self) {
        if let Some(journal) = &self.journal {
            journal.run(|record| lock(&self.table).store.is_current(record));
        }
    }

    /// Waiters that are parked, and settled orders that are remembered.
    pub fn counts(&self) -> (usize, usize) {
        lock(&self.table).store.orders.counts()
    }

    /// How many places are taken: by waiters, and by streams that linger.
    pub fn places(&self) -> usize {
        let table = lock(&self.table);
        table.store.orders.counts().0 + table.lingering.places
    }

    /// Bytes that the settled orders take.
    pub fn taken(&self) -> usize {
        lock(&self.table).store.orders.taken()
    }

    /// Ends a connection, and leaves it to linger till all has left.
    pub fn linger(&self, stream: TcpStream) {
        let _ = stream.shutdown(Shutdown::Write);
        self.keep([Arc::new(stream)], None);
    }

    /// Lets go of the stream that takes most of those that linger: descriptors are short.
    pub fn shed(&self) {
        let heaviest = lock(&self.table).lingering.shed();
        heaviest.into_iter().for_each(closing::close);
    }

    /// Ends all who are parked, in a whole event each; nobody is parked after that. Past the deadline
    /// it is left to the end of the process, which may cost some of them a reset.
    pub fn close(&self, deadline: Instant) {
        let waiters = {
            let mut table = lock(&self.table);
            table.closed = true;
            table.store.orders.close()
        };
        self.sooner.notify_all();
        for stream in waiters.into_iter().take_while(|_| Instant::now() < deadline) {
            closing::end(&stream, b"");
            closing::close(stream);
        }
        if let Some(journal) = &self.journal {
            journal.close(deadline);
        }
    }
}

/// What the reaper needs too.
impl Waiters {
    pub(crate) fn lane(&self, id: &OrderId) -> &Mutex<()> {
        &self.lanes[self.hasher.hash_one(id) as usize % LANES]
    }

    /// Ends streams of an order with these last bytes, in its lane; to how many they were written. If
    /// they are the result of a round, that it was written is known before anybody else asks for it.
    pub(crate) fn end(
        &self,
        streams: &[Parked],
        last: &[u8],
        result_of: Option<(&OrderId, u64)>,
    ) -> usize {
        let (reached, gone): (Vec<_>, Vec<_>) =
            streams.iter().partition(|stream| closing::end(stream, last));
        let result_of_reached = result_of.filter(|_| !reached.is_empty());
        self.keep(reached.iter().map(|it| Arc::clone(it)), result_of_reached);
        if let Some((id, _)) = result_of {
            gone.iter().for_each(|it| self.events.record_waiter(Event::Vanished, id, it));
        }
        reached.len()
    }

    /// Keeps streams that were ended, to which this result was written, till they may be closed.
    fn keep(&self, ended: impl IntoIterator<Item = Parked>, result_of: Option<(&OrderId, u64)>) {
        let surplus = {
            let (mut table, now) = (lock(&self.table), Instant::now());
            if let Some((id, round)) = result_of {
                table.store.written(id, round);
            }
            ended.into_iter().for_each(|it| table.lingering.push(it, now));
            self.wake_reaper(&table);
            table.shed_surplus()
        };
        surplus.into_iter().for_each(closing::close);
    }

    fn wake_reaper(&self, table: &Table) {
        let sleeps_past = |due| table.reaper_sleeps_till.is_none_or(|till| due < till);
        if table.next_deadline().is_some_and(sleeps_past) {
            self.sooner.notify_one();
        }
    }
}

impl Table {
    /// Streams that linger have to go, if they take places that are needed.
    fn shed_surplus(&mut self) -> Vec<Parked> {
        let free = self.store.orders.room().saturating_add(self.spare_places);
        // At a stop the kernel sees to what is left.
        self.lingering.shrink_to(if self.closed { usize::MAX } else { free })
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        let lingering = self.lingering.next_deadline();
        self.store.orders.next_deadline().into_iter().chain(lingering).min()
    }
}

/// The head and the first frame of a stream, in one write.
fn opening(round: u64) -> Vec<u8> {
    [&response::stream_head(SystemTime::now()), sse::opening(round).as_bytes()].concat()
}

/// The round in which a browser lost its connection, as its last event ID says; `None` if it says no
/// round. One too large for a number was never a round, but it is none the less not fresh.
fn lost_round(last_event_id: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(last_event_id).ok()?;
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}
