//! nginx and HAProxy as Debian configures them, with what README.md tells to add.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use super::{Client, Folder, Program, eventually, tool};

/// Where README.md has them listen: in a network of the test's own that port is free.
pub const FRONT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);

/// A part of a configuration, and what stands there instead.
pub type Edit = (&'static str, &'static str);

pub struct Kind {
    pub name: &'static str,
    arguments: &'static [&'static str],
    file: &'static str,
    /// A test has files of its own in `{folder}`, and `{added}` is what README.md tells to add.
    moved: &'static [Edit],
    /// Compresses event streams too.
    pub gzip: Edit,
    /// Has a thirtieth of its usual patience: 2 s for 60 s, 1.667 s for 50 s.
    pub hasty: Edit,
}

pub const NGINX: Kind = Kind {
    name: "nginx",
    arguments: &["-g", "daemon off;", "-c"],
    file: "/etc/nginx/nginx.conf",
    moved: &[
        ("/run/nginx.pid", "{folder}/pid"),
        ("/var/log/nginx/", "{folder}/"),
        ("include /etc/nginx/sites-enabled/*;", "{added}"),
    ],
    gzip: ("gzip on;", "gzip on; gzip_types text/event-stream;"),
    hasty: ("sendfile on;", "sendfile on; proxy_read_timeout 2s;"),
};

pub const HAPROXY: Kind = Kind {
    name: "haproxy",
    arguments: &["-db", "-f"],
    file: "/etc/haproxy/haproxy.cfg",
    moved: &[
        ("stats socket /run/haproxy/", "stats socket {folder}/"),
        ("/etc/haproxy/errors/504.http\n", "/etc/haproxy/errors/504.http\n\n{added}"),
    ],
    gzip: (
        "dontlognull\n",
        "dontlognull\n compression algo gzip\n compression type text/event-stream\n",
    ),
    hasty: ("50000", "1667"),
};

pub struct Proxy {
    program: Program,
    _folder: Folder,
}

impl Proxy {
    /// Starts it, with more edits, in a network where its port is free.
    pub fn start(kind: &Kind, added: &str, edits: &[Edit]) -> Option<Proxy> {
        let program = tool(kind.name)?;
        let folder = Folder::new();
        let mut text = fs::read_to_string(kind.file).expect(kind.file);
        for (from, to) in kind.moved.iter().chain(edits) {
            assert!(text.contains(from), "{} has no {from:?}", kind.file);
            text = text.replace(from, to);
        }
        text = text.replace("{folder}", folder.path().to_str().expect("UTF-8"));
        let file = folder.join("configuration");
        fs::write(&file, text.replace("{added}", &format!("{added}\n"))).expect("configuration");
        let program = Program::start(Command::new(program).args(kind.arguments).arg(file));
        let proxy = Proxy { program, _folder: folder };
        eventually(&format!("{}: {}", kind.name, proxy.program.stderr()), || {
            Client::try_connect(FRONT).ok()
        });
        Some(proxy)
    }
}

impl Drop for Proxy {
    /// Killed, nginx would leave its workers behind.
    fn drop(&mut self) {
        if !self.program.has_ended() {
            self.program.signal("TERM");
            self.program.exit();
        }
    }
}
