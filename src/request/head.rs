//! The grammar of a request head, by hand (RFC 9112, sections 2 to 5).
//!
//! ```text
//! head       = *( EOL ) method SP target SP "HTTP/" DIGIT "." DIGIT EOL *( field EOL ) EOL
//! field      = name ":" OWS value OWS
//! method     = token          name = token          target = 1*visible
//! value      = *( visible | obs-text | SP | HTAB )
//! EOL        = CRLF | LF
//! ```

use super::{Field, Head, MAX_FIELDS, Refusal, Version, empty_lines};

/// The head that these whole lines start with; `None` while its last line is missing.
pub fn parse(lines: &[u8]) -> Result<Option<Head<'_>>, Refusal> {
    let mut lines = Lines { bytes: lines, at: empty_lines(lines) };
    let Some(line) = lines.next() else { return Ok(None) };
    let (method, target, version) = request_line(line)?;
    let mut fields = Vec::with_capacity(16);
    while let Some(line) = lines.next() {
        if line.is_empty() {
            return Ok(Some(Head { method, target, version, fields, len: lines.at }));
        }
        fields.push(field(line)?);
        if fields.len() > MAX_FIELDS {
            return Err(Refusal::HeadTooLarge);
        }
    }
    Ok(None)
}

/// Cuts bytes into lines. RFC 9112, section 2.2: a bare LF ends a line as CRLF does.
pub(super) struct Lines<'b> {
    pub bytes: &'b [u8],
    pub at: usize,
}

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let rest = &self.bytes[self.at..];
        let line = &rest[..rest.iter().position(|b| *b == b'\n')?];
        self.at += line.len() + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], Version), Refusal> {
    let mut parts = line.split(|b| *b == b' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(target), Some(version), None)
            if is_token(method) && is_visible(target) =>
        {
            Ok((method, target, http_version(version)?))
        }
        _ => Err(Refusal::RequestLine),
    }
}

/// RFC 9112, section 2.3: the name is case-sensitive, the numbers have one digit each.
pub(super) fn http_version(version: &[u8]) -> Result<Version, Refusal> {
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

fn is_visible(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
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
