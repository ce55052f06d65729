//! What holds for whatever bytes come: asked about tampered requests in every test run, and by the fuzzers.

use orderpay::order::OrderResult;
use orderpay::request::{self, MAX_BODY, MAX_HEAD, Progress, RequestError};
use orderpay::{routes, sse};

use super::sse::{Event, Parser};

/// What the parser made of some bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    Unfinished,
    /// So many bytes are a request.
    Whole(usize),
    Refused(RequestError),
}

/// What the parser makes of these bytes; panics where its answer can't be right.
pub fn check_request(bytes: &[u8]) -> Verdict {
    let verdict = verdict(bytes);
    match verdict {
        Verdict::Unfinished => {
            let len = bytes.len() - request::empty_lines(bytes);
            assert!(len < MAX_HEAD + MAX_BODY, "it has no end");
        }
        Verdict::Whole(len) => {
            assert_eq!(self::verdict(&bytes[..len]), verdict, "what follows has mattered");
            assert_eq!(self::verdict(&bytes[..len - 1]), Verdict::Unfinished, "it was too long");
        }
        Verdict::Refused(_) => {
            assert_eq!(self::verdict(&[bytes, b"\n\n"].concat()), verdict, "it was taken back");
        }
    }
    for end in [1, 2, 3].map(|quarters| bytes.len() * quarters / 4) {
        let earlier = self::verdict(&bytes[..end]);
        assert!([Verdict::Unfinished, verdict].contains(&earlier), "{earlier:?}, then {verdict:?}");
    }
    verdict
}

fn verdict(bytes: &[u8]) -> Verdict {
    match request::parse(bytes) {
        Ok(Progress::Idle { .. } | Progress::Head | Progress::Body { .. }) => Verdict::Unfinished,
        Ok(Progress::Whole(request, len)) => {
            let head = len.checked_sub(request.body.len()).expect("a body is part of its request");
            let head = head - request::empty_lines(bytes);
            assert!(head <= MAX_HEAD && request.body.len() <= MAX_BODY, "past the limits");
            let _ = routes::route(&request, Some("token"));
            Verdict::Whole(len)
        }
        Err(refusal) => Verdict::Refused(refusal),
    }
}

/// Whether these bytes can be the text of a payback; panics where a browser would read something else.
pub fn check_text(body: &[u8]) -> bool {
    let Some(result) = OrderResult::parse(body) else { return false };
    let stream = [&sse::opening(0), sse::HEARTBEAT, &sse::paid(&result)].concat();
    let (first, second) = stream.as_bytes().split_at(stream.len() - body.len().min(stream.len()));
    let mut parser = Parser::default();
    let events = [parser.push(first), parser.push(second)].concat();
    let event = |kind: &str, data: &str, id: &str| Event {
        kind: kind.into(),
        data: data.into(),
        last_event_id: id.into(),
    };
    let lines = result.text().replace("\r\n", "\n").replace('\r', "\n");
    let expected =
        [event("waiting", "", "0"), event("message", &lines, "0"), event("finish", "哈哈", "6666")];
    assert_eq!(events, expected);
    assert_eq!((parser.retry.map(|it| it.as_millis()), parser.comments), (Some(1000), 1));
    true
}
