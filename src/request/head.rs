//! The grammar of a request head, by hand (RFC 9112, sections 2 to 5).
//!
//! ```text
//! head       = method SP target SP "HTTP/" DIGIT "." DIGIT EOL *( field EOL ) EOL
//! field      = name ":" OWS value OWS
//! method     = token          name = token          target = 1*visible
//! value      = *( visible | obs-text | SP | HTAB )
//! EOL        = CRLF | LF
//! ```

use super::{Head, MAX_FIELDS, RequestError, first_line};

/// The head that these whole lines start with; `None` while its last line is missing.
pub fn parse(lines: &[u8]) -> Result<Option<Head<'_>>, RequestError> {
    let mut lines = lines.split_inclusive(|b| *b == b'\n');
    let Some(line) = lines.next() else { return Ok(None) };
    let mut len = line.len();
    let (method, target, minor_version) = request_line(first_line(line))?;
    let mut fields = Vec::with_capacity(16);
    for line in lines {
        len += line.len();
        let line = first_line(line);
        if line.is_empty() {
            return Ok(Some(Head { method, target, minor_version, fields, len }));
        }
        fields.push(field(line)?);
        if fields.len() > MAX_FIELDS {
            return Err(RequestError::HEAD_TOO_LARGE);
        }
    }
    Ok(None)
}

fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], u8), RequestError> {
    let is_visible = |it: &[u8]| !it.is_empty() && it.iter().all(u8::is_ascii_graphic);
    let mut parts = line.splitn(3, |b| *b == b' ');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(target), Some(version)) if is_token(method) && is_visible(target) => {
            Ok((method, target, minor_version(version)?))
        }
        _ => Err(RequestError::REQUEST_LINE),
    }
}

/// RFC 9112, section 2.3: the name is case-sensitive, the numbers have one digit each.
pub(super) fn minor_version(version: &[u8]) -> Result<u8, RequestError> {
    match version.strip_prefix(b"HTTP/") {
        Some(b"1.1") => Ok(1),
        Some(b"1.0") => Ok(0),
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => Err(RequestError::VERSION),
        _ => Err(RequestError::REQUEST_LINE),
    }
}

/// RFC 9112, section 5.1: no space before the colon; section 5.2: no folding.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), RequestError> {
    // RFC 9110, section 5.5: visible, a space, a tab, or a byte of an old 8-bit text.
    let is_value_byte = |b: &u8| *b == b'\t' || (*b >= b' ' && *b != 0x7f);
    let colon = line.iter().position(|b| *b == b':').ok_or(RequestError::FIELD_LINE)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) || !value.iter().all(is_value_byte) {
        return Err(RequestError::FIELD_LINE);
    }
    Ok((name, value.trim_ascii()))
}

/// RFC 9110, section 5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    let is_token_byte = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !bytes.is_empty() && bytes.iter().all(is_token_byte)
}
