//! How much work a second, and what of the machine it takes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, Place, address_of};
use crate::harness::Goal::{self, AtLeast, AtMost};
use crate::harness::{Rounds, Table, fault, interleaved};
use crate::process::machine_context_switches;
use crate::servers::{self, Program, Server};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1200);
const CLIENTS: usize = 64;
/// Few threads with many connections each: they take less of the machine than 64 that wait for
/// their turn.
const GENERATORS: usize = 2;
const CONNECTIONS_EACH: usize = CLIENTS / GENERATORS;

/// Orders from greeting to end of stream, by 64 clients that do both roles themselves.
pub fn cycles(table: &mut Table) {
    // The baseline forgets at once what orderpay has to keep; what people would use instead is the
    // measure.
    let (servers, baseline) = (started(servers::all()), started([Program::Baseline("spawn")]));
    let all: Vec<&Server> = servers.iter().chain(&baseline).collect();
    let loads = interleaved(ROUNDS, &all, |server| load(server, CLIENTS, cycles_until));
    let medians = |figure: fn(&Load) -> f64| {
        loads[1..servers.len()].iter().map(move |rounds| Rounds::of(rounds, figure).median())
    };
    let ahead = medians(Load::per_second).reduce(f64::max).map_or(Goal::None, AtLeast);
    let lean = medians(Load::cpu).reduce(f64::min).map_or(Goal::None, |cpu| AtMost(0.7 * cpu));
    let names = names(all);
    let loads = (&names[..], &loads[..]);
    table.rows("cycles/s, 64 clients", loads, Load::per_second, ahead);
    table.rows("server CPU per cycle, µs", loads, Load::cpu, lean);
    table.rows("context switches per cycle, clients' too", loads, Load::switches, Goal::None);
}

/// One request on each connection.
pub fn connections(table: &mut Table) {
    against("spawn", table, "new connections/s, one request each", 1.2, connections_until);
}

/// Many requests on each of 64 connections.
pub fn keep_alive(table: &mut Table) {
    against("constant", table, "requests/s on 64 kept connections", 0.95, requests_until);
}

fn against(baseline: &'static str, table: &mut Table, figure: &str, least: f64, work: Work) {
    let servers = started([Program::Orderpay(&[]), Program::Baseline(baseline)]);
    let loads = interleaved(ROUNDS, &servers, |server| load(server, GENERATORS, work));
    let goal = AtLeast(least * Rounds::of(&loads[1], Load::per_second).median());
    let names = names(&servers);
    let loads = (&names[..], &loads[..]);
    table.rows(figure, loads, Load::per_second, goal);
    table.rows("server CPU for each of these, µs", loads, Load::cpu, Goal::None);
}

fn started(programs: impl IntoIterator<Item = Program>) -> Vec<Server> {
    programs.into_iter().map(|program| program.start()).collect()
}

fn names<'s>(servers: impl IntoIterator<Item = &'s Server>) -> Vec<&'s str> {
    servers.into_iter().map(|server| server.name.as_str()).collect()
}

/// What one round of load did.
struct Load {
    done: f64,
    seconds: f64,
    cpu_seconds: f64,
    switches: f64,
}

impl Load {
    fn per_second(&self) -> f64 {
        self.done / self.seconds
    }

    /// Microseconds.
    fn cpu(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.done
    }

    fn switches(&self) -> f64 {
        self.switches / self.done
    }
}

/// What a client's thread does till the end; returns how often.
type Work = fn(&Server, usize, Instant) -> u64;

fn load(server: &Server, threads: usize, work: Work) -> Load {
    let processes = server.processes();
    let (start, cpu, switches) =
        (Instant::now(), processes.cpu_seconds(), machine_context_switches());
    let end = start + ROUND;
    let done: u64 = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..threads).map(|client| scope.spawn(move || work(server, client, end))).collect();
        clients.into_iter().map(|client| client.join().expect("a client does not panic")).sum()
    });
    Load {
        done: done as f64,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: processes.cpu_seconds() - cpu,
        switches: machine_context_switches() - switches,
    }
}

fn cycles_until(server: &Server, client: usize, end: Instant) -> u64 {
    let mut done = 0;
    while Instant::now() < end {
        done += counted(
            server,
            client::cycle(server.place, address_of(client), &new_order()).map(drop),
        );
    }
    done
}

/// While the answer to one is read, the others' requests are on their way.
fn connections_until(server: &Server, client: usize, end: Instant) -> u64 {
    let mut asked = VecDeque::with_capacity(CONNECTIONS_EACH);
    let mut done = 0;
    loop {
        let more = Instant::now() < end;
        if more {
            asked.push_back(client::ask(server.place, address_of(client)));
        }
        if more && asked.len() < CONNECTIONS_EACH {
            continue;
        }
        let Some(oldest) = asked.pop_front() else { return done };
        done += counted(server, oldest.and_then(client::read_health));
    }
}

/// Each connection gets its next request as soon as its answer is read.
fn requests_until(server: &Server, client: usize, end: Instant) -> u64 {
    let mut done = 0;
    counted(server, keep_asking(server.place, client, end, &mut done));
    done
}

fn keep_asking(place: Place, client: usize, end: Instant, done: &mut u64) -> io::Result<()> {
    const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let connect = |_| client::connect(place, address_of(client));
    let mut streams = (0..CONNECTIONS_EACH).map(connect).collect::<io::Result<Vec<TcpStream>>>()?;
    streams.iter_mut().try_for_each(|stream| stream.write_all(REQUEST))?;
    let mut answer = [0; 1024];
    while Instant::now() < end {
        for stream in &mut streams {
            // An answer is one segment: all of it comes at once.
            let count = stream.read(&mut answer)?;
            let answer = &answer[..count];
            if !answer.starts_with(b"HTTP/1.1 200 ") || !answer.ends_with(b"\r\n\r\nok") {
                return Err(client::unexpected("answer", answer));
            }
            *done += 1;
            stream.write_all(REQUEST)?;
        }
    }
    Ok(())
}

/// An id that no other order of this run has.
pub fn new_order() -> String {
    static ORDERS: AtomicU64 = AtomicU64::new(0);
    format!("order-{}", ORDERS.fetch_add(1, Ordering::Relaxed))
}

fn counted(server: &Server, result: io::Result<()>) -> u64 {
    match result {
        Ok(()) => 1,
        Err(error) => {
            fault(&server.name, error);
            0
        }
    }
}
