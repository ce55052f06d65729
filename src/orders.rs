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
use std::time::{Duration, Instant, SystemTime};

use crate::order::{OrderId, OrderResult};

/// How long and how many.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From a waiter's opening to its timeout.
    pub timeout: Duration,
    /// From a waiter's opening to its first heartbeat, and from each to the next; zero means none.
    pub heartbeat: Duration,
    /// From an order's settlement to its being forgotten.
    pub keep: Duration,
    /// Settled orders that are remembered at most.
    pub remember: usize,
    /// Waiters at most.
    pub waiters: usize,
}

/// All orders that somebody waits for, or that are settled and not yet forgotten.
pub struct Orders<W> {
    limits: Limits,
    by_id: HashMap<OrderId, Order<W>>,
    /// The next thing that is due for each waiter, and the forgetting of each settled order.
    deadlines: BTreeMap<(Instant, Serial), OrderId>,
    /// The settled orders whose result was written to somebody, the oldest first.
    written: BTreeMap<Serial, OrderId>,
    waiting: usize,
    settled: usize,
    last_serial: Serial,
    first_round: u64,
    last_round: u64,
}

/// The id of the `finish` event, and so of no round.
const FINISH_ID: u64 = 6666;

/// Numbers waiters and settlements in the order in which they came.
pub type Serial = u64;

struct Order<W> {
    /// In the order of their serials.
    waiters: VecDeque<Waiter<W>>,
    /// 0 where it has but one, and while none of order 1 is known.
    round: u64,
    /// Boxed, because most orders that somebody waits for have none.
    settled: Option<Box<Settled>>,
}

struct Waiter<W> {
    serial: Serial,
    opened: Instant,
    heartbeats: u32,
    parked: W,
}

struct Settled {
    serial: Serial,
    settlement: Settlement,
    /// To somebody.
    written: bool,
}

/// What settles an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub round: u64,
    pub result: OrderResult,
    /// When, by the clock that its time is counted with.
    pub at: Instant,
    /// When, by the clock on the wall, which may jump: to tell it from an earlier one of this order.
    pub stamp: SystemTime,
}

/// What becomes of an `orderpay`.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It waits, in this round.
    Waits(u64),
    /// It waits, once this round has been opened: [`Orders::open_round`].
    Opens(u64),
    /// It gets the result of this round.
    Gets(u64, OrderResult),
    /// There is no room for another waiter.
    Full,
}

/// What becomes of a `payback`.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// It settles this round: [`Orders::settle`].
    Settles(u64),
    /// The order was settled before.
    Repeated,
    /// There is no room to remember it.
    Full,
}

/// Something that is due.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// A heartbeat of this waiter, which stays parked.
    Heartbeat(OrderId, Serial),
    /// This waiter's time is up: [`Orders::take`].
    Timeout(OrderId, Serial),
    /// This settlement has been forgotten.
    Forgotten(OrderId, u64),
}

impl<W: Clone> Orders<W> {
    /// No orders. The first round of order 1 will be this one, or larger.
    pub fn new(limits: Limits, first_round: u64) -> Self {
        Orders {
            limits,
            by_id: HashMap::new(),
            deadlines: BTreeMap::new(),
            written: BTreeMap::new(),
            waiting: 0,
            settled: 0,
            last_serial: 0,
            first_round,
            last_round: 0,
        }
    }

    /// Waiters that are parked.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Settled orders that are remembered.
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// The largest round that order 1 has had.
    pub fn last_round(&self) -> u64 {
        self.last_round
    }

    /// What settled the order last, and whether its result was written to somebody.
    pub fn settlement(&self, id: &OrderId) -> Option<(&Settlement, bool)> {
        let settled = self.by_id.get(id)?.settled.as_ref()?;
        Some((&settled.settlement, settled.written))
    }

    /// What becomes of an `orderpay` that lost its connection in the round that it names, or is fresh.
    pub fn ask(&self, id: &OrderId, lost_round: Option<u64>) -> Admission {
        if let Some((last, written)) = self.settlement(id) {
            let gets = match lost_round {
                _ if !id.has_rounds() => true,
                Some(round) => round == last.round,
                None => !written,
            };
            if gets {
                return Admission::Gets(last.round, last.result.clone());
            }
        }
        if self.waiting >= self.limits.waiters {
            return Admission::Full;
        }
        match self.by_id.get(id) {
            order if id.has_rounds() && order.is_none_or(Order::is_over) => {
                Admission::Opens(self.next_round())
            }
            order => Admission::Waits(order.map_or(0, |order| order.round)),
        }
    }

    /// Opens a round of order 1. If it is not larger than all before, somebody else was quicker.
    pub fn open_round(&mut self, id: &OrderId, round: u64) {
        if round > self.last_round {
            self.last_round = round;
            self.order(id).round = round;
        }
    }

    /// Parks a waiter whose opening was sent before `now`.
    pub fn park(&mut self, id: &OrderId, parked: W, now: Instant) {
        let waiter = Waiter { serial: self.next_serial(), opened: now, heartbeats: 0, parked };
        self.deadlines.insert((waiter.deadline(&self.limits), waiter.serial), id.clone());
        let waiters = &mut self.order(id).waiters;
        waiters.reserve_exact(usize::from(waiters.is_empty()));
        waiters.push_back(waiter);
        self.waiting += 1;
    }

    /// What becomes of a `payback`, while the results of so many other orders are being recorded.
    pub fn claim(&self, id: &OrderId, recording: usize) -> Claim {
        let order = self.by_id.get(id);
        if order.is_some_and(Order::is_settled) {
            return Claim::Repeated;
        }
        let unwritten = self.settled - self.written.len();
        if unwritten + recording >= self.limits.remember {
            return Claim::Full;
        }
        match order.map_or(0, |order| order.round) {
            0 if id.has_rounds() => Claim::Settles(self.next_round()),
            round => Claim::Settles(round),
        }
    }

    /// Settles the order, and takes out all who wait for it: they are to be written to. If room had to
    /// be made, it tells which settlement was forgotten.
    pub fn settle(&mut self, id: &OrderId, settlement: Settlement) -> (Vec<W>, Option<Due>) {
        if let Some(round) = self.settlement(id).map(|(last, _)| last.round) {
            self.forget(id, round);
        }
        let forgotten = self.make_room();
        let serial = self.next_serial();
        self.last_round = self.last_round.max(settlement.round);
        self.deadlines.insert((settlement.at + self.limits.keep, serial), id.clone());
        let order = self.order(id);
        order.round = order.round.max(settlement.round);
        order.settled = Some(Box::new(Settled { serial, settlement, written: false }));
        self.settled += 1;
        (self.take_waiters(id), forgotten)
    }

    /// The result of this round was written to somebody; whether that is new.
    pub fn written(&mut self, id: &OrderId, round: u64) -> bool {
        let settled = self.by_id.get_mut(id).and_then(|order| order.settled.as_mut());
        let Some(settled) = settled.filter(|it| it.settlement.round == round && !it.written) else {
            return false;
        };
        settled.written = true;
        self.written.insert(settled.serial, id.clone());
        true
    }

    /// Forgets the settlement of this round; who waits for the order, waits on.
    pub fn forget(&mut self, id: &OrderId, round: u64) {
        self.last_round = self.last_round.max(round);
        let Some(order) = self.by_id.get_mut(id) else { return };
        if order.round == round {
            order.round = 0;
        }
        if let Some(settled) = order.settled.take_if(|it| it.settlement.round == round) {
            self.deadlines.remove(&(settled.settlement.at + self.limits.keep, settled.serial));
            self.written.remove(&settled.serial);
            self.settled -= 1;
        }
        self.drop_if_unknown(id);
    }

    /// A waiter that is still parked.
    pub fn waiter(&self, id: &OrderId, serial: Serial) -> Option<W> {
        let order = self.by_id.get(id)?;
        Some(order.waiters[order.find(serial)?].parked.clone())
    }

    /// Takes out one waiter, if it is still parked.
    pub fn take(&mut self, id: &OrderId, serial: Serial) -> Option<W> {
        let order = self.by_id.get_mut(id)?;
        let waiter = order.waiters.remove(order.find(serial)?)?;
        self.deadlines.remove(&(waiter.deadline(&self.limits), serial));
        self.waiting -= 1;
        self.drop_if_unknown(id);
        Some(waiter.parked)
    }

    /// Takes out all who are parked, whatever they wait for.
    pub fn take_all(&mut self) -> Vec<W> {
        let ids: Vec<OrderId> = self.by_id.keys().cloned().collect();
        ids.iter().flat_map(|id| self.take_waiters(id)).collect()
    }

    /// When the next thing is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first_key_value().map(|((at, _), _)| *at)
    }

    /// What is due at `now`, at most `max` things of it.
    pub fn due(&mut self, now: Instant, max: usize) -> Vec<Due> {
        let mut dues = Vec::new();
        while dues.len() < max && self.next_deadline().is_some_and(|at| at <= now) {
            if let Some(((_, serial), id)) = self.deadlines.pop_first() {
                dues.extend(self.next_due(id, serial, now));
            }
        }
        dues
    }

    /// What a deadline, already taken out, is about: a waiter, or else a settlement.
    fn next_due(&mut self, id: OrderId, serial: Serial, now: Instant) -> Option<Due> {
        let order = self.by_id.get_mut(&id)?;
        let Some(waiter) = order.find(serial).map(|at| &mut order.waiters[at]) else {
            let round = order.settled.as_ref()?.settlement.round;
            self.forget(&id, round);
            return Some(Due::Forgotten(id, round));
        };
        if now >= waiter.opened + self.limits.timeout {
            return Some(Due::Timeout(id, serial));
        }
        let beats = (now - waiter.opened).as_nanos() / self.limits.heartbeat.as_nanos();
        waiter.heartbeats = beats as u32;
        self.deadlines.insert((waiter.deadline(&self.limits), serial), id.clone());
        Some(Due::Heartbeat(id, serial))
    }

    /// Forgets the oldest settlement that was written to somebody, if all room is taken.
    fn make_room(&mut self) -> Option<Due> {
        if self.settled < self.limits.remember {
            return None;
        }
        let oldest = self.written.first_key_value()?.1.clone();
        let round = self.settlement(&oldest)?.0.round;
        self.forget(&oldest, round);
        Some(Due::Forgotten(oldest, round))
    }

    fn take_waiters(&mut self, id: &OrderId) -> Vec<W> {
        let Some(order) = self.by_id.get_mut(id) else { return Vec::new() };
        let waiters = std::mem::take(&mut order.waiters);
        for waiter in &waiters {
            self.deadlines.remove(&(waiter.deadline(&self.limits), waiter.serial));
        }
        self.waiting -= waiters.len();
        self.drop_if_unknown(id);
        waiters.into_iter().map(|waiter| waiter.parked).collect()
    }

    fn order(&mut self, id: &OrderId) -> &mut Order<W> {
        let unknown = || Order { waiters: VecDeque::new(), round: 0, settled: None };
        self.by_id.entry(id.clone()).or_insert_with(unknown)
    }

    fn drop_if_unknown(&mut self, id: &OrderId) {
        let is_unknown = |o: &Order<W>| o.waiters.is_empty() && o.settled.is_none() && o.round == 0;
        if self.by_id.get(id).is_some_and(is_unknown) {
            self.by_id.remove(id);
        }
    }

    fn next_round(&self) -> u64 {
        let next = self.first_round.max(self.last_round + 1);
        next + u64::from(next == FINISH_ID)
    }

    fn next_serial(&mut self) -> Serial {
        self.last_serial += 1;
        self.last_serial
    }
}

impl<W> Order<W> {
    fn is_settled(&self) -> bool {
        self.settled.as_ref().is_some_and(|settled| settled.settlement.round == self.round)
    }

    /// Whether of order 1 no round is open, and no result is kept for whoever asks next.
    fn is_over(&self) -> bool {
        let written = self.settled.as_ref().is_some_and(|settled| settled.written);
        self.round == 0 || (self.is_settled() && written)
    }

    fn find(&self, serial: Serial) -> Option<usize> {
        self.waiters.binary_search_by_key(&serial, |waiter| waiter.serial).ok()
    }
}

impl<W> Waiter<W> {
    /// When its next heartbeat is due, or its timeout.
    fn deadline(&self, limits: &Limits) -> Instant {
        let heartbeat = limits.heartbeat * (self.heartbeats + 1);
        let next = if heartbeat.is_zero() { limits.timeout } else { heartbeat.min(limits.timeout) };
        self.opened + next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        timeout: Duration::from_secs(60),
        heartbeat: Duration::from_secs(15),
        keep: Duration::from_secs(3600),
        remember: 3,
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

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        /// An `orderpay`: parked, if it is to wait, in a round that is opened before if need be. Its
        /// round, and the result that it gets.
        fn ask(&mut self, order: &str, lost: Option<u64>, name: &'static str) -> (u64, bool) {
            let order = id(order);
            match self.orders.ask(&order, lost) {
                Admission::Opens(round) => {
                    self.orders.open_round(&order, round);
                    assert_eq!(self.orders.ask(&order, lost), Admission::Waits(round));
                    self.orders.park(&order, name, self.start);
                    (round, false)
                }
                Admission::Waits(round) => {
                    self.orders.park(&order, name, self.start);
                    (round, false)
                }
                Admission::Gets(round, _) => {
                    self.orders.written(&order, round);
                    (round, true)
                }
                Admission::Full => panic!("no room for {name}"),
            }
        }

        /// A `payback` that is recorded at once: the round that it settles, and who was waiting.
        fn pay(&mut self, order: &str) -> Result<(u64, Vec<&'static str>), Claim> {
            let order = id(order);
            match self.orders.claim(&order, 0) {
                Claim::Settles(round) => {
                    let (waiters, _) = self.orders.settle(&order, settlement(round, self.start));
                    if !waiters.is_empty() {
                        self.orders.written(&order, round);
                    }
                    Ok((round, waiters))
                }
                refused => Err(refused),
            }
        }
    }

    fn id(order: &str) -> OrderId {
        OrderId::parse(order.as_bytes()).unwrap()
    }

    fn settlement(round: u64, at: Instant) -> Settlement {
        Settlement { round, result: OrderResult::default(), at, stamp: SystemTime::UNIX_EPOCH }
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
        assert_eq!(scene.orders.waiting(), 1);
    }

    #[test]
    fn a_settled_order_gives_its_result_to_all_who_ask_and_paybacks_change_nothing() {
        let mut scene = Scene::new();
        assert_eq!(scene.pay("a"), Ok((0, vec![])));
        for lost in [None, Some(0), Some(7), None] {
            assert_eq!(scene.pay("a"), Err(Claim::Repeated));
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
        scene.orders.take_all();
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
        assert_eq!(kept().pay("1"), Err(Claim::Repeated));
        assert_eq!(over().pay("1"), Err(Claim::Repeated));
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
        scene.orders.open_round(&id("1"), SECOND_ROUND);
        scene.orders.open_round(&id("1"), FIRST_ROUND);
        assert_eq!(scene.orders.ask(&id("1"), None), Admission::Waits(SECOND_ROUND));
        scene.pay("1").unwrap();
        assert_eq!(scene.orders.ask(&id("1"), None), Admission::Opens(THIRD_ROUND));
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
        assert_eq!((scene.orders.next_deadline(), scene.orders.by_id.len()), (None, 0));
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
        assert_eq!((scene.orders.next_deadline(), scene.orders.by_id.len()), (None, 0));
    }

    #[test]
    fn an_order_is_forgotten_in_time_and_can_be_paid_anew() {
        let mut scene = Scene::new();
        scene.pay("a").unwrap();
        assert_eq!(scene.orders.due(scene.at(3599), 9), []);
        assert_eq!(scene.orders.due(scene.at(3600), 9), [Due::Forgotten(id("a"), 0)]);
        assert_eq!((scene.orders.settled(), scene.orders.by_id.len()), (0, 0));
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
            scene.orders.take_all();
            let due = scene.orders.due(scene.at(3600), 9);
            assert_eq!(due, [Due::Forgotten(id("1"), forgotten)]);
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
        assert_eq!(scene.pay("d"), Err(Claim::Full));
        scene.ask("d", None, "waits");
        assert_eq!(scene.pay("d"), Err(Claim::Full), "at most means at most");
        scene.ask("c", None, "one");
        scene.ask("b", None, "one");
        let (waiters, forgotten) = scene.orders.settle(&id("d"), settlement(0, scene.start));
        assert_eq!((waiters, forgotten), (vec!["waits"], Some(Due::Forgotten(id("b"), 0))));
        assert_eq!(scene.orders.settled(), 3);
        assert_eq!(scene.pay("b"), Ok((0, vec![])), "c has made room");
        assert_eq!(scene.pay("c"), Err(Claim::Full));
    }

    #[test]
    fn what_is_being_recorded_takes_room_and_costs_nobody_theirs_before_it_is_settled() {
        let mut scene = Scene::new();
        for order in ["a", "b", "c"] {
            scene.pay(order).unwrap();
        }
        scene.ask("a", None, "one");
        assert_eq!(scene.orders.claim(&id("d"), 0), Claim::Settles(0));
        assert_eq!(scene.orders.claim(&id("e"), 1), Claim::Full);
        assert_eq!(scene.orders.claim(&id("a"), 1), Claim::Repeated);
    }

    #[test]
    fn the_next_round_of_order_1_takes_the_room_of_the_one_before() {
        let mut scene = over();
        scene.pay("a").unwrap();
        scene.pay("b").unwrap();
        scene.ask("1", None, "second");
        assert_eq!(scene.pay("1"), Ok((SECOND_ROUND, vec!["second"])));
        assert_eq!(scene.orders.settled(), 3);
        assert_eq!(scene.pay("a"), Err(Claim::Repeated));
    }

    #[test]
    fn one_waiter_too_many_is_told_so_and_opens_no_round() {
        let mut scene = over();
        for order in ["a", "b", "c", "d"] {
            scene.ask(order, None, "one");
        }
        assert_eq!(scene.orders.ask(&id("e"), None), Admission::Full);
        assert_eq!(scene.orders.ask(&id("1"), None), Admission::Full);
        scene.pay("a").unwrap();
        assert_eq!(scene.ask("e", None, "later"), (0, false));
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut scene = Scene::new();
        scene.ask("a", None, "one");
        scene.ask("b", None, "two");
        scene.pay("a").unwrap();
        assert_eq!(scene.orders.take_all(), ["two"]);
        scene.orders.due(scene.at(9999), 9);
        let Orders { by_id, deadlines, written, waiting, settled, .. } = scene.orders;
        assert!(by_id.is_empty() && deadlines.is_empty() && written.is_empty());
        assert_eq!((waiting, settled), (0, 0));
    }
}
