//! Is it at home in a container? Its root is one file that nobody can write to, its user has no right, it is process 1,
//! and processes and memory are few.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use orderpay::os;
use support::json::Json;
use support::server::{BINARY, delivered, listening_on};
use support::{
    Cgroup, Client, Folder, PAID, Program, Server, Stream, eventually, own_network, request,
    skipped, tool,
};

/// In bytes, by whichever Rust and C library.
const LARGEST: u64 = 1_800_000;

const LISTEN: &str = "--listen=127.0.0.1:0";

/// Moves into the limits, makes `$root` read-only, and then becomes the server: its one file, run by `$user`.
const CONFINE: &str = r#"
    root=$1 user=$2 cgroup=$3
    shift 3
    [ -z "$cgroup" ] || echo $$ >"$cgroup/cgroup.procs"
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
    exec prlimit --nproc=16 chroot --userspec="$user:$user" --groups= "$root" /orderpay "$@"
"#;

#[test]
fn one_file_is_all_it_needs() {
    let Some(root) = Root::of_the_static_binary() else { return };
    let size = fs::metadata(root.path.join("orderpay")).unwrap().len();
    println!("the static binary: {size} bytes");
    assert!(size <= LARGEST, "{size} bytes");

    let mut container = Container::start(&root, None, &["--quiet", "--listen=localhost:0"]);
    for (address, ip) in container.addresses().into_iter().zip(["127.0.0.1", "::1"]) {
        assert_eq!(address.ip().to_string(), ip);
        let order = if address.is_ipv4() { "4" } else { "6" };
        let mut waiter = Stream::open(address, &format!("/sse/orderpay/{order}"), &[]);
        assert_eq!(container.server.payback(order), 1);
        assert_eq!(waiter.rest(), PAID);
    }
    assert_eq!(container.server.log(), Vec::<String>::new(), "of what is missing");
    assert_eq!(container.proc("status", "CapEff"), "0000000000000000");
    assert_eq!(container.proc("status", "NSpid").split('\t').next_back(), Some("1"));
    assert!(fs::write(container.path("root/file"), "").is_err(), "its root can be written to");
}

#[test]
fn a_health_check_needs_no_shell() {
    let Some(root) = Root::of_the_static_binary() else { return };
    let container = Container::start(&root, None, &["--listen=localhost:0"]);
    let port = container.server.address.port();
    for url in [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}/healthz")] {
        let mut check = root.confined(container.user, None, &["healthcheck", &url]);
        let (status, program) = Program::run(&mut check);
        assert!(status.success(), "{}", program.stderr());
    }
    drop(container);
    let mut check = root.confined(1, None, &["healthcheck", "http://127.0.0.1:1"]);
    let (status, program) = Program::run(&mut check);
    assert_eq!(status.code(), Some(1));
    assert_eq!(
        program.stderr(),
        "orderpay: healthcheck http://127.0.0.1:1: Connection refused (os error 111)\n"
    );
}

#[test]
fn as_process_1_it_stops_at_once_and_ends_its_waiters_in_a_whole_event() {
    const WAITERS: usize = 1000;
    let Some(root) = Root::of_the_static_binary() else { return };
    for signal in ["TERM", "INT"] {
        let mut container = Container::start(&root, None, &[LISTEN, "--heartbeat=0.05"]);
        let mut waiters = container.waiters(WAITERS);
        let asked = Instant::now();
        container.signal(signal);
        let status = container.server.program().exit();
        println!("{signal}: process 1 stopped {WAITERS} waiters in {:?}", asked.elapsed());
        assert!(status.success() && asked.elapsed() < Duration::from_secs(2), "{status}");
        for waiter in &mut waiters {
            let rest = waiter.rest();
            assert_eq!(rest.replace(":\n\n", ""), "", "a waiter got {rest:?}");
        }
    }
}

/// It is told by an option, and the image's own variable says another address.
#[test]
fn a_health_check_looks_where_process_1_was_told_to_listen() {
    if Root::of_the_static_binary().is_none() || !own_network() {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount-proc", "--pid", "--fork", "--kill-child", BINARY]);
    let command = command.args(["--quiet", "--listen=127.0.0.1:9999"]);
    let container = Container::run(command.env("ORDERPAY_LISTEN", "127.0.0.1:8888"), 0);
    let check = |variable: &str| {
        let mut check = Command::new("nsenter");
        check.args(["--pid", "--mount", "--root", "--target", &container.pid.to_string(), BINARY]);
        Program::run(check.arg("healthcheck").env("ORDERPAY_LISTEN", variable))
    };
    let (status, program) = check("127.0.0.1:8888");
    assert!(status.success(), "{}", program.stderr());
    assert!(check("").0.success());
}

#[test]
fn sixteen_processes_are_enough_for_a_crowd_of_slow_clients() {
    let Some(root) = Root::of_the_static_binary() else { return };
    let container = Container::start(&root, None, &[LISTEN, "--quiet"]);
    let mut waiters = container.waiters(50);
    let mute: Vec<_> = (0..100).map(|_| container.server.connect()).collect();
    let asked = Instant::now();
    for (order, waiter) in waiters.iter_mut().enumerate() {
        assert_eq!(container.server.payback(&order.to_string()), 1);
        assert_eq!(waiter.rest(), PAID);
    }
    println!("50 paybacks past {} slow clients: {:?}", mute.len(), asked.elapsed());
    let threads: usize = container.proc("status", "Threads").parse().unwrap();
    assert!(threads <= 16, "{threads} threads");
}

#[test]
fn a_crowd_at_one_address_leaves_processes_for_another() {
    let Some(root) = Root::of_the_static_binary() else { return };
    let mut container = Container::start(&root, None, &["--quiet", "--listen=localhost:0"]);
    let [crowded, other] = container.addresses();
    let crowd: Vec<_> = (0..60).map(|_| Client::connect(crowded)).collect();
    assert_eq!(
        Client::connect(crowded).send(request("GET", "/healthz", &[], "")).answer().status,
        200
    );
    drop(crowd);
    let _mute = Client::connect(other);
    let asked = Instant::now();
    let answer = Client::connect(other).send(request("GET", "/sse/payback", &[], "")).answer();
    println!("a payback at the other address: {:?}", asked.elapsed());
    assert!(answer.status == 200 && asked.elapsed() < Duration::from_secs(5));
}

#[test]
fn eight_mebibytes_are_enough_for_2000_waiters_and_5000_payments() {
    let Some(root) = Root::of_the_static_binary() else { return };
    let Some(cgroup) = Cgroup::of(8 * 1024 * 1024, None) else { return };
    os::raise_descriptor_limit();
    let container = Container::start(&root, Some(&cgroup.memory), &[LISTEN]);
    // Where the kernel counts sockets too, there are fewer.
    let count = if cgroup.is_of_version_2() { 380 } else { 2000 };
    let mut waiters = container.waiters(count);
    let waiting = cgroup.kib(cgroup.names.now);
    let address = container.server.address;
    thread::scope(|scope| {
        for first in 0..4 {
            scope.spawn(move || pay_every_fourth(address, first..5000, count));
        }
    });
    for waiter in &mut waiters {
        assert_eq!(waiter.rest(), PAID);
    }
    let most = cgroup.kib(cgroup.names.most);
    println!("{count} waiters: {waiting} KiB, the most: {most} KiB of 8192");
}

fn pay_every_fourth(address: SocketAddr, orders: Range<usize>, awaited: usize) {
    let mut client = Client::connect(address);
    for order in orders.step_by(4) {
        let path = format!("/sse/payback/{order}");
        let answer = client.send(request("POST", &path, &[], "")).answer();
        assert_eq!(delivered(&answer), usize::from(order < awaited), "order {order}");
    }
}

#[test]
fn the_image_holds_one_file_and_its_settings() {
    const LISTEN: (&str, &str) = ("ORDERPAY_LISTEN", "0.0.0.0:8888,[::]:8888");
    let Some((root, settings)) = Root::of_the_image() else { return };
    let files: Vec<_> =
        fs::read_dir(&root.path).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(files, ["orderpay"]);
    assert_eq!(settings["User"].text(), "65534:65534");
    assert_eq!(settings["Entrypoint"].list(), ["/orderpay".into()]);
    let check = settings["Healthcheck"]["Test"].list();
    assert_eq!(check, ["CMD", "/orderpay", "healthcheck"].map(Json::from));
    let listen = format!("{}={}", LISTEN.0, LISTEN.1);
    assert!(settings["Env"].list().contains(&listen.as_str().into()));

    let user = a_user();
    let _container = Container::run(root.confined(user, None, &[]).env(LISTEN.0, LISTEN.1), user);
    for host in ["127.0.0.1", "[::1]"] {
        let address = format!("{host}:8888").parse().unwrap();
        let answer = Client::connect(address).send(request("GET", "/healthz", &[], "")).answer();
        assert_eq!(answer.text(), "ok", "{host}");
    }
    let mut check = root.confined(user, None, &["healthcheck"]);
    let (status, program) = Program::run(check.env(LISTEN.0, LISTEN.1));
    assert!(status.success(), "{}", program.stderr());
}

/// Runs a line in the package's folder; what it prints.
fn shell(line: &str) -> String {
    let mut sh = Command::new("sh");
    let (status, program) =
        Program::run(sh.args(["-c", line]).current_dir(env!("CARGO_MANIFEST_DIR")));
    assert!(status.success(), "{line}: {}", program.stderr());
    program.stdout()
}

/// The root file system of a container.
struct Root {
    path: PathBuf,
    _folder: Folder,
}

impl Root {
    /// A folder with what `make static` has built, and nothing else.
    fn of_the_static_binary() -> Option<Root> {
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/static/orderpay");
        if !binary.exists() {
            skipped("there is no static binary: make static builds it");
            return None;
        }
        if shell("id -u") != "0\n" {
            skipped("only root can start a container: run the tests as root");
            return None;
        }
        let folder = Folder::new();
        let path = folder.join("root");
        fs::create_dir(&path).unwrap();
        fs::copy(binary, path.join("orderpay")).unwrap();
        Some(Root { path, _folder: folder })
    }

    /// What `make image` makes, by a program that needs no engine; with its settings, and port 8888 free.
    fn of_the_image() -> Option<(Root, Json)> {
        let _static_binary = Root::of_the_static_binary()?;
        let buildah = tool("buildah").filter(|_| own_network())?;
        let folder = Folder::new();
        let buildah = format!(
            "{} --storage-driver vfs --root {1}/root --runroot {1}/run",
            buildah.display(),
            folder.path().display()
        );
        let make = "env -u MAKEFLAGS BUILDAH_FORMAT=docker make --old-file=static image";
        shell(&format!("{make} DOCKER='{buildah}'"));
        let image = Json::parse(&shell(&format!("{buildah} inspect --type image orderpay")));
        let path = shell(&format!("{buildah} mount $({buildah} from orderpay)"));
        let root = Root { path: path.trim().into(), _folder: folder };
        Some((root, image["Docker"]["config"].clone()))
    }

    /// The program in it, as process 1, as this user.
    fn confined(&self, user: u32, cgroup: Option<&Path>, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", CONFINE, "sh"]);
        command.arg(&self.path).arg(user.to_string()).arg(cgroup.unwrap_or(Path::new("")));
        command.args(arguments);
        command
    }
}

struct Container {
    server: Server,
    /// Process 1, as the machine calls it.
    pid: u32,
    user: u32,
}

/// No other process of the machine is this user's, so it has all 16 for itself.
fn a_user() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    1_000_000 + 10 * process::id() + COUNT.fetch_add(1, Relaxed)
}

impl Container {
    fn start(root: &Root, cgroup: Option<&Path>, options: &[&str]) -> Container {
        let user = a_user();
        Container::run(&mut root.confined(user, cgroup, options), user)
    }

    fn run(command: &mut Command, user: u32) -> Container {
        let server = Server::spawn(command);
        let unshare = server.pid();
        let children = format!("/proc/{unshare}/task/{unshare}/children");
        let pid = fs::read_to_string(children).unwrap().trim().parse().expect("one child");
        Container { server, pid, user }
    }

    /// Where it listens on `localhost`: for both families.
    fn addresses(&mut self) -> [SocketAddr; 2] {
        eventually("both addresses", || {
            let stdout = self.server.program().stdout();
            let addresses: Vec<_> = stdout.lines().map(listening_on).collect();
            addresses.try_into().ok()
        })
    }

    fn path(&self, file: &str) -> PathBuf {
        format!("/proc/{}/{file}", self.pid).into()
    }

    /// A value in one of its files in /proc.
    fn proc(&self, file: &str, name: &str) -> String {
        let text = fs::read_to_string(self.path(file)).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        value.unwrap_or_else(|| panic!("no {name}")).to_owned()
    }

    fn signal(&self, name: &str) {
        shell(&format!("kill -s {name} {}", self.pid));
    }

    /// Waits for the orders 0, 1, 2 and so on.
    fn waiters(&self, count: usize) -> Vec<Stream> {
        let path = |order| format!("/sse/orderpay/{order}");
        (0..count).map(|order| Stream::open(self.server.address, &path(order), &[])).collect()
    }
}

impl Drop for Container {
    /// Killing `unshare` does not reach it, since it has changed its user.
    fn drop(&mut self) {
        if !self.server.program().has_ended() {
            self.signal("KILL");
        }
    }
}
