//! Bytes in: a whole request, more needed, or a refusal (RFC 9112). No I/O.
//!
//! It reads HTTP/1.0 and 1.1 with fixed-length bodies. Not supported, and refused: transfer
//! codings, folded fields, bodies past 4 KiB. Every limit stands beside its reason.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::str;

#[cfg(not(feature = "httparse"))]
use head::parse as parse_head;
#[cfg(feature = "httparse")]
use head_httparse::parse as parse_head;

pub mod head;
#[cfg(feature = "httparse")]
pub mod head_httparse;

/// RFC 9112, section 3: past this many bytes, without its end, a request line is 414.
pub const MAX_LINE: usize = 4096;
/// RFC 6585, section 5: past this many bytes a head is 431.
pub const MAX_HEAD: usize = 8192;
/// RFC 6585, section 5: past this many fields a head is 431.
pub const MAX_FIELDS: usize = 64;
/// RFC 9110, section 15.5.14: past this many bytes a body is 413.
pub const MAX_BODY: usize = 4096;

/// RFC 8446, section 5.1: the first byte of whoever speaks TLS.
const TLS: u8 = 22;

/// How far the bytes of a connection go.
#[derive(Debug, PartialEq)]
pub enum Progress<'b> {
    /// RFC 9112, section 2.2: no request has begun; so many bytes are empty lines, which mean nothing.
    Idle { empty_lines: usize },
    /// The head is not whole yet.
    Head,
    /// The head is whole and its body is not; the client may be waiting for `100 Continue`.
    Body { expects_continue: bool },
    /// A whole request, and its length in bytes.
    Whole(Request<'b>, usize),
}

/// A whole request.
#[derive(Debug, PartialEq)]
pub struct Request<'b> {
    pub head: Head<'b>,
    /// Percent-decoded once, without the query.
    pub path: Cow<'b, [u8]>,
    pub body: &'b [u8],
}

/// A head, cut into its parts, which obey the grammar but have not been understood.
#[derive(Debug, PartialEq)]
pub struct Head<'b> {
    pub method: &'b [u8],
    pub target: &'b [u8],
    /// RFC 9112, section 2.3: of HTTP/1, which is 1.0 or 1.1.
    pub minor_version: u8,
    /// The name of each, and its value without the white space around it.
    pub fields: Vec<(&'b [u8], &'b [u8])>,
    /// In bytes.
    pub len: usize,
}

/// Why bytes are no request that this server reads: the status of the answer, and what would be
/// right. The connection ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestError(pub u16, pub &'static str);

impl RequestError {
    /// RFC 9112, section 3: not `METHOD SP TARGET SP HTTP/x.y`.
    pub const REQUEST_LINE: Self =
        Self(400, "the first line is no request: try GET /sse/test HTTP/1.1");
    /// RFC 9112, section 3.2: neither a path nor the URL of one, or a `%` without its two digits.
    pub const TARGET: Self =
        Self(400, "what is asked for is no path: try /sse/test, and %25 for a percent sign");
    /// RFC 9112, section 2.3: neither 1.0 nor 1.1.
    pub const VERSION: Self = Self(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    /// RFC 9112, section 3: the request line is past [`MAX_LINE`].
    pub const LINE_TOO_LONG: Self = Self(414, "a request line has at most 4096 bytes");
    /// RFC 9112, section 5: not `name: value`, or a control character.
    pub const FIELD_LINE: Self = Self(400, "a header line is `Name: value` without control bytes");
    /// RFC 6585, section 5: past [`MAX_HEAD`] or [`MAX_FIELDS`].
    pub const HEAD_TOO_LARGE: Self = Self(431, "a head has at most 8192 bytes and 64 fields");
    /// RFC 9112, section 3.2: none in HTTP/1.1, or several, or not a host.
    pub const HOST: Self = Self(400, "a request needs one Host field with a host's name");
    /// RFC 9112, section 6.3: not a plain number, differing ones, or beside a transfer coding.
    pub const CONTENT_LENGTH: Self =
        Self(400, "Content-Length is one plain number, and stands alone");
    /// RFC 9112, section 6.1: no transfer coding is read here.
    pub const TRANSFER_ENCODING: Self =
        Self(501, "no transfer coding is read: send a Content-Length");
    /// RFC 9110, section 15.5.14: past [`MAX_BODY`].
    pub const BODY_TOO_LARGE: Self = Self(413, "a body has at most 4096 bytes");
    /// RFC 9112, section 8: the client ended the connection in the middle of a request.
    pub const INCOMPLETE: Self = Self(400, "the request ended before it was whole");
    /// RFC 9110, section 15.5.9: the rest of the request did not come in time.
    pub const TOO_SLOW: Self = Self(408, "the request did not come whole in time");
}

/// The first request in `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Progress<'_>, RequestError> {
    let empty_lines = empty_lines(bytes);
    let bytes = &bytes[empty_lines..];
    if let [] | [b'\r'] = bytes {
        return Ok(Progress::Idle { empty_lines });
    }
    let Some(head) = parse_head(whole_lines(bytes)?)? else {
        let too_large = bytes.len() > MAX_HEAD;
        return if too_large { Err(RequestError::HEAD_TOO_LARGE) } else { Ok(Progress::Head) };
    };
    let path = head.path()?;
    head.check_host()?;
    let body_len = head.body_len()?;
    let Some(body) = bytes[head.len..].get(..body_len) else {
        return Ok(Progress::Body { expects_continue: head.expects_continue() });
    };
    let len = empty_lines + head.len + body_len;
    Ok(Progress::Whole(Request { head, path, body }, len))
}

/// RFC 9112, section 2.2: so many bytes of empty lines before a request are let pass.
pub fn empty_lines(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] = rest {
        rest = after;
    }
    bytes.len() - rest.len()
}

/// Whether what begins here, a request or not, asks for an answer without a body (RFC 9110,
/// section 9.3.2).
pub fn is_head(bytes: &[u8]) -> bool {
    bytes[empty_lines(bytes)..].starts_with(b"HEAD ")
}

/// The whole lines at the start of `bytes`, as far as a head may go. A line is judged when it is
/// whole and not before, except for the length of the first; and except for TLS, which many browsers
/// try first: told at once that it is not spoken here, they come back without.
pub fn whole_lines(bytes: &[u8]) -> Result<&[u8], RequestError> {
    let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
    if bytes.first() == Some(&TLS) {
        return Err(RequestError::REQUEST_LINE);
    }
    if first_line(bytes).len() > MAX_LINE {
        return Err(RequestError::LINE_TOO_LONG);
    }
    let end = bytes.iter().rposition(|b| *b == b'\n');
    Ok(&bytes[..end.map_or(0, |end| end + 1)])
}

/// Up to the end of a line, or of all. RFC 9112, section 2.2: a bare LF ends a line as CRLF does.
fn first_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl<'b> Head<'b> {
    /// The values of all fields of this name (RFC 9110, section 5.1: case does not matter).
    fn all(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        let named = |(it, _): &&(&[u8], _)| it.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named).map(|(_, value)| *value)
    }

    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.all(name).next()
    }

    /// RFC 9112, section 3.2: the target's path, from its origin or its absolute form. The other
    /// forms (`*` and an authority) are paths that nothing has.
    fn path(&self) -> Result<Cow<'b, [u8]>, RequestError> {
        let path = match (self.method, self.target) {
            // A fragment stays with the client (RFC 9110, section 7.1).
            (_, target) if target.contains(&b'#') => return Err(RequestError::TARGET),
            (_, [b'/', ..]) | (b"OPTIONS", b"*") | (b"CONNECT", _) => self.target,
            (_, url) => path_of_url(url).ok_or(RequestError::TARGET)?,
        };
        let path = path.split(|b| *b == b'?').next().unwrap_or(path);
        decode_percents(if path.is_empty() { b"/" } else { path })
    }

    fn check_host(&self) -> Result<(), RequestError> {
        let mut hosts = self.all("host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if is_host(host) => Ok(()),
            (None, None) if self.minor_version == 0 => Ok(()),
            _ => Err(RequestError::HOST),
        }
    }

    /// RFC 9112, section 6.3. Two answers to where a body ends are how requests are smuggled.
    fn body_len(&self) -> Result<usize, RequestError> {
        let mut lengths = self.all("content-length");
        let is_number = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        match (lengths.next(), self.field("transfer-encoding")) {
            (None, None) => Ok(0),
            (None, Some(_)) => Err(RequestError::TRANSFER_ENCODING),
            (Some(digits), None) if is_number(digits) && lengths.all(|it| it == digits) => {
                let length = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                length.filter(|length| *length <= MAX_BODY).ok_or(RequestError::BODY_TOO_LARGE)
            }
            _ => Err(RequestError::CONTENT_LENGTH),
        }
    }

    /// Whether the client will take another answer on this connection (RFC 9112, section 9.3); in
    /// HTTP/1.0 it is good for one request.
    pub fn keep_alive(&self) -> bool {
        let mut options = self.all("connection").flat_map(|value| value.split(|b| *b == b','));
        let closes = options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
        self.minor_version == 1 && !closes
    }

    /// RFC 9110, section 10.1.1.
    fn expects_continue(&self) -> bool {
        let expects = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
        self.minor_version == 1 && self.all("expect").any(expects)
    }
}

/// RFC 9110, section 4.2: what follows the host, which must be there, and nobody's password.
fn path_of_url(url: &[u8]) -> Option<&[u8]> {
    let begins = |it: &&[u8]| url.get(..it.len()).is_some_and(|url| url.eq_ignore_ascii_case(it));
    let scheme = [b"http://".as_slice(), b"https://"].into_iter().find(begins)?;
    let rest = &url[scheme.len()..];
    let host_end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    (!matches!(host, [] | [b':', ..]) && is_host(host)).then_some(path)
}

/// RFC 9110, section 7.2: `uri-host [ ":" port ]`, where the host may be empty. A comma, which
/// RFC 3986 would let pass, is none here: it comes from two hosts that somebody has joined.
fn is_host(value: &[u8]) -> bool {
    let bracket = value.iter().rposition(|b| *b == b']');
    let colon = value.iter().rposition(|b| *b == b':').filter(|colon| Some(*colon) > bracket);
    let (host, port) = value.split_at(colon.unwrap_or(value.len()));
    let is_name_byte = |b: &u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%".contains(b);
    let is_legal = match host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")) {
        Some(address) => str::from_utf8(address).is_ok_and(|it| it.parse::<Ipv6Addr>().is_ok()),
        None => host.iter().all(is_name_byte) && decode_percents(host).is_ok(),
    };
    is_legal && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// RFC 3986, section 2.4: decoded once, and never again.
fn decode_percents(path: &[u8]) -> Result<Cow<'_, [u8]>, RequestError> {
    let hex = |digit: u8| char::from(digit).to_digit(16).ok_or(RequestError::TARGET);
    let mut parts = path.split(|b| *b == b'%');
    let mut decoded = Cow::from(parts.next().unwrap_or_default());
    for part in parts {
        let [high, low, rest @ ..] = part else { return Err(RequestError::TARGET) };
        decoded.to_mut().push(((hex(*high)? << 4) | hex(*low)?) as u8);
        decoded.to_mut().extend_from_slice(rest);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    type ParseHead = fn(&[u8]) -> Result<Option<Head<'_>>, RequestError>;

    /// Every implementation of the head's grammar.
    const IMPLEMENTATIONS: &[ParseHead] = &[
        head::parse,
        #[cfg(feature = "httparse")]
        head_httparse::parse,
    ];

    /// Heads, and the refusal of each; `None`: each is cut into its parts.
    const HEADS: &[(&str, Option<RequestError>)] = &[
        ("GET / HTTP/1.1\r\n\r\n", None),
        ("GET / HTTP/1.0\n\n", None),
        ("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n\r\n", None),
        ("GET /a?b=\"<>\\^`{|}#~ HTTP/1.1\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nA:\r\nb: \t \r\nC:\td e\t \r\n!#$%&'*+-.^_`|~:\u{ff}\r\n\r\n", None),
        (" GET / HTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("\rGET / HTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("\rHTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET /\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET  / HTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET /  HTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET\t/ HTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET / HTTP/1.1 \r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET / HTTP/1.1\r\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET / HTTP/1.1\rA: b\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET / \r\nHTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("G(T / HTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("G\u{e4}T / HTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET /\u{e4} HTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET /\u{e4} HTTP/2.0\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET /\0 HTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET /\u{7f} HTTP/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET / http/1.1\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET / HTTP/11\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET / HTTP/1.10\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET / HTTP/2.0 x\r\n\r\n", Some(RequestError::REQUEST_LINE)),
        ("GET / HTTP/0.9\r\n\r\n", Some(RequestError::VERSION)),
        ("GET / HTTP/1.2\r\n\r\n", Some(RequestError::VERSION)),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(RequestError::VERSION)),
        ("GET / HTTP/1.1\r\nA\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\n: b\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\n A: b\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\nA: b\r\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\n\rA: b\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\n\r\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\nA: \0\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\nA: \u{7f}\r\n\r\n", Some(RequestError::FIELD_LINE)),
        ("GET / HTTP/1.1\r\n\u{e4}: b\r\n\r\n", Some(RequestError::FIELD_LINE)),
    ];

    #[test]
    fn all_implementations_refuse_the_same_heads() {
        for (head, refusal) in HEADS {
            for parse_head in IMPLEMENTATIONS {
                let verdict = parse_head(head.as_bytes());
                assert_eq!(verdict.as_ref().err(), refusal.as_ref(), "{head:?}");
                assert!(!matches!(verdict, Ok(None)), "{head:?}");
            }
        }
    }

    #[test]
    fn all_implementations_cut_a_head_into_the_same_parts() {
        let bytes = b"POST /a?b HTTP/1.0\r\nHost: h\nEmpty:\r\nTwo:\t b\tc \r\n\r\nnext";
        for parse_head in IMPLEMENTATIONS {
            let head = Head {
                method: b"POST",
                target: b"/a?b",
                minor_version: 0,
                fields: vec![(b"Host", b"h"), (b"Empty", b""), (b"Two", b"b\tc")],
                len: bytes.len() - 4,
            };
            assert_eq!(parse_head(bytes), Ok(Some(head)));
        }
    }

    #[test]
    fn all_implementations_count_the_same_fields() {
        for parse_head in IMPLEMENTATIONS {
            let head = |fields| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(fields));
            assert_eq!(parse_head(head(64).as_bytes()).unwrap().unwrap().fields.len(), 64);
            assert_eq!(parse_head(head(65).as_bytes()), Err(RequestError::HEAD_TOO_LARGE));
        }
    }

    /// Whole requests of several kinds.
    const GOOD: &[&str] = &[
        "GET / HTTP/1.0\r\n\r\n",
        "\r\n\nGET /sse/test HTTP/1.1\nHost: localhost:8888\n\n",
        "POST /sse/payback/7?a=b HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 5\r\n\r\na\r\n\r\n",
        "GET http://localhost/ HTTP/1.1\r\nHost:\r\nExpect: 100-continue\r\ncontent-length: 0\r\n\r\n",
    ];

    fn is_unfinished(progress: &Progress<'_>) -> bool {
        !matches!(progress, Progress::Whole(..))
    }

    #[test]
    fn a_request_is_whole_with_its_last_byte_and_what_follows_does_not_matter() {
        for good in GOOD {
            for end in 0..good.len() {
                let progress = parse(&good.as_bytes()[..end]);
                assert!(matches!(progress, Ok(ref it) if is_unfinished(it)), "{end}");
            }
            for follower in ["", "\r\n", "\0", "GET / HTTP/9.9\r\n\r\n"] {
                let bytes = [good, follower].concat();
                let progress = parse(bytes.as_bytes());
                assert!(matches!(progress, Ok(Progress::Whole(_, len)) if len == good.len()));
            }
        }
    }

    #[test]
    fn a_refusal_stands_from_its_first_byte_on() {
        let bad = HEADS.iter().filter_map(|(head, refusal)| Some((head, (*refusal)?)));
        for (head, refusal) in bad {
            let verdicts = (0..=head.len()).map(|end| parse(&head.as_bytes()[..end]));
            let mut verdicts = verdicts.skip_while(|it| it.as_ref().is_ok_and(is_unfinished));
            assert_eq!(verdicts.next(), Some(Err(refusal)), "{head:?}");
            assert!(verdicts.all(|verdict| verdict == Err(refusal)), "{head:?}");
        }
    }

    #[test]
    fn who_speaks_tls_is_told_at_once() {
        assert_eq!(parse(b"\x16\x03\x01"), Err(RequestError::REQUEST_LINE));
    }

    #[test]
    fn a_request_line_has_4096_bytes_at_most() {
        let line = |len: usize| format!("GET /{} HTTP/1.0", "x".repeat(len - 14));
        for end in ["\n\n", "\r\n\r\n"] {
            assert!(matches!(parse((line(4096) + end).as_bytes()), Ok(Progress::Whole(..))));
            assert_eq!(parse((line(4097) + end).as_bytes()), Err(RequestError::LINE_TOO_LONG));
        }
        for unfinished in [line(4096), line(4096) + "\r"] {
            assert_eq!(parse(unfinished.as_bytes()), Ok(Progress::Head));
        }
        for unfinished in [line(4097), line(4096) + "\rx", "x".repeat(9000)] {
            assert_eq!(parse(unfinished.as_bytes()), Err(RequestError::LINE_TOO_LONG));
        }
    }

    #[test]
    fn a_head_has_8192_bytes_at_most() {
        let head = |len: usize| format!("GET / HTTP/1.0\r\nA: {}\r\n\r\n", "x".repeat(len - 23));
        assert!(matches!(parse(head(8192).as_bytes()), Ok(Progress::Whole(_, 8192))));
        assert_eq!(parse(head(8193).as_bytes()), Err(RequestError::HEAD_TOO_LARGE));
        assert_eq!(parse(&head(9000).as_bytes()[..8192]), Ok(Progress::Head));
        assert_eq!(parse(&head(9000).as_bytes()[..8193]), Err(RequestError::HEAD_TOO_LARGE));
    }

    #[test]
    fn empty_lines_are_no_part_of_a_request_and_begin_none() {
        let lines = "\r\n\n".repeat(9000);
        let whole = [&lines, "GET / HTTP/1.0\r\n\r\n"].concat();
        assert!(
            matches!(parse(whole.as_bytes()), Ok(Progress::Whole(_, len)) if len == whole.len())
        );
        for (bytes, empty_lines) in [("", 0), ("\r", 0), ("\r\n", 2), ("\n\r", 1), (&lines, 27_000)]
        {
            assert_eq!(parse(bytes.as_bytes()), Ok(Progress::Idle { empty_lines }), "{bytes:?}");
        }
    }

    #[test]
    fn what_begins_with_head_wants_no_body_whatever_follows() {
        assert!(is_head(b"\r\nHEAD  /"));
        assert!(!is_head(b"HEA") && !is_head(b"HEADER / HTTP/1.1") && !is_head(b"GET HEAD "));
    }

    /// What becomes of a request with these lines beside its first.
    fn with_fields(fields: &str) -> Result<String, RequestError> {
        let bytes = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        match parse((bytes + &"x".repeat(MAX_BODY)).as_bytes())? {
            Progress::Whole(request, _) => Ok(format!(
                "{} bytes, {}",
                request.body.len(),
                if request.head.keep_alive() { "keeps alive" } else { "closes" }
            )),
            unfinished => Ok(format!("{unfinished:?}")),
        }
    }

    #[test]
    fn a_body_is_as_long_as_one_plain_number_says() {
        for (fields, outcome) in [
            ("", Ok("0 bytes, keeps alive")),
            ("Content-Length: 0\r\n", Ok("0 bytes, keeps alive")),
            ("content-length:\t007 \r\n", Ok("7 bytes, keeps alive")),
            ("Content-Length: 5\r\nCONTENT-LENGTH: 5\r\n", Ok("5 bytes, keeps alive")),
            ("Content-Length: 4096\r\n", Ok("4096 bytes, keeps alive")),
            ("Content-Length: 4097\r\n", Err(RequestError::BODY_TOO_LARGE)),
            ("Content-Length: 18446744073709551616\r\n", Err(RequestError::BODY_TOO_LARGE)),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Content-Length: 5\r\nContent-Length: 05\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Content-Length: 5, 5\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Content-Length:\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Content-Length: +5\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Content-Length: -5\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Content-Length: 0x5\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Content-Length: 5 5\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Content-Length: \u{665}\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Transfer-Encoding: chunked\r\n", Err(RequestError::TRANSFER_ENCODING)),
            ("transfer-encoding:\r\n", Err(RequestError::TRANSFER_ENCODING)),
            ("Transfer-Encoding: x\r\nContent-Length: 0\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Content-Length: 0\r\nTransfer-Encoding: x\r\n", Err(RequestError::CONTENT_LENGTH)),
            ("Connection: close\r\n", Ok("0 bytes, closes")),
            ("Connection: x, Close\r\n", Ok("0 bytes, closes")),
            ("Connection: keep-alive\r\nConnection: close\r\n", Ok("0 bytes, closes")),
            ("Connection: closed\r\n", Ok("0 bytes, keeps alive")),
        ] {
            assert_eq!(with_fields(fields), outcome.map(str::to_owned), "{fields:?}");
        }
    }

    #[test]
    fn a_client_may_wait_to_be_asked_for_its_body() {
        let unfinished = |version: &str, expect: &str| {
            let fields = format!("Host: a\r\nContent-Length: 1\r\nExpect: {expect}\r\n\r\n");
            match parse(format!("POST / HTTP/{version}\r\n{fields}").as_bytes()) {
                Ok(Progress::Body { expects_continue }) => expects_continue,
                other => panic!("{other:?}"),
            }
        };
        assert!(unfinished("1.1", "100-Continue"));
        assert!(!unfinished("1.1", "200-ok"));
        assert!(!unfinished("1.0", "100-continue"), "RFC 9110, section 10.1.1");
    }

    #[test]
    fn http_1_1_needs_one_host_and_a_host_is_a_name_or_an_address() {
        let verdict = |version: &str, fields: &str| {
            parse(format!("GET / HTTP/{version}\r\n{fields}\r\n").as_bytes()).err()
        };
        for host in
            ["", "a", "A-b.c_d~:", "localhost:8888", "127.0.0.1:1", "[::1]", "[::1]:80", "%4a"]
        {
            assert_eq!(verdict("1.1", &format!("hOST: {host}\r\n")), None, "{host}");
        }
        for host in ["a b", "a,b", "a:b", "a:1:2", "a/b", "u@a", "a?", "::1", "[::1", "[]", "[a]"] {
            let refusal = verdict("1.1", &format!("Host: {host}\r\n"));
            assert_eq!(refusal, Some(RequestError::HOST), "{host}");
        }
        for host in ["[:::]", "[1:2:3]", "[1.2.3.4]", "[::1%1]", "%zz", "a%4", "a%"] {
            assert_eq!(
                verdict("1.1", &format!("Host: {host}\r\n")),
                Some(RequestError::HOST),
                "{host}"
            );
        }
        assert_eq!(verdict("1.1", ""), Some(RequestError::HOST));
        assert_eq!(verdict("1.0", ""), None);
        for version in ["1.0", "1.1"] {
            assert_eq!(verdict(version, "Host: a\r\nHost: a\r\n"), Some(RequestError::HOST));
        }
    }

    #[test]
    fn a_target_is_a_path_or_a_url_and_is_decoded_once() {
        let path = |method: &str, target: &str| match parse(
            format!("{method} {target} HTTP/1.0\r\n\r\n").as_bytes(),
        ) {
            Ok(Progress::Whole(request, _)) => Ok(request.path.escape_ascii().to_string()),
            other => Err(other.unwrap_err()),
        };
        for (target, decoded) in [
            ("/", "/"),
            ("/?", "/"),
            ("/a/b?c/d?%", "/a/b"),
            ("//a", "//a"),
            ("/a/../b/.", "/a/../b/."),
            ("/http://a/b", "/http://a/b"),
            ("/%41%2f%2F%2e%00%ff", "/A//.\\x00\\xff"),
            ("/%2541", "/%41"),
            ("http://a", "/"),
            ("http://a?b/c", "/"),
            ("HTTPS://[::1]:80/a%20b?c", "/a b"),
        ] {
            assert_eq!(path("GET", target), Ok(decoded.into()), "{target}");
        }
        for target in [
            "a",
            "*",
            "?",
            "/#",
            "/a#b",
            "/%",
            "/%4",
            "/%4x",
            "/%%41",
            "/%+1",
            "a:80",
            "http:/a",
            "http://",
            "http:///a",
            "http://:80/",
            "http://u:p@a/",
            "http://a,b/",
            "ftp://a/",
            "ahttp://a/",
            "://a/",
        ] {
            assert_eq!(path("GET", target), Err(RequestError::TARGET), "{target}");
        }
        assert_eq!(path("OPTIONS", "*"), Ok("*".into()));
        assert_eq!(path("CONNECT", "a:80"), Ok("a:80".into()));
    }

    #[test]
    fn a_field_is_found_whatever_its_case_and_the_first_one_counts() {
        let bytes = b"GET / HTTP/1.1\r\nhost: a\r\nLAST-EVENT-ID: 6666\r\nLast-Event-ID: 7\r\n\r\n";
        let Ok(Progress::Whole(request, _)) = parse(bytes) else { panic!("it is whole") };
        assert_eq!(request.head.field("last-event-id"), Some(&b"6666"[..]));
        assert_eq!(request.head.field("authorization"), None);
    }

    #[test]
    fn whoever_sends_too_much_is_told_the_limit() {
        for (error, limits) in [
            (RequestError::LINE_TOO_LONG, format!("at most {MAX_LINE} bytes")),
            (
                RequestError::HEAD_TOO_LARGE,
                format!("at most {MAX_HEAD} bytes and {MAX_FIELDS} fields"),
            ),
            (RequestError::BODY_TOO_LARGE, format!("at most {MAX_BODY} bytes")),
        ] {
            let RequestError(_, advice) = error;
            assert!(advice.ends_with(&limits), "{advice}");
        }
    }
}
