//! What an order is: its id, and the result that its payback says.
//!
//! Both are parsed once, at the door; past it the type is the proof.

use std::fmt;
use std::str;
use std::sync::Arc;

/// The name of an order: 1 to 64 of `A-Z a-z 0-9 _ -`. A clone shares the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderId(Arc<str>);

impl OrderId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 64;

    /// The order of the original program, which knew only one.
    const DEMO: &str = "1";

    /// The id in `bytes`, or `None` if they are not one.
    pub fn parse(bytes: &[u8]) -> Option<OrderId> {
        let fits = (1..=Self::MAX_LEN).contains(&bytes.len());
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let text = str::from_utf8(bytes).ok()?;
        (fits && bytes.iter().all(plain)).then(|| OrderId(text.into()))
    }

    /// Whether it can be paid again and again, in rounds: order 1. Any other is paid once.
    pub fn has_rounds(&self) -> bool {
        &*self.0 == Self::DEMO
    }
}

/// Order 1, for who names none.
impl Default for OrderId {
    fn default() -> Self {
        OrderId(Self::DEMO.into())
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the payback said that settled an order. (Rust has taken the word `Result`.)
///
/// The usual one needs no memory of its own; a clone shares the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderResult(Option<Arc<str>>);

impl OrderResult {
    /// What a payback without a body of its own says.
    pub const PAID: &str = "支付成功";

    /// The result in the body of a payback; an empty one says [`OrderResult::PAID`].
    /// `None` if it is not UTF-8, or has a NUL, which no event can carry safely.
    pub fn parse(body: &[u8]) -> Option<OrderResult> {
        let text = str::from_utf8(body).ok().filter(|t| !t.contains('\0'))?;
        Some(OrderResult((!matches!(text, "" | Self::PAID)).then(|| text.into())))
    }

    /// What its text takes, in bytes; the usual one takes none.
    pub fn own_len(&self) -> usize {
        self.0.as_ref().map_or(0, |text| text.len())
    }

    /// What it says, in one or more lines.
    pub fn text(&self) -> &str {
        self.0.as_deref().unwrap_or(Self::PAID)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_1_to_64_plain_characters() {
        for good in ["1", "a", "Z_9-", &"x".repeat(64)] {
            assert_eq!(OrderId::parse(good.as_bytes()).unwrap().to_string(), good);
        }
        for bad in ["", " ", "a b", "a/b", "ä", "a.b", "a\n", "%31", &"x".repeat(65)] {
            assert_eq!(OrderId::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn order_1_alone_has_rounds_and_is_what_is_meant_where_none_is_named() {
        assert!(OrderId::default().has_rounds());
        for (id, has_rounds) in [("1", true), ("01", false), ("11", false), ("a", false)] {
            assert_eq!(OrderId::parse(id.as_bytes()).unwrap().has_rounds(), has_rounds, "{id}");
        }
    }

    #[test]
    fn a_result_is_any_text_without_nul_and_nothing_means_paid() {
        assert_eq!(OrderResult::parse(b"").unwrap().text(), "支付成功");
        assert_eq!(OrderResult::parse("支付成功".as_bytes()).unwrap(), OrderResult::default());
        assert_eq!(OrderResult::parse(b"a\r\nb").unwrap().text(), "a\r\nb");
        assert_eq!(OrderResult::parse(b"a\0b"), None);
        assert_eq!(OrderResult::parse(b"\xff"), None);
    }
}
