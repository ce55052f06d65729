//! Starts the server, prints where it listens, and ends it with the right exit code.

use std::env;
use std::io::{self, Write};
use std::process;
use std::sync::{Arc, OnceLock};

use orderpay::app::App;
use orderpay::budget::Budget;
use orderpay::config::{self, Command, Config};
use orderpay::events::{Event, Events};
use orderpay::healthcheck;
use orderpay::orders::Limits;
use orderpay::os::{self, StopSignals};
use orderpay::reaper;
use orderpay::server::{self, Server};
use orderpay::slots::Slots;
use orderpay::spawn;
use orderpay::store::Store;
use orderpay::waiters::Waiters;

/// A mistake on the command line, as with most programs; what could not be done is 1.
const MISUSED: i32 = 2;

fn main() {
    os::survive_file_size_limit();
    os::share_heap();
    let failed = |error| fail(error, 1);
    match config::parse(env::args_os().skip(1), &|name| env::var(name)) {
        Err(mistake) => fail(mistake, MISUSED),
        Ok(Command::Help(text)) => say(text),
        Ok(Command::Version) => say(concat!("orderpay ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Healthcheck(url)) => healthcheck::check(&url).unwrap_or_else(failed),
        Ok(Command::Serve(config)) => serve(config).unwrap_or_else(failed),
    }
}

/// Serves until a signal comes. It may come while the start takes long, with a large journal, and
/// ends that too, at once: nothing has begun that would have to be finished. Before, while options are
/// read, it ends the program as it does any: a name may be looked up for long.
fn serve(config: Config) -> Result<(), String> {
    let signals = StopSignals::hold_back();
    let started = Arc::new(OnceLock::<Arc<Server>>::new());
    let serving = started.clone();
    let stop = move || {
        signals.wait();
        started.get().map_or_else(|| process::exit(0), |server| server.stop());
    };
    let stopping = spawn("stop", stop).map_err(no_threads)?;
    let server = start(config)?;
    let _ = serving.set(server.clone());
    let line = |address| format!("orderpay listening on http://{address}/sse/test\n");
    let lines: String = server.addresses().map(line).collect();
    // In a thread of its own: a stdout that nobody reads stops nothing.
    spawn("tell", move || say(&lines)).map_err(no_threads)?;
    reaper::run(&server.app.waiters);
    stopping.join().map_err(|_| "could not stop in order".to_owned())
}

fn start(config: Config) -> Result<Arc<Server>, String> {
    let listeners = server::bind(&config.listen)?;
    let events = if config.quiet { Ok(Events::default()) } else { Events::logged() };
    let events = Arc::new(events.map_err(no_threads)?);
    let budget = Budget::new(config.memory);
    let slots = Slots::new(config.max_connections, budget.threads(), listeners.len());
    if slots.are_short() {
        listeners.iter().for_each(os::defer_accept);
    }
    let waiters = waiters(&config, &budget, &slots, &events)?;
    let app = App { config, budget, waiters, slots, events };
    Server::start(app, listeners).map_err(no_threads)
}

/// Who waits, and what is settled: with what the journal has kept over a restart.
fn waiters(
    config: &Config,
    budget: &Budget,
    slots: &Slots,
    events: &Arc<Events>,
) -> Result<Waiters, String> {
    let descriptors = os::raise_descriptor_limit();
    // What parked waiters must leave to requests: a payback has to get in.
    let reserve = (descriptors / 32).clamp(64, 1024).min(descriptors / 2);
    let waiters = budget.waiters().min(descriptors - reserve);
    let limits = Limits { waiters, results: budget.results(), ..config.limits };
    // Some of the connections don't wait for the journal's disk: they are there for the rest.
    let (store, torn) = match &config.journal {
        None => (Store::new(limits), 0),
        Some(path) => Store::open(limits, path, slots.limit.div_ceil(2))
            .map_err(|error| format!("--journal {error}"))?,
    };
    if config.journal.is_some() {
        let orders = store.orders.counts().1;
        events.record(Event::Remembered, format_args!("orders={orders} torn_bytes={torn}"));
    }
    Ok(Waiters::new(store, budget.spare_places().min(reserve / 2), events.clone()))
}

fn no_threads(error: io::Error) -> String {
    format!("can't start its threads: {error}; allow this user more processes")
}

/// A closed stdout stops nothing.
fn say(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn fail(error: String, code: i32) {
    let _ = io::stderr().write_all(format!("orderpay: {error}\n").as_bytes());
    process::exit(code)
}
