//! Real browsers, in three engines: Chromium, Firefox and WebKit, driven by the same commands of W3C WebDriver.

mod chromium;
mod firefox;
mod marionette;
mod webdriver;
mod webkit;

use std::fs;
use std::io;
use std::iter;
use std::path::Path;

use super::PATIENCE;
use super::json::Json;

/// The key under which WebDriver names an element (section 12.2 of the W3C recommendation).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How the page looks whether it is so far; a WebDriver's script may take 30 s, so it gives up before that.
const LOOK_EVERY_MS: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Engine {
    Chromium,
    Firefox,
    WebKit,
}

/// Makes three tests of the function of that name: `NAME::in_chromium`, `NAME::in_firefox`, `NAME::in_webkit`; each
/// with these attributes.
#[allow(unused_macros)]
macro_rules! in_every_engine {
    ($(#[$attribute:meta])* $name:ident) => {
        mod $name {
            use crate::support::browser::Engine;

            #[test]
            $(#[$attribute])*
            fn in_chromium() {
                super::$name(Engine::Chromium);
            }

            #[test]
            $(#[$attribute])*
            fn in_firefox() {
                super::$name(Engine::Firefox);
            }

            #[test]
            $(#[$attribute])*
            fn in_webkit() {
                super::$name(Engine::WebKit);
            }
        }
    };
}
pub(crate) use in_every_engine;

/// What a reader has chosen before the browser starts.
pub struct Settings {
    /// A language and a country, such as `zh-CN`.
    pub language: &'static str,
    /// A window's inner width and height, in CSS pixels.
    pub size: (u32, u32),
    /// `prefers-color-scheme: dark`.
    pub dark: bool,
}

impl Default for Settings {
    /// An English window on a projector.
    fn default() -> Settings {
        Settings { language: "en-US", size: (1280, 720), dark: false }
    }
}

/// What a page can be made to believe while it is open.
#[derive(Clone, Copy, Debug)]
pub enum Emulation {
    /// That it is shown in `@media print`.
    Print,
    /// That `forced-colors` are `active`.
    ForcedColors,
}

/// One started browser with a new, empty profile; dropped, it ends with all its processes.
trait Driver {
    /// Runs a command of WebDriver by the name that Marionette has for it.
    fn command(&self, name: &str, parameters: Json) -> io::Result<Json>;

    /// Gives the window that inner size.
    fn resize(&self, size: (u32, u32));

    /// What the console says since it was last asked; `None` where it can't be read.
    fn console(&self) -> Option<Vec<String>>;

    /// False where the engine can't.
    fn emulate(&self, what: Emulation) -> bool;

    /// A command of the Chrome DevTools Protocol.
    fn devtools(&self, command: &str, _: Json) -> Json {
        panic!("{command} is a command of Chromium's own");
    }
}

pub struct Browser {
    pub engine: Engine,
    driver: Box<dyn Driver>,
}

impl Browser {
    /// Starts one; `None`, said aloud, where this machine lacks it.
    pub fn start(engine: Engine) -> Option<Browser> {
        Browser::start_with(engine, &Settings::default())
    }

    pub fn start_with(engine: Engine, settings: &Settings) -> Option<Browser> {
        let driver: Box<dyn Driver> = match engine {
            Engine::Chromium => Box::new(chromium::Chromium::start(settings)?),
            Engine::Firefox => Box::new(firefox::Firefox::start(settings)?),
            Engine::WebKit => Box::new(webkit::WebKit::start(settings)?),
        };
        driver.resize(settings.size);
        Some(Browser { engine, driver })
    }
}

/// What a person does.
impl Browser {
    pub fn open(&self, url: &str) {
        self.command("Navigate", [("url", url.into())]);
    }

    pub fn url(&self) -> String {
        self.command("GetCurrentURL", []).text().to_owned()
    }

    pub fn reload(&self) {
        self.command("Refresh", []);
    }

    pub fn back(&self) {
        self.command("Back", []);
    }

    pub fn click(&self, css: &str) {
        self.command("ElementClick", [("id", self.find(css))]);
    }

    /// Types into a field, or presses keys: `\u{E007}` is Enter, `\u{E004}` is Tab.
    pub fn type_into(&self, css: &str, text: &str) {
        self.command("ElementSendKeys", [("id", self.find(css)), ("text", text.into())]);
    }

    /// The text as it is rendered.
    pub fn text(&self, css: &str) -> String {
        self.command("GetElementText", [("id", self.find(css))]).text().to_owned()
    }

    pub fn wait_for_text(&self, css: &str, part: &str) -> String {
        let (selector, text) = (Json::from(css), Json::from(part));
        self.wait_until(&format!("document.querySelector({selector})?.innerText.includes({text})"));
        self.text(css)
    }

    pub fn resize(&self, size: (u32, u32)) {
        self.driver.resize(size);
    }
}

/// What a developer does.
impl Browser {
    /// Runs a function body and returns what it returns, or what its promise comes to.
    pub fn run(&self, script: &str) -> Json {
        self.command("ExecuteScript", [("script", script.into()), ("args", Json::List(vec![]))])
    }

    /// Waits until an expression is true. It waits in the page: to ask over and over from here would keep both busy.
    pub fn wait_until(&self, expression: &str) {
        let script = format!(
            "const end = Date.now() + {};
             return new Promise((done) => {{
                 const look = () => {{
                     if ({expression}) return done(true);
                     if (Date.now() > end) return done(false);
                     setTimeout(look, {LOOK_EVERY_MS});
                 }};
                 look();
             }});",
            PATIENCE.as_millis() * 9 / 10
        );
        // Nothing is the answer of a page that another has taken the place of.
        let answer = iter::repeat_with(|| self.run(&script)).find(|it| *it != Json::Null);
        assert_eq!(answer, Some(Json::Bool(true)), "waited in vain for {expression}");
    }

    /// What the console says since it was last asked: errors, violations of the CSP. WebKit's, while it is automated,
    /// can't be read.
    pub fn console(&self) -> Option<Vec<String>> {
        self.driver.console()
    }

    /// Writes what is to be seen into a PNG file.
    pub fn screenshot(&self, file: &Path) {
        let png = self.command("TakeScreenshot", [("full", false.into())]);
        let written = fs::write(file, from_base64(png.text()));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Makes this window's page believe something, and nothing else from before; false where the engine can't.
    pub fn emulate(&self, what: Emulation) -> bool {
        self.driver.emulate(what)
    }

    /// A command of Chromium's own, such as `Page.setWebLifecycleState`.
    pub fn devtools(&self, command: &str, parameters: Json) -> Json {
        self.driver.devtools(command, parameters)
    }
}

/// Windows, by their handles.
impl Browser {
    pub fn window(&self) -> String {
        self.command("GetWindowHandle", []).text().to_owned()
    }

    pub fn windows(&self) -> Vec<String> {
        let handles = self.command("GetWindowHandles", []);
        handles.list().iter().map(|it| it.text().to_owned()).collect()
    }

    /// Opens a tab and goes there.
    pub fn new_window(&self) -> String {
        let answer = self.command("NewWindow", [("type", "tab".into())]);
        let handle = answer["handle"].text().to_owned();
        self.switch_to(&handle);
        handle
    }

    pub fn switch_to(&self, handle: &str) {
        self.command("SwitchToWindow", [("handle", handle.into())]);
    }

    /// Closes the window; another must be switched to after it.
    pub fn close_window(&self) {
        self.command("CloseWindow", []);
    }
}

impl Browser {
    fn find(&self, css: &str) -> Json {
        let found =
            self.command("FindElement", [("using", "css selector".into()), ("value", css.into())]);
        found[ELEMENT].clone()
    }

    fn command<const N: usize>(&self, name: &str, parameters: [(&str, Json); N]) -> Json {
        let parameters = Json::object(parameters);
        let answer = self.driver.command(name, parameters.clone());
        answer.unwrap_or_else(|error| panic!("{:?}: {name} {parameters}: {error}", self.engine))
    }
}

/// RFC 4648, section 4.
fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextet = |letter: u8| ALPHABET.iter().position(|it| *it == letter).expect("base64");
    let four_letters = |letters: &[u8]| {
        let bits = letters.iter().fold(0, |bits, letter| (bits << 6) | sextet(*letter));
        let bits = bits << (6 * (4 - letters.len()));
        [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8].into_iter().take(letters.len() - 1)
    };
    text.trim_end_matches('=').as_bytes().chunks(4).flat_map(four_letters).collect()
}
