//! The page in a browser: what it shows, and what it has to click on. No other file need know its elements.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::browser::{Browser, Engine, Settings};
use super::json::Json;
use super::relay::Relay;
use super::{Server, stays_true};

/// A browser that meant to come back would have done so by then: its retry time is one second.
const NO_RETURN_WITHIN: Duration = Duration::from_millis(1500);

/// What can be opened beside the diagram, by its id.
pub const PANELS: [&str; 4] = ["wire", "code", "terminal", "phone"];

/// A server with its page in a browser.
pub struct Lesson {
    pub server: Server,
    pub browser: Browser,
}

impl Lesson {
    pub fn start(engine: Engine, options: &[&str]) -> Option<Lesson> {
        Lesson::start_with(engine, &Settings::default(), options)
    }

    pub fn start_with(engine: Engine, settings: &Settings, options: &[&str]) -> Option<Lesson> {
        let browser = Browser::start_with(engine, settings)?;
        Some(Lesson { server: Server::start(options), browser })
    }

    /// With a line between them that can fail.
    pub fn start_behind_relay(engine: Engine, options: &[&str]) -> Option<(Lesson, Relay)> {
        let lesson = Lesson::start(engine, options)?;
        let relay = Relay::start(lesson.server.address);
        Some((lesson, relay))
    }

    /// Opens the page of an order and waits until it waits.
    pub fn wait_for_payment_of(&self, order: &str) {
        self.browser.open(&self.server.url(&format!("/sse/test/{order}")));
        self.wait_for_state("waiting");
    }

    pub fn wait_for_state(&self, state: &str) {
        self.wait_until(&format!("document.body.dataset.state === '{state}'"));
    }

    pub fn wait_until(&self, condition: &str) {
        self.browser.wait_until(condition);
    }

    /// Pays as the platform would, from the page.
    pub fn pay(&self) {
        self.browser.click("#pay");
    }

    /// Loses the connection, to which the page comes back in a second.
    pub fn lose_connection(&self) {
        self.browser.click("#lose");
        self.wait_for_state("reconnecting");
    }

    pub fn state_in_words(&self) -> String {
        self.browser.text("#state")
    }

    pub fn wait_for_message(&self, text: &str) {
        self.browser.wait_for_text("#message", text);
    }

    /// Opens a panel, and so closes the one that is open.
    pub fn open_panel(&self, id: &str) {
        if self.is_true(&format!("document.getElementById('{id}').hidden")) {
            self.browser.click(&format!("nav [aria-controls={id}]"));
        }
    }

    /// The names of the steps in the diagram, in their order.
    pub fn steps(&self) -> Vec<String> {
        self.texts("[...document.querySelectorAll('.step')].map((step) => step.dataset.step)")
    }

    fn texts(&self, expression: &str) -> Vec<String> {
        let list = self.browser.run(&format!("return {expression}"));
        list.list().iter().map(|text| text.text().to_owned()).collect()
    }

    pub fn wait_for_step(&self, name: &str) {
        self.wait_until(&format!("document.querySelector('.step.{name}') !== null"));
    }

    /// What stands at the step of that name: on its arrow, and beside it.
    pub fn label(&self, step: &str) -> String {
        self.wait_for_step(step);
        self.browser.text(&format!(".step.{step} .label"))
    }

    pub fn note(&self, step: &str) -> String {
        self.wait_for_step(step);
        self.browser.text(&format!(".step.{step} .note"))
    }

    pub fn messages(&self) -> Vec<String> {
        self.texts("[...document.querySelectorAll('#message > p')].map((p) => p.textContent)")
    }

    /// What the wire shows of a request, a head, or the lines of a stream.
    pub fn wire_lines(&self, kind: &str) -> Vec<String> {
        let codes = format!("document.querySelectorAll('#lines .{kind} code')");
        self.texts(&format!("[...{codes}].map((code) => code.textContent)"))
    }

    pub fn pointed_step(&self) -> String {
        self.texts("[document.querySelector('[aria-current]').dataset.step]").remove(0)
    }

    /// The lines of the wire that are marked with that step.
    pub fn marked_bytes(&self) -> Vec<String> {
        let lines = "document.querySelectorAll('#lines .marked code')";
        self.texts(&format!("[...{lines}].map((line) => line.textContent)"))
    }

    /// The lines of the original that are.
    pub fn marked_code(&self) -> Vec<String> {
        let lines = "document.querySelectorAll('#map .marked code:first-child')";
        self.texts(&format!("[...{lines}].map((line) => line.textContent)"))
    }

    pub fn is_enabled(&self, css: &str) -> bool {
        self.is_true(&format!("document.querySelector('{css}').ariaDisabled !== 'true'"))
    }

    pub fn is_true(&self, expression: &str) -> bool {
        self.browser.run(&format!("return {expression}")) == Json::Bool(true)
    }

    /// No error, no violation of the Content-Security-Policy, as far as the engine tells.
    pub fn assert_console_is_empty(&self) {
        assert_eq!(self.browser.console().unwrap_or_default(), [""; 0]);
    }

    /// Waits until what has changed is painted, and nothing moves that comes to rest.
    pub fn wait_for_stillness(&self) {
        let ends = "({ effect }) => effect.getComputedTiming().endTime !== Infinity";
        self.wait_until(&format!("!document.getAnimations().some({ends})"));
        let frame = "requestAnimationFrame";
        self.browser.run(&format!("return new Promise((done) => {frame}(() => {frame}(done)))"));
    }

    /// A picture of what is to be seen then.
    pub fn picture(&self, name: &str) {
        self.wait_for_stillness();
        let folder = Path::new("tests/screenshots");
        fs::create_dir_all(folder).unwrap();
        let engine = format!("{:?}", self.browser.engine).to_lowercase();
        self.browser.screenshot(&folder.join(format!("{name}-{engine}.png")));
    }

    /// Nobody comes back for the order.
    pub fn assert_nobody_returns(&self, waiters: usize) {
        stays_true(NO_RETURN_WITHIN, "nobody comes back", || {
            self.server.logged("event=waiting").len() == waiters
        });
    }
}
