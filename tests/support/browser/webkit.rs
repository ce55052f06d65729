//! WebKitGTK's MiniBrowser, by a `WebKitWebDriver` of its own, on a display of its own.

use std::env::consts::ARCH;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use super::super::json::Json;
use super::super::{Folder, Program, skipped, tool};
use super::webdriver::Session;
use super::{Driver, Emulation, Settings};

/// WebKitGTK speaks the language of its locale: any that the C library can load under that name.
const SOME_LOCALE: &str = "/usr/lib/locale/C.utf8";

/// Exchanges `print` and `screen` in the media of the style sheets and of their rules.
const PAPER: &str = "
    const other = { print: 'screen', screen: 'print' };
    for (const sheet of document.styleSheets) {
        for (const { media } of [sheet, ...sheet.cssRules]) {
            if (media) media.mediaText = media.mediaText.replace(/print|screen/g, (it) => other[it]);
        }
    }";

pub struct WebKit {
    session: Session,
    // Dropped in this order.
    _driver: Program,
    _display: Program,
    _home: Folder,
}

impl WebKit {
    pub fn start(settings: &Settings) -> Option<WebKit> {
        let driver = tool("WebKitWebDriver")?;
        let (minibrowser, xvfb) = (minibrowser()?, tool("Xvfb")?);
        let display = Program::start(Command::new(xvfb).args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1600x1200x24",
            "-nolisten",
            "tcp",
        ]));
        let number = display.wait_for_stdout("\n");
        let home = Folder::new();
        let locale = format!("{}.UTF-8", settings.language.replace('-', "_"));
        symlink(SOME_LOCALE, home.join(&locale)).expect("a locale");
        let mut command = Command::new(driver);
        command.arg("--port=0").env("DISPLAY", format!(":{}", number.trim_end()));
        command.envs(["HOME", "XDG_RUNTIME_DIR", "TMPDIR", "LOCPATH"].map(|it| (it, home.path())));
        command.env("LC_ALL", locale).env_remove("WAYLAND_DISPLAY");
        let mut driver = Program::start(&mut command);
        let port = driver.wait_for_port().expect("WebKitWebDriver's port");
        // A window without bars can have any size.
        let mut arguments = vec!["--automation".into(), "--full-screen".into()];
        arguments.extend(settings.dark.then(|| "--dark-mode".into()));
        let options = Json::object([
            ("binary", minibrowser.to_string_lossy().as_ref().into()),
            ("args", arguments.into()),
        ]);
        let session = Session::new(port, Json::object([("webkitgtk:browserOptions", options)]));
        Some(WebKit { session, _driver: driver, _display: display, _home: home })
    }
}

impl Driver for WebKit {
    fn command(&self, name: &str, parameters: Json) -> io::Result<Json> {
        self.session.command(name, &parameters)
    }

    fn resize(&self, (width, height): (u32, u32)) {
        let [width, height] = [width, height].map(|it| Json::Number(it.into()));
        let size = Json::object([("width", width), ("height", height)]);
        self.command("SetWindowRect", size).expect("a window of that size");
    }

    /// WebKit tells nobody what the console says of a session that nothing is kept of, and an automated one is such.
    fn console(&self) -> Option<Vec<String>> {
        None
    }

    /// It knows no forced colors, and print only on paper: so the style sheets are told that the screen is paper.
    fn emulate(&self, what: Emulation) -> bool {
        match what {
            Emulation::ForcedColors => false,
            Emulation::Print => {
                let arguments = Json::object([("script", PAPER.into()), ("args", vec![].into())]);
                self.command("ExecuteScript", arguments).expect(PAPER);
                true
            }
        }
    }
}

/// Debian keeps it beside the library, whose version is in the path.
fn minibrowser() -> Option<PathBuf> {
    let libraries = fs::read_dir(format!("/usr/lib/{ARCH}-linux-gnu")).ok()?.flatten();
    let of_webkit = libraries.filter(|it| it.file_name().to_string_lossy().starts_with("webkit"));
    let found = of_webkit.map(|it| it.path().join("MiniBrowser")).find(|file| file.is_file());
    if found.is_none() {
        skipped("MiniBrowser is not installed: apt-get install webkit2gtk-driver");
    }
    found
}
