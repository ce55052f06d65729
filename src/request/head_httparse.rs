//! The grammar of a request head, by `httparse`: a second implementation of the same function.
//!
//! It judges bytes where ours judges lines, but it is shown whole lines only. So both come to the
//! same answers, once its errors are told apart as finely as ours.

use httparse::{EMPTY_HEADER, Error, Status};

use super::head::minor_version;
use super::{Head, MAX_FIELDS, RequestError, first_line};

/// The head that these whole lines start with; `None` while its last line is missing.
pub fn parse(lines: &[u8]) -> Result<Option<Head<'_>>, RequestError> {
    let mut slots = [EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut slots);
    let outcome = request.parse(lines);
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    // RFC 9112, section 3.2: a target is ASCII, but `httparse` takes all of UTF-8.
    if !target.is_ascii() {
        return Err(RequestError::REQUEST_LINE);
    }
    match outcome {
        Ok(Status::Partial) => Ok(None),
        Ok(Status::Complete(len)) => Ok(Some(Head {
            method: method.as_bytes(),
            target: target.as_bytes(),
            minor_version: request.version.unwrap_or_default(),
            fields: request.headers.iter().map(|it| (it.name.as_bytes(), it.value)).collect(),
            len,
        })),
        Err(Error::TooManyHeaders) => Err(RequestError::HEAD_TOO_LARGE),
        Err(Error::HeaderName | Error::HeaderValue) => Err(RequestError::FIELD_LINE),
        // What is wrong with a version it does not say, nor whether the end of its line is.
        Err(Error::Version | Error::NewLine) => {
            let before = [request.method, request.path].into_iter().flatten();
            let at = before.map(|part| part.len() + 1).sum();
            let version = first_line(lines.get(at..).unwrap_or_default());
            Err(minor_version(version).err().unwrap_or(RequestError::FIELD_LINE))
        }
        Err(_) => Err(RequestError::REQUEST_LINE),
    }
}
