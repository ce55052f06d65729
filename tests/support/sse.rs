//! What a browser makes of an event stream: WHATWG HTML, section 9.2, to the letter.

use std::collections::VecDeque;
use std::io;
use std::mem::take;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::{Client, PATIENCE, request};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: String,
    pub data: String,
    pub last_event_id: String,
}

/// Section 9.2.6: bytes in, in pieces of any size; events out.
#[derive(Default)]
pub struct Parser {
    /// What a browser would send as `Last-Event-ID`; an empty line makes it so, even one that dispatches nothing.
    pub last_event_id: String,
    pub retry: Option<Duration>,
    pub comments: usize,
    line: Vec<u8>,
    after_cr: bool,
    after_first_line: bool,
    kind: String,
    data: String,
    id: String,
}

impl Parser {
    /// A parser for a connection made after others, as in Chromium and Firefox: a stream that names no id leaves
    /// the one from before. (By the letter of 9.2.6 its first empty line would forget it.)
    pub fn after(last_event_id: &str) -> Parser {
        Parser {
            last_event_id: last_event_id.into(),
            id: last_event_id.into(),
            ..Parser::default()
        }
    }

    /// What is left unfinished at the end of the stream is discarded: so there is no `finish`.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        bytes.iter().filter_map(|byte| self.push_byte(*byte)).collect()
    }

    /// A line ends with LF, CR, or both.
    fn push_byte(&mut self, byte: u8) -> Option<Event> {
        let second_of_crlf = byte == b'\n' && self.after_cr;
        self.after_cr = byte == b'\r';
        match byte {
            b'\n' if second_of_crlf => None,
            b'\r' | b'\n' => self.end_line(),
            _ => {
                self.line.push(byte);
                None
            }
        }
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = if self.after_first_line {
            &text
        } else {
            text.strip_prefix('\u{feff}').unwrap_or(&text)
        };
        self.after_first_line = true;
        if text.is_empty() {
            return self.dispatch();
        }
        match text.split_once(':') {
            Some(("", _)) => self.comments += 1,
            Some((name, value)) => self.field(name, value.strip_prefix(' ').unwrap_or(value)),
            None => self.field(text, ""),
        }
        None
    }

    fn field(&mut self, name: &str, value: &str) {
        match name {
            "event" => value.clone_into(&mut self.kind),
            "data" => self.data += &format!("{value}\n"),
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if value.bytes().all(|it| it.is_ascii_digit()) => {
                self.retry = value.parse().map(Duration::from_millis).ok().or(self.retry);
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        self.last_event_id.clone_from(&self.id);
        let (kind, mut data) = (take(&mut self.kind), take(&mut self.data));
        data.pop()?;
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        Some(Event { kind, data, last_event_id: self.last_event_id.clone() })
    }
}

/// A client that behaves as a browser's `EventSource`: it comes back until it is closed or told to stop.
///
/// It runs in the thread that asks it for events.
pub struct EventSource {
    pub address: SocketAddr,
    /// What to wait at most before coming back, so that a test need not wait as long as the server asks for.
    pub longest_wait: Duration,
    pub last_event_id: String,
    /// Connections tried, the first one included.
    pub connections: usize,
    path: String,
    retry: Duration,
    ready: Ready,
    events: VecDeque<Event>,
}

enum Ready {
    Connecting { not_before: Instant },
    Open { client: Client, parser: Box<Parser> },
    Closed,
}

impl EventSource {
    pub fn new(address: SocketAddr, path: &str) -> EventSource {
        EventSource {
            address,
            longest_wait: PATIENCE,
            last_event_id: String::new(),
            connections: 0,
            path: path.to_owned(),
            retry: Duration::from_secs(3),
            ready: Ready::Connecting { not_before: Instant::now() },
            events: VecDeque::new(),
        }
    }

    /// The next event, or `None` when it is closed, by whichever side, or the deadline has passed.
    pub fn next(&mut self, deadline: Instant) -> Option<Event> {
        while self.events.is_empty() && !self.is_closed() && Instant::now() < deadline {
            self.step(deadline);
        }
        self.events.pop_front()
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.ready, Ready::Closed)
    }

    pub fn is_open(&self) -> bool {
        matches!(self.ready, Ready::Open { .. })
    }

    pub fn close(&mut self) {
        self.ready = Ready::Closed;
    }

    fn step(&mut self, deadline: Instant) {
        match &mut self.ready {
            Ready::Connecting { not_before } => {
                thread::sleep(
                    (*not_before).min(deadline).saturating_duration_since(Instant::now()),
                );
                if *not_before <= Instant::now() {
                    self.ready = self.connect().unwrap_or_else(|_| self.come_back());
                }
            }
            Ready::Open { client, parser } => {
                let ended = client
                    .try_more(deadline)
                    .is_err_and(|error| error.kind() != io::ErrorKind::TimedOut);
                self.events.extend(parser.push(&client.take_received()));
                self.last_event_id.clone_from(&parser.last_event_id);
                self.retry = parser.retry.unwrap_or(self.retry);
                if ended {
                    self.ready = self.come_back();
                }
            }
            Ready::Closed => {}
        }
    }

    /// Section 9.2.3: any answer but a 200 with an event stream closes it for good; a network error does not.
    fn connect(&mut self) -> io::Result<Ready> {
        self.connections += 1;
        let mut client = Client::try_connect(self.address)?;
        let fields = [("Accept", "text/event-stream"), ("Last-Event-ID", &self.last_event_id)];
        let fields = if self.last_event_id.is_empty() { &fields[..1] } else { &fields };
        client.try_send(request("GET", &self.path, fields, ""))?;
        let head = client.try_head()?;
        let is_stream =
            head.field("Content-Type").is_some_and(|it| it.starts_with("text/event-stream"));
        Ok(match head.status {
            200 if is_stream => {
                Ready::Open { client, parser: Box::new(Parser::after(&self.last_event_id)) }
            }
            _ => Ready::Closed,
        })
    }

    fn come_back(&self) -> Ready {
        Ready::Connecting { not_before: Instant::now() + self.retry.min(self.longest_wait) }
    }
}
