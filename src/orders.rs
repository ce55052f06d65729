//! The state machine of an order: waiting, settled, forgotten.
//!
//! It knows no socket, no thread and no clock. `W` is whatever is parked; the time is an argument.
//!
//! An order is its waiters, the number of its round, and its last settlement: it is settled while
//! both have the same round. Any order but order 1 has one round only, 0: it is paid once and stays
//! paid. Order 1 is paid again and again; `N` is the round that its browser has lost its line in.
//!
//! | of any order but 1       | it waits | it is settled                |
//! | ------------------------ | -------- | ---------------------------- |
//! | an `orderpay`, fresh or not | waits | gets the result              |
//! | a `payback`              | settles  | is a repeated one            |
//!
//! | of order 1               | its round is open | settled, written to nobody | settled, written to somebody |
//! | ------------------------ | ----------------- | -------------------------- | ---------------------------- |
//! | a fresh `orderpay`       | waits             | gets the result            | waits, in a new round        |
//! | `N`, the last settled    | gets that result  | gets the result            | gets the result              |
//! | any other `N`            | waits             | waits                      | waits, in a new round        |
//! | a `payback`              | settles           | is a repeated one          | is a repeated one            |
//!
//! An order is forgotten [`Limits::keep`] after its settlement, or earlier if its room is needed and
//! its result was written to somebody. Of order 1 it stays known which round is open.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::budget;
use crate::order::{OrderId, OrderResult};

/// How long and how many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// From a waiter's opening to its timeout.
    pub timeout: Duration,
    /// From a waiter's opening to its first heartbeat, and from each to the next; zero means none.
    pub heartbeat: Duration,
    /// From an order's settlement to its being forgotten.
    pub keep: Duration,
    /// Settled orders that are remembered at most.
    pub remember: usize,
    /// Bytes that they take at most. A quarter is not for results that nobody has got yet: so there is
    /// room for those that were written to somebody, however many come that nobody waits for.
    pub results: usize,
    /// Waiters at most.
    pub waiters: usize,
}

/// All orders that somebody waits for, or that are settled and not yet forgotten.
pub struct Orders<W> {
    limits: Limits,
    /// Who waits for what, in the order of their serials. None is empty.
    waiting: HashMap<OrderId, VecDeque<Waiter<W>>>,
    /// The last settlement of each order.
    settled: HashMap<OrderId, Box<Settlement>>,
    /// The next thing that is due for each waiter, and the forgetting of each settlement.
    deadlines: BTreeMap<(Instant, Serial), OrderId>,
    /// The forgetting of those settlements whose result was written to somebody, the oldest first.
    written: BTreeMap<(Instant, Serial), OrderId>,
    /// Settlements that were forgotten, because they were too old or their room was needed: their orders
    /// and rounds, for whoever takes note of them.
    pub forgotten: Vec<(OrderId, u64)>,
    /// In bytes, like the next one: what the settled orders take …
    taken: usize,
    /// … and those of them whose result was written to nobody.
    taken_unwritten: usize,
    last_serial: Serial,
    /// The round that order 1 is in; 0 while none is known. Any other order is in round 0.
    round: u64,
    first_round: u64,
    /// The largest that order 1 has had.
    pub last_round: u64,
}

/// Numbers waiters and settlements in the order in which they came.
pub type Serial = u64;

/// The id of the `finish` event, and so of no round.
const FINISH_ID: u64 = 6666;

struct Waiter<W> {
    serial: Serial,
    opened: Instant,
    heartbeats: u32,
    parked: W,
}

/// What has settled an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub round: u64,
    pub result: OrderResult,
    /// When, by the clock that its time is counted with.
    pub at: Instant,
    /// When, in milliseconds after 1970, by the clock on the wall. That may jump; but it tells this one
    /// from an earlier one.
    pub stamp: u64,
    /// Whether the result was written to somebody.
    pub written: bool,
    /// Given to it when it settles.
    pub serial: Serial,
}

/// What becomes of an `orderpay`.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It waits in this round: it is parked, as the waiter of this number.
    Waits(u64, Serial),
    /// It waits in this round, once that has been opened: [`Orders::open_round`].
    Opens(u64),
    /// It gets the result of this round, which is known for so long.
    Gets(u64, OrderResult, Duration),
    /// There is no room for another waiter.
    Full,
}

/// What has become of a `payback`.
#[derive(Debug, PartialEq, Eq)]
pub enum Payment {
    /// It has settled the order; the result was written to so many waiters now.
    Settled { written: usize },
    /// The order was settled before.
    Repeated,
    /// There is no room to remember it.
    Full,
    /// It is not on disk, or not yet.
    Unrecorded,
}

/// Something that is due for a waiter that is parked: a heartbeat, or else its time is up.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    Heartbeat(OrderId, Serial),
    Timeout(OrderId, Serial),
}

impl<W: Clone> Orders<W> {
    /// No orders. The first round of order 1 will be this one, or larger.
    pub fn new(limits: Limits, first_round: u64) -> Self {
        Orders {
            limits,
            waiting: HashMap::new(),
            settled: HashMap::new(),
            deadlines: BTreeMap::new(),
            written: BTreeMap::new(),
            forgotten: Vec::new(),
            taken: 0,
            taken_unwritten: 0,
            last_serial: 0,
            round: 0,
            first_round,
            last_round: 0,
        }
    }

    /// Waiters that are parked, and settled orders that are remembered.
    pub fn counts(&self) -> (usize, usize) {
        // Each of either has a deadline.
        (self.deadlines.len() - self.settled.len(), self.settled.len())
    }

    /// How many more may wait.
    pub fn room(&self) -> usize {
        self.limits.waiters.saturating_sub(self.counts().0)
    }

    /// What the settled orders take, in bytes.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// What has settled the order last.
    pub fn settlement(&self, id: &OrderId) -> Option<&Settlement> {
        self.settled.get(id).map(|last| &**last)
    }

    /// Decides about an `orderpay` that lost its connection in the round that it names, or is fresh; if
    /// it is to wait, parks it: its opening will have been sent at `opened`.
    pub fn ask(
        &mut self,
        id: &OrderId,
        lost: Option<u64>,
        parked: &W,
        opened: Instant,
    ) -> Admission {
        let gets = |last: &&Settlement| match lost {
            _ if !id.has_rounds() => true,
            Some(round) => round == last.round,
            None => !last.written,
        };
        if let Some(last) = self.settlement(id).filter(gets) {
            let age = opened.saturating_duration_since(last.at);
            Admission::Gets(last.round, last.result.clone(), age)
        } else if self.room() == 0 {
            Admission::Full
        } else if id.has_rounds() && self.is_over(id) {
            Admission::Opens(self.next_round())
        } else {
            Admission::Waits(self.round(id), self.park(id, parked.clone(), opened))
        }
    }

    /// Opens a round of order 1. If it is not larger than all before, somebody else was quicker.
    pub fn open_round(&mut self, round: u64) {
        if round > self.last_round {
            (self.round, self.last_round) = (round, round);
        }
    }

    /// Which round a `payback` may settle with this result, while those of so many other orders are being
    /// recorded, which take so many bytes. One that somebody waits for needs no bytes: it is written to
    /// them, and can be forgotten then.
    pub fn claim(
        &self,
        id: &OrderId,
        result: &OrderResult,
        (recording, bytes): (usize, usize),
    ) -> Result<u64, Payment> {
        if self.is_settled(id) {
            return Err(Payment::Repeated);
        }
        let unwritten = self.settled.len() - self.written.len();
        let is_awaited = self.waiting.contains_key(id);
        if unwritten + recording >= self.limits.remember
            || !(is_awaited || self.has_room(budget::cost(result) + bytes))
        {
            return Err(Payment::Full);
        }
        match self.round(id) {
            0 if id.has_rounds() => Ok(self.next_round()),
            round => Ok(round),
        }
    }

    /// Whether so many more bytes can be taken by results that may be written to nobody.
    pub fn has_room(&self, bytes: usize) -> bool {
        let most = self.limits.results - self.limits.results / 4;
        self.taken_unwritten.saturating_add(bytes) <= most
    }

    /// Whether the results that were written to nobody take more than all room there is.
    pub fn is_overfull(&self) -> bool {
        self.taken_unwritten > self.limits.results
    }

    /// Settles the order, and takes out all who wait for it: they are to be written to.
    pub fn settle(&mut self, id: &OrderId, settlement: Settlement) -> Vec<W> {
        if let Some(round) = self.settlement(id).map(|last| last.round) {
            self.forget(id, round);
        }
        self.open_round(settlement.round);
        self.last_serial += 1;
        let settlement = Settlement { serial: self.last_serial, ..settlement };
        self.deadlines.insert(settlement.deadline(&self.limits), id.clone());
        self.taken += budget::cost(&settlement.result);
        self.taken_unwritten += budget::cost(&settlement.result);
        self.settled.insert(id.clone(), Box::new(settlement));
        self.take_waiters(id)
    }

    /// Forgets settlements that were written to somebody, the oldest first, while there are too many.
    pub fn make_room(&mut self) {
        while self.settled.len() > self.limits.remember || self.taken > self.limits.results {
            let Some(oldest) = self.written.values().next().cloned() else { return };
            self.forget_with_notice(&oldest);
        }
    }

    /// The result of this round was written to somebody; whether that is new.
    pub fn written(&mut self, id: &OrderId, round: u64) -> bool {
        let last = self.settled.get_mut(id).filter(|it| it.round == round && !it.written);
        let Some(last) = last else { return false };
        last.written = true;
        self.taken_unwritten -= budget::cost(&last.result);
        // The id that the deadline has: a clone of this request's would keep a second text.
        let deadline = last.deadline(&self.limits);
        self.written.insert(deadline, self.deadlines[&deadline].clone());
        true
    }

    /// Forgets the settlement of this round; who waits for the order, waits on.
    pub fn forget(&mut self, id: &OrderId, round: u64) {
        self.last_round = self.last_round.max(round);
        if id.has_rounds() && self.round == round {
            self.round = 0;
        }
        if self.settlement(id).is_none_or(|last| last.round != round) {
            return;
        }
        if let Some(last) = self.settled.remove(id) {
            self.deadlines.remove(&last.deadline(&self.limits));
            self.taken -= budget::cost(&last.result);
            if self.written.remove(&last.deadline(&self.limits)).is_none() {
                self.taken_unwritten -= budget::cost(&last.result);
            }
        }
    }

    /// A waiter that is still parked.
    pub fn waiter(&self, id: &OrderId, serial: Serial) -> Option<W> {
        let at = self.position(id, serial)?;
        Some(self.waiting[id][at].parked.clone())
    }

    /// Takes out one waiter, if it is still parked.
    pub fn take(&mut self, id: &OrderId, serial: Serial) -> Option<W> {
        let at = self.position(id, serial)?;
        let waiters = self.waiting.get_mut(id)?;
        let waiter = waiters.remove(at)?;
        if waiters.is_empty() {
            self.waiting.remove(id);
        }
        self.deadlines.remove(&waiter.deadline(&self.limits));
        Some(waiter.parked)
    }

    /// Takes out all who are parked, whatever they wait for. From now on there is room for nobody.
    pub fn close(&mut self) -> Vec<W> {
        self.limits.waiters = 0;
        let ids: Vec<OrderId> = self.waiting.keys().cloned().collect();
        ids.iter().flat_map(|id| self.take_waiters(id)).collect()
    }

    /// When the next thing is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first_key_value().map(|((at, _), _)| *at)
    }

    /// Does what is due at `now`, at most `max` things of it, and tells what is due for waiters.
    pub fn due(&mut self, now: Instant, max: usize) -> Vec<Due> {
        let mut dues = Vec::new();
        for _ in 0..max {
            let Some(first) = self.deadlines.first_entry().filter(|it| it.key().0 <= now) else {
                break;
            };
            let ((_, serial), id) = first.remove_entry();
            dues.extend(self.next_due(id, serial, now));
        }
        dues
    }

    fn park(&mut self, id: &OrderId, parked: W, opened: Instant) -> Serial {
        self.last_serial += 1;
        let waiter = Waiter { serial: self.last_serial, opened, heartbeats: 0, parked };
        self.deadlines.insert(waiter.deadline(&self.limits), id.clone());
        let waiters = self.waiting.entry(id.clone()).or_default();
        waiters.reserve_exact(usize::from(waiters.is_empty()));
        waiters.push_back(waiter);
        self.last_serial
    }

    /// What a deadline, already taken out, is about: a waiter, or else a settlement.
    fn next_due(&mut self, id: OrderId, serial: Serial, now: Instant) -> Option<Due> {
        let Some(at) = self.position(&id, serial) else {
            self.forget_with_notice(&id);
            return None;
        };
        let waiter = &mut self.waiting.get_mut(&id)?[at];
        if now >= waiter.opened + self.limits.timeout {
            return Some(Due::Timeout(id, serial));
        }
        let beats = (now - waiter.opened).as_nanos() / self.limits.heartbeat.as_nanos();
        waiter.heartbeats = beats as u32;
        self.deadlines.insert(waiter.deadline(&self.limits), id.clone());
        Some(Due::Heartbeat(id, serial))
    }

    fn position(&self, id: &OrderId, serial: Serial) -> Option<usize> {
        self.waiting.get(id)?.binary_search_by_key(&serial, |waiter| waiter.serial).ok()
    }

    fn forget_with_notice(&mut self, id: &OrderId) {
        if let Some(round) = self.settlement(id).map(|last| last.round) {
            self.forget(id, round);
            self.forgotten.push((id.clone(), round));
        }
    }

    /// Takes out all who wait for the order.
    pub fn take_waiters(&mut self, id: &OrderId) -> Vec<W> {
        let waiters = self.waiting.remove(id).unwrap_or_default();
        waiters.iter().for_each(|it| _ = self.deadlines.remove(&it.deadline(&self.limits)));
        waiters.into_iter().map(|waiter| waiter.parked).collect()
    }

    /// The round that the order is in.
    fn round(&self, id: &OrderId) -> u64 {
        if id.has_rounds() { self.round } else { 0 }
    }

    /// Whether of order 1 no round is open, and no result is kept for whoever asks next.
    fn is_over(&self, id: &OrderId) -> bool {
        let is_told = self.settlement(id).is_none_or(|last| last.written);
        is_told && (self.round == 0 || self.is_settled(id))
    }

    fn is_settled(&self, id: &OrderId) -> bool {
        self.settlement(id).is_some_and(|last| last.round == self.round(id))
    }

    fn next_round(&self) -> u64 {
        let next = self.first_round.max(self.last_round + 1);
        next + u64::from(next == FINISH_ID)
    }
}

impl Settlement {
    /// Its key among the deadlines: when it is to be forgotten.
    fn deadline(&self, limits: &Limits) -> (Instant, Serial) {
        (self.at + limits.keep, self.serial)
    }
}

impl<W> Waiter<W> {
    /// Its key among the deadlines: when its next heartbeat is due, or its timeout.
    fn deadline(&self, limits: &Limits) -> (Instant, Serial) {
        let heartbeat = limits.heartbeat * (self.heartbeats + 1);
        let next = if heartbeat.is_zero() { limits.timeout } else { heartbeat.min(limits.timeout) };
        (self.opened + next, self.serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem;

    const LIMITS: Limits = Limits {
        timeout: Duration::from_secs(60),
        heartbeat: Duration::from_secs(15),
        keep: Duration::from_secs(3600),
        remember: 3,
        results: usize::MAX,
        waiters: 4,
    };
    /// Of order 1.
    const FIRST_ROUND: u64 = 6665;
    const SECOND_ROUND: u64 = 6667;

    /// The state machine with a clock that the test sets, and names for what is parked.
    struct Scene {
        orders: Orders<&'static str>,
        start: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Scene { orders: Orders::new(LIMITS, FIRST_ROUND), start: Instant::now() }
        }

        /// Orders that something is kept of.
        fn known(&self) -> usize {
            self.orders.waiting.len() + self.orders.settled.len()
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        /// An `orderpay`: parked, if it is to wait, in a round that is opened before if need be. Its
        /// round, and the result that it gets.
        fn ask(&mut self, order: &str, lost: Option<u64>, name: &'static str) -> (u64, bool) {
            match self.admit(order, lost, name) {
                Admission::Opens(round) => {
                    self.orders.open_round(round);
                    let admission = self.admit(order, lost, name);
                    assert!(
                        matches!(admission, Admission::Waits(in_round, _) if in_round == round)
                    );
                    (round, false)
                }
                Admission::Waits(round, _) => (round, false),
                Admission::Gets(round, ..) => {
                    self.orders.written(&id(order), round);
                    (round, true)
                }
                Admission::Full => panic!("no room for {name}"),
            }
        }

        fn admit(&mut self, order: &str, lost: Option<u64>, name: &'static str) -> Admission {
            self.orders.ask(&id(order), lost, &name, self.start)
        }

        fn claim(&self, order: &str, recording: (usize, usize)) -> Result<u64, Payment> {
            self.orders.claim(&id(order), &OrderResult::default(), recording)
        }

        /// A `payback` that is recorded at once: the round that it settles, and who was waiting.
        fn pay(&mut self, order: &str) -> Result<(u64, Vec<&'static str>), Payment> {
            let round = self.claim(order, (0, 0))?;
            let order = id(order);
            let waiters = self.orders.settle(&order, settlement(round, self.start));
            self.orders.make_room();
            if !waiters.is_empty() {
                self.orders.written(&order, round);
                self.orders.make_room();
            }
            Ok((round, waiters))
        }
    }

    fn id(order: &str) -> OrderId {
        OrderId::parse(order.as_bytes()).unwrap()
    }

    fn settlement(round: u64, at: Instant) -> Settlement {
        let result = OrderResult::default();
        Settlement { round, result, at, stamp: 0, written: false, serial: 0 }
    }

    // The first table of the documentation, cell by cell.

    #[test]
    fn an_order_that_is_not_settled_has_all_wait_and_the_first_payback_settles_it() {
        let mut scene = Scene::new();
        for (name, lost) in [("fresh", None), ("back", Some(0)), ("odd", Some(7))] {
            assert_eq!(scene.ask("a", lost, name), (0, false));
        }
        scene.ask("b", None, "elsewhere");
        assert_eq!(scene.pay("a"), Ok((0, vec!["fresh", "back", "odd"])));
        assert_eq!(scene.orders.counts(), (1, 1));
    }

    #[test]
    fn a_settled_order_gives_its_result_to_all_who_ask_and_paybacks_change_nothing() {
        let mut scene = Scene::new();
        assert_eq!(scene.pay("a"), Ok((0, vec![])));
        for lost in [None, Some(0), Some(7), None] {
            assert_eq!(scene.pay("a"), Err(Payment::Repeated));
            assert_eq!(scene.ask("a", lost, "nobody waits"), (0, true), "{lost:?}");
        }
    }

    // The second one, row by row: order 1 with a round open, settled with its result written to
    // nobody, and settled with its result written to somebody.

    fn open() -> Scene {
        let mut scene = over();
        assert_eq!(scene.ask("1", None, "second"), (SECOND_ROUND, false));
        scene
    }

    fn kept() -> Scene {
        let mut scene = open();
        scene.orders.take_waiters(&id("1"));
        assert_eq!(scene.pay("1"), Ok((SECOND_ROUND, vec![])), "also when its waiters have left");
        scene
    }

    fn over() -> Scene {
        let mut scene = Scene::new();
        assert_eq!(scene.ask("1", None, "first"), (FIRST_ROUND, false));
        assert_eq!(scene.pay("1"), Ok((FIRST_ROUND, vec!["first"])));
        scene
    }

    const NO_ROUND: u64 = 5;
    const THIRD_ROUND: u64 = SECOND_ROUND + 1;

    #[test]
    fn who_is_fresh_waits_or_gets_what_was_kept_or_opens_the_next_round() {
        assert_eq!(open().ask("1", None, "me"), (SECOND_ROUND, false));
        assert_eq!(kept().ask("1", None, "me"), (SECOND_ROUND, true));
        assert_eq!(over().ask("1", None, "me"), (SECOND_ROUND, false));
    }

    #[test]
    fn who_lost_its_line_in_the_round_that_was_settled_last_gets_its_result() {
        assert_eq!(open().ask("1", Some(FIRST_ROUND), "me"), (FIRST_ROUND, true));
        assert_eq!(kept().ask("1", Some(SECOND_ROUND), "me"), (SECOND_ROUND, true));
        assert_eq!(over().ask("1", Some(FIRST_ROUND), "me"), (FIRST_ROUND, true));
    }

    #[test]
    fn who_lost_its_line_in_any_other_round_waits() {
        assert_eq!(open().ask("1", Some(SECOND_ROUND), "me"), (SECOND_ROUND, false));
        assert_eq!(open().ask("1", Some(NO_ROUND), "me"), (SECOND_ROUND, false));
        assert_eq!(kept().ask("1", Some(FIRST_ROUND), "me"), (SECOND_ROUND, false));
        assert_eq!(over().ask("1", Some(NO_ROUND), "me"), (SECOND_ROUND, false));
    }

    #[test]
    fn a_payback_settles_an_open_round_and_is_a_repeated_one_after_that() {
        assert_eq!(open().pay("1"), Ok((SECOND_ROUND, vec!["second"])));
        assert_eq!(kept().pay("1"), Err(Payment::Repeated));
        assert_eq!(over().pay("1"), Err(Payment::Repeated));
    }

    #[test]
    fn a_payback_that_nobody_has_opened_a_round_for_is_kept_for_who_asks_first() {
        let mut scene = Scene::new();
        assert_eq!(scene.pay("1"), Ok((FIRST_ROUND, vec![])));
        assert_eq!(scene.ask("1", None, "first"), (FIRST_ROUND, true));
        assert_eq!(scene.ask("1", None, "second"), (SECOND_ROUND, false));
    }

    #[test]
    fn a_round_is_opened_once_and_each_is_larger_than_all_before() {
        let mut scene = open();
        scene.orders.open_round(SECOND_ROUND);
        scene.orders.open_round(FIRST_ROUND);
        assert_eq!(scene.ask("1", None, "second too"), (SECOND_ROUND, false));
        scene.pay("1").unwrap();
        assert_eq!(scene.admit("1", None, "third"), Admission::Opens(THIRD_ROUND));
    }

    // Time.

    #[test]
    fn a_waiter_has_a_heartbeat_every_15_seconds_and_is_let_go_after_60() {
        let mut scene = Scene::new();
        scene.ask("a", None, "one");
        for second in [15, 30, 45] {
            assert_eq!(scene.orders.next_deadline(), Some(scene.at(second)));
            assert_eq!(scene.orders.due(scene.at(second), 9), [Due::Heartbeat(id("a"), 1)]);
            assert_eq!(scene.orders.waiter(&id("a"), 1), Some("one"));
        }
        assert_eq!(scene.orders.due(scene.at(59), 9), []);
        assert_eq!(scene.orders.due(scene.at(60), 9), [Due::Timeout(id("a"), 1)]);
        assert_eq!(scene.orders.take(&id("a"), 1), Some("one"));
        assert_eq!((scene.orders.next_deadline(), scene.known()), (None, 0));
    }

    #[test]
    fn heartbeats_that_were_missed_are_not_made_up_for() {
        let mut scene = Scene::new();
        scene.ask("a", None, "one");
        assert_eq!(scene.orders.due(scene.at(50), 9).len(), 1);
        assert_eq!(scene.orders.next_deadline(), Some(scene.at(60)));
    }

    #[test]
    fn who_was_taken_out_is_due_for_nothing() {
        let mut scene = Scene::new();
        scene.ask("a", None, "one");
        assert_eq!(scene.orders.take(&id("a"), 1), Some("one"));
        assert_eq!(scene.orders.take(&id("a"), 1), None);
        assert_eq!(scene.orders.waiter(&id("a"), 1), None);
        assert_eq!((scene.orders.next_deadline(), scene.known()), (None, 0));
    }

    #[test]
    fn an_order_is_forgotten_in_time_and_can_be_paid_anew() {
        let mut scene = Scene::new();
        scene.pay("a").unwrap();
        assert_eq!(scene.orders.due(scene.at(3599), 9), []);
        assert_eq!(scene.orders.due(scene.at(3600), 9), []);
        assert_eq!(mem::take(&mut scene.orders.forgotten), [(id("a"), 0)]);
        assert_eq!((scene.orders.counts(), scene.known()), ((0, 0), 0));
        assert_eq!(scene.ask("a", None, "anew"), (0, false));
        assert_eq!(scene.pay("a"), Ok((0, vec!["anew"])));
    }

    #[test]
    fn of_order_1_an_open_round_outlives_its_last_settlement_and_a_settled_one_does_not() {
        for (mut scene, forgotten, next) in [
            (open(), FIRST_ROUND, SECOND_ROUND),
            (kept(), SECOND_ROUND, THIRD_ROUND),
            (over(), FIRST_ROUND, SECOND_ROUND),
        ] {
            scene.orders.take_waiters(&id("1"));
            assert_eq!(scene.orders.due(scene.at(3600), 9), []);
            assert_eq!(mem::take(&mut scene.orders.forgotten), [(id("1"), forgotten)]);
            assert_eq!(scene.ask("1", Some(forgotten), "anew"), (next, false));
        }
    }

    // Room.

    #[test]
    fn the_oldest_that_was_written_makes_room_and_what_was_written_to_nobody_never() {
        let mut scene = Scene::new();
        for order in ["a", "b", "c"] {
            scene.pay(order).unwrap();
        }
        assert_eq!(scene.pay("d"), Err(Payment::Full));
        scene.ask("d", None, "waits");
        assert_eq!(scene.pay("d"), Err(Payment::Full), "at most means at most");
        scene.ask("c", None, "one");
        scene.ask("b", None, "one");
        assert_eq!(scene.pay("d"), Ok((0, vec!["waits"])));
        assert_eq!(mem::take(&mut scene.orders.forgotten), [(id("b"), 0)]);
        assert_eq!(scene.orders.counts(), (0, 3));
        for (order, made_room) in [("b", "c"), ("e", "d")] {
            assert_eq!(scene.pay(order), Ok((0, vec![])));
            assert_eq!(mem::take(&mut scene.orders.forgotten), [(id(made_room), 0)]);
        }
        assert_eq!(scene.pay("f"), Err(Payment::Full));
    }

    #[test]
    fn what_is_being_recorded_takes_room_and_costs_nobody_theirs_before_it_is_settled() {
        let mut scene = Scene::new();
        for order in ["a", "b", "c"] {
            scene.pay(order).unwrap();
        }
        scene.ask("a", None, "one");
        assert_eq!(scene.claim("d", (0, 0)), Ok(0));
        assert_eq!(scene.claim("e", (1, 0)), Err(Payment::Full));
        assert_eq!(scene.claim("a", (1, 0)), Err(Payment::Repeated));
    }

    #[test]
    fn of_the_bytes_a_quarter_is_for_what_was_written_and_who_waits_is_always_paid() {
        let mut scene = Scene::new();
        let each = budget::cost(&OrderResult::default());
        scene.orders.limits = Limits { remember: 99, results: 8 * each, ..LIMITS };
        for order in ["a", "b", "c", "d", "e"] {
            scene.pay(order).unwrap();
        }
        assert_eq!(scene.claim("f", (1, 2 * each)), Err(Payment::Full), "one is being recorded");
        scene.pay("f").unwrap();
        assert_eq!(scene.pay("g"), Err(Payment::Full));
        for number in 0..9 {
            let order = format!("paid-{number}");
            scene.ask(&order, None, "waits");
            assert_eq!(scene.pay(&order), Ok((0, vec!["waits"])));
            assert_eq!(scene.orders.counts(), (0, 7 + usize::from(number > 0)));
        }
        let kept = [(id("paid-7"), 0), (id("paid-8"), 0)];
        assert!(!kept.iter().any(|it| scene.orders.forgotten.contains(it)));
        assert_eq!(scene.orders.forgotten.len(), 7);
        scene.ask("a", None, "fetches");
        assert_eq!(scene.pay("g"), Ok((0, vec![])), "what was told to somebody made room");
        for order in ["b", "c", "d", "e", "f", "g"] {
            assert!(scene.ask(order, None, "fetches").1, "{order} was told to nobody");
        }
    }

    #[test]
    fn the_next_round_of_order_1_takes_the_room_of_the_one_before() {
        let mut scene = over();
        scene.pay("a").unwrap();
        scene.pay("b").unwrap();
        scene.ask("1", None, "second");
        assert_eq!(scene.pay("1"), Ok((SECOND_ROUND, vec!["second"])));
        assert_eq!(scene.orders.counts(), (0, 3));
        assert_eq!(scene.pay("a"), Err(Payment::Repeated));
    }

    #[test]
    fn one_waiter_too_many_is_told_so_and_opens_no_round() {
        let mut scene = over();
        for order in ["a", "b", "c", "d"] {
            scene.ask(order, None, "one");
        }
        assert_eq!(scene.admit("e", None, "surplus"), Admission::Full);
        assert_eq!(scene.admit("1", None, "surplus"), Admission::Full);
        scene.pay("a").unwrap();
        assert_eq!(scene.ask("e", None, "later"), (0, false));
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut scene = Scene::new();
        scene.ask("a", None, "one");
        scene.ask("b", None, "two");
        scene.pay("a").unwrap();
        assert_eq!(scene.orders.close(), ["two"]);
        assert_eq!(scene.admit("c", None, "late"), Admission::Full);
        scene.orders.due(scene.at(9999), 9);
        assert_eq!(scene.known(), 0);
        assert!(scene.orders.deadlines.is_empty() && scene.orders.written.is_empty());
    }
}
