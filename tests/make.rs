//! Does `make` do what it says where a person reads it?

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use support::server::{BINARY, path_to_orderpay};
use support::{Folder, Program, tool};

/// Make in the package's folder, as a person types it.
fn make(words: &[&str]) -> Option<Command> {
    let mut make = Command::new(tool("make")?);
    make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("ORDERPAY_TEST_ALL");
    make.current_dir(env!("CARGO_MANIFEST_DIR")).arg("--no-print-directory").args(words);
    Some(make)
}

#[test]
fn install_puts_the_program_where_it_is_asked_to() {
    let folder = Folder::new();
    let (root, binary) =
        (format!("DESTDIR={}", folder.path().display()), format!("RELEASE={BINARY}"));
    let Some(mut make) = make(&["install", &root, &binary, "PREFIX=/usr"]) else { return };
    let (status, program) = Program::run(&mut make);
    assert!(status.success(), "{}", program.stderr());
    let version = Command::new(folder.join("usr/bin/orderpay")).arg("--version").output().unwrap();
    assert!(version.status.success());
}

/// With a cargo that skips and fails.
#[test]
fn test_says_at_the_end_what_was_skipped_and_fails_if_a_test_does() {
    let folder = Folder::new();
    let cargo = folder.join("cargo");
    let script = "#!/bin/sh\n[ \"$1\" = test ] || exit 0\n\
        echo 'test result: FAILED'\n\
        printf 'b is missing\\na is missing\\nb is missing\\n' >>\"$ORDERPAY_TEST_SKIPPED\"\nexit 101\n";
    fs::write(&cargo, script).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let skipped = format!("SKIPPED={}", folder.join("skipped").display());
    for _ in ["once", "and again"] {
        let Some(mut make) = make(&["test", "MAKE=true", &skipped]) else { return };
        let path = format!("{}:{}", folder.path().display(), path_to_orderpay().to_str().unwrap());
        let (status, program) = Program::run(make.env("PATH", path));
        assert_eq!(status.code(), Some(2), "{}", program.stderr());
        let said = "test result: FAILED\nSkipped, how often, why, and what would change that:\n      \
            2 b is missing\n      1 a is missing\n";
        assert!(program.stdout().ends_with(said), "{}", program.stdout());
    }
}
