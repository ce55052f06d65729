//! Chromium, by a `chromedriver` of its own.

use std::io;
use std::path::Path;
use std::process::Command;

use super::super::json::Json;
use super::super::{Folder, Program, eventually, tool};
use super::webdriver::Session;
use super::{Driver, Emulation, Settings};

/// No sandbox, since CI runs as root; no talk with anybody but the server under test. What names a host of a test's
/// own leads to this machine.
const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-features=BackForwardCache",
    "--host-resolver-rules=MAP pay.example 127.0.0.1",
];

pub struct Chromium {
    session: Session,
    // Dropped in this order: the driver first, then the profile that its browser writes to.
    _driver: Program,
    _profile: Folder,
}

impl Chromium {
    pub fn start(settings: &Settings) -> Option<Chromium> {
        let (chromium, chromedriver) = (tool("chromium")?, tool("chromedriver")?);
        // It takes a port that is free on ::1, and ends where that is not free on 127.0.0.1 as well.
        let (driver, port) = eventually("chromedriver", || {
            let mut driver = Program::start(Command::new(&chromedriver).arg("--port=0"));
            let port = driver.wait_for_port()?;
            Some((driver, port))
        });
        let profile = Folder::new();
        let session = Session::new(port, capabilities(&chromium, &profile, settings));
        Some(Chromium { session, _driver: driver, _profile: profile })
    }
}

impl Driver for Chromium {
    fn command(&self, name: &str, parameters: Json) -> io::Result<Json> {
        self.session.command(name, &parameters)
    }

    /// What is higher than wide is a phone.
    fn resize(&self, (width, height): (u32, u32)) {
        let parameters = Json::object([
            ("width", Json::Number(width.into())),
            ("height", Json::Number(height.into())),
            ("deviceScaleFactor", Json::Number(1.0)),
            ("mobile", (height > width).into()),
        ]);
        self.devtools("Emulation.setDeviceMetricsOverride", parameters);
    }

    fn console(&self) -> Option<Vec<String>> {
        let kind = Json::object([("type", "browser".into())]);
        let entries = self.session.ask("POST", "se/log", &kind).expect("the console");
        let line = |entry: &Json| format!("{} {}", entry["level"].text(), entry["message"].text());
        Some(entries.list().iter().map(line).collect())
    }

    fn emulate(&self, what: Emulation) -> bool {
        let parameters = match what {
            Emulation::Print => ("media", "print".into()),
            Emulation::ForcedColors => {
                let feature =
                    Json::object([("name", "forced-colors".into()), ("value", "active".into())]);
                ("features", Json::List(vec![feature]))
            }
        };
        self.devtools("Emulation.setEmulatedMedia", Json::object([parameters]));
        true
    }

    fn devtools(&self, command: &str, parameters: Json) -> Json {
        let parameters = Json::object([("cmd", command.into()), ("params", parameters)]);
        self.session.ask("POST", "goog/cdp/execute", &parameters).expect(command)
    }
}

impl Drop for Chromium {
    /// Ends the browser through its driver: killing the driver alone would leave it behind.
    fn drop(&mut self) {
        self.session.end();
    }
}

fn capabilities(chromium: &Path, profile: &Folder, settings: &Settings) -> Json {
    let scheme = if settings.dark { 0 } else { 1 };
    let own = [
        format!("--user-data-dir={}", profile.path().display()),
        format!("--accept-lang={}", settings.language),
        format!("--blink-settings=preferredColorScheme={scheme}"),
    ];
    let arguments = ARGUMENTS.into_iter().chain(own.iter().map(String::as_str));
    let options = Json::object([
        ("binary", chromium.to_string_lossy().as_ref().into()),
        ("args", Json::List(arguments.map(Json::from).collect())),
    ]);
    Json::object([
        ("acceptInsecureCerts", true.into()), // a proxy under test signs its own
        ("goog:chromeOptions", options),
        ("goog:loggingPrefs", Json::object([("browser", "ALL".into())])),
    ])
}
