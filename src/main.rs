//! Starts the server, prints where it listens, and ends it with the right exit code.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;

use orderpay::app::App;
use orderpay::config::{self, Command, Config};
use orderpay::events::{Event, Events};
use orderpay::healthcheck;
use orderpay::orders::Limits;
use orderpay::os::{self, StopSignals};
use orderpay::page::Facts;
use orderpay::seats::Seats;
use orderpay::server::{self, Server};
use orderpay::store::Store;
use orderpay::waiters::Waiters;

/// A mistake on the command line, as with most programs.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let outcome = match command() {
        Err(mistake) => return fail(&mistake, MISUSED),
        Ok(Command::Help) => {
            say(config::HELP);
            Ok(())
        }
        Ok(Command::Version) => {
            say(concat!("orderpay ", env!("CARGO_PKG_VERSION"), "\n"));
            Ok(())
        }
        Ok(Command::Healthcheck(url)) => healthcheck::check(&url),
        Ok(Command::Serve(config)) => serve(*config),
    };
    outcome.map_or_else(|error| fail(&error, 1), |()| ExitCode::SUCCESS)
}

fn command() -> Result<Command, String> {
    let not_text = |it: &dyn fmt::Debug| format!("{it:?} is not UTF-8, as all options are");
    let arguments = env::args_os().skip(1).map(|it| it.into_string().map_err(|it| not_text(&it)));
    let arguments: Vec<String> = arguments.collect::<Result<_, _>>()?;
    let mut environment = HashMap::new();
    for (name, value) in env::vars_os() {
        let Some(name) = name.into_string().ok().filter(|n| n.starts_with("ORDERPAY_")) else {
            continue;
        };
        // The value is not shown: it may be the token.
        let value = value.into_string().map_err(|_| not_text(&name))?;
        environment.insert(name, value);
    }
    config::parse(arguments, |name| environment.get(name).cloned())
}

fn serve(config: Config) -> Result<(), String> {
    let signals = StopSignals::hold_back();
    let listeners = bind(&config)?;
    let events = if config.quiet { Ok(Events::quiet()) } else { Events::logged() };
    let events = Arc::new(events.map_err(no_threads)?);
    let app = Arc::new(app(config, events.clone())?);
    let addresses: Vec<SocketAddr> = listeners.iter().flat_map(|l| l.local_addr()).collect();
    let server = Server::start(app.clone(), listeners).map_err(no_threads)?;
    for address in addresses {
        say(&format!("orderpay listening on http://{address}/sse/test\n"));
        events.record(Event::Listening { address });
    }
    signals.wait();
    events.record(Event::Stopping { waiting: app.waiters.counts().0 });
    server.stop();
    events.record(Event::Stopped);
    events.flush();
    Ok(())
}

fn no_threads(error: io::Error) -> String {
    format!("can't start its threads: {error}; allow this user more processes")
}

fn bind(config: &Config) -> Result<Vec<TcpListener>, String> {
    let mut listeners = Vec::new();
    for addresses in &config.listen {
        listeners.extend(bind_what_exists(addresses)?);
    }
    Ok(listeners)
}

/// One name can stand for several addresses, of which this machine may lack some, but not all.
fn bind_what_exists(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    const ADVICE: &str = "choose another with --listen; its port 0 picks a free one";
    let mut listeners = Vec::new();
    for (at, address) in addresses.iter().enumerate() {
        let may_lack = !listeners.is_empty() || at + 1 < addresses.len();
        match server::bind(*address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if may_lack && is_missing(&error) => {}
            Err(error) => return Err(format!("can't listen on {address}: {error}: {ADVICE}")),
        }
    }
    Ok(listeners)
}

/// Whether a machine has no IPv6, or none on its loopback.
fn is_missing(error: &std::io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn app(config: Config, events: Arc<Events>) -> Result<App, String> {
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
    Ok(App {
        waiters: Waiters::new(store(&config, limits, &events)?, reserve / 2, events.clone()),
        seats: Seats::new(config.max_connections),
        events,
        facts: Facts {
            timeout: config.timeout.as_secs_f64(),
            heartbeat: config.heartbeat.as_secs_f64(),
            token: config.token.is_some(),
        },
        token: config.token,
    })
}

/// The orders, with what a journal has kept over a restart. Half of the connections at most wait for
/// its disk, so that the others are there for what needs none.
fn store(
    config: &Config,
    limits: Limits,
    events: &Events,
) -> Result<Store<Arc<TcpStream>>, String> {
    let Some(path) = &config.journal else { return Ok(Store::new(limits)) };
    let opened = Store::open(limits, path, config.max_connections.div_ceil(2));
    let (store, torn) = opened.map_err(|error| error.to_string())?;
    events.record(Event::Remembered { orders: store.orders.settled(), torn });
    Ok(store)
}

/// A closed stdout stops nothing.
fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn fail(error: &str, code: u8) -> ExitCode {
    let _ = std::io::stderr().write_all(format!("orderpay: {error}\n").as_bytes());
    ExitCode::from(code)
}
