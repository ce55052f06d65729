//! Can the tests be trusted? The parts of their support that could be wrong themselves.

mod support;

use std::fs;

use support::browser::{Browser, Emulation, Engine, Settings, in_every_engine};
use support::json::Json;
use support::sse::{Event, Parser, STREAMS, events};
use support::{Folder, Server, eventually, mask_times};

#[test]
fn the_parser_follows_whatwg_in_one_piece_and_byte_by_byte() {
    for (stream, dispatched) in STREAMS {
        let expected = events(dispatched);
        assert_eq!(Parser::default().push(stream.as_bytes()), expected, "{stream:?}");
        let mut parser = Parser::default();
        let events: Vec<Event> = stream.bytes().flat_map(|byte| parser.push(&[byte])).collect();
        assert_eq!(events, expected, "{stream:?} byte by byte");
    }
}

#[test]
fn a_retry_is_taken_only_when_it_is_all_digits() {
    let retry_after = |stream: &str| {
        let mut parser = Parser::default();
        parser.push(stream.as_bytes());
        parser.retry.map(|it| it.as_millis())
    };
    assert_eq!(retry_after("retry:1000\n"), Some(1000));
    assert_eq!(retry_after("retry: 5000\nretry:1s\nretry:-1\nretry:+1\nretry\n"), Some(5000));
}

#[test]
fn the_opening_is_an_event_that_sets_the_id() {
    let mut parser = Parser::default();
    let (kind, data, last_event_id) = ("waiting".into(), String::new(), "0".into());
    let opening = Event { kind, data, last_event_id };
    assert_eq!(parser.push(support::OPENING.as_bytes()), [opening]);
    assert_eq!(parser.last_event_id, "0");
    parser.push(support::HEARTBEAT.as_bytes());
    assert_eq!((parser.last_event_id.as_str(), parser.comments), ("0", 1));
}

#[test]
fn what_json_reads_it_writes() {
    let text = r#"{"a":[1,-2.5,true,null],"b":{},"c":"\"\\ 支付\u0001","d":[]}"#;
    assert_eq!(Json::parse(text).to_string(), text);
    assert_eq!(Json::parse(r#" { "a" : "\ud83d\ude00\n" } "#)["a"].text(), "😀\n");
}

#[test]
fn only_times_are_masked() {
    let raw = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nDate";
    assert_eq!(mask_times(raw), "HTTP/1.1 200 OK\r\nDate: …\r\n\r\nDate");
    assert_eq!(mask_times(b":settled 12.345 s ago\ndata:x\n"), ":settled … s ago\ndata:x\n");
    for other in [":settled 1.5 s ago\n", ":settled .000 s ago\n", ":settled -1.000 s ago\n"] {
        assert_eq!(mask_times(other.as_bytes()), other);
    }
}

in_every_engine!(a_browser_can_be_driven);
fn a_browser_can_be_driven(engine: Engine) {
    let settings = Settings { language: "zh-CN", size: (800, 600), dark: true };
    let Some(browser) = Browser::start_with(engine, &settings) else { return };
    let server = Server::start(&[]);
    browser.open(&server.url("/healthz"));
    browser.run(
        "document.head.innerHTML = `<meta name=viewport content=width=device-width>`;
         document.body.innerHTML = `<input><button>add</button><output></output>`;
         const [field, button, output] = document.body.children;
         button.onclick = () => output.textContent = Number(field.value) + 1;",
    );
    browser.type_into("input", "1");
    browser.click("button");
    assert_eq!(browser.wait_for_text("output", "2"), "2");
    let seen = "return `${navigator.language} ${innerWidth}x${innerHeight}`";
    assert_eq!(browser.run(seen), "zh-CN 800x600".into());
    browser.wait_until("matchMedia('(prefers-color-scheme: dark)').matches");
    browser.resize((360, 740));
    browser.wait_until("innerWidth === 360 && innerHeight === 740");
}

in_every_engine!(a_console_tells_of_errors_and_violations_once);
fn a_console_tells_of_errors_and_violations_once(engine: Engine) {
    let Some(browser) = Browser::start(engine) else { return };
    let server = Server::start(&[]);
    browser.open(&server.url("/healthz"));
    let script = "Object.assign(document.createElement('script'), { text: 'nowhere' })";
    let image = "Object.assign(new Image(), { src: 'http://127.0.0.2/icon.svg' })";
    browser.run(&format!("document.body.append({script})"));
    browser.open(&server.url("/sse/test"));
    browser.run(&format!("document.body.append({image})"));
    let Some(mut lines) = browser.console() else { return assert_eq!(engine, Engine::WebKit) };
    for word in ["nowhere", "http://127.0.0.2/icon.svg"] {
        eventually(word, || {
            lines.extend(browser.console().unwrap());
            lines.iter().any(|line| line.contains(word)).then_some(())
        });
    }
    assert_eq!(browser.console(), Some(vec![]));
}

in_every_engine!(a_page_can_be_made_to_believe_something);
fn a_page_can_be_made_to_believe_something(engine: Engine) {
    let Some(browser) = Browser::start(engine) else { return };
    let server = Server::start(&[]);
    let has_style = |order: usize| {
        browser.wait_until(&format!("getComputedStyle(document.body).order === '{order}'"));
    };
    browser.open(&server.url("/healthz"));
    browser.run(
        "document.head.innerHTML = `<style>
             body { order: 1 }
             @media (forced-colors: active) { body { order: 3 } }
             @media print { body { order: 2 } }
         </style>`;",
    );
    has_style(1);
    assert!(browser.emulate(Emulation::Print));
    has_style(2);
    assert_eq!(browser.emulate(Emulation::ForcedColors), engine != Engine::WebKit);
    has_style(if engine == Engine::WebKit { 2 } else { 3 });
}

in_every_engine!(a_browser_has_windows_and_a_picture_of_each);
fn a_browser_has_windows_and_a_picture_of_each(engine: Engine) {
    let Some(browser) = Browser::start(engine) else { return };
    let first = browser.window();
    let second = browser.new_window();
    assert_eq!(browser.windows().len(), 2);
    assert_eq!((browser.window(), browser.url()), (second, "about:blank".to_owned()));
    browser.close_window();
    browser.switch_to(&first);

    let folder = Folder::new();
    browser.screenshot(&folder.join("page.png"));
    let png = fs::read(folder.join("page.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    // PNG, section 11.2.2: width and height are the first fields of the first chunk.
    assert_eq!(png[16..24], [0, 0, 5, 0, 0, 0, 2, 208], "1280 × 720");
}
