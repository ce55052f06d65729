//! Is it an HTTP server? Seen by clients that mean well.

mod support;

use std::io::Read;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use support::{
    Answer, Client, OPENING, PAID, Program, SETTLED, STREAM_HEAD, Server, Stream, mask_times,
    request,
};

const HEALTHY: &str = "HTTP/1.1 200 OK\r\nDate: …\r\nCache-Control: no-store\r\nContent-Type: text/plain\r\n\
    Content-Length: 2\r\n\r\nok";
const NOBODY_PAID: &str = "HTTP/1.1 200 OK\r\nDate: …\r\nCache-Control: no-store\r\n\
    Content-Type: text/plain;charset=UTF-8\r\nOrderpay-Delivered: 0\r\nContent-Length: 2\r\n\r\nok";

/// The head before `{N}` bytes of HTML.
const HTML: &str = "HTTP/1.1 200 OK\r\nDate: …\r\nCache-Control: no-store\r\n\
    Content-Type: text/html;charset=UTF-8\r\nX-Content-Type-Options: nosniff\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'self'; form-action 'none'; \
    frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\nContent-Length: {N}\r\n\r\n";

/// The same answer from a server that closes after it.
fn then_close(answer: &str) -> String {
    answer.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
}

/// An error as it goes over the wire: a status, more fields, one line of text.
fn error(status: &str, fields: &str, line: &str) -> String {
    let length = line.len() + 1;
    format!(
        "HTTP/1.1 {status}\r\nDate: …\r\nCache-Control: no-store\r\n\
         Content-Type: text/plain;charset=UTF-8\r\n{fields}Content-Length: {length}\r\n\r\n{line}\n"
    )
}

fn head_of(answer: &Answer) -> String {
    mask_times(&answer.raw[..answer.raw.len() - answer.body.len()])
}

/// Sends these bytes and reads everything until the server ends the connection.
fn whole_conversation(server: &Server, bytes: impl AsRef<[u8]>) -> String {
    mask_times(&server.connect().send(bytes).rest())
}

// Requests in every shape.

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let answer = client.send_byte_by_byte(&request("POST", "/sse/payback/7", &[], "paid")).answer();
    assert_eq!(answer.masked(), NOBODY_PAID);
    assert_eq!(
        client.send_byte_by_byte(&request("GET", "/healthz", &[], "")).answer().masked(),
        HEALTHY
    );
    assert_eq!(server.orderpay("7").frame(), "data:paid\n\n");
}

#[test]
fn a_request_may_be_split_at_every_place() {
    let server = Server::start(&["--quiet"]);
    let mut client = server.connect();
    let length = request("POST", "/sse/payback/at-100", &[], "支付").len();
    for at in 1..length {
        let order = format!("at-{at:03}");
        let bytes = request("POST", &format!("/sse/payback/{order}"), &[], "支付");
        let (first, second) = bytes.split_at(at);
        let answer = client.send_in_pieces([first, second]).answer();
        assert_eq!(answer.masked(), NOBODY_PAID, "split at {at}");
        assert_eq!(server.orderpay(&order).frame(), "data:支付\n\n", "split at {at}");
    }
}

#[test]
fn two_requests_may_come_in_one_write() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(
        [request("POST", "/sse/payback/7", &[], "ok"), request("GET", "/healthz", &[], "")]
            .concat(),
    );
    assert_eq!(client.answer().masked(), NOBODY_PAID);
    assert_eq!(client.answer().masked(), HEALTHY);
}

#[test]
fn a_hundred_requests_may_come_in_one_write() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(request("GET", "/healthz", &[], "").repeat(100));
    for _ in 0..100 {
        assert_eq!(client.answer().masked(), HEALTHY);
    }
}

#[test]
fn an_order_may_be_paid_and_placed_in_one_write() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let pay_and_wait =
        [request("GET", "/sse/payback/7", &[], ""), request("GET", "/sse/orderpay/7", &[], "")];
    client.send(pay_and_wait.concat());
    assert_eq!(client.answer().masked(), NOBODY_PAID);
    assert_eq!(mask_times(&client.rest()), [STREAM_HEAD, OPENING, SETTLED, PAID].concat());
}

#[test]
fn a_bare_lf_ends_a_line_and_empty_lines_before_a_request_are_let_pass() {
    let server = Server::start(&[]);
    for bytes in
        ["GET /healthz HTTP/1.1\nHost: a\n\n", "\r\n\nGET /healthz HTTP/1.1\r\nHost: a\n\r\n"]
    {
        assert_eq!(server.connect().send(bytes).answer().masked(), HEALTHY, "{bytes:?}");
    }
}

#[test]
fn empty_lines_after_a_request_begin_no_other() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for lines in ["\r\n", "\n\n\r\n", "\r"] {
        let bytes = [request("GET", "/healthz", &[], ""), lines.into()].concat();
        assert_eq!(client.send(bytes).answer().masked(), HEALTHY, "{lines:?}");
    }
    assert_eq!(mask_times(&client.send("\n").half_close().rest()), "", "it was idle");
}

#[test]
fn a_target_may_be_absolute_or_percent_encoded_or_have_a_query() {
    let server = Server::start(&[]);
    for target in [
        "http://localhost/healthz",
        "HTTPS://elsewhere:1/healthz?",
        "/healthz?a=b",
        "/healthz?/../..%zz",
        "/%68ealth%7a",
        "/%68ealth%7A",
    ] {
        assert_eq!(server.get(target).masked(), HEALTHY, "{target}");
    }
    let mut waiter = Stream::open(server.address, "/sse/orderpay/%61?b=c", &[]);
    assert_eq!(server.payback("a"), 1);
    assert_eq!(waiter.rest(), PAID);
}

#[test]
fn a_body_is_welcome_with_a_question_before_it() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let asking = request("POST", "/sse/payback/7", &[("Expect", "100-continue")], "paid");
    let (head, body) = asking.split_at(asking.len() - "paid".len());
    assert_eq!(client.send(head).until("\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.send(body).answer().masked(), NOBODY_PAID);
}

// How long a connection lives.

#[test]
fn a_connection_is_kept_until_its_client_asks_to_close() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(client.send(request("GET", "/healthz", &[], "")).answer().masked(), HEALTHY);
    }
    client.send(request("GET", "/healthz", &[("connection", "foo, Close")], ""));
    assert_eq!(mask_times(&client.rest()), then_close(HEALTHY));
}

#[test]
fn in_http_1_0_a_connection_is_good_for_one_request_and_needs_no_host() {
    let server = Server::start(&[]);
    assert_eq!(whole_conversation(&server, "GET /healthz HTTP/1.0\r\n\r\n"), then_close(HEALTHY));
    let stream = "GET /sse/orderpay/7 HTTP/1.0\r\n\r\n";
    server.payback("7");
    let whole_stream = [STREAM_HEAD, OPENING, SETTLED, PAID].concat();
    assert_eq!(whole_conversation(&server, stream), whole_stream);
}

#[test]
fn an_error_about_a_whole_request_leaves_the_connection_alive() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("DELETE", "/sse/test", 405),
        ("BREW", "/sse/test", 501),
        ("POST", "/sse/payback/a.b", 400),
    ] {
        assert_eq!(client.send(request(method, path, &[], "body")).answer().status, status);
    }
    assert_eq!(client.send(request("GET", "/healthz", &[], "")).answer().masked(), HEALTHY);
}

#[test]
fn a_half_closed_client_gets_its_whole_answer() {
    let server = Server::start(&[]);
    let page = server.get("/sse/test").raw;
    let mut client = server.connect();
    client.send(request("GET", "/sse/test", &[], "")).half_close();
    assert_eq!(mask_times(&client.rest()), mask_times(&page));
}

#[test]
fn slow_clients_are_let_go_when_their_time_is_up() {
    let server = Server::start(&[]);
    let line = "the request did not come whole in time";
    let too_slow = then_close(&error("408 Request Timeout", "", line));
    let head = || let_go(server.connect().send("GET /hea"), "");
    let body =
        || let_go(server.connect().send(&request("POST", "/sse/payback", &[], "ab")[..60]), "");
    let dripping = || let_go(server.connect().send("GET /"), "x");
    let silent = || let_go(&mut server.connect(), "");
    let idle = || {
        let mut client = server.connect();
        client.send(request("GET", "/healthz", &[], "")).answer();
        let_go(&mut client, "")
    };
    let empty_lines = || let_go(&mut server.connect(), "\r\n");
    thread::scope(|scope| {
        let slow = [scope.spawn(head), scope.spawn(body), scope.spawn(dripping)];
        let unused = [scope.spawn(silent), scope.spawn(idle), scope.spawn(empty_lines)];
        for client in slow {
            assert_eq!(client.join().unwrap(), (too_slow.clone(), 5));
        }
        for client in unused {
            assert_eq!(client.join().unwrap(), (String::new(), 10));
        }
    });
}

#[test]
fn a_client_that_takes_a_little_of_its_answers_now_and_then_does_not_keep_its_thread() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    // asm-generic/socket.h: as little as there can be.
    const SO_RCVBUF: i32 = 8;
    support::os::set_socket_option(&client.stream, SO_RCVBUF, &1);
    client.send(request("GET", "/sse/page.js", &[], "").repeat(200));
    let (start, mut piece) = (Instant::now(), [0; 350]);
    while client.stream.read(&mut piece).is_ok_and(|length| length > 0)
        && start.elapsed() < Duration::from_secs(12)
    {
        std::thread::sleep(Duration::from_millis(500));
        if server.get("/metrics").text().contains("orderpay_connections 1\n") {
            break;
        }
    }
    assert!((4..9).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[test]
fn requests_of_the_largest_size_are_as_quick_as_others() {
    let server = Server::start(&[]);
    let padding = "x".repeat(8000);
    let largest = request("POST", "/sse/payback", &[("A", &padding)], "y".repeat(4096));
    let asked = Instant::now();
    for _ in 0..50 {
        assert_eq!(server.connect().send(&largest).answer().status, 200);
    }
    println!("50 of 12 KiB took {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

/// Sends a drop twice a second until the server ends the connection: what it says, and after how many seconds.
fn let_go(client: &mut Client, drop: &str) -> (String, u64) {
    let start = Instant::now();
    let mut next_drop = start;
    while client
        .try_more(next_drop)
        .is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
    {
        client.send(drop);
        next_drop += Duration::from_millis(500);
    }
    (mask_times(&client.rest()), start.elapsed().as_secs())
}

// What there is.

#[test]
fn the_root_leads_to_the_page() {
    let server = Server::start(&[]);
    let answer = server.get("/").masked();
    assert_eq!(
        answer,
        "HTTP/1.1 302 Found\r\nDate: …\r\nCache-Control: no-store\r\nLocation: sse/test\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn the_page_is_there_for_each_order_with_all_it_refers_to() {
    let server = Server::start(&[]);
    for (path, base) in [("/sse/test", "./"), ("/sse/test/table-7", "../")] {
        let page = server.get(path);
        let html = page.text();
        assert_eq!(head_of(&page), HTML.replace("{N}", &html.len().to_string()));
        assert_eq!(html.matches(&format!("<base href=\"{base}\">")).count(), 1);
        assert_eq!(html.matches("id=\"message\"").count(), 1);
        for asset in assets_in(&html) {
            assert_asset(&server.get(&format!("/sse/{asset}")), &asset);
        }
    }
}

#[test]
fn who_accepts_html_from_a_payback_sees_what_it_has_done_and_all_others_get_ok() {
    let server = Server::start(&[]);
    let visit = |accept: &str| {
        let fields = [("Accept", accept)];
        server.connect().send(request("GET", "/sse/payback/7", &fields, "")).answer()
    };
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (accept, chinese, english) in [
        (browser, "已支付", "is paid. Pages that were told: 0."),
        ("application/xml, text/html;q=0.9", "早已支付", "was paid already: this changes nothing."),
    ] {
        let page = format!(
            "ok<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"UTF-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>7</title>\n\
             <h1>7: <span lang=\"zh-CN\">{chinese}</span></h1>\n<p>Order 7 {english}</p>\n"
        );
        let head = HTML.replace("{N}", &page.len().to_string());
        let head = head.replace("Content-Length", "Orderpay-Delivered: 0\r\nContent-Length");
        assert_eq!(visit(accept).masked(), head + &page, "{accept}");
    }
    for accept in ["*/*", "text/plain", "application/json, text/*", "text/htmlx", ""] {
        assert_eq!(visit(accept).masked(), NOBODY_PAID, "{accept}");
    }
}

/// The files that a page refers to, by addresses relative to its base.
fn assets_in(html: &str) -> Vec<String> {
    let values = html.split(['"', '\'']);
    let is_file = |it: &&str| [".js", ".css", ".svg"].iter().any(|ending| it.ends_with(ending));
    let files: Vec<String> = values.filter(is_file).map(str::to_owned).collect();
    assert!(files.len() >= 3, "style sheet, script and icon: {files:?}");
    files
}

fn assert_asset(asset: &Answer, name: &str) {
    let media = match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript;charset=UTF-8",
        Some((_, "css")) => "text/css;charset=UTF-8",
        _ => "image/svg+xml",
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nDate: …\r\nContent-Type: {media}\r\nCache-Control: no-cache\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n\r\n",
        asset.body.len()
    );
    assert!(!asset.body.is_empty(), "{name}");
    assert_eq!(head_of(asset), head, "{name}");
}

#[test]
fn metrics_are_in_the_text_format_of_prometheus() {
    let server = Server::start(&[]);
    let metrics = server.get("/metrics");
    let media = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!((metrics.status, metrics.field("Content-Type")), (200, Some(media)));
    assert_eq!(metrics.field("Cache-Control"), Some("no-store"));
    for line in metrics.text().lines().filter(|line| !line.starts_with("# ")) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(name.starts_with("orderpay_") && value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn head_answers_as_get_does_without_the_body() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for path in [
        "/",
        "/sse/test",
        "/sse/test/7",
        "/sse/page.css",
        "/sse/page.js",
        "/sse/icon.svg",
        "/healthz",
    ] {
        let get = client.send(request("GET", path, &[], "")).answer();
        let head = client.send(request("HEAD", path, &[], "")).head();
        assert_eq!(head.masked(), head_of(&get), "{path}");
    }
    assert_eq!(client.send(request("HEAD", "/metrics", &[], "")).head().status, 200);
    assert_eq!(client.send(request("GET", "/healthz", &[], "")).answer().masked(), HEALTHY);
}

// What there is not.

#[test]
fn an_order_has_1_to_64_plain_characters() {
    let server = Server::start(&[]);
    let bad_order = error("400 Bad Request", "", "an order is 1 to 64 of A-Z a-z 0-9 _ -");
    let (longest, too_long) = ("x".repeat(64), "x".repeat(65));
    for good in ["0", "AZaz09_-", &longest, "%37"] {
        assert_eq!(server.payback(good), 0, "{good}");
        assert_eq!(server.get(&format!("/sse/test/{good}")).status, 200, "{good}");
    }
    for bad in
        ["", "a/b", "7/", "a.b", "a%2Fb", "%2537", "%E6%94%AF", "a%00b", "a+b", "..", &too_long]
    {
        for route in ["test", "orderpay", "payback"] {
            assert_eq!(
                server.get(&format!("/sse/{route}/{bad}")).masked(),
                bad_order,
                "{route}/{bad}"
            );
        }
    }
}

#[test]
fn an_unknown_path_is_not_found() {
    let server = Server::start(&[]);
    let line = "no such path: try /sse/test, /sse/orderpay or /sse/payback";
    let not_found = error("404 Not Found", "", line);
    for path in [
        "/sse",
        "/sse/",
        "/sse/Test",
        "/sse/tests",
        "/sse/../healthz",
        "//",
        "/healthz/",
        "/metrics/1",
        "/sse/%2574est",
        "/sse/page.html",
        "/favicon.ico",
        "/sse/page.css/",
    ] {
        assert_eq!(server.get(path).masked(), not_found, "{path}");
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let server = Server::start(&[]);
    for (path, methods, allowed) in [
        ("/", ["POST", "PUT"], "GET, HEAD"),
        ("/sse/test", ["POST", "DELETE"], "GET, HEAD"),
        ("/sse/page.css", ["POST", "OPTIONS"], "GET, HEAD"),
        ("/healthz", ["POST", "PATCH"], "GET, HEAD"),
        ("/metrics", ["POST", "TRACE"], "GET, HEAD"),
        ("/sse/payback/7", ["PUT", "DELETE"], "GET, POST"),
        ("/sse/orderpay/7", ["POST", "PUT"], "GET"),
    ] {
        let line = format!("wrong method: {allowed} would be right");
        let expected = error("405 Method Not Allowed", &format!("Allow: {allowed}\r\n"), &line);
        for method in methods {
            let answer = server.connect().send(request(method, path, &[], "")).answer();
            assert_eq!(answer.masked(), expected, "{method} {path}");
        }
    }
}

#[test]
fn head_is_a_wrong_method_where_get_has_an_effect() {
    let mut server = Server::start(&[]);
    let mut client = server.connect();
    for (path, allowed) in [("/sse/orderpay", "GET"), ("/sse/payback", "GET, POST")] {
        let line = format!("wrong method: {allowed} would be right\n");
        let whole =
            error("405 Method Not Allowed", &format!("Allow: {allowed}\r\n"), line.trim_end());
        let head = client.send(request("HEAD", path, &[], "")).head();
        assert_eq!(head.masked() + &line, whole);
    }
    assert_eq!(server.ever_logged("event=waiting") + server.ever_logged("event=paid"), 0);
}

#[test]
fn what_a_browser_does_by_itself_does_not_wait() {
    let mut server = Server::start(&[]);
    let cross_site =
        "a page of another site can't wait or pay: open /sse/test, or call payback directly";
    let prefetch = "a prefetch can't wait or pay: open /sse/test, or call payback directly";
    for (field, line) in [
        (("Sec-Fetch-Site", "cross-site"), cross_site),
        (("Sec-Purpose", "prefetch"), prefetch),
        (("Sec-Purpose", "prefetch;prerender"), prefetch),
    ] {
        for fields in [&[field][..], &[field, ("Last-Event-ID", "6666")]] {
            let mut client = server.connect();
            let answer = client.send(request("GET", "/sse/orderpay/7", fields, "")).answer();
            assert_eq!(answer.masked(), error("403 Forbidden", "", line), "{fields:?}");
        }
    }
    assert_eq!(server.ever_logged("event=waiting") + server.ever_logged("event=seen"), 0);
}

#[test]
fn an_unknown_method_is_not_implemented() {
    let server = Server::start(&[]);
    let expected = error("501 Not Implemented", "", "unknown method: GET, HEAD and POST are known");
    for (method, path) in [("BREW", "/sse/test"), ("get", "/sse/test"), ("PROPFIND", "/nowhere")] {
        let answer = server.connect().send(request(method, path, &[], "")).answer();
        assert_eq!(answer.masked(), expected, "{method} {path}");
    }
}

// What is refused: one case for each limit and each rule.

#[test]
fn what_is_no_request_is_refused_and_nothing_after_it_is_read() {
    let mut server = Server::start(&[]);
    let request_line =
        ("400 Bad Request", "the first line is no request: try GET /sse/test HTTP/1.1");
    let target = (
        "400 Bad Request",
        "what is asked for is no path: try /sse/test, and %25 for a percent sign",
    );
    let field_line = ("400 Bad Request", "a header line is `Name: value` without control bytes");
    let host = ("400 Bad Request", "a request needs one Host field with a host's name");
    let length = ("400 Bad Request", "Content-Length is one plain number, and stands alone");
    let head =
        ("431 Request Header Fields Too Large", "a head has at most 8192 bytes and 64 fields");
    let version = ("505 HTTP Version Not Supported", "only HTTP/1.0 and HTTP/1.1 are spoken here");
    let line = ("414 URI Too Long", "a request line has at most 4096 bytes");
    let coding = ("501 Not Implemented", "no transfer coding is read: send a Content-Length");
    let body = ("413 Content Too Large", "a body has at most 4096 bytes");
    let pay = |fields: &str| format!("POST /sse/payback/7 HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    for (bytes, (status, text)) in [
        ("GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), request_line),
        ("GET /sse/payback/100% HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), target),
        (pay("Bad\rField: a"), field_line),
        (pay("Nul: a\0b"), field_line),
        (pay("Control: a\u{1}b"), field_line),
        (pay("Space : a"), field_line),
        (pay("Folded: a\r\n b"), field_line),
        ("GET /sse/payback/7 HTTP/1.1\r\n\r\n".to_owned(), host),
        (pay("Host: b"), host),
        (pay("Content-Length: +1"), length),
        (pay("Content-Length: 1\r\nContent-Length: 2"), length),
        (pay("Content-Length: 5\r\nTransfer-Encoding: chunked"), length),
        (pay("Transfer-Encoding: chunked"), coding),
        (pay("Content-Length: 4097"), body),
        ("GET /sse/payback/7 HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), version),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(4096)), line),
        (pay(&format!("Long: {}", "x".repeat(8192))), head),
        (pay(&"Many: a\r\n".repeat(64)), head),
    ] {
        let refused = then_close(&error(status, "", text));
        let smuggled = bytes.clone() + "GET /sse/payback/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(whole_conversation(&server, smuggled), refused, "{bytes:?}");
    }
    assert_eq!(server.ever_logged("event=paid"), 0);
}

#[test]
fn a_refused_head_has_no_body() {
    let server = Server::start(&[]);
    let host = "a request needs one Host field with a host's name";
    let version = "only HTTP/1.0 and HTTP/1.1 are spoken here";
    for (bytes, status, line) in [
        ("HEAD / HTTP/1.1\r\n\r\n", "400 Bad Request", host),
        ("\r\nHEAD / HTTP/2.0\r\n\r\n", "505 HTTP Version Not Supported", version),
    ] {
        let whole = then_close(&error(status, "", line));
        let (head, _) = whole.split_once(line).expect("its body");
        assert_eq!(whole_conversation(&server, bytes), head, "{bytes:?}");
    }
}

#[test]
fn the_largest_request_is_not_too_large() {
    let server = Server::start(&[]);
    let line = |length: usize| format!("GET /healthz?{} HTTP/1.1\r\n", "x".repeat(length - 22));
    assert_eq!(line(4096).len(), 4096 + "\r\n".len());
    let fields = "Host: a\r\n".to_owned() + &"a: b\r\n".repeat(63);
    let long_head = |length: usize| {
        let fixed = [&line(4096), "Host: a\r\nLong: ", "\r\n\r\n"].concat();
        fixed.replace("\r\n\r\n", &format!("{}\r\n\r\n", "x".repeat(length - fixed.len())))
    };
    for bytes in [line(4096) + "Host: a\r\n\r\n", line(30) + &fields + "\r\n", long_head(8192)] {
        assert_eq!(server.connect().send(bytes).answer().masked(), HEALTHY);
    }
}

#[test]
fn a_refusal_is_not_lost_to_what_the_client_still_sends() {
    let server = Server::start(&[]);
    let line = "the first line is no request: try GET /sse/test HTTP/1.1";
    let refused = then_close(&error("400 Bad Request", "", line));
    for surplus in [1, 10_000, 200_000] {
        let bytes = ["no request at all\r\n\r\n".to_owned(), "x".repeat(surplus)].concat();
        assert_eq!(whole_conversation(&server, bytes), refused, "{surplus} bytes more");
    }
}

#[test]
fn half_a_request_is_refused() {
    let mut server = Server::start(&[]);
    let line = "the request ended before it was whole";
    let refused = then_close(&error("400 Bad Request", "", line));
    for half in [
        "GET /healthz HTT",
        "POST /sse/payback/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n1234",
    ] {
        let mut client = server.connect();
        client.send(half).half_close();
        assert_eq!(mask_times(&client.rest()), refused, "{half:?}");
    }
    assert_eq!(server.ever_logged("event=paid"), 0);
}

// The date.

#[test]
fn every_answer_says_what_time_it_is() {
    let server = Server::start(&[]);
    let stream = server.orderpay("7").head;
    let answers = [
        server.get("/"),
        server.get("/nowhere"),
        server.get("/healthz"),
        server.get("/sse/payback"),
        stream,
    ];
    for answer in &answers {
        let date = answer.field("Date").expect("a date");
        let (_, printed) = Program::run(Command::new("date").args(["+%s", "-d", date]));
        let then: u64 = printed.stdout().trim().parse().expect("seconds");
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(now - then <= 2, "{date}, and now it is {now}");
    }
}
