//! A browser's `EventSource`: WHATWG HTML, section 9.2.3.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::sse::{Event, Parser};
use super::{Client, PATIENCE, request};

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

    /// Its network fails: what has not arrived never will, and it comes back.
    pub fn lose_connection(&mut self) {
        if self.is_open() {
            self.ready = self.come_back();
        }
    }

    /// Connects, or waits for bytes; once.
    pub fn step(&mut self, deadline: Instant) {
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
                // What came with the head is there already.
                let is_end = |error: io::Error| error.kind() != io::ErrorKind::TimedOut;
                let ended =
                    client.received.is_empty() && client.try_more(deadline).is_err_and(is_end);
                // Nobody listens to the opening, on the original's page.
                let events = parser.push(&client.take_received()).into_iter();
                self.events.extend(events.filter(|event| event.kind != "waiting"));
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
