//! Does the scene play in a real browser, whatever its engine? A page waits, somebody pays, the page shows it and stops.

mod support;

use std::time::Duration;

use support::browser::{Engine, in_every_engine};
use support::{Lesson, Server, eventually, stays_true};

/// An EventSource that is not closed comes back after a second, as `retry:1000` asks.
const LONGER_THAN_A_RECONNECT: Duration = Duration::from_secs(4);

in_every_engine!(the_page_is_paid_by_its_button_and_never_comes_back);
fn the_page_is_paid_by_its_button_and_never_comes_back(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    lesson.wait_for_payment_of("1");
    lesson.pay();
    assert_paid_and_over(lesson, "1");
}

in_every_engine!(the_page_of_another_order_is_paid_from_outside_and_never_comes_back);
fn the_page_of_another_order_is_paid_from_outside_and_never_comes_back(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    lesson.wait_for_payment_of("table-7");
    let waiting = lesson.state_in_words();

    assert_eq!(lesson.server.payback("1"), 0, "another order's payment is nothing to this page");
    assert_eq!((lesson.state_in_words(), lesson.messages()), (waiting.clone(), vec![]));

    assert_eq!(lesson.server.payback("table-7"), 1);
    eventually("other words", || (lesson.state_in_words() != waiting).then_some(()));
    assert_paid_and_over(lesson, "table-7");
}

/// The message is there, the order's story is one waiting and one payment, and the console is silent.
fn assert_paid_and_over(lesson: Lesson, order: &str) {
    lesson.wait_for_message("支付成功");
    let Lesson { mut server, browser } = lesson;
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
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    lesson.wait_for_payment_of("7");
    let said = "<img src=x onerror=document.title='forged'> & <b>paid</b>";
    lesson.server.post("/sse/payback/7", said);
    lesson.wait_for_message(said);
    let elements = "return document.querySelectorAll('#message img, #message b').length";
    assert_eq!(lesson.browser.run(elements).number(), 0.0);
}

in_every_engine!(a_page_whose_time_is_up_says_so);
fn a_page_whose_time_is_up_says_so(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &["--timeout", "1.5"]) else { return };
    lesson.wait_for_payment_of("7");
    let waiting = lesson.state_in_words();
    lesson.server.wait_for_log("event=timeout order=7");
    lesson.wait_for_message("timeout!!");
    eventually("other words", || (lesson.state_in_words() != waiting).then_some(()));
}

in_every_engine!(a_page_that_loses_its_connection_comes_back_and_was_paid_meanwhile);
fn a_page_that_loses_its_connection_comes_back_and_was_paid_meanwhile(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    for order in ["7", "1"] {
        lesson.wait_for_payment_of(order);
        lesson.lose_connection();
        lesson.server.payback(order);
        lesson.wait_for_state("paid");
        lesson.wait_for_message("支付成功");
        lesson.server.wait_for_log(&format!("event=fetched order={order}"));
    }
}

in_every_engine!(the_browsers_own_event_source_comes_back_with_the_id_that_it_was_given);
/// Firefox and WebKit keep an id only of an event with data, as the opening is.
fn the_browsers_own_event_source_comes_back_with_the_id_that_it_was_given(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &["--timeout", "1"]) else { return };
    lesson.browser.open(&lesson.server.url("/healthz"));
    lesson.browser.run("new EventSource('/sse/orderpay/7')");
    lesson.server.wait_for_log("event=timeout order=7");
    lesson.server.wait_for_log("event=waiting order=7 last_event_id=\"0\"");
}

in_every_engine!(a_page_survives_a_restart_of_the_server_and_is_paid_after_it);
fn a_page_survives_a_restart_of_the_server_and_is_paid_after_it(engine: Engine) {
    let Some(mut lesson) = Lesson::start(engine, &[]) else { return };
    let address = lesson.server.address.to_string();
    lesson.wait_for_payment_of("7");
    lesson.server.stop();

    lesson.server = Server::start_on(&address, &[]);
    lesson.server.wait_for_log("event=waiting order=7 last_event_id=\"0\"");
    assert_eq!(lesson.server.payback("7"), 1);
    lesson.wait_for_message("支付成功");
}

in_every_engine!(a_page_that_was_left_for_the_banks_and_comes_back_was_paid_meanwhile);
/// A page that was left is as good as closed: what is pushed to it there nobody reads. From WebKit's back/forward cache
/// it comes back as it was; Chromium and Firefox load it anew.
fn a_page_that_was_left_for_the_banks_and_comes_back_was_paid_meanwhile(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    let bank = Server::start(&[]);
    for order in ["7", "1"] {
        lesson.wait_for_payment_of(order);
        lesson.browser.open(&bank.url("/healthz"));
        lesson.server.payback(order);
        lesson.browser.back();
        lesson.wait_for_message("支付成功");
        lesson.wait_for_state("paid");
        let way = "return performance.getEntriesByType('navigation')[0].type";
        let from_cache = lesson.browser.run(way) == "navigate".into();
        assert_eq!(from_cache, engine == Engine::WebKit, "the others heed no-store");
    }
}
