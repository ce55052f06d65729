//! Starts the server, prints where it listens, and ends it with the right exit code.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Arc, mpsc};
use std::thread;

use orderpay::app::App;
use orderpay::config::{self, Command, Config};
use orderpay::events::{Event, Events};
use orderpay::healthcheck;
use orderpay::orders::Limits;
use orderpay::os::{self, StopSignals};
use orderpay::page::PageData;
use orderpay::server::{self, Server};
use orderpay::slots::Slots;
use orderpay::store::Store;
use orderpay::waiters::Waiters;

/// What was asked for could not be done.
const FAILED: i32 = 1;
/// A mistake on the command line, as with most programs.
const MISUSED: i32 = 2;

fn main() {
    match command() {
        Err(mistake) => fail(&mistake, MISUSED),
        Ok(Command::Help) => say(config::HELP),
        Ok(Command::Version) => say(concat!("orderpay ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Healthcheck(url)) => {
            healthcheck::check(&url).unwrap_or_else(|error| fail(&error, FAILED));
        }
        Ok(Command::Serve(config)) => serve(*config),
    }
}

fn command() -> Result<Command, String> {
    let not_text = |it: &dyn fmt::Debug| format!("{it:?} is not UTF-8, as all options are");
    let arguments = env::args_os().skip(1).map(|it| it.into_string().map_err(|it| not_text(&it)));
    let arguments: Vec<String> = arguments.collect::<Result<_, _>>()?;
    let is_ours = |name: &OsStr| name.as_encoded_bytes().starts_with(b"ORDERPAY_");
    let odd = env::vars_os().find(|(name, value)| is_ours(name) && value.to_str().is_none());
    match odd {
        // The value is not shown: it may be the token.
        Some((name, _)) => Err(not_text(&name)),
        None => config::parse(arguments, |name| env::var(name).ok()),
    }
}

/// Serves until a signal comes. To start may take long, with a large journal: a thread does it, so
/// that a signal ends that too, at once, for nothing has begun that would have to be finished.
fn serve(config: Config) {
    let signals = StopSignals::hold_back();
    let (serving, started) = mpsc::sync_channel(1);
    let start = move || {
        match catch_unwind(AssertUnwindSafe(|| start(config, &serving))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => fail(&error, FAILED),
            // It has told about itself.
            Err(_panic) => process::exit(FAILED),
        }
    };
    if let Err(error) = thread::Builder::new().name("start".into()).spawn(start) {
        fail(&no_threads(error), FAILED);
    }
    signals.wait();
    if let Ok((server, app)) = started.try_recv() {
        app.events.record(Event::Stopping { waiting: app.waiters.counts().0 });
        server.stop();
        app.events.record(Event::Stopped);
        app.events.flush();
    }
}

/// Starts the server, passes it on to who stops it, and says where it is.
fn start(config: Config, serving: &mpsc::SyncSender<(Server, Arc<App>)>) -> Result<(), String> {
    let listeners = server::bind(&config.listen)?;
    let addresses: Vec<_> = listeners.iter().flat_map(TcpListener::local_addr).collect();
    let events = if config.quiet { Ok(Events::quiet()) } else { Events::logged() };
    let events = Arc::new(events.map_err(no_threads)?);
    let app = Arc::new(App {
        waiters: waiters(&config, &events)?,
        slots: Slots::new(config.max_connections),
        events: events.clone(),
        page_data: PageData {
            timeout: config.timeout.as_secs_f64(),
            heartbeat: config.heartbeat.as_secs_f64(),
            token: config.token.is_some(),
        },
        token: config.token,
    });
    let server = Server::start(app.clone(), listeners).map_err(no_threads)?;
    let _ = serving.send((server, app));
    for address in addresses {
        say(&format!("orderpay listening on http://{address}/sse/test\n"));
        events.record(Event::Listening { address });
    }
    Ok(())
}

/// Who waits, and what is settled: with what the journal has kept over a restart.
fn waiters(config: &Config, events: &Arc<Events>) -> Result<Waiters, String> {
    let descriptors = os::raise_descriptor_limit();
    // What parked waiters must leave to requests: a payback has to get in.
    let reserve = (descriptors / 32).clamp(64, 1024).min(descriptors / 2);
    let limits = Limits {
        timeout: config.timeout,
        heartbeat: config.heartbeat,
        keep: config.keep,
        remember: config.remember,
        waiters: descriptors - reserve,
    };
    // Half of the connections wait for the journal's disk, so that the others are there for the rest.
    let (store, torn) = match &config.journal {
        None => (Store::new(limits), 0),
        Some(path) => Store::open(limits, path, config.max_connections.div_ceil(2))?,
    };
    if config.journal.is_some() {
        events.record(Event::Remembered { orders: store.orders.counts().1, torn });
    }
    Ok(Waiters::new(store, reserve / 2, events.clone()))
}

fn no_threads(error: io::Error) -> String {
    format!("can't start its threads: {error}; allow this user more processes")
}

/// A closed stdout stops nothing.
fn say(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn fail(error: &str, code: i32) -> ! {
    let _ = io::stderr().write_all(format!("orderpay: {error}\n").as_bytes());
    process::exit(code)
}
