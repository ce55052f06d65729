//! Does the page teach what happens? Its buttons, its diagram, its wire; for everybody, everywhere.

mod support;

use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use support::browser::{Emulation, Engine, Settings, in_every_engine};
use support::json::Json;
use support::lesson::PANELS;
use support::{
    Folder, HEARTBEAT, Lesson, OPENING, PAID, Program, Server, eventually, skipped, tool,
};

/// A name that is no loopback address to the page, and leads to one nevertheless.
const NETWORK_HOST: &str = "pay.example";

const PROJECTOR: (u32, u32) = (1280, 720);
const PHONE: (u32, u32) = (360, 740);

const CHINESE: Settings = Settings { language: "zh-CN", size: PROJECTOR, dark: false };

/// After a restart, or when it is looked at again, the page shows the true state within this time.
const TRUE_STATE_WITHIN: Duration = Duration::from_secs(2);

in_every_engine!(whoever_pays_and_whatever_they_say_it_is_shown_as_text);
fn whoever_pays_and_whatever_they_say_it_is_shown_as_text(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    lesson.wait_for_payment_of("own-text");
    lesson.browser.type_into("#text", "<b>谢谢</b>\u{E007}");
    lesson.wait_for_state("paid");
    assert_eq!(lesson.messages(), ["<b>谢谢</b>"]);

    lesson.wait_for_payment_of("elsewhere");
    assert_eq!(lesson.server.payback("elsewhere"), 1);
    lesson.wait_for_state("paid");
    assert_eq!(
        lesson.steps(),
        ["get", "open", "opening", "elsewhere", "message", "finish", "close"]
    );

    lesson.wait_for_payment_of("forged");
    lesson.server.post("/sse/payback/forged", "timeout!!");
    lesson.wait_for_state("paid");
    assert_eq!(lesson.messages(), ["timeout!!"]);
    lesson.assert_console_is_empty();
}

in_every_engine!(the_diagram_draws_what_the_server_logs);
fn the_diagram_draws_what_the_server_logs(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &["--heartbeat", "0.4"]) else { return };
    lesson.wait_for_payment_of("drawn");
    lesson.wait_for_step("heartbeat");
    lesson.lose_connection();
    lesson.wait_for_state("waiting");
    lesson.pay();
    let delivered = lesson.note("ok").replace("Orderpay-Delivered: ", "delivered=");
    lesson.wait_for_state("paid");
    lesson.server.wait_for_log("event=paid order=drawn");

    let arrows = count(lesson.steps());
    let drawn = |names: &[&str]| names.iter().filter_map(|name| arrows.get(*name)).sum::<usize>();
    let logged = |words: &str| lesson.server.logged(&format!("{words} order=drawn")).len();
    assert_eq!(drawn(&["get", "getAgain"]), logged("event=waiting"));
    assert_eq!(drawn(&["getAgain"]), logged("event=waiting last_event_id=\"0\""));
    assert_eq!(lesson.label("getAgain"), "Last-Event-ID: 0");
    assert_eq!(drawn(&["payback"]), logged(&format!("event=paid {delivered}")));
    assert_eq!(drawn(&["lost", "message", "finish"]), 3);
    assert_eq!(drawn(&["elsewhere", "earlier", "ended", "timeout"]), 0);
    lesson.assert_console_is_empty();
}

fn count(names: Vec<String>) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

in_every_engine!(the_wire_shows_every_byte);
fn the_wire_shows_every_byte(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &["--heartbeat", "0.3"]) else { return };
    lesson.wait_for_payment_of("wire");
    lesson.wait_for_step("heartbeat");
    assert_eq!(lesson.server.payback("wire"), 1);
    lesson.wait_for_state("paid");
    let shown = |kind: &str| lesson.wire_lines(kind).join("\n") + "\n";
    assert!(shown("request").starts_with("GET /sse/orderpay/wire HTTP/1.1\nHost: 127.0.0.1:"));
    assert!(shown("head").starts_with("HTTP/1.1 200 OK\n"));
    assert_eq!(shown("line").replace(HEARTBEAT, ""), format!("{OPENING}{PAID}"));
    assert!(lesson.browser.text("#lines").contains("the event’s name"), "unasked");
    lesson.assert_console_is_empty();
}

in_every_engine!(when_time_runs_out_the_page_says_so_and_offers_to_wait_again);
fn when_time_runs_out_the_page_says_so_and_offers_to_wait_again(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &["--timeout", "2"]) else { return };
    lesson.wait_for_payment_of("late");
    lesson.wait_for_state("timed-out");
    assert_eq!(lesson.messages(), ["timeout!!"]);
    assert_eq!(lesson.steps(), ["get", "open", "opening", "timeout", "timedOut", "close"]);
    lesson.assert_nobody_returns(1);

    assert!(lesson.is_enabled("#pay"), "the platform is late");
    lesson.pay();
    lesson.wait_for_step("ok");
    lesson.browser.click("#again");
    lesson.wait_for_state("paid");
    assert_eq!(lesson.messages(), ["timeout!!", "支付成功"]);

    assert_eq!(lesson.browser.text("#again"), "New order", "a paid order stays paid");
    lesson.assert_console_is_empty();
}

in_every_engine!(order_1_can_be_waited_for_again_and_again);
fn order_1_can_be_waited_for_again_and_again(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &["--timeout", "5"]) else { return };
    lesson.wait_for_payment_of("1");
    lesson.pay();
    lesson.wait_for_state("paid");
    lesson.browser.click("#again");
    lesson.wait_for_state("waiting");
    lesson.pay();
    lesson.wait_for_state("paid");
    lesson.browser.click("#again");
    lesson.wait_for_state("waiting");
    lesson.assert_console_is_empty();
}

in_every_engine!(a_restart_of_the_server_is_seen_within_two_seconds);
fn a_restart_of_the_server_is_seen_within_two_seconds(engine: Engine) {
    let Some(mut lesson) = Lesson::start(engine, &[]) else { return };
    let address = lesson.server.address.to_string();
    lesson.wait_for_payment_of("restart");
    lesson.server.stop();
    lesson.wait_for_state("reconnecting");
    lesson.wait_for_step("failed");
    lesson.server = Server::start_on(&address, &[]);
    assert_shows_true_state(&lesson, "waiting");
    lesson.pay();
    lesson.wait_for_state("paid");
    let other_than_network = |line: &String| !line.contains("net::ERR_");
    assert!(!lesson.browser.console().unwrap_or_default().iter().any(other_than_network));
}

#[test]
fn a_page_that_was_frozen_shows_the_true_state_within_two_seconds() {
    let Some(lesson) = Lesson::start(Engine::Chromium, &["--timeout", "1"]) else { return };
    lesson.wait_for_payment_of("frozen");
    let life_cycle = |state: &str| {
        let parameters = Json::object([("state", state.into())]);
        lesson.browser.devtools("Page.setWebLifecycleState", parameters);
    };
    life_cycle("frozen");
    lesson.server.wait_for_log("event=timeout order=frozen");
    lesson.server.payback("frozen");
    life_cycle("active");
    assert_shows_true_state(&lesson, "timed-out");
    lesson.browser.click("#again");
    lesson.wait_for_state("paid");
}

in_every_engine!(a_new_order_opens_in_a_tab_of_its_own_with_an_id_that_nobody_guesses);
fn a_new_order_opens_in_a_tab_of_its_own_with_an_id_that_nobody_guesses(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    lesson.wait_for_payment_of("first");
    let first = lesson.browser.window();
    lesson.browser.click("#new");
    lesson.browser.click("#new");
    let others: Vec<String> = eventually("two more tabs", || {
        let all = lesson.browser.windows();
        (all.len() == 3).then(|| all.into_iter().filter(|it| *it != first).collect())
    });
    let orders = others.iter().map(|window| {
        lesson.browser.switch_to(window);
        lesson.wait_for_state("waiting");
        lesson.browser.text("#order")
    });
    let orders: Vec<String> = orders.collect();
    assert!(orders.len() == 2 && orders[0] != orders[1], "{orders:?}");
    assert!(orders.iter().all(|order| order.len() == 22), "{orders:?}");
}

in_every_engine!(a_seventh_tab_explains_why_it_has_no_connection_and_gets_one_in_its_turn);
fn a_seventh_tab_explains_why_it_has_no_connection_and_gets_one_in_its_turn(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    let mut tabs = vec![lesson.browser.window()];
    tabs.extend((1..7).map(|_| lesson.browser.new_window()));
    for (number, tab) in tabs.iter().enumerate() {
        lesson.browser.switch_to(tab);
        lesson.browser.open(&lesson.server.url(&format!("/sse/test/tab{number}")));
        lesson.wait_for_state(if number < 5 { "waiting" } else { "crowded" });
    }
    assert!(lesson.browser.text("#crowded").contains("six connections"));

    lesson.browser.switch_to(&tabs[0]);
    lesson.pay();
    lesson.wait_for_state("paid");
    lesson.browser.switch_to(&tabs[1]);
    lesson.browser.close_window();
    for tab in &tabs[5..] {
        lesson.browser.switch_to(tab);
        lesson.wait_for_state("waiting");
    }
}

in_every_engine!(a_page_that_comes_back_by_back_is_counted_among_those_that_have_a_connection);
fn a_page_that_comes_back_by_back_is_counted_among_those_that_have_a_connection(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    let bank = Server::start(&[]);
    lesson.wait_for_payment_of("back");
    lesson.browser.open(&bank.url("/healthz"));
    lesson.browser.back();
    lesson.wait_for_state("waiting");
    for number in 1..=5 {
        lesson.browser.new_window();
        lesson.browser.open(&lesson.server.url(&format!("/sse/test/tab{number}")));
        lesson.wait_for_state(if number < 5 { "waiting" } else { "crowded" });
    }
}

in_every_engine!(it_speaks_the_browsers_language_and_changes_it_at_a_click);
fn it_speaks_the_browsers_language_and_changes_it_at_a_click(engine: Engine) {
    let Some(lesson) = Lesson::start_with(engine, &CHINESE, &[]) else { return };
    lesson.wait_for_payment_of("words");
    assert_eq!(lesson.state_in_words(), "等待支付");
    lesson.browser.click("#language");
    lesson.browser.wait_for_text("#state", "Waiting for payment");
    assert_eq!(lesson.browser.text("#pay"), "Pay");
    let missing =
        "[...document.querySelectorAll('[data-word]')].filter((it) => it.textContent === '')";
    assert_eq!(lesson.browser.run(&format!("return {missing}.length")), Json::Number(0.0));
    lesson.browser.reload();
    lesson.browser.wait_for_text("#state", "Waiting for payment");
    lesson.assert_console_is_empty();
}

fn assert_shows_true_state(lesson: &Lesson, state: &str) {
    let begin = Instant::now();
    lesson.wait_for_state(state);
    assert!(begin.elapsed() < TRUE_STATE_WITHIN, "{:?}", begin.elapsed());
}

#[test]
fn every_text_is_there_in_both_languages() {
    let words = fs::read_to_string("www/words.js").unwrap();
    let names = |part: &str| -> Vec<String> {
        let names = part.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
        names.map(|(name, _)| name.to_owned()).filter(|name| !name.starts_with(' ')).collect()
    };
    let (english, chinese) = words.split_once("const zh = {").unwrap();
    let (chinese, _) = chinese.split_once("\n};").unwrap();
    assert_eq!(names(english), names(chinese));
}

in_every_engine!(the_lines_for_a_terminal_work_and_a_loopback_address_is_none_for_a_phone);
fn the_lines_for_a_terminal_work_and_a_loopback_address_is_none_for_a_phone(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    if tool("curl").is_none() {
        return;
    }
    lesson.wait_for_payment_of("shell");
    lesson.open_panel("terminal");
    lesson.browser.click("#pay-lines button");
    assert_eq!(lesson.browser.text("#pay-lines button"), "Copied");
    let line = lesson.browser.text("#pay-lines code");
    assert_eq!(line, format!("curl {}", lesson.server.url("/sse/payback/shell")));
    let (_, program) = Program::run(Command::new("sh").args(["-c", &line]));
    assert_eq!(program.stdout(), "ok");
    lesson.wait_for_state("paid");

    lesson.open_panel("phone");
    let port = lesson.server.address.port();
    let listen = format!("orderpay --listen 0.0.0.0:{port}");
    assert_eq!(lesson.browser.text("#phone-code"), listen);
    assert_eq!(
        lesson.browser.run("return document.querySelector('#qr').getBBox().width"),
        Json::Number(0.0)
    );
}

in_every_engine!(with_a_token_the_page_shows_the_line_that_pays_and_does_not_ask_for_it);
fn with_a_token_the_page_shows_the_line_that_pays_and_does_not_ask_for_it(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &["--token", "s3cret"]) else { return };
    lesson.wait_for_payment_of("token");
    assert!(!lesson.is_enabled("#pay"));
    let line = lesson.browser.text("#token-line");
    let url = lesson.server.url("/sse/payback/token");
    assert_eq!(line, format!("curl -H \"Authorization: Bearer TOKEN\" {url}"));
    assert!(
        !lesson.browser.run("return document.documentElement.outerHTML").text().contains("s3cret")
    );
    lesson.assert_console_is_empty();
}

#[test]
fn a_phone_can_read_the_code_of_an_address_on_the_network() {
    let Some(lesson) = Lesson::start(Engine::Chromium, &[]) else { return };
    let Some(zbarimg) = tool("zbarimg") else { return };
    let base = format!("http://{NETWORK_HOST}:{}", lesson.server.address.port());
    let folder = Folder::new();
    let picture = folder.join("phone.png");
    for order in ["1", "an-order-of-some-length", &"x".repeat(64)] {
        lesson.browser.open(&format!("{base}/sse/test/{order}"));
        lesson.wait_for_state("waiting");
        lesson.open_panel("phone");
        lesson.browser.screenshot(&picture);
        let (_, reader) = Program::run(Command::new(&zbarimg).args(["-q", "--raw"]).arg(&picture));
        assert_eq!(reader.stdout(), format!("{base}/sse/payback/{order}\n"));
    }
}

in_every_engine!(axe_finds_nothing_that_shuts_somebody_out);
fn axe_finds_nothing_that_shuts_somebody_out(engine: Engine) {
    let Ok(axe) = fs::read_to_string("tests/.tools/node_modules/axe-core/axe.min.js") else {
        return skipped("axe-core is not in tests/.tools: .ci/run installs it");
    };
    for dark in [false, true] {
        let settings = Settings { dark, ..Settings::default() };
        let Some(lesson) = Lesson::start_with(engine, &settings, &["--timeout", "3"]) else {
            return;
        };
        let check = |scene: &str| {
            let violations = lesson.browser.run(&format!("{axe}; {AXE_RUN}"));
            assert_eq!(violations, Json::List(vec![]), "{scene}, dark: {dark}");
        };
        lesson.wait_for_payment_of("axe");
        for panel in PANELS {
            lesson.open_panel(panel);
        }
        check("waiting");
        lesson.wait_for_state("timed-out");
        check("timed out");
        lesson.browser.click("#again");
        lesson.wait_for_state("waiting");
        lesson.pay();
        lesson.wait_for_state("paid");
        check("paid");
        lesson.browser.resize(PHONE);
        check("paid, on a phone");
        let stands_out = "return document.documentElement.scrollWidth > innerWidth";
        assert_eq!(lesson.browser.run(stands_out), Json::Bool(false), "sideways");
    }
}

const AXE_RUN: &str = "return axe.run().then(({ violations }) => violations.map(({ id, nodes }) =>
    `${id}: ${nodes.map((node) => node.html).join(' ')}`))";

#[test]
fn all_of_it_together_is_small() {
    const LIMIT: u64 = 64 * 1024;
    let files = fs::read_dir("www").unwrap().flatten();
    let size: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
    assert!(size < LIMIT, "{size} bytes");
}

in_every_engine!(
    #[ignore = "makes pictures, checks nothing"]
    screenshots
);
/// `make screenshots`: for people to look at.
fn screenshots(engine: Engine) {
    let Some(mut lesson) = Lesson::start(engine, &["--heartbeat", "3"]) else { return };
    lesson.wait_for_payment_of("pictures");
    for seconds in [1, 10] {
        lesson.wait_until(&format!("performance.now() > {seconds}000"));
        lesson.picture(&format!("waiting-{seconds}s"));
    }
    for panel in PANELS {
        lesson.open_panel(panel);
        lesson.picture(&format!("panel-{panel}"));
    }
    lesson.open_panel("wire");
    lesson.pay();
    lesson.wait_for_step("ok");
    lesson.picture("paid");
    lesson.browser.click(".step.finish .label");
    lesson.picture("paid-finish");
    lesson.browser.click("#stop");
    lesson.wait_for_step("noContent");
    lesson.browser.click(".step:last-child .label");
    lesson.picture("what-204-does");

    lesson.wait_for_payment_of("away");
    lesson.lose_connection();
    lesson.picture("lost");
    lesson.server.payback("away");
    lesson.wait_for_state("paid");
    lesson.picture("paid-while-away");
    lesson.browser.click(".step.earlier .label");
    lesson.picture("paid-while-away-payback");
    lesson.browser.click(".step.getAgain .label");
    lesson.picture("paid-while-away-return");

    lesson.server = Server::start(&["--timeout", "2"]);
    lesson.wait_for_payment_of("late");
    lesson.wait_for_state("timed-out");
    lesson.picture("timed-out");

    for (what, name) in [(Emulation::Print, "print"), (Emulation::ForcedColors, "forced-colors")] {
        lesson.wait_for_payment_of(name);
        if lesson.browser.emulate(what) {
            lesson.picture(name);
        } else {
            eprintln!("{engine:?} can't show {name}");
        }
    }
    drop(lesson);

    let dark = Settings { dark: true, ..Settings::default() };
    let phone = Settings { size: PHONE, ..Settings::default() };
    for (settings, name) in [(dark, "dark"), (phone, "phone"), (CHINESE, "chinese")] {
        let Some(lesson) = Lesson::start_with(engine, &settings, &[]) else { return };
        lesson.wait_for_payment_of(name);
        lesson.pay();
        lesson.wait_for_step("ok");
        lesson.picture(name);
        if name == "phone" {
            lesson.browser.open(&lesson.server.url("/sse/payback/scanned"));
            lesson.picture("phone-scanned");
        }
    }
}
