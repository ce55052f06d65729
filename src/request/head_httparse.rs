//! The grammar of a request head, by `httparse`: a second body for the same function.

use super::head::{self, skip_empty_lines};
use super::{Field, Head, MAX_FIELDS, MAX_HEAD, MAX_LINE, Refusal, Version};

/// The head at the start of `bytes`; `None` while it is not whole.
pub fn parse(bytes: &[u8]) -> Result<Option<Head<'_>>, Refusal> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut slots);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len <= MAX_HEAD => len,
        Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => {
            return Err(Refusal::FieldLine);
        }
        Err(_) => return Err(Refusal::RequestLine),
    };
    let fields = request.headers.iter();
    Ok(Some(Head {
        method: request.method.unwrap_or_default().as_bytes(),
        target: request.path.unwrap_or_default().as_bytes(),
        version: if request.version == Some(0) { Version::Http10 } else { Version::Http11 },
        fields: fields.map(|f| Field { name: f.name.as_bytes(), value: f.value }).collect(),
        len,
    }))
}
