//! Results on disk before they are acknowledged.
//!
//! A journal is a text file with one record a line, for `cat`, `grep` and `tail -f`:
//!
//! ```text
//! # orderpay journal 1: checksum, state, time, order, receipt
//! 9610b65a settled 2026-11-22T13:53:18.123Z 4711 支付成功
//! b5e1c66d delivered 2026-11-22T13:53:18.127Z 4711 支付成功
//! ```
//!
//! A line says all about its order, so the last line of an order is the one that counts. In the
//! receipt, `\n`, `\r` and `\\` stand for LF, CR and a backslash. The checksum is FNV-1a of what
//! follows it.
//!
//! What holds when things go wrong:
//!
//! | what goes wrong | what the journal does |
//! | --- | --- |
//! | killed in the middle of a line | It has no end, so nobody was told `ok`: the next start cuts it off. |
//! | a line that was whole is damaged | Somebody may have been told `ok`: no start, until a person has looked at it. |
//! | disk full, I/O error | The batch is cut off again, whoever waits for it is told, and the next one tries anew. |
//! | the cut fails as well | It comes first in every later batch, and fails it as long as it fails itself. |
//! | killed before such a cut is on disk | The restart may remember a result that got no `ok`. It was paid all the same. |
//! | killed before a delivery is on disk | The restart delivers the result once more. |
//!
//! After a failed sync, the kernel may have dropped what it could not write, and the next sync will
//! not say so. Here nothing hangs on that: a sync vouches for its own batch only, everything before
//! was vouched for by an earlier one, and what is cut off is written anew, not just synced anew.

use std::io;
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::lock;
use crate::order::{OrderId, Receipt};
use disk::Disk;
use record::HEADER;

mod disk;
mod record;

pub use disk::{Found, OpenError};
pub use record::Record;

/// The journal of a running server.
pub struct Journal {
    state: Mutex<State>,
    /// Notified when a batch has got its outcome; the disk is free again then.
    written: Condvar,
    healthy: AtomicBool,
    syncs: AtomicU64,
}

/// Locked for an instant, also by those who hold other locks: never while the disk works.
struct State {
    /// Gathers while the disk works on the one before.
    next: Batch,
    /// Whoever has taken it has the turn to write.
    disk: Option<Disk>,
}

/// Lines that are written at once.
#[derive(Default)]
struct Batch {
    lines: Vec<u8>,
    /// Whether somebody waits until they are on disk.
    sync: bool,
    ticket: Ticket,
}

/// Stands for something that was noted, and is to be committed.
#[derive(Clone, Default)]
#[must_use = "nobody else commits it"]
pub struct Ticket(Arc<OnceLock<Outcome>>);

/// What became of a batch. All who have a part in it get the same error.
pub type Outcome = Result<(), Arc<io::Error>>;

impl Journal {
    /// Opens a journal, or makes one. What is older than `keep` is not worth remembering, nor are
    /// delivered results beyond the newest `most`.
    pub fn open(path: &Path, keep: Duration, most: usize) -> Result<(Journal, Found), OpenError> {
        let (disk, found) = Disk::open(path, keep, most)?;
        let journal = Journal {
            state: Mutex::new(State { next: Batch::default(), disk: Some(disk) }),
            written: Condvar::new(),
            healthy: AtomicBool::new(true),
            syncs: AtomicU64::new(0),
        };
        Ok((journal, found))
    }

    /// Notes that an order is settled; it is on disk once that is committed.
    pub fn settled(&self, order: &OrderId, receipt: &Receipt) -> Ticket {
        let mut state = lock(&self.state);
        Record::now(order, receipt, false).write(&mut state.next.lines);
        state.next.awaited()
    }

    /// Notes that its result was delivered. No sync is spent on that, since it may as well be
    /// delivered twice: it is written with whatever comes next, or by [`Journal::flush`].
    pub fn delivered(&self, order: &OrderId, receipt: &Receipt) {
        let mut state = lock(&self.state);
        Record::now(order, receipt, true).write(&mut state.next.lines);
    }

    /// Waits until what the ticket stands for is on disk.
    ///
    /// One thread writes for all: while the disk works on its batch, the next one gathers, and the
    /// first who waits for that takes the turn after it. So each waits for two syncs at most.
    pub fn commit(&self, ticket: &Ticket) -> Outcome {
        let mut state = lock(&self.state);
        loop {
            if let Some(outcome) = ticket.0.get() {
                return outcome.clone();
            }
            state = match state.disk.take() {
                Some(disk) => self.write(state, disk),
                None => self.written.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Has what was noted written before long, so that it outlives this process: now, or by
    /// whoever has the turn or is about to take it.
    pub fn flush(&self) {
        let mut state = lock(&self.state);
        if !state.next.sync
            && let Some(disk) = state.disk.take()
        {
            drop(self.write(state, disk));
        }
    }

    /// Whether all is on disk that should be. After an error this tries the disk again.
    pub fn healthy(&self) -> bool {
        if self.healthy.load(Relaxed) {
            return true;
        }
        let mut state = lock(&self.state);
        state.next.lines.extend(HEADER.as_bytes());
        let ticket = state.next.awaited();
        drop(state);
        self.commit(&ticket).is_ok()
    }

    /// How often something was synced.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Relaxed)
    }

    /// Writes the next batch, while the one after it gathers.
    fn write<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mut disk: Disk,
    ) -> MutexGuard<'a, State> {
        loop {
            let batch = mem::take(&mut state.next);
            drop(state);
            let outcome = disk.append(&batch.lines, batch.sync).map_err(Arc::new);
            if outcome.is_err() || batch.sync {
                self.healthy.store(outcome.is_ok(), Relaxed);
            }
            self.syncs.fetch_add(batch.sync.into(), Relaxed);
            state = lock(&self.state);
            let _ = batch.ticket.0.set(outcome);
            // What somebody waits for is left to them, and what nobody waits for is not left behind.
            if state.next.sync || state.next.lines.is_empty() {
                break;
            }
        }
        state.disk = Some(disk);
        self.written.notify_all();
        state
    }
}

impl Batch {
    /// For somebody who is going to wait until it is on disk.
    fn awaited(&mut self) -> Ticket {
        self.sync = true;
        self.ticket.clone()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Barrier;
    use std::thread;

    pub const HOUR: Duration = Duration::from_secs(3600);

    /// A folder of one test, gone when it ends.
    pub struct Folder(pub PathBuf);

    impl Folder {
        pub fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("orderpay-{}-{test}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        pub fn journal(&self) -> PathBuf {
            self.0.join("journal")
        }

        pub fn open(&self) -> (Journal, Found) {
            Journal::open(&self.journal(), HOUR, 100_000).unwrap()
        }

        /// What a restart would remember: order, receipt, and whether it was delivered.
        pub fn remembered(&self) -> Vec<(String, String, bool)> {
            let plain = |r: Record| (r.order.to_string(), r.receipt.text().to_owned(), r.delivered);
            self.open().1.records.into_iter().map(plain).collect()
        }

        pub fn orders(&self) -> Vec<String> {
            self.remembered().into_iter().map(|(order, ..)| order).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    pub fn id(order: &str) -> OrderId {
        OrderId::parse(order.as_bytes()).unwrap()
    }

    pub fn settle(journal: &Journal, order: &str) -> Outcome {
        journal.commit(&journal.settled(&id(order), &Receipt::default()))
    }

    #[test]
    fn a_restart_remembers_what_was_settled_and_what_was_delivered() {
        let folder = Folder::new("restart");
        let (journal, found) = folder.open();
        assert_eq!((found.records.len(), found.torn), (0, 0));
        let text = Receipt::parse("two\r\nlines \\".as_bytes()).unwrap();
        let ticket = journal.settled(&id("a"), &text);
        settle(&journal, "b").unwrap();
        assert_eq!(journal.syncs(), 1, "the sync of b was that of a as well");
        journal.commit(&ticket).unwrap();
        assert_eq!(journal.syncs(), 1);
        journal.delivered(&id("a"), &text);
        journal.flush();
        assert_eq!(journal.syncs(), 1, "a delivery needs no sync");
        drop(journal);
        let mut remembered = folder.remembered();
        remembered.sort();
        let said = |order: &str, text: &str, delivered| (order.into(), text.into(), delivered);
        assert_eq!(remembered, [said("a", text.text(), true), said("b", Receipt::PAID, false)]);
    }

    #[test]
    fn all_who_wait_at_the_same_time_share_one_sync() {
        const THREADS: usize = 64;
        const ROUNDS: u64 = 20;
        let folder = Folder::new("group");
        let (journal, _) = folder.open();
        let all_have_noted = Barrier::new(THREADS);
        let run = |thread: usize| {
            for round in 0..ROUNDS {
                let ticket =
                    journal.settled(&id(&format!("{thread}-{round}")), &Receipt::default());
                all_have_noted.wait();
                journal.commit(&ticket).unwrap();
            }
        };
        thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || run(thread));
            }
        });
        assert_eq!(journal.syncs(), ROUNDS);
        drop(journal);
        assert_eq!(folder.orders().len() as u64, THREADS as u64 * ROUNDS);
    }

    #[test]
    fn what_grows_is_rewritten_and_loses_nothing() {
        let folder = Folder::new("grown");
        let (journal, _) = folder.open();
        let mut longest = 0;
        for n in 0..4000 {
            let order = id(&format!("{}", n % 100));
            let ticket = journal.settled(&order, &Receipt::default());
            if n % 10 == 0 {
                journal.commit(&ticket).unwrap();
                longest = longest.max(fs::metadata(folder.journal()).unwrap().len());
            }
        }
        settle(&journal, "last").unwrap();
        drop(journal);
        assert!((30_000..80_000).contains(&longest), "{longest}");
        assert_eq!(folder.orders().len(), 101);
    }

    #[test]
    fn a_delivery_that_nobody_waits_for_is_not_kept_by_a_rewriting() {
        let folder = Folder::new("delivered");
        let (journal, _) = folder.open();
        let size = || fs::metadata(folder.journal()).unwrap().len();
        for _ in 0..2000 {
            journal.delivered(&id("a"), &Receipt::default());
            journal.flush();
        }
        assert!(size() > 100_000, "{}", size());
        settle(&journal, "b").unwrap();
        assert!(size() < 1000, "{}", size());
        drop(journal);
        assert_eq!(folder.orders(), ["a", "b"]);
    }
}
