//! Who may pay where there is a token?

mod support;

use std::time::Duration;

use support::server::orderpay;
use support::{Answer, PAID, Server, request, stays_true};

const TOKEN: &str = "s3cret-Token~42";

const DENIED: &str = "HTTP/1.1 401 Unauthorized\r\nDate: …\r\nCache-Control: no-store\r\n\
    Content-Type: text/plain;charset=UTF-8\r\nWWW-Authenticate: Bearer\r\nContent-Length: 53\r\n\r\n\
    payback needs the field: Authorization: Bearer TOKEN\n";

fn pay(server: &Server, fields: &[(&str, &str)]) -> Answer {
    server.connect().send(request("POST", "/sse/payback/7", fields, "paid")).answer()
}

#[test]
fn only_who_bears_the_token_settles_an_order() {
    let server = Server::start(&["--token", TOKEN]);
    let mut waiter = server.orderpay("7");
    assert_eq!(pay(&server, &[]).masked(), DENIED);
    for authorization in [
        "",
        "Bearer",
        "Bearer s3cret-Token~4",
        "Bearer s3cret-Token~421",
        "Bearer s3cret-Token~43",
        "Bearer S3CRET-TOKEN~42",
        "Bearer  s3cret-Token~42",
        "Bearer \"s3cret-Token~42\"",
        "Bearer s3cret-Token~42, Bearer s3cret-Token~42",
        "Bearer\ts3cret-Token~42",
        "Basic s3cret-Token~42",
        "s3cret-Token~42",
        "ä ä ä ä s3cret-Token~42",
    ] {
        let answer = pay(&server, &[("Authorization", authorization)]);
        assert_eq!(answer.masked(), DENIED, "{authorization:?}");
    }
    let bearing = ("Authorization", "bEARER s3cret-Token~42");
    assert_eq!(pay(&server, &[bearing, ("Sec-Fetch-Site", "cross-site")]).status, 403);
    assert_eq!(pay(&server, &[bearing, ("Sec-Purpose", "prefetch")]).status, 403);
    stays_true(Duration::from_millis(100), "nobody has paid", || waiter.so_far().is_empty());
    assert_eq!(support::server::delivered(&pay(&server, &[bearing])), 1);
    assert!(waiter.rest().starts_with("data:paid\n\n"));
}

#[test]
fn nothing_but_a_payment_needs_the_token() {
    let server = Server::start(&["--token", TOKEN]);
    for path in ["/sse/test", "/healthz", "/metrics", "/sse/page.css"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let paid = pay(&server, &[("Authorization", &format!("Bearer {TOKEN}"))]);
    assert_eq!(paid.status, 200);
    assert_eq!(server.orderpay("7").rest(), PAID.replace("支付成功", "paid"));
}

#[test]
fn the_server_keeps_the_token_to_itself() {
    let mut command = orderpay();
    let server =
        Server::spawn(command.args(["--listen", "127.0.0.1:0"]).env("ORDERPAY_TOKEN", TOKEN));
    let wrong = "Bearer wr0ng-Token";
    let right = format!("Bearer {TOKEN}");
    for authorization in [wrong, &right, &right] {
        pay(&server, &[("Authorization", authorization)]);
    }
    let surplus = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer {TOKEN}\r\n\r\n");
    let mut told = vec![server.connect().send(surplus).answer().text()];
    told.extend(["/sse/test/7", "/metrics", "/sse/page.js"].map(|path| server.get(path).text()));
    server.wait_for_log("event=repeated order=7");
    server.wait_for_log("event=refused status=400");
    told.extend(server.log());
    for text in told {
        assert!(!text.contains("s3cret") && !text.contains("wr0ng"), "{text}");
    }
}
