//! What memory and processes there are, and the one rule that divides them.
//!
//! First comes the program itself. Of the rest there are as many threads for connections as take a
//! sixteenth of it; of what they leave, five eighths are for waiters and three for results. Each has its
//! own, so that who waits can't keep a payment out, nor who pays a browser, nor slow clients either of
//! them.
//!
//! What each costs was measured in a control group, with what the kernel takes for it; `tests/storm.rs`
//! measures it anew. It is reckoned with the most that a client can have kept: who they are is theirs to
//! choose, and what they can't do is to have the kernel end the server.

use crate::order::OrderResult;
use crate::{cgroup, os};

/// In bytes, like all that follows. At rest it takes 0.2 to 0.8 MiB, and 1.4 MiB of its own file, which has
/// to be there when a payment comes: the kernel gives up pages of files before it kills, but if it has
/// to read the same ones again and again, nobody is served soon. Then there are the journal's pages, what
/// that and the log have not written yet, streams that linger, and what the heap wastes.
const PROGRAM: usize = 2400 * 1024;
/// With the longest request in its buffer 54,000 to 59,000.
const THREAD: usize = 60 * 1024;
/// 12 KiB to be received, 64 KiB to be sent: what a listener's connections may have (`os::Buffers`).
const THREAD_SOCKET: usize = 76 * 1024;
/// 1,540 to 1,640, of which 1,256 are the kernel's.
const WAITER: usize = 1700;
/// The socket itself, 2,400, and a page with what its peer has sent.
const WAITER_SOCKET: usize = 2500 + 4096;
/// Once it was written to somebody 380 to 415, before that 290 to 340; …
const RESULT: usize = 416;
/// … and with a text, beside its bytes, up to this much more.
const TEXT: usize = 32;

/// Threads that are not for connections: they wait for signals, deadlines, the log and the disk.
const OTHER_THREADS: usize = 4;
/// Processes that are left to others in the same container: runc has so many threads before it becomes
/// the health check.
const OTHER_PROCESSES: usize = 6;
/// Connections are served with fewer, but one at a time.
const FEWEST_THREADS: usize = 3;

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// In bytes.
    pub memory: Option<usize>,
    /// Whether the kernel's memory for sockets is part of it.
    pub counts_sockets: bool,
    pub processes: usize,
}

impl Budget {
    /// So much memory, or what the control group allows, and what processes it does.
    pub fn new(memory: Option<usize>) -> Budget {
        // Where somebody has said how much, nobody knows who counts.
        let limit = memory.map(|bytes| (bytes, true)).or_else(cgroup::memory);
        let (memory, counts_sockets) = limit.unzip();
        let processes = cgroup::processes().unwrap_or(usize::MAX).min(os::process_limit());
        Budget { memory, counts_sockets: counts_sockets.unwrap_or(false), processes }
    }

    /// How many threads may be for connections, those that accept them included.
    pub fn threads(&self) -> usize {
        let others = OTHER_THREADS + OTHER_PROCESSES.min(self.processes / 2);
        let threads = self.processes.saturating_sub(others);
        threads.min(self.rest() / 16 / THREAD).max(FEWEST_THREADS)
    }

    /// How many may wait.
    pub fn waiters(&self) -> usize {
        self.eighths(5) / self.waiter()
    }

    /// How many places there are for streams that linger, beside those that waiters leave: each costs as much
    /// as a waiter, out of what the program has.
    pub fn spare_places(&self) -> usize {
        self.waiters() / 8 + 1
    }

    /// How many bytes the results may take that are remembered. A quarter of them is for those that were
    /// written to somebody: see [`Limits::results`](crate::orders::Limits::results).
    pub fn results(&self) -> usize {
        self.eighths(3)
    }

    /// What so much of each takes, with the program itself.
    pub fn used(&self, connections: usize, waiters: usize, results: usize) -> usize {
        PROGRAM + connections * self.thread() + waiters * self.waiter() + results
    }

    /// What there is beside the program.
    fn rest(&self) -> usize {
        self.memory.map_or(usize::MAX, |bytes| bytes.saturating_sub(PROGRAM))
    }

    /// So many eighths of what the connections leave.
    fn eighths(&self, count: usize) -> usize {
        let connections = self.threads().saturating_mul(self.thread());
        self.rest().saturating_sub(connections) / 8 * count
    }

    fn thread(&self) -> usize {
        THREAD + if self.counts_sockets { THREAD_SOCKET } else { 0 }
    }

    fn waiter(&self) -> usize {
        WAITER + if self.counts_sockets { WAITER_SOCKET } else { 0 }
    }
}

/// What a result takes that is remembered.
pub fn cost(result: &OrderResult) -> usize {
    match result.own_len() {
        0 => RESULT,
        bytes => RESULT + TEXT + bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_divided_is_all_there_is_and_no_more() {
        for counts_sockets in [false, true] {
            for memory in [8, 64, 1024].map(|mib| mib << 20) {
                let budget = Budget { memory: Some(memory), counts_sockets, processes: usize::MAX };
                let (threads, waiters, results) =
                    (budget.threads(), budget.waiters(), budget.results());
                let used = budget.used(threads, waiters, results);
                assert!(used <= memory, "{budget:?}: {used}");
                assert!(used >= memory - memory / 16, "{budget:?}: {used}");
            }
        }
    }

    #[test]
    fn in_eight_mebibytes_there_is_room_for_everybody() {
        for (processes, counts_sockets, room) in [
            (16, false, (6, 2044, 5014)),
            (usize::MAX, false, (6, 2044, 5014)),
            (16, true, (6, 383, 4593)),
        ] {
            let budget = Budget { memory: Some(8 << 20), counts_sockets, processes };
            let results = budget.results() / cost(&OrderResult::default());
            assert_eq!((budget.threads(), budget.waiters(), results), room, "{budget:?}");
        }
    }

    #[test]
    fn without_a_limit_there_is_none() {
        let none = Budget { memory: None, counts_sockets: false, processes: usize::MAX };
        assert!(none.threads() > 1 << 40 && none.waiters() > 1 << 40);
        assert!(none.results() > 1 << 40);
    }

    #[test]
    fn however_little_there_is_connections_are_served() {
        let least = Budget { memory: Some(1), counts_sockets: true, processes: 1 };
        assert_eq!((least.threads(), least.waiters(), least.results()), (3, 0, 0));
    }
}
