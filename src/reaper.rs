//! The reaper: sleeps till the next deadline, and does what is due then: timeouts, heartbeats, what
//! is to be forgotten, and what has lingered.
//!
//! It never waits for a disk, nor for a client: no stream in its hands blocks.

use std::io::Write;
use std::iter;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Instant;

use crate::events::Event;
use crate::order::OrderId;
use crate::orders::{Due, Serial};
use crate::waiters::Waiters;
use crate::{closing, lock, sse};

/// So many things are done at most before others get the table again.
const SLICE: usize = 8;

enum Task {
    Due(Due),
    Close(Arc<TcpStream>),
}

/// Does what is due, until the table is closed. A panic costs one waiter.
pub fn run(waiters: &Waiters) {
    while let Some(tasks) = next_tasks(waiters) {
        for task in tasks {
            let _ = catch_unwind(AssertUnwindSafe(|| perform(waiters, task)));
        }
        // Nothing here is as urgent as a payback.
        thread::yield_now();
    }
}

/// Blocks until something is due; `None` when the table is closed.
fn next_tasks(waiters: &Waiters) -> Option<Vec<Task>> {
    let mut table = lock(&waiters.table);
    while !table.closed {
        let now = Instant::now();
        let mut tasks: Vec<_> = table.store.due(now, SLICE).into_iter().map(Task::Due).collect();
        if table.lingering.next_deadline().is_some_and(|due| due <= now) {
            tasks.extend(iter::from_fn(|| table.lingering.due(now)).map(Task::Close));
        }
        if !tasks.is_empty() {
            return Some(tasks);
        }
        table.reaper_sleeps_till = table.next_deadline();
        table = match table.reaper_sleeps_till {
            None => waiters.sooner.wait(table).unwrap_or_else(PoisonError::into_inner),
            Some(due) => {
                let waited = waiters.sooner.wait_timeout(table, due.duration_since(now));
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
    None
}

fn perform(waiters: &Waiters, task: Task) {
    match task {
        Task::Due(Due::Heartbeat(id, serial)) => keep_alive(waiters, &id, serial),
        Task::Due(Due::Timeout(id, serial)) => time_out(waiters, &id, serial),
        Task::Due(Due::Forgotten(..)) => {}
        Task::Close(stream) => closing::close(stream),
    }
}

/// A heartbeat also finds out who is gone: a client that has ended answers the first one with a reset,
/// and the second one finds that.
fn keep_alive(waiters: &Waiters, id: &OrderId, serial: Serial) {
    let _lane = lock(waiters.lane(id));
    let Some(stream) = lock(&waiters.table).store.orders.waiter(id, serial) else { return };
    let heard = closing::drain(&stream);
    if !heard || (&*stream).write_all(sse::HEARTBEAT.as_bytes()).is_err() {
        lock(&waiters.table).store.orders.take(id, serial);
        waiters.events.record_waiter(Event::Vanished, id, &stream);
    }
}

fn time_out(waiters: &Waiters, id: &OrderId, serial: Serial) {
    let _lane = lock(waiters.lane(id));
    let Some(stream) = lock(&waiters.table).store.orders.take(id, serial) else { return };
    waiters.events.record_waiter(Event::Timeout, id, &stream);
    waiters.end(id, &[stream], sse::TIMEOUT.as_bytes(), None);
}
