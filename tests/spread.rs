//! Does it go beyond one machine? Three instances behind nginx, which hashes on the order, as README.md tells.

mod support;

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use support::os::signal;
use support::proxy::{FRONT, NGINX, Proxy};
use support::readme::blocks;
use support::server::{delivered, orderpay, path_to_orderpay};
use support::{
    Client, Folder, NO_ROOM, OPENING, PATIENCE, Program, SETTLED, Server, eventually, mask_times,
    own_network,
};

const PORTS: [u16; 3] = [8881, 8882, 8883];
/// Each has a number, from this on: order 1 is a case of its own.
const FIRST: usize = 1000;
const ORDERS: usize = 300;
/// One instance is killed when so many are paid, and is away for so long.
const PAID_BEFORE: usize = 60;
const AWAY: Duration = Duration::from_millis(500);
/// A browser comes back after this.
const PAUSE: Duration = Duration::from_millis(50);

#[test]
fn one_of_three_is_killed_and_nothing_is_lost_and_nobody_else_disturbed() {
    let Some(three) = Three::start() else { return };
    let paid = &AtomicUsize::new(0);
    thread::scope(|scope| {
        let browser = |order| scope.spawn(move || wait_for(order));
        let browsers: Vec<_> = (FIRST..FIRST + ORDERS).map(browser).collect();
        let waiting = eventually("all who wait", || {
            let waiting = PORTS.map(waiters);
            (waiting.iter().sum::<usize>() == ORDERS).then_some(waiting)
        });
        assert!(waiting.iter().all(|it| *it > ORDERS / 10), "{waiting:?}");

        let payers = [0, 1].map(|payer| scope.spawn(move || pay_every_other(payer, paid)));
        eventually("some payments", || (paid.load(Relaxed) > PAID_BEFORE).then_some(()));
        let _again = three.kill_and_start_again(1);

        let tried_again: usize = payers.into_iter().map(|it| it.join().unwrap().len()).sum();
        let seen: Vec<_> = browsers.into_iter().map(|it| it.join().unwrap()).collect();
        let came_back = seen.iter().filter(|it| it.connections > 1).count();
        let sent_away = seen.iter().filter(|it| it.sent_away).count();
        println!("of {waiting:?} who waited {came_back} came back, {sent_away} were sent away;");
        println!("{tried_again} payments were tried again");
        let concerned = 1..=waiting[1];
        assert!(concerned.contains(&came_back) && concerned.contains(&tried_again));
        assert!(sent_away > 0);
    });
}

#[test]
fn without_a_number_it_is_order_1_wherever_that_is() {
    let Some(_three) = Three::start() else { return };
    for (wait, pay) in [("/sse/orderpay", "/sse/payback/1"), ("/sse/orderpay/1", "/sse/payback")] {
        let mut waiter = ask(&format!("GET {wait}"), "", "");
        waiter.until("\n\n");
        assert_eq!(delivered(&ask(&format!("GET {pay}"), "", "").answer()), 1);
    }
}

#[test]
fn a_fourth_takes_its_share_and_nothing_else_moves() {
    if !own_network() {
        return;
    }
    let three = &blocks("## Beyond one machine")[1].text;
    let last = "    server 127.0.0.1:8883 max_fails=0;\n";
    let four = three.replace(last, &format!("{last}{}", last.replace("8883", "8884")));
    let Some(before) = where_orders_go(three) else { return };
    let Some(after) = where_orders_go(&four) else { return };
    let moved: Vec<_> = before.iter().zip(&after).filter(|(was, is)| was != is).collect();
    println!("{} of {ORDERS} orders have moved", moved.len());
    assert!(moved.iter().all(|(_, is)| *is == "8884"));
    assert!((ORDERS / 8..ORDERS * 3 / 8).contains(&moved.len()));
}

/// The port of each order's instance. In their place nginx itself answers, with the port.
fn where_orders_go(added: &str) -> Option<Vec<String>> {
    const PORT: &str =
        "server { listen 8881; listen 8882; listen 8883; listen 8884; return 200 $server_port; }";
    let _nginx = Proxy::start(&NGINX, &format!("{added}\n{PORT}"), &[])?;
    let port = |order| ask(&format!("GET /sse/payback/{order}"), "", "").answer().text();
    Some((0..ORDERS).map(port).collect())
}

/// What a browser has seen when its order is paid.
struct Seen {
    connections: usize,
    /// Whether it was told to come back later, instead of being told an error.
    sent_away: bool,
}

/// Does as an EventSource does, until its own order is paid.
fn wait_for(order: usize) -> Seen {
    let mut seen = Seen { connections: 0, sent_away: false };
    let mut last_event_id = "";
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        seen.connections += 1;
        let mut client = ask(&format!("GET /sse/orderpay/{order}"), last_event_id, "");
        let head = client.head();
        assert_eq!(
            head.field("Content-Type").map(|it| it.starts_with("text/event-stream")),
            Some(true)
        );
        let stream = client.try_rest().unwrap_or_else(|_| client.take_received());
        let stream = String::from_utf8(stream).unwrap();
        if let Some(result) = stream.strip_prefix(OPENING).filter(|it| !it.is_empty()) {
            let frames = format!("data:{order}\n\nevent:finish\nid:6666\ndata:哈哈\n\n");
            let result = mask_times(result.as_bytes());
            assert_eq!(result.strip_prefix(SETTLED).unwrap_or(&result), frames);
            return seen;
        }
        seen.sent_away |= stream == NO_ROOM;
        if stream == OPENING {
            last_event_id = "Last-Event-ID: 0\r\n";
        }
        thread::sleep(PAUSE);
    }
    panic!("order {order} was lost");
}

/// Does as a payment platform does, which tries again until it is told `ok`; which orders it tried again.
fn pay_every_other(first: usize, paid: &AtomicUsize) -> HashSet<usize> {
    let mut left: VecDeque<usize> = (FIRST + first..FIRST + ORDERS).step_by(2).collect();
    let mut tried_again = HashSet::new();
    let deadline = Instant::now() + PATIENCE;
    while let Some(order) = left.pop_front() {
        let answer = ask(&format!("POST /sse/payback/{order}"), "", &order.to_string()).answer();
        if answer.status == 200 {
            assert_eq!(answer.text(), "ok");
            paid.fetch_add(1, Relaxed);
        } else {
            assert!(answer.status == 502 && Instant::now() < deadline, "{}", answer.masked());
            tried_again.insert(order);
            left.push_back(order);
        }
        thread::sleep(PAUSE / 10);
    }
    tried_again
}

/// Sends a request of HTTP/1.0, which nginx does not answer in chunks.
fn ask(method_and_path: &str, fields: &str, body: &str) -> Client {
    let mut client = Client::connect(FRONT);
    let length = body.len();
    client.send(format!(
        "{method_and_path} HTTP/1.0\r\nHost: localhost\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    ));
    client
}

fn waiters(port: u16) -> usize {
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    let metrics = client.send("GET /metrics HTTP/1.0\r\n\r\n").answer().text();
    let value = metrics.lines().find_map(|line| line.strip_prefix("orderpay_waiters "));
    value.and_then(|it| it.parse().ok()).expect("a number of waiters")
}

/// Three servers that a line in a shell has started in the background, and nginx before them.
struct Three {
    _nginx: Proxy,
    shell: Program,
    pids: Vec<String>,
    folder: Folder,
}

impl Three {
    fn start() -> Option<Three> {
        if !own_network() {
            return None;
        }
        let [line, nginx] = &blocks("## Beyond one machine")[..] else { panic!("two blocks") };
        let folder = Folder::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{}\njobs -p\nwait", line.text)]);
        let shell =
            Program::start(shell.current_dir(folder.path()).env("PATH", path_to_orderpay()));
        let pids = eventually("three servers, each at two addresses", || {
            let stdout = shell.stdout();
            let (addresses, pids): (Vec<_>, Vec<_>) =
                stdout.lines().map(String::from).partition(|line| line.starts_with("orderpay"));
            (addresses.len() == 6 && pids.len() == 3).then_some(pids)
        });
        Some(Three { _nginx: Proxy::start(&NGINX, nginx.text, &[])?, shell, pids, folder })
    }

    /// Starts it as the line in the shell did.
    fn kill_and_start_again(&self, instance: usize) -> Server {
        self.kill(instance);
        thread::sleep(AWAY);
        let port = PORTS[instance];
        let mut again = orderpay();
        again.arg(format!("--listen=localhost:{port}")).arg(format!("--journal=journal-{port}"));
        Server::spawn(again.current_dir(self.folder.path()))
    }

    fn kill(&self, instance: usize) {
        signal(self.pids[instance].parse().expect("a process"), "KILL");
    }
}

impl Drop for Three {
    /// Those that are left: the shell would leave them behind.
    fn drop(&mut self) {
        for instance in 0..self.pids.len() {
            let name = fs::read_to_string(format!("/proc/{}/comm", self.pids[instance]));
            if name.is_ok_and(|name| name == "orderpay\n") {
                self.kill(instance);
            }
        }
        self.shell.exit();
    }
}
