//! The waiting room: the state machine behind its lock, with real streams.
//!
//! Two locks, and what each is for:
//! - the room's says who waits for what. Nothing is written under it.
//! - a parked stream's own says who writes to it now. A stream is parked with it held, and greeted
//!   before it is let go: whoever finds it in the room can't overtake its greeting. And who takes the
//!   stream out of it ends it, so nothing follows the last frames.
//!
//! Whoever needs both takes the stream's first.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use crate::events::{Event, Events};
use crate::journal::{Journal, Record, Ticket};
use crate::lock;
use crate::order::{OrderId, Receipt};
use crate::orders::{Admission, Arrival, Claim, Due, Limits, Orders, Sequel, Serial, Settled};
use crate::{os, response, sse};

/// After this long a stream that is in doubt is looked at again: a client that is gone has answered
/// what was written to it with a reset by then.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// The reaper does so many things at most before others get the lock again.
const SLICE: usize = 8;

/// What a waiter has sent is read up to this many times; it has nothing to say.
const DRAIN_READS: usize = 16;

/// All who wait, and all that is settled.
pub struct Waiters {
    room: Mutex<Room>,
    /// Told when something is due sooner than the reaper sleeps for.
    sooner: Condvar,
    journal: Option<Journal>,
    events: Arc<Events>,
}

struct Room {
    orders: Orders<Parked>,
    /// What becomes of the orders whose results are on their way to the disk.
    recording: HashMap<OrderId, Ticket>,
    /// Each is due [`SECOND_LOOK`] after it was put in, so the first is the next.
    looks: VecDeque<(Instant, Look)>,
    /// `None`: until it is told.
    reaper_sleeps_till: Option<Instant>,
    closed: bool,
}

/// A parked stream.
type Parked = Arc<Mutex<Option<TcpStream>>>;

/// A stream that is to be looked at again.
pub enum Look {
    /// Still parked; its client may be gone.
    Waiting(OrderId, Serial, Parked),
    /// Have got their last frames; whether any of them arrived decides what is known of this result.
    Written(Vec<TcpStream>, OrderId, Settled),
    /// Has got its last frames; it is held until the client, which may be sending, has read them.
    Held(TcpStream),
}

/// Something for the reaper to do.
pub enum Task {
    Due(Due<Parked>),
    Look(Look),
}

/// How a payback was taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Payment {
    /// The result was written to so many waiters now.
    Settled { written: usize },
    /// The order was settled before.
    Repeated,
    /// There is no room to remember it.
    Full,
    /// The journal could not take it.
    Unrecorded,
}

impl Waiters {
    /// An empty room; with a journal, every result is in there before it is acknowledged.
    pub fn new(limits: Limits, journal: Option<Journal>, events: Arc<Events>) -> Self {
        let room = Room {
            orders: Orders::new(limits),
            recording: HashMap::new(),
            looks: VecDeque::new(),
            reaper_sleeps_till: None,
            closed: false,
        };
        Waiters { room: Mutex::new(room), sooner: Condvar::new(), journal, events }
    }

    /// Puts back what a journal has kept over a restart.
    pub fn restore(&self, records: &[Record]) {
        let mut room = lock(&self.room);
        for Record { order, receipt, at, delivered } in records {
            let age = SystemTime::now().duration_since(*at).unwrap_or_default();
            let at = Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
            room.orders.restore(order, receipt, *delivered, at);
        }
    }

    /// Whether results can be taken: false as long as the journal's disk fails.
    pub fn healthy(&self) -> bool {
        self.journal.as_ref().is_none_or(Journal::healthy)
    }

    /// Batches of results that the journal has put on disk.
    pub fn journal_syncs(&self) -> u64 {
        self.journal.as_ref().map_or(0, Journal::syncs)
    }

    /// Waiters that are parked, and settled orders that are remembered.
    pub fn counts(&self) -> (usize, usize) {
        let room = lock(&self.room);
        (room.orders.waiting(), room.orders.settled())
    }

    /// Greets an `orderpay` and parks it, or gives it the result that there is.
    pub fn wait(&self, id: &OrderId, stream: TcpStream, last_event_id: Option<&[u8]>) {
        let head = response::stream_head(SystemTime::now());
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let mut room = lock(&self.room);
        match room.orders.admit(id, last_event_id.is_some(), Instant::now()) {
            Admission::Wait if room.closed => {}
            Admission::Wait => self.park(room, id, stream, head, last_event_id),
            Admission::Fetch(settled) => {
                drop(room);
                self.fetch(id, stream, head, settled);
            }
            Admission::Full => {
                drop(room);
                self.events.record(Event::Full { order: id, stream: &stream });
                self.end(stream, &[&head, sse::FULL.as_bytes()].concat(), None);
            }
        }
    }

    fn park(
        &self,
        mut room: MutexGuard<'_, Room>,
        id: &OrderId,
        stream: TcpStream,
        head: Vec<u8>,
        last_event_id: Option<&[u8]>,
    ) {
        let parked = Arc::new(Mutex::new(None));
        // Nobody gets the stream until its first frame is written, and the log has told of it.
        let mut own = lock(&parked);
        let serial = room.orders.park(id, parked.clone());
        drop(room);
        if (&stream).write_all(&[&head, sse::OPENING.as_bytes()].concat()).is_err() {
            lock(&self.room).orders.vanish(id, serial);
            self.events.record(Event::Vanished { order: id, stream: &stream });
            return;
        }
        let mut room = lock(&self.room);
        room.orders.open(id, serial, Instant::now());
        self.wake_reaper(&room);
        drop(room);
        self.events.record(Event::Waiting { order: id, stream: &stream, last_event_id });
        *own = Some(stream);
    }

    fn fetch(&self, id: &OrderId, stream: TcpStream, head: Vec<u8>, settled: Settled) {
        self.events.record(Event::Fetched { order: id, stream: &stream });
        let frames = sse::paid(&settled.receipt);
        let frames = [&head, sse::OPENING.as_bytes(), frames.as_bytes()].concat();
        let ending = self.end(stream, &frames, Some(id));
        if let Some(next) = self.written(id, &settled, vec![ending]) {
            self.deliver(id, &settled, next);
        }
    }

    /// Settles an order, and writes its result to all who wait for it.
    pub fn pay(&self, id: &OrderId, receipt: &Receipt) -> Payment {
        let mut room = lock(&self.room);
        #[cfg(debug_assertions)]
        panic_if_asked(id);
        let claim = room.orders.claim(id, receipt, Instant::now());
        if let Some(journal) = &self.journal
            && let Some(ticket) = room.record(&claim, id, receipt, journal)
        {
            drop(room);
            let recorded = journal.commit(&ticket).is_ok();
            room = lock(&self.room);
            if !recorded {
                return room.retract(&claim, id);
            }
        }
        match claim {
            Claim::Full => Payment::Full,
            Claim::Repeated | Claim::Pending => Payment::Repeated,
            Claim::First(serial) => {
                let waiters = room.publish(id);
                self.wake_reaper(&room);
                drop(room);
                let settled = Settled { serial, receipt: receipt.clone() };
                Payment::Settled { written: self.deliver(id, &settled, waiters) }
            }
        }
    }

    /// Writes a result to these waiters and, while it has reached nobody, to those who came
    /// meanwhile; to how many.
    fn deliver(&self, id: &OrderId, settled: &Settled, first: Vec<Parked>) -> usize {
        let frames = sse::paid(&settled.receipt);
        let mut written = 0;
        let mut waiters = first;
        loop {
            let streams = waiters.iter().filter_map(|waiter| lock(waiter).take());
            let end = |stream| self.end(stream, frames.as_bytes(), Some(id));
            let endings: Vec<Ending> = streams.map(end).collect();
            written += endings.iter().filter(|ending| !matches!(ending, Ending::Gone)).count();
            match self.written(id, settled, endings) {
                Some(more) => waiters = more,
                None => return written,
            }
        }
    }

    /// Concludes from how these streams ended whether the result has reached somebody. If it has
    /// not, these are to be written to next.
    fn written(
        &self,
        id: &OrderId,
        settled: &Settled,
        endings: Vec<Ending>,
    ) -> Option<Vec<Parked>> {
        let mut arrival = Arrival::Failed;
        let mut doubtful = Vec::new();
        for ending in endings {
            match ending {
                Ending::Certain => arrival = Arrival::Certain,
                Ending::InDoubt(stream) => doubtful.push(stream),
                Ending::Gone => {}
            }
        }
        if arrival == Arrival::Failed && !doubtful.is_empty() {
            arrival = Arrival::Assumed;
        }
        let next = self.arrive(id, settled, arrival);
        match arrival {
            Arrival::Certain => self.flush_journal(),
            Arrival::Assumed => {
                self.look_again(Look::Written(doubtful, id.clone(), settled.clone()));
            }
            Arrival::Failed => {}
        }
        next
    }

    /// Tells the order what is known of a result's arrival, and has the journal note it.
    fn arrive(&self, id: &OrderId, settled: &Settled, arrival: Arrival) -> Option<Vec<Parked>> {
        let mut room = lock(&self.room);
        match room.orders.written(id, settled.serial, arrival) {
            Sequel::Nothing => None,
            Sequel::WriteTo(waiters) => Some(waiters),
            Sequel::Delivered => {
                if let Some(journal) = &self.journal {
                    // Under the lock, so that it stands before what may settle this order anew.
                    journal.delivered(id, &settled.receipt);
                }
                None
            }
        }
    }

    /// Writes what was noted. The reaper does not come here, since it must not wait for a disk: what
    /// it has had noted is written with what comes next.
    fn flush_journal(&self) {
        if let Some(journal) = &self.journal {
            journal.flush();
        }
    }

    /// Blocks until the reaper has something to do; `None` when the room is closed.
    pub fn next_tasks(&self) -> Option<Vec<Task>> {
        let mut room = lock(&self.room);
        loop {
            if room.closed {
                return None;
            }
            let now = Instant::now();
            let tasks = room.tasks(now);
            if !tasks.is_empty() {
                return Some(tasks);
            }
            room.reaper_sleeps_till = room.next_due();
            room = match room.reaper_sleeps_till {
                None => self.sooner.wait(room).unwrap_or_else(|poison| poison.into_inner()),
                Some(due) => {
                    let waited = self.sooner.wait_timeout(room, due.duration_since(now));
                    waited.unwrap_or_else(|poison| poison.into_inner()).0
                }
            };
        }
    }

    /// A heartbeat, which also finds out who is gone.
    pub fn heartbeat(&self, id: OrderId, serial: Serial, parked: Parked) {
        let own = lock(&parked);
        let Some(stream) = own.as_ref() else { return };
        let heard = drain(stream);
        let written = (&*stream).write_all(sse::HEARTBEAT.as_bytes());
        drop(own);
        match (heard, written) {
            (Heard::Error, _) | (_, Err(_)) => self.vanish(&id, serial, &parked),
            (Heard::End, Ok(())) => self.look_again(Look::Waiting(id, serial, parked)),
            _ => {}
        }
    }

    /// Its time is up.
    pub fn time_out(&self, id: OrderId, parked: Parked) {
        let stream = lock(&parked).take();
        if let Some(stream) = stream {
            self.events.record(Event::Timeout { order: &id, stream: &stream });
            self.end(stream, sse::TIMEOUT.as_bytes(), None);
        }
    }

    /// The second look at a stream that was in doubt.
    pub fn look(&self, look: Look) {
        match look {
            Look::Waiting(id, serial, parked) => {
                let gone = lock(&parked).as_ref().is_some_and(is_reset);
                if gone {
                    self.vanish(&id, serial, &parked);
                }
            }
            Look::Written(streams, id, settled) => {
                let has_it = |stream| !is_reset(stream) && is_acknowledged(stream);
                let arrived = streams.iter().any(has_it);
                let arrival = if arrived { Arrival::Certain } else { Arrival::Failed };
                // What is still on its way to them would be lost to a reset.
                for stream in &streams {
                    drain(stream);
                }
                if let Some(next) = self.arrive(&id, &settled, arrival) {
                    self.deliver(&id, &settled, next);
                }
            }
            Look::Held(stream) => drop(drain(&stream)),
        }
    }

    /// Ends all who are parked, in a whole event each; nobody is parked after that. Past the deadline
    /// it is left to the end of the process, which may cost some of them a reset.
    pub fn close(&self, deadline: Instant) {
        let mut room = lock(&self.room);
        room.closed = true;
        let waiters = room.orders.take_all();
        drop(room);
        self.sooner.notify_all();
        let in_time = |_: &TcpStream| Instant::now() < deadline;
        let streams = waiters.iter().filter_map(|waiter| lock(waiter).take());
        for stream in streams.take_while(in_time) {
            self.end(stream, b"", None);
        }
        self.flush_journal();
    }

    fn vanish(&self, id: &OrderId, serial: Serial, parked: &Parked) {
        lock(&self.room).orders.vanish(id, serial);
        let stream = lock(parked).take();
        if let Some(stream) = stream {
            self.events.record(Event::Vanished { order: id, stream: &stream });
        }
    }

    /// Writes the last frames and ends the stream so that none of them is lost: what the client has
    /// sent is drained, for the kernel resets a connection that is closed with unread bytes.
    fn end(&self, stream: TcpStream, frames: &[u8], result_of: Option<&OrderId>) -> Ending {
        let heard = drain(&stream);
        let written = heard != Heard::Error && (&stream).write_all(frames).is_ok();
        if written && heard != Heard::Bytes && is_acknowledged(&stream) {
            return Ending::Certain;
        }
        // What is held ends for the client all the same. It fails if the client has just gone.
        let _ = stream.shutdown(Shutdown::Write);
        if !written || is_reset(&stream) {
            if let Some(order) = result_of {
                self.events.record(Event::Vanished { order, stream: &stream });
            }
            Ending::Gone
        } else if result_of.is_some() && !is_acknowledged(&stream) {
            Ending::InDoubt(stream)
        } else {
            self.look_again(Look::Held(stream));
            Ending::Certain
        }
    }

    fn look_again(&self, look: Look) {
        let mut room = lock(&self.room);
        room.looks.push_back((Instant::now() + SECOND_LOOK, look));
        self.wake_reaper(&room);
    }

    fn wake_reaper(&self, room: &Room) {
        let sleeps_past = |due| room.reaper_sleeps_till.is_none_or(|till| due < till);
        if room.next_due().is_some_and(sleeps_past) {
            self.sooner.notify_one();
        }
    }
}

impl Room {
    /// What to wait for before this claim may be acknowledged, if there is anything.
    fn record(
        &mut self,
        claim: &Claim,
        id: &OrderId,
        receipt: &Receipt,
        journal: &Journal,
    ) -> Option<Ticket> {
        match claim {
            Claim::First(_) => {
                let ticket = journal.settled(id, receipt);
                self.recording.insert(id.clone(), ticket.clone());
                Some(ticket)
            }
            Claim::Pending => self.recording.get(id).cloned(),
            Claim::Repeated | Claim::Full => None,
        }
    }

    fn publish(&mut self, id: &OrderId) -> Vec<Parked> {
        self.recording.remove(id);
        self.orders.publish(id)
    }

    fn retract(&mut self, claim: &Claim, id: &OrderId) -> Payment {
        if let Claim::First(_) = claim {
            self.recording.remove(id);
            self.orders.retract(id);
        }
        Payment::Unrecorded
    }

    fn next_due(&self) -> Option<Instant> {
        let look = self.looks.front().map(|(due, _)| *due);
        self.orders.next_due().into_iter().chain(look).min()
    }

    fn tasks(&mut self, now: Instant) -> Vec<Task> {
        let mut tasks: Vec<Task> = self.orders.due(now, SLICE).into_iter().map(Task::Due).collect();
        while tasks.len() < 2 * SLICE
            && let Some((_, look)) = self.looks.pop_front_if(|(due, _)| *due <= now)
        {
            tasks.push(Task::Look(look));
        }
        tasks
    }
}

/// For the test of what a panic costs, and in no release: paying the order that this variable names
/// panics where it hurts most, with the lock held.
#[cfg(debug_assertions)]
fn panic_if_asked(id: &OrderId) {
    let order = std::env::var("ORDERPAY_PANIC");
    assert_ne!(order, Ok(id.to_string()), "ORDERPAY_PANIC has asked for it");
}

/// What is known of a stream that was ended.
enum Ending {
    /// The client's kernel has acknowledged the frames, or nobody cares.
    Certain,
    /// It has not yet: it does so at once on one machine, or nearly, and later over a network. Or
    /// the client is gone, with a reset still to come, or without a word.
    InDoubt(TcpStream),
    /// The client is gone, or had no room for the frames.
    Gone,
}

/// What a parked client has sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    /// Bytes that mean nothing here; more may follow.
    Bytes,
    /// That it will send no more: it may be gone, and it may still be listening.
    End,
    Error,
}

fn drain(mut stream: &TcpStream) -> Heard {
    let mut sink = [0; 4096];
    let mut heard = Heard::Nothing;
    for _ in 0..DRAIN_READS {
        match stream.read(&mut sink) {
            Ok(0) => return Heard::End,
            Ok(_) => heard = Heard::Bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return heard,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Heard::Error,
        }
    }
    heard
}

fn is_acknowledged(stream: &TcpStream) -> bool {
    os::unacknowledged(stream).is_ok_and(|bytes| bytes == 0)
}

fn is_reset(stream: &TcpStream) -> bool {
    !matches!(stream.take_error(), Ok(None))
}
