//! Results on disk before they are acknowledged.
//!
//! A journal is a text file with one record a line, for `cat`, `grep` and `tail -f`:
//!
//! ```text
//! # orderpay journal 2: checksum, state, order, round, milliseconds since 1970, result
//!
//! 807c382b synced
//! 196caffa settled 4711 0 1795355598123 支付成功
//!
//! 807c382b synced
//! 0ba0fe8b written 4711 0
//! 26290d3d opened 1 1795355598124
//! 2c536460 forgotten 4711 0
//! ```
//!
//! Each line is something that has happened to an order, and says as much of it as there is to say.
//! In a result, `\n`, `\r` and `\\` stand for LF, CR and a backslash. The checksum is FNV-1a of what
//! follows it. `synced` is a mark: everything before it is certainly on disk.
//!
//! One thread has the disk. It alone writes, syncs and rewrites the file; all others put their lines
//! into a queue, and those who need to know that they are on disk wait for the batch that takes them
//! there. So many payments share a sync, which is known as a group commit, and nobody who has a lock
//! waits for a disk. In a batch the notes, which nobody waits for, come first: they tell what has
//! happened, and what others wait for happens when the batch is on disk. So a restart finds it all in
//! the order in which it happened.
//!
//! | what goes wrong | what the journal does |
//! | --- | --- |
//! | killed, or a power cut | What is torn or missing behind the last mark was acknowledged to nobody: the next start cuts it off. |
//! | damage before a mark | Somebody may have been told `ok`: no start, until a person has looked at it. |
//! | disk full, I/O error | The batch is cut off again and whoever waits for it is told. Its notes are tried again. |
//! | the cut fails as well | It comes first in every later batch, and fails it as long as it fails itself. |
//! | killed before such a cut is on disk | The restart may remember a result that got no `ok`. It was paid all the same. |
//! | killed before a note is on disk | The restart does not know it: a result is written to somebody once more. |
//! | more notes wait for the disk than there is room for | They are dropped, and the file is rewritten as soon as it can be: memory knows. |
//! | the disk hangs | Who waits gives up after [`COMMIT_TIMEOUT`], and then nobody starts to wait until it goes on. |
//! | the file was deleted or moved | It is written anew under its name before the next `ok`; a batch that it happens to fails. |
//! | another file has its name | No `ok` until that is put right. |
//! | a journal of version 1 | It is read without its times, and rewritten as one of today before the first `ok`. |
//!
//! After a failed sync, the kernel may have dropped what it could not write, and the next sync will
//! not say so. Here nothing hangs on that: a sync vouches for its own batch only, everything before
//! was vouched for by an earlier one, and what is cut off is written anew, not just synced anew. Only
//! a start has to take the kernel's word for what it reads. And rot that hits the end of the file,
//! where a batch and its mark stand together, can't be told from a tail.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::lock;
use disk::Disk;
use record::MARK;

mod disk;
mod record;
mod replay;

pub use record::{HEADER, Record};

/// Who waits for the disk gives up after this long; a batch that takes longer is said to hang.
pub const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// In bytes: so many notes wait for the disk at most. A record is kept in memory no longer than somebody
/// waits for it.
const MAX_NOTES: usize = 128 * 1024;

/// After a failure, the disk is tried again in this time, or when somebody waits for it.
const RETRY: Duration = Duration::from_secs(1);

/// The journal of a running server.
pub struct Journal {
    queue: Mutex<Queue>,
    /// Notified when the disk thread may have something to do.
    queued: Condvar,
    /// Notified when a batch has got its outcome, and when the journal is closed.
    told: Condvar,
    /// Locked by the disk thread alone.
    disk: Mutex<Disk>,
    max_waiting: usize,
    commit_timeout: Duration,
}

/// Locked for an instant, also by those who hold other locks: never while the disk works.
#[derive(Default)]
struct Queue {
    /// Gathers while the disk works on the one before.
    next: Batch,
    /// Since when the disk works, if it does.
    busy_since: Option<Instant>,
    /// When the disk is tried again, if the last batch failed.
    retry_at: Option<Instant>,
    /// Threads that wait for a batch.
    waiting: usize,
    syncs: u64,
    /// The disk thread writes what is left, and ends.
    closing: bool,
    /// It has ended, or has taken too long: nobody waits any more.
    closed: bool,
}

/// Lines that are written at once, the notes first: they have happened, and a record happens when its
/// batch is on disk.
#[derive(Default)]
struct Batch {
    /// Lines that nobody waits for.
    notes: Vec<u8>,
    /// There was no room for all of them.
    notes_lost: bool,
    /// Lines that somebody waits for.
    records: Vec<u8>,
    commit: Commit,
}

/// A share in a group commit: stands for a record that is on its way to the disk.
#[derive(Clone, Default)]
#[must_use = "nobody else waits for it"]
pub struct Commit(Arc<OnceLock<Result<(), Unrecorded>>>);

/// Why a record is not known to be on disk. All who have a part in a batch get the same error.
pub type Unrecorded = Arc<io::Error>;

impl Commit {
    /// Whether it is certain that the record is on disk.
    pub fn is_on_disk(&self) -> bool {
        matches!(self.0.get(), Some(Ok(())))
    }

    /// Whether it is certain that the record is not on disk.
    pub fn has_failed(&self) -> bool {
        matches!(self.0.get(), Some(Err(_)))
    }
}

impl Journal {
    /// Opens a journal, or makes one, and hands over what it says, in the order in which it happened.
    /// At most `max_waiting` threads wait for the disk at the same time. Also returns the length in
    /// bytes of a tail that was cut off. An error is a line that names the file.
    pub fn open(
        path: &Path,
        max_waiting: usize,
        apply: impl FnMut(Record),
    ) -> Result<(Journal, u64), String> {
        let (disk, tail) = Disk::open(path, apply)?;
        let next = Batch { notes: MARK.into(), ..Batch::default() };
        let journal = Journal {
            queue: Mutex::new(Queue { next, ..Queue::default() }),
            queued: Condvar::new(),
            told: Condvar::new(),
            disk: Mutex::new(disk),
            max_waiting,
            commit_timeout: COMMIT_TIMEOUT,
        };
        Ok((journal, tail))
    }

    /// Queues a record of what has happened, which nobody waits for. It is written soon, and synced
    /// with what comes next; or it is dropped, if the disk is too slow for it, and rewritten later.
    pub fn note(&self, record: &Record) {
        let line = record.line();
        let next = &mut lock(&self.queue).next;
        if next.notes.len() + line.len() <= MAX_NOTES {
            next.notes.extend(line.as_bytes());
        } else {
            next.notes_lost = true;
        }
        self.queued.notify_one();
    }

    /// Queues a record of what happens when it is on disk: somebody is going to wait for that. If it
    /// is refused, it is not queued.
    pub fn record(&self, record: &Record) -> Result<Commit, Unrecorded> {
        self.enqueue(&record.line())
    }

    fn enqueue(&self, line: &str) -> Result<Commit, Unrecorded> {
        let mut queue = lock(&self.queue);
        self.admit(&queue)?;
        queue.next.records.extend(line.as_bytes());
        self.queued.notify_one();
        Ok(queue.next.commit.clone())
    }

    /// Waits until a record is on disk. If its batch failed, it is not: it was cut off. If the journal
    /// refuses to wait ([`ErrorKind::WouldBlock`]) or has waited enough ([`ErrorKind::TimedOut`]), it
    /// may still get there.
    pub fn wait(&self, commit: &Commit) -> Result<(), Unrecorded> {
        let mut queue = lock(&self.queue);
        if let Some(outcome) = commit.0.get() {
            return outcome.clone();
        }
        self.admit(&queue)?;
        queue.waiting += 1;
        let is_open = |queue: &mut Queue| commit.0.get().is_none() && !queue.closed;
        let waited = self.told.wait_timeout_while(queue, self.commit_timeout, is_open);
        waited.unwrap_or_else(PoisonError::into_inner).0.waiting -= 1;
        commit.0.get().cloned().unwrap_or(Err(Arc::new(ErrorKind::TimedOut.into())))
    }

    /// Whether all is on disk that should be. After an error this tries the disk again.
    pub fn healthy(&self) -> bool {
        let queue = lock(&self.queue);
        let in_doubt = queue.retry_at.is_some() || self.hangs(&queue);
        drop(queue);
        // A header says nothing, wherever it stands.
        let probe = || self.wait(&self.enqueue(HEADER)?);
        !in_doubt || probe().is_ok()
    }

    /// How many batches were synced.
    pub fn syncs(&self) -> u64 {
        lock(&self.queue).syncs
    }

    /// Lets the disk thread write what is queued, until the deadline. Nobody waits after that.
    pub fn close(&self, deadline: Instant) {
        let now = Instant::now();
        let mut queue = lock(&self.queue);
        // What has failed is tried once more, without delay.
        (queue.closing, queue.retry_at) = (true, queue.retry_at.and(Some(now)));
        self.queued.notify_one();
        let patience = deadline.saturating_duration_since(now);
        let waited = self.told.wait_timeout_while(queue, patience, |queue| !queue.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed = true;
        self.told.notify_all();
    }

    /// What the disk thread does, until the journal is closed.
    ///
    /// A rewriting keeps what `is_current`: what memory knows, also while it is still being recorded.
    /// Whoever changes that queues the record of the change before they let go of their lock. If a
    /// batch and a rewriting take longer than [`COMMIT_TIMEOUT`], the disk is said to hang.
    pub fn run(&self, is_current: impl Fn(&Record) -> bool) {
        while let Some(batch) = self.next_batch() {
            let notes_lost = batch.notes_lost;
            self.write(batch);
            lock(&self.disk).rewrite_if_due(notes_lost, &is_current);
        }
    }

    /// Blocks until there is something to write; `None` when the journal is closed, and there is
    /// nothing left that can be written.
    fn next_batch(&self) -> Option<Batch> {
        let mut queue = lock(&self.queue);
        loop {
            let pause = queue.pause();
            queue.busy_since = pause.is_zero().then(Instant::now);
            if pause.is_zero() {
                return Some(std::mem::take(&mut queue.next));
            }
            if queue.closing {
                queue.closed = true;
                self.told.notify_all();
                return None;
            }
            let waited = self.queued.wait_timeout(queue, pause);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Writes a batch, while the one after it gathers, and tells all who wait for it.
    fn write(&self, batch: Batch) {
        let written = lock(&self.disk).append(&batch.notes, &batch.records);
        let mut queue = lock(&self.queue);
        queue.retry_at = written.is_err().then(|| Instant::now() + RETRY);
        if let Ok(true) = written {
            queue.syncs += 1;
            queue.next.notes.splice(0..0, MARK.bytes());
        }
        let _ = batch.commit.0.set(written.map(drop).map_err(Arc::new));
        self.told.notify_all();
    }

    /// Refuses one more who would wait in vain, or too long.
    fn admit(&self, queue: &Queue) -> Result<(), Unrecorded> {
        let refuses = queue.closed || queue.waiting >= self.max_waiting || self.hangs(queue);
        if refuses { Err(Arc::new(ErrorKind::WouldBlock.into())) } else { Ok(()) }
    }

    fn hangs(&self, queue: &Queue) -> bool {
        queue.busy_since.is_some_and(|since| since.elapsed() > self.commit_timeout)
    }
}

impl Queue {
    /// How long the disk may rest.
    fn pause(&self) -> Duration {
        match self.retry_at {
            _ if !self.next.records.is_empty() => Duration::ZERO,
            Some(retry_at) => retry_at.saturating_duration_since(Instant::now()),
            None if self.next.notes.is_empty() => Duration::MAX,
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::order::{OrderId, OrderResult};
    use std::fs;
    use std::ops::Deref;
    use std::path::PathBuf;
    use std::sync::Barrier;
    use std::thread::{self, JoinHandle};

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

        pub fn bytes(&self) -> Vec<u8> {
            fs::read(self.journal()).unwrap()
        }

        /// What a start would be told, without checksums, and how long a tail it would cut off.
        pub fn read(&self) -> (Vec<String>, u64) {
            let mut said = Vec::new();
            let opened = Journal::open(&self.journal(), 1, |record| said.push(say(&record)));
            (said, opened.unwrap().1)
        }

        /// A journal whose disk thread does one batch when it is told to.
        pub fn by_hand(&self) -> Journal {
            Journal::open(&self.journal(), 99, drop).unwrap().0
        }

        pub fn running(&self) -> Running {
            Running::new(self.by_hand())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A journal with its disk thread, which ends with it.
    pub struct Running(Arc<Journal>, Option<JoinHandle<()>>);

    impl Running {
        pub fn new(journal: Journal) -> Self {
            let journal = Arc::new(journal);
            let disk = journal.clone();
            Running(journal, Some(thread::spawn(move || disk.run(|_| true))))
        }

        /// Blocks until nothing is queued, and the disk rests.
        pub fn rest(&self) {
            eventually(|| {
                let queue = lock(&self.queue);
                queue.pause() == Duration::MAX && queue.busy_since.is_none()
            });
        }
    }

    impl Deref for Running {
        type Target = Journal;

        fn deref(&self) -> &Journal {
            &self.0
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            self.close(soon());
            let _ = self.1.take().unwrap().join();
        }
    }

    pub fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    pub fn eventually(happens: impl Fn() -> bool) {
        let deadline = soon();
        while !happens() {
            assert!(Instant::now() < deadline, "it never happens");
            thread::yield_now();
        }
    }

    pub fn settled(order: &str) -> Record {
        let order = OrderId::parse(order.as_bytes()).unwrap();
        let at = 1_795_355_598_123;
        Record::Settled { order, round: 0, at, result: OrderResult::default() }
    }

    pub fn written(order: &str) -> Record {
        Record::Written { order: OrderId::parse(order.as_bytes()).unwrap(), round: 0 }
    }

    /// A record as a journal says it.
    pub fn say(record: &Record) -> String {
        record.line().trim_end().split_once(' ').unwrap().1.to_owned()
    }

    pub fn said(records: &[Record]) -> Vec<String> {
        records.iter().map(say).collect()
    }

    pub fn settle(journal: &Journal, order: &str) -> Result<(), Unrecorded> {
        journal.wait(&journal.record(&settled(order))?)
    }

    /// What the disk thread does for one batch.
    pub fn write_next(journal: &Journal) {
        let batch = journal.next_batch().unwrap();
        journal.write(batch);
    }

    /// The error of a batch that has failed.
    pub fn failure(outcome: Result<(), Unrecorded>) -> io::Error {
        let error = outcome.unwrap_err();
        assert!(!refused(&error) && !late(&error), "{error}");
        io::Error::new(error.kind(), error.to_string())
    }

    fn refused(error: &io::Error) -> bool {
        error.kind() == ErrorKind::WouldBlock
    }

    fn late(error: &io::Error) -> bool {
        error.kind() == ErrorKind::TimedOut
    }

    #[test]
    fn a_restart_is_told_of_all_in_the_order_in_which_it_happened() {
        let folder = Folder::new("restart");
        let journal = folder.running();
        let order = OrderId::default();
        let all = [
            Record::Opened { order: order.clone(), round: 7 },
            settled("a"),
            written("a"),
            Record::Forgotten { order, round: 0 },
        ];
        for record in &all[..3] {
            journal.wait(&journal.record(record).unwrap()).unwrap();
        }
        journal.note(&all[3]);
        assert_eq!(journal.syncs(), 3);
        drop(journal);
        assert_eq!(folder.read(), (said(&all), 0));
        settle(&folder.running(), "b").unwrap();
        assert_eq!(folder.read().0, said(&[&all[..], &[settled("b")]].concat()));
    }

    #[test]
    fn a_mark_follows_each_sync_and_a_note_needs_none() {
        let folder = Folder::new("marks");
        let journal = folder.running();
        settle(&journal, "a").unwrap();
        journal.rest();
        journal.note(&written("a"));
        journal.rest();
        assert_eq!(journal.syncs(), 1);
        let lines = [HEADER, MARK, MARK, &settled("a").line(), MARK, &written("a").line()];
        assert_eq!(folder.bytes(), lines.concat().as_bytes());
    }

    #[test]
    fn what_has_happened_comes_before_what_happens_when_it_is_on_disk() {
        let folder = Folder::new("order");
        let journal = folder.by_hand();
        let commit = journal.record(&settled("b")).unwrap();
        journal.note(&written("a"));
        write_next(&journal);
        journal.wait(&commit).unwrap();
        drop(journal);
        assert_eq!(folder.read().0, said(&[written("a"), settled("b")]));
    }

    #[test]
    fn notes_that_the_disk_is_too_slow_for_are_dropped_and_made_up_for_by_a_rewriting() {
        let folder = Folder::new("too-many-notes");
        let journal = folder.by_hand();
        // So much that notes alone don't bring the next rewriting.
        let result = OrderResult::parse(&[b'x'; 4096]).unwrap();
        let large = Record::Settled { order: OrderId::default(), round: 0, at: 0, result };
        let commits: Vec<_> = (0..64).map(|_| journal.record(&large)).collect();
        assert!(commits.iter().all(Result::is_ok));
        write_next(&journal);
        lock(&journal.disk).rewrite_if_due(false, |_| true);
        let fits = MAX_NOTES / written("a").line().len();
        (0..2 * fits).for_each(|_| journal.note(&written("a")));
        let notes = lock(&journal.queue).next.notes.len();
        assert!((MAX_NOTES - 100..=MAX_NOTES).contains(&notes), "{notes}");
        thread::scope(|scope| {
            scope.spawn(|| journal.run(|_| false));
            journal.close(soon());
        });
        drop(journal);
        assert_eq!(folder.read(), (Vec::new(), 0));
    }

    #[test]
    fn all_who_wait_at_the_same_time_share_one_sync() {
        const THREADS: usize = 64;
        const ROUNDS: u64 = 20;
        let folder = Folder::new("group");
        let journal = folder.by_hand();
        let all_have_queued = Barrier::new(THREADS + 1);
        let run = &|thread: usize| {
            for round in 0..ROUNDS {
                let commit = journal.record(&settled(&format!("{thread}-{round}")));
                all_have_queued.wait();
                journal.wait(&commit.unwrap()).unwrap();
            }
        };
        thread::scope(|scope| {
            (0..THREADS).for_each(|thread| drop(scope.spawn(move || run(thread))));
            for _ in 0..ROUNDS {
                all_have_queued.wait();
                write_next(&journal);
            }
        });
        assert_eq!(journal.syncs(), ROUNDS);
        drop(journal);
        assert_eq!(folder.read().0.len() as u64, THREADS as u64 * ROUNDS);
    }

    #[test]
    fn a_disk_that_hangs_holds_nobody_up() {
        let folder = Folder::new("hangs");
        let mut journal = folder.by_hand();
        journal.commit_timeout = Duration::from_millis(500);
        let journal = Running::new(journal);
        settle(&journal, "a").unwrap();
        journal.rest();
        let disk = lock(&journal.disk);
        let start = Instant::now();
        let commit = journal.record(&settled("b")).unwrap();
        assert!(late(&journal.wait(&commit).unwrap_err()));
        assert!(start.elapsed() >= journal.commit_timeout);
        eventually(|| !journal.healthy());
        let start = Instant::now();
        assert!(refused(&settle(&journal, "c").unwrap_err()));
        assert!(refused(&journal.wait(&commit).unwrap_err()));
        journal.note(&written("a"));
        assert!(start.elapsed() < journal.commit_timeout, "at once");
        drop(disk);
        journal.rest();
        assert!(journal.healthy());
        assert!(journal.wait(&commit).is_ok(), "it came late");
        settle(&journal, "d").unwrap();
        drop(journal);
        let all = [settled("a"), settled("b"), written("a"), settled("d")];
        assert_eq!(folder.read().0, said(&all));
    }

    #[test]
    fn closing_waits_for_the_disk_till_the_deadline_and_then_nobody_waits() {
        let folder = Folder::new("closing");
        let journal = folder.running();
        let disk = lock(&journal.disk);
        let commit = journal.record(&settled("a")).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| journal.wait(&commit));
            eventually(|| lock(&journal.queue).waiting == 1);
            let deadline = Instant::now() + Duration::from_millis(50);
            journal.close(deadline);
            assert!(late(&waiter.join().unwrap().unwrap_err()));
            assert!((deadline..deadline + COMMIT_TIMEOUT / 2).contains(&Instant::now()));
        });
        assert!(refused(&journal.wait(&commit).unwrap_err()));
        assert!(refused(&settle(&journal, "b").unwrap_err()));
        drop(disk);
        drop(journal);
        assert_eq!(folder.read().0, said(&[settled("a")]));
    }

    #[test]
    fn only_so_many_wait_at_the_same_time() {
        let folder = Folder::new("crowd");
        let journal = Running::new(Journal::open(&folder.journal(), 1, drop).unwrap().0);
        let disk = lock(&journal.disk);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| settle(&journal, "a"));
            eventually(|| lock(&journal.queue).waiting == 1);
            assert!(refused(&settle(&journal, "b").unwrap_err()));
            assert!(journal.healthy());
            drop(disk);
            waiter.join().unwrap().unwrap();
        });
        settle(&journal, "c").unwrap();
        drop(journal);
        assert_eq!(folder.read().0, said(&[settled("a"), settled("c")]));
    }

    #[test]
    fn a_panic_with_the_lock_stops_nothing() {
        let folder = Folder::new("panic");
        let journal = folder.running();
        thread::scope(|scope| {
            let panics = || {
                let _queue = lock(&journal.queue);
                panic!("this is what it tests");
            };
            scope.spawn(panics).join().unwrap_err();
        });
        settle(&journal, "a").unwrap();
        assert!(journal.healthy());
    }

    /// What may stand in a file at some moment: it was written so far, synced so far, and these were
    /// acknowledged.
    struct Moment {
        file: Vec<u8>,
        synced: usize,
        acknowledged: Vec<String>,
    }

    /// The moments of a journal whose batches these are: notes, and records that are waited for.
    fn moments(journal: &Journal, file: &Folder, batches: &[(&[&str], &[&str])]) -> Vec<Moment> {
        let mut moments = Vec::new();
        let mut acknowledged = Vec::new();
        for (notes, records) in batches {
            let before = lock(&journal.disk).synced;
            notes.iter().for_each(|order| journal.note(&settled(order)));
            let record = |order: &&str| journal.record(&settled(order)).unwrap();
            let commits: Vec<Commit> = records.iter().map(record).collect();
            write_next(journal);
            for synced in [before, lock(&journal.disk).synced] {
                let (file, acknowledged) = (file.bytes(), acknowledged.clone());
                moments.push(Moment { file, synced: synced as usize, acknowledged });
            }
            commits.iter().for_each(|commit| journal.wait(commit).unwrap());
            acknowledged.extend(records.iter().map(|order| say(&settled(order))));
            moments.last_mut().unwrap().acknowledged = acknowledged.clone();
        }
        moments
    }

    /// Every file that a crash may leave: it ends anywhere behind what is synced, and any pages of
    /// the rest are lost.
    fn crashes(moment: &Moment) -> Vec<Vec<u8>> {
        const PAGE: usize = 32;
        let Moment { file, synced, .. } = moment;
        let mut crashes: Vec<Vec<u8>> =
            (*synced..=file.len()).map(|end| file[..end].to_vec()).collect();
        let pages: Vec<usize> = (synced / PAGE..file.len().div_ceil(PAGE)).collect();
        for lost in 1..1_u32 << pages.len() {
            let mut file = file.clone();
            for (bit, page) in pages.iter().enumerate() {
                let end = file.len().min((page + 1) * PAGE);
                let start = (*synced).max(page * PAGE).min(end);
                if lost & (1 << bit) != 0 {
                    file[start..end].fill(0);
                }
            }
            crashes.push(file);
        }
        crashes
    }

    /// Starts after every crash; to how many.
    fn survive(moments: &[Moment]) -> usize {
        let all = |moment: &Moment| {
            crashes(moment)
                .into_iter()
                .map(|crash| (crash, moment.acknowledged.clone()))
                .collect::<Vec<_>>()
        };
        let all: Vec<_> = moments.iter().flat_map(all).collect();
        for (crash, acknowledged) in &all {
            let mut said = Vec::new();
            let sound = replay::replay(&crash[..], |record| said.push(say(&record)));
            assert!(
                sound.as_ref().is_ok_and(|sound| sound.damaged.is_none()),
                "{sound:?} of {}",
                crash.escape_ascii()
            );
            let missing = acknowledged.iter().find(|record| !said.contains(record));
            assert_eq!(missing, None, "in {}", crash.escape_ascii());
        }
        all.len()
    }

    const BATCHES: [(&[&str], &[&str]); 8] = [
        (&[], &["a"]),
        (&["b"], &[]),
        (&["c"], &["d", "e"]),
        (&["f", "g"], &[]),
        (&["h"], &[]),
        (&[], &["i"]),
        (&[], &["j"]),
        (&["k"], &[]),
    ];

    #[test]
    fn after_any_crash_all_that_was_acknowledged_is_there() {
        let folder = Folder::new("crash");
        let moments = moments(&folder.by_hand(), &folder, &BATCHES);
        assert!(survive(&moments) > 1700);
    }

    #[test]
    fn after_any_crash_a_journal_can_be_gone_on_with() {
        let folder = Folder::new("go-on");
        let moments = moments(&folder.by_hand(), &folder, &BATCHES);
        let last = moments.last().unwrap();
        for crash in crashes(last) {
            fs::write(folder.journal(), &crash).unwrap();
            let (before, tail) = folder.read();
            assert_eq!(folder.bytes(), crash[..crash.len() - tail as usize]);
            settle(&folder.running(), "new").unwrap();
            assert_eq!(folder.read().0, [before, said(&[settled("new")])].concat());
        }
    }

    #[test]
    fn a_journal_of_version_1_is_gone_on_with_and_survives_any_crash() {
        const VERSION_1: &str = "# orderpay journal 1: checksum, state, time, order, receipt\n\
            9610b65a settled 2026-11-22T13:53:18.123Z 4711 支付成功\n\
            b5e1c66d delivered 2026-11-22T13:53:18.127Z 4711 支付成功\n";
        let folder = Folder::new("version-1");
        fs::write(folder.journal(), VERSION_1).unwrap();
        let (told, _) = folder.read();
        let old = ["settled 4711 0 0 支付成功", "settled 4711 0 0 支付成功", "written 4711 0"];
        assert_eq!(told, old);
        assert_eq!(folder.bytes(), VERSION_1.as_bytes(), "opening writes nothing");
        let mut told_lines = Vec::new();
        let opened = Journal::open(&folder.journal(), 1, |record| told_lines.push(record.line()));
        drop(opened.unwrap());
        let no_batch: (&[&str], &[&str]) = (&[], &[]);
        let batches = [&[no_batch], &BATCHES[..3]].concat();
        let mut moments = moments(&folder.by_hand(), &folder, &batches);
        let start = [HEADER, &told_lines.concat(), MARK].concat();
        assert!(folder.bytes().starts_with(start.as_bytes()));
        // The new file gets its name when it is on disk: till then the old one has it.
        assert_eq!(moments[1].synced, start.len(), "which has a sync of its own");
        moments[0].synced = start.len();
        let (file, synced) = (VERSION_1.into(), VERSION_1.len());
        moments.push(Moment { file, synced, acknowledged: vec![] });
        moments.iter_mut().for_each(|moment| moment.acknowledged.extend(told.clone()));
        assert!(survive(&moments) > 500);
        let new = ["a", "b", "c", "d", "e"].map(settled);
        assert_eq!(folder.read().0, [told, said(&new)].concat());
    }
}
