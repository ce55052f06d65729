//! The orders in memory, and what the journal is told of them.
//!
//! Whatever changes is queued for the journal in the same step, so that the journal tells what
//! happened in the order in which it did, and a restart finds what memory was. Only two things are
//! on disk before they happen: a settlement, and the opening of a round.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::journal::{Commit, Journal, Record};
use crate::order::{OrderId, OrderResult};
use crate::orders::{Claim, Due, Limits, Orders, Settlement};

/// All orders that are known.
pub struct Store<W> {
    /// For what the journal need not know: who waits.
    pub orders: Orders<W>,
    /// The orders whose settlements are on their way to the disk.
    recording: HashMap<OrderId, Recording>,
    journal: Option<Arc<Journal>>,
}

struct Recording {
    settlement: Settlement,
    /// `None` without a journal.
    commit: Option<Commit>,
}

/// What becomes of a `payback`.
pub enum Claimed {
    /// It settles the order as soon as this is on disk, if it has to be; or another one that has come
    /// before it does, and this one has a part in that.
    Recording(Option<Commit>),
    /// The order was settled before.
    Repeated,
    /// There is no room to remember it.
    Full,
    /// The journal does not take it.
    Refused,
}

impl<W: Clone> Store<W> {
    /// Orders without a journal: nothing is known of any.
    pub fn new(limits: Limits) -> Self {
        // Rounds start from the clock, so that they are larger than those of an earlier process.
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let orders = Orders::new(limits, clock.as_micros() as u64);
        Store { orders, recording: HashMap::new(), journal: None }
    }

    /// Orders with a journal, which has kept them over a restart; at most `max_waiting` payments wait
    /// for its disk at the same time. With the length in bytes of a torn tail that was cut off.
    pub fn open(limits: Limits, path: &Path, max_waiting: usize) -> Result<(Self, u64), String> {
        let mut store = Store::new(limits);
        let replay = |record| store.replay(record, limits.keep);
        let (journal, tail) = Journal::open(path, max_waiting, replay)?;
        store.journal = Some(Arc::new(journal));
        Ok((store, tail))
    }

    /// The journal, to wait for without holding on to the store.
    pub fn journal(&self) -> Option<Arc<Journal>> {
        self.journal.clone()
    }

    /// Does once more what an earlier process has done.
    fn replay(&mut self, record: Record, keep: Duration) {
        match record {
            Record::Settled { order, round, at: stamp, result } => {
                let at = settled_at(stamp, keep);
                self.orders.settle(&order, Settlement { round, result, at, stamp });
            }
            Record::Written { order, round } => _ = self.orders.written(&order, round),
            Record::Opened { order, round } => self.orders.open_round(&order, round),
            Record::Forgotten { order, round } => self.orders.forget(&order, round),
        }
    }

    /// Claims an order for this result, and has it recorded.
    pub fn claim(&mut self, id: &OrderId, result: &OrderResult) -> Claimed {
        if let Some(recording) = self.recording.get(id) {
            return Claimed::Recording(recording.commit.clone());
        }
        let round = match self.orders.claim(id, self.recording.len()) {
            Claim::Settles(round) => round,
            Claim::Repeated => return Claimed::Repeated,
            Claim::Full => return Claimed::Full,
        };
        let (result, at, stamp) = (result.clone(), Instant::now(), whole_millis(SystemTime::now()));
        let settlement = Settlement { round, result, at, stamp };
        let commit = match &self.journal {
            None => None,
            Some(journal) => match journal.record(&settled(id, &settlement)) {
                Ok(commit) => Some(commit),
                Err(_) => return Claimed::Refused,
            },
        };
        self.recording.insert(id.clone(), Recording { settlement, commit: commit.clone() });
        Claimed::Recording(commit)
    }

    /// Settles an order whose settlement is on disk: its round, its result, and who waited for it.
    /// `None` if that was done already.
    pub fn settle(&mut self, id: &OrderId) -> Option<(u64, OrderResult, Vec<W>)> {
        let Recording { settlement, .. } = self.recording.remove(id)?;
        let (round, result) = (settlement.round, settlement.result.clone());
        let (waiters, forgotten) = self.orders.settle(id, settlement);
        if let Some(Due::Forgotten(order, round)) = forgotten {
            self.note(&Record::Forgotten { order, round });
        }
        Some((round, result, waiters))
    }

    /// The settlement is not on disk. If it never will be, the order can be claimed anew; if that is
    /// not known yet, its next payback has a part in the same record.
    pub fn give_up(&mut self, id: &OrderId) {
        let has_failed = |it: &Recording| it.commit.as_ref().is_some_and(Commit::has_failed);
        if self.recording.get(id).is_some_and(has_failed) {
            self.recording.remove(id);
        }
    }

    /// The result of this round was written to somebody.
    pub fn written(&mut self, id: &OrderId, round: u64) {
        if self.orders.written(id, round) {
            self.note(&Record::Written { order: id.clone(), round });
        }
    }

    /// What is due, at most `max` things of it; what is forgotten is done with.
    pub fn due(&mut self, now: Instant, max: usize) -> Vec<Due> {
        let mut dues = self.orders.due(now, max);
        dues.retain(|due| {
            if let Due::Forgotten(order, round) = due {
                self.note(&Record::Forgotten { order: order.clone(), round: *round });
            }
            !matches!(due, Due::Forgotten(..))
        });
        dues
    }

    /// Whether a record of the journal still says something: a rewriting drops all others.
    pub fn is_current(&self, record: &Record) -> bool {
        match record {
            Record::Settled { order, at, .. } => {
                let recording = self.recording.get(order).map(|it| &it.settlement);
                let settled = self.orders.settlement(order).map(|(last, _)| last);
                recording.into_iter().chain(settled).any(|it| it.stamp == *at)
            }
            Record::Written { order, round } => {
                let last = self.orders.settlement(order);
                last.is_some_and(|(last, written)| last.round == *round && written)
            }
            // The last one says which rounds there have been, also if its own is over.
            Record::Opened { round, .. } => *round >= self.orders.last_round(),
            Record::Forgotten { order, round } => {
                order.has_rounds() && *round == self.orders.last_round()
            }
        }
    }

    fn note(&self, record: &Record) {
        if let Some(journal) = &self.journal {
            journal.note(record);
        }
    }
}

fn settled(id: &OrderId, settlement: &Settlement) -> Record {
    let Settlement { round, result, stamp, .. } = settlement;
    Record::Settled { order: id.clone(), round: *round, at: *stamp, result: result.clone() }
}

/// When an order was settled, by the clock that its time is counted with. A clock on the wall that
/// disagrees loses nothing: then its time begins anew.
fn settled_at(stamp: SystemTime, keep: Duration) -> Instant {
    let now = Instant::now();
    let age = stamp.elapsed().ok().filter(|age| *age < keep).unwrap_or_default();
    now.checked_sub(age).unwrap_or(now)
}

/// As exact as a journal is.
fn whole_millis(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(since.as_millis() as u64)
}
