//! An answer: its status, its head, and the one place that writes one (RFC 9110 and 9112).

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::time::SystemTime;

use crate::utc::Utc;

/// RFC 9110, section 15, and RFC 6585: each status that is given here, and its reason phrase, which
/// is for people (RFC 9112, section 4).
pub const STATUSES: [(u16, &str); 15] = [
    (200, "OK"),
    (204, "No Content"),
    (302, "Found"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (408, "Request Timeout"),
    (413, "Content Too Large"),
    (414, "URI Too Long"),
    (431, "Request Header Fields Too Large"),
    (501, "Not Implemented"),
    (503, "Service Unavailable"),
    (505, "HTTP Version Not Supported"),
];

/// RFC 9110, sections 15.5 and 15.6: from this status on, it is an error.
pub const FIRST_ERROR: u16 = 400;

/// In bytes: of the lines that all heads have, and of fields of their own. Memory for an answer is asked
/// for once, and not bit by bit, which would be the most of what it costs here.
const HEAD_ROOM: usize = 160;
const FIELDS_ROOM: usize = 128;

/// A whole answer.
#[derive(Debug, PartialEq)]
pub struct Response {
    pub status: u16,
    /// Field lines, as they go over the wire.
    fields: String,
    pub body: Cow<'static, str>,
}

impl Response {
    /// An answer without a body, which no cache may give again (RFC 9111, section 5.2.2.5).
    pub fn empty(status: u16) -> Self {
        let fields = String::with_capacity(FIELDS_ROOM);
        Response { status, fields, body: "".into() }.with("Cache-Control", "no-store")
    }

    /// An answer with a body of this media type.
    pub fn new(status: u16, media: &str, body: impl Into<Cow<'static, str>>) -> Self {
        Response { body: body.into(), ..Response::empty(status) }.with("Content-Type", media)
    }

    /// A file that a cache has to ask for each time: another server may have another one.
    pub fn file(media: &str, body: &'static str) -> Self {
        Response { status: 200, fields: String::new(), body: body.into() }
            .with("Content-Type", media)
            .with("Cache-Control", "no-cache")
            .with("X-Content-Type-Options", "nosniff")
    }

    /// Plain text.
    pub fn text(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Response::new(status, "text/plain;charset=UTF-8", text)
    }

    /// An error: one line that says what was wrong, and what would be right.
    pub fn error(status: u16, advice: impl Display) -> Self {
        Response::text(status, format!("{advice}\n"))
    }

    /// Adds a field.
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        // Nothing fails that is written to memory.
        let _ = write!(self.fields, "{name}: {value}\r\n");
        self
    }

    /// All of it as it goes over the wire; without its body if it answers a `HEAD`.
    pub fn to_bytes(&self, now: SystemTime, keep_alive: bool, head_only: bool) -> Vec<u8> {
        let mut bytes = head(self.status, now, self.fields.len() + self.body.len()) + &self.fields;
        if self.status != 204 {
            let _ = write!(bytes, "Content-Length: {}\r\n", self.body.len());
        }
        bytes += if keep_alive { "\r\n" } else { "Connection: close\r\n\r\n" };
        bytes += if head_only { "" } else { &self.body };
        bytes.into()
    }
}

/// The head of an event stream, whose body ends with the connection (RFC 9112, section 6.3, case 8).
///
/// `no-transform` and `X-Accel-Buffering` keep proxies from holding events back.
pub fn stream_head(now: SystemTime) -> Vec<u8> {
    let fields = "Content-Type: text/event-stream;charset=UTF-8\r\n\
                  Cache-Control: no-store, no-transform\r\n\
                  X-Accel-Buffering: no\r\n\
                  Connection: close\r\n\r\n";
    (head(200, now, fields.len()) + fields).into()
}

/// The first two lines of every head, with room for so many bytes more than all heads have.
fn head(status: u16, now: SystemTime, more: usize) -> String {
    let reason = STATUSES.iter().find(|(it, _)| *it == status).map_or("", |(_, reason)| reason);
    let mut head = String::with_capacity(HEAD_ROOM + more);
    let _ = write!(head, "HTTP/1.1 {status} {reason}\r\nDate: {:#}\r\n", Utc::from(now));
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn written(response: Response, keep_alive: bool, head_only: bool) -> String {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        String::from_utf8(response.to_bytes(now, keep_alive, head_only)).unwrap()
    }

    #[test]
    fn an_answer_has_a_date_a_type_and_a_length() {
        assert_eq!(
            written(Response::text(200, "ok"), true, false),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Cache-Control: no-store\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 2\r\n\r\nok"
        );
    }

    #[test]
    fn the_answer_to_head_has_the_length_but_not_the_body() {
        assert_eq!(
            written(Response::text(404, "none").with("Allow", "GET"), false, true),
            "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Cache-Control: no-store\r\nContent-Type: text/plain;charset=UTF-8\r\nAllow: GET\r\nContent-Length: 4\r\n\
             Connection: close\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_without_content_has_no_length() {
        assert_eq!(
            written(Response::empty(204), true, false),
            "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Cache-Control: no-store\r\n\r\n"
        );
    }
}
