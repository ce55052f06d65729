//! Can a class read from the page what happens, from the last row, and did all of it happen?

mod support;

use std::time::Duration;

use support::browser::{Engine, Settings, in_every_engine};
use support::json::Json;
use support::lesson::PANELS;
use support::relay::Fault;
use support::sse::{Parser, STREAMS, events};
use support::{Lesson, eventually, stays_true};

const PROJECTOR: (u32, u32) = (1280, 720);
const PHONE: (u32, u32) = (360, 740);

/// After whatever, a page that is looked at shows the true state within this time.
const TRUE_STATE_WITHIN: Duration = Duration::from_secs(2);

const KEY_ENTER: &str = "\u{E007}";
const KEY_UP: &str = "\u{E013}";
const KEY_DOWN: &str = "\u{E015}";

// What is to be seen.

/// The parts of the lesson that are not wholly to be seen.
const OUT_OF_VIEW: &str = "
    const box = document.getElementById('view').getBoundingClientRect();
    const last = document.getElementById('steps').lastChild;
    const parts = [...document.querySelectorAll('#state, #left, #message'), last, last.querySelector('.why')];
    return parts.filter((part) => {
        const { top, bottom, left, right } = part.getBoundingClientRect();
        const [highest, lowest] = last.contains(part) ? [box.top, box.bottom] : [0, innerHeight];
        return top < highest - 1 || bottom > Math.min(lowest, innerHeight) + 1 || left < 0 || right > innerWidth;
    }).map((part) => part.id || part.className);";

/// Texts in letters of less than 18 px.
const TOO_SMALL: &str = "
    const says = (it) => it.value || [...it.childNodes].some(({ data }) => data?.trim());
    const small = (it) => parseFloat(getComputedStyle(it).fontSize) < 18;
    return [...document.querySelectorAll('body *')].filter((it) => it.checkVisibility() && says(it) && small(it))
        .map((it) => it.outerHTML);";

/// What is wider than the box that it is in.
const CUT_OFF: &str = "
    const boxes = [...document.querySelectorAll('figure, #view, #view li, #view p, .names, .names b, #lines, #map, #terminal')];
    return boxes.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth + 1)
        .map((it) => it.id || it.className || it.textContent);";

in_every_engine!(the_lesson_is_in_view_whichever_panel_is_open_and_at_every_size);
fn the_lesson_is_in_view_whichever_panel_is_open_and_at_every_size(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &["--heartbeat", "0.2"]) else { return };
    lesson.wait_for_payment_of("seen");
    lesson.wait_until("document.querySelector('.heartbeat b')?.textContent.slice(1) >= 3");
    assert_eq!(lesson.steps().iter().filter(|it| *it == "heartbeat").count(), 1);
    assert_can_be_read(&lesson, "waiting");
    lesson.pay();
    lesson.wait_for_step("ok");
    assert_can_be_read(&lesson, "paid");
    for size in [(1024, 600), (1920, 1080), (1000, 560), PROJECTOR] {
        lesson.browser.resize(size);
        lesson.wait_until(&format!("innerWidth === {}", size.0));
        lesson.wait_for_stillness();
        assert_finds_nothing(&lesson, OUT_OF_VIEW, &format!("{size:?}"));
    }
    lesson.browser.resize(PHONE);
    lesson.wait_until("innerWidth === 360");
    for panel in PANELS {
        lesson.open_panel(panel);
        assert_finds_nothing(&lesson, CUT_OFF, &format!("{panel} on a phone"));
    }
    lesson.open_panel("wire");
    let width = "return document.querySelector('#lines code').getBoundingClientRect().width";
    assert!(lesson.browser.run(width).number() > 220.0, "a line of the wire on a phone");
}

fn assert_can_be_read(lesson: &Lesson, scene: &str) {
    for panel in PANELS {
        lesson.open_panel(panel);
        lesson.wait_for_stillness();
        for script in [OUT_OF_VIEW, CUT_OFF, TOO_SMALL] {
            assert_finds_nothing(lesson, script, &format!("{scene}, {panel}"));
        }
    }
}

fn assert_finds_nothing(lesson: &Lesson, script: &str, scene: &str) {
    assert_eq!(lesson.browser.run(script), Json::List(vec![]), "{scene}");
}

in_every_engine!(an_open_response_looks_open_from_its_first_moment_and_goes_on);
fn an_open_response_looks_open_from_its_first_moment_and_goes_on(engine: Engine) {
    // WCAG 2.2: relative luminance, contrast ratio.
    const OUTLINE: &str = "
        const linear = (it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4);
        const luminance = (colour) => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map((it) => linear(it / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const bar = getComputedStyle(document.querySelector('#goes-on i'), '::before');
        const around = getComputedStyle(document.querySelector('figure'));
        const [low, high] = [bar.borderLeftColor, around.backgroundColor].map(luminance).sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);";
    const HEIGHT: &str =
        "return document.querySelector('#goes-on i').getBoundingClientRect().height";
    for dark in [false, true] {
        let settings = Settings { dark, ..Settings::default() };
        let Some(lesson) = Lesson::start_with(engine, &settings, &["--timeout", "20"]) else {
            return;
        };
        lesson.wait_for_payment_of("open");
        let (height, contrast) =
            (lesson.browser.run(HEIGHT).number(), lesson.browser.run(OUTLINE).number());
        assert!(height >= 64.0, "{height} px");
        assert!(contrast >= 3.0, "{contrast}:1, dark: {dark}");
        assert!(
            lesson.is_true("document.getAnimations().some((it) => it.animationName === 'flow')")
        );
        lesson.wait_until(&format!("{} > {height} + 2", HEIGHT.trim_start_matches("return ")));
    }
}

// What has happened, and in which order.

in_every_engine!(what_happened_while_the_page_was_away_is_drawn_where_it_happened);
fn what_happened_while_the_page_was_away_is_drawn_where_it_happened(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    lesson.wait_for_payment_of("away");
    lesson.lose_connection();
    lesson.server.payback("away");
    lesson.wait_for_state("paid");
    let result = ["getAgain", "open", "opening", "message", "finish", "close"];
    let before = ["get", "open", "opening", "lost", "earlier"];
    assert_eq!(lesson.steps(), [&before[..], &result[..]].concat());
    assert_eq!(lesson.label("getAgain"), "Last-Event-ID: 0");
    assert!(lesson.note("earlier").starts_with(":settled "), "{}", lesson.note("earlier"));
    assert_eq!(lesson.browser.text("#connections"), "2");

    lesson.browser.reload();
    lesson.wait_for_state("paid");
    let again = ["earlier", "get", "open", "opening", "message", "finish", "close"];
    assert_eq!(lesson.steps(), again, "an earlier result is no new payback");
    assert!(lesson.browser.text(".earlier time").starts_with('−'), "before the page was opened");
    assert_eq!(lesson.browser.text("#again"), "New order", "a paid order stays paid");
    lesson.assert_console_is_empty();
}

in_every_engine!(what_204_does_can_be_tried);
fn what_204_does_can_be_tried(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    lesson.wait_for_payment_of("stray");
    assert!(!lesson.is_enabled("#stop"), "not before finish");
    lesson.pay();
    lesson.wait_for_step("ok");
    lesson.wait_for_state("paid");
    lesson.browser.click("#stop");
    assert_eq!(lesson.label("noContent"), "204 No Content");
    assert_eq!(lesson.label("stray"), "Last-Event-ID: 6666");
    assert!(lesson.steps().ends_with(&["stray", "noContent"].map(str::to_owned)));
    lesson.assert_nobody_returns(1);
    assert_eq!(lesson.server.logged("event=seen order=stray").len(), 1);
    lesson.assert_console_is_empty();
}

in_every_engine!(a_payback_that_is_refused_or_not_answered_looks_so);
fn a_payback_that_is_refused_or_not_answered_looks_so(engine: Engine) {
    let Some(mut lesson) = Lesson::start(engine, &["--remember", "1"]) else { return };
    lesson.wait_for_payment_of("refused");
    lesson.server.payback("another");
    lesson.pay();
    assert_eq!(lesson.label("refused"), "503 Service Unavailable");
    lesson.browser.wait_for_text("#problem", "try again");
    assert_eq!(lesson.steps(), ["get", "open", "opening", "payback", "refused"]);
    assert_eq!(lesson.messages(), [""; 0]);

    lesson.server.stop();
    lesson.wait_for_state("reconnecting");
    lesson.pay();
    lesson.wait_until("document.querySelector('.payback.failed') !== null");
    assert!(lesson.steps().iter().all(|step| step != "ok"));
}

in_every_engine!(what_is_no_event_stream_is_not_drawn_as_one);
fn what_is_no_event_stream_is_not_drawn_as_one(engine: Engine) {
    const LOGIN: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nlogin";
    const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    const DOWNLOAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n\
        Content-Disposition: attachment\r\nContent-Length: 3\r\n\r\nzip";
    let Some((lesson, relay)) = Lesson::start_behind_relay(engine, &["--timeout", "3"]) else {
        return;
    };
    let page = format!("http://{}/sse/test/1", relay.address);
    relay.fail_next(Fault::Answer(LOGIN));
    lesson.browser.open(&page);
    lesson.wait_for_state("waiting");
    assert_eq!(lesson.steps(), ["get", "noStream", "get", "open", "opening"]);
    assert_eq!(lesson.label("noStream"), "200 OK");

    for answer in [DOWNLOAD, NO_CONTENT] {
        lesson.server.payback("1");
        lesson.wait_for_state("paid");
        lesson.open_panel("wire");
        lesson.browser.run("document.getElementById('native').checked = true");
        relay.fail_next(Fault::Answer(answer));
        let failed = lesson.browser.run("return document.querySelectorAll('.get.failed').length");
        lesson.browser.click("#again");
        let failed = failed.number();
        lesson.wait_until(&format!("document.querySelectorAll('.get.failed').length > {failed}"));
        lesson.wait_for_state("waiting");
    }

    lesson.server.payback("1");
    lesson.wait_for_state("paid");
    lesson.browser.run("document.getElementById('native').checked = false");
    relay.fail_next(Fault::Answer(NO_CONTENT));
    lesson.browser.click("#again");
    lesson.wait_for_state("stopped");
    lesson.assert_nobody_returns(lesson.server.logged("event=waiting").len());
}

in_every_engine!(an_address_that_leads_nowhere_ends_no_lesson);
fn an_address_that_leads_nowhere_ends_no_lesson(engine: Engine) {
    let Some((lesson, relay)) = Lesson::start_behind_relay(engine, &[]) else { return };
    lesson.browser.open(&format!("http://{}/sse/test/1", relay.address));
    for is_native in [true, false] {
        lesson.wait_for_state("waiting");
        lesson.server.payback("1");
        lesson.wait_for_state("paid");
        lesson.browser.run(&format!("document.getElementById('native').checked = {is_native}"));
        lesson.browser.click("#again");
        lesson.wait_for_state("waiting");
        // Some engines end every stream of a page that is about to go, tell it nothing, and then it stays.
        relay.fail_next(Fault::Answer("HTTP/1.1 204 No Content\r\n\r\n"));
        lesson.browser.run("location.href = '/sse/orderpay/nowhere'");
        stays_true(Duration::from_millis(1500), "it stays", || {
            lesson.browser.run("return location.pathname").text() == "/sse/test/1"
        });
    }
    lesson.wait_for_state("waiting");
    lesson.server.payback("1");
    lesson.wait_for_state("paid");
}

in_every_engine!(a_line_that_dies_in_silence_is_found_out);
fn a_line_that_dies_in_silence_is_found_out(engine: Engine) {
    let Some((lesson, relay)) = Lesson::start_behind_relay(engine, &["--heartbeat", "0.5"]) else {
        return;
    };
    lesson.browser.open(&format!("http://{}/sse/test/silent", relay.address));
    lesson.wait_for_state("waiting");
    lesson.wait_for_step("heartbeat");
    relay.cut_in_silence();
    lesson.wait_for_step("lost");
    lesson.wait_for_state("waiting");

    // And at once if somebody looks, even where the first request goes to a connection that is dead as well.
    relay.cut_in_silence();
    relay.fail_next(Fault::Silence);
    lesson.server.payback("silent");
    let took = lesson.browser.run(
        "const begin = performance.now();
         document.dispatchEvent(new Event('visibilitychange'));
         const isPaid = () => document.body.dataset.state === 'paid';
         return new Promise((done) => {
             new MutationObserver(() => isPaid() && done(performance.now() - begin))
                 .observe(document.body, { attributes: true });
         });",
    );
    let took = Duration::from_secs_f64(took.number() / 1000.0);
    assert!(took < TRUE_STATE_WITHIN, "{took:?}");
    lesson.wait_for_step("lookAgain");
    lesson.wait_for_step("earlier");
}

// The pointer.

/// What is marked with some of the steps: its lines on the wire, and its line of the original.
const MARKED: [(&str, &[&str], &str); 4] = [
    (
        "opening",
        &["event:waiting", "id:0", "retry:1000", "data", ""],
        "sseEmitters.put(id, emitter)",
    ),
    ("message", &["data:支付成功", ""], "emitter.send(\"支付成功\")"),
    (
        "finish",
        &["event:finish", "id:6666", "data:哈哈", ""],
        "event().name(\"finish\").id(\"6666\")",
    ),
    ("close", &[], "emitter.complete()"),
];

in_every_engine!(the_pointer_marks_an_arrow_its_bytes_and_its_code_together);
fn the_pointer_marks_an_arrow_its_bytes_and_its_code_together(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    lesson.wait_for_payment_of("pointed");
    lesson.pay();
    lesson.wait_for_step("ok");
    lesson.wait_for_state("paid");
    let names = lesson.steps();
    assert_eq!(lesson.pointed_step(), *names.last().unwrap());
    for name in names.iter().rev().skip(1) {
        lesson.browser.type_into("#view", KEY_UP);
        assert_eq!(lesson.pointed_step(), *name);
        assert_eq!(lesson.marked_code().len(), 1, "{name}");
        if let Some((_, bytes, code)) = MARKED.iter().find(|(it, ..)| it == name) {
            assert_eq!((lesson.marked_bytes(), lesson.marked_code()), (own(bytes), own(&[code])));
        }
    }
    lesson.browser.type_into("#view", KEY_DOWN);
    lesson.browser.click("#forth");
    lesson.browser.click("#back");
    assert_eq!(lesson.pointed_step(), names[1]);

    // A line that is looked at is explained, also where its kind was before, and leads to its step.
    let last = "document.querySelector('#lines').lastChild";
    lesson.browser.run(&format!("{last}.focus()"));
    assert!(lesson.is_true(&format!("{last}.querySelector('.why').checkVisibility()")));
    assert_eq!(lesson.pointed_step(), "finish");
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

in_every_engine!(a_keyboard_keeps_its_place_and_a_screen_reader_hears_each_step);
fn a_keyboard_keeps_its_place_and_a_screen_reader_hears_each_step(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    lesson.wait_for_payment_of("1");
    assert!(lesson.is_true("document.querySelector('[role=log] .step') !== null"));
    assert!(lesson.is_true("document.querySelector('[role=status]').id === 'state'"));
    for (button, state) in [("lose", "reconnecting"), ("pay", "paid"), ("again", "waiting")] {
        lesson.wait_for_state(if button == "again" { "paid" } else { "waiting" });
        lesson.browser.type_into(&format!("#{button}"), KEY_ENTER);
        lesson.wait_for_state(state);
        assert!(lesson.is_true(&format!("document.activeElement.id === '{button}'")), "{button}");
    }
}

in_every_engine!(a_long_history_costs_no_more_than_a_short_one);
fn a_long_history_costs_no_more_than_a_short_one(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    lesson.wait_for_payment_of("long");
    lesson.browser.run("for (let i = 0; i < 60; i++) document.getElementById('pay').click()");
    lesson.wait_until("!document.getElementById('older').hidden");
    lesson.wait_until("document.querySelector('.leaving') === null");
    lesson.wait_for_stillness();
    assert!(lesson.steps().len() <= 60, "{}", lesson.steps().len());
    assert_eq!(lesson.browser.run(OUT_OF_VIEW), Json::List(vec![]));
}

// What arrives, and how it is read.

in_every_engine!(the_pages_parser_follows_whatwg_cut_at_every_byte);
fn the_pages_parser_follows_whatwg_cut_at_every_byte(engine: Engine) {
    let Some(lesson) = Lesson::start(engine, &[]) else { return };
    // A page without a policy, so that it takes a script of ours.
    lesson.browser.open(&lesson.server.url("/healthz"));
    for (stream, dispatched) in STREAMS {
        let whole = read(stream.as_bytes());
        assert_eq!(whole.0, events(dispatched), "{stream:?}");
        let prefixes = (0..=stream.len()).map(|cut| to_json(&read(&stream.as_bytes()[..cut])));
        let expected = Json::List(prefixes.collect());
        assert_eq!(read_by_page(&lesson, stream), expected, "{stream:?}");
    }
}

type Read = (Vec<support::sse::Event>, String, Option<Duration>);

fn read(bytes: &[u8]) -> Read {
    let mut parser = Parser::default();
    (parser.push(bytes), parser.last_event_id, parser.retry)
}

fn to_json((events, last_event_id, retry): &Read) -> Json {
    let retry = retry.map_or(Json::Null, |it| Json::Number(it.as_millis() as f64));
    let event = |it: &support::sse::Event| {
        let fields = [&it.kind, &it.data, &it.last_event_id];
        Json::List(fields.map(|it| it.as_str().into()).into())
    };
    Json::List(vec![
        Json::List(events.iter().map(event).collect()),
        last_event_id.as_str().into(),
        retry,
    ])
}

/// What the page's parser makes of each prefix of a stream, be it in one piece, in two, or byte by byte.
fn read_by_page(lesson: &Lesson, stream: &str) -> Json {
    let script = format!(
        "import {{ EventStreamParser }} from '/sse/parser.js';
         const bytes = new TextEncoder().encode({});
         function read(...pieces) {{
             const parser = new EventStreamParser();
             const events = pieces.flatMap((it) => parser.push(it)).map(({{ event }}) => event).filter(Boolean)
                 .map(({{ type, data, lastEventId }}) => [type, data, lastEventId]);
             return JSON.stringify([events, parser.lastEventId, parser.retry]);
         }}
         const prefixes = Array.from(Array(bytes.length + 1), (_, end) => {{
             const prefix = bytes.slice(0, end);
             const cuts = Array.from(prefix, (_, cut) => read(prefix.slice(0, cut), prefix.slice(cut)));
             const ways = new Set([read(prefix), read(...Array.from(prefix, (it) => Uint8Array.of(it))), ...cuts]);
             return ways.size === 1 ? [...ways][0] : JSON.stringify([...ways]);
         }});
         document.title = `[${{prefixes}}]`;",
        Json::from(stream)
    );
    let add = "const script = document.createElement('script'); script.type = 'module';";
    lesson.browser.run(&format!(
        "document.title = ''; {add} script.text = {}; document.head.append(script)",
        Json::from(script.as_str())
    ));
    lesson.wait_until("document.title !== ''");
    Json::parse(lesson.browser.run("return document.querySelector('title').text").text())
}

in_every_engine!(a_phone_that_scans_the_code_sees_that_it_has_paid_or_that_it_was_paid_already);
fn a_phone_that_scans_the_code_sees_that_it_has_paid_or_that_it_was_paid_already(engine: Engine) {
    let settings = Settings { size: PHONE, ..Settings::default() };
    let Some(lesson) = Lesson::start_with(engine, &settings, &[]) else { return };
    let code = lesson.server.url("/sse/payback/scanned");
    for (chinese, english) in [("已支付", "is paid"), ("早已支付", "was paid already")] {
        lesson.browser.open(&code);
        let seen = lesson.browser.text("body");
        assert!(seen.contains(chinese) && seen.contains(english), "{seen}");
        let fits = "document.documentElement.scrollWidth <= innerWidth && innerWidth === 360";
        assert!(lesson.is_true(fits));
    }
}

/// A page that Chromium prepares in case that somebody comes asks for nothing until then.
#[test]
fn a_page_that_is_only_prepared_does_not_wait() {
    let Some(lesson) = Lesson::start(Engine::Chromium, &[]) else { return };
    let connections = || {
        let figures = lesson.server.get("/metrics").text();
        let open = figures.lines().find_map(|it| it.strip_prefix("orderpay_connections "));
        open.expect("a gauge").parse::<f64>().expect("a number")
    };
    lesson.browser.open(&lesson.server.url("/healthz"));
    lesson.browser.run(
        "const rules = document.createElement('script');
         rules.type = 'speculationrules';
         rules.text = JSON.stringify({ prerender: [{ urls: ['/sse/test/prepared'], eagerness: 'immediate' }] });
         document.head.append(rules);",
    );
    eventually("connections for what the page refers to", || (connections() > 2.0).then_some(()));
    // The server would refuse it, too: Chromium says what it does.
    stays_true(Duration::from_millis(500), "it does not ask", || {
        let asks = ["event=waiting", "event=refused status=403"];
        asks.iter().all(|it| lesson.server.logged(it).is_empty())
    });
    lesson.browser.run("location.href = '/sse/test/prepared'");
    lesson.wait_for_state("waiting");
    let prepared = "performance.getEntriesByType('navigation')[0].activationStart > 0";
    assert!(lesson.is_true(prepared), "it was not prepared");
}
