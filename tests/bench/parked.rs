//! What 19,000 waiters cost: memory, the time of an order among them, and the last one's when all
//! time out at once.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, address_of, new_order};
use crate::compare::{Comparison, interleaved};
use crate::crowd::{CROWD, Crowd};
use crate::harness::Goal::{self, AtLeast, AtMost};
use crate::harness::{OURS, Table, fault};
use crate::servers::{self, AXUM, Program, Server};

const MIB: f64 = 1024.0 * 1024.0;

const ROUNDS: usize = 5;

/// Memory and threads, and the time from a payback to the last frame, one order at a time: alone,
/// beside a crowd that waits for other orders, and while all of these get heartbeats. A scene is
/// over before the next begins, so that none disturbs another.
pub fn parked(table: &mut Table) {
    let programs = servers::all();
    let scenes = scenes(&programs);
    let mut seen = interleaved(ROUNDS, &scenes, |(program, crowded, long)| {
        Seen::watch(&program.start(), *crowded, *long)
    });
    let mut next = |count| seen.drain(..count).collect::<Vec<_>>();
    let alone = Comparison::new(&programs, next(programs.len()));
    let crowded = Comparison::new(&programs, next(programs.len()));
    let heartbeats = Comparison::new(&programs[..1], next(1));

    costs(table, &crowded);
    for (percentile, of) in [("p50", Seen::p50 as fn(&Seen) -> f64), ("p99", Seen::p99)] {
        let steady = AtMost(1.2 * alone.median(OURS, of).unwrap_or_default());
        let scenes = [
            ("none parked", &alone, alone.at_most(1.0, AXUM, of)),
            ("19,000 parked", &crowded, crowded.at_most(1.0, AXUM, of)),
            ("heartbeats to 19,000", &heartbeats, steady),
        ];
        for (scene, seen, goal) in scenes {
            table.rows(&format!("payback→last frame {percentile}, µs, {scene}"), seen, of, goal);
        }
    }
}

/// A server, whether it has a crowd, and for how long others pay.
fn scenes(programs: &[Program]) -> Vec<(Program, bool, Duration)> {
    const SHORT: Duration = Duration::from_millis(600);
    /// More than the second in which every waiter gets a heartbeat.
    const LONG: Duration = Duration::from_millis(1200);
    let all = |crowded| programs.iter().cloned().map(move |program| (program, crowded, SHORT));
    let heartbeats = (Program::Orderpay(&["--heartbeat", "1"]), true, LONG);
    all(false).chain(all(true)).chain([heartbeats]).collect()
}

fn costs(table: &mut Table, crowded: &Comparison<Seen>) {
    /// Threads that were started to accept 19,000 in a second may stay: they are not one per waiter.
    const FEW: f64 = 32.0;
    table.rows("resident bytes per parked waiter", crowded, Seen::bytes_of_one, AtMost(400.0));
    table.rows("resident with 19,000 parked, MiB", crowded, |seen| seen.full / MIB, AtMost(12.0));
    table.rows("threads more with 19,000 parked", crowded, |seen| seen.more_threads, AtMost(FEW));
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
    fn watch(server: &Server, crowded: bool, long: Duration) -> Self {
        let processes = server.processes();
        let (empty, threads) = (processes.resident_bytes(), processes.threads());
        let _crowd = crowded.then(|| Crowd::park(server));
        let (full, more_threads) = (processes.resident_bytes(), processes.threads() - threads);
        Seen { empty, full, more_threads, took: orders(server, long) }
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

/// One order after the other, for so long.
fn orders(server: &Server, long: Duration) -> Vec<Duration> {
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < long {
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
    let told = Comparison::new(&ours, told);
    table.rows("19,000 placed within, ms", &told, |told| told.placed_in, Goal::None);
    table.rows("19,000 time out: earliest, ms late", &told, |told| told.earliest, AtLeast(0.0));
    table.rows("19,000 time out: latest, ms late", &told, |told| told.latest, AtMost(500.0));
    table.rows("slowest payback meanwhile, ms", &told, |told| told.slowest_payback, AtMost(50.0));
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
