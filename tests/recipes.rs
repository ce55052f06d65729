//! Do the files of tests/recipes do what they are for, as they stand there?

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::browser::{Browser, Engine};
use support::json::Json;
use support::server::{BINARY, orderpay};
use support::{
    Client, Folder, OPENING, PAID, Program, Server, SmallDisk, eventually, os, own_network,
    request, skipped, stays_true, tool,
};

const RECIPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recipes");
/// Where `.ci/run` installs what a file of Kubernetes is checked with, and what reads YAML.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.tools/python");
const SIGSYS: i32 = 31;
const TOKEN: &str = "s3cret";

fn recipe(name: &str) -> String {
    fs::read_to_string(format!("{RECIPES}/{name}")).expect(name)
}

/// Runs a script on a recipe; what it prints.
fn python(script: &str, name: &str) -> Option<String> {
    let python = tool("python3")?;
    if !Path::new(PYTHON).join("kubernetes_validate").exists() {
        skipped("kubernetes-validate is not in tests/.tools: .ci/run installs it");
        return None;
    }
    let mut python = Command::new(python);
    python.env("PYTHONPATH", PYTHON).args(["-c", script]).arg(format!("{RECIPES}/{name}"));
    let (status, program) = Program::run(&mut python);
    assert!(status.success(), "{name}: {}", program.stderr());
    Some(program.stdout())
}

/// The documents of a file.
fn yaml(name: &str) -> Option<Vec<Json>> {
    const SCRIPT: &str = "import json, sys, yaml; \
        print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    Some(Json::parse(&python(SCRIPT, name)?).list().to_vec())
}

fn words(list: &Json) -> Vec<String> {
    list.list().iter().map(|it| it.text().to_owned()).collect()
}

/// What starts a server with these arguments, with a folder in the place of each mount.
fn command(arguments: &[String], mounts: &[(&str, &Path)]) -> Command {
    let there = |argument: &String| {
        mounts.iter().fold(argument.clone(), |it, (mount, folder)| match it.strip_prefix(mount) {
            Some(file) => format!("{}{file}", folder.display()),
            None => it,
        })
    };
    let mut command = orderpay();
    command.args(["--listen", "127.0.0.1:0"]).args(arguments.iter().map(there));
    command
}

/// A folder with the file `token`.
fn secret() -> Folder {
    let folder = Folder::new();
    fs::write(folder.join("token"), format!("{TOKEN}\n")).unwrap();
    folder
}

/// Pays with the token; the status.
fn pay(server: &Server, order: usize) -> u16 {
    let bearer = format!("Bearer {TOKEN}");
    let fields = [("Authorization", bearer.as_str())];
    let path = format!("/sse/payback/{order}");
    server.connect().send(request("POST", &path, &fields, "")).answer().status
}

// Compose.

#[test]
fn compose_takes_the_file_and_what_it_runs_is_well() {
    let Some(compose) = tool("docker-compose") else { return };
    let mut config = Command::new(compose);
    config.args(["--file", &format!("{RECIPES}/compose.yaml"), "config", "--quiet"]);
    let (status, program) = Program::run(&mut config);
    assert!(status.success(), "{}", program.stderr());

    let Some(documents) = yaml("compose.yaml") else { return };
    let service = &documents[0]["services"]["orderpay"];
    let folder = Folder::new();
    let mounts = [("/journal", folder.path())];
    let server = Server::spawn(&mut command(&words(&service["command"]), &mounts));
    assert_eq!(server.payback("7"), 0);
    assert!(folder.join("journal").exists(), "the journal is in the folder that is mounted");
    let check = words(&service["healthcheck"]["test"]);
    assert_eq!(check, ["CMD", "/orderpay", "healthcheck"]);
}

/// What its first line says to type, and README.md too.
#[test]
fn the_folder_of_compose_s_journal_belongs_to_the_user_of_the_image() {
    const LINE: &str = "install -d -o 65534 journal";
    assert!(recipe("compose.yaml").starts_with(&format!("# First: make image; {LINE}\n")));
    assert!(include_str!("../README.md").contains(&format!("`{LINE}`")));
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return skipped("only root can give a folder to another user");
    }
    let folder = Folder::new();
    let mut shell = Command::new("sh");
    let (status, _) = Program::run(shell.args(["-c", LINE]).current_dir(folder.path()));
    assert!(status.success());
    let user = fs::metadata(folder.join("journal")).unwrap().uid();
    assert!(include_str!("../Dockerfile").contains(&format!("\nUSER {user}:")), "{user}");
}

// Kubernetes.

#[test]
fn kubernetes_takes_the_file() {
    const SCRIPT: &str = "import sys, yaml, kubernetes_validate as k\n\
        for it in yaml.safe_load_all(open(sys.argv[1])):\n print(k.validate(it, '1.30', strict=True))";
    let Some(versions) = python(SCRIPT, "kubernetes.yaml") else { return };
    assert_eq!(versions, "1.30\n".repeat(3));
}

#[test]
fn a_full_disk_is_shown_and_restarts_no_pod() {
    let (Some(documents), Some(disk)) = (yaml("kubernetes.yaml"), SmallDisk::mount(128)) else {
        return;
    };
    let container = &documents[1]["spec"]["template"]["spec"]["containers"].list()[0];
    let mounted = container["volumeMounts"].list().iter().map(|it| it["mountPath"].text());
    assert_eq!(mounted.collect::<Vec<_>>(), ["/journal", "/secret"]);
    let (alive, ready) = (&container["livenessProbe"], &container["readinessProbe"]);
    let alive = alive["httpGet"]["path"].text();
    let ready = words(&ready["exec"]["command"]);
    assert_eq!(ready[0], "/orderpay");
    let secret = secret();
    let mounts = [("/journal", &*disk.join("")), ("/secret", secret.path())];
    let server = Server::spawn(&mut command(&words(&container["args"]), &mounts));
    let is_ready = || {
        let listen = server.address.to_string();
        Program::run(orderpay().args(&ready[1..]).env("ORDERPAY_LISTEN", listen)).0.success()
    };
    assert!(is_ready() && server.get(alive).status == 200);
    let mut waiter = server.orderpay("7");
    disk.fill();
    // There is room left in the last page of the file.
    assert_eq!((100..1000).map(|it| pay(&server, it)).find(|status| *status != 200), Some(503));
    assert_eq!((pay(&server, 7), server.get("/sse/payback/7").status), (503, 401));
    assert!(!is_ready() && server.get("/healthz").status == 503);
    assert_eq!(server.get(alive).status, 200);
    disk.clear();
    assert_eq!((pay(&server, 7), waiter.rest().as_str()), (200, PAID));
    assert!(is_ready());
}

// systemd.

#[test]
fn systemd_takes_the_unit() {
    let Some(systemd) = tool("systemd-analyze") else { return };
    let folder = Folder::new();
    let unit = folder.join("orderpay.service");
    let text = recipe("orderpay.service").replace("/usr/local/bin/orderpay", BINARY);
    fs::write(&unit, text).unwrap();
    let (status, program) = Program::run(Command::new(systemd).arg("verify").arg(unit));
    assert_eq!((status.code(), program.stderr().as_str()), (Some(0), ""));
}

#[test]
fn the_unit_s_system_calls_are_all_it_makes_and_without_one_it_ends() {
    let Some(allowed) = system_calls("@system-service") else { return };
    let unit = recipe("orderpay.service");
    for setting in ["SystemCallFilter=@system-service", "LoadCredential=token:/etc/orderpay.token"]
    {
        assert!(unit.lines().any(|line| line == setting), "{setting}");
    }
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let line: Vec<_> = line.split(' ').skip(1).map(str::to_owned).collect();
    let (state, secret) = (Folder::new(), secret());
    let mounts =
        [("${STATE_DIRECTORY}", state.path()), ("${CREDENTIALS_DIRECTORY}", secret.path())];
    let start = |allowed: &BTreeMap<String, u32>| {
        let mut command = command(&line, &mounts);
        os::allow_system_calls(&mut command, &allowed.values().copied().collect::<Vec<_>>());
        command
    };
    let mut server = Server::spawn(&mut start(&allowed));
    let mut waiter = server.orderpay("7");
    assert_eq!((pay(&server, 7), waiter.rest().as_str()), (200, PAID));
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.stop().0.code(), Some(0));

    let without_accepting = allowed.into_iter().filter(|(name, _)| name != "accept4").collect();
    assert_eq!(Program::run(&mut start(&without_accepting)).0.signal(), Some(SIGSYS));
}

/// The calls of a set of systemd's that this machine has, with their numbers.
fn system_calls(set: &str) -> Option<BTreeMap<String, u32>> {
    const NUMBERS: &str = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
    let (_, all) = Program::run(Command::new(tool("systemd-analyze")?).arg("syscall-filter"));
    let Ok(numbers) = fs::read_to_string(NUMBERS) else {
        skipped("no numbers of system calls: apt-get install linux-libc-dev");
        return None;
    };
    let number = |line: &str| {
        let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    let mut calls: BTreeMap<_, _> = numbers.lines().filter_map(number).collect();
    let mut names = BTreeSet::new();
    collect(&all.stdout(), set, &mut names);
    calls.retain(|name, _| names.contains(name));
    assert!(calls.len() > 200, "{names:?}");
    Some(calls)
}

/// The names of a set, and of the sets in it.
fn collect(all: &str, set: &str, names: &mut BTreeSet<String>) {
    let members = all.lines().skip_while(|line| *line != set).skip(1);
    for member in members.map_while(|line| line.strip_prefix("    ")) {
        if member.starts_with('@') {
            collect(all, member, names);
        } else {
            names.insert(member.to_owned());
        }
    }
}

// Caddy.

#[test]
fn caddy_brings_events_at_once_over_http_2() {
    let (Some(curl), Some(scene)) = (tool("curl"), Scene::behind_caddy()) else { return };
    let mut curl = Command::new(curl);
    // Caddy has its certificate a moment before it uses it.
    curl.args(["--retry", "9", "--retry-delay", "1", "--retry-all-errors"]);
    curl.args(["-sNk", "-w", "HTTP/%{http_version}", "https://localhost/sse/orderpay/7"]);
    let mut curl = Program::start(&mut curl);
    curl.wait_for_stdout(OPENING);
    assert_eq!(scene.server.payback("7"), 1);
    curl.exit();
    assert_eq!(curl.stdout(), [OPENING, PAID, "HTTP/2"].concat());
}

#[test]
fn behind_caddy_a_browser_has_no_limit_of_six() {
    const TWELVE: &str = "window.opened = 0; for (let order = 100; order < 112; order++) { \
        const source = new EventSource(`/sse/orderpay/${order}`); \
        source.addEventListener('waiting', () => window.opened++); }";
    let Some(scene) = Scene::behind_caddy() else { return };
    let Some(browser) = Browser::start(Engine::Chromium) else { return };
    browser.open(&scene.server.url("/sse/test/7"));
    browser.run(TWELVE);
    browser.wait_until("window.opened > 2");
    stays_true(Duration::from_millis(500), "six at most", || {
        browser.run("return window.opened").number() <= 6.0
    });
    browser.open("https://localhost/sse/test/7");
    browser.run(TWELVE);
    browser.wait_until("window.opened === 12");
    // Nor does a page tell of one.
    for order in 200..206 {
        browser.new_window();
        browser.open(&format!("https://localhost/sse/test/{order}"));
        browser.wait_until("document.body.dataset.state === 'waiting'");
    }
}

/// A server where the recipe has it, with Caddy before it, in a network of their own.
struct Scene {
    server: Server,
    _caddy: Program,
    _folder: Folder,
}

impl Scene {
    fn behind_caddy() -> Option<Scene> {
        let caddy = tool("caddy").filter(|_| own_network())?;
        let server = Server::start_on("127.0.0.1:8888", &[]);
        let folder = Folder::new();
        let file = folder.join("Caddyfile");
        // It leaves nothing behind on this machine.
        fs::write(&file, format!("{{\nskip_install_trust\n}}\nimport {RECIPES}/Caddyfile\n"))
            .unwrap();
        let mut caddy = Command::new(caddy);
        caddy.env("HOME", folder.path()).env("XDG_DATA_HOME", folder.path());
        caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
        let caddy = Program::start(&mut caddy);
        let address = SocketAddr::from(([127, 0, 0, 1], 443));
        eventually("Caddy, and its certificate", || {
            Client::try_connect(address)
                .ok()
                .filter(|_| caddy.stderr().contains("certificate obtained successfully"))
        });
        Some(Scene { server, _caddy: caddy, _folder: folder })
    }
}
