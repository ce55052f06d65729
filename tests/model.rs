//! Does the server do what README.md's tables say, whatever happens in whatever order?
//!
//! A model of the two tables and a real server go through the same random steps, one after the other:
//! openings of all kinds, paybacks, clients that end in every way, restarts, and time.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, iter};

use support::tampering::Random;
use support::{Folder, HEARTBEAT, Server, Stream, TIMED_OUT, eventually, request};

const ORDERS: [&str; 6] = ["1", "a", "b", "c", "d", "e"];
/// Fewer than there are orders.
const REMEMBER: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(10);
/// Within this nothing is due, so that what is due is no matter of luck, nor of a machine that stands still.
const SPELL: Duration = Duration::from_secs(4);
const STEPS: usize = 10_500;
/// Between two spells everything that can be due is.
const SPELLS: usize = 2;

#[test]
fn a_server_without_a_journal_does_what_the_tables_say() {
    Lane::run(1, None);
}

#[test]
fn a_server_with_a_journal_does_what_the_tables_say_and_a_restart_makes_no_difference() {
    let folder = Folder::new();
    Lane::run(2, Some(&folder.join("journal")));
}

struct Lane<'j> {
    server: Server,
    journal: Option<&'j Path>,
    random: Random,
    orders: BTreeMap<&'static str, Order>,
    /// The largest that was ever told.
    last_round: u64,
    paybacks: usize,
    /// What happened, and how often.
    told: BTreeMap<&'static str, usize>,
}

#[derive(Default)]
struct Order {
    waiters: Vec<Waiter>,
    /// 0: there is but one, or none of order 1 is known.
    round: u64,
    settled: Option<Settled>,
}

struct Settled {
    round: u64,
    text: String,
    written: bool,
    /// Counts settlements.
    number: usize,
}

struct Waiter {
    asked: Instant,
    /// `None`: its client has ended the connection, and whether it is written to is a matter of luck.
    stream: Option<Stream>,
}

/// What is settled before anybody has asked is of a round that only the server knows.
const UNKNOWN: u64 = u64::MAX;

#[derive(Debug)]
enum Expected {
    Stop,
    Gets(u64, String),
    Waits(u64),
    Opens,
}

impl Order {
    fn is_settled(&self) -> bool {
        self.settled.as_ref().is_some_and(|settled| settled.round == self.round)
    }

    fn expected(&self, name: &str, last_event_id: Option<&str>) -> Expected {
        if last_event_id == Some("6666") {
            return Expected::Stop;
        }
        let lost_round = last_event_id.and_then(|id| id.parse().ok());
        let is_for_them = |it: &&Settled| {
            name != "1" || lost_round.map_or(!it.written, |lost: u64| lost == it.round)
        };
        if let Some(Settled { round, text, .. }) = self.settled.as_ref().filter(is_for_them) {
            return Expected::Gets(*round, text.clone());
        }
        let written = self.settled.as_ref().is_some_and(|settled| settled.written);
        if name == "1" && (self.round == 0 || self.is_settled() && written) {
            return Expected::Opens;
        }
        Expected::Waits(self.round)
    }
}

impl Lane<'_> {
    fn run(seed: u64, journal: Option<&Path>) {
        let mut lane = Lane {
            server: start(journal),
            journal,
            random: Random(seed),
            orders: ORDERS.map(|name| (name, Order::default())).into(),
            last_round: 0,
            paybacks: 0,
            told: BTreeMap::new(),
        };
        let mut steps = 0;
        while steps < STEPS {
            let spell = Instant::now();
            let end = steps + STEPS / SPELLS;
            while steps < end && spell.elapsed() < SPELL {
                lane.step();
                steps += 1;
            }
            lane.let_time_pass();
        }
        println!("{steps} steps: {:?}", lane.told);
        assert_eq!(lane.told.len(), if journal.is_some() { 15 } else { 14 }, "all has happened");
    }

    fn step(&mut self) {
        let name = self.random.one_of(&ORDERS);
        match self.random.below(400) {
            0 => self.restart(),
            1..150 => self.pay(name),
            150..200 => self.end_a_client(name),
            _ => self.ask(name),
        }
    }

    fn tell(&mut self, what: &'static str) {
        *self.told.entry(what).or_default() += 1;
    }

    fn ask(&mut self, name: &'static str) {
        let last_event_id = self.last_event_id(name);
        let expected = self.orders[name].expected(name, last_event_id.as_deref());
        let what = format!("order {name}, last event ID {last_event_id:?}: {expected:?}");
        let fields = last_event_id.as_deref().map(|id| ("Last-Event-ID", id));
        let path = format!("/sse/orderpay/{name}");
        let mut client = self.server.connect();
        client.send(request("GET", &path, fields.as_slice(), ""));
        if let Expected::Stop = expected {
            assert_eq!(client.answer().status, 204, "{what}");
            return self.tell("was told to stop");
        }
        let asked = Instant::now();
        let mut stream = Stream::opened(client);
        let round = stream.round;
        let order = self.orders.get_mut(name).expect("a known order");
        if let Expected::Opens | Expected::Gets(UNKNOWN, _) | Expected::Waits(UNKNOWN) = expected {
            assert!(round > self.last_round && round != 6666, "{what}, but {round}");
            self.last_round = round;
        }
        match &expected {
            Expected::Opens => order.round = round,
            Expected::Gets(UNKNOWN, _) | Expected::Waits(UNKNOWN) => order.learn(round),
            Expected::Gets(known, _) | Expected::Waits(known) => {
                assert_eq!(round, *known, "{what}");
            }
            Expected::Stop => unreachable!(),
        }
        if let Expected::Gets(_, text) = &expected {
            assert_eq!(stream.rest(), frames(text), "{what}");
            // What was read counts as written a moment later, and before anybody else gets it.
            let mut again = self.server.connect();
            again.send(request("GET", &path, &[("Last-Event-ID", &round.to_string())], ""));
            assert_eq!(Stream::opened(again).rest(), frames(text), "{what}, again");
            order.settled.as_mut().expect("a settlement").written = true;
            return self.tell("got a result");
        }
        order.waiters.push(Waiter { asked, stream: Some(stream) });
        self.tell(if name == "1" { "waits for a round" } else { "waits for the one" });
    }

    /// Of a fresh client, of those who come back, and of those who make it up.
    fn last_event_id(&mut self, name: &str) -> Option<String> {
        let order = &self.orders[name];
        let known = |round: u64| if round == UNKNOWN { 1 } else { round };
        let last_settled = order.settled.as_ref().map_or(0, |settled| known(settled.round));
        match self.random.below(10) {
            0..4 => None,
            4 => Some(known(order.round).to_string()),
            5 | 6 => Some(last_settled.to_string()),
            7 => Some(last_settled.saturating_sub(1).to_string()),
            8 => Some("6666".into()),
            _ => Some(self.random.one_of(&["x", "-1", "1x", "\u{665}"]).into()),
        }
    }

    fn pay(&mut self, name: &'static str) {
        self.paybacks += 1;
        let text = format!("payback {}", self.paybacks);
        let answer = self.server.post(&format!("/sse/payback/{name}"), &text);
        let number_written = answer.field("Orderpay-Delivered").and_then(|it| it.parse().ok());
        if self.orders[name].is_settled() {
            assert_eq!((answer.status, number_written), (200, Some(0)), "order {name}");
            return self.tell("was paid again");
        }
        if !self.make_room(name) {
            assert_eq!(answer.status, 503, "order {name}");
            assert!(answer.field("Retry-After").is_some());
            return self.tell("found no room");
        }
        assert_eq!(answer.status, 200, "order {name}");
        let order = self.orders.get_mut(name).expect("a known order");
        if name == "1" && order.round == 0 {
            order.round = UNKNOWN;
        }
        let all = order.waiters.len();
        let present: Vec<Stream> = order.waiters.drain(..).flat_map(|it| it.stream).collect();
        let written: usize = number_written.expect("Orderpay-Delivered");
        let possible = present.len()..=all;
        assert!(possible.contains(&written), "order {name}: {written} of {possible:?}");
        let (round, number) = (order.round, self.paybacks);
        for mut stream in present {
            assert_eq!(without_heartbeats(stream.rest()), frames(&text), "order {name}");
        }
        order.settled = Some(Settled { round, text, written: written > 0, number });
        self.tell(if written > 0 { "was paid" } else { "was paid, and nobody told" });
    }

    /// Whether one more order can be remembered. For that, the oldest that was told is forgotten.
    fn make_room(&mut self, name: &str) -> bool {
        let others = self.orders.iter_mut().filter(|(other, _)| **other != name);
        let mut settled: Vec<_> = others.filter(|(_, order)| order.settled.is_some()).collect();
        if settled.len() < REMEMBER {
            // Its own settlement, the last one of order 1, has to be one that was told, and is.
            return true;
        }
        settled.sort_by_key(|(_, order)| order.settled.as_ref().map(|it| it.number));
        let told = |order: &Order| order.settled.as_ref().is_some_and(|settled| settled.written);
        match settled.into_iter().find(|(_, order)| told(order)) {
            Some((_, oldest)) => {
                oldest.forget();
                self.tell("was forgotten");
                true
            }
            None => false,
        }
    }

    fn end_a_client(&mut self, name: &'static str) {
        let kind = self.random.below(3);
        let waiters = &mut self.orders.get_mut(name).expect("a known order").waiters;
        let mut streams = waiters.iter_mut().map(|waiter| &mut waiter.stream);
        let Some(slot) = streams.rfind(|stream| stream.is_some()) else { return };
        let Some(mut stream) = slot.take() else { return };
        match kind {
            0 => {
                stream.client.half_close();
                *slot = Some(stream);
                self.tell("half-closed");
            }
            1 => {
                drop(stream);
                self.tell("closed");
            }
            _ => {
                stream.client.reset();
                self.tell("reset");
            }
        }
    }

    fn restart(&mut self) {
        match self.journal {
            Some(journal) if self.random.below(2) == 0 => {
                // What nobody waits for is in the file before long, and then a kill changes nothing.
                let mut length = None;
                eventually("the journal to be written", || {
                    let before = length.replace(fs::metadata(journal).expect("a journal").len());
                    thread::sleep(Duration::from_millis(30));
                    (before == length).then_some(())
                });
                self.server.program().signal("KILL");
                self.server.program().exit();
                self.tell("was killed");
            }
            _ => {
                assert!(self.server.stop().0.success());
                self.tell("was stopped");
            }
        }
        // Whoever waited is let go.
        for order in self.orders.values_mut() {
            order.waiters.clear();
        }
        if self.journal.is_none() {
            self.orders = ORDERS.map(|name| (name, Order::default())).into();
        }
        self.server = start(self.journal);
    }

    /// Everybody times out, and every settlement is forgotten.
    fn let_time_pass(&mut self) {
        for order in self.orders.values_mut() {
            for Waiter { asked, stream } in order.waiters.drain(..) {
                let Some(mut stream) = stream else { continue };
                assert_eq!(without_heartbeats(stream.rest()), TIMED_OUT);
                assert!(asked.elapsed() >= TIMEOUT, "early: {:?}", asked.elapsed());
            }
        }
        eventually("all to be forgotten", || {
            let page = self.server.get("/metrics").text();
            let nothing = |name: &str| page.contains(&format!("\n{name} 0\n"));
            (nothing("orderpay_waiters") && nothing("orderpay_orders_remembered")).then_some(())
        });
        self.orders.values_mut().for_each(Order::forget);
        self.tell("time passed");
    }
}

impl Order {
    /// The server has told its round.
    fn learn(&mut self, round: u64) {
        self.round = round;
        self.settled.as_mut().expect("a settlement").round = round;
    }

    fn forget(&mut self) {
        if self.settled.take().is_some_and(|settled| settled.round == self.round) {
            self.round = 0;
        }
    }
}

fn start(journal: Option<&Path>) -> Server {
    let options = "--quiet --timeout 10 --keep 10 --heartbeat 0.2 --remember 3".split(' ');
    let journal = journal.map(|path| path.to_str().expect("a path in UTF-8"));
    let journal = iter::once("--journal").chain(journal).filter(|_| journal.is_some());
    Server::start(&options.chain(journal).collect::<Vec<_>>())
}

fn frames(text: &str) -> String {
    format!("data:{text}\n\nevent:finish\nid:6666\ndata:哈哈\n\n")
}

fn without_heartbeats(frames: String) -> String {
    frames.trim_start_matches(HEARTBEAT).to_owned()
}
