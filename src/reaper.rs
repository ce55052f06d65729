//! The reaper: sleeps till the next deadline, and does what is due then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crate::orders::Due;
use crate::waiters::{Task, Waiters};

/// Times out, keeps alive, looks again, until the waiting room is closed. A panic costs one waiter.
pub fn run(waiters: &Waiters) {
    while let Some(tasks) = waiters.next_tasks() {
        for task in tasks {
            let _ = catch_unwind(AssertUnwindSafe(|| perform(waiters, task)));
        }
        // Nothing here is as urgent as a payback.
        thread::yield_now();
    }
}

fn perform(waiters: &Waiters, task: Task) {
    match task {
        Task::Due(Due::Heartbeat(id, serial, parked)) => waiters.heartbeat(id, serial, parked),
        Task::Due(Due::Timeout(id, parked)) => waiters.time_out(id, parked),
        Task::Look(look) => waiters.look(look),
    }
}
