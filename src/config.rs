//! Options and environment: an option beats the environment, the environment the default.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

/// Shown by `--help`; it fits a terminal of 80 by 24.
pub const HELP: &str = "\
orderpay: a page waits for a payment, over server-sent events

  orderpay [OPTIONS]            serve
  orderpay healthcheck [URL]    exit 0 if the server answers /healthz, 1 if not

  --listen ADDR:PORT       may be repeated; port 0 picks one    [localhost:8888]
  --timeout SECONDS        a waiter is let go after this                    [60]
  --heartbeat SECONDS      a comment to each waiter; 0: none                [15]
  --keep SECONDS           how long a settled order is remembered         [3600]
  --remember N             settled orders that are remembered            [65536]
  --max-connections N      requests served at once                        [1024]
  --token TOKEN            what a payback has to bear                     [none]
  --journal FILE           results on disk before they are acknowledged   [none]
  --quiet                  no log on stderr
  --help, --version

Each has its variable: ORDERPAY_LISTEN, ORDERPAY_TIMEOUT, … ORDERPAY_QUIET=1.

  orderpay --listen 0.0.0.0:8888 --timeout 120      open http://HOST:8888/sse/test
  curl -N localhost:8888/sse/orderpay/42            wait for order 42
  curl -X POST localhost:8888/sse/payback/42        pay it
";

/// All options, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub listen: Vec<SocketAddr>,
    /// Some of [`Config::listen`] may be missing on this machine: they are a guess, not a wish.
    pub listen_default: bool,
    pub timeout: Duration,
    /// Zero means none.
    pub heartbeat: Duration,
    pub keep: Duration,
    pub remember: usize,
    pub max_connections: usize,
    pub token: Option<String>,
    pub journal: Option<PathBuf>,
    pub quiet: bool,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Serve(Box<Config>),
    Healthcheck(String),
    Help,
    Version,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: vec![([127, 0, 0, 1], 8888).into(), ([0, 0, 0, 0, 0, 0, 0, 1], 8888).into()],
            listen_default: true,
            timeout: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            keep: Duration::from_secs(3600),
            remember: 65_536,
            max_connections: 1024,
            token: None,
            journal: None,
            quiet: false,
        }
    }
}

const OPTIONS: [&str; 8] = [
    "--listen",
    "--timeout",
    "--heartbeat",
    "--keep",
    "--remember",
    "--max-connections",
    "--token",
    "--journal",
];

/// Longer than any demo, and far from what a clock can't add.
const MAX_SECONDS: f64 = 1e8;

/// Reads the arguments (without the program's name) and the environment. An error is one line that
/// names what is wrong, its value, and what is accepted.
pub fn parse(
    arguments: impl IntoIterator<Item = String>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Command, String> {
    let mut config = Config::default();
    config.read_environment(environment)?;
    let mut arguments = arguments.into_iter().peekable();
    if arguments.next_if(|first| first == "healthcheck").is_some() {
        let url = arguments.next();
        if let Some(surplus) = arguments.next() {
            return Err(unknown(&surplus));
        }
        return Ok(Command::Healthcheck(url.unwrap_or_else(|| config.url())));
    }
    let mut listens = Vec::new();
    while let Some(argument) = arguments.next() {
        let (name, joined) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        match (name, joined) {
            ("--help" | "-h", None) => return Ok(Command::Help),
            ("--version" | "-V", None) => return Ok(Command::Version),
            ("--quiet", None) => config.quiet = true,
            (name, joined) if OPTIONS.contains(&name) => {
                let value = joined.or_else(|| arguments.next());
                let value = value.ok_or_else(|| format!("{name} needs a value: try --help"))?;
                if name == "--listen" {
                    listens.push(value);
                } else {
                    config.set(name, name, &value)?;
                }
            }
            _ => return Err(unknown(&argument)),
        }
    }
    if !listens.is_empty() {
        config.set_listen("--listen", listens.iter().map(String::as_str))?;
    }
    Ok(Command::Serve(Box::new(config)))
}

fn unknown(argument: &str) -> String {
    format!("{argument:?} is no option of orderpay: try --help")
}

impl Config {
    fn read_environment(&mut self, get: impl Fn(&str) -> Option<String>) -> Result<(), String> {
        for option in OPTIONS {
            let name = variable(option);
            let Some(value) = get(&name).filter(|value| !value.is_empty()) else { continue };
            if option == "--listen" {
                self.set_listen(&name, value.split([',', ' ']).filter(|part| !part.is_empty()))?;
            } else {
                self.set(option, &name, &value)?;
            }
        }
        let name = variable("--quiet");
        match get(&name).as_deref() {
            None | Some("" | "0") => {}
            Some("1") => self.quiet = true,
            Some(other) => return Err(bad(&name, other, "0 or 1")),
        }
        Ok(())
    }

    /// Where a client on this machine finds the server.
    fn url(&self) -> String {
        self.listen.first().map(|address| format!("http://{address}")).unwrap_or_default()
    }

    /// `name` is what the user called the option.
    fn set(&mut self, option: &str, name: &str, value: &str) -> Result<(), String> {
        match option {
            "--timeout" => self.timeout = seconds(name, value, false)?,
            "--heartbeat" => self.heartbeat = seconds(name, value, true)?,
            "--keep" => self.keep = seconds(name, value, false)?,
            "--remember" => self.remember = number(name, value)?,
            "--max-connections" => self.max_connections = number(name, value)?,
            "--token" => self.token = Some(token(name, value)?),
            _ => self.journal = Some(value.into()),
        }
        Ok(())
    }

    fn set_listen<'v>(
        &mut self,
        name: &str,
        values: impl Iterator<Item = &'v str>,
    ) -> Result<(), String> {
        self.listen.clear();
        self.listen_default = false;
        for value in values {
            let addresses = value.to_socket_addrs().map_err(|_| {
                bad(name, value, "ADDR:PORT, such as 127.0.0.1:8888, [::1]:8888 or localhost:0")
            })?;
            for address in addresses {
                if !self.listen.contains(&address) {
                    self.listen.push(address);
                }
            }
        }
        Ok(())
    }
}

/// `--max-connections` is `ORDERPAY_MAX_CONNECTIONS`.
fn variable(option: &str) -> String {
    format!("ORDERPAY{}", option[1..].replace('-', "_").to_uppercase())
}

fn bad(name: &str, value: &str, accepted: &str) -> String {
    format!("{name} {value:?} is not accepted: it takes {accepted}")
}

fn seconds(name: &str, value: &str, zero: bool) -> Result<Duration, String> {
    let range =
        if zero { "0, or 0.001 to 100000000 seconds" } else { "0.001 to 100000000 seconds" };
    let plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds: f64 =
        value.parse().ok().filter(|_| plain).ok_or_else(|| bad(name, value, range))?;
    let fits = (0.001..=MAX_SECONDS).contains(&seconds) || (zero && seconds == 0.0);
    if fits { Ok(Duration::from_secs_f64(seconds)) } else { Err(bad(name, value, range)) }
}

fn number(name: &str, value: &str) -> Result<usize, String> {
    let number: Option<usize> = value.parse().ok().filter(|n| (1..=100_000_000).contains(n));
    let plain = value.bytes().all(|b| b.is_ascii_digit());
    number.filter(|_| plain).ok_or_else(|| bad(name, value, "a whole number from 1 to 100000000"))
}

/// The value is not repeated: it is a secret.
fn token(name: &str, value: &str) -> Result<String, String> {
    let sendable = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic());
    sendable.then(|| value.to_owned()).ok_or_else(|| {
        format!("{name} (not shown) is not accepted: it takes visible ASCII without spaces")
    })
}
