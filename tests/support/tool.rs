//! Programs that a machine may lack: curl, the nc flavours, a browser.

use std::env;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// Debian's packages, where they have another name than the program.
const PACKAGES: [(&str, &str); 11] = [
    ("WebKitWebDriver", "webkit2gtk-driver"),
    ("Xvfb", "xvfb"),
    ("chromedriver", "chromium-driver"),
    ("ip", "iproute2"),
    ("kubectl", "kubernetes-client"),
    ("nc.openbsd", "netcat-openbsd"),
    ("nc.traditional", "netcat-traditional"),
    ("node", "nodejs"),
    ("ps", "procps"),
    ("systemd-analyze", "systemd"),
    ("zbarimg", "zbar-tools"),
];

/// The path of a program, or `None`, said aloud, when this machine lacks it.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        let package = PACKAGES.iter().find(|(program, _)| *program == name).map_or(name, |it| it.1);
        skipped(&format!("{name} is not installed: apt-get install {package}"));
    }
    found
}

/// The path of strace, where it may trace.
pub fn strace() -> Option<PathBuf> {
    let strace = tool("strace")?;
    let permitted = Command::new(&strace).args(["-o", "/dev/null", "true"]).output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        skipped("strace may not trace here: run the tests where ptrace(2) is allowed");
        return None;
    }
    Some(strace)
}

/// Says why a test proves nothing on this machine, and what would change that; where everything must be tested, that is
/// a failure. `make test` has all of it in a file, for cargo shows nothing of a test that passes.
pub fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
    let must_run = env::var_os("ORDERPAY_TEST_ALL").is_some_and(|value| value == "1");
    assert!(!must_run, "skipped, but ORDERPAY_TEST_ALL=1: {reason}");
    if let Some(file) = env::var_os("ORDERPAY_TEST_SKIPPED") {
        let file = File::options().create(true).append(true).open(file);
        let line = format!("{reason}\n");
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("ORDERPAY_TEST_SKIPPED");
    }
}
