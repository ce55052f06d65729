//! Is an order paid exactly once, whoever comes first?

mod support;

use std::sync::Barrier;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use std::{hint, thread};

use support::server::delivered;
use support::{Client, Folder, PAID, Server, Stream, request};

const ORDERS: usize = 10_000;

/// Pairs that race at the same time, so that they are in each other's way as well.
const LANES: usize = 4;

/// The payer starts later by up to this much: sometimes the one is first, and sometimes the other.
const HEAD_START: Duration = Duration::from_micros(300);

#[test]
fn when_orderpay_and_payback_come_at_the_same_moment_there_is_one_message_and_one_finish() {
    let server = Server::start(&["--quiet"]);
    let found_waiting: usize = thread::scope(|scope| {
        let lane = |number| {
            scope.spawn({
                let server = &server;
                move || race(server, number)
            })
        };
        let lanes: Vec<_> = (0..LANES).map(lane).collect();
        lanes.into_iter().map(|lane| lane.join().expect("every race is fair")).sum()
    });
    println!(
        "{ORDERS} orders: {found_waiting} had a waiter when they were paid, the rest had none yet"
    );
    assert!((1..ORDERS).contains(&found_waiting), "nobody raced");
    assert_eq!(waiters(&server), 0);
}

/// Races for every order of a lane; returns how many of them had a waiter when they were paid.
fn race(server: &Server, lane: usize) -> usize {
    thread::scope(|scope| {
        // It has no room: who sends, and who receives, go on at the same moment.
        let (start, started) = sync_channel(0);
        let payer = scope.spawn(move || {
            let mut payer = server.connect();
            started.iter().map(|order| pay_in_race(&mut payer, order)).sum()
        });
        for order in (lane..ORDERS).step_by(LANES) {
            let mut browser = server.connect();
            start.send(order).expect("a payer");
            browser.send(request("GET", &format!("/sse/orderpay/{order}"), &[], ""));
            assert_eq!(Stream::opened(browser).rest(), PAID, "order {order}");
        }
        drop(start);
        payer.join().expect("every payback is acknowledged")
    })
}

fn pay_in_race(payer: &mut Client, order: usize) -> usize {
    const STEPS: u32 = 100;
    let go = Instant::now() + HEAD_START / STEPS * (order as u32 % STEPS);
    while Instant::now() < go {
        hint::spin_loop();
    }
    payer.send(request("GET", &format!("/sse/payback/{order}"), &[], ""));
    delivered(&payer.answer())
}

#[test]
fn a_hundred_paybacks_at_once_are_all_acknowledged_and_one_of_them_delivers() {
    let folder = Folder::new();
    let journal = folder.join("journal");
    for options in [&["--quiet"][..], &["--quiet", "--journal", journal.to_str().unwrap()]] {
        let server = Server::start(options);
        let mut browser = server.orderpay("waiting");
        assert_eq!(hundred_paybacks(&server, "waiting"), 1);
        assert_eq!(browser.rest(), PAID);

        assert_eq!(hundred_paybacks(&server, "nobody"), 0);
        assert_eq!(server.orderpay("nobody").rest(), PAID);
    }
}

/// Pays an order a hundred times at the same moment; returns how many waiters were told.
fn hundred_paybacks(server: &Server, order: &str) -> usize {
    let start = Barrier::new(100);
    let pay = || {
        let mut payer = server.connect();
        start.wait();
        delivered(&payer.send(request("GET", &format!("/sse/payback/{order}"), &[], "")).answer())
    };
    thread::scope(|scope| {
        let payers: Vec<_> = (0..100).map(|_| scope.spawn(pay)).collect();
        payers.into_iter().map(|payer| payer.join().expect("ok")).sum()
    })
}

fn waiters(server: &Server) -> usize {
    let page = server.get("/metrics").text();
    let line = page.lines().find_map(|line| line.strip_prefix("orderpay_waiters "));
    line.and_then(|number| number.parse().ok()).expect("a number of waiters")
}
