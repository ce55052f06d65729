//! Is a payment ever lost?
//!
//! Payers and browsers at full speed, against a server with a journal that is killed with SIGKILL or
//! stopped with SIGTERM at random moments and started again: each `ok` has to find its browser, and
//! no browser may get what nobody paid for. Each payment says something else. Most orders are paid
//! once; order 1 is paid again and again, in rounds.

mod support;

use std::collections::hash_map::RandomState;
use std::fmt::{self, Display, Formatter};
use std::hash::BuildHasher;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use support::event_source::EventSource;
use support::sse::Event;
use support::{Answer, Client, Folder, Server, SmallDisk, request};

/// Orders that somebody waits for and nobody pays.
const UNPAID: usize = 4;

/// The longest that a server lives, in microseconds.
const LIFE: u64 = 1_000_000;

/// The longest that a disk is full, and that it is not, in microseconds.
const SPELL: u64 = 300_000;

/// Of whoever has heard all.
const FINISH_ID: u64 = 6666;

/// Before something is tried again that has failed.
const PAUSE: Duration = Duration::from_millis(2);

/// What has not come after this is lost: far longer than the server is down, or the disk full.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn no_payment_is_lost_when_the_server_is_killed() {
    let folder = Folder::new();
    let plan = Plan { lanes: 32, kills: 10, payments: 1, remember: "1000000" };
    torture(&plan, &folder.join("journal"), || {});
}

#[test]
#[ignore = "takes minutes: make torture"]
fn no_payment_is_lost_in_200_kills_and_100_000_payments() {
    let folder = Folder::new();
    let plan = Plan { lanes: 64, kills: 200, payments: 100_000, remember: "1000000" };
    torture(&plan, &folder.join("journal"), || {});
}

#[test]
fn no_payment_is_lost_when_the_disk_is_full_at_times_and_the_server_is_killed() {
    let Some(disk) = SmallDisk::mount(640) else { return };
    // So few that the journal and what it is rewritten to fit on the disk together.
    let plan = Plan { lanes: 8, kills: 10, payments: 1, remember: "2000" };
    let refused = torture(&plan, &disk.join("journal"), || {
        sleep_up_to(SPELL);
        disk.fill();
        sleep_up_to(SPELL);
        disk.clear();
    });
    assert!(refused > 0, "the disk was never full");
}

struct Plan {
    /// Orders that are on their way at the same time.
    lanes: usize,
    /// So many of these, and of those, at least.
    kills: usize,
    payments: usize,
    /// Orders that the server remembers.
    remember: &'static str,
}

/// Carries out the plan; `disturb` goes on and on meanwhile. Returns how many paybacks were refused.
fn torture(plan: &Plan, journal: &Path, disturb: impl Fn() + Send) -> usize {
    let scene = Scene::new();
    let server = thread::scope(|scope| {
        let scene = &scene;
        for number in 0..plan.lanes {
            scope.spawn(move || scene.buy_again_and_again(number));
        }
        for number in 0..UNPAID {
            scope.spawn(move || scene.wait_in_vain(number));
        }
        scope.spawn(move || scene.play_round_after_round());
        scope.spawn(move || scene.until_over(disturb));
        scene.kill_again_and_again(plan, journal)
    });
    // The last server lived until the last browser was served.
    drop(server);
    println!("{scene}");
    scene.refused.into_inner()
}

/// What all threads share: where the server is, and what has happened.
struct Scene {
    address: SocketAddr,
    over: AtomicBool,
    kills: AtomicUsize,
    stops: AtomicUsize,
    /// Rounds of order 1 among the payments.
    rounds: AtomicUsize,
    payments: AtomicUsize,
    /// Paybacks that were answered 503, and tried again.
    refused: AtomicUsize,
    /// Paybacks that got no answer, and were tried again.
    unanswered: AtomicUsize,
    /// Connections of browsers that had one before.
    reconnects: AtomicUsize,
    /// Browsers that lost their connection between the message and `finish`, and so got both again.
    told_twice: AtomicUsize,
}

impl Scene {
    fn new() -> Scene {
        let (address, over) = (quiet_address(), AtomicBool::new(false));
        let [kills, stops, rounds, payments, refused] = Default::default();
        let [unanswered, reconnects, told_twice] = Default::default();
        Scene {
            address,
            over,
            kills,
            stops,
            rounds,
            payments,
            refused,
            unanswered,
            reconnects,
            told_twice,
        }
    }

    fn kill_again_and_again(&self, plan: &Plan, journal: &Path) -> Server {
        let _end = EndOnPanic(self);
        let journal = journal.to_str().expect("a path in UTF-8");
        let options =
            ["--quiet", "--timeout", "600", "--remember", plan.remember, "--journal", journal];
        loop {
            let server = Server::start_on(&self.address.to_string(), &options);
            let (killed, paid) = (self.kills.load(Relaxed), self.payments.load(Relaxed));
            if self.is_over() || (killed >= plan.kills && paid >= plan.payments) {
                self.over.store(true, Relaxed);
                return server;
            }
            sleep_up_to(LIFE);
            self.end(server);
        }
    }

    /// Every other time as a power cut would, else as a restart does.
    fn end(&self, mut server: Server) {
        if random(2) == 0 {
            let (status, took) = server.stop();
            assert!(status.success() && took < Duration::from_secs(2), "{status} in {took:?}");
            self.stops.fetch_add(1, Relaxed);
        } else {
            server.kill();
            self.kills.fetch_add(1, Relaxed);
        }
    }

    fn until_over(&self, act: impl Fn()) {
        let _end = EndOnPanic(self);
        while !self.is_over() {
            act();
            thread::sleep(PAUSE);
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// Places orders and has them paid, one after the other.
    fn buy_again_and_again(&self, lane: usize) {
        let number = AtomicUsize::new(0);
        self.until_over(|| {
            let order = format!("{lane}-{}", number.fetch_add(1, Relaxed));
            thread::scope(|scope| {
                let payer = scope.spawn(|| {
                    sleep_up_to(3_000);
                    self.pay(&order, &format!("paid {order}"));
                });
                if random(4) == 0 {
                    // This browser comes to fetch what has been kept for it.
                    payer.join().expect("ok");
                }
                self.browse(&order);
            });
        });
    }

    /// Plays the original's scene: whoever comes to order 1 after it was paid opens its next round.
    fn play_round_after_round(&self) {
        let (mut last, number) = (0, AtomicUsize::new(0));
        while !self.is_over() {
            let _end = EndOnPanic(self);
            let mut browser = self.browser("1");
            let text = format!("paid round {}", number.fetch_add(1, Relaxed));
            let deadline = Instant::now() + PATIENCE;
            while browser.last_event_id.is_empty() && Instant::now() < deadline {
                browser.step(deadline);
            }
            let round: u64 = browser.last_event_id.parse().expect("a round");
            if round == last || round == FINISH_ID {
                // That its result was told to somebody was not yet on disk: it is told once more.
                self.told_twice.fetch_add(1, Relaxed);
                continue;
            }
            assert!(round > last, "{round} comes after {last}");
            last = round;
            thread::scope(|scope| {
                scope.spawn(|| self.pay("1", &text));
                self.hear(&mut browser, &text);
            });
            self.rounds.fetch_add(1, Relaxed);
        }
    }

    /// Pays an order, and says this, until that is acknowledged.
    fn pay(&self, order: &str, text: &str) {
        let request = request("POST", &format!("/sse/payback/{order}"), &[], text);
        let attempt = || {
            let mut payer = Client::try_connect(self.address)?;
            payer.try_send(&request)?;
            payer.try_answer()
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match attempt() {
                Ok(answer) if answer.status == 200 => {
                    self.payments.fetch_add(1, Relaxed);
                    return;
                }
                Ok(answer) if is_refusal(&answer) => self.refused.fetch_add(1, Relaxed),
                Ok(answer) => panic!("order {order}: {}", answer.masked()),
                Err(_) => self.unanswered.fetch_add(1, Relaxed),
            };
            thread::sleep(PAUSE);
        }
        panic!("order {order}: the payback was never acknowledged");
    }

    /// Waits for an order until `finish`, as the page does.
    fn browse(&self, order: &str) {
        let mut browser = self.browser(order);
        self.hear(&mut browser, &format!("paid {order}"));
    }

    /// Hears what was paid and `finish`, and nothing else, though it may lose its connection.
    fn hear(&self, browser: &mut EventSource, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut events = Vec::new();
        if random(4) == 0 {
            events.extend(browser.next(Instant::now() + Duration::from_micros(random(5_000))));
            browser.lose_connection();
        }
        while events.last().is_none_or(|event: &Event| event.kind != "finish") {
            let Some(event) = browser.next(deadline) else { panic!("{text} is lost: {events:?}") };
            events.push(event);
        }
        self.reconnects.fetch_add(browser.connections - 1, Relaxed);
        self.told_twice.fetch_add(events.len() - 2, Relaxed);
        let [messages @ .., _] = &events[..] else { unreachable!("it ends with finish") };
        let mine = |event: &Event| event.kind == "message" && event.data == text;
        assert!(!messages.is_empty() && messages.iter().all(mine), "{text}: {events:?}");
    }

    /// Waits for an order that nobody pays.
    fn wait_in_vain(&self, number: usize) {
        let _end = EndOnPanic(self);
        let mut browser = self.browser(&format!("unpaid-{number}"));
        while !self.is_over() {
            let event = browser.next(Instant::now() + PAUSE);
            assert_eq!(event, None, "nobody paid this");
        }
    }

    fn browser(&self, order: &str) -> EventSource {
        let mut browser = EventSource::new(self.address, &format!("/sse/orderpay/{order}"));
        browser.longest_wait = PAUSE;
        browser
    }
}

impl Display for Scene {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        let Scene { kills, stops, payments, rounds, refused, .. } = self;
        let Scene { unanswered, reconnects, told_twice, .. } = self;
        write!(
            out,
            "{kills:?} kills, {stops:?} stops, {payments:?} payments, {rounds:?} of them of order 1, \
             {refused:?} refused and {unanswered:?} unanswered paybacks tried again, \
             {reconnects:?} reconnects, {told_twice:?} messages told twice, \
             0 lost, 0 delivered that nobody paid"
        )
    }
}

/// Whether a payback was not acknowledged because the journal could not take it.
fn is_refusal(answer: &Answer) -> bool {
    answer.status == 503 && answer.text().contains("journal")
}

/// One thread's panic ends the others too.
struct EndOnPanic<'s>(&'s Scene);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.over.store(true, Relaxed);
        }
    }
}

/// An address to which a server can return: its port is below those that the system gives to clients,
/// who would take it while the server is down (one that connects to its own port is its own server).
fn quiet_address() -> SocketAddr {
    let ports = (20_000..30_000).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let start = random(9_000) as usize;
    let free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    ports.skip(start).find(free).expect("a free port")
}

fn sleep_up_to(microseconds: u64) {
    thread::sleep(Duration::from_micros(random(microseconds)));
}

/// A number below that. (Each hasher of std has a random key.)
fn random(end: u64) -> u64 {
    RandomState::new().hash_one(()) % end
}
