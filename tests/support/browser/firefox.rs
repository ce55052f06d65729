//! Firefox, which needs no driver: it speaks Marionette itself.

use std::fs;
use std::io;
use std::process::Command;

use super::super::json::Json;
use super::super::{Folder, Program, eventually, tool};
use super::marionette::Marionette;
use super::{Driver, Emulation, Settings};

/// Any free port for Marionette; no talk with anybody but the server under test.
const PREFERENCES: &str = r#"
user_pref("marionette.port", 0);
user_pref("app.normandy.enabled", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"#;

/// What the console says of pages, and no more from now on.
const CONSOLE: &str = "
    const isOfPage = (it) => it instanceof Ci.nsIScriptError && it.isForwardedFromContentProcess;
    const messages = Services.console.getMessageArray().filter(isOfPage);
    Services.console.reset();
    return messages.map(({ message }) => message);";

/// A window, whose size has a lower bound, shows its page in a part of that size.
const RESIZE: &str = "
    const { style } = gBrowser.selectedBrowser;
    [style.minWidth, style.minHeight] = [style.maxWidth, style.maxHeight] = arguments;";

const EMULATE: &str = "
    const context = gBrowser.selectedBrowser.browsingContext;
    [context.mediumOverride, context.forcedColorsOverride] = arguments;";

pub struct Firefox {
    marionette: Marionette,
    // Dropped in this order.
    _program: Program,
    _profile: Folder,
}

impl Firefox {
    pub fn start(settings: &Settings) -> Option<Firefox> {
        let firefox = tool("firefox-esr")?;
        let profile = Folder::new();
        fs::write(profile.join("user.js"), preferences(settings)).expect("user.js");
        let mut command = Command::new(firefox);
        command.args(["--headless", "--marionette", "--remote-allow-system-access", "--profile"]);
        command.arg(profile.path());
        // It would not start as root with the home of somebody else; and no window is to limit the page's size.
        command.envs(["HOME", "XDG_RUNTIME_DIR", "TMPDIR"].map(|it| (it, profile.path())));
        command.envs([("MOZ_HEADLESS_WIDTH", "1600"), ("MOZ_HEADLESS_HEIGHT", "1200")]);
        let program = Program::start(&mut command);
        let port = eventually("Firefox's port", || {
            fs::read_to_string(profile.join("MarionetteActivePort")).ok()?.parse().ok()
        });
        let marionette = Marionette::new(port);
        let session = marionette.command("WebDriver:NewSession", &Json::object([]));
        session.expect("a new session");
        Some(Firefox { marionette, _program: program, _profile: profile })
    }

    /// Runs a function body not in the page but in the browser around it.
    fn run_around(&self, script: &str, arguments: Vec<Json>) -> Json {
        let context = |name: &str| {
            let parameters = Json::object([("value", name.into())]);
            self.marionette.command("Marionette:SetContext", &parameters).expect(name);
        };
        context("chrome");
        let parameters = Json::object([("script", script.into()), ("args", arguments.into())]);
        let result = self.marionette.command("WebDriver:ExecuteScript", &parameters);
        context("content");
        result.expect(script)
    }
}

impl Driver for Firefox {
    fn command(&self, name: &str, parameters: Json) -> io::Result<Json> {
        let result = self.marionette.command(&format!("WebDriver:{name}"), &parameters);
        match result {
            // Other engines say nothing of a page that another has taken the place of.
            Err(error) if error.to_string().contains("Document was unloaded") => Ok(Json::Null),
            result => result,
        }
    }

    fn resize(&self, (width, height): (u32, u32)) {
        let pixels = [width, height].map(|it| format!("{it}px").as_str().into());
        self.run_around(RESIZE, pixels.into());
    }

    fn console(&self) -> Option<Vec<String>> {
        let lines = self.run_around(CONSOLE, vec![]);
        Some(lines.list().iter().map(|line| line.text().to_owned()).collect())
    }

    fn emulate(&self, what: Emulation) -> bool {
        let (medium, forced_colors) = match what {
            Emulation::Print => ("print", "none"),
            Emulation::ForcedColors => ("screen", "active"),
        };
        self.run_around(EMULATE, vec![medium.into(), forced_colors.into()]);
        true
    }
}

fn preferences(Settings { language, dark, .. }: &Settings) -> String {
    let scheme = if *dark { 0 } else { 1 };
    format!(
        "{PREFERENCES}\
         user_pref(\"intl.accept_languages\", \"{language}\");\n\
         user_pref(\"layout.css.prefers-color-scheme.content-override\", {scheme});\n"
    )
}
