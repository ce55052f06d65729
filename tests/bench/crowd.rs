//! 19,000 browsers that wait. They live in a child process, since client and server each need a
//! descriptor for every connection, and a process has 20,000 in many places.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use crate::client::{Place, TIMEOUT_FRAME};
use crate::harness::fault;
use crate::os;
use crate::servers::{self, Server};
use crate::waiters::Waiters;

pub const CROWD: usize = 19_000;
/// What the child says when all have their opening.
const PARKED: &str = "parked";

/// The crowd as the benchmark sees it: gone when it goes out of scope.
pub struct Crowd {
    child: Child,
    said: BufReader<ChildStdout>,
    /// From the start of the child till all were parked.
    pub placed_in: Duration,
}

impl Crowd {
    /// Returns once all are parked. They wait till the crowd is dropped.
    pub fn park(server: &Server) -> Self {
        Self::start(server, "hold")
    }

    /// Returns once all are parked. They wait till they are told.
    pub fn await_timeout(server: &Server, timeout: Duration) -> Self {
        Self::start(server, &timeout.as_millis().to_string())
    }

    fn start(server: &Server, until: &str) -> Self {
        let mut command =
            servers::ourselves(&["crowd", &server.name, &server.place.address.to_string(), until]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = os::dies_with_us(piped).spawn().expect("the crowd starts");
        let said = BufReader::new(child.stdout.take().expect("its stdout is a pipe"));
        let (start, mut crowd) = (Instant::now(), Crowd { child, said, placed_in: Duration::ZERO });
        if crowd.line() != PARKED {
            fault(&server.name, "the crowd could not be parked");
        }
        crowd.placed_in = start.elapsed();
        crowd
    }

    /// How long after its request the first was told, and the last; how many were told nothing, or
    /// something else.
    pub fn told(&mut self) -> (Duration, Duration, u64) {
        let line = self.line();
        let numbers: Vec<u64> =
            line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [earliest, latest, lost] = numbers[..] else {
            return (Duration::ZERO, Duration::ZERO, CROWD as u64);
        };
        (Duration::from_micros(earliest), Duration::from_micros(latest), lost)
    }

    /// The child's next line; nothing if it is gone.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("a pipe can be read");
        line.trim_end().to_owned()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        servers::end(&mut self.child);
    }
}

/// The child: parks the crowd and says so, then keeps it, or waits till all are told and says when
/// that was.
pub fn child(name: &str, address: &str, until: &str) -> io::Result<()> {
    let place =
        Place { address: address.parse().map_err(io::Error::other)?, wire: servers::wire_of(name) };
    let mut waiters = Waiters::park(place, CROWD, |number| format!("crowd-{number}"))?;
    println!("{PARKED}");
    match until.parse() {
        Ok(timeout) => report(&mut waiters, Duration::from_millis(timeout)),
        Err(_) => io::stdin().read(&mut [0]).map(drop),
    }
}

/// Waits till the streams end; prints when the first was told, when the last, and how many were
/// not.
fn report(waiters: &mut Waiters, timeout: Duration) -> io::Result<()> {
    const GRACE: Duration = Duration::from_secs(5);
    let (mut heard, mut told) = (vec![None; CROWD], Vec::with_capacity(CROWD));
    waiters.attend(Instant::now() + timeout + GRACE, |number, waiter| {
        let after = *heard[number].get_or_insert_with(|| waiter.asked.elapsed());
        if waiter.has_ended() && waiter.seen == TIMEOUT_FRAME.as_bytes() {
            told.push(after);
        }
    })?;
    told.sort();
    let [earliest, latest] =
        [told.first(), told.last()].map(|told| told.map_or(0, Duration::as_micros));
    println!("{earliest} {latest} {}", CROWD - told.len());
    Ok(())
}
