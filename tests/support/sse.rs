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
