//! 19,000 browsers that wait. They live in a child process, since client and server each need a
//! descriptor for every connection, and a process has 20,000 in many places.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, Place, TIMEOUT_FRAME, Waiter, address_of};
use crate::harness::fault;
use crate::os::{self, Interest, POLLIN};
use crate::servers::{self, Server};

pub const CROWD: usize = 19_000;
const PLACERS: usize = 2;
/// So many have placed an order and not read the greeting yet, in each thread.
const GREETINGS_DUE: usize = 32;
/// The crowd's addresses: those of the other clients stay below.
const FIRST_ADDRESS: usize = 1000;

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
        let [lost] = crowd.numbers();
        crowd.placed_in = start.elapsed();
        if lost > 0 {
            fault(&server.name, format!("{lost} of {CROWD} could not be parked"));
        }
        crowd
    }

    /// How long after its request the first was told, and the last; how many were told nothing, or
    /// something else.
    pub fn told(&mut self) -> (Duration, Duration, u64) {
        let [earliest, latest, lost] = self.numbers();
        (Duration::from_micros(earliest), Duration::from_micros(latest), lost)
    }

    /// The child's next line.
    fn numbers<const N: usize>(&mut self) -> [u64; N] {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("a line of the crowd");
        let numbers: Vec<u64> =
            line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        numbers.try_into().expect("as many numbers as the crowd prints")
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        servers::end(&mut self.child);
    }
}

/// One of the crowd: when it asked, and what it has read since the greeting.
struct Member {
    asked: Instant,
    stream: TcpStream,
    seen: Vec<u8>,
    told: Option<Duration>,
}

/// The child: parks the crowd and says so, then keeps it, or waits till all are told and says when
/// that was.
pub fn child(name: &str, address: &str, until: &str) -> io::Result<()> {
    let place =
        Place { address: address.parse().map_err(io::Error::other)?, wire: servers::wire_of(name) };
    let mut members = gather(place)?;
    println!("{}", CROWD - members.len());
    match until.parse() {
        Ok(timeout) => report(&mut members, Duration::from_millis(timeout)),
        Err(_) => io::stdin().read(&mut [0]).map(drop),
    }
}

fn gather(place: Place) -> io::Result<Vec<Member>> {
    thread::scope(|scope| {
        let placers: Vec<_> =
            (0..PLACERS).map(|placer| scope.spawn(move || place_orders(place, placer))).collect();
        placers
            .into_iter()
            .map(|placer| placer.join().expect("a placer does not panic"))
            .collect::<io::Result<Vec<_>>>()
    })
    .map(|members| members.into_iter().flatten().collect())
}

fn place_orders(place: Place, placer: usize) -> io::Result<Vec<Member>> {
    let (mut asked, mut members) = (VecDeque::new(), Vec::new());
    for number in (placer..CROWD).step_by(PLACERS) {
        asked.push_back(ask(place, placer, number)?);
        if asked.len() == GREETINGS_DUE {
            members.extend(asked.pop_front().and_then(|oldest| greeted(place, oldest)));
        }
    }
    members.extend(asked.into_iter().filter_map(|asked| greeted(place, asked)));
    Ok(members)
}

fn ask(place: Place, placer: usize, number: usize) -> io::Result<(Instant, TcpStream)> {
    let mut stream = client::connect(place, address_of(FIRST_ADDRESS + placer))?;
    let asked = Instant::now();
    stream.write_all(client::orderpay(&format!("crowd-{number}")).as_bytes())?;
    Ok((asked, stream))
}

/// Who is not greeted is not a member: the benchmark counts who is missing.
fn greeted(place: Place, (asked, stream): (Instant, TcpStream)) -> Option<Member> {
    let stream = Waiter::opened(stream, place.wire).ok()?.into_stream();
    stream.set_nonblocking(true).ok()?;
    Some(Member { asked, stream, seen: Vec::new(), told: None })
}

/// Waits till the streams end; prints when the first was told, when the last, and how many were
/// not.
fn report(members: &mut [Member], timeout: Duration) -> io::Result<()> {
    const GRACE: Duration = Duration::from_secs(5);
    let end = Instant::now() + timeout + GRACE;
    let interest =
        |member: &Member| Interest { fd: member.stream.as_raw_fd(), wanted: POLLIN, ready: 0 };
    let mut interests: Vec<Interest> = members.iter().map(interest).collect();
    while interests.iter().any(|interest| interest.fd >= 0) && Instant::now() < end {
        os::wait(&mut interests, end.saturating_duration_since(Instant::now()))?;
        for (member, interest) in
            members.iter_mut().zip(&mut interests).filter(|(_, interest)| interest.ready != 0)
        {
            if member.read_has_ended() {
                interest.fd = -1;
            }
        }
    }
    let ended = members
        .iter()
        .zip(&interests)
        .filter(|(_, interest)| interest.fd < 0)
        .map(|(member, _)| member);
    let whole = ended.filter(|member| member.seen == TIMEOUT_FRAME.as_bytes());
    let mut told: Vec<Duration> = whole.filter_map(|member| member.told).collect();
    told.sort();
    let [earliest, latest] =
        [told.first(), told.last()].map(|told| told.map_or(0, Duration::as_micros));
    println!("{earliest} {latest} {}", members.len() - told.len());
    Ok(())
}

impl Member {
    fn read_has_ended(&mut self) -> bool {
        let mut piece = [0; 256];
        match self.stream.read(&mut piece) {
            Ok(0) => true,
            Ok(count) => {
                self.seen.extend_from_slice(&piece[..count]);
                self.told.get_or_insert(self.asked.elapsed());
                false
            }
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}
