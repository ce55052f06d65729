//! What it takes to be there, to do nothing, and to be asked by everybody at once.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, PATIENCE, address_of, new_order};
use crate::compare::{Comparison, interleaved};
use crate::harness::Goal::{self, AtMost};
use crate::harness::{Rounds, Table, fault};
use crate::servers::{self, Program, Server};
use crate::waiters::Waiters;

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

/// From the start of the process to its first answer, and its memory then.
pub fn start(table: &mut Table) {
    const ROUNDS: usize = 15;
    let programs = servers::all();
    let starts = interleaved(ROUNDS, &programs, |program| {
        let start = Instant::now();
        let server = program.start();
        answered(&server);
        (start.elapsed().as_secs_f64() * 1e3, server.processes().resident_bytes() / MIB)
    });
    let starts = Comparison::new(&programs, starts);
    table.rows("start to first answer, ms", &starts, |&(took, _)| took, AtMost(3.0));
    table.rows("resident when idle, MiB", &starts, |&(_, resident)| resident, AtMost(2.5));
}

/// A server with nothing to do is not run.
pub fn idle(table: &mut Table) {
    const IDLE: Duration = Duration::from_secs(5);
    let server = Program::Orderpay(&[]).start();
    answered(&server);
    // What the answer has started ends first: a thread that waits for more, or goes.
    thread::sleep(Duration::from_millis(500));
    let processes = server.processes();
    let before = processes.context_switches();
    thread::sleep(IDLE);
    let switches = processes.context_switches() - before;
    table.row("context switches in 5 idle seconds", Rounds::once(switches), AtMost(0.0));
    table.row("threads when idle", Rounds::once(processes.threads()), Goal::None);
}

fn answered(server: &Server) {
    let answer = client::ask_health(server.place, address_of(0));
    answer.unwrap_or_else(|error| fault(&server.name, error));
}

/// Bytes on disk; the static binary only if somebody has built one.
pub fn size(table: &mut Table) {
    let binary = Path::new(env!("CARGO_BIN_EXE_orderpay"));
    let kib = |file: &Path| fs::metadata(file).map(|data| Rounds::once(data.len() as f64 / KIB));
    match kib(binary) {
        Ok(size) => table.row("release binary, KiB", size, AtMost(640.0)),
        Err(error) => fault("orderpay", error),
    }
    match kib(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target/static/orderpay")) {
        Ok(size) => table.row("static binary, KiB", size, AtMost(1.6 * KIB)),
        Err(_) => table.missing("static binary, KiB"),
    }
}

const BURST: usize = 4_000;
/// So many connect before the first of them sends its request: a browser does so a round trip
/// later.
const WAVE: usize = 500;

/// Browsers that come back after a restart: all connect at once, and none may be left to retransmit
/// its SYN after a second because the listener's queue was full (RFC 6298, section 2).
pub fn burst(table: &mut Table) {
    const ROUNDS: usize = 5;
    let slowest = interleaved(ROUNDS, &[Program::Orderpay(&[])], |program| {
        let server = program.start();
        let slowest = slowest_greeting(&server).inspect_err(|error| fault(&server.name, error));
        slowest.unwrap_or_default().as_secs_f64() * 1e3
    });
    let slowest = Rounds::of(&slowest[0], |&took| took);
    table.row("burst of 4,000: slowest to be greeted, ms", slowest, AtMost(500.0));
}

fn slowest_greeting(server: &Server) -> io::Result<Duration> {
    let end = Instant::now() + PATIENCE;
    let (mut waiters, mut begun) = (Waiters::none_yet(server.place)?, Vec::with_capacity(BURST));
    let (mut greeted, mut slowest) = (0, Duration::ZERO);
    while greeted < BURST && Instant::now() < end {
        for _ in begun.len()..BURST.min(begun.len() + WAVE) {
            begun.push(Instant::now());
            waiters.add(&new_order())?;
        }
        let left = end.saturating_duration_since(Instant::now());
        let longest = if begun.len() < BURST { Duration::ZERO } else { left };
        waiters.turn(longest, |number, waiter| {
            if server.place.wire.has_opened(&waiter.seen) {
                waiter.seen.clear();
                greeted += 1;
                slowest = slowest.max(begun[number].elapsed());
            }
        })?;
    }
    if greeted < BURST {
        fault(&server.name, format!("{} of the burst were not greeted", BURST - greeted));
    }
    Ok(slowest)
}
