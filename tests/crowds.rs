//! Can a crowd stop it, or slow others down? Each test needs the machine for itself, so they run one after the other.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use orderpay::events::Events;
use orderpay::order::{OrderId, OrderResult};
use orderpay::orders::{Limits, Payment};
use orderpay::os;
use orderpay::store::Store;
use orderpay::waiters::Waiters;
use support::os::connect_with_little_room;
use support::{Client, NO_ROOM, OPENING, PAID, PATIENCE, Server, Stream, eventually, request};

/// Takes the machine, and as many descriptors as there are.
fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    os::raise_descriptor_limit();
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks for a stream, and does not wait for its greeting.
fn ask(address: SocketAddr, order: &str) -> Client {
    let mut client = Client::connect(address);
    client.send(request("GET", &format!("/sse/orderpay/{order}"), &[], ""));
    client
}

#[test]
fn with_256_descriptors_400_orders_leave_room_for_their_payments() {
    let _machine = alone();
    let server = Server::start_after("ulimit -n 256", &["--heartbeat", "0.2"]);
    let name = |n: usize| format!("one-of-400-{n}");
    let mut crowd: Vec<Client> = (0..400).map(|n| ask(server.address, &name(n))).collect();
    let first_frame = |client: &mut Client| {
        assert_eq!(client.head().status, 200);
        client.until("\n\n")
    };
    let frames: Vec<Vec<u8>> = crowd.iter_mut().map(first_frame).collect();
    let is_parked = |frame: &Vec<u8>| frame == OPENING.as_bytes();
    let parked = frames.iter().filter(|frame| is_parked(frame)).count();
    let told_to_come_back = frames.iter().filter(|frame| *frame == NO_ROOM.as_bytes()).count();
    println!("{parked} parked, {told_to_come_back} told to come back");
    assert_eq!(parked + told_to_come_back, 400);
    assert!(parked >= 128, "half of the descriptors are for waiters");

    let last = frames.iter().rposition(is_parked).expect("a waiter");
    let asked = Instant::now();
    assert_eq!(server.payback(&name(last)), 1);
    assert_eq!(crowd[last].rest(), PAID.as_bytes());
    println!("one of them paid in {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(1));

    drop(crowd);
    let is_forgotten = || figure(&server, "orderpay_waiters") == 0 && server.descriptors() < 64;
    eventually("the crowd to be forgotten", || is_forgotten().then_some(()));
    let again: Vec<Stream> = (0..parked).map(|n| server.orderpay(&format!("again-{n}"))).collect();
    println!("{} parked again", again.len());
}

#[test]
fn when_descriptors_run_out_it_neither_stops_nor_spins() {
    let _machine = alone();
    let server = Server::start_after("ulimit -n 64", &["--quiet"]);
    let mut waiters: Vec<Stream> = (0..32).map(|n| server.orderpay(&n.to_string())).collect();
    let silent: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    let (asked, before) = (Instant::now(), server.cpu_time());
    for (order, waiter) in waiters.iter_mut().enumerate() {
        assert_eq!(server.payback(&order.to_string()), 1);
        assert_eq!(waiter.rest(), PAID);
    }
    let (took, busy) = (asked.elapsed(), server.cpu_time() - before);
    println!("32 paid past {} silent connections in {took:?}, {busy:?} of them busy", silent.len());
    let silent: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    let before = server.cpu_time();
    thread::sleep(Duration::from_secs(1));
    let busy = server.cpu_time() - before;
    println!("a second with {} silent connections: {busy:?} busy", silent.len());
    assert!(busy < Duration::from_millis(200), "{busy:?}");
}

/// Connections that send a byte a second, and come back when they are thrown out.
struct Dribblers {
    server: SocketAddr,
    streams: Vec<Option<TcpStream>>,
    came_back: usize,
}

impl Dribblers {
    const REQUEST: &[u8] = b"GET /sse/payback/never HTTP/1.1\r\nHost: a\r\n\r\n";

    /// One second: each sends a byte in its turn.
    fn second(&mut self, second: usize) {
        let start = Instant::now();
        let count = self.streams.len() as u32;
        for (turn, stream) in (0..).zip(&mut self.streams) {
            let due = start + Duration::from_secs(1) * turn / count;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let byte = &Self::REQUEST[second % Self::REQUEST.len()..][..1];
            if stream.as_mut().is_none_or(|stream| stream.write_all(byte).is_err()) {
                *stream = TcpStream::connect_timeout(&self.server, PATIENCE).ok();
                self.came_back += 1;
            }
        }
    }
}

#[test]
fn a_payment_gets_past_1500_clients_that_send_a_byte_a_second() {
    const SECONDS: usize = 8;
    let _machine = alone();
    let mut server = Server::start(&["--quiet"]);
    let over = AtomicBool::new(false);
    let streams = (0..1500).map(|_| None).collect();
    let mut dribblers = Dribblers { server: server.address, streams, came_back: 0 };
    let (mut slowest, mut most_threads, mut paid) = (Duration::ZERO, 0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..SECONDS).for_each(|second| dribblers.second(second));
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            let asked = Instant::now();
            server.payback(&paid.to_string());
            slowest = slowest.max(asked.elapsed());
            most_threads = most_threads.max(server.threads());
            paid += 1;
            thread::sleep(Duration::from_millis(20));
        }
    });
    let came_back = dribblers.came_back - 1500;
    println!(
        "{paid} paid, the slowest in {slowest:?}; {most_threads} threads; {came_back} came back"
    );
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert!(most_threads <= 1024 + 16, "{most_threads} threads");
    let (status, took) = server.stop();
    assert!(status.success() && took < Duration::from_secs(2), "{status} in {took:?}");
}

#[test]
fn a_payment_gets_past_clients_that_never_rest() {
    const LIMIT: usize = 16;
    let _machine = alone();
    let server = Server::start(&["--quiet", "--max-connections", &LIMIT.to_string()]);
    let over = AtomicBool::new(false);
    let restless = || {
        while !over.load(Ordering::Relaxed) {
            let mut client = server.connect();
            while client.try_send(request("GET", "/healthz", &[], "")).is_ok()
                && client.try_answer().is_ok_and(|answer| answer.field("Connection").is_none())
                && !over.load(Ordering::Relaxed)
            {
                thread::sleep(Duration::from_millis(20));
            }
        }
    };
    let slowest = slowest_of(50, &server, LIMIT, restless, &over);
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[test]
fn a_payment_gets_past_clients_that_drip() {
    const LIMIT: usize = 4;
    let _machine = alone();
    let server = Server::start(&["--quiet", "--max-connections", &LIMIT.to_string()]);
    let over = AtomicBool::new(false);
    let dripping = || {
        while !over.load(Ordering::Relaxed) {
            let mut client = server.connect();
            while client.try_send("x").is_ok() && !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50));
            }
        }
    };
    let slowest = slowest_of(5, &server, LIMIT, dripping, &over);
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

/// How long the slowest of so many payments takes, while twice as many clients as there are slots do this until it is
/// over.
fn slowest_of(
    payments: usize,
    server: &Server,
    limit: usize,
    client: impl Fn() + Sync,
    over: &AtomicBool,
) -> Duration {
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        (0..2 * limit).for_each(|_| _ = scope.spawn(&client));
        eventually("all slots to be taken", || (server.threads() > limit).then_some(()));
        for order in 0..payments {
            let asked = Instant::now();
            server.payback(&order.to_string());
            slowest = slowest.max(asked.elapsed());
            thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
    });
    println!("the slowest of {payments} payments took {slowest:?}");
    slowest
}

#[test]
fn no_listener_is_left_alone() {
    let _machine = alone();
    let health = |more: &[(&str, &str)]| request("GET", "/healthz", more, "");
    for _ in 0..40 {
        let server = Server::start(&["--listen", "127.0.0.1:0"]);
        let listening = server.wait_for_log_lines(2, "event=listening");
        let addresses = listening.iter().map(|line| line.split_once("address=").unwrap().1);
        let addresses: Vec<SocketAddr> = addresses.map(|it| it.parse().unwrap()).collect();
        for _ in 0..3 {
            let mut clients = [0, 1].map(|at| Client::connect(addresses[at]));
            // At the same time: one is kept, the other not.
            clients[0].send(health(&[]));
            clients[1].send(health(&[("Connection", "close")]));
            clients.iter_mut().for_each(|client| _ = client.answer());
            thread::sleep(Duration::from_millis(3));
            for address in &addresses {
                let (asked, mut client) = (Instant::now(), Client::connect(*address));
                client.send(health(&[("Connection", "close")]));
                client.answer();
                assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
            }
        }
    }
}

#[test]
fn of_500_waiters_200_never_read_and_300_have_their_frames_within_a_second() {
    let _machine = alone();
    let server = Server::start(&["--quiet"]);
    let silent: Vec<Client> = (0..200).map(|_| ask(server.address, "7")).collect();
    let mut reading: Vec<Stream> = (0..300).map(|_| server.orderpay("7")).collect();
    eventually("all to be parked", || (figure(&server, "orderpay_waiters") == 500).then_some(()));
    let text = "x".repeat(4096);
    let asked = Instant::now();
    assert_eq!(support::server::delivered(&server.post("/sse/payback/7", &text)), 500);
    for stream in &mut reading {
        assert_eq!(stream.frame(), format!("data:{text}\n\n"));
        assert!(stream.rest().starts_with("event:finish\n"));
    }
    println!("300 of 500 have read it after {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(1));
    drop(silent);
}

/// A room of the server's own making, because no client can fill the buffer of a socket at will.
#[test]
fn a_waiter_whose_buffer_is_full_is_dropped_and_costs_the_others_nothing() {
    let _machine = alone();
    let limits = Limits {
        timeout: PATIENCE,
        heartbeat: PATIENCE,
        keep: PATIENCE,
        remember: 100,
        results: usize::MAX,
        waiters: 100,
    };
    let room = Waiters::new(Store::new(limits), 9, Arc::new(Events::default()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (full, mixed) = (OrderId::parse(b"full").unwrap(), OrderId::parse(b"mixed").unwrap());
    let park = |order: &OrderId| {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        room.open(order, stream.try_clone().unwrap(), None);
        (client, stream)
    };
    let (stuck, stuck_too, mut reading) = (park(&full), park(&mixed), park(&mixed));
    fill(&stuck.1);
    fill(&stuck_too.1);

    let asked = Instant::now();
    assert_eq!(room.pay(&mixed, &OrderResult::default()), Payment::Settled { written: 1 });
    assert_eq!(room.pay(&full, &OrderResult::default()), Payment::Settled { written: 0 });
    assert!(asked.elapsed() < Duration::from_secs(1), "nothing blocked");
    drop(reading.1);
    let mut read = String::new();
    reading.0.read_to_string(&mut read).unwrap();
    assert!(read.ends_with(&[OPENING, PAID].concat()), "{read}");

    let (mut late, _) = park(&full);
    let mut read = vec![0; 4096];
    let length = late.read(&mut read).unwrap();
    assert!(read[..length].ends_with(PAID.as_bytes()), "what reached nobody was kept");
}

/// Writes until nothing more fits: its other end reads nothing.
fn fill(mut stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let error = loop {
        if let Err(error) = stream.write(&[b'\n'; 1 << 16]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn empty_lines_without_end_take_no_memory() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let before = server.resident_kib();
    client.send(b"\r\n".repeat(2_000_000));
    client.send(request("GET", "/healthz", &[], ""));
    assert_eq!(client.answer().status, 200);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 1024, "{grown} KiB");
}

#[test]
fn payments_that_nobody_waits_for_stay_within_the_memory_for_them() {
    let _machine = alone();
    let server = Server::start(&["--quiet", "--remember", "1000"]);
    let mut client = server.connect();
    let mut pay = |order: usize| {
        let path = format!("/sse/payback/order-{order}");
        client.send(request("POST", &path, &[], "x".repeat(4096))).answer().status
    };
    assert_eq!(pay(0), 200);
    let before = server.resident_kib();
    let statuses: Vec<u16> = (1..10_000).map(&mut pay).collect();
    let grown = server.resident_kib() - before;
    println!("10,000 payments of 4 KiB, 1000 of them remembered: {grown} KiB");
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 999);
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 9000);
    assert!(grown <= 1000 * (4096 + 1024) / 1024 + 2048, "{grown} KiB");
}

/// What comes by in a day: one connection, of the `n`th kind.
fn mixed_connection(server: &Server, n: usize) {
    let get = |action: &str| request("GET", &format!("/sse/{action}/order-{n}"), &[], "");
    let mut client = server.connect();
    match n % 10 {
        0 => drop(client.send(request("GET", "/healthz", &[], "")).answer()),
        1 => drop(client.send("GET /sse/test HTTP/1.0\r\n\r\n").rest()),
        2 => drop(client.send(get("payback")).answer()),
        3 => _ = client.send(get("orderpay")),
        4 => {
            client.send(get("orderpay")).until(OPENING);
            server.post(&format!("/sse/payback/order-{n}"), "paid\nat last");
            client.rest();
        }
        5 => _ = client.send(&get("payback")[..n % 40]),
        6 => drop(client.send("GET / HTTP/9.9\r\n\r\n").rest()),
        7 => drop(client.send("x".repeat(10_000)).rest()),
        8 => _ = client.send(request("GET", "/sse/test", &[], "").repeat(3)),
        _ => {}
    }
}

#[test]
fn after_100_000_connections_it_is_as_large_as_before() {
    const LANES: usize = 8;
    let _machine = alone();
    let options = "--quiet --timeout 1 --heartbeat 0.2 --keep 1 --remember 500";
    let server = Server::start(&options.split(' ').collect::<Vec<_>>());
    let server = &server;
    let connect = |from: usize, to: usize| {
        thread::scope(|scope| {
            for lane in 0..LANES {
                scope.spawn(move || {
                    (from + lane..to).step_by(LANES).for_each(|n| mixed_connection(server, n));
                });
            }
        });
        eventually("all to be over", || {
            let left =
                figure(server, "orderpay_waiters") + figure(server, "orderpay_orders_remembered");
            (left == 0 && figure(server, "orderpay_connections") == 1).then_some(())
        });
        (server.resident_kib(), server.threads())
    };
    let before = connect(0, 10_000);
    let start = Instant::now();
    let after = connect(10_000, 110_000);
    println!(
        "(KiB, threads) before {before:?} and after {after:?} 100,000 in {:?}",
        start.elapsed()
    );
    assert!(after.0 <= before.0 + 2048, "{before:?} KiB before, {after:?} KiB after");
    assert!(after.1 <= before.1 + 1, "{before:?} threads before, {after:?} threads after");
}

#[test]
fn who_takes_its_last_frames_late_gets_them_all_and_has_its_places_till_then() {
    let _machine = alone();
    let server = Server::start(&["--memory=8M"]);
    let frames = "data:\n".repeat(4097) + "\n" + "event:finish\nid:6666\ndata:哈哈\n\n";
    assert_eq!(server.post("/sse/payback/lines", "\n".repeat(4096)).status, 200);
    let used = || {
        eventually("no connection but the one that asks", || {
            let text = server.get("/metrics").text();
            (figure_in(&text, "orderpay_connections") == 1)
                .then(|| figure_in(&text, "orderpay_memory_used_bytes"))
        })
    };
    let before = used();
    let SocketAddr::V4(address) = server.address else { unreachable!() };
    let [late, never] = [(); 2].map(|()| {
        let mut client =
            Client { stream: connect_with_little_room(address).unwrap(), ..server.connect() };
        client.send(request("GET", "/sse/orderpay/lines", &[], ""));
        client
    });
    eventually("room for both, and for what they have not taken", || {
        (used() >= before + 2 * 9 * 8296).then_some(())
    });
    thread::sleep(Duration::from_secs(3));
    let mut late = Stream::opened(late);
    let rest = late.rest();
    assert!(rest == frames, "{} bytes of {}", rest.len(), frames.len());
    drop(never);
    eventually("no more of either", || (used() == before).then_some(()));
}

/// A figure of `/metrics`.
fn figure(server: &Server, name: &str) -> usize {
    figure_in(&server.get("/metrics").text(), name)
}

fn figure_in(text: &str, name: &str) -> usize {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}
