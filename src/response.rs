//! An answer: its status, its head, and the one place that writes one (RFC 9110 and 9112).

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use crate::request::{MAX_BODY, MAX_FIELDS, MAX_HEAD, MAX_LINE, RequestError};
use crate::utc::Utc;

/// Each status once: its name, its code, and its reason phrase, which is for people (RFC 9112,
/// section 4).
macro_rules! statuses {
    ($($name:ident = $code:literal $reason:literal,)*) => {
        /// RFC 9110, section 15, and RFC 6585.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Status { $($name = $code,)* }

        /// Every status, with its reason phrase.
        pub const STATUSES: &[(Status, &str)] = &[$((Status::$name, $reason),)*];
    };
}

statuses! {
    Ok = 200 "OK",
    NoContent = 204 "No Content",
    Found = 302 "Found",
    BadRequest = 400 "Bad Request",
    Unauthorized = 401 "Unauthorized",
    Forbidden = 403 "Forbidden",
    NotFound = 404 "Not Found",
    MethodNotAllowed = 405 "Method Not Allowed",
    RequestTimeout = 408 "Request Timeout",
    ContentTooLarge = 413 "Content Too Large",
    UriTooLong = 414 "URI Too Long",
    FieldsTooLarge = 431 "Request Header Fields Too Large",
    NotImplemented = 501 "Not Implemented",
    ServiceUnavailable = 503 "Service Unavailable",
    VersionNotSupported = 505 "HTTP Version Not Supported",
}

impl Status {
    /// The three digits.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// RFC 9110, sections 15.5 and 15.6.
    pub fn is_error(self) -> bool {
        self.code() >= 400
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Response {
    pub status: Status,
    fields: Vec<(&'static str, Cow<'static, str>)>,
    pub body: Cow<'static, str>,
}

impl Response {
    /// An answer without a body, which no cache may give again (RFC 9111, section 5.2.2.5).
    pub fn empty(status: Status) -> Self {
        let fields = vec![("Cache-Control", "no-store".into())];
        Response { status, fields, body: "".into() }
    }

    /// An answer with a body of this media type.
    pub fn new(status: Status, media: &'static str, body: impl Into<Cow<'static, str>>) -> Self {
        Response { body: body.into(), ..Response::empty(status) }.with("Content-Type", media)
    }

    /// Plain text.
    pub fn text(status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        Response::new(status, "text/plain;charset=UTF-8", text)
    }

    /// An error: one line that says what was wrong, and what would be right.
    pub fn error(status: Status, advice: impl fmt::Display) -> Self {
        Response::text(status, format!("{advice}\n"))
    }

    /// Sets a field.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.fields.retain(|(other, _)| *other != name);
        self.fields.push((name, value.into()));
        self
    }

    /// All of it as it goes over the wire; without its body if it answers a `HEAD`.
    pub fn to_bytes(&self, now: SystemTime, keep_alive: bool, head_only: bool) -> Vec<u8> {
        let mut out = head(self.status, now);
        for (name, value) in &self.fields {
            write_field(&mut out, name, value);
        }
        if self.status != Status::NoContent {
            write_field(&mut out, "Content-Length", &self.body.len().to_string());
        }
        if !keep_alive {
            write_field(&mut out, "Connection", "close");
        }
        out.extend_from_slice(b"\r\n");
        if !head_only {
            out.extend_from_slice(self.body.as_bytes());
        }
        out
    }
}

/// What was wrong with a request, and what would be right.
impl From<RequestError> for Response {
    #[rustfmt::skip] // A table.
    fn from(error: RequestError) -> Response {
        use RequestError as Error;
        match error {
            Error::RequestLine => Response::error(Status::BadRequest,
                "the first line is no request: try GET /sse/test HTTP/1.1"),
            Error::Target => Response::error(Status::BadRequest,
                "what is asked for is no path: try /sse/test, and %25 for a percent sign"),
            Error::Version => Response::error(Status::VersionNotSupported,
                "only HTTP/1.0 and HTTP/1.1 are spoken here"),
            Error::LineTooLong => Response::error(Status::UriTooLong,
                format_args!("a request line has at most {MAX_LINE} bytes")),
            Error::FieldLine => Response::error(Status::BadRequest,
                "a header line is `Name: value` without control bytes"),
            Error::HeadTooLarge => Response::error(Status::FieldsTooLarge,
                format_args!("a head has at most {MAX_HEAD} bytes and {MAX_FIELDS} fields")),
            Error::Host => Response::error(Status::BadRequest,
                "a request needs one Host field with a host's name"),
            Error::ContentLength => Response::error(Status::BadRequest,
                "Content-Length is one plain number, and stands alone"),
            Error::TransferEncoding => Response::error(Status::NotImplemented,
                "no transfer coding is read: send a Content-Length"),
            Error::BodyTooLarge => Response::error(Status::ContentTooLarge,
                format_args!("a body has at most {MAX_BODY} bytes")),
            Error::Incomplete => Response::error(Status::BadRequest,
                "the request ended before it was whole"),
            Error::TooSlow => Response::error(Status::RequestTimeout,
                "the request did not come whole in time"),
        }
    }
}

/// The head of an event stream, whose body ends with the connection (RFC 9112, section 6.3, case 8).
///
/// `no-transform` and `X-Accel-Buffering` keep proxies from holding events back.
pub fn stream_head(now: SystemTime) -> Vec<u8> {
    let mut out = head(Status::Ok, now);
    write_field(&mut out, "Content-Type", "text/event-stream;charset=UTF-8");
    write_field(&mut out, "Cache-Control", "no-store, no-transform");
    write_field(&mut out, "X-Accel-Buffering", "no");
    write_field(&mut out, "Connection", "close");
    out.extend_from_slice(b"\r\n");
    out
}

/// The first two lines of every head.
fn head(status: Status, now: SystemTime) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let reason = STATUSES.iter().find(|(it, _)| *it == status).map_or("", |(_, reason)| reason);
    // Writing to a Vec does not fail.
    let _ = write!(out, "HTTP/1.1 {} {reason}\r\nDate: ", status.code());
    write_date(&mut out, now);
    out.extend_from_slice(b"\r\n");
    out
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
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
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        String::from_utf8(response.to_bytes(now, keep_alive, head_only)).unwrap()
    }

    #[test]
    fn an_answer_has_a_date_a_type_and_a_length() {
        assert_eq!(
            written(Response::text(Status::Ok, "ok"), true, false),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Cache-Control: no-store\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 2\r\n\r\nok"
        );
    }

    #[test]
    fn the_answer_to_head_has_the_length_but_not_the_body() {
        assert_eq!(
            written(Response::text(Status::NotFound, "none").with("Allow", "GET"), false, true),
            "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Cache-Control: no-store\r\nContent-Type: text/plain;charset=UTF-8\r\nAllow: GET\r\nContent-Length: 4\r\n\
             Connection: close\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_without_content_has_no_length() {
        assert_eq!(
            written(Response::empty(Status::NoContent), true, false),
            "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Cache-Control: no-store\r\n\r\n"
        );
    }
}
