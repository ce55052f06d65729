//! What 19,000 waiters cost: memory, the time of an order among them, and the last one's when all
//! time out at once.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, address_of};
use crate::crowd::{CROWD, Crowd};
use crate::harness::Goal::{self, AtLeast, AtMost};
use crate::harness::{Rounds, Table, fault, interleaved};
use crate::servers::{self, Program, Server};
use crate::throughput::new_order;

const MIB: f64 = 1024.0 * 1024.0;

/// Memory and threads, and the time from a payback to the last frame, one order at a time: alone,
/// beside a crowd that waits for other orders, and while all of these get heartbeats. A scene is
/// over before the next begins, so that none disturbs another.
pub fn parked(table: &mut Table) {
    const ROUNDS: usize = 5;
    /// Threads that were started to accept 19,000 in a second may stay: they are not one per waiter.
    const FEW: f64 = 32.0;
    let mut scenes = vec![("none parked", Program::Orderpay(&[]))];
    scenes.extend(servers::all().into_iter().map(|program| ("19,000 parked", program)));
    scenes.push(("heartbeats to 19,000", Program::Orderpay(&["--heartbeat", "1"])));
    let seen = interleaved(ROUNDS, &scenes, |(scene, program)| {
        Seen::watch(&program.start(), *scene != "none parked")
    });

    let names: Vec<&str> = scenes.iter().map(|(_, program)| program.name()).collect();
    let last = scenes.len() - 1;
    let crowds = (&names[1..last], &seen[1..last]);
    table.rows("resident bytes per parked waiter", crowds, Seen::bytes_of_one, AtMost(400.0));
    table.rows("resident with 19,000 parked, MiB", crowds, |seen| seen.full / MIB, AtMost(12.0));
    table.rows("threads more with 19,000 parked", crowds, |seen| seen.more_threads, AtMost(FEW));
    for (percentile, of) in [("p50", Seen::p50 as fn(&Seen) -> f64), ("p99", Seen::p99)] {
        let goal = AtMost(1.2 * Rounds::of(&seen[0], of).median());
        for (number, (scene, program)) in scenes.iter().enumerate() {
            let goal = if number == 1 || number == last { goal } else { Goal::None };
            let figure = format!("payback→last frame {percentile}, µs, {scene}");
            table.row(&figure, program.name(), &Rounds::of(&seen[number], of), goal);
        }
    }
}

/// What a scene showed.
struct Seen {
    /// Bytes in memory before the crowd came, and when all were parked.
    empty: f64,
    full: f64,
    more_threads: f64,
    /// From payback to last frame, sorted.
    took: Vec<Duration>,
}

impl Seen {
    fn watch(server: &Server, crowded: bool) -> Self {
        let processes = server.processes();
        let (empty, threads) = (processes.resident_bytes(), processes.threads());
        let _crowd = crowded.then(|| Crowd::park(server));
        let (full, more_threads) = (processes.resident_bytes(), processes.threads() - threads);
        Seen { empty, full, more_threads, took: orders(server) }
    }

    fn bytes_of_one(&self) -> f64 {
        (self.full - self.empty) / CROWD as f64
    }

    fn p50(&self) -> f64 {
        self.percentile(50)
    }

    fn p99(&self) -> f64 {
        self.percentile(99)
    }

    /// Microseconds.
    fn percentile(&self, percent: usize) -> f64 {
        self.took.get(self.took.len() * percent / 100).map_or(0.0, |took| took.as_secs_f64() * 1e6)
    }
}

/// One order after the other, for more than the second in which every waiter gets a heartbeat.
fn orders(server: &Server) -> Vec<Duration> {
    const LONG: Duration = Duration::from_millis(1200);
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < LONG {
        took.extend(timed_cycle(server));
    }
    took.sort();
    took
}

/// All of the crowd time out within the time that it took to park them. Meanwhile others pay.
pub fn timeouts(table: &mut Table) {
    const ROUNDS: usize = 3;
    const TIMEOUT: Duration = Duration::from_secs(4);
    let ours = [Program::Orderpay(&["--timeout", "4"])];
    let told = interleaved(ROUNDS, &ours, |program| Told::watch(&program.start(), TIMEOUT));
    let told = (&["orderpay"][..], &told[..]);
    table.rows("19,000 placed within, ms", told, |told| told.placed_in, Goal::None);
    table.rows("19,000 time out: earliest, ms late", told, |told| told.earliest, AtLeast(0.0));
    table.rows("19,000 time out: latest, ms late", told, |told| told.latest, AtMost(500.0));
    table.rows("slowest payback meanwhile, ms", told, |told| told.slowest_payback, AtMost(50.0));
}

/// Milliseconds.
struct Told {
    placed_in: f64,
    earliest: f64,
    latest: f64,
    slowest_payback: f64,
}

impl Told {
    fn watch(server: &Server, timeout: Duration) -> Self {
        let mut crowd = Crowd::await_timeout(server, timeout);
        let placed_in = crowd.placed_in;
        let (slowest, (earliest, latest, lost)) = thread::scope(|scope| {
            let told = scope.spawn(move || crowd.told());
            let mut slowest = Duration::ZERO;
            while !told.is_finished() {
                slowest = slowest.max(timed_cycle(server).unwrap_or_default());
                thread::sleep(Duration::from_millis(2));
            }
            (slowest, told.join().expect("the crowd tells"))
        });
        if lost > 0 {
            fault(&server.name, format!("{lost} of {CROWD} were not told that their time was up"));
        }
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        Told {
            placed_in: milliseconds(placed_in),
            earliest: milliseconds(earliest) - milliseconds(timeout),
            latest: milliseconds(latest) - milliseconds(timeout),
            slowest_payback: milliseconds(slowest),
        }
    }
}

fn timed_cycle(server: &Server) -> Option<Duration> {
    let cycle = client::cycle(server.place, address_of(0), &new_order());
    cycle.inspect_err(|error| fault(&server.name, error)).ok()
}
