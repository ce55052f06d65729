//! Options and environment: an option beats the environment, the environment the default.

use std::env::VarError;
use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::orders::Limits;
use crate::request;

/// Shown by `--help`; it fits a terminal of 80 by 24, with room for the next prompt.
pub const HELP: &str = include_str!("help.txt");

/// Shown by `healthcheck --help`.
pub const HEALTHCHECK_HELP: &str = "\
orderpay healthcheck [URL]: exit 0 if the server answers /healthz, 1 if not

URL is http://HOST:PORT. Without it, it is where the server of this container (its
process 1) listens, or else where one with this ORDERPAY_LISTEN would.
";

/// All options, parsed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// For each `--listen`, the addresses that it stands for. A machine may lack some: one will do.
    pub listen: Vec<Vec<SocketAddr>>,
    pub limits: Limits,
    pub max_connections: usize,
    /// In bytes; `None`: what the control group allows.
    pub memory: Option<usize>,
    pub token: Option<String>,
    pub journal: Option<PathBuf>,
    pub quiet: bool,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Serve(Config),
    Healthcheck(String),
    Help(&'static str),
    Version,
}

/// Looks a variable up.
type Environment<'a> = &'a dyn Fn(&str) -> Result<String, VarError>;

/// Sets an option to a value, if that is one that it takes.
type Set = fn(&mut Config, &str) -> Option<()>;

/// An option that has a value, and what it takes. Its default is the one that [`HELP`] shows.
type Choice = (&'static str, &'static str, Set);

const OPTIONS: [Choice; 11] = [
    ("--listen", ADDRESS, |it, value| listen(value).map(|new| it.listen.extend(new))),
    ("--timeout", SECONDS, |it, value| seconds(value).map(|new| it.limits.timeout = new)),
    ("--heartbeat", SECONDS_OR_NONE, |it, value| pause(value).map(|new| it.limits.heartbeat = new)),
    ("--keep", SECONDS, |it, value| seconds(value).map(|new| it.limits.keep = new)),
    ("--remember", NUMBER, |it, value| number(value).map(|new| it.limits.remember = new)),
    ("--memory", SIZE, |it, value| memory(value).map(|new| it.memory = new)),
    ("--max-connections", NUMBER, |it, value| number(value).map(|new| it.max_connections = new)),
    ("--token", TOKEN, |it, value| token(value).map(|new| it.token = Some(new))),
    ("--token-file", TOKEN_FILE, |it, value| token_in(value).map(|new| it.token = Some(new))),
    ("--journal", FILE, |it, value| (!value.is_empty()).then(|| it.journal = Some(value.into()))),
    ("--quiet", FLAG, |it, value| flag(value).map(|new| it.quiet = new)),
];

const ADDRESS: &str = "ADDR:PORT, such as 127.0.0.1:8888, [::1]:8888 or localhost:0";
const SECONDS: &str = "0.001 to 100000000 seconds";
const SECONDS_OR_NONE: &str = "0 for none, or 0.001 to 100000000 seconds";
const NUMBER: &str = "a whole number from 1 to 100000000";
const SIZE: &str = "4M or more, with K, M or G; or cgroup, for what the control group allows";
const TOKEN: &str = "visible ASCII without spaces";
const TOKEN_FILE: &str = "the name of a file whose first line is visible ASCII without spaces";
const FILE: &str = "the name of a file";
const FLAG: &str = "0 or 1";

/// Each says what a payback has to bear.
const TOKENS: [&str; 2] = ["--token", "--token-file"];
/// In bytes: with less, few could wait.
const LEAST_MEMORY: usize = 4 * 1024 * 1024;

/// Reads the arguments (without the program's name) and the environment. An error is one line that
/// names what is wrong, its value, and what is accepted.
pub fn parse(
    arguments: impl Iterator<Item = OsString>,
    environment: Environment<'_>,
) -> Result<Command, String> {
    let arguments: Result<Vec<_>, _> = arguments.map(OsString::into_string).collect();
    let arguments = arguments.map_err(not_text)?;
    let mut words = arguments.iter().map(String::as_str).peekable();
    if words.next_if_eq(&"healthcheck").is_some() {
        return healthcheck(&words.collect::<Vec<_>>(), environment);
    }
    options(words, environment, &OPTIONS)
}

fn options<'a>(
    mut words: impl Iterator<Item = &'a str>,
    environment: Environment<'_>,
    wanted: &[Choice],
) -> Result<Command, String> {
    let mut given = Vec::new();
    while let Some(word) = words.next() {
        let joined = word.split_once('=');
        match joined.map_or((word, None), |(name, value)| (name, Some(value))) {
            ("--help" | "-h", None) => return Ok(Command::Help(HELP)),
            ("--version" | "-V", None) => return Ok(Command::Version),
            ("--quiet", None) => given.push((word, "1")),
            (name @ ("--help" | "--version"), Some(value)) => {
                return Err(refusal(name, value, "no value"));
            }
            (name, value) if OPTIONS.iter().any(|(option, ..)| *option == name) => {
                // Without a value it gets the empty one, which no option takes.
                given.push((name, value.or_else(|| words.next()).unwrap_or_default()));
            }
            (name, _) => return Err(unknown(name)),
        }
    }
    Ok(Command::Serve(Config::read(&given, environment, wanted)?))
}

/// The URL that is given, or where a server with this environment is found.
fn healthcheck(arguments: &[&str], environment: Environment<'_>) -> Result<Command, String> {
    match arguments {
        [] => Ok(Command::Healthcheck(served(environment)?.url())),
        ["--help" | "-h"] => Ok(Command::Help(HEALTHCHECK_HELP)),
        [url] if url.contains("://") && !url.starts_with("http://") => {
            Err(refusal("healthcheck", url, "http://HOST:PORT"))
        }
        [url] if !url.starts_with('-') => Ok(Command::Healthcheck((*url).to_owned())),
        [.., wrong] => Err(refusal("healthcheck", wrong, "one URL at most, http://HOST:PORT")),
    }
}

/// Where the server of this container was told to listen: it is process 1 there, or what that runs.
fn served(environment: Environment<'_>) -> Result<Config, String> {
    let line = fs::read_to_string("/proc/1/cmdline").unwrap_or_default();
    let is_server = |word: &&str| Path::new(word).file_name() == Some("orderpay".as_ref());
    let words = line.split_terminator('\0').skip_while(|word| !is_server(word)).skip(1);
    let listen = &OPTIONS[..1];
    match options(words, environment, listen) {
        Ok(Command::Serve(config)) => Ok(config),
        _ => Config::read(&[], environment, listen),
    }
}

fn not_text(what: impl Debug) -> String {
    format!("{what:?} is not UTF-8, as all options are")
}

fn unknown(argument: &str) -> String {
    let options = [&OPTIONS.map(|(option, ..)| option)[..], &["--help", "--version"]].concat();
    let is_meant = |option: &&&str| {
        let is_begun = argument.len() > 3 && option.starts_with(argument);
        is_begun || is_near(argument.as_bytes(), option.as_bytes(), 2)
    };
    match options.iter().find(is_meant) {
        Some(option) => format!("{argument:?} is no option: did you mean {option}?"),
        None => format!("{argument:?} is no option of orderpay, which has {}", options.join(", ")),
    }
}

/// Whether one becomes the other by so many slips at most: a letter too many, too few, or another.
fn is_near(a: &[u8], b: &[u8], slips: usize) -> bool {
    match (a, b) {
        ([x, a @ ..], [y, b @ ..]) if x == y => is_near(a, b, slips),
        ([], []) => true,
        _ if slips == 0 => false,
        _ => {
            let (a1, b1) = (&a[a.len().min(1)..], &b[b.len().min(1)..]);
            [(a1, b), (a, b1), (a1, b1)].iter().any(|(a, b)| is_near(a, b, slips - 1))
        }
    }
}

impl Config {
    fn read(
        given: &[(&str, &str)],
        environment: Environment<'_>,
        wanted: &[Choice],
    ) -> Result<Config, String> {
        let is_given = |option: &&str| given.iter().any(|(name, _)| name == option);
        let is_in_environment = |option: &&str| environment(&variable(option)).is_ok();
        let has_token = TOKENS.iter().any(is_given);
        let is_twice =
            TOKENS.iter().all(is_given) || !has_token && TOKENS.iter().all(is_in_environment);
        if is_twice && wanted.iter().any(|(option, ..)| TOKENS.contains(option)) {
            return Err(format!(
                "{} are not accepted together: it takes one",
                TOKENS.join(" and ")
            ));
        }
        let mut config = Config::default();
        for &(option, takes, set) in wanted {
            let mut set = |name: &str, value: &str| {
                set(&mut config, value).ok_or_else(|| refusal(name, value, takes))
            };
            let mut values = given.iter().filter(|(name, _)| *name == option).peekable();
            // Either option beats the environment of both.
            if values.peek().is_none() && !(has_token && TOKENS.contains(&option)) {
                let variable = variable(option);
                let value = match environment(&variable) {
                    // The value is not shown: it may be the token.
                    Err(VarError::NotUnicode(_)) => return Err(not_text(variable)),
                    // To be set and empty means not to be set; but a token must not fail open.
                    Ok(value) if !value.is_empty() || TOKENS.contains(&option) => Some(value),
                    _ => default(option),
                };
                value.iter().try_for_each(|value| set(&variable, value))?;
            }
            values.try_for_each(|(name, value)| set(name, value))?;
        }
        Ok(config)
    }

    /// Where a client on this machine finds the server.
    fn url(&self) -> String {
        self.listen.iter().flatten().next().map(|it| format!("http://{it}")).unwrap_or_default()
    }
}

/// What the help shows at the end of the option's line.
fn default(option: &str) -> Option<String> {
    let line = HELP.lines().find(|line| line.trim_start().starts_with(option))?;
    let shown = line.strip_suffix(']')?.rsplit_once('[')?.1;
    (shown != "none").then(|| shown.to_owned())
}

/// `--max-connections` is `ORDERPAY_MAX_CONNECTIONS`.
fn variable(option: &str) -> String {
    format!("ORDERPAY{}", option[1..].replace('-', "_").to_ascii_uppercase())
}

/// `name` is what the user called it. A token is a secret, so it is not repeated.
fn refusal(name: &str, value: &str, takes: &str) -> String {
    let shown = if takes == TOKEN { "(not shown)".into() } else { format!("{value:?}") };
    // An address of the right form is refused only because of its host.
    let has_form = |(host, port): (&str, &str)| !host.is_empty() && port.parse::<u16>().is_ok();
    let is_address = takes == ADDRESS && value.split_once(':').is_some_and(has_form);
    let advice = if is_address { "no such host is found" } else { &format!("it takes {takes}") };
    format!("{name} {shown} is not accepted: {advice}")
}

/// A variable can have several, with commas between them.
fn listen(value: &str) -> Option<Vec<Vec<SocketAddr>>> {
    value.split(',').map(|text| resolve(text.trim()).ok()).collect()
}

/// `HOST:PORT` → the addresses that it stands for. `localhost` is the loopback, of both families,
/// whatever a resolver says (RFC 6761, section 6.3): in an image of one file there is none to ask.
pub fn resolve(text: &str) -> io::Result<Vec<SocketAddr>> {
    match text.rsplit_once(':') {
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
            let port: u16 = port.parse().map_err(|_| ErrorKind::InvalidInput)?;
            Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()])
        }
        _ => text.to_socket_addrs().map(Iterator::collect),
    }
}

/// The max is longer than any demo, and far from what a clock can't add.
fn seconds(value: &str) -> Option<Duration> {
    const ACCEPTED: RangeInclusive<Duration> =
        Duration::from_millis(1)..=Duration::from_secs(100_000_000);
    decimal(value).filter(|it| ACCEPTED.contains(it))
}

fn pause(value: &str) -> Option<Duration> {
    decimal(value).filter(Duration::is_zero).or_else(|| seconds(value))
}

/// `60`, `0.5` or `.5`; by hand, because what reads and writes floating point takes 21 kB.
fn decimal(value: &str) -> Option<Duration> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    // Nanoseconds have nine digits.
    if fraction.len() > 9 || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let [whole, nanoseconds] = [format!("0{whole}"), format!("{fraction:0<9}")];
    Some(Duration::new(plain(&whole)?, plain(&nanoseconds)?))
}

fn number(value: &str) -> Option<usize> {
    plain(value).filter(|it| (1..=100_000_000).contains(it))
}

/// Digits and nothing else: no sign.
fn plain<T: FromStr>(value: &str) -> Option<T> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| is_plain)
}

/// `cgroup`, or bytes: a number, with a letter behind it that multiplies it, be it a small one.
fn memory(value: &str) -> Option<Option<usize>> {
    if value == "cgroup" {
        return Some(None);
    }
    let letter = value.chars().last()?.to_ascii_uppercase();
    let shift = ['K', 'M', 'G'].iter().position(|it| *it == letter).map_or(0, |at| 10 * (at + 1));
    let digits = if shift > 0 { &value[..value.len() - 1] } else { value };
    let bytes = plain::<usize>(digits)?.checked_mul(1 << shift)?;
    (bytes >= LEAST_MEMORY).then_some(Some(bytes))
}

/// The first line of a file. No header is longer than what is read of it.
fn token_in(path: &str) -> Option<String> {
    let mut line = String::new();
    let file = BufReader::new(File::open(path).ok()?);
    file.take(request::MAX_HEAD as u64).read_line(&mut line).ok()?;
    token(line.strip_suffix('\n').map_or(&*line, |it| it.strip_suffix('\r').unwrap_or(it)))
}

fn token(value: &str) -> Option<String> {
    let is_sendable = value.bytes().all(|byte| byte.is_ascii_graphic());
    (is_sendable && !value.is_empty()).then(|| value.to_owned())
}

fn flag(value: &str) -> Option<bool> {
    Some(["0", "1"].iter().position(|it| *it == value)? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses a command line, after its variables: `ORDERPAY_KEEP=5 --timeout 0.5`.
    fn parsed(line: &str) -> Result<Command, String> {
        let (variables, arguments): (Vec<_>, Vec<_>) =
            line.split(' ').filter(|it| !it.is_empty()).partition(|it| it.starts_with("ORDERPAY_"));
        parse(arguments.into_iter().map(OsString::from), &|name| {
            let value = |it: &&str| it.strip_prefix(name)?.strip_prefix('=').map(String::from);
            variables.iter().find_map(value).ok_or(VarError::NotPresent)
        })
    }

    fn config(line: &str) -> Config {
        match parsed(line) {
            Ok(Command::Serve(config)) => config,
            other => panic!("{line:?} became {other:?}"),
        }
    }

    fn ports(line: &str) -> Vec<Vec<u16>> {
        let ports = |addresses: Vec<SocketAddr>| addresses.iter().map(SocketAddr::port).collect();
        config(line).listen.into_iter().map(ports).collect()
    }

    #[test]
    fn help_fits_a_terminal_and_shows_each_option_with_its_default() {
        assert!(HELP.lines().count() < 24 && HELP.lines().all(|line| line.chars().count() <= 80));
        for (option, ..) in OPTIONS {
            let line = HELP.lines().find(|line| line.trim_start().starts_with(option));
            let line = line.unwrap_or_else(|| panic!("no help on {option}"));
            assert_eq!(line.ends_with(']'), option != "--quiet", "a flag alone has no default");
        }
    }

    #[test]
    fn without_options_all_is_as_promised() {
        let promised = Config {
            listen: vec![vec!["127.0.0.1:8888".parse().unwrap(), "[::1]:8888".parse().unwrap()]],
            limits: Limits {
                timeout: Duration::from_secs(60),
                heartbeat: Duration::from_secs(15),
                keep: Duration::from_secs(3600),
                remember: 65_536,
                results: 0,
                waiters: 0,
            },
            max_connections: 1024,
            memory: None,
            token: None,
            journal: None,
            quiet: false,
        };
        assert_eq!(config(""), promised);
    }

    #[test]
    fn an_option_beats_its_variable_and_the_variable_the_default() {
        assert_eq!(config("ORDERPAY_TIMEOUT=5").limits.timeout, Duration::from_secs(5));
        assert_eq!(
            config("ORDERPAY_TIMEOUT=5 --timeout 0.5").limits.timeout,
            Duration::from_millis(500)
        );
        assert_eq!(config("ORDERPAY_TIMEOUT= ").limits.timeout, Duration::from_secs(60));
        assert_eq!(config("ORDERPAY_MAX_CONNECTIONS=7").max_connections, 7);
        assert_eq!(ports("ORDERPAY_LISTEN=[::]:1 --listen 0.0.0.0:2"), [[2]]);
        assert_eq!(config("ORDERPAY_TOKEN_FILE=/no --token a").token.as_deref(), Some("a"));
        assert_eq!(config("ORDERPAY_TOKEN= --token a").token.as_deref(), Some("a"));
        assert!(config("ORDERPAY_QUIET=1").quiet && !config("ORDERPAY_QUIET=0").quiet);
    }

    #[test]
    fn a_value_stands_behind_a_space_or_an_equals_sign_and_the_last_one_counts() {
        assert_eq!(config("--token a=b").token.as_deref(), Some("a=b"));
        assert_eq!(config("--token=a=b").token.as_deref(), Some("a=b"));
        assert_eq!(config("--journal=x --journal y").journal, Some("y".into()));
        assert_eq!(config("--heartbeat 0 --keep 0.001").limits.heartbeat, Duration::ZERO);
    }

    #[test]
    fn memory_is_bytes_or_what_the_control_group_allows() {
        for (size, bytes) in
            [("8M", 8 << 20), ("8m", 8 << 20), ("1G", 1 << 30), ("4194304", 4 << 20)]
        {
            assert_eq!(config(&format!("--memory {size}")).memory, Some(bytes), "{size}");
        }
        assert_eq!(config("ORDERPAY_MEMORY=5000K --memory cgroup").memory, None);
    }

    #[test]
    fn seconds_may_be_fractions() {
        for (text, milliseconds) in
            [("60", 60_000), ("0.5", 500), (".5", 500), ("5.", 5000), ("01.250", 1250)]
        {
            assert_eq!(decimal(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", ".", "+1", "1e3", "1.-5", "1.2.3", "0.5s", "0.0000000001"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn one_can_listen_at_many_addresses() {
        assert_eq!(ports("--listen 0.0.0.0:1 --listen localhost:2"), [vec![1], vec![2, 2]]);
        assert_eq!(ports("ORDERPAY_LISTEN=127.0.0.1:1,[::1]:2"), [[1], [2]]);
    }

    #[test]
    fn every_command_is_known() {
        assert_eq!(parsed("--quiet --help"), Ok(Command::Help(HELP)));
        assert_eq!(parsed("healthcheck --help"), Ok(Command::Help(HEALTHCHECK_HELP)));
        assert_eq!(parsed("-V"), Ok(Command::Version));
        let healthcheck = |url: &str| Ok(Command::Healthcheck(url.into()));
        assert_eq!(parsed("healthcheck"), healthcheck("http://127.0.0.1:8888"));
        assert_eq!(parsed("ORDERPAY_LISTEN=[::1]:1 healthcheck"), healthcheck("http://[::1]:1"));
        assert_eq!(parsed("ORDERPAY_KEEP=x healthcheck http://h"), healthcheck("http://h"));
        // What else the server was told, is not for it: its token may be for the server's eyes only.
        let elsewhere =
            "ORDERPAY_TOKEN=a ORDERPAY_TOKEN_FILE=/no ORDERPAY_LISTEN=[::1]:1 healthcheck";
        assert_eq!(parsed(elsewhere), healthcheck("http://[::1]:1"));
    }

    #[test]
    fn every_error_names_the_mistake_its_value_and_what_is_accepted() {
        for (line, mistake, accepted) in [
            ("--listen", r#"--listen """#, ADDRESS),
            ("--listen 8888", r#"--listen "8888""#, ADDRESS),
            ("--listen=localhost:99999", r#"--listen "localhost:99999""#, ADDRESS),
            ("ORDERPAY_LISTEN=[::1]", r#"ORDERPAY_LISTEN "[::1]""#, ADDRESS),
            ("--timeout 0", r#"--timeout "0""#, SECONDS),
            ("--timeout 1e3", r#"--timeout "1e3""#, SECONDS),
            ("--timeout inf", r#"--timeout "inf""#, SECONDS),
            ("--keep 100000001", r#"--keep "100000001""#, SECONDS),
            ("ORDERPAY_KEEP=1h", r#"ORDERPAY_KEEP "1h""#, SECONDS),
            ("--heartbeat -1", r#"--heartbeat "-1""#, SECONDS_OR_NONE),
            ("--remember 0", r#"--remember "0""#, NUMBER),
            ("--remember +1", r#"--remember "+1""#, NUMBER),
            ("--max-connections 1.5", r#"--max-connections "1.5""#, NUMBER),
            ("--memory 4095K", r#"--memory "4095K""#, SIZE),
            ("--memory 8MB", r#"--memory "8MB""#, SIZE),
            ("--memory M", r#"--memory "M""#, SIZE),
            ("--memory 99999999999999999G", r#"--memory "99999999999999999G""#, SIZE),
            ("ORDERPAY_MEMORY=-1", r#"ORDERPAY_MEMORY "-1""#, SIZE),
            ("--token=", "--token (not shown)", TOKEN),
            ("ORDERPAY_TOKEN=", "ORDERPAY_TOKEN (not shown)", TOKEN),
            ("ORDERPAY_TOKEN=支付", "ORDERPAY_TOKEN (not shown)", TOKEN),
            ("--journal", r#"--journal """#, FILE),
            ("ORDERPAY_QUIET=yes", r#"ORDERPAY_QUIET "yes""#, FLAG),
            ("healthcheck https://h", r#"healthcheck "https://h""#, "http://HOST:PORT"),
            ("healthcheck a b", r#"healthcheck "b""#, "one URL at most, http://HOST:PORT"),
            ("--help=1", r#"--help "1""#, "no value"),
        ] {
            let expected = format!("{mistake} is not accepted: it takes {accepted}");
            assert_eq!(parsed(line), Err(expected), "{line:?}");
        }
    }

    #[test]
    fn what_is_no_option_is_told_which_there_are() {
        for (line, wrong) in
            [("--colour", "--colour"), ("--port=80", "--port"), ("serve", "serve"), ("-t 5", "-t")]
        {
            let expected = format!(
                "{wrong:?} is no option of orderpay, which has --listen, --timeout, --heartbeat, \
                 --keep, --remember, --memory, --max-connections, --token, --token-file, --journal, \
                 --quiet, --help, --version"
            );
            assert_eq!(parsed(line), Err(expected), "{line:?}");
        }
    }

    #[test]
    fn who_slips_is_told_which_option_they_may_mean() {
        for (line, wrong, meant) in [
            ("--timout 5", "--timout", "--timeout"),
            ("--tokne=secret", "--tokne", "--token"),
            ("-listen [::]:1", "-listen", "--listen"),
            ("keep 5", "keep", "--keep"),
            ("--max_connections 5", "--max_connections", "--max-connections"),
            ("--max 5", "--max", "--max-connections"),
            ("--versions", "--versions", "--version"),
        ] {
            let expected = format!("{wrong:?} is no option: did you mean {meant}?");
            assert_eq!(parsed(line), Err(expected), "{line:?}");
        }
    }

    #[test]
    fn a_host_that_is_not_found_is_not_called_a_wrong_form() {
        let problem = "is not accepted: no such host is found";
        for host in ["nosuchhost.invalid:1", "256.1.1.1:80"] {
            let expected = format!("--listen {host:?} {problem}");
            assert_eq!(parsed(&format!("--listen {host}")), Err(expected));
        }
    }

    #[test]
    fn localhost_needs_no_resolver_and_is_both_families() {
        let both = ["127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()];
        assert_eq!(resolve("localhost:80").unwrap(), both);
        assert_eq!(resolve("LOCALHOST:80").unwrap(), both);
    }

    #[test]
    fn numbers_stand_for_themselves() {
        for text in ["0.0.0.0:8888", "[::]:8888", "[fe80::1%1]:0"] {
            assert_eq!(resolve(text).unwrap(), [text.parse().unwrap()], "{text}");
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_an_error() {
        for text in ["", "localhost", "localhost:", "localhost:x", "localhost:65536", "::1", ":"] {
            assert!(resolve(text).is_err(), "{text:?}");
        }
    }
}
