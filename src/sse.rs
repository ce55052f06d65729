//! Server-sent events: one event, one frame, one write (WHATWG HTML, section 9.2).
//!
//! The constants are byte for byte what the original program sent.

use std::time::Duration;

use crate::order::OrderResult;

/// Sent first, as an event that the original page has no listener for. Its id marks a browser that
/// comes back: it sends `Last-Event-ID: ROUND`, `retry` milliseconds after it has lost its connection.
///
/// HTML would keep the id of an event without data too; Firefox and WebKit keep it only of one that
/// is dispatched, and that needs a `data` line, be it an empty one.
pub fn opening(round: u64) -> String {
    format!("event:waiting\nid:{round}\nretry:1000\ndata\n\n")
}

/// A comment: it keeps proxies from closing a silent connection, and finds out who is gone.
pub const HEARTBEAT: &str = ":\n\n";

/// What a browser gets that nobody paid for in time.
pub const TIMEOUT: &str = "data:timeout!!\n\n";

/// No room for another waiter: come back in 5 s. (An error status would end its EventSource for good.)
pub const FULL: &str = "retry:5000\n\n";

/// Tells the page to close its EventSource.
const FINISH: &str = "event:finish\nid:6666\ndata:哈哈\n\n";

/// A comment before the result that an order has had for so long, for a page that draws what
/// happened when: an `EventSource` hides it. (After a restart with a clock that has jumped it counts from
/// the start.)
pub fn settled(age: Duration) -> String {
    format!(":settled {}.{:03} s ago\n", age.as_secs(), age.subsec_millis())
}

/// The last event ID of a browser that has seen `finish`.
pub const FINISH_ID: &[u8] = b"6666";

/// The two last frames of a paid order: the message, and `finish`.
pub fn paid(result: &OrderResult) -> String {
    message(result.text()) + FINISH
}

/// One event without a type whose data is `text`, with every line end as LF.
///
/// Each line gets a `data` field of its own, so no text can forge an event. A parser drops one
/// space after the colon; a line that starts with a space therefore gets a second one.
pub fn message(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut frame = String::with_capacity(lines.len() + 8);
    for line in lines.split('\n') {
        frame.push_str(if line.starts_with(' ') { "data: " } else { "data:" });
        frame.push_str(line);
        frame.push('\n');
    }
    frame.push('\n');
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_result_has_the_frames_of_the_original() {
        let original = "data:支付成功\n\nevent:finish\nid:6666\ndata:哈哈\n\n";
        assert_eq!(paid(&OrderResult::default()), original);
    }

    #[test]
    fn no_text_can_forge_an_event() {
        for (text, frame) in [
            ("a", "data:a\n\n"),
            ("a\nb", "data:a\ndata:b\n\n"),
            ("a\r\nb\rc\n", "data:a\ndata:b\ndata:c\ndata:\n\n"),
            ("\n\nevent:finish", "data:\ndata:\ndata:event:finish\n\n"),
            (" led by a space", "data:  led by a space\n\n"),
            ("a\u{2028}b\u{85}c", "data:a\u{2028}b\u{85}c\n\n"),
        ] {
            assert_eq!(message(text), frame, "{text:?}");
        }
    }
}
