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

impl<W: Clone> Store<W> {
    /// Orders without a journal: nothing is known of any.
    pub fn new(limits: Limits) -> Self {
        // Rounds start from the clock, so that they are larger than those of an earlier process.
        let orders = Orders::new(limits, since_1970().as_micros() as u64);
        Store { orders, journal: None, recording: HashMap::new() }
    }

    /// Orders with a journal, which has kept them over a restart; at most `max_waiting` payments wait
    /// for its disk at the same time. With the length in bytes of a torn tail that was cut off.
    pub fn open(limits: Limits, path: &Path, max_waiting: usize) -> Result<(Self, u64), String> {
        let mut store = Store::new(limits);
        let replay = |record| store.replay(record, limits.keep);
        let (journal, tail) = Journal::open(path, max_waiting, replay)?;
        store.journal = Some(Arc::new(journal));
        // There may be less of it now.
        store.orders.make_room();
        store.note_forgotten();
        Ok((store, tail))
    }

    /// Does once more what an earlier process has done.
    fn replay(&mut self, record: Record, keep: Duration) {
        match record {
            Record::Settled { order, round, at: stamp, result } => {
                let at = settled_at(stamp, keep);
                let settlement = Settlement { round, result, at, stamp, written: false, serial: 0 };
                self.orders.settle(&order, settlement);
            }
            Record::Written { order, round } => _ = self.orders.written(&order, round),
            Record::Opened { round, .. } => self.orders.open_round(round),
            Record::Forgotten { order, round } => self.orders.forget(&order, round),
        }
    }

    /// Claims an order for this result, and has it recorded: it can be settled when that is on disk.
    /// A payback that comes meanwhile has a part in the same record.
    pub fn claim(&mut self, id: &OrderId, result: &OrderResult) -> Result<Option<Commit>, Payment> {
        if let Some((_, commit)) = self.recording.get(id) {
            return Ok(commit.clone());
        }
        let round = self.orders.claim(id, self.recording.len())?;
        let (at, stamp) = (Instant::now(), since_1970().as_millis() as u64);
        let record =
            Record::Settled { order: id.clone(), round, at: stamp, result: result.clone() };
        let commit = self.journal.as_ref().map(|journal| journal.record(&record)).transpose();
        let commit = commit.map_err(|_| Payment::Unrecorded)?;
        let result = result.clone();
        let settlement = Settlement { round, result, at, stamp, written: false, serial: 0 };
        self.recording.insert(id.clone(), (settlement, commit.clone()));
        Ok(commit)
    }

    /// Settles an order whose settlement is on disk: its round, its result, and who waited for it.
    /// `None` if that was done already.
    pub fn settle(&mut self, id: &OrderId) -> Option<(u64, OrderResult, Vec<W>)> {
        let (settlement, _) = self.recording.remove(id)?;
        let (round, result) = (settlement.round, settlement.result.clone());
        let waiters = self.orders.settle(id, settlement);
        self.orders.make_room();
        self.note_forgotten();
        Some((round, result, waiters))
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
fn settled_at(stamp: u64, keep: Duration) -> Instant {
    let (now, clock) = (Instant::now(), since_1970());
    let age = clock.checked_sub(Duration::from_millis(stamp)).filter(|age| *age < keep);
    age.and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

/// What the clock on the wall says.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
