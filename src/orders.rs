//! The state machine of an order: waiting, settled, forgotten.
//!
//! It knows no socket, no thread and no clock. `W` is whatever is parked; the time is an argument.
//!
//! | state       | a fresh `orderpay`    | one that comes back | `payback`                     | ends when |
//! | ----------- | --------------------- | ------------------- | ----------------------------- | --- |
//! | (unknown)   | parks: waiting        | parks: waiting      | recording                     | |
//! | waiting     | parks                 | parks               | recording                     | its last waiter is gone: unknown |
//! | `Recording` | parks                 | parks               | pending: shares the record    | on disk: writing, with all who are parked; refused: waiting |
//! | `Writing`   | parks                 | gets the result     | repeated                      | somebody got it: delivered; nobody did: kept, or writing to who came meanwhile |
//! | `Kept`      | gets the result: writing | gets the result: writing | repeated              | delivered, or too old: unknown |
//! | `Delivered` | parks: reopened       | gets the result     | repeated                      | too old, or its room is needed: unknown; has not arrived after all: kept |
//! | `Reopened`  | parks                 | gets the result, for a moment; then it parks | recording, of a new result    | like delivered, but who waits, waits on, or gets what has not arrived |
//!
//! An opening's id is always `0`, so a browser that comes back to a reopened order can't tell which
//! of its two rounds it belongs to. It is taken for one of the first as long as it may be on its way
//! ([`COMES_BACK`] after the settlement), and for one of the second after that.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::order::{OrderId, Receipt};

/// A browser comes back a second after it has lost its connection (`retry:1000`), or somewhat later.
pub const COMES_BACK: Duration = Duration::from_secs(5);

/// How long and how many.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From a waiter's opening to its timeout.
    pub timeout: Duration,
    /// From a waiter's opening to its first heartbeat, and from each to the next; zero means none.
    pub heartbeat: Duration,
    /// From an order's settling to its being forgotten.
    pub keep: Duration,
    /// Settled orders that are remembered at most. One that somebody waits for is settled all the
    /// same, up to twice as many: it needs no room for long, unless who waited turns out to be gone.
    pub remember: usize,
    /// Waiters at most.
    pub waiters: usize,
}

/// All orders that somebody waits for, or that are settled and not yet forgotten.
pub struct Orders<W> {
    limits: Limits,
    by_id: HashMap<OrderId, Order<W>>,
    /// What is due when: the next thing for each waiter, and the forgetting of each settled order.
    agenda: BTreeMap<(Instant, Serial), OrderId>,
    /// The settled orders that may be forgotten early, since their results have arrived; the oldest
    /// first.
    delivered: BTreeMap<Serial, OrderId>,
    waiting: usize,
    settled: usize,
    last_serial: Serial,
}

/// Numbers waiters and settlements in the order in which they came.
pub type Serial = u64;

struct Order<W> {
    /// In the order of their serials.
    waiters: VecDeque<Waiter<W>>,
    /// Boxed, because most orders that somebody waits for have none.
    settlement: Option<Box<Settlement>>,
}

struct Waiter<W> {
    serial: Serial,
    /// `None`: it is being greeted.
    opened: Option<Instant>,
    heartbeats: u32,
    parked: W,
}

struct Settlement {
    serial: Serial,
    at: Instant,
    receipt: Receipt,
    state: State,
    /// Whether somebody is certain to have it. Until then `Delivered` and `Reopened` can be revoked.
    arrived: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Recording,
    Writing,
    Kept,
    Delivered,
    Reopened,
}

/// What becomes of an `orderpay`.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is to be parked, under the same lock.
    Wait,
    /// There is a result to write to it; what came of that is told to [`Orders::written`].
    Fetch(Settled),
    /// No room for another waiter.
    Full,
}

/// A result, and the settlement that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub serial: Serial,
    pub receipt: Receipt,
}

/// What becomes of a `payback`.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// It settles the order, once it is recorded: [`Orders::publish`] or [`Orders::retract`] comes next.
    First(Serial),
    /// Another one is settling it: its record is this one's too.
    Pending,
    /// The order was settled before.
    Repeated,
    /// There is no room to remember it.
    Full,
}

/// What is known of a result that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Somebody has it.
    Certain,
    /// Nothing speaks against it, but it is not confirmed yet.
    Assumed,
    /// Nobody has it.
    Failed,
}

/// What follows from a result's having been written.
#[derive(Debug, PartialEq, Eq)]
pub enum Sequel<W> {
    Nothing,
    /// It is certain for the first time that it has reached somebody.
    Delivered,
    /// It has reached nobody, but these were parked meanwhile: they are to be written to next.
    WriteTo(Vec<W>),
}

/// Something that is due for a waiter.
#[derive(Debug, PartialEq, Eq)]
pub enum Due<W> {
    /// A heartbeat is to be written; the waiter stays parked.
    Heartbeat(OrderId, Serial, W),
    /// Its time is up; it is no longer parked.
    Timeout(OrderId, W),
}

impl<W: Clone> Orders<W> {
    /// No orders.
    pub fn new(limits: Limits) -> Self {
        Orders {
            limits,
            by_id: HashMap::new(),
            agenda: BTreeMap::new(),
            delivered: BTreeMap::new(),
            waiting: 0,
            settled: 0,
            last_serial: 0,
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

    /// What is to be done with an `orderpay`; `again` if it has lost a connection before.
    pub fn admit(&mut self, id: &OrderId, again: bool, now: Instant) -> Admission {
        let settlement = self.by_id.get_mut(id).and_then(|order| order.settlement.as_mut());
        if let Some(settlement) = settlement {
            let fetches = match settlement.state {
                State::Recording => false,
                State::Kept => true,
                State::Writing | State::Delivered => again,
                State::Reopened => again && now < settlement.at + COMES_BACK,
            };
            if fetches {
                if settlement.state == State::Kept {
                    settlement.state = State::Writing;
                }
                return Admission::Fetch(settlement.result());
            }
        }
        if self.waiting >= self.limits.waiters { Admission::Full } else { Admission::Wait }
    }

    /// Parks a waiter that was admitted. Its time begins when it has been greeted: [`Orders::open`].
    pub fn park(&mut self, id: &OrderId, parked: W) -> Serial {
        let serial = self.next_serial();
        let waiter = Waiter { serial, opened: None, heartbeats: 0, parked };
        let order = self.by_id.entry(id.clone()).or_insert_with(Order::unknown);
        order.waiters.reserve_exact(usize::from(order.waiters.is_empty()));
        order.waiters.push_back(waiter);
        self.waiting += 1;
        if let Some(settlement) = &mut order.settlement
            && settlement.state == State::Delivered
        {
            settlement.state = State::Reopened;
        }
        serial
    }

    /// A waiter has been greeted before `now`. It may have been taken out since it was parked.
    pub fn open(&mut self, id: &OrderId, serial: Serial, now: Instant) {
        let Some(order) = self.by_id.get_mut(id) else { return };
        let Some(at) = order.find(serial) else { return };
        let waiter = &mut order.waiters[at];
        waiter.opened = Some(now);
        self.agenda.extend(waiter.due(&self.limits).map(|due| ((due, serial), id.clone())));
    }

    /// Claims an order for the payback that says `receipt`.
    pub fn claim(&mut self, id: &OrderId, receipt: &Receipt, now: Instant) -> Claim {
        let order = self.by_id.get(id);
        match order.and_then(|order| order.settlement.as_ref()).map(|s| s.state) {
            Some(State::Recording) => return Claim::Pending,
            Some(State::Writing | State::Kept | State::Delivered) => return Claim::Repeated,
            Some(State::Reopened) => self.forget(id),
            None => {
                let awaited = order.is_some();
                self.make_room();
                if self.settled >= self.limits.remember * if awaited { 2 } else { 1 } {
                    return Claim::Full;
                }
            }
        }
        Claim::First(self.settle(id, receipt, now))
    }

    /// The result is recorded: takes out all who wait for it. They are to be written to;
    /// what came of that is told to [`Orders::written`].
    pub fn publish(&mut self, id: &OrderId) -> Vec<W> {
        if let Some(settlement) = self.by_id.get_mut(id).and_then(|o| o.settlement.as_mut()) {
            settlement.state = State::Writing;
            self.agenda.insert(settlement.expiry(&self.limits), id.clone());
        }
        self.take_waiters(id)
    }

    /// The result could not be recorded: the order is not settled, and who waits for it, waits on.
    pub fn retract(&mut self, id: &OrderId) {
        self.forget(id);
    }

    /// A result was written. What is assumed of its arrival is confirmed or revoked later.
    pub fn written(&mut self, id: &OrderId, serial: Serial, arrival: Arrival) -> Sequel<W> {
        let Some(order) = self.by_id.get_mut(id) else { return Sequel::Nothing };
        let awaited = !order.waiters.is_empty();
        let settlement = order.settlement.as_mut().filter(|s| s.serial == serial && !s.arrived);
        let Some(settlement) = settlement else { return Sequel::Nothing };
        if arrival == Arrival::Failed {
            settlement.state = if awaited { State::Writing } else { State::Kept };
            return if awaited { Sequel::WriteTo(self.take_waiters(id)) } else { Sequel::Nothing };
        }
        settlement.state = if awaited { State::Reopened } else { State::Delivered };
        if arrival == Arrival::Assumed {
            return Sequel::Nothing;
        }
        settlement.arrived = true;
        self.delivered.insert(serial, id.clone());
        Sequel::Delivered
    }

    /// Takes out one waiter whose client is gone; false if it was taken out before.
    pub fn vanish(&mut self, id: &OrderId, serial: Serial) -> bool {
        let Some(order) = self.by_id.get_mut(id) else { return false };
        let Some(waiter) = order.take(serial) else { return false };
        self.unschedule(&waiter);
        self.waiting -= 1;
        self.drop_if_unknown(id);
        true
    }

    /// When the next thing is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.agenda.first_key_value().map(|((due, _), _)| *due)
    }

    /// Does what is due at `now`, at most `most` things of it, and returns what is to be written.
    pub fn due(&mut self, now: Instant, most: usize) -> Vec<Due<W>> {
        let mut dues = Vec::new();
        for _ in 0..most {
            if self.next_due().is_none_or(|due| due > now) {
                break;
            }
            if let Some(((_, serial), id)) = self.agenda.pop_first() {
                dues.extend(self.run(id, serial, now));
            }
        }
        dues
    }

    /// Puts a settled order back that was remembered on disk.
    pub fn restore(&mut self, id: &OrderId, receipt: &Receipt, delivered: bool, at: Instant) {
        let serial = self.settle(id, receipt, at);
        self.publish(id);
        self.written(id, serial, if delivered { Arrival::Certain } else { Arrival::Failed });
    }

    /// Takes out all who are parked, whatever they wait for.
    pub fn take_all(&mut self) -> Vec<W> {
        let ids: Vec<OrderId> = self.by_id.keys().cloned().collect();
        ids.iter().flat_map(|id| self.take_waiters(id)).collect()
    }

    /// One entry of the agenda, already taken from it: a waiter's, or else its order is too old.
    fn run(&mut self, id: OrderId, serial: Serial, now: Instant) -> Option<Due<W>> {
        let order = self.by_id.get_mut(&id)?;
        let Some(waiter) = order.find(serial).map(|at| &mut order.waiters[at]) else {
            self.forget(&id);
            return None;
        };
        let opened = waiter.opened?;
        if now < opened + self.limits.timeout {
            let beats = (now - opened).as_nanos() / self.limits.heartbeat.as_nanos();
            waiter.heartbeats = beats as u32;
            let parked = waiter.parked.clone();
            self.agenda.extend(waiter.due(&self.limits).map(|due| ((due, serial), id.clone())));
            return Some(Due::Heartbeat(id, serial, parked));
        }
        let waiter = order.take(serial)?;
        self.waiting -= 1;
        self.drop_if_unknown(&id);
        Some(Due::Timeout(id, waiter.parked))
    }

    fn settle(&mut self, id: &OrderId, receipt: &Receipt, at: Instant) -> Serial {
        let (serial, receipt, state) = (self.next_serial(), receipt.clone(), State::Recording);
        let settlement = Settlement { serial, at, receipt, state, arrived: false };
        let order = self.by_id.entry(id.clone()).or_insert_with(Order::unknown);
        order.settlement = Some(Box::new(settlement));
        self.settled += 1;
        serial
    }

    /// Forgets what settled the order; who waits for it, waits on.
    fn forget(&mut self, id: &OrderId) {
        let settlement = self.by_id.get_mut(id).and_then(|order| order.settlement.take());
        if let Some(settlement) = settlement {
            self.agenda.remove(&settlement.expiry(&self.limits));
            self.delivered.remove(&settlement.serial);
            self.settled -= 1;
        }
        self.drop_if_unknown(id);
    }

    /// Forgets delivered orders, the oldest first, until one more can be remembered, if that helps.
    fn make_room(&mut self) {
        while self.settled >= self.limits.remember
            && let Some((_, oldest)) = self.delivered.first_key_value()
        {
            self.forget(&oldest.clone());
        }
    }

    fn take_waiters(&mut self, id: &OrderId) -> Vec<W> {
        let Some(order) = self.by_id.get_mut(id) else { return Vec::new() };
        let waiters = std::mem::take(&mut order.waiters);
        for waiter in &waiters {
            self.unschedule(waiter);
        }
        self.waiting -= waiters.len();
        self.drop_if_unknown(id);
        waiters.into_iter().map(|waiter| waiter.parked).collect()
    }

    fn unschedule(&mut self, waiter: &Waiter<W>) {
        if let Some(due) = waiter.due(&self.limits) {
            self.agenda.remove(&(due, waiter.serial));
        }
    }

    fn drop_if_unknown(&mut self, id: &OrderId) {
        if self.by_id.get(id).is_some_and(|o| o.waiters.is_empty() && o.settlement.is_none()) {
            self.by_id.remove(id);
        }
    }

    fn next_serial(&mut self) -> Serial {
        self.last_serial += 1;
        self.last_serial
    }
}

impl<W> Order<W> {
    fn unknown() -> Self {
        Order { waiters: VecDeque::new(), settlement: None }
    }

    fn find(&self, serial: Serial) -> Option<usize> {
        self.waiters.binary_search_by_key(&serial, |waiter| waiter.serial).ok()
    }

    fn take(&mut self, serial: Serial) -> Option<Waiter<W>> {
        self.waiters.remove(self.find(serial)?)
    }
}

impl<W> Waiter<W> {
    /// When its next heartbeat is due, or its timeout; nothing is before it has been greeted.
    fn due(&self, limits: &Limits) -> Option<Instant> {
        let heartbeat = limits.heartbeat * (self.heartbeats + 1);
        let next = if heartbeat.is_zero() { limits.timeout } else { heartbeat.min(limits.timeout) };
        Some(self.opened? + next)
    }
}

impl Settlement {
    /// Its place in the agenda, once it is published: what is being recorded is not forgotten, however
    /// long the disk takes.
    fn expiry(&self, limits: &Limits) -> (Instant, Serial) {
        (self.at + limits.keep, self.serial)
    }

    fn result(&self) -> Settled {
        Settled { serial: self.serial, receipt: self.receipt.clone() }
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

    /// The state machine with a clock that the test sets, and names for what is parked.
    struct Scene {
        orders: Orders<&'static str>,
        start: Instant,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            let start = Instant::now();
            Scene { orders: Orders::new(LIMITS), start, now: start }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        fn fresh(&mut self, order: &str, name: &'static str) -> Admission {
            self.arrive(order, name, false)
        }

        fn again(&mut self, order: &str, name: &'static str) -> Admission {
            self.arrive(order, name, true)
        }

        fn arrive(&mut self, order: &str, name: &'static str, again: bool) -> Admission {
            let admission = self.orders.admit(&id(order), again, self.now);
            if admission == Admission::Wait {
                let serial = self.orders.park(&id(order), name);
                self.orders.open(&id(order), serial, self.start);
            }
            admission
        }

        /// A payback that is recorded at once: its settlement, and who is written to.
        fn pay(&mut self, order: &str) -> (Serial, Vec<&'static str>) {
            match self.claim(order) {
                Claim::First(serial) => (serial, self.orders.publish(&id(order))),
                other => panic!("{other:?}"),
            }
        }

        fn claim(&mut self, order: &str) -> Claim {
            self.orders.claim(&id(order), &Receipt::default(), self.start)
        }

        fn deliver(&mut self, order: &str) {
            let (serial, _) = self.pay(order);
            assert_eq!(
                self.orders.written(&id(order), serial, Arrival::Certain),
                Sequel::Delivered
            );
        }

        fn keep(&mut self, order: &str) {
            let (serial, _) = self.pay(order);
            assert_eq!(self.orders.written(&id(order), serial, Arrival::Failed), Sequel::Nothing);
        }
    }

    fn id(order: &str) -> OrderId {
        OrderId::parse(order.as_bytes()).unwrap()
    }

    fn fetches(admission: Admission) -> Serial {
        match admission {
            Admission::Fetch(settled) => settled.serial,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_waiters_of_an_order_get_its_result_and_no_others() {
        let mut scene = Scene::new();
        scene.fresh("a", "one");
        scene.fresh("b", "other");
        scene.fresh("a", "two");
        assert_eq!(scene.pay("a").1, ["one", "two"]);
        assert_eq!(scene.orders.waiting(), 1);
    }

    #[test]
    fn the_first_payback_settles_and_later_ones_change_nothing() {
        let mut scene = Scene::new();
        assert!(matches!(scene.claim("a"), Claim::First(_)));
        assert_eq!(scene.claim("a"), Claim::Pending);
        scene.orders.publish(&id("a"));
        assert_eq!(scene.claim("a"), Claim::Repeated);
    }

    #[test]
    fn a_kept_result_goes_to_the_first_who_asks_and_then_the_order_can_be_repeated() {
        let mut scene = Scene::new();
        scene.keep("a");
        let serial = fetches(scene.fresh("a", "one"));
        assert_eq!(scene.fresh("a", "two"), Admission::Wait, "it is being written to one");
        assert_eq!(scene.orders.written(&id("a"), serial, Arrival::Certain), Sequel::Delivered);
        assert_eq!(scene.pay("a").1, ["two"]);
    }

    #[test]
    fn who_parks_while_a_result_reaches_nobody_gets_it_next() {
        let mut scene = Scene::new();
        scene.fresh("a", "gone");
        let (serial, gone) = scene.pay("a");
        assert_eq!(gone, ["gone"]);
        scene.fresh("a", "here");
        let next = scene.orders.written(&id("a"), serial, Arrival::Failed);
        assert_eq!(next, Sequel::WriteTo(vec!["here"]));
        assert_eq!(scene.orders.written(&id("a"), serial, Arrival::Certain), Sequel::Delivered);
        assert_eq!(scene.fresh("a", "later"), Admission::Wait);
    }

    #[test]
    fn what_was_assumed_to_have_arrived_and_has_not_is_kept() {
        let mut scene = Scene::new();
        scene.fresh("a", "lost");
        let (serial, _) = scene.pay("a");
        assert_eq!(scene.orders.written(&id("a"), serial, Arrival::Assumed), Sequel::Nothing);
        assert_eq!(scene.orders.written(&id("a"), serial, Arrival::Failed), Sequel::Nothing);
        assert_eq!(fetches(scene.fresh("a", "reload")), serial);
    }

    #[test]
    fn who_waits_anew_gets_what_was_assumed_to_have_arrived_and_has_not() {
        let mut scene = Scene::new();
        let (serial, _) = scene.pay("a");
        scene.orders.written(&id("a"), serial, Arrival::Assumed);
        assert_eq!(scene.fresh("a", "reload"), Admission::Wait);
        let next = scene.orders.written(&id("a"), serial, Arrival::Failed);
        assert_eq!(next, Sequel::WriteTo(vec!["reload"]));
        scene.orders.written(&id("a"), serial, Arrival::Certain);
        assert_eq!(scene.fresh("a", "anew"), Admission::Wait);
    }

    #[test]
    fn what_has_arrived_for_certain_is_not_revoked() {
        let mut scene = Scene::new();
        let (serial, _) = scene.pay("a");
        scene.orders.written(&id("a"), serial, Arrival::Assumed);
        assert_eq!(scene.orders.written(&id("a"), serial, Arrival::Certain), Sequel::Delivered);
        scene.orders.written(&id("a"), serial, Arrival::Failed);
        assert_eq!(scene.fresh("a", "anew"), Admission::Wait);
    }

    #[test]
    fn who_comes_back_gets_a_result_that_was_delivered_before() {
        let mut scene = Scene::new();
        scene.deliver("a");
        fetches(scene.again("a", "back"));
        assert_eq!(scene.fresh("a", "fresh"), Admission::Wait);
        fetches(scene.again("a", "back"));
        scene.now += COMES_BACK;
        assert_eq!(scene.again("a", "lost"), Admission::Wait, "it was fresh before");
        assert_eq!(scene.again("b", "elsewhere"), Admission::Wait);
    }

    #[test]
    fn a_result_in_doubt_is_kept_until_it_is_certain() {
        let mut scene = Scene::new();
        let (serial, _) = scene.pay("a");
        scene.orders.written(&id("a"), serial, Arrival::Failed);
        scene.orders.written(&id("a"), serial, Arrival::Certain);
        assert_eq!(scene.fresh("a", "anew"), Admission::Wait);
    }

    #[test]
    fn while_a_result_is_recorded_everybody_waits_for_it() {
        let mut scene = Scene::new();
        scene.claim("a");
        assert_eq!(scene.again("a", "one"), Admission::Wait);
        scene.orders.retract(&id("a"));
        assert!(matches!(scene.claim("a"), Claim::First(_)));
        assert_eq!(scene.orders.publish(&id("a")), ["one"]);
    }

    #[test]
    fn a_waiter_hears_a_heartbeat_every_15_seconds_and_is_let_go_after_60() {
        let mut scene = Scene::new();
        scene.fresh("a", "one");
        for second in [15, 30, 45] {
            assert_eq!(scene.orders.next_due(), Some(scene.at(second)));
            assert_eq!(scene.orders.due(scene.at(second), 9), [Due::Heartbeat(id("a"), 1, "one")]);
        }
        assert_eq!(scene.orders.due(scene.at(59), 9), []);
        assert_eq!(scene.orders.due(scene.at(60), 9), [Due::Timeout(id("a"), "one")]);
        assert_eq!((scene.orders.next_due(), scene.orders.by_id.len()), (None, 0));
    }

    #[test]
    fn heartbeats_that_were_missed_are_not_made_up_for() {
        let mut scene = Scene::new();
        scene.fresh("a", "one");
        assert_eq!(scene.orders.due(scene.at(50), 9).len(), 1);
        assert_eq!(scene.orders.next_due(), Some(scene.at(60)));
    }

    #[test]
    fn who_has_vanished_is_due_for_nothing() {
        let mut scene = Scene::new();
        scene.fresh("a", "one");
        assert!(scene.orders.vanish(&id("a"), 1));
        assert!(!scene.orders.vanish(&id("a"), 1));
        assert_eq!((scene.orders.next_due(), scene.orders.by_id.len()), (None, 0));
    }

    #[test]
    fn a_settled_order_is_forgotten_in_time_and_its_new_waiters_are_not() {
        let mut scene = Scene::new();
        scene.deliver("a");
        let serial = scene.orders.park(&id("a"), "anew");
        scene.orders.open(&id("a"), serial, scene.at(3599));
        assert_eq!(scene.orders.due(scene.at(3600), 9), []);
        assert_eq!((scene.orders.settled(), scene.orders.waiting()), (0, 1));
        assert_eq!(scene.pay("a").1, ["anew"]);
    }

    #[test]
    fn what_takes_too_long_to_record_is_settled_once_and_then_forgotten_at_once() {
        let mut scene = Scene::new();
        scene.claim("a");
        assert_eq!(scene.orders.due(scene.at(3600), 9), []);
        assert_eq!(scene.claim("a"), Claim::Pending);
        scene.orders.publish(&id("a"));
        assert_eq!(scene.orders.next_due(), Some(scene.at(3600)));
        assert_eq!(scene.orders.due(scene.at(3600), 9), []);
        assert_eq!(scene.orders.settled(), 0);
    }

    #[test]
    fn the_oldest_delivered_order_makes_room_and_an_undelivered_one_never() {
        let mut scene = Scene::new();
        scene.keep("a");
        scene.deliver("b");
        scene.deliver("c");
        scene.keep("d");
        assert_eq!(scene.orders.settled(), 3);
        assert_eq!(scene.claim("c"), Claim::Repeated, "b was older");
        scene.keep("e");
        assert_eq!(scene.claim("f"), Claim::Full);
        scene.fresh("f", "waiting");
        assert_eq!(scene.pay("f").1, ["waiting"]);
    }

    #[test]
    fn waiters_who_are_gone_take_no_more_than_twice_the_room() {
        let mut scene = Scene::new();
        for order in ["a", "b", "c"] {
            scene.keep(order);
        }
        for order in ["d", "e", "f"] {
            scene.fresh(order, "gone");
            let (serial, _) = scene.pay(order);
            scene.orders.written(&id(order), serial, Arrival::Failed);
        }
        scene.fresh("g", "gone, or not");
        assert_eq!(scene.claim("g"), Claim::Full);
        assert_eq!(scene.orders.settled(), 6);
    }

    #[test]
    fn one_waiter_too_many_is_told_so() {
        let mut scene = Scene::new();
        for order in ["a", "b", "c", "d"] {
            assert_eq!(scene.fresh(order, "one"), Admission::Wait);
        }
        assert_eq!(scene.fresh("e", "surplus"), Admission::Full);
        scene.pay("a");
        assert_eq!(scene.fresh("e", "later"), Admission::Wait);
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut scene = Scene::new();
        scene.fresh("a", "one");
        scene.fresh("b", "two");
        scene.deliver("a");
        assert_eq!(scene.orders.take_all(), ["two"]);
        scene.orders.due(scene.at(9999), 9);
        let Orders { by_id, agenda, delivered, waiting, settled, .. } = scene.orders;
        assert!(by_id.is_empty() && agenda.is_empty() && delivered.is_empty());
        assert_eq!((waiting, settled), (0, 0));
    }
}
