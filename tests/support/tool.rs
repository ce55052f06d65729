//! Programs that a machine may lack: curl, the nc flavours, a browser.

use std::env;
use std::path::PathBuf;

/// The path of a program, or `None`, said aloud, when this machine lacks it.
pub fn tool(name: &str) -> Option<PathBuf> {
    find(name, "")
}

/// The same for a program whose Debian package has another name.
pub fn packaged(name: &str, package: &str) -> Option<PathBuf> {
    find(name, &format!(" (package {package})"))
}

fn find(name: &str, hint: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        skipped(&format!("{name} is not installed{hint}"));
    }
    found
}

/// Says why a test proves nothing on this machine; where everything must be tested, that is a failure.
pub fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
    let must_run = env::var_os("ORDERPAY_TEST_ALL").is_some_and(|value| value == "1");
    assert!(!must_run, "skipped, but ORDERPAY_TEST_ALL=1: {reason}");
}
