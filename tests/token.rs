//! Who may pay where there is a token?

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use support::server::orderpay;
use support::{Answer, Folder, PAID, Program, Server, request, stays_true};

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
fn a_token_can_be_the_first_line_of_a_file() {
    let folder = Folder::new();
    let file = folder.join("token");
    let path = file.to_str().unwrap();
    for end in ["", "\n", "\r\n", "\nanother line\n"] {
        fs::write(&file, [TOKEN, end].concat()).unwrap();
        let server = Server::start(&["--token-file", path]);
        assert_eq!(pay(&server, &[]).status, 401, "{end:?}");
        let bearing = ("Authorization", "Bearer s3cret-Token~42");
        assert_eq!(pay(&server, &[bearing]).status, 200, "{end:?}");
    }
    let mut command = orderpay();
    command.args(["--listen", "127.0.0.1:0"]).env("ORDERPAY_TOKEN_FILE", &file);
    assert_eq!(pay(&Server::spawn(&mut command), &[]).status, 401);
}

#[test]
fn a_token_that_is_not_there_starts_no_server() {
    let folder = Folder::new();
    let file = folder.join("token");
    let refusal = |command: &mut Command| {
        let (status, program) = Program::run(command.args(["--listen", "127.0.0.1:0"]));
        assert_eq!((status.code(), program.stdout().as_str()), (Some(2), ""));
        program.stderr()
    };
    let of_file = format!(
        "{:?} is not accepted: it takes the name of a file whose first line is visible ASCII without spaces\n",
        file.display().to_string()
    );
    for content in
        [None, Some(""), Some("\n"), Some("\ntoken"), Some("two words\n"), Some("\u{feff}x")]
    {
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        let said = refusal(orderpay().arg("--token-file").arg(&file));
        assert_eq!(said, format!("orderpay: --token-file {of_file}"), "{content:?}");
        let said = refusal(orderpay().env("ORDERPAY_TOKEN_FILE", &file));
        assert_eq!(said, format!("orderpay: ORDERPAY_TOKEN_FILE {of_file}"), "{content:?}");
    }
    fs::write(&file, TOKEN).unwrap();
    let both = "orderpay: --token and --token-file are not accepted together: it takes one\n";
    let said = refusal(orderpay().args(["--token", TOKEN, "--token-file"]).arg(&file));
    assert_eq!(said, both);
    let said = refusal(orderpay().env("ORDERPAY_TOKEN", "").env("ORDERPAY_TOKEN_FILE", &file));
    assert_eq!(said, both);
    let said = refusal(orderpay().env("ORDERPAY_TOKEN", ""));
    let takes = "it takes visible ASCII without spaces\n";
    assert_eq!(said, format!("orderpay: ORDERPAY_TOKEN (not shown) is not accepted: {takes}"));
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
