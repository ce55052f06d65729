//! Can anonymous clients end it where memory and processes are few, or keep a payment out? All that they can do, all at
//! once, in a control group; ORDERPAY_STORM_SECONDS=600 has it go on for ten minutes.

mod support;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, mem, thread};

use orderpay::budget::{self, Budget};
use orderpay::order::OrderResult;
use orderpay::os;
use support::cgroup::forget_files;
use support::os::connect_with_little_room;
use support::server::delivered;
use support::{
    Cgroup, Client, Folder, NO_ROOM, OPENING, PAID, Program, Server, Stream, eventually, request,
    skipped,
};

const MEMORY: usize = 8 << 20;
const PROCESSES: usize = 16;
/// In the time of the test, however long that is.
const OPENINGS: usize = 20_000;
const PAYBACKS: usize = 20_000;
/// At any time.
const SLOW_HEADS: usize = 2000;
const RESTARTS: u32 = 3;

/// A payment takes no longer, whatever others do.
const SOON: Duration = Duration::from_secs(1);

/// Both take all that there is.
fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One server after another at the same address, in the same control group, with the same journal.
struct Scene<'s> {
    cgroup: &'s Cgroup,
    options: Vec<String>,
    address: SocketAddr,
    server: Mutex<Server>,
    /// Nobody can expect an answer while it is larger than it was.
    restarts: AtomicUsize,
    over: AtomicBool,
    length: Duration,
}

impl<'s> Scene<'s> {
    fn new(cgroup: &'s Cgroup, journal: &Path, options: &[&str], length: Duration) -> Scene<'s> {
        let journal = format!("--journal={}", journal.display());
        let options: Vec<String> =
            options.iter().map(|it| it.to_string()).chain(["--quiet".into(), journal]).collect();
        let server = spawn(cgroup, "127.0.0.1:0", &options);
        let (restarts, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let address = server.address;
        Scene { cgroup, options, address, server: Mutex::new(server), restarts, over, length }
    }

    fn restart(&self) {
        let mut server = self.server.lock().unwrap();
        assert!(!server.program().has_ended(), "it was ended: {}", server.program().stderr());
        self.restarts.fetch_add(1, Relaxed);
        server.program().signal("KILL");
        server.program().exit();
        let begun = Instant::now();
        *server = spawn(self.cgroup, &self.address.to_string(), &self.options);
        println!("a start with its journal took {:?}", begun.elapsed());
        self.restarts.fetch_add(1, Relaxed);
    }

    /// Does something so many times till the end, in a steady rhythm.
    fn steadily(&self, times: usize, mut act: impl FnMut(usize)) {
        let (start, pause) = (Instant::now(), self.length / times as u32);
        for time in 0.. {
            let due = start + pause * time as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if self.over.load(Relaxed) {
                return;
            }
            act(time);
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, SOON)?;
        stream.set_read_timeout(Some(SOON))?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }
}

/// Whatever happens, it is over then.
struct End<'s>(&'s AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn spawn(cgroup: &Cgroup, address: &str, options: &[String]) -> Server {
    let script = format!("{}; exec \"$0\" --listen {address} \"$@\"", cgroup.enter());
    Server::spawn(Command::new("sh").args(["-c", &script, &static_binary()]).args(options))
}

/// But for its last byte.
fn longest_request() -> Vec<u8> {
    let head = b"POST /sse/payback/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4096\r\nA: ";
    [&head[..], &[b'x'; 8000], b"\r\n\r\n", &[b'y'; 4095]].concat()
}

fn static_binary() -> String {
    format!("{}/target/static/orderpay", env!("CARGO_MANIFEST_DIR"))
}

/// What anonymous clients do. None of them minds what becomes of it.
impl Scene<'_> {
    /// They open streams and never read; some say on and on what nobody wants to hear, others are gone at once.
    fn open_streams(&self) {
        let mut waiting = VecDeque::new();
        self.steadily(OPENINGS, |time| {
            let Ok(mut stream) = self.connect() else { return };
            let order = format!("{time:-<64}");
            let _ = stream.write(&request("GET", &format!("/sse/orderpay/{order}"), &[], ""));
            match time % 8 {
                0 => return,
                1 => while matches!(stream.write(&[b'x'; 4096]), Ok(1..)) {},
                _ => {}
            }
            waiting.push_back(stream);
            if waiting.len() > 4000 {
                waiting.pop_front();
            }
        });
    }

    /// They pay what nobody waits for, and what somebody may have waited for.
    fn pay(&self) {
        let mut client = None;
        let [acknowledged, refused] = [const { Cell::new(0) }; 2];
        self.steadily(PAYBACKS, |time| {
            let name = if time % 8 == 7 {
                format!("{:-<64}", time / 8 * 8)
            } else {
                format!("{time:_<64}")
            };
            let pay = request("POST", &format!("/sse/payback/{name}"), &[], "x".repeat(4096));
            let mut kept = client.take().or_else(|| Client::try_connect(self.address).ok());
            let Some(payer) = &mut kept else { return };
            match payer.try_send(pay).and_then(|()| payer.try_answer()) {
                Ok(answer) => {
                    let counter = if answer.status == 200 { &acknowledged } else { &refused };
                    counter.set(counter.get() + 1);
                    client = kept.filter(|_| answer.field("Connection").is_none());
                }
                Err(_) => client = None,
            }
        });
        println!("{} paybacks were acknowledged, {} refused", acknowledged.get(), refused.get());
    }

    /// They send a byte every now and then, and come back when they are thrown out.
    fn dribble(&self) {
        const HEAD: &[u8] = b"GET /sse/payback/never HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut streams: Vec<Option<TcpStream>> = (0..SLOW_HEADS).map(|_| None).collect();
        let times = self.length.as_secs() as usize * SLOW_HEADS / 2;
        self.steadily(times, |time| {
            let stream = &mut streams[time % SLOW_HEADS];
            let byte = &HEAD[time / SLOW_HEADS % HEAD.len()..][..1];
            if stream.as_mut().is_none_or(|stream| stream.write(byte).is_err()) {
                *stream = self.connect().ok();
            }
        });
    }

    /// They ask for a lot at once and read none of it, some with room for hardly any; or send the longest request but for
    /// its last byte.
    fn pipeline(&self) {
        let longest = longest_request();
        let many = request("GET", "/sse/page.css", &[], "").repeat(500);
        let file = request("GET", "/sse/words.js", &[("Connection", "close")], "");
        let SocketAddr::V4(address) = self.address else { unreachable!() };
        let mut streams = VecDeque::new();
        self.steadily(self.length.as_secs() as usize * 20, |time| {
            let has_room = time % 4 < 2;
            let stream = if has_room { self.connect() } else { connect_with_little_room(address) };
            let Ok(mut stream) = stream else { return };
            let _ = stream.write([&many, &longest, &file, &many][time % 4]);
            streams.push_back(stream);
            if streams.len() > 200 {
                streams.pop_front();
            }
        });
    }
}

/// What must go on meanwhile.
impl Scene<'_> {
    /// What took so long and went wrong is nobody's fault if the server was restarted meanwhile.
    fn soon<T>(&self, what: &str, act: impl FnOnce() -> io::Result<T>) -> Option<T> {
        let (restarts, asked) = (self.restarts.load(Relaxed), Instant::now());
        let outcome = act();
        let took = asked.elapsed();
        if restarts % 2 == 1 || self.restarts.load(Relaxed) != restarts {
            return None;
        }
        let outcome = outcome.unwrap_or_else(|error| {
            panic!("{what}: {error} after {took:?}; killed: {}", self.cgroup.killed())
        });
        assert!(took < SOON, "{what} took {took:?}");
        Some(outcome)
    }

    /// A browser waits for a new order, the platform pays it, and both hear of it. Only a browser that found no room may
    /// have to come back, and only its payment may be put off. Whether it was served.
    fn buy(&self, order: &str) -> Option<bool> {
        let wait = request("GET", &format!("/sse/orderpay/{order}"), &[], "");
        let (frame, mut browser) = self.soon("an opening", || {
            let mut browser = Client::try_connect(self.address)?;
            browser.try_send(&wait)?;
            browser.try_head()?;
            Ok((browser.try_until("\n\n")?, browser))
        })?;
        let answer = self.soon("a payback", || {
            let mut platform = Client::try_connect(self.address)?;
            platform.try_send(request("GET", &format!("/sse/payback/{order}"), &[], ""))?;
            platform.try_answer()
        })?;
        if frame == NO_ROOM.as_bytes() {
            assert!(matches!(answer.status, 200 | 503), "{}", answer.masked());
            return Some(false);
        }
        assert_eq!(String::from_utf8_lossy(&frame), OPENING);
        assert_eq!((answer.status, answer.field("Orderpay-Delivered")), (200, Some("1")));
        let rest = self.soon("the last frames", || browser.try_rest())?;
        assert_eq!(String::from_utf8_lossy(&rest), PAID);
        Some(true)
    }

    /// The image's own, in the same container.
    fn check_health(&self) {
        let script =
            format!("{}; exec \"$0\" healthcheck http://{}", self.cgroup.enter(), self.address);
        self.soon("a health check", || {
            let (status, program) =
                Program::run(Command::new("sh").args(["-c", &script, &static_binary()]));
            if status.success() { Ok(()) } else { Err(io::Error::other(program.stderr())) }
        });
    }

    fn go_on(&self) {
        let (served, turned_away, asked) = (Cell::new(0), Cell::new(0), Instant::now());
        let (mut slowest, mut most) = (Duration::ZERO, 0);
        self.steadily(self.length.as_secs() as usize * 10, |time| {
            let begun = Instant::now();
            match self.buy(&format!("customer-{time}")) {
                Some(true) => served.set(served.get() + 1),
                Some(false) => turned_away.set(turned_away.get() + 1),
                None => return,
            }
            slowest = slowest.max(begun.elapsed());
            if time % 10 == 0 {
                self.check_health();
                most = most.max(self.cgroup.kib_without_files());
            }
        });
        println!(
            "{} customers were served, {} found no room, the slowest took {slowest:?}",
            served.get(),
            turned_away.get()
        );
        println!("it took {most} KiB of {}", MEMORY / 1024);
        assert!(served.get() > 0 && asked.elapsed() >= self.length - SOON);
    }
}

/// So much memory, in which the program's own file counts too; `None`, said aloud, where it can't be had.
fn container(memory: usize, processes: Option<usize>) -> Option<Cgroup> {
    if !Path::new(&static_binary()).exists() {
        skipped("there is no static binary: `make static` builds it");
        return None;
    }
    forget_files();
    Cgroup::of(memory, processes)
}

fn storm(counts_sockets: bool, options: &[&str]) {
    let Some(cgroup) = container(MEMORY, Some(PROCESSES)) else { return };
    if counts_sockets && !cgroup.count_sockets() {
        return;
    }
    os::raise_descriptor_limit();
    let seconds = env::var("ORDERPAY_STORM_SECONDS").map_or(20, |it| it.parse().expect("seconds"));
    let folder = Folder::new();
    let scene = Scene::new(&cgroup, &folder.join("journal"), options, Duration::from_secs(seconds));
    thread::scope(|scope| {
        let _end = End(&scene.over);
        scope.spawn(|| scene.open_streams());
        scope.spawn(|| scene.pay());
        scope.spawn(|| scene.dribble());
        scope.spawn(|| scene.pipeline());
        let customers = scope.spawn(|| scene.go_on());
        for _ in 0..RESTARTS {
            let next = Instant::now() + scene.length / (RESTARTS + 1);
            while Instant::now() < next && !customers.is_finished() {
                thread::sleep(Duration::from_millis(10));
            }
            scene.restart();
        }
        thread::sleep(scene.length / (RESTARTS + 1));
    });
    let mut server = scene.server.into_inner().unwrap();
    assert!(!server.program().has_ended(), "{}", server.program().stderr());
    assert_eq!(cgroup.killed(), 0, "the kernel has killed somebody");
    println!("at most {} KiB with what can be given up", cgroup.kib(cgroup.names.most));
    println!("{} times somebody waited for a page of a file", cgroup.major_faults());
}

/// In this order: where sockets were once counted, the kernel may go on counting them for a while.
#[test]
fn in_eight_mebibytes_and_sixteen_processes_nobody_ends_it_and_customers_are_served() {
    let _machine = alone();
    storm(false, &[]);
    storm(true, &["--memory=8M"]);
    nothing_costs_more_than_what_it_is_reckoned_with();
    what_waiters_say_that_nobody_reads_takes_a_page_each();
    answers_that_nobody_reads_take_their_room_and_no_more();
}

/// Whoever rewrites reads a file of some mebibytes and writes another. If the program's own pages had to go for that,
/// those who pay would wait until they are read again. (It shows where the disk's read-ahead is large: 8 MiB, not 128 KiB.)
#[test]
fn a_journal_that_is_rewritten_does_not_push_the_program_out() {
    const PAYMENTS: usize = 4000;
    let _machine = alone();
    let Some(cgroup) = container(MEMORY, Some(PROCESSES)) else { return };
    os::raise_descriptor_limit();
    let folder = Folder::new();
    let journal = folder.join("journal");
    let options = ["--quiet", "--timeout=600", &format!("--journal={}", journal.display())];
    let server = spawn(&cgroup, "127.0.0.1:0", &options.map(str::to_owned));
    let wait = |order: &str| {
        let mut browser = server.connect();
        browser.send(request("GET", &format!("/sse/orderpay/{order:-<64}"), &[], "")).head();
        (browser.until("\n\n") == OPENING.as_bytes()).then_some(browser)
    };
    let pay = |order: &str| server.post(&format!("/sse/payback/{order:-<64}"), "x".repeat(4096));
    let crowd: Vec<_> = (0..).map_while(|n| wait(&format!("waits-{n}"))).collect();
    let kept = (0..).take_while(|n| pay(&format!("kept-{n}")).status == 200).count();
    assert_eq!(delivered(&pay("waits-0")), 1, "that makes room for one");
    let (mut rewritten, mut file) = (0, 0);
    let (mut slowest, before) = (Duration::ZERO, cgroup.major_faults());
    for order in (0..PAYMENTS).map(|n| format!("paid-{n}")) {
        let mut browser = wait(&order).expect("room");
        let begun = Instant::now();
        assert_eq!(delivered(&pay(&order)), 1);
        slowest = slowest.max(begun.elapsed());
        browser.rest();
        let ino = fs::metadata(&journal).unwrap().ino();
        rewritten += usize::from(mem::replace(&mut file, ino) != ino);
    }
    let (crowd, faults) = (crowd.len(), cgroup.major_faults() - before);
    println!("{crowd} wait, {kept} results are kept; rewritten {rewritten} times");
    println!(
        "the slowest payment took {slowest:?}; {faults} times a page of a file was waited for"
    );
    assert!(rewritten > 3, "there was nothing to see");
    assert!(slowest < SOON, "{slowest:?}");
    // A few are for what is done for the first time.
    assert!(faults < 100, "{faults}");
}

/// The image's health check is a process in the same container.
#[test]
fn in_sixteen_processes_its_health_check_finds_room_and_slow_clients_keep_no_payment_out() {
    let _machine = alone();
    let Some(cgroup) = container(8 * MEMORY, Some(PROCESSES)) else { return };
    let length = Duration::from_secs(1);
    let folder = Folder::new();
    let scene = Scene::new(&cgroup, &folder.join("journal"), &[], length);
    let idle: Vec<_> = (0..14).map(|_| scene.connect()).collect();
    for _ in 0..12 {
        scene.check_health();
    }
    drop(idle);
    let head = "POST /sse/payback/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n1";
    let slow: Vec<_> = (0..1500)
        .map(|_| {
            let mut stream = scene.connect().unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let asked = Instant::now();
    assert_eq!(scene.buy("behind-them"), Some(true));
    println!("paid behind {} slow clients in {:?}", slow.len(), asked.elapsed());
    let threads = scene.server.lock().unwrap().threads();
    assert!(threads <= PROCESSES - 6, "{threads} threads");
}

/// A server whose sockets are counted.
fn with_sockets_counted() -> Option<(Cgroup, Server)> {
    let cgroup = container(8 * MEMORY, None)?;
    (cgroup.count_sockets() || cgroup.is_of_version_2()).then_some(())?;
    let server = spawn(&cgroup, "127.0.0.1:0", &["--quiet".into(), "--memory=8M".into()]);
    Some((cgroup, server))
}

fn what_waiters_say_that_nobody_reads_takes_a_page_each() {
    const WAITERS: usize = 100;
    for is_behind_the_request in [false, true] {
        let Some((cgroup, server)) = with_sockets_counted() else { return };
        let speak = |client: &mut Client, first: &[u8]| {
            client.stream.set_nonblocking(true).unwrap();
            let _ = client.stream.write(&[first, &[b'x'; 30_000]].concat());
            while matches!(client.stream.write(&[b'x'; 4096]), Ok(1..)) {}
            client.stream.set_nonblocking(false).unwrap();
        };
        let waits = |order: usize| {
            let wait = request("GET", &format!("/sse/orderpay/{order}"), &[], "");
            let mut client = server.connect();
            if is_behind_the_request {
                speak(&mut client, &wait);
            } else {
                client.send(wait);
            }
            let mut waiter = Stream::opened(client);
            speak(&mut waiter.client, b"");
            waiter
        };
        let _waiters: Vec<_> = (0..WAITERS).map(waits).collect();
        let kib = cgroup.sockets_kib();
        println!(
            "{WAITERS} waiters that talk, behind their request {is_behind_the_request}: {kib:?} KiB"
        );
        assert!(kib[0] <= 5 * WAITERS, "{kib:?}");
    }
}

/// It is sent and its stream is closed: nobody has an account of it but the kernel.
fn answers_that_nobody_reads_take_their_room_and_no_more() {
    let Some((cgroup, server)) = with_sockets_counted() else { return };
    let budget = Budget { memory: Some(MEMORY), counts_sockets: true, processes: PROCESSES };
    let room =
        (budget.waiters() + budget.spare_places()) * (budget.used(0, 1, 0) - budget.used(0, 0, 0));
    let SocketAddr::V4(address) = server.address else { unreachable!() };
    assert_eq!(server.post("/sse/payback/lines", "\n".repeat(4096)).status, 200);
    let get = |path: &str, fields: &[(&str, &str)]| request("GET", path, fields, "");
    let file = "/sse/words.js";
    for (what, ask) in [
        ("a result", get("/sse/orderpay/lines", &[])),
        ("a last answer", get(file, &[("Connection", "close")])),
        ("an answer", get(file, &[])),
        (
            "answers before they wait",
            [get(file, &[]), get(file, &[]), get("/sse/orderpay", &[])].concat(),
        ),
    ] {
        let clients: Vec<_> = (0..300)
            .map(|_| {
                let mut stream = connect_with_little_room(address).unwrap();
                stream.write_all(&ask).unwrap();
                stream
            })
            .collect();
        thread::sleep(SOON);
        let kib = cgroup.sockets_kib();
        println!("{} clients don't read {what}: {kib:?} KiB of {}", clients.len(), room / 1024);
        assert!(kib[1] <= room / 1024, "{kib:?}");
        drop(clients);
        eventually("the end of them all", || (cgroup.sockets_kib()[0] < 100).then_some(()));
    }
}

/// What is measured is printed: the rule is in src/budget.rs.
fn nothing_costs_more_than_what_it_is_reckoned_with() {
    let Some(cgroup) = container(64 * MEMORY, None) else { return };
    if !cgroup.count_sockets() && !cgroup.is_of_version_2() {
        return skipped("sockets are not counted");
    }
    let budget = Budget { memory: None, counts_sockets: true, processes: usize::MAX };
    let of_each = |[connections, waiters]: [usize; 2]| {
        budget.used(connections, waiters, 0) - budget.used(0, 0, 0)
    };
    let server = spawn(&cgroup, "127.0.0.1:0", &["--quiet".into()]);
    let bytes = || cgroup.kib_without_files() * 1024;
    println!("idle: {} bytes of {}", bytes(), budget.used(0, 0, 0));
    assert!(bytes() < budget.used(0, 0, 0));
    let costs = |what: &str, times: usize, reckoned: usize, act: &mut dyn FnMut(usize)| {
        let before = bytes();
        (0..times).for_each(act);
        // Streams that were ended linger for a moment.
        thread::sleep(SOON);
        let each = bytes().saturating_sub(before) / times;
        println!("{what}: {each} bytes, reckoned with {reckoned}");
        assert!(each <= reckoned, "{what}: {each} bytes of {reckoned}");
    };
    let mut waiters = Vec::new();
    costs("a waiter", 7000, of_each([0, 1]), &mut |time| {
        waiters.push(server.orderpay(&format!("{time:-<64}")));
    });
    let pay = |letter: char, length: usize| {
        let (mut platform, text) = (server.connect(), "x".repeat(length));
        move |time: usize| {
            let path = format!("/sse/payback/{letter}{time:-<63}");
            assert_eq!(platform.send(request("POST", &path, &[], &text)).answer().status, 200);
        }
    };
    let result = |length| budget::cost(&OrderResult::parse(&vec![b'x'; length]).unwrap());
    let mut pay_first = pay('a', 0);
    costs("a result that was written", 28_000, result(0), &mut |time| {
        pay_first(time);
        server.get(&format!("/sse/orderpay/a{time:-<63}"));
    });
    costs("a result of 100 bytes", 15_000, result(100), &mut pay('b', 100));
    costs("a result of 1000 bytes", 10_000, result(1000), &mut pay('c', 1000));
    costs("a result of 4096 bytes", 4000, result(4096), &mut pay('d', 4096));
    let mut clients = Vec::new();
    costs("a connection with the longest request", 300, of_each([1, 0]), &mut |_| {
        let mut client = server.connect();
        client.send(longest_request());
        clients.push(client);
        let begun = format!("orderpay_connections {}\n", clients.len() + 1);
        eventually(&begun, || server.get("/metrics").text().contains(&begun).then_some(()));
    });
}
