//! An answer: its status, its head, and the one place that writes one (RFC 9110 and 9112).

use std::borrow::Cow;
use std::io::Write;
use std::time::SystemTime;

use crate::request::{MAX_BODY, MAX_FIELDS, MAX_HEAD, MAX_LINE, Refusal};
use crate::utc::Utc;

/// RFC 9110, section 15, and RFC 6585.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Ok = 200,
    NoContent = 204,
    Found = 302,
    BadRequest = 400,
    Unauthorized = 401,
    Forbidden = 403,
    NotFound = 404,
    MethodNotAllowed = 405,
    RequestTimeout = 408,
    ContentTooLarge = 413,
    UriTooLong = 414,
    FieldsTooLarge = 431,
    NotImplemented = 501,
    ServiceUnavailable = 503,
    VersionNotSupported = 505,
}

impl Status {
    /// The three digits.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// RFC 9112, section 4: a reason phrase is for people.
    fn reason(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::NoContent => "No Content",
            Status::Found => "Found",
            Status::BadRequest => "Bad Request",
            Status::Unauthorized => "Unauthorized",
            Status::Forbidden => "Forbidden",
            Status::NotFound => "Not Found",
            Status::MethodNotAllowed => "Method Not Allowed",
            Status::RequestTimeout => "Request Timeout",
            Status::ContentTooLarge => "Content Too Large",
            Status::UriTooLong => "URI Too Long",
            Status::FieldsTooLarge => "Request Header Fields Too Large",
            Status::NotImplemented => "Not Implemented",
            Status::ServiceUnavailable => "Service Unavailable",
            Status::VersionNotSupported => "HTTP Version Not Supported",
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Response {
    pub status: Status,
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    pub body: Cow<'static, str>,
}

impl Response {
    /// An answer without a body.
    pub fn empty(status: Status) -> Self {
        Response { status, fields: Vec::new(), body: Cow::Borrowed("") }
    }

    /// An answer with a body of this media type.
    pub fn new(status: Status, media: &'static str, body: impl Into<Cow<'static, str>>) -> Self {
        Response { status, fields: Vec::new(), body: body.into() }.with("Content-Type", media)
    }

    /// Plain text: one line.
    pub fn text(status: Status, line: impl Into<Cow<'static, str>>) -> Self {
        Response::new(status, "text/plain;charset=UTF-8", line)
    }

    /// One more field.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Writes the whole answer behind what is in `out`; without its body if it answers a `HEAD`.
    pub fn write(&self, out: &mut Vec<u8>, now: SystemTime, keep_alive: bool, head_only: bool) {
        write_head(out, self.status, now);
        for (name, value) in &self.fields {
            write_field(out, name, value.as_bytes());
        }
        if self.status != Status::NoContent {
            write_field(out, "Content-Length", self.body.len().to_string().as_bytes());
        }
        if !keep_alive {
            write_field(out, "Connection", b"close");
        }
        out.extend_from_slice(b"\r\n");
        if !head_only {
            out.extend_from_slice(self.body.as_bytes());
        }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Response {
        let status = match refusal {
            Refusal::RequestLine
            | Refusal::Target
            | Refusal::FieldLine
            | Refusal::Host
            | Refusal::ContentLength
            | Refusal::Incomplete => Status::BadRequest,
            Refusal::TooSlow => Status::RequestTimeout,
            Refusal::BodyTooLarge => Status::ContentTooLarge,
            Refusal::LineTooLong => Status::UriTooLong,
            Refusal::HeadTooLarge => Status::FieldsTooLarge,
            Refusal::TransferEncoding => Status::NotImplemented,
            Refusal::Version => Status::VersionNotSupported,
        };
        Response::text(status, advice(refusal) + "\n")
    }
}

/// What was wrong, and what would be right.
fn advice(refusal: Refusal) -> String {
    match refusal {
        Refusal::RequestLine => "the first line is no request: try GET /sse/test HTTP/1.1".into(),
        Refusal::Target => {
            "what is asked for is no path: try /sse/test, and %25 for a percent sign".into()
        }
        Refusal::FieldLine => "a header line is `Name: value` without control bytes".into(),
        Refusal::Host => "a request needs one Host field with a host's name".into(),
        Refusal::ContentLength => "Content-Length is one plain number, and stands alone".into(),
        Refusal::Incomplete => "the request ended before it was whole".into(),
        Refusal::TooSlow => "the request did not come whole in time".into(),
        Refusal::BodyTooLarge => format!("a body has at most {MAX_BODY} bytes"),
        Refusal::LineTooLong => format!("a request line has at most {MAX_LINE} bytes"),
        Refusal::HeadTooLarge => {
            format!("a head has at most {MAX_HEAD} bytes and {MAX_FIELDS} fields")
        }
        Refusal::TransferEncoding => "no transfer coding is read: send a Content-Length".into(),
        Refusal::Version => "only HTTP/1.0 and HTTP/1.1 are spoken here".into(),
    }
}

/// The head of an event stream, whose body ends with the connection (RFC 9112, section 6.3, case 8).
///
/// `no-transform` and `X-Accel-Buffering` keep proxies from holding events back.
pub fn stream_head(now: SystemTime) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    write_head(&mut head, Status::Ok, now);
    write_field(&mut head, "Content-Type", b"text/event-stream;charset=UTF-8");
    write_field(&mut head, "Cache-Control", b"no-store, no-transform");
    write_field(&mut head, "X-Accel-Buffering", b"no");
    write_field(&mut head, "Connection", b"close");
    head.extend_from_slice(b"\r\n");
    head
}

fn write_head(out: &mut Vec<u8>, status: Status, now: SystemTime) {
    // Writing to a Vec does not fail.
    let _ = write!(out, "HTTP/1.1 {} {}\r\nDate: ", status.code(), status.reason());
    write_date(out, now);
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// RFC 9110, section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn write_date(out: &mut Vec<u8>, now: SystemTime) {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Utc { days, year, month, day, hour, minute, second, .. } = Utc::from(now);
    let weekday = DAYS[(days % 7) as usize];
    let month = MONTHS[month as usize - 1];
    let _ = write!(out, "{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn written(response: Response, keep_alive: bool, head_only: bool) -> String {
        let mut out = Vec::new();
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        response.write(&mut out, now, keep_alive, head_only);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_answer_has_a_date_a_type_and_a_length() {
        assert_eq!(
            written(Response::text(Status::Ok, "ok"), true, false),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 2\r\n\r\nok"
        );
    }

    #[test]
    fn the_answer_to_head_has_the_length_but_not_the_body() {
        assert_eq!(
            written(Response::text(Status::NotFound, "none").with("Allow", "GET"), false, true),
            "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Type: text/plain;charset=UTF-8\r\nAllow: GET\r\nContent-Length: 4\r\n\
             Connection: close\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_without_content_has_no_length() {
        assert_eq!(
            written(Response::empty(Status::NoContent), true, false),
            "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
        );
    }
}
