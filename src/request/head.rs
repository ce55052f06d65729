//! The grammar of a request head, by hand (RFC 9112, sections 2 to 5).
//!
//! ```text
//! head       = *( EOL ) method SP target SP "HTTP/" DIGIT "." DIGIT EOL *( field EOL ) EOL
//! field      = name ":" OWS value OWS
//! method     = token          target = 1*visible         value = *( visible | SP | HTAB )
//! EOL        = CRLF | LF
//! ```

use super::{Field, Head, MAX_FIELDS, MAX_HEAD, MAX_LINE, Refusal, Version};

/// The head at the start of `bytes`; `None` while it is not whole.
///
/// What is wrong is refused as soon as its line is whole, or too long.
pub fn parse(bytes: &[u8]) -> Result<Option<Head<'_>>, Refusal> {
    let mut lines = Lines { bytes, at: skip_empty_lines(bytes) };
    let Some(line) = lines.next(MAX_LINE, Refusal::LineTooLong)? else { return Ok(None) };
    let (method, target, version) = request_line(line)?;
    let mut fields = Vec::with_capacity(16);
    loop {
        let Some(line) = lines.next(MAX_HEAD, Refusal::HeadTooLarge)? else { return Ok(None) };
        if lines.at > MAX_HEAD {
            return Err(Refusal::HeadTooLarge);
        }
        if line.is_empty() {
            return Ok(Some(Head { method, target, version, fields, len: lines.at }));
        }
        if fields.len() == MAX_FIELDS {
            return Err(Refusal::HeadTooLarge);
        }
        fields.push(field(line)?);
    }
}

/// RFC 9112, section 2.2: empty lines before a request are let pass.
pub(super) fn skip_empty_lines(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] = rest {
        rest = after;
    }
    bytes.len() - rest.len()
}

/// Cuts bytes into lines. RFC 9112, section 2.2: a bare LF ends a line as CRLF does.
struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Lines<'b> {
    /// The next line without its end, `None` while it is not whole, `too_long` past `most` bytes.
    fn next(&mut self, most: usize, too_long: Refusal) -> Result<Option<&'b [u8]>, Refusal> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|b| *b == b'\n') else {
            let too_much = rest.len() > most + 1 || self.bytes.len() > MAX_HEAD;
            return if too_much { Err(too_long) } else { Ok(None) };
        };
        self.at += end + 1;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if line.len() > most { Err(too_long) } else { Ok(Some(line)) }
    }
}

fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], Version), Refusal> {
    let mut parts = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::RequestLine);
    };
    let is_target = !target.is_empty() && target.iter().all(|b| b.is_ascii_graphic() && *b != b'#');
    if !is_token(method) || !is_target {
        return Err(Refusal::RequestLine);
    }
    Ok((method, target, http_version(version)?))
}

/// RFC 9112, section 2.3: the name is case-sensitive, the numbers have one digit each.
fn http_version(version: &[u8]) -> Result<Version, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Refusal::Version),
        _ => Err(Refusal::RequestLine),
    }
}

/// RFC 9112, section 5.1: no space before the colon; section 5.2: no folding.
fn field(line: &[u8]) -> Result<Field<'_>, Refusal> {
    let colon = line.iter().position(|b| *b == b':').ok_or(Refusal::FieldLine)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) || !value.iter().all(|b| is_field_byte(*b)) {
        return Err(Refusal::FieldLine);
    }
    Ok(Field { name, value: value.trim_ascii() })
}

/// RFC 9110, section 5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| TOKEN[usize::from(*b)])
}

/// RFC 9110, section 5.5: visible, a space, a tab, or a byte of an old 8-bit text.
fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};
