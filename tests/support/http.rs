//! Requests to write and answers to read, strict in what they take.

use std::io;
use std::str;

use super::SETTLED;

/// One whole answer.
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub raw: Vec<u8>,
}

impl Answer {
    /// Reads a head that ends in an empty line; the body is still to come.
    pub fn from_head(raw: &[u8]) -> io::Result<Answer> {
        let malformed = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{:?}", String::from_utf8_lossy(raw)),
            )
        };
        let text = str::from_utf8(raw)
            .ok()
            .and_then(|it| it.strip_suffix("\r\n\r\n"))
            .ok_or_else(malformed)?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(status_in).ok_or_else(malformed)?;
        let fields = lines.map(field_in).collect::<Option<_>>().ok_or_else(malformed)?;
        Ok(Answer { status, fields, body: Vec::new(), raw: raw.to_vec() })
    }

    /// The value of a field that stands there once at most.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name));
        let first = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "more than one {name}");
        first
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body in UTF-8")
    }

    /// The bytes as they came, the date masked: the same for every run.
    pub fn masked(&self) -> String {
        mask_times(&self.raw)
    }
}

/// Puts `…` in the place of each date, which must have the form of RFC 9110, section 5.6.7, and of how long ago an order
/// was settled.
pub fn mask_times(raw: &[u8]) -> String {
    const NAME: &str = "Date: ";
    let text = str::from_utf8(raw).expect("UTF-8");
    let mask = |line: &str| match line.strip_prefix(NAME) {
        Some(date) => {
            assert!(looks_like_a_date(date.trim_end()), "not a date: {date:?}");
            format!("{NAME}…{}", &date[date.trim_end().len()..])
        }
        None if settled_ago(line).is_some() => SETTLED.to_owned(),
        None => line.to_owned(),
    };
    text.split_inclusive('\n').map(mask).collect()
}

/// The seconds in the comment before a result that was there already: `:settled 12.345 s ago`.
pub fn settled_ago(line: &str) -> Option<f64> {
    let seconds = line.strip_prefix(":settled ")?.strip_suffix(" s ago\n")?;
    let (whole, thousandths) = seconds.split_once('.')?;
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit());
    let is_one = is_number(whole) && is_number(thousandths) && thousandths.len() == 3;
    seconds.parse().ok().filter(|_| is_one)
}

/// Has it the shape of `Sun, 06 Nov 1994 08:49:37 GMT`?
fn looks_like_a_date(date: &str) -> bool {
    let shape = |byte: u8| match byte {
        b'0'..=b'9' => '0',
        b'A'..=b'Z' => 'A',
        b'a'..=b'z' => 'a',
        other => other as char,
    };
    date.bytes().map(shape).collect::<String>() == "Aaa, 00 Aaa 0000 00:00:00 AAA"
        && date.ends_with("GMT")
}

/// A request as bytes, with a `Host`, and with a length when there is a body.
pub fn request(
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Vec<u8> {
    let body = body.as_ref();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// Reads `HTTP/1.1 200 OK`.
fn status_in(line: &str) -> Option<u16> {
    let (digits, reason) = line.strip_prefix("HTTP/1.1 ")?.split_once(' ')?;
    let is_status = digits.len() == 3 && digits.bytes().all(|it| it.is_ascii_digit());
    digits.parse().ok().filter(|_| is_status && !reason.is_empty())
}

/// Reads `Name: value`, the space left to whoever wrote it: not every answer here is ours.
fn field_in(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim_matches([' ', '\t']);
    let is_clean = |text: &str| !text.is_empty() && !text.contains(|it: char| it.is_control());
    (is_clean(name) && is_clean(value) && !name.contains(' '))
        .then(|| (name.to_owned(), value.to_owned()))
}
