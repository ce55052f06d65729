//! How much work a second with all cores full, and what of the machine it takes.

use crate::compare::{Comparison, interleaved};
use crate::harness::Goal::{self, AtLeast};
use crate::harness::Table;
use crate::load::{Load, Visit};
use crate::servers::{self, AXUM, Program, Server};
use crate::visits::{Conversation, Cycle, Question};

const ROUNDS: usize = 7;

/// Orders from opening to end of stream.
pub fn cycles(table: &mut Table) {
    let loads = loads::<Cycle>("spawn");
    let ahead = loads.at_least_of_all(1.15, Load::per_second);
    table.rows("cycles/s", &loads, Load::per_second, ahead);
    table.rows("server CPU per cycle, µs", &loads, Load::cpu, loads.at_most(0.62, AXUM, Load::cpu));
    table.rows("context switches per cycle, clients' too", &loads, Load::switches, Goal::None);
}

/// One request on each connection.
pub fn connections(table: &mut Table) {
    let loads = loads::<Question>("spawn");
    let ahead = loads.at_least_of_all(1.3, Load::per_second);
    table.rows("connections/s, one GET each", &loads, Load::per_second, ahead);
    table.rows("server CPU per connection, µs", &loads, Load::cpu, Goal::None);
}

/// Many requests on each connection, beside who parses nothing.
pub fn keep_alive(table: &mut Table) {
    const ROOFLINE: &str = "constant";
    let loads = loads::<Conversation>(ROOFLINE);
    let roofline = loads.median(ROOFLINE, Load::per_second).unwrap_or_default();
    let near = AtLeast(0.95 * roofline);
    table.rows("requests/s on kept connections", &loads, Load::per_second, near);
    table.rows("server CPU per request, µs", &loads, Load::cpu, Goal::None);
}

/// The same load for all servers, and for a baseline at last.
fn loads<V: Visit>(baseline: &'static str) -> Comparison<Load> {
    let programs: Vec<Program> =
        servers::all().into_iter().chain([Program::Baseline(baseline)]).collect();
    let servers: Vec<Server> = programs.iter().map(Program::start).collect();
    Comparison::new(&programs, interleaved(ROUNDS, &servers, Load::of::<V>))
}
