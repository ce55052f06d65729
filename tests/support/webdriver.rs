//! A real browser: headless Chromium, driven through W3C WebDriver by plain HTTP to a `chromedriver` of its own.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::json::Json;
use super::{Client, Folder, Program, eventually, request, tool};

/// No sandbox, since CI runs as root; no talk with anybody but the server under test.
const CHROMIUM_ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// The key under which WebDriver names an element (section 12.2 of the W3C recommendation).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub struct Browser {
    address: SocketAddr,
    session: String,
    // Dropped in this order: the driver first, then the profile that its browser writes to.
    _driver: Program,
    _profile: Folder,
}

/// Starting and ending.
impl Browser {
    /// Starts a browser with more arguments, such as `--accept-lang=zh-CN` or `--window-size=1280,720`;
    /// `None`, said aloud, where there is no Chromium.
    pub fn start(more: &[&str]) -> Option<Browser> {
        let (chromium, chromedriver) = (tool("chromium")?, tool("chromedriver")?);
        let driver = Program::start(Command::new(chromedriver).arg("--port=0"));
        let address = eventually("chromedriver's port", || {
            let (_, port) =
                driver.stdout().rsplit_once("started successfully on port ").map(own)?;
            Some(SocketAddr::from(([127, 0, 0, 1], port.strip_suffix(".\n")?.parse().ok()?)))
        });
        let profile = Folder::new();
        let capabilities = capabilities(&chromium, &profile, more);
        let new = Json::object([("capabilities", Json::object([("alwaysMatch", capabilities)]))]);
        let answer = ask(address, "POST", "/session", &new).expect("a new session");
        let session = answer["sessionId"].text().to_owned();
        Some(Browser { address, session, _driver: driver, _profile: profile })
    }
}

fn own((before, after): (&str, &str)) -> (String, String) {
    (before.to_owned(), after.to_owned())
}

impl Drop for Browser {
    /// Ends the browser through its driver: killing the driver alone would leave it behind.
    fn drop(&mut self) {
        let _ = ask(self.address, "DELETE", &format!("/session/{}", self.session), &Json::Null);
    }
}

/// What a person does.
impl Browser {
    pub fn open(&self, url: &str) {
        self.post("url", &Json::object([("url", url.into())]));
    }

    pub fn url(&self) -> String {
        self.get("url").text().to_owned()
    }

    pub fn reload(&self) {
        self.post("refresh", &Json::object([]));
    }

    pub fn back(&self) {
        self.post("back", &Json::object([]));
    }

    pub fn click(&self, css: &str) {
        let element = self.find(css);
        self.post(&format!("element/{element}/click"), &Json::object([]));
    }

    /// Types into a field, or presses keys: `\u{E007}` is Enter, `\u{E004}` is Tab.
    pub fn type_into(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.post(&format!("element/{element}/value"), &Json::object([("text", text.into())]));
    }

    /// The text as it is rendered.
    pub fn text(&self, css: &str) -> String {
        self.get(&format!("element/{}/text", self.find(css))).text().to_owned()
    }

    pub fn wait_for_text(&self, css: &str, part: &str) -> String {
        let what = format!("{part:?} in {css}");
        eventually(&what, || Some(self.text(css)).filter(|text| text.contains(part)))
    }
}

/// What a developer does.
impl Browser {
    /// Runs a function body and returns what it returns.
    pub fn run(&self, script: &str) -> Json {
        self.post(
            "execute/sync",
            &Json::object([("script", script.into()), ("args", Json::List(vec![]))]),
        )
    }

    /// Waits until a function body returns true.
    pub fn wait_until(&self, script: &str) {
        eventually(script, || (self.run(script) == Json::Bool(true)).then_some(()));
    }

    /// What the browser's console says since it was last asked: errors, violations of the CSP.
    pub fn console(&self) -> Vec<String> {
        let entries = self.post("se/log", &Json::object([("type", "browser".into())]));
        let line = |entry: &Json| format!("{} {}", entry["level"].text(), entry["message"].text());
        entries.list().iter().map(line).collect()
    }

    /// Writes what is to be seen into a PNG file.
    pub fn screenshot(&self, file: &Path) {
        let png = from_base64(self.get("screenshot").text());
        fs::write(file, png).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// A command of Chromium's own, such as `Emulation.setDeviceMetricsOverride`.
    pub fn devtools(&self, command: &str, parameters: Json) -> Json {
        self.post(
            "goog/cdp/execute",
            &Json::object([("cmd", command.into()), ("params", parameters)]),
        )
    }

    /// Plays a reader's preference, such as `prefers-color-scheme` `dark`, in this window.
    pub fn prefer(&self, name: &str, value: &str) {
        let feature = Json::object([("name", name.into()), ("value", value.into())]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            Json::object([("features", vec![feature].into())]),
        );
    }
}

/// Windows, by their handles.
impl Browser {
    pub fn window(&self) -> String {
        self.get("window").text().to_owned()
    }

    pub fn windows(&self) -> Vec<String> {
        self.get("window/handles").list().iter().map(|it| it.text().to_owned()).collect()
    }

    /// Opens a tab and goes there.
    pub fn new_window(&self) -> String {
        let answer = self.post("window/new", &Json::object([("type", "tab".into())]));
        let handle = answer["handle"].text().to_owned();
        self.switch_to(&handle);
        handle
    }

    pub fn switch_to(&self, handle: &str) {
        self.post("window", &Json::object([("handle", handle.into())]));
    }

    /// Closes the window; another must be switched to after it.
    pub fn close_window(&self) {
        self.command("DELETE", "window", &Json::Null);
    }
}

/// The wire: one request a connection.
impl Browser {
    fn find(&self, css: &str) -> String {
        let found = self.post(
            "element",
            &Json::object([("using", "css selector".into()), ("value", css.into())]),
        );
        found[ELEMENT].text().to_owned()
    }

    fn get(&self, path: &str) -> Json {
        self.command("GET", path, &Json::Null)
    }

    fn post(&self, path: &str, body: &Json) -> Json {
        self.command("POST", path, body)
    }

    fn command(&self, method: &str, path: &str, body: &Json) -> Json {
        let path = format!("/session/{}/{path}", self.session);
        ask(self.address, method, &path, body)
            .unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }
}

fn ask(driver: SocketAddr, method: &str, path: &str, body: &Json) -> io::Result<Json> {
    let body = if *body == Json::Null { String::new() } else { body.to_string() };
    let mut client = Client::try_connect(driver)?;
    client.try_send(request(method, path, &[("Content-Type", "application/json")], body))?;
    let answer = client.try_answer()?;
    match answer.status {
        200 => Ok(Json::parse(&answer.text())["value"].clone()),
        status => Err(io::Error::other(format!("{status} {}", answer.text()))),
    }
}

fn capabilities(chromium: &Path, profile: &Folder, more: &[&str]) -> Json {
    let profile = format!("--user-data-dir={}", profile.path().display());
    let arguments = CHROMIUM_ARGUMENTS.iter().chain(more).copied().chain([profile.as_str()]);
    let options = Json::object([
        ("binary", chromium.to_string_lossy().as_ref().into()),
        ("args", Json::List(arguments.map(Json::from).collect())),
    ]);
    Json::object([
        ("goog:chromeOptions", options),
        ("goog:loggingPrefs", Json::object([("browser", "ALL".into())])),
    ])
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
