//! What does a browser end up with when its connection breaks in the middle of the result?

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use support::event_source::EventSource;
use support::sse::Event;
use support::{Client, OPENING, PAID, PATIENCE, Server};

/// The first of the two frames in [`PAID`].
const MESSAGE: &str = "data:支付成功\n\n";

#[test]
fn a_connection_cut_at_any_byte_of_the_result_loses_nothing() {
    let server = Server::start(&[]);
    thread::scope(|scope| {
        for cut in 0..=PAID.len() {
            let server = &server;
            scope.spawn(move || assert_eq!(events(server, cut), expected(cut), "cut at {cut}"));
        }
    });
}

/// Without `finish` a browser comes back with the id of its greeting, and gets the whole result.
///
/// Where the cut left it the first frame, it has the message twice then. No id can prevent that: it
/// would have to stand in the frame of the message, whose bytes are those of the original program.
fn expected(cut: usize) -> Vec<Event> {
    let event = |kind: &str, data: &str, id: &str| Event {
        kind: kind.into(),
        data: data.into(),
        last_event_id: id.into(),
    };
    let message = event("message", "支付成功", "0");
    let finish = event("finish", "哈哈", "6666");
    let twice = (MESSAGE.len()..PAID.len()).contains(&cut);
    if twice { vec![message.clone(), message, finish] } else { vec![message, finish] }
}

/// All that a browser dispatches until the server tells it to stop.
fn events(server: &Server, cut: usize) -> Vec<Event> {
    let order = format!("cut-at-{cut}");
    let line = line_that_breaks(server.address, cut);
    let browser = thread::spawn({
        let path = format!("/sse/orderpay/{order}");
        move || {
            let mut source = EventSource::new(line, &path);
            source.longest_wait = Duration::from_millis(1);
            let deadline = Instant::now() + PATIENCE;
            std::iter::from_fn(|| source.next(deadline)).collect()
        }
    });
    server.wait_for_log(&format!("event=waiting order={order}"));
    assert_eq!(server.payback(&order), 1);
    browser.join().expect("a browser")
}

/// A way to the server that, of the first connection, lets through so many bytes after the greeting.
fn line_that_breaks(server: SocketAddr, cut: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    thread::spawn(move || {
        pass_on(listener.accept().expect("the browser").0, server, cut);
        while let Ok((browser, _)) = listener.accept() {
            pass_on(browser, server, usize::MAX);
        }
    });
    address
}

fn pass_on(mut browser: TcpStream, server: SocketAddr, most: usize) {
    let mut request = [0; 1024];
    let length = browser.read(&mut request).expect("a request");
    let mut upstream = Client::connect(server);
    upstream.send(&request[..length]);
    let head = upstream.head();
    browser.write_all(&head.raw).expect("the head");
    // 204 tells the browser to stop, and has no body.
    if head.status == 200 {
        browser.write_all(&upstream.until(OPENING)).expect("the greeting");
        let rest = upstream.rest();
        browser.write_all(&rest[..most.min(rest.len())]).expect("the rest");
    }
}
