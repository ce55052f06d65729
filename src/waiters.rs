//! The waiting room: the state machine behind its lock, with real streams.
//!
//! Two locks, and what each is for:
//! - the room's says who waits for what. Under it one greeting is written at most, which can't
//!   block: the stream does not, and nothing has been sent on it that is still in the way.
//! - a parked stream's own says who writes to it now. Who takes the stream out of it ends it; so
//!   nothing follows the last frames.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::events::{Event, Events};
use crate::lock;
use crate::order::{OrderId, Receipt};
use crate::orders::{Admission, Claim, Due, Limits, Orders, Serial, Settled};
use crate::{os, response, sse};

/// After this long a stream that is in doubt is looked at again: a client that is gone has answered
/// what was written to it with a reset by then.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// The reaper does so many things at most before others get the lock again.
const SLICE: usize = 64;

/// What a waiter has sent is read up to this many times; it has nothing to say.
const DRAIN_READS: usize = 16;

/// All who wait, and all that is settled.
pub struct Waiters {
    room: Mutex<Room>,
    /// Told when something is due sooner than the reaper sleeps for.
    sooner: Condvar,
    events: Arc<Events>,
}

struct Room {
    orders: Orders<Parked>,
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
    /// Has got its last frames; whether they arrived decides what is known of this settlement.
    Written(TcpStream, OrderId, Serial),
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
    /// Nobody waits for it, and there is no room to remember it.
    Full,
}

impl Waiters {
    pub fn new(limits: Limits, events: Arc<Events>) -> Self {
        let room = Room {
            orders: Orders::new(limits),
            looks: VecDeque::new(),
            reaper_sleeps_till: None,
            closed: false,
        };
        Waiters { room: Mutex::new(room), sooner: Condvar::new(), events }
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
        match room.orders.admit(id, last_event_id.is_some()) {
            Admission::Wait if room.closed => {}
            Admission::Wait => {
                let greeting = [&head, sse::OPENING.as_bytes()].concat();
                if (&stream).write_all(&greeting).is_err() {
                    return;
                }
                let parked = Arc::new(Mutex::new(Some(stream)));
                // Holds its last frames back until the log has told of its first.
                let own = lock(&parked);
                room.orders.park(id, parked.clone(), Instant::now());
                self.wake_reaper(&room);
                drop(room);
                if let Some(stream) = own.as_ref() {
                    self.events.happen(Event::Waiting { order: id, stream, last_event_id });
                }
            }
            Admission::Fetch(settled) => {
                drop(room);
                self.fetch(id, stream, head, settled);
            }
            Admission::Full => {
                drop(room);
                self.events.happen(Event::Full { order: id, stream: &stream });
                self.end(stream, &[&head, sse::FULL.as_bytes()].concat(), None);
            }
        }
    }

    fn fetch(&self, id: &OrderId, stream: TcpStream, head: Vec<u8>, settled: Settled) {
        let Settled { serial, receipt } = settled;
        self.events.happen(Event::Fetched { order: id, stream: &stream });
        let frames = [&head, sse::OPENING.as_bytes(), sse::paid(&receipt).as_bytes()].concat();
        let outcome = self.end(stream, &frames, Some((id, serial)));
        let next = lock(&self.room).orders.written(id, serial, outcome == Ending::Certain);
        self.deliver(id, serial, &receipt, next);
    }

    /// Settles an order, and writes its result to all who wait for it.
    pub fn pay(&self, id: &OrderId, receipt: &Receipt) -> Payment {
        let mut room = lock(&self.room);
        let serial = match room.orders.claim(id, receipt, Instant::now()) {
            Claim::First(serial) => serial,
            Claim::Full => {
                drop(room);
                self.events.happen(Event::Unavailable { order: id });
                return Payment::Full;
            }
            Claim::Repeated | Claim::Pending => {
                drop(room);
                self.events.happen(Event::Repeated { order: id });
                return Payment::Repeated;
            }
        };
        let waiters = room.orders.publish(id);
        self.wake_reaper(&room);
        drop(room);
        let written = self.deliver(id, serial, receipt, waiters);
        self.events.happen(Event::Paid { order: id, delivered: written });
        Payment::Settled { written }
    }

    /// Writes a result to these waiters and, while it has reached nobody, to those who came
    /// meanwhile; to how many.
    fn deliver(
        &self,
        id: &OrderId,
        serial: Serial,
        receipt: &Receipt,
        first: Vec<Parked>,
    ) -> usize {
        let frames = sse::paid(receipt);
        let mut written = 0;
        let mut waiters = first;
        loop {
            let mut certain = false;
            for stream in waiters.iter().filter_map(|waiter| lock(waiter).take()) {
                let ending = self.end(stream, frames.as_bytes(), Some((id, serial)));
                certain |= ending == Ending::Certain;
                written += usize::from(ending != Ending::Gone);
            }
            waiters = lock(&self.room).orders.written(id, serial, certain);
            if waiters.is_empty() {
                return written;
            }
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
            self.events.happen(Event::Timeout { order: &id, stream: &stream });
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
            Look::Written(stream, id, serial) => {
                if !is_reset(&stream) && os::unacknowledged(&stream).is_ok_and(|bytes| bytes == 0) {
                    lock(&self.room).orders.written(&id, serial, true);
                }
            }
            Look::Held(stream) => drop(drain(&stream)),
        }
    }

    /// Ends all who are parked, in a whole event each; nobody is parked after that.
    pub fn close(&self) {
        let mut room = lock(&self.room);
        room.closed = true;
        let waiters = room.orders.take_all();
        drop(room);
        self.sooner.notify_all();
        for stream in waiters.iter().filter_map(|waiter| lock(waiter).take()) {
            self.end(stream, b"", None);
        }
    }

    fn vanish(&self, id: &OrderId, serial: Serial, parked: &Parked) {
        lock(&self.room).orders.vanish(id, serial);
        let stream = lock(parked).take();
        if let Some(stream) = stream {
            self.events.happen(Event::Vanished { order: id, stream: &stream });
        }
    }

    /// Writes the last frames and ends the stream so that none of them is lost: what the client has
    /// sent is drained, for the kernel resets a connection that is closed with unread bytes.
    fn end(&self, stream: TcpStream, frames: &[u8], settles: Option<(&OrderId, Serial)>) -> Ending {
        let heard = drain(&stream);
        if heard == Heard::Error || (&stream).write_all(frames).is_err() {
            if let Some((order, _)) = settles {
                self.events.happen(Event::Vanished { order, stream: &stream });
            }
            return Ending::Gone;
        }
        if heard == Heard::Nothing {
            return Ending::Certain;
        }
        // ENOTCONN if the client is gone by now: the next look will tell.
        let _ = stream.shutdown(Shutdown::Write);
        if heard == Heard::Bytes {
            self.look_again(Look::Held(stream));
            return Ending::Certain;
        }
        self.ending_of_half_closed(stream, settles)
    }

    /// A client that has half-closed may be listening or gone. Gone, it answers with a reset;
    /// listening, its kernel acknowledges: at once on one machine, later over a network.
    fn ending_of_half_closed(
        &self,
        stream: TcpStream,
        settles: Option<(&OrderId, Serial)>,
    ) -> Ending {
        let Some((order, serial)) = settles else { return Ending::Certain };
        if is_reset(&stream) {
            self.events.happen(Event::Vanished { order, stream: &stream });
            return Ending::Gone;
        }
        if os::unacknowledged(&stream).is_ok_and(|bytes| bytes == 0) {
            return Ending::Certain;
        }
        self.look_again(Look::Written(stream, order.clone(), serial));
        Ending::InDoubt
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

/// What is known of a stream that was ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The frames are on their way, and nothing says that the client is gone.
    Certain,
    /// The client had half-closed; a later look will tell.
    InDoubt,
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

fn is_reset(stream: &TcpStream) -> bool {
    !matches!(stream.take_error(), Ok(None))
}
