//! What a browser makes of an event stream: WHATWG HTML, section 9.2, to the letter.

use std::mem::take;
use std::time::Duration;

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

/// What a browser dispatches: type, data, last event ID.
pub type Dispatched = (&'static str, &'static str, &'static str);

/// The examples of WHATWG HTML, section 9.2.6, and what its grammar says at the edges.
pub const STREAMS: &[(&str, &[Dispatched])] = &[
    ("data: YHOO\ndata: +2\ndata: 10\n\n", &[("message", "YHOO\n+2\n10", "")]),
    (
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        &[
            ("message", "first event", "1"),
            ("message", "second event", ""),
            ("message", " third event", ""),
        ],
    ),
    ("data\n\ndata\ndata\n\ndata:", &[("message", "", ""), ("message", "\n", "")]),
    ("data:test\n\ndata: test\n\n", &[("message", "test", ""), ("message", "test", "")]),
    (
        "data:a\r\rdata:b\r\n\r\ndata:c\n\n",
        &[("message", "a", ""), ("message", "b", ""), ("message", "c", "")],
    ),
    ("\u{feff}data:after a BOM\n\n", &[("message", "after a BOM", "")]),
    ("\u{feff}\u{feff}data:only one\n\n", &[]),
    ("data:a\n\u{feff}data:not at the start\n\n", &[("message", "a", "")]),
    ("event:pay\ndata:a\n\ndata:b\n\n", &[("pay", "a", ""), ("message", "b", "")]),
    ("event:no data\n\ndata:b\n\n", &[("message", "b", "")]),
    ("id:1\ndata:a\n\nid:2\0\ndata:b\n\n", &[("message", "a", "1"), ("message", "b", "1")]),
    ("id:1\n\ndata:a\n\n", &[("message", "a", "1")]),
    ("Data:a\nfoo:b\n data:c\n\n", &[]),
    ("data:never ended\n", &[]),
    ("id:1\ndata:a\n\nid:2\ndata:b\n", &[("message", "a", "1")]),
    ("retry:1000\nretry:1s\nretry:-1\nretry\ndata:a\n\nretry:a\nbc\n", &[("message", "a", "")]),
    ("data:a\u{2028}b\u{0}c\n\n", &[("message", "a\u{2028}b\u{0}c", "")]),
    (
        "data:支付成功\n\nevent:finish\nid:6666\ndata:哈哈\n\n",
        &[("message", "支付成功", ""), ("finish", "哈哈", "6666")],
    ),
];

pub fn events(dispatched: &[Dispatched]) -> Vec<Event> {
    let event = |(kind, data, id): &Dispatched| Event {
        kind: (*kind).into(),
        data: (*data).into(),
        last_event_id: (*id).into(),
    };
    dispatched.iter().map(event).collect()
}
