//! Does the scene play in a real browser? A page waits, somebody pays, the page shows it and stops.

mod support;

use std::time::Duration;

use support::browser::{Browser, Engine, in_every_engine};
use support::{Server, eventually, stays_true};

/// An EventSource that is not closed comes back after a second, as `retry:1000` asks.
const LONGER_THAN_A_RECONNECT: Duration = Duration::from_secs(4);

in_every_engine!(the_page_is_paid_by_its_button_and_never_comes_back);
fn the_page_is_paid_by_its_button_and_never_comes_back(engine: Engine) {
    let Some(browser) = Browser::start(engine) else { return };
    let server = Server::start(&[]);
    browser.open(&server.url("/sse/test"));
    server.wait_for_log("event=waiting order=1");
    browser.click("#pay");
    assert_paid_and_over(&browser, server, "1");
}

in_every_engine!(the_page_of_another_order_is_paid_from_outside_and_never_comes_back);
fn the_page_of_another_order_is_paid_from_outside_and_never_comes_back(engine: Engine) {
    let Some(browser) = Browser::start(engine) else { return };
    let server = Server::start(&[]);
    browser.open(&server.url("/sse/test/table-7"));
    server.wait_for_log("event=waiting order=table-7");
    let waiting = browser.text("#state");

    assert_eq!(server.payback("1"), 0, "another order's payment is nothing to this page");
    assert_eq!(
        (browser.text("#state"), browser.text("#message")),
        (waiting.clone(), String::new())
    );

    assert_eq!(server.payback("table-7"), 1);
    assert_paid_and_over(&browser, server, "table-7");
    assert_ne!(browser.text("#state"), waiting, "the state in words");
}

/// The message is there, the order's story is one waiting and one payment, and the console is silent.
fn assert_paid_and_over(browser: &Browser, mut server: Server, order: &str) {
    browser.wait_for_text("#message", "支付成功");
    let connections = || server.log().iter().filter(|line| is_connection_of(line, order)).count();
    stays_true(LONGER_THAN_A_RECONNECT, "one connection was made", || connections() == 1);
    assert_eq!(server.ever_logged(&format!("event=paid order={order} delivered=1")), 1);
    assert_eq!(browser.console().unwrap_or_default(), [""; 0]);
    assert_eq!(server.ever_logged("event=refused"), 0);
}

fn is_connection_of(line: &str, order: &str) -> bool {
    let order = format!("order={order}");
    let of_order = line.split(' ').any(|word| word == order);
    of_order
        && ["waiting", "fetched", "seen", "full"]
            .iter()
            .any(|it| line.contains(&format!("event={it} ")))
}

in_every_engine!(what_a_platform_says_is_shown_as_text_and_never_becomes_html);
fn what_a_platform_says_is_shown_as_text_and_never_becomes_html(engine: Engine) {
    let Some(browser) = Browser::start(engine) else { return };
    let server = Server::start(&[]);
    browser.open(&server.url("/sse/test/7"));
    server.wait_for_log("event=waiting order=7");
    let said = "<img src=x onerror=document.title='forged'> & <b>paid</b>";
    server.post("/sse/payback/7", said);
    browser.wait_for_text("#message", said);
    assert_eq!(
        browser.run("return document.querySelectorAll('#message img, #message b').length").number(),
        0.0
    );
}

in_every_engine!(a_page_whose_time_is_up_says_so);
fn a_page_whose_time_is_up_says_so(engine: Engine) {
    let Some(browser) = Browser::start(engine) else { return };
    let server = Server::start(&["--timeout", "1.5"]);
    browser.open(&server.url("/sse/test/7"));
    server.wait_for_log("event=waiting order=7");
    let waiting = browser.text("#state");
    server.wait_for_log("event=timeout order=7");
    browser.wait_for_text("#message", "timeout!!");
    eventually("the state in words", || (browser.text("#state") != waiting).then_some(()));
}

in_every_engine!(a_page_survives_a_restart_of_the_server_and_is_paid_after_it);
fn a_page_survives_a_restart_of_the_server_and_is_paid_after_it(engine: Engine) {
    let Some(browser) = Browser::start(engine) else { return };
    let server = Server::start(&[]);
    let address = server.address.to_string();
    browser.open(&server.url("/sse/test/7"));
    server.wait_for_log("event=waiting order=7");
    server.kill();

    let server = Server::start_on(&address, &[]);
    server.wait_for_log("event=waiting order=7 last_event_id=\"0\"");
    assert_eq!(server.payback("7"), 1);
    browser.wait_for_text("#message", "支付成功");
}

in_every_engine!(a_page_that_was_left_for_the_banks_and_comes_back_was_paid_meanwhile);
/// A page that was left is as good as closed: what is pushed to it there nobody reads.
fn a_page_that_was_left_for_the_banks_and_comes_back_was_paid_meanwhile(engine: Engine) {
    let Some(browser) = Browser::start(engine) else { return };
    let server = Server::start(&[]);
    let bank = Server::start(&[]);
    for order in ["7", "1"] {
        browser.open(&server.url(&format!("/sse/test/{order}")));
        server.wait_for_log(&format!("event=waiting order={order}"));
        browser.open(&bank.url("/healthz"));
        server.payback(order);
        browser.back();
        browser.wait_for_text("#message", "支付成功");
        browser.wait_until("document.body.dataset.state === 'paid'");
    }
}
