//! What it takes to be there, to do nothing, and to be asked by everybody at once.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, address_of};
use crate::harness::Goal::{self, AtMost};
use crate::harness::{Rounds, Table, fault, interleaved};
use crate::os::{self, Interest, POLLIN, POLLOUT};
use crate::servers::{self, Program, Server};
use crate::throughput::new_order;

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

/// From the start of the process to its first answer, and its memory then.
pub fn start(table: &mut Table) {
    const ROUNDS: usize = 15;
    let programs = servers::all();
    let names: Vec<&str> = programs.iter().map(Program::name).collect();
    let starts = interleaved(ROUNDS, &programs, |program| {
        let start = Instant::now();
        let server = program.start();
        answered(&server);
        (start.elapsed().as_secs_f64() * 1e3, server.processes().resident_bytes() / MIB)
    });
    let starts = (&names[..], &starts[..]);
    table.rows("start to first answer, ms", starts, |&(took, _)| took, AtMost(3.0));
    table.rows("resident when idle, MiB", starts, |&(_, resident)| resident, AtMost(2.5));
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
    table.row(
        "context switches in 5 idle seconds",
        &server.name,
        &Rounds::once(switches),
        AtMost(0.0),
    );
    table.row("threads when idle", &server.name, &Rounds::once(processes.threads()), Goal::None);
}

fn answered(server: &Server) {
    let answer = client::ask(server.place, address_of(0)).and_then(client::read_health);
    answer.unwrap_or_else(|error| fault(&server.name, error));
}

/// Bytes on disk; the static binary only if somebody has built one.
pub fn size(table: &mut Table) {
    let binary = Path::new(env!("CARGO_BIN_EXE_orderpay"));
    let name = "orderpay";
    let kib = |file: &Path| fs::metadata(file).map(|data| Rounds::once(data.len() as f64 / KIB));
    match kib(binary) {
        Ok(size) => table.row("release binary, KiB", name, &size, AtMost(640.0)),
        Err(error) => fault(name, error),
    }
    match kib(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target/static/orderpay")) {
        Ok(size) => table.row("static binary, KiB", name, &size, AtMost(1.6 * KIB)),
        Err(_) => table.missing("static binary, KiB", name),
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
    let slowest = (&["orderpay"][..], &slowest[..]);
    table.rows("burst of 4,000: slowest to be greeted, ms", slowest, |&took| took, AtMost(500.0));
}

fn slowest_greeting(server: &Server) -> io::Result<Duration> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let end = Instant::now() + PATIENCE;
    let (mut visitors, mut interests) = (Vec::<Visitor>::new(), Vec::<Interest>::new());
    while interests.iter().any(|one| one.fd >= 0) && Instant::now() < end || visitors.len() < BURST
    {
        for number in visitors.len()..BURST.min(visitors.len() + WAVE) {
            let visitor = Visitor::arrive(server, number)?;
            interests.push(Interest { fd: visitor.stream.as_raw_fd(), wanted: POLLOUT, ready: 0 });
            visitors.push(visitor);
        }
        let all_are_here = visitors.len() == BURST;
        let left = end.saturating_duration_since(Instant::now());
        os::wait(&mut interests, if all_are_here { left } else { Duration::ZERO })?;
        for (visitor, interest) in visitors.iter_mut().zip(&mut interests) {
            if interest.ready != 0 {
                visitor.go_on(server, interest)?;
            }
        }
    }
    let greeted: Vec<Duration> = visitors.iter().filter_map(|visitor| visitor.greeted).collect();
    for _ in greeted.len()..BURST {
        fault(&server.name, "a browser of the burst was not greeted");
    }
    Ok(greeted.into_iter().max().unwrap_or_default())
}

/// A browser of the burst.
struct Visitor {
    start: Instant,
    stream: TcpStream,
    seen: Vec<u8>,
    greeted: Option<Duration>,
}

impl Visitor {
    fn arrive(server: &Server, number: usize) -> io::Result<Self> {
        const ADDRESSES: usize = 4;
        let start = Instant::now();
        let stream =
            os::start_connecting_from(address_of(number % ADDRESSES), server.place.address)?;
        Ok(Visitor { start, stream, seen: Vec::new(), greeted: None })
    }

    /// Asks once it is connected, and reads once it is answered.
    fn go_on(&mut self, server: &Server, interest: &mut Interest) -> io::Result<()> {
        if interest.wanted == POLLOUT {
            interest.wanted = POLLIN;
            return self.stream.write_all(client::orderpay(&new_order()).as_bytes());
        }
        let mut piece = [0; 1024];
        let count = self.stream.read(&mut piece)?;
        self.seen.extend_from_slice(&piece[..count]);
        let greeted = client::contains(&self.seen, server.place.wire.opening);
        self.greeted = greeted.then(|| self.start.elapsed());
        if greeted || count == 0 {
            interest.fd = -1;
        }
        Ok(())
    }
}
