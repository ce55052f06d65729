//! Bytes in: a whole request, more needed, or a refusal (RFC 9112). No I/O.
//!
//! It reads HTTP/1.0 and 1.1 with fixed-length bodies. Not supported, and refused: transfer
//! codings, folded fields, bodies past 4 KiB. Every limit stands beside its reason.

use std::borrow::Cow;

#[cfg(not(feature = "httparse"))]
use head::parse as parse_head;
#[cfg(feature = "httparse")]
use head_httparse::parse as parse_head;

pub mod head;
#[cfg(feature = "httparse")]
pub mod head_httparse;

/// RFC 9112, section 3: past this many bytes a request line is 414.
pub const MAX_LINE: usize = 4096;
/// RFC 6585, section 5: past this many bytes, with the empty line, a head is 431.
pub const MAX_HEAD: usize = 8192;
/// RFC 6585, section 5: past this many fields a head is 431.
pub const MAX_FIELDS: usize = 64;
/// RFC 9110, section 15.5.14: past this many bytes a body is 413.
pub const MAX_BODY: usize = 4096;

/// How far the bytes of a connection go.
#[derive(Debug, PartialEq)]
pub enum Progress<'b> {
    /// The head is not whole yet.
    Head,
    /// The head is whole and its body is not; the client may be waiting for `100 Continue`.
    Body { expects_continue: bool },
    /// A whole request, and its length in bytes.
    Whole(Request<'b>, usize),
}

/// A whole request, as far as this server cares.
#[derive(Debug, PartialEq)]
pub struct Request<'b> {
    pub method: &'b [u8],
    /// Percent-decoded once, without the query.
    pub path: Cow<'b, [u8]>,
    /// The client will take another answer on this connection (RFC 9112, section 9.3).
    pub keep_alive: bool,
    pub last_event_id: Option<&'b [u8]>,
    pub authorization: Option<&'b [u8]>,
    pub sec_fetch_site: Option<&'b [u8]>,
    pub sec_purpose: Option<&'b [u8]>,
    pub body: &'b [u8],
}

/// A head, cut into its parts, which obey the grammar but have not been understood.
#[derive(Debug, PartialEq)]
pub struct Head<'b> {
    pub method: &'b [u8],
    pub target: &'b [u8],
    pub version: Version,
    pub fields: Vec<Field<'b>>,
    /// In bytes, with the empty line.
    pub len: usize,
}

/// One field line: its name, and its value without the white space around it.
#[derive(Debug, PartialEq)]
pub struct Field<'b> {
    pub name: &'b [u8],
    pub value: &'b [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http10,
    Http11,
}

/// Why bytes are no request that this server reads. The connection ends with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// RFC 9112, section 3: not `METHOD SP TARGET SP HTTP/x.y`.
    RequestLine,
    /// RFC 9112, section 2.3: neither 1.0 nor 1.1.
    Version,
    /// RFC 9112, section 3: the request line is past [`MAX_LINE`].
    LineTooLong,
    /// RFC 9112, section 5: not `name: value`, or a control character.
    FieldLine,
    /// RFC 6585, section 5: past [`MAX_HEAD`] or [`MAX_FIELDS`].
    HeadTooLarge,
    /// RFC 9112, section 3.2: none in HTTP/1.1, or several, or none that names a host.
    Host,
    /// RFC 9112, section 6.3: not a plain number, differing ones, or beside a transfer coding.
    ContentLength,
    /// RFC 9112, section 6.1: no transfer coding is read here.
    TransferEncoding,
    /// RFC 9110, section 15.5.14: past [`MAX_BODY`].
    BodyTooLarge,
    /// RFC 9112, section 8: the client ended the connection in the middle of a request.
    Incomplete,
    /// RFC 9110, section 15.5.9: the rest of the request did not come in time.
    TooSlow,
}

/// The first request in `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Progress<'_>, Refusal> {
    let Some(head) = parse_head(bytes)? else { return Ok(Progress::Head) };
    let path = head.path()?;
    head.check_host()?;
    let body_len = head.body_len()?;
    let Some(body) = bytes[head.len..].get(..body_len) else {
        return Ok(Progress::Body { expects_continue: head.expects_continue() });
    };
    let request = Request {
        method: head.method,
        path,
        keep_alive: head.keep_alive(),
        last_event_id: head.field("last-event-id"),
        authorization: head.field("authorization"),
        sec_fetch_site: head.field("sec-fetch-site"),
        sec_purpose: head.field("sec-purpose"),
        body,
    };
    Ok(Progress::Whole(request, head.len + body_len))
}

impl<'b> Head<'b> {
    /// The values of all fields of this name (RFC 9110, section 5.1: case does not matter).
    fn all(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        let named = move |field: &&Field| field.name.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named).map(|field| field.value)
    }

    fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.all(name).next()
    }

    /// RFC 9112, section 3.2: the target's path, from its origin or its absolute form. The other
    /// forms (`*` and an authority) name nothing here; they are left for nobody to find.
    fn path(&self) -> Result<Cow<'b, [u8]>, Refusal> {
        let scheme = self.target.windows(3).position(|three| three == b"://");
        let path = match (self.target, scheme) {
            ([b'/', ..], _) => self.target,
            (_, Some(at)) if is_http(&self.target[..at]) => {
                let rest = &self.target[at + 3..];
                rest.iter()
                    .position(|b| matches!(b, b'/' | b'?'))
                    .map_or(&rest[..0], |at| &rest[at..])
            }
            (b"*", _) if self.method == b"OPTIONS" => self.target,
            _ if self.method == b"CONNECT" => self.target,
            _ => return Err(Refusal::RequestLine),
        };
        let path = path.split(|b| *b == b'?').next().unwrap_or(path);
        decode_percents(if path.is_empty() { b"/" } else { path })
    }

    fn check_host(&self) -> Result<(), Refusal> {
        let mut hosts = self.all("host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if host.iter().all(|b| is_host(*b)) => Ok(()),
            (None, None) if self.version == Version::Http10 => Ok(()),
            _ => Err(Refusal::Host),
        }
    }

    /// RFC 9112, section 6.3. Two answers to where a body ends are how requests are smuggled.
    fn body_len(&self) -> Result<usize, Refusal> {
        let mut lengths = self.all("content-length");
        let length = lengths.next();
        if self.field("transfer-encoding").is_some() {
            let both = length.is_some();
            return Err(if both { Refusal::ContentLength } else { Refusal::TransferEncoding });
        }
        let Some(digits) = length else { return Ok(0) };
        let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if !plain || lengths.any(|other| other != digits) {
            return Err(Refusal::ContentLength);
        }
        let length = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        length.filter(|length| *length <= MAX_BODY).ok_or(Refusal::BodyTooLarge)
    }

    /// RFC 9112, section 9.3; in HTTP/1.0 a connection is good for one request.
    fn keep_alive(&self) -> bool {
        let mut options = self.all("connection").flat_map(|value| value.split(|b| *b == b','));
        let closes = options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
        self.version == Version::Http11 && !closes
    }

    /// RFC 9110, section 10.1.1.
    fn expects_continue(&self) -> bool {
        let expects = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
        self.version == Version::Http11 && self.all("expect").any(expects)
    }
}

fn is_http(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")
}

/// RFC 3986, section 3.2.2: what may stand in a host and its port.
fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:[]%".contains(&byte)
}

/// RFC 3986, section 2.4: decoded once, and never again.
fn decode_percents(path: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    if !path.contains(&b'%') {
        return Ok(path.into());
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => (hex(*high)? << 4 | hex(*low)?, after),
            (b'%', _) => return Err(Refusal::RequestLine),
            _ => (first, after),
        };
        decoded.push(byte);
        rest = after;
    }
    Ok(decoded.into())
}

fn hex(digit: u8) -> Result<u8, Refusal> {
    let value = char::from(digit).to_digit(16).ok_or(Refusal::RequestLine)?;
    Ok(value as u8)
}
