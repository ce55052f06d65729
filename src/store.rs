//! The orders in memory, and what the journal is told of them.
//!
//! Whatever changes is queued for the journal in the same step, so that the journal tells what
//! happened in the order in which it did, and a restart finds what memory was. Only two things are
//! on disk before they happen: a settlement, and the opening of a round.

use std::collections::HashMap;
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::budget;
use crate::journal::{Commit, Journal, Record};
use crate::order::{OrderId, OrderResult};
use crate::orders::{Due, Limits, Orders, Payment, Settlement};

/// All orders that are known.
pub struct Store<W> {
    /// For what the journal need not know: who waits.
    pub orders: Orders<W>,
    /// To be waited for without holding on to the store.
    pub journal: Option<Arc<Journal>>,
    /// The settlements that are on their way to the disk; there is none to wait for without a journal.
    recording: HashMap<OrderId, (Settlement, Option<Commit>)>,
}

/// What becomes of an order whose settlement is on disk.
pub enum Outcome<W> {
    /// It is settled: the round, the result, and who waited for it.
    Settled(u64, OrderResult, Vec<W>),
    /// There is no room to keep the result if it can be written to nobody. Until that is known it is as if
    /// it were still on its way to the disk.
    Unsettled(u64, OrderResult, Vec<W>),
    /// Another payback was quicker: this became of it.
    Over(Payment),
}

impl<W: Clone> Store<W> {
    /// Orders without a journal: nothing is known of any.
    pub fn new(limits: Limits) -> Self {
        // Rounds start from the clock, so that they are larger than those of an earlier process.
        let orders = Orders::new(limits, since_1970().as_micros() as u64);
        Store { orders, journal: None, recording: HashMap::new() }
    }

    /// Orders with a journal, which has kept them over a restart; at most `max_waiting` payments wait
    /// for its disk at the same time. With the length in bytes of a torn tail that was cut off. An error
    /// is a line that names the file: also if there is no room for what nobody had got yet at some time.
    pub fn open(limits: Limits, path: &Path, max_waiting: usize) -> Result<(Self, u64), String> {
        let mut store = Store::new(limits);
        let (mut is_overfull, start) = (false, (Instant::now(), since_1970()));
        let replay = |record| {
            if !is_overfull {
                store.replay(record, limits.keep, start);
            }
            is_overfull |= store.orders.is_overfull();
        };
        let (journal, tail) = Journal::open(path, max_waiting, replay)?;
        if is_overfull {
            let (path, room) = (path.display(), limits.results);
            return Err(format!("{path}: its results take more than {room} bytes: raise --memory"));
        }
        store.journal = Some(Arc::new(journal));
        store.note_forgotten();
        Ok((store, tail))
    }

    /// Does once more what an earlier process has done. What is forgotten because there is less room now is
    /// not taken note of, which would take room as well: the next start finds that out by itself. But not
    /// that a round is over, whose opening a rewriting keeps.
    fn replay(&mut self, record: Record, keep: Duration, start: (Instant, Duration)) {
        match record {
            Record::Settled { order, round, at: stamp, result } => {
                let at = settled_at(stamp, keep, start);
                let settlement = Settlement { round, result, at, stamp, written: false, serial: 0 };
                self.orders.settle(&order, settlement);
            }
            Record::Written { order, round } => _ = self.orders.written(&order, round),
            Record::Opened { round, .. } => self.orders.open_round(round),
            Record::Forgotten { order, round } => self.orders.forget(&order, round),
        }
        self.orders.make_room();
        self.orders.forgotten.retain(|(order, _)| order.has_rounds());
    }

    /// Claims an order for this result, and has it recorded: the round that can be settled when that is
    /// on disk. A payback that comes meanwhile has a part in the same record.
    pub fn claim(
        &mut self,
        id: &OrderId,
        result: &OrderResult,
    ) -> Result<(u64, Option<Commit>), Payment> {
        if let Some((settlement, commit)) = self.recording.get(id) {
            return Ok((settlement.round, commit.clone()));
        }
        let bytes = self.recording.values().map(|(it, _)| budget::cost(&it.result)).sum();
        let round = self.orders.claim(id, result, (self.recording.len(), bytes))?;
        let (at, stamp) = (Instant::now(), since_1970().as_millis() as u64);
        let record =
            Record::Settled { order: id.clone(), round, at: stamp, result: result.clone() };
        let commit = self.journal.as_ref().map(|journal| journal.record(&record)).transpose();
        let commit = commit.map_err(|_| Payment::Unrecorded)?;
        let result = result.clone();
        let settlement = Settlement { round, result, at, stamp, written: false, serial: 0 };
        self.recording.insert(id.clone(), (settlement, commit.clone()));
        Ok((round, commit))
    }

    /// Settles an order whose settlement is on disk, if that can be kept whoever gets it. Another payback
    /// may have settled the round that was claimed, and a later one be on its way to the disk. (What has
    /// been settled and forgotten since is as good as not settled.)
    pub fn settle(&mut self, id: &OrderId, claimed: u64) -> Outcome<W> {
        let is_on_disk = |commit: &Option<Commit>| commit.as_ref().is_none_or(Commit::is_on_disk);
        let recorded = self.recording.get(id).filter(|(_, commit)| is_on_disk(commit));
        let Some((settlement, _)) = recorded else {
            let last = self.orders.settlement(id);
            let is_settled = last.is_some_and(|last| last.round >= claimed);
            return Outcome::Over(if is_settled { Payment::Repeated } else { Payment::Full });
        };
        let (round, result) = (settlement.round, settlement.result.clone());
        if self.orders.has_room(budget::cost(&result)) {
            Outcome::Settled(round, result, self.keep(id))
        } else {
            Outcome::Unsettled(round, result, self.orders.take_waiters(id))
        }
    }

    /// Keeps a settlement that is on disk, and takes out who waits for it.
    pub fn keep(&mut self, id: &OrderId) -> Vec<W> {
        let Some((settlement, _)) = self.recording.remove(id) else { return Vec::new() };
        let waiters = self.orders.settle(id, settlement);
        self.make_room();
        waiters
    }

    /// Forgets a settlement that can't be kept: as if there had been none.
    pub fn drop_unsettled(&mut self, id: &OrderId, round: u64) {
        self.recording.remove(id);
        self.orders.forget(id, round);
        self.note(&Record::Forgotten { order: id.clone(), round });
    }

    /// The settlement is not on disk. If it never will be, the order can be claimed anew; if that is
    /// not known yet, its next payback has a part in the same record.
    pub fn give_up(&mut self, id: &OrderId) {
        let commit = self.recording.get(id).and_then(|(_, commit)| commit.as_ref());
        if commit.is_some_and(Commit::has_failed) {
            self.recording.remove(id);
        }
    }

    /// The result of this round was written to somebody.
    pub fn written(&mut self, id: &OrderId, round: u64) {
        if self.orders.written(id, round) {
            self.note(&Record::Written { order: id.clone(), round });
            self.make_room();
        }
    }

    /// What is due for waiters, at most `max` things.
    pub fn due(&mut self, now: Instant, max: usize) -> Vec<Due> {
        let dues = self.orders.due(now, max);
        self.note_forgotten();
        dues
    }

    /// Whether a record of the journal still says something: a rewriting drops all others.
    pub fn is_current(&self, record: &Record) -> bool {
        let settled = |order| self.orders.settlement(order);
        match record {
            Record::Settled { order, at, .. } => {
                let recording = self.recording.get(order).map(|(settlement, _)| settlement);
                settled(order).into_iter().chain(recording).any(|it| it.stamp == *at)
            }
            Record::Written { order, round } => {
                settled(order).is_some_and(|last| last.round == *round && last.written)
            }
            // The last round says which there have been, also when it is over.
            Record::Opened { round, .. } => *round >= self.orders.last_round,
            Record::Forgotten { order, round } => {
                order.has_rounds() && *round == self.orders.last_round
            }
        }
    }

    fn make_room(&mut self) {
        self.orders.make_room();
        self.note_forgotten();
    }

    fn note_forgotten(&mut self) {
        for (order, round) in mem::take(&mut self.orders.forgotten) {
            self.note(&Record::Forgotten { order, round });
        }
    }

    fn note(&self, record: &Record) {
        if let Some(journal) = &self.journal {
            journal.note(record);
        }
    }
}

/// When an order was settled, by the clock that its time is counted with. A clock on the wall that
/// disagrees loses nothing: then its time begins anew.
fn settled_at(stamp: u64, keep: Duration, (now, clock): (Instant, Duration)) -> Instant {
    let age = clock.checked_sub(Duration::from_millis(stamp)).filter(|age| *age < keep);
    age.and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

/// What the clock on the wall says.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::{Folder, write_next};
    use crate::orders::Admission;

    const KEEP: Duration = Duration::from_secs(3600);

    fn open(folder: &Folder, remember: usize) -> Store<()> {
        let (timeout, heartbeat) = (Duration::from_secs(60), Duration::ZERO);
        let limits =
            Limits { timeout, heartbeat, keep: KEEP, remember, results: usize::MAX, waiters: 9 };
        Store::open(limits, &folder.journal(), 9).unwrap().0
    }

    fn write(store: &Store<()>) {
        write_next(store.journal.as_ref().unwrap());
    }

    #[test]
    fn who_had_a_part_in_an_earlier_round_does_not_settle_the_next_before_it_is_on_disk() {
        let folder = Folder::new("two-rounds");
        let mut store = open(&folder, 9);
        let (id, result) = (OrderId::default(), OrderResult::default());
        let (first, _) = store.claim(&id, &result).unwrap();
        let (shared, _) = store.claim(&id, &result).unwrap();
        assert_eq!(shared, first);
        write(&store);
        assert!(matches!(store.settle(&id, first), Outcome::Settled(round, ..) if round == first));
        store.written(&id, first);
        store.orders.open_round(first + 1);
        let (next, _) = store.claim(&id, &result).unwrap();
        assert!(matches!(store.settle(&id, shared), Outcome::Over(Payment::Repeated)));
        write(&store);
        assert!(matches!(store.settle(&id, next), Outcome::Settled(round, ..) if round == next));
    }

    #[test]
    fn a_round_that_is_over_is_so_after_a_rewriting_too_whatever_was_forgotten() {
        let folder = Folder::new("over");
        let mut store = open(&folder, 2);
        let (one, other) = (OrderId::default(), OrderId::parse(b"other").unwrap());
        let Admission::Opens(opened) = store.orders.ask(&one, None, &(), Instant::now()) else {
            panic!("a first round");
        };
        store.note(&Record::Opened { order: one.clone(), round: opened });
        store.orders.open_round(opened);
        for id in [&one, &other] {
            let (round, _) = store.claim(id, &OrderResult::default()).unwrap();
            write(&store);
            store.settle(id, round);
            store.written(id, round);
        }
        write(&store);
        drop(store);

        let mut less = open(&folder, 1);
        assert!(less.orders.settlement(&one).is_none());
        write(&less);
        less.journal = None;
        let mut next = Store::<()>::new(Limits { waiters: 9, ..Limits::default() });
        let start = (Instant::now(), since_1970());
        let rewrite =
            |record| _ = less.is_current(&record).then(|| next.replay(record, KEEP, start));
        Journal::open(&folder.journal(), 9, rewrite).unwrap();
        let asked = next.orders.ask(&one, None, &(), Instant::now());
        assert!(matches!(asked, Admission::Opens(round) if round > opened), "{asked:?}");
    }
}
