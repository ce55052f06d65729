//! The reaper: sleeps till the next deadline, and does what is due then: timeouts, heartbeats, what
//! is to be forgotten, and what has lingered.
//!
//! It never waits for a disk, nor for a client: no stream in its hands blocks.

use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::events::Event;
use crate::order::OrderId;
use crate::orders::{Due, Serial};
use crate::waiters::Waiters;
use crate::{closing, lock, sse};

/// So many things are done at most before others get the table again.
const SLICE: usize = 8;

/// Does what is due, until the table is closed. A panic costs one waiter.
pub fn run(waiters: &Waiters) {
    while let Some((dues, lingered)) = next_tasks(waiters) {
        lingered.into_iter().for_each(closing::close);
        for due in dues {
            let _ = catch_unwind(AssertUnwindSafe(|| match due {
                Due::Heartbeat(id, serial) => keep_alive(waiters, &id, serial),
                Due::Timeout(id, serial) => time_out(waiters, &id, serial),
            }));
        }
        // Nothing here is as urgent as a payback.
        thread::yield_now();
    }
}

/// Blocks until something is due, or has lingered; `None` when the table is closed.
fn next_tasks(waiters: &Waiters) -> Option<(Vec<Due>, Vec<Arc<TcpStream>>)> {
    let mut table = lock(&waiters.table);
    while !table.closed {
        let now = Instant::now();
        let (dues, lingered) = (table.store.due(now, SLICE), table.lingering.take_due(now));
        if !dues.is_empty() || !lingered.is_empty() {
            return Some((dues, lingered));
        }
        table.reaper_sleeps_till = table.next_deadline();
        let patience = table.reaper_sleeps_till.map_or(Duration::MAX, |till| till - now);
        let woken = waiters.sooner.wait_timeout(table, patience);
        table = woken.unwrap_or_else(PoisonError::into_inner).0;
    }
    None
}

/// A heartbeat also finds out who is gone: a client that has ended answers the first one with a reset,
/// and the second one finds that.
fn keep_alive(waiters: &Waiters, id: &OrderId, serial: Serial) {
    let _lane = lock(waiters.lane(id));
    let Some(stream) = lock(&waiters.table).store.orders.waiter(id, serial) else { return };
    if !closing::drain(&stream) || !closing::send(&stream, sse::HEARTBEAT.as_bytes(), false) {
        lock(&waiters.table).store.orders.take(id, serial);
        waiters.events.record_waiter(Event::Vanished, id, &stream);
    }
}

fn time_out(waiters: &Waiters, id: &OrderId, serial: Serial) {
    let _lane = lock(waiters.lane(id));
    let Some(stream) = lock(&waiters.table).store.orders.take(id, serial) else { return };
    waiters.events.record_waiter(Event::Timeout, id, &stream);
    waiters.end(&[stream], sse::TIMEOUT.as_bytes(), None);
}
