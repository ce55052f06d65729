//! One order for which thousands wait: a payback tells them all.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, PATIENCE, address_of, new_order};
use crate::compare::{Comparison, interleaved};
use crate::harness::{Table, fault};
use crate::servers::{self, Program, Server};
use crate::waiters::Waiters;

const WAITERS: usize = 5000;
const SETTLED: Duration = Duration::from_millis(50);

pub fn shared(table: &mut Table) {
    const ROUNDS: usize = 5;
    let programs = servers::all();
    let servers: Vec<Server> = programs.iter().map(Program::start).collect();
    let told = interleaved(ROUNDS, &servers, |server| {
        let told = tell_all(server).inspect_err(|error| fault(&server.name, error));
        told.unwrap_or_default()
    });
    let told = Comparison::new(&programs, told);
    let figure = "one order, 5,000 waiters: payback→last of them, ms";
    table.rows(figure, &told, Told::last, told.at_most_of_all(Told::last));
    let figure = "one order, 5,000 waiters: server CPU each, µs";
    table.rows(figure, &told, Told::cpu_each, told.at_most_of_all(Told::cpu_each));
}

#[derive(Default)]
struct Told {
    /// From the start of the payback till the last waiter has its last frame.
    last: Duration,
    /// From the payback till all connections are closed.
    cpu_seconds: f64,
}

impl Told {
    /// Milliseconds.
    fn last(&self) -> f64 {
        self.last.as_secs_f64() * 1e3
    }

    /// Microseconds.
    fn cpu_each(&self) -> f64 {
        self.cpu_seconds * 1e6 / WAITERS as f64
    }
}

fn tell_all(server: &Server) -> io::Result<Told> {
    let (place, wire, order) = (server.place, server.place.wire, new_order());
    let mut waiters = Waiters::park(place, WAITERS, |_| order.clone())?;
    let processes = server.processes();
    let (cpu, start) = (processes.cpu_seconds(), Instant::now());
    let platform = client::pay(place, address_of(0), &order)?;
    let (mut last, mut wrong) = (Duration::ZERO, 0);
    let untold = waiters.attend(start + PATIENCE, |_, waiter| {
        if !waiter.has_ended() && wire.has_told(&waiter.seen) {
            last = start.elapsed();
            if wire.stays_open() {
                waiter.close();
            }
        }
        if waiter.has_ended() {
            wrong += usize::from(wire.check_frames(&waiter.seen).is_err());
        }
    })?;
    client::read_receipt(platform, wire)?;
    // What it costs to close what the clients have closed is part of it.
    thread::sleep(SETTLED);
    if untold + wrong > 0 {
        fault(&server.name, format!("{untold} of {WAITERS} were not told, {wrong} something else"));
    }
    Ok(Told { last, cpu_seconds: processes.cpu_seconds() - cpu })
}
