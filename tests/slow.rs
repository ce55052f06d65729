//! What if a line is slow? Nobody knows by a connection what its client has read, and nobody needs to.

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use support::server::orderpay;
use support::slow_line::{FAR, NEAR, slow_line};
use support::{Client, PAID, Server, Stream, request};

/// The server, as it is seen through the line.
fn far(server: &Server) -> SocketAddr {
    format!("{FAR}:{}", server.address.port()).parse().expect("an address")
}

#[test]
fn a_slow_line_is_not_taken_for_a_dead_one() {
    if !slow_line(Duration::from_millis(300)) {
        return;
    }
    let server = Server::start_on(&format!("{NEAR}:0"), &[]);
    for _ in 0..3 {
        let mut customer = Stream::open(far(&server), "/sse/orderpay", &[]);
        assert_eq!(server.payback("1"), 1);
        let mut next = Stream::open(server.address, "/sse/orderpay", &[]);
        assert!(next.round > customer.round && next.so_far().is_empty(), "it was paid before");
        assert_eq!(customer.rest(), PAID);
        assert_eq!(server.payback("1"), 1);
        assert_eq!(next.rest(), PAID);
    }
}

/// Who is turned away lingers for a moment; that must cost nobody else their descriptor.
#[test]
fn a_crowd_that_is_turned_away_on_a_slow_line_keeps_no_payment_out() {
    const A_SECOND: u32 = 200;
    if !slow_line(Duration::from_millis(25)) {
        return;
    }
    let mut shell = orderpay();
    let binary = shell.get_program().to_owned();
    shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""]).arg(binary);
    let server = Server::spawn(shell.args(["--quiet", "--listen", &format!("{NEAR}:0")]));
    let ask = |order: usize| {
        let mut client = Client::connect(far(&server));
        client.send(request("GET", &format!("/sse/orderpay/crowd-{order}"), &[], ""));
        client
    };
    let parked: Vec<Client> = (0..192).map(ask).collect();
    let over = AtomicBool::new(false);
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        for lane in 0..20 {
            let (ask, over) = (&ask, &over);
            scope.spawn(move || {
                for number in (1000 + lane..).step_by(20).take_while(|_| !over.load(Relaxed)) {
                    let begun = Instant::now();
                    // Each stays a while, as a browser does that is told to come back.
                    drop(ask(number).try_rest());
                    thread::sleep(
                        (Duration::from_secs(20) / A_SECOND).saturating_sub(begun.elapsed()),
                    );
                }
            });
        }
        for order in 0..100 {
            let asked = Instant::now();
            server.payback(&format!("paid-{order}"));
            slowest = slowest.max(asked.elapsed());
            thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Relaxed);
    });
    println!("the slowest of 100 payments took {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    drop(parked);
}
