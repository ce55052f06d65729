//! What does a waiter see? The event stream byte for byte, and who hears what when as README.md promises it.

mod support;

use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use support::event_source::EventSource;
use support::server::delivered;
use support::sse::Parser;
use support::{
    Client, Folder, HEARTBEAT, NO_ROOM, OPENING, PAID, PATIENCE, SETTLED, STREAM_HEAD, Server,
    Stream, TIMED_OUT, eventually, mask_times, request, settled_ago, stays_true,
};

const FINISH: &str = "event:finish\nid:6666\ndata:哈哈\n\n";

/// Comes back to an order with a last event ID.
fn come_back(server: &Server, order: &str, last_event_id: &str) -> Stream {
    Stream::open(
        server.address,
        &format!("/sse/orderpay/{order}"),
        &[("Last-Event-ID", last_event_id)],
    )
}

// One payment.

#[test]
fn a_payment_is_byte_for_byte_what_was_promised() {
    let server = Server::start(&[]);
    let mut waiter = server.connect();
    waiter.send(request("GET", "/sse/orderpay/7", &[], ""));
    waiter.until(OPENING);
    assert_eq!(server.payback("7"), 1);
    assert_eq!(waiter.rest(), PAID.as_bytes());

    let mut again = server.connect();
    again.send(request("GET", "/sse/orderpay/7", &[], ""));
    let whole_stream = [STREAM_HEAD, OPENING, SETTLED, PAID].concat();
    assert_eq!(mask_times(&again.rest()), whole_stream, "a result that is there comes at once");
}

#[test]
fn who_asks_for_a_result_that_is_there_is_told_how_long_ago_it_was_settled() {
    // The server counts from just before the opening to just after; a journal, in milliseconds.
    const INACCURACY: Duration = Duration::from_millis(5);
    const SOME_TIME: Duration = Duration::from_millis(300);
    let folder = Folder::new();
    let options = ["--journal", folder.join("journal").to_str().unwrap()].map(str::to_owned);
    let options = options.each_ref().map(String::as_str);
    let mut server = Server::start(&options);
    let asked = Instant::now();
    server.payback("7");
    let acknowledged = Instant::now();
    for _ in ["at once", "after a restart"] {
        eventually("some time", || (asked.elapsed() > SOME_TIME).then_some(()));
        let least = acknowledged.elapsed();
        let mut client = server.connect();
        client.send(request("GET", "/sse/orderpay/7", &[], "")).until(OPENING);
        let line = String::from_utf8(client.until("\n")).unwrap();
        let seconds = settled_ago(&line).unwrap_or_else(|| panic!("{line:?}"));
        let age = Duration::from_secs_f64(seconds) + INACCURACY;
        let most = asked.elapsed() + 2 * INACCURACY;
        assert!(least <= age && age <= most, "{least:?}, {line:?}, {most:?}");
        server.stop();
        server = Server::start(&options);
    }
}

#[test]
fn an_order_can_be_paid_as_soon_as_its_greeting_is_there() {
    let server = Server::start(&["--quiet"]);
    for order in 0..200 {
        let mut waiter = server.orderpay(&order.to_string());
        assert_eq!(server.payback(&order.to_string()), 1, "order {order}");
        assert_eq!(waiter.rest(), PAID);
    }
}

#[test]
fn all_waiters_of_an_order_get_its_result() {
    let server = Server::start(&[]);
    let mut waiters = [server.orderpay("7"), server.orderpay("7"), server.orderpay("7")];
    assert_eq!(server.payback("7"), 3);
    for waiter in &mut waiters {
        assert_eq!(waiter.rest(), PAID);
    }
}

#[test]
fn orders_do_not_hear_each_other() {
    let server = Server::start(&[]);
    let (mut one, mut other) = (server.orderpay("a"), server.orderpay("A"));
    assert_eq!(server.payback("a"), 1);
    assert_eq!(one.rest(), PAID);
    assert_eq!(other.so_far(), "");
    assert_eq!(server.payback("A"), 1);
    assert_eq!(other.rest(), PAID);
}

#[test]
fn an_order_left_out_is_order_1() {
    let server = Server::start(&[]);
    let mut waiter = Stream::open(server.address, "/sse/orderpay", &[]);
    assert_eq!(server.payback("1"), 1);
    assert_eq!(waiter.rest(), PAID);
}

// Order 1, in rounds.

/// Asks for order 1.
fn demo(server: &Server) -> Stream {
    Stream::open(server.address, "/sse/orderpay", &[])
}

#[test]
fn the_demo_can_be_repeated_in_rounds_each_larger_than_all_before() {
    let mut server = Server::start(&[]);
    let mut last_round = 6666;
    for _ in 0..3 {
        let (mut waiter, mut other) = (demo(&server), demo(&server));
        assert!(waiter.round > last_round && other.round == waiter.round, "{last_round}");
        last_round = waiter.round;
        let paid = server.get("/sse/payback");
        assert_eq!((paid.text().as_str(), paid.field("Orderpay-Delivered")), ("ok", Some("2")));
        assert_eq!(waiter.rest(), PAID);
        assert_eq!(other.rest(), PAID);
        assert_eq!(server.payback("1"), 0, "the round is over, and this is a repeated one");
    }
    assert_eq!(server.ever_logged("event=paid order=1 delivered=2"), 3);
    let server = Server::start(&[]);
    assert!(demo(&server).round > last_round, "also than those of an earlier process");
}

#[test]
fn what_order_1_was_paid_while_nobody_waited_is_kept_for_the_next_who_asks() {
    let server = Server::start(&[]);
    assert_eq!(server.payback("1"), 0);
    let mut first = demo(&server);
    assert_eq!(first.rest(), PAID);
    let second = demo(&server);
    assert!(second.round > first.round, "it has been told");

    let abandoned = second.round;
    second.client.reset();
    assert_eq!(server.payback("1"), 0, "a round is settled also when its waiters have left");
    assert_eq!(server.payback("1"), 0);
    let mut third = demo(&server);
    assert_eq!((third.round, third.rest().as_str()), (abandoned, PAID));
}

#[test]
fn who_lost_its_line_in_a_round_of_order_1_gets_the_result_of_that_round_and_of_no_other() {
    let server = Server::start(&[]);
    let mut first = demo(&server);
    let round = first.round.to_string();
    assert_eq!(come_back(&server, "1", &round).round, first.round, "it waits on");
    server.post("/sse/payback", "first");
    first.rest();

    let frames = ["data:first\n\n", FINISH].concat();
    assert_eq!(come_back(&server, "1", &round).rest(), frames);
    let second = demo(&server);
    let mut again = come_back(&server, "1", &round);
    assert_eq!((again.round, again.rest().as_str()), (first.round, frames.as_str()));
    assert_eq!(come_back(&server, "1", &second.round.to_string()).round, second.round);
    server.post("/sse/payback", "second");
    let mut late = come_back(&server, "1", &round);
    assert_eq!(late.so_far(), "", "its own result is not the last one any more");
    assert_eq!(server.payback("1"), 1);
    assert_eq!(late.rest(), PAID);
}

#[test]
fn a_last_event_id_that_names_no_round_of_order_1_is_as_good_as_none() {
    let server = Server::start(&[]);
    for last_event_id in ["x", "-1", "1x", "0x1", "1.0", "٥"] {
        assert_eq!(server.payback("1"), 0);
        assert_eq!(come_back(&server, "1", last_event_id).rest(), PAID, "{last_event_id}");
        let mut next = come_back(&server, "1", last_event_id);
        assert_eq!(next.so_far(), "", "{last_event_id}");
        assert_eq!(server.payback("1"), 1);
        assert_eq!(next.rest(), PAID);
        drop(demo(&server)); // opens the next round, for the next payback
    }
}

// What is remembered, and for whom.

#[test]
fn a_payment_before_its_order_is_kept_for_it() {
    let server = Server::start(&[]);
    assert_eq!(server.payback("7"), 0);
    let mut late = server.orderpay("7");
    assert_eq!(late.head.masked(), STREAM_HEAD);
    assert_eq!(late.rest(), PAID);
    server.wait_for_log("event=fetched order=7");
}

#[test]
fn a_payment_while_the_waiter_is_gone_is_kept() {
    let server = Server::start(&["--heartbeat", "0.2"]);
    let waiter = server.orderpay("7");
    server.wait_for_log("event=waiting order=7");
    drop(waiter);
    server.wait_for_log("event=vanished order=7");
    assert_eq!(server.payback("7"), 0);
    assert_eq!(server.orderpay("7").rest(), PAID);
}

#[test]
fn a_repeated_payment_is_acknowledged_and_changes_nothing() {
    let server = Server::start(&[]);
    assert_eq!(server.post("/sse/payback/7", "first").text(), "ok");
    let repeated = server.post("/sse/payback/7", "second");
    assert_eq!((repeated.text().as_str(), repeated.field("Orderpay-Delivered")), ("ok", Some("0")));
    server.wait_for_log("event=repeated order=7");
    assert_eq!(server.orderpay("7").rest(), ["data:first\n\n", FINISH].concat());

    server.post("/sse/payback/7", "third");
    server.wait_for_log_lines(2, "event=repeated order=7"); // A delivered order stays settled.
    assert_eq!(come_back(&server, "7", "0").rest(), ["data:first\n\n", FINISH].concat());
}

#[test]
fn a_paid_order_stays_paid_for_all_who_ask_as_often_as_they_ask() {
    let server = Server::start(&[]);
    let mut first = server.orderpay("7");
    assert_eq!(server.payback("7"), 1);
    assert_eq!(first.rest(), PAID);
    for _ in 0..2 {
        assert_eq!(server.orderpay("7").rest(), PAID);
        assert_eq!(come_back(&server, "7", "0").rest(), PAID);
        assert_eq!(server.payback("7"), 0);
    }
}

#[test]
fn a_result_is_remembered_as_long_as_keep_says() {
    let server = Server::start(&["--keep", "0.6"]);
    let paid_at = Instant::now();
    server.payback("7");
    server.payback("7");
    server.wait_for_log("event=repeated order=7");

    let forgotten_at = eventually("the order to be forgotten", || {
        server.payback("7");
        (server.logged("event=paid order=7").len() == 2).then(Instant::now)
    });
    let remembered = forgotten_at - paid_at;
    assert!(remembered >= Duration::from_millis(600), "{remembered:?}");
    assert!(remembered < Duration::from_millis(1100), "{remembered:?}");
}

#[test]
fn a_full_memory_refuses_what_it_could_not_deliver() {
    const FULL: &str = "HTTP/1.1 503 Service Unavailable\r\nDate: …\r\nCache-Control: no-store\r\n\
        Content-Type: text/plain;charset=UTF-8\r\nRetry-After: 5\r\nContent-Length: 48\r\n\r\n\
        too many orders wait to be delivered: try again\n";
    let server = Server::start(&["--remember", "2"]);
    assert_eq!((server.payback("1"), server.payback("2")), (0, 0));
    assert_eq!(server.get("/sse/payback/3").masked(), FULL);

    let mut waiter = server.orderpay("3");
    assert_eq!(server.get("/sse/payback/3").status, 503, "at most means at most");
    assert_eq!(server.payback("1"), 0, "a repeated one is acknowledged");

    assert_eq!(server.orderpay("1").rest(), PAID);
    // It is known to be told a moment after its client has read it.
    let paid = eventually("what was told to somebody makes room", || {
        Some(server.get("/sse/payback/3")).filter(|answer| answer.status == 200)
    });
    assert_eq!(delivered(&paid), 1);
    assert_eq!(waiter.rest(), PAID);
    assert_eq!(server.orderpay("2").rest(), PAID, "what was told to nobody is still there");
}

// Coming back.

#[test]
fn a_browser_that_lost_its_connection_gets_the_result_even_when_it_was_written() {
    let server = Server::start(&[]);
    let mut lost = server.orderpay("7");
    assert_eq!(server.payback("7"), 1);
    assert_eq!(lost.rest(), PAID);
    assert_eq!(come_back(&server, "7", "0").rest(), PAID);
    assert_eq!(come_back(&server, "7", "what it never got from here").rest(), PAID);
}

#[test]
fn a_browser_that_lost_its_connection_before_the_payment_waits_on() {
    let server = Server::start(&[]);
    let mut back = come_back(&server, "7", "0");
    server.wait_for_log("event=waiting order=7 last_event_id=\"0\"");
    assert_eq!(back.so_far(), "");
    assert_eq!(server.payback("7"), 1);
    assert_eq!(back.rest(), PAID);
}

#[test]
fn a_browser_that_has_seen_finish_is_told_to_stop() {
    let server = Server::start(&[]);
    for _ in ["fresh", "settled"] {
        let mut client = server.connect();
        client.send(request("GET", "/sse/orderpay/7", &[("last-event-id", "6666")], ""));
        assert_eq!(
            client.answer().masked(),
            "HTTP/1.1 204 No Content\r\nDate: …\r\nCache-Control: no-store\r\n\r\n"
        );
        assert_eq!(server.payback("7"), 0, "it is not parked");
    }
    server.wait_for_log_lines(2, "event=seen order=7");
}

#[test]
fn an_event_source_that_nobody_closes_sees_one_message_and_one_finish() {
    let server = Server::start(&["--timeout", "0.3"]);
    let mut source = EventSource::new(server.address, "/sse/orderpay/7");
    source.longest_wait = Duration::from_millis(50);
    let deadline = Instant::now() + PATIENCE;
    let mut next = || source.next(deadline).map(|it| (it.kind, it.data, it.last_event_id));
    let event = |kind: &str, data: &str, id: &str| Some((kind.into(), data.into(), id.into()));

    assert_eq!(next(), event("message", "timeout!!", "0"));
    assert_eq!(server.payback("7"), 0, "paid between two connections");
    assert_eq!(next(), event("message", "支付成功", "0"));
    assert_eq!(next(), event("finish", "哈哈", "6666"));
    assert_eq!(next(), None);
    assert!(source.is_closed());
    assert_eq!(source.connections, 3, "waited, fetched, was told to stop");
}

// Time.

#[test]
fn the_timeout_is_never_early_and_hardly_late() {
    const TIMEOUT: Duration = Duration::from_millis(500);
    const LATEST: Duration = Duration::from_millis(750);
    let mut server = Server::start(&["--timeout", "0.5"]);
    let wait = || {
        let asked = Instant::now();
        let mut waiter = server.orderpay("7");
        let greeted = Instant::now();
        assert_eq!(waiter.rest(), TIMED_OUT);
        (asked.elapsed(), greeted.elapsed())
    };
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..5)
            .map(|at| {
                // Each has its own clock: they come one after the other, and so they go.
                server.wait_for_log_lines(at, "event=waiting order=7");
                scope.spawn(wait)
            })
            .collect();
        for (since_asked, since_greeted) in waiters.into_iter().map(|it| it.join().unwrap()) {
            assert!(since_asked >= TIMEOUT, "early: {since_asked:?}");
            assert!(since_greeted < LATEST, "late: {since_greeted:?}");
        }
    });
    assert_eq!(server.payback("7"), 0, "a timeout settles nothing");
    assert_eq!(server.orderpay("7").rest(), PAID);
    assert_eq!(server.ever_logged("event=timeout order=7"), 5);
}

#[test]
fn a_later_waiter_does_not_put_off_the_timeout_of_an_earlier_one() {
    let server = Server::start(&["--timeout", "0.4"]);
    let mut waiter = server.orderpay("7");
    let greeted = Instant::now();
    let client = thread::spawn(move || (waiter.rest(), greeted.elapsed()));
    while !client.is_finished() {
        drop(server.orderpay("7"));
        drop(server.orderpay("8"));
    }
    let (frames, waited) = client.join().unwrap();
    assert_eq!(frames, TIMED_OUT);
    assert!(waited < Duration::from_millis(650), "{waited:?}");
}

#[test]
fn a_silent_stream_has_a_heartbeat() {
    let server = Server::start(&["--heartbeat", "0.25", "--timeout", "1.1"]);
    let mut waiter = server.orderpay("7");
    assert_eq!(waiter.rest(), [&HEARTBEAT.repeat(4), TIMED_OUT].concat());
}

#[test]
fn without_a_heartbeat_a_stream_is_silent() {
    let server = Server::start(&["--heartbeat", "0", "--timeout", "0.6"]);
    assert_eq!(server.orderpay("7").rest(), TIMED_OUT);
}

// Clients that are not quite as expected.

#[test]
fn a_half_closed_waiter_is_still_listening() {
    let mut server = Server::start(&["--heartbeat", "0.1"]);
    let mut waiter = server.orderpay("7");
    waiter.client.half_close();
    for _ in 0..12 {
        assert_eq!(waiter.frame(), HEARTBEAT);
    }
    assert_eq!(server.payback("7"), 1);
    let frames = waiter.rest();
    assert_eq!(frames.trim_start_matches(HEARTBEAT), PAID);
    assert_eq!(server.ever_logged("event=vanished"), 0);
}

#[test]
fn a_waiter_that_half_closes_with_its_request_gets_its_whole_answer() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(request("GET", "/sse/orderpay/7", &[], "")).half_close();
    let mut waiter = Stream::opened(client);
    assert_eq!(server.payback("7"), 1);
    assert_eq!(waiter.rest(), PAID);

    server.payback("8");
    let mut client = server.connect();
    client.send(request("GET", "/sse/orderpay/8", &[], "")).half_close();
    assert_eq!(Stream::opened(client).rest(), PAID);
}

#[test]
fn what_a_waiter_sends_never_costs_it_its_last_frames() {
    let server = Server::start(&["--timeout", "0.4"]);
    for length in [1, 5_000, 60_000, 1_000_000] {
        let order = length.to_string();
        let mut paid = server.orderpay(&order);
        let mut timed_out = server.orderpay("8");
        for waiter in [&mut paid, &mut timed_out] {
            waiter.client.send(vec![b'x'; length]);
        }
        assert_eq!(server.payback(&order), 1);
        assert_eq!(paid.rest(), PAID, "after {length} bytes");
        assert_eq!(timed_out.rest(), TIMED_OUT, "after {length} bytes");
    }
}

/// A reset would come when the server closes, and find a client that has not read everything yet.
#[test]
fn a_waiter_that_speaks_when_it_was_paid_is_not_reset() {
    const LINGERED: Duration = Duration::from_millis(900);
    let server = Server::start(&[]);
    let mut waiter = server.orderpay("7");
    assert_eq!(server.payback("7"), 1);
    waiter.client.send("thanks");
    thread::sleep(LINGERED);
    assert_eq!(waiter.client.stream.take_error().unwrap().map(|error| error.kind()), None);
    assert_eq!(waiter.rest(), PAID);
}

#[test]
fn what_a_waiter_sends_with_its_request_is_not_another_request() {
    let mut server = Server::start(&[]);
    let mut client = server.connect();
    let both =
        [request("GET", "/sse/orderpay/7", &[], ""), request("GET", "/sse/payback/8", &[], "")]
            .concat();
    client.send(both);
    let mut waiter = Stream::opened(client);
    assert_eq!(server.payback("7"), 1);
    assert_eq!(waiter.rest(), PAID);

    server.payback("9");
    let mut client = server.connect();
    client.send([request("GET", "/sse/orderpay/9", &[], ""), vec![b'x'; 50_000]].concat());
    assert_eq!(Stream::opened(client).rest(), PAID, "also when the result is there at once");
    assert_eq!(server.ever_logged("event=paid order=8 delivered=0"), 0);
}

#[test]
fn a_waiter_that_never_stops_talking_gets_its_frames() {
    let server = Server::start(&[]);
    let mut waiter = server.orderpay("7");
    let chatter = waiter.client.stream.try_clone().unwrap();
    let talker = thread::spawn(move || {
        let mut chatter = Client::from(chatter);
        while chatter.try_send("x").is_ok() {}
    });
    server.wait_for_log("event=waiting order=7");
    assert_eq!(server.payback("7"), 1);
    assert_eq!([waiter.frame(), waiter.frame()].concat(), PAID);
    // It talks until it is shut up: by the server, or by us.
    let _ = waiter.client.stream.shutdown(Shutdown::Both);
    talker.join().unwrap();
}

#[test]
fn one_waiter_too_many_is_told_to_come_back() {
    let server = Server::start_after("ulimit -n 128", &[]);
    let mut parked = park_as_many_as_there_is_room_for(&server);
    assert_eq!(server.payback("0"), 1, "those who are parked can be paid");
    assert_eq!(parked[0].rest(), PAID.as_bytes());
    assert_eq!(server.orderpay("another").so_far(), "", "there is room again");
}

/// For the orders 0, 1, 2 and so on.
fn park_as_many_as_there_is_room_for(server: &Server) -> Vec<Client> {
    let mut parked = Vec::new();
    let mut surplus = loop {
        let mut client = server.connect();
        client.send(request("GET", &format!("/sse/orderpay/{}", parked.len()), &[], ""));
        assert_eq!(client.head().masked(), STREAM_HEAD);
        if client.until("\n\n") == NO_ROOM.as_bytes() {
            break client;
        }
        parked.push(client);
    };
    assert_eq!(surplus.rest(), b"");
    server.wait_for_log(&format!("event=full order={}", parked.len()));
    parked
}

/// In 4 MiB: beside the program there are 1,696 KiB, of which three connections take 136 each.
#[test]
fn waiters_results_and_connections_have_each_their_part_of_the_memory_and_no_more() {
    const LEFT: usize = (1696 - 3 * 136) * 1024;
    let server = Server::start(&["--memory", "4M"]);
    let mut parked = park_as_many_as_there_is_room_for(&server);
    assert_eq!(parked.len(), LEFT / 8 * 5 / 8296);
    let pay = |order: &str| server.post(&format!("/sse/payback/{order}"), "x".repeat(4096));
    let mut answers = (0..).map(|n| pay(&format!("kept-{n}")));
    let refused = answers.find(|answer| answer.status != 200).expect("a refusal");
    assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("5")));
    let kept = LEFT / 8 * 3 / 4 * 3 / (416 + 32 + 4096);
    let expected = format!("\norderpay_orders_remembered {kept}\n");
    let figures = server.get("/metrics").text();
    assert!(figures.contains(&expected), "{expected}{figures}");
    let mut slow: Vec<_> = (0..9).map(|_| server.connect()).collect();
    slow.iter_mut().for_each(|client| _ = client.send("GET /"));
    let figures = server.get("/metrics").text();
    let served = ["1", "2"].map(|count| format!("\norderpay_connections {count}\n"));
    assert!(served.iter().any(|it| figures.contains(it)), "{figures}");
    for (order, waiter) in parked.iter_mut().enumerate() {
        assert_eq!(delivered(&pay(&order.to_string())), 1);
        assert!(waiter.rest().ends_with(FINISH.as_bytes()));
    }
    drop(slow);
    assert_eq!(pay("one-more").status, 503, "what was told to somebody has made room for the like");
    server.orderpay("kept-0").rest();
    assert_eq!(pay("one-more").status, 200, "what was fetched has made room");
}

// What a payment says.

#[test]
fn each_line_of_a_text_becomes_a_line_of_data() {
    let server = Server::start(&[]);
    for (order, (said, frame)) in (1000..).zip([
        ("", "data:支付成功\n\n"),
        ("a", "data:a\n\n"),
        ("a\rb\r\nc\nd", "data:a\ndata:b\ndata:c\ndata:d\n\n"),
        (
            "\n\nevent:finish\ndata:forged\n\n",
            "data:\ndata:\ndata:event:finish\ndata:data:forged\ndata:\ndata:\n\n",
        ),
        (" a space", "data:  a space\n\n"),
        ("\u{feff}a\u{2028}b\u{85}c", "data:\u{feff}a\u{2028}b\u{85}c\n\n"),
    ]) {
        let mut waiter = server.orderpay(&order.to_string());
        let answer = server.post(&format!("/sse/payback/{order}"), said);
        assert_eq!(answer.field("Orderpay-Delivered"), Some("1"));
        let frames = waiter.rest();
        assert_eq!(frames, [frame, FINISH].concat(), "{said:?}");

        let events = Parser::default().push(frames.as_bytes());
        let heard: Vec<_> = events.iter().map(|it| (it.kind.as_str(), it.data.as_str())).collect();
        let lines = if said.is_empty() { "支付成功" } else { said }
            .replace("\r\n", "\n")
            .replace('\r', "\n");
        assert_eq!(heard, [("message", lines.as_str()), ("finish", "哈哈")], "{said:?}");
    }
}

#[test]
fn only_a_post_has_a_text_of_its_own() {
    let server = Server::start(&[]);
    let mut waiter = server.orderpay("7");
    let answer = server.connect().send(request("GET", "/sse/payback/7", &[], "ignored")).answer();
    assert_eq!(answer.text(), "ok");
    assert_eq!(waiter.rest(), PAID);
}

#[test]
fn a_text_has_up_to_4_kib_of_utf_8_without_nul() {
    let server = Server::start(&[]);
    let mut waiter = server.orderpay("7");
    for (said, status) in [
        (vec![b'x'; 4097], 413),
        (b"\xff".to_vec(), 400),
        ("支付".as_bytes()[..5].to_vec(), 400),
        (b"a\0b".to_vec(), 400),
    ] {
        assert_eq!(server.post("/sse/payback/7", said).status, status);
    }
    let longest = "x".repeat(4096);
    assert_eq!(server.post("/sse/payback/7", &longest).status, 200);
    assert_eq!(waiter.rest(), format!("data:{longest}\n\n{FINISH}"), "nothing else settled it");
}

#[test]
fn a_foreign_page_and_a_guessing_browser_settle_nothing() {
    let server = Server::start(&[]);
    let mut waiter = server.orderpay("7");
    let pay = |method: &str, field: (&str, &str)| {
        server.connect().send(request(method, "/sse/payback/7", &[field], "")).answer()
    };
    for (method, field) in [
        ("GET", ("Sec-Fetch-Site", "cross-site")),
        ("POST", ("Sec-Fetch-Site", "cross-site")),
        ("GET", ("Sec-Purpose", "prefetch")),
        ("GET", ("Sec-Purpose", "prefetch;prerender")),
    ] {
        assert_eq!(pay(method, field).status, 403, "{method} {field:?}");
    }
    stays_true(Duration::from_millis(100), "nobody was paid", || waiter.so_far().is_empty());
    for site in ["same-origin", "same-site", "none"] {
        assert_eq!(pay("POST", ("Sec-Fetch-Site", site)).text(), "ok", "{site}");
    }
    assert_eq!(waiter.rest(), PAID);
}
