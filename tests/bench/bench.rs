//! What does it cost? Each figure beside the least that could do the same job, and beside what
//! people would use instead.
//!
//!     cargo bench --bench bench                       all of it, three minutes
//!     cargo bench --bench bench -- cycles parked      only these
//!     BENCH_BESIDE='axum=/path/to/one {port}' …       one more server, same paths, same frames
//!
//! A measurement is a function that fills in rows of the table: `throughput`, `shared`, `parked`
//! and `startup` have them. `harness` knows the table, `compare` rounds and goals, `servers` who is
//! measured, `baselines` what is the least, `process` where the kernel counts, and `os` what std
//! lacks for all that.
//!
//! Who asks: `load` keeps all cores busy with `visits`, `waiters` wait in thousands, `crowd` has
//! them in a process of their own, each over a `connection` that never blocks; and `client` has
//! what both sides say, and the one who pays alone and blocks, to measure how long it takes.
//!
//! Ends with 1 if an answer was wrong, late or missing. A target that is not reached is in the
//! table and no error: targets are for one machine, and a figure is only as good as what else that
//! did meanwhile. Needs 20,000 descriptors (`ulimit -Hn`).

mod baselines;
mod client;
mod compare;
mod connection;
mod crowd;
mod harness;
mod load;
mod os;
mod parked;
mod process;
mod servers;
mod shared;
mod startup;
mod throughput;
mod visits;
mod waiters;

use std::env;
use std::io;
use std::process::ExitCode;

use harness::Table;

type Measurement = (&'static str, fn(&mut Table));

const MEASUREMENTS: [Measurement; 10] = [
    ("cycles", throughput::cycles),
    ("connections", throughput::connections),
    ("keep-alive", throughput::keep_alive),
    ("shared", shared::shared),
    ("parked", parked::parked),
    ("timeouts", parked::timeouts),
    ("burst", startup::burst),
    ("start", startup::start),
    ("idle", startup::idle),
    ("size", startup::size),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--child", ref role @ ..] => match child(role) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: {error}", role.join(" "));
                ExitCode::FAILURE
            }
        },
        _ if arguments.contains(&"--bench") => measure(&arguments),
        // `cargo test --all-targets` starts benchmarks too, and means no measurement.
        _ => ExitCode::SUCCESS,
    }
}

fn child(role: &[&str]) -> io::Result<()> {
    match *role {
        ["spawn"] => baselines::spawn(),
        ["constant"] => baselines::constant(),
        ["crowd", name, address, until] => crowd::child(name, address, until),
        _ => Err(io::Error::other("no such role")),
    }
}

fn measure(arguments: &[&str]) -> ExitCode {
    let wanted: Vec<&str> =
        arguments.iter().copied().filter(|argument| !argument.starts_with("--")).collect();
    os::raise_descriptor_limit().expect("as many descriptors as there may be");
    println!("{}\n", process::machine());
    let mut table = Table::begin(servers::all().iter().map(|server| server.name().to_owned()));
    if !servers::has_nchan() {
        table.missing("nginx with nchan");
    }
    for (name, measurement) in MEASUREMENTS {
        if wanted.is_empty() || wanted.contains(&name) {
            measurement(&mut table);
        }
    }
    table.summary();
    if harness::faultless() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
