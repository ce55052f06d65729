//! Does the page teach what happens? Its buttons, its diagram, its wire; for everybody, everywhere.

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::json::Json;
use support::webdriver::Browser;
use support::{Folder, HEARTBEAT, OPENING, PAID, Program, Server, skipped, stays_true, tool};

/// A name that is no loopback address to the page, and leads to one nevertheless.
const NETWORK_HOST: &str = "pay.example";
const RESOLVER_RULES: &str = "--host-resolver-rules=MAP pay.example 127.0.0.1";

const PROJECTOR: (u32, u32) = (1280, 720);
const PHONE: (u32, u32) = (360, 740);

/// After a restart, or when it is looked at again, the page shows the true state within this time.
const TRUE_STATE_WITHIN: Duration = Duration::from_secs(2);
/// A browser that meant to come back would have done so by then: its retry time is one second.
const NO_RETURN_WITHIN: Duration = Duration::from_millis(1500);

/// A server with its page in a browser.
struct Lesson {
    server: Server,
    browser: Browser,
}

impl Lesson {
    fn start(options: &[&str]) -> Option<Lesson> {
        Lesson::in_language("en-US", options)
    }

    fn in_language(language: &str, options: &[&str]) -> Option<Lesson> {
        let accept = format!("--accept-lang={language}");
        let browser = Browser::start(&[&accept, RESOLVER_RULES])?;
        Some(Lesson { server: Server::start(options), browser }).inspect(|it| it.resize(PROJECTOR))
    }

    /// Takes the size of a screen. A phone is one that is higher than wide.
    fn resize(&self, (width, height): (u32, u32)) {
        let parameters = Json::object([
            ("width", Json::Number(width.into())),
            ("height", Json::Number(height.into())),
            ("deviceScaleFactor", Json::Number(1.0)),
            ("mobile", (height > width).into()),
        ]);
        self.browser.devtools("Emulation.setDeviceMetricsOverride", parameters);
    }

    /// Opens the page of an order and waits until it waits.
    fn wait_for_payment_of(&self, order: &str) {
        self.browser.open(&self.server.url(&format!("/sse/test/{order}")));
        self.wait_for_state("waiting");
    }

    fn wait_for_state(&self, state: &str) {
        self.wait_until(&format!("document.body.dataset.state === '{state}'"));
    }

    fn shows_true_state(&self, state: &str) {
        let begin = Instant::now();
        self.wait_for_state(state);
        assert!(begin.elapsed() < TRUE_STATE_WITHIN, "{:?}", begin.elapsed());
    }

    /// Waits in the page: to ask over and over from here would keep both sides busy with that.
    fn wait_until(&self, condition: &str) {
        let look = format!("const look = () => ({condition}) ? done(true) : setTimeout(look, 20)");
        let wait = format!("return new Promise((done) => {{ {look}; look(); }})");
        assert_eq!(self.browser.run(&wait), Json::Bool(true));
    }

    fn open_panel(&self, id: &str) {
        self.browser.click(&format!("#{id} summary"));
    }

    /// The names of the steps in the diagram, in their order.
    fn steps(&self) -> Vec<String> {
        self.texts("[...document.querySelectorAll('.step')].map((step) => step.dataset.step)")
    }

    fn texts(&self, expression: &str) -> Vec<String> {
        let list = self.browser.run(&format!("return {expression}"));
        list.list().iter().map(|text| text.text().to_owned()).collect()
    }

    fn wait_for_step(&self, name: &str) {
        self.wait_until(&format!("document.querySelector('.step.{name}') !== null"));
    }

    /// What the diagram says at the arrow of that name.
    fn note(&self, step: &str) -> String {
        self.wait_for_step(step);
        self.browser.text(&format!(".step.{step} .note"))
    }

    fn messages(&self) -> Vec<String> {
        self.texts("[...document.querySelectorAll('#message > p')].map((p) => p.textContent)")
    }

    fn is_enabled(&self, css: &str) -> bool {
        self.browser.run(&format!("return !document.querySelector('{css}').disabled"))
            == Json::Bool(true)
    }

    /// No error, no violation of the Content-Security-Policy.
    fn assert_console_is_empty(&self) {
        assert_eq!(self.browser.console(), [""; 0]);
    }

    /// A picture of what is to be seen once nothing moves any more.
    fn picture(&self, name: &str) {
        self.wait_until("document.getAnimations().length === 0");
        let folder = Path::new("tests/screenshots");
        fs::create_dir_all(folder).unwrap();
        self.browser.screenshot(&folder.join(name).with_extension("png"));
    }

    /// Nobody comes back for the order.
    fn assert_nobody_returns(&self, waiters: usize) {
        stays_true(NO_RETURN_WITHIN, "nobody comes back", || {
            self.server.logged("event=waiting").len() == waiters
        });
    }
}

#[test]
fn whoever_pays_and_whatever_they_say_it_is_shown_as_text() {
    let Some(lesson) = Lesson::start(&[]) else { return };
    lesson.wait_for_payment_of("own-text");
    lesson.browser.type_into("#text", "<b>谢谢</b>\u{E007}");
    lesson.wait_for_state("paid");
    assert_eq!(lesson.messages(), ["<b>谢谢</b>"]);

    lesson.wait_for_payment_of("elsewhere");
    assert_eq!(lesson.server.payback("elsewhere"), 1);
    lesson.wait_for_state("paid");
    assert_eq!(lesson.steps(), ["get", "open", "elsewhere", "message", "finish", "close"]);

    lesson.wait_for_payment_of("forged");
    lesson.server.post("/sse/payback/forged", "timeout!!");
    lesson.wait_for_state("paid");
    assert_eq!(lesson.messages(), ["timeout!!"]);
    lesson.assert_console_is_empty();
}

#[test]
fn the_diagram_draws_what_the_server_logs() {
    let Some(lesson) = Lesson::start(&["--heartbeat", "0.4"]) else { return };
    lesson.wait_for_payment_of("drawn");
    lesson.open_panel("wire");
    lesson.wait_for_step("secondHeartbeat");
    lesson.browser.click("#lose");
    lesson.wait_for_state("reconnecting");
    lesson.wait_for_state("waiting");
    lesson.wait_for_step("heartbeat");
    lesson.browser.click("#pay");
    let delivered = lesson.note("ok");
    lesson.wait_for_state("paid");
    lesson.server.wait_for_log("event=paid order=drawn");
    lesson.server.wait_for_log("event=vanished order=drawn");

    let arrows = count(lesson.steps());
    let drawn = |names: &[&str]| names.iter().filter_map(|name| arrows.get(*name)).sum::<usize>();
    let logged = |words: &str| lesson.server.logged(&format!("{words} order=drawn")).len();
    assert_eq!(drawn(&["get", "getAgain", "second"]), logged("event=waiting"));
    assert_eq!(drawn(&["getAgain"]), logged("event=waiting last_event_id=\"0\""));
    assert_eq!(lesson.note("getAgain"), "Last-Event-ID: 0");
    assert_eq!(drawn(&["payback"]), logged("event=paid delivered=2"));
    assert_eq!(delivered, "Orderpay-Delivered: 2");
    assert_eq!(drawn(&["lost"]), logged("event=vanished"));
    assert_eq!(drawn(&["message", "finish"]), 2);
    assert_eq!(drawn(&["elsewhere", "unanswered", "timeout"]), 0);
    lesson.assert_console_is_empty();
}

fn count(names: Vec<String>) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[test]
fn the_wire_shows_every_byte_and_its_waiter_is_gone_with_the_panel() {
    let Some(lesson) = Lesson::start(&["--heartbeat", "0.3"]) else { return };
    lesson.wait_for_payment_of("wire");
    lesson.open_panel("wire");
    lesson.server.wait_for_log_lines(2, "event=waiting order=wire");
    lesson.open_panel("wire");
    lesson.server.wait_for_log("event=vanished order=wire");
    lesson.open_panel("wire");
    lesson.server.wait_for_log_lines(3, "event=waiting order=wire");

    assert_eq!(lesson.server.payback("wire"), 2);
    lesson.wait_until("document.querySelector('#lines .end') !== null");
    let lines = lesson
        .texts("[...document.querySelectorAll('#lines .line code')].map((c) => c.textContent)");
    let bytes = lines.join("\n") + "\n";
    assert_eq!(bytes.replace(HEARTBEAT, ""), format!("{OPENING}{PAID}"));
    lesson.browser.run("document.querySelector('#lines li').focus()");
    assert!(lesson.browser.text("#lines li:focus").contains("the event’s name"));
    lesson.assert_console_is_empty();
}

#[test]
fn when_time_runs_out_the_page_says_so_and_offers_to_wait_again() {
    let Some(lesson) = Lesson::start(&["--timeout", "2"]) else { return };
    lesson.wait_for_payment_of("late");
    lesson.browser.click("#wait");
    assert!(!lesson.is_enabled("#pay") && !lesson.is_enabled("#pay-text"));
    lesson.wait_for_state("timed-out");
    assert_eq!(lesson.messages(), ["timeout!!"]);
    assert_eq!(lesson.steps(), ["get", "open", "timeout", "close"]);
    lesson.assert_nobody_returns(1);

    assert!(lesson.is_enabled("#pay"), "the platform is late");
    lesson.browser.click("#pay");
    lesson.wait_for_step("ok");
    lesson.browser.click("#again");
    lesson.wait_for_state("paid");
    assert_eq!(lesson.messages(), ["timeout!!", "支付成功"]);

    let hidden = "return document.getElementById('again').hidden";
    assert_eq!(lesson.browser.run(hidden), Json::Bool(true), "a paid order stays paid");
    assert!(!lesson.is_enabled("#wait"));
    lesson.assert_console_is_empty();
}

#[test]
fn order_1_can_be_waited_for_again_and_again() {
    let Some(lesson) = Lesson::start(&["--timeout", "5"]) else { return };
    lesson.wait_for_payment_of("1");
    lesson.browser.click("#pay");
    lesson.wait_for_state("paid");
    lesson.browser.click("#wait");
    lesson.wait_for_state("waiting");
    assert!(!lesson.is_enabled("#pay"), "waiting for the timeout");
    lesson.browser.click("#wait");
    assert!(lesson.is_enabled("#pay"));
    lesson.browser.click("#pay");
    lesson.wait_for_state("paid");
    lesson.browser.click("#again");
    lesson.wait_for_state("waiting");
    lesson.assert_console_is_empty();
}

#[test]
fn a_restart_of_the_server_is_seen_within_two_seconds() {
    let Some(mut lesson) = Lesson::start(&[]) else { return };
    let address = lesson.server.address.to_string();
    lesson.wait_for_payment_of("restart");
    lesson.server.stop();
    lesson.wait_for_state("reconnecting");
    lesson.wait_for_step("unanswered");
    lesson.server = Server::start_on(&address, &[]);
    lesson.shows_true_state("waiting");
    lesson.browser.click("#pay");
    lesson.wait_for_state("paid");
    assert_eq!(lesson.browser.text("#connections"), "2");
    let other_than_network = |line: &String| !line.contains("net::ERR_");
    assert!(!lesson.browser.console().iter().any(other_than_network));
}

#[test]
fn a_page_that_was_frozen_shows_the_true_state_within_two_seconds() {
    let Some(lesson) = Lesson::start(&["--timeout", "1"]) else { return };
    lesson.wait_for_payment_of("frozen");
    let life_cycle = |state: &str| {
        let parameters = Json::object([("state", state.into())]);
        lesson.browser.devtools("Page.setWebLifecycleState", parameters);
    };
    life_cycle("frozen");
    lesson.server.wait_for_log("event=timeout order=frozen");
    lesson.server.payback("frozen");
    life_cycle("active");
    lesson.shows_true_state("timed-out");
    lesson.browser.click("#again");
    lesson.wait_for_state("paid");
}

#[test]
fn a_new_order_opens_in_a_tab_of_its_own_with_an_id_that_nobody_guesses() {
    let Some(lesson) = Lesson::start(&[]) else { return };
    lesson.wait_for_payment_of("first");
    let first = lesson.browser.window();
    lesson.browser.click("#new");
    lesson.browser.click("#new");
    let others: Vec<String> =
        lesson.browser.windows().into_iter().filter(|it| *it != first).collect();
    let orders = others.iter().map(|window| {
        lesson.browser.switch_to(window);
        lesson.wait_for_state("waiting");
        lesson.browser.text("#order")
    });
    let orders: Vec<String> = orders.collect();
    assert!(orders.len() == 2 && orders[0] != orders[1], "{orders:?}");
    assert!(orders.iter().all(|order| order.len() == 22), "{orders:?}");
}

#[test]
fn a_seventh_tab_explains_why_it_has_no_connection_and_gets_one_in_its_turn() {
    let Some(lesson) = Lesson::start(&[]) else { return };
    let mut tabs = vec![lesson.browser.window()];
    tabs.extend((1..7).map(|_| lesson.browser.new_window()));
    for (number, tab) in tabs.iter().enumerate() {
        lesson.browser.switch_to(tab);
        lesson.browser.open(&lesson.server.url(&format!("/sse/test/tab{number}")));
        lesson.wait_for_state(if number < 5 { "waiting" } else { "crowded" });
    }
    assert!(lesson.browser.text("#crowded").contains("six connections"));

    lesson.browser.switch_to(&tabs[0]);
    lesson.browser.click("#pay");
    lesson.wait_for_state("paid");
    lesson.browser.switch_to(&tabs[1]);
    lesson.browser.close_window();
    for tab in &tabs[5..] {
        lesson.browser.switch_to(tab);
        lesson.wait_for_state("waiting");
    }
}

#[test]
fn it_speaks_the_browsers_language_and_changes_it_at_a_click() {
    let Some(lesson) = Lesson::in_language("zh-CN", &[]) else { return };
    lesson.wait_for_payment_of("words");
    assert_eq!(lesson.browser.text("#state"), "等待支付");
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

#[test]
fn every_text_is_there_in_both_languages() {
    let words = fs::read_to_string("www/words.js").unwrap();
    let names = |part: &str| -> Vec<String> {
        let names = part.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
        names.map(|(name, _)| name.to_owned()).filter(|name| !name.starts_with(' ')).collect()
    };
    let (english, chinese) = words.split_once("  zh: {").unwrap();
    assert_eq!(names(english), names(chinese));
}

#[test]
fn the_lines_for_a_terminal_work_and_a_loopback_address_is_none_for_a_phone() {
    let Some(lesson) = Lesson::start(&[]) else { return };
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

#[test]
fn with_a_token_the_page_shows_the_line_that_pays_and_does_not_ask_for_it() {
    let Some(lesson) = Lesson::start(&["--token", "s3cret"]) else { return };
    lesson.wait_for_payment_of("token");
    assert!(!lesson.is_enabled("#pay") && !lesson.is_enabled("#pay-text"));
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
    let Some(lesson) = Lesson::start(&[]) else { return };
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

#[test]
fn axe_finds_nothing_that_shuts_somebody_out() {
    let Ok(axe) = fs::read_to_string("tests/.tools/node_modules/axe-core/axe.min.js") else {
        return skipped("axe-core is not in tests/.tools: .ci/run installs it");
    };
    let Some(lesson) = Lesson::start(&["--timeout", "3"]) else { return };
    let check = |scene: &str| {
        let violations = lesson.browser.run(&format!("{axe}; {AXE_RUN}"));
        assert_eq!(violations, Json::List(vec![]), "{scene}");
    };
    lesson.wait_for_payment_of("axe");
    for panel in ["wire", "terminal", "phone"] {
        lesson.open_panel(panel);
    }
    check("waiting");
    lesson.wait_for_state("timed-out");
    check("timed out");
    lesson.browser.prefer("prefers-color-scheme", "dark");
    check("timed out, dark");
    lesson.browser.click("#again");
    lesson.wait_for_state("waiting");
    lesson.browser.click("#pay");
    lesson.wait_for_state("paid");
    check("paid, dark");
    lesson.browser.prefer("prefers-color-scheme", "light");
    check("paid");
    lesson.resize(PHONE);
    check("paid, on a phone");
    let width = lesson.browser.run("return document.documentElement.scrollWidth");
    assert_eq!(width, Json::Number(PHONE.0.into()), "nothing stands out sideways");
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

/// `make screenshots`: for people to look at.
#[test]
#[ignore = "makes pictures, checks nothing"]
fn screenshots() {
    let Some(mut lesson) = Lesson::start(&[]) else { return };
    lesson.wait_for_payment_of("1");
    lesson.picture("waiting");
    lesson.browser.click("#pay");
    lesson.wait_for_step("ok");
    lesson.picture("paid");
    lesson.browser.prefer("prefers-color-scheme", "dark");
    lesson.picture("dark");
    lesson.browser.prefer("prefers-color-scheme", "light");

    lesson.resize(PHONE);
    lesson.wait_for_payment_of("1");
    lesson.picture("phone");
    lesson.resize(PROJECTOR);
    lesson.server = Server::start(&["--timeout", "2"]);
    lesson.wait_for_payment_of("1");
    lesson.wait_for_state("timed-out");
    lesson.picture("timed-out");
}
