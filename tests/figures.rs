//! Do the figures of `/metrics` tell what has happened, in words that a scraper understands?

mod support;

use std::collections::BTreeMap;

use support::{OPENING, Server, eventually, request};

/// Reads Prometheus' text format 0.0.4 as strictly as it is written here: each family has its help, its type and then
/// its samples, once.
fn read(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line must end as well");
    let mut samples = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(help) = lines.next() {
        let (name, _) = help.strip_prefix("# HELP ").and_then(|it| it.split_once(' ')).expect(help);
        let kind = lines.next().and_then(|it| it.strip_prefix(&format!("# TYPE {name} ")));
        let kind = kind.unwrap_or_else(|| panic!("no type of {name}"));
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(["counter", "gauge"].contains(&kind), "{kind}");
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = sample.rsplit_once(' ').expect("a value");
            let labels = series.strip_prefix(name).expect("a sample of its family");
            assert!(labels.is_empty() || is_label(labels), "{sample}");
            let value = value.parse().expect("a number");
            assert_eq!(samples.insert(series.to_owned(), value), None, "{series} is there twice");
        }
    }
    samples
}

/// Is it `{name="value"}`?
fn is_label(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|it| it.strip_suffix("\"}"));
    let is_word = |it: &str| it.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    inner.and_then(|it| it.split_once("=\"")).is_some_and(|(name, value)| {
        is_word(name) && !value.is_empty() && !value.contains(['"', '\\', '{', '}'])
    })
}

/// By how much the figures have moved: those that have.
fn moved(before: &BTreeMap<String, f64>, server: &Server) -> Vec<(String, f64)> {
    let after = read(&server.get("/metrics").text());
    assert!(before.keys().eq(after.keys()), "no figure comes or goes");
    let moves = after.into_iter().map(|(name, value)| (name.clone(), value - before[&name]));
    moves.filter(|(_, by)| *by != 0.0).collect()
}

#[test]
fn the_figures_move_with_what_happens_and_no_others_do() {
    let options = ["--timeout", "1.5", "--heartbeat", "0.1", "--remember", "2"];
    let server = Server::start(&options);
    let before = read(&server.get("/metrics").text());
    let expect = |what: &str, moves: &[(&str, f64)]| {
        let moves: Vec<_> =
            moves.iter().map(|(name, by)| (format!("orderpay_{name}"), *by)).collect();
        let mut last = Vec::new();
        eventually(&format!("{what}: {moves:?}"), || {
            last = moved(&before, &server);
            let others = ["orderpay_connections_total", "orderpay_memory_used_bytes"];
            last.retain(|(name, _)| !others.contains(&name.as_str()));
            (last == moves).then_some(())
        });
    };

    let waiter = server.orderpay("7");
    expect("somebody waits", &[("waiters", 1.0)]);
    expect("and gives up", &[("timeouts_total", 1.0)]);
    drop(waiter);

    let waiter = server.orderpay("8");
    server.payback("8");
    server.payback("8");
    let paid = [
        ("orders_remembered", 1.0),
        ("paybacks_total{outcome=\"repeated\"}", 1.0),
        ("paybacks_total{outcome=\"settled\"}", 1.0),
        ("timeouts_total", 1.0),
    ];
    expect("an order is paid, and paid again", &paid);
    drop(waiter);

    drop(server.orderpay("9"));
    server.payback("kept-1");
    assert_eq!(server.orderpay("kept-1").rest().len(), support::PAID.len());
    server.payback("kept-2");
    server.payback("kept-3");
    assert_eq!(server.get("/sse/payback/kept-4").status, 503);
    for bytes in
        ["GET /nowhere HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/3.0\r\n\r\n"]
    {
        server.connect().send(bytes).rest();
    }
    let all = [
        ("fetched_total", 1.0),
        ("orders_remembered", 2.0),
        ("paybacks_total{outcome=\"repeated\"}", 1.0),
        ("paybacks_total{outcome=\"settled\"}", 4.0),
        ("paybacks_total{outcome=\"unavailable\"}", 1.0),
        ("refusals_total{status=\"400\"}", 1.0),
        ("refusals_total{status=\"404\"}", 1.0),
        ("refusals_total{status=\"503\"}", 1.0),
        ("refusals_total{status=\"505\"}", 1.0),
        ("timeouts_total", 1.0),
        ("vanished_total", 1.0),
    ];
    expect("all of it", &all);
}

#[test]
fn memory_has_its_bound_and_what_is_used_of_it() {
    let server = Server::start(&["--memory", "8M"]);
    let used = || {
        let figures = read(&server.get("/metrics").text());
        assert_eq!(figures["orderpay_memory_limit_bytes"], 8388608.0);
        figures["orderpay_memory_used_bytes"]
    };
    let before = used();
    assert!((2.4e6..2.9e6).contains(&before), "{before}");
    let expect = |what: &str, more: f64| {
        eventually(what, || (used() - before == more).then_some(()));
    };
    let _waiter = server.orderpay("7");
    expect("a waiter, as in src/budget.rs", 8296.0);
    server.post("/sse/payback/8", "x".repeat(1000));
    expect("a waiter and a result", 8296.0 + 1448.0);
    server.payback("7");
    expect("two results", 1448.0 + 416.0);
}

#[test]
fn connections_are_counted_now_and_in_all() {
    let server = Server::start(&[]);
    let figures = || read(&server.get("/metrics").text());
    let idle: Vec<_> = (0..10)
        .map(|_| {
            let mut client = server.connect();
            client.send(request("GET", "/healthz", &[], "")).answer();
            client
        })
        .collect();
    let mut waiter = server.connect();
    waiter.send(request("GET", "/sse/orderpay/7", &[], "")).until(OPENING);
    eventually("ten idle connections beside the one that asks", || {
        (figures()["orderpay_connections"] == 11.0).then_some(())
    });
    let in_all = figures()["orderpay_connections_total"];
    drop(idle);
    eventually("nobody but the one that asks", || {
        (figures()["orderpay_connections"] == 1.0).then_some(())
    });
    assert!(figures()["orderpay_connections_total"] > in_all);
    assert_eq!(figures()["orderpay_waiters"], 1.0);
}
