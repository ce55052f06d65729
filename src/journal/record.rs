//! What a line of a journal says, and how.

use std::str;

use crate::order::{OrderId, OrderResult};

/// The first line of a journal. It may come again, as it does where two were joined with `cat`.
pub const HEADER: &str =
    "# orderpay journal 2: checksum, state, order, round, milliseconds since 1970, result\n";

/// What the journals of earlier releases begin with.
const HEADER_1: &str = "# orderpay journal 1: checksum, state, time, order, receipt\n";

/// Everything before it is certainly on disk. The empty line is there so that no single damaged
/// byte takes the last record and the mark that vouches for it.
pub const MARK: &str = "\n807c382b synced\n";

/// The line of a mark that counts.
pub const SYNCED: &str = MARK.trim_ascii_start();

/// Longer than any line, in bytes: 4 KiB of text take twice that if all of it is escaped.
pub const MAX_LINE: usize = 16 * 1024;

/// Something that has happened to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// It has a result, since so many milliseconds after 1970.
    Settled { order: OrderId, round: u64, at: u64, result: OrderResult },
    /// That result was written to somebody.
    Written { order: OrderId, round: u64 },
    /// A new round is open.
    Opened { order: OrderId, round: u64 },
    /// That result is not known any more.
    Forgotten { order: OrderId, round: u64 },
}

/// How lines are written, from the header that names it to the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    V1,
    #[default]
    V2,
}

/// What a journal begins with, and how the lines behind that are written.
pub const HEADERS: [(&str, Format); 2] = [(HEADER, Format::V2), (HEADER_1, Format::V1)];

impl Record {
    /// It as a line.
    pub fn line(&self) -> String {
        let said = match self {
            Record::Settled { order, round, at, result } => {
                format!("settled {order} {round} {at} {}", escape(result.text()))
            }
            Record::Written { order, round } => format!("written {order} {round}"),
            Record::Opened { order, round } => format!("opened {order} {round}"),
            Record::Forgotten { order, round } => format!("forgotten {order} {round}"),
        };
        format!("{:08x} {said}\n", checksum(&said))
    }

    fn parse(said: &str) -> Option<Record> {
        let words: Vec<&str> = said.splitn(5, ' ').collect();
        let [state, order, round, more @ ..] = &words[..] else { return None };
        let (order, round) = (OrderId::parse(order.as_bytes())?, round.parse().ok()?);
        match (*state, more) {
            ("settled", [millis, result]) => {
                let (at, result) = (millis.parse().ok()?, unescape(result)?);
                Some(Record::Settled { order, round, at, result })
            }
            ("written", []) => Some(Record::Written { order, round }),
            ("opened", []) => Some(Record::Opened { order, round }),
            ("forgotten", []) => Some(Record::Forgotten { order, round }),
            _ => None,
        }
    }

    /// `settled` and `delivered` were the states of version 1; either said all of its order. Its time
    /// is not read: what is kept of it is kept from the start on.
    fn parse_v1(said: &str) -> Option<Vec<Record>> {
        let words: Vec<&str> = said.splitn(4, ' ').collect();
        let [state, _time, order, result] = &words[..] else { return None };
        let settled = Record::parse(&format!("settled {order} 0 0 {result}"))?;
        let written = Record::parse(&format!("written {order} 0"))?;
        match *state {
            "settled" => Some(vec![settled]),
            "delivered" => Some(vec![settled, written]),
            _ => None,
        }
    }
}

/// The records that a line says, its end included; none in a header or a mark. `None` if anything
/// about it is amiss.
pub fn parse(line: &[u8], format: Format) -> Option<Vec<Record>> {
    let line = str::from_utf8(line).ok()?;
    match (line, format) {
        (HEADER_1 | HEADER, _) | ("\n" | SYNCED, Format::V2) => Some(vec![]),
        (_, Format::V1) => Record::parse_v1(check(line)?),
        (_, Format::V2) => Some(vec![Record::parse(check(line)?)?]),
    }
}

/// What a line says, if its checksum fits.
fn check(line: &str) -> Option<&str> {
    let (sum, said) = line.strip_suffix('\n')?.split_once(' ')?;
    (sum == format!("{:08x}", checksum(said))).then_some(said)
}

/// A result on one line: `\n`, `\r` and `\\` stand for LF, CR and a backslash.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

/// The result that is escaped as `text`; `None` if there is none.
fn unescape(text: &str) -> Option<OrderResult> {
    let between_backslashes = text.split("\\\\");
    let parts = between_backslashes.map(|it| it.replace("\\n", "\n").replace("\\r", "\r"));
    let plain = parts.collect::<Vec<_>>().join("\\");
    if escape(&plain) == text { OrderResult::parse(plain.as_bytes()) } else { None }
}

/// FNV-1a, 32 bits: no change of a single byte goes unnoticed, and of others one in four billion.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, b| (sum ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(order: &str) -> OrderId {
        OrderId::parse(order.as_bytes()).unwrap()
    }

    fn settled(order: &str, round: u64, second: u64, text: &str) -> Record {
        let (order, result) = (id(order), OrderResult::parse(text.as_bytes()).unwrap());
        Record::Settled { order, round, at: 1000 * second, result }
    }

    fn with_sum(said: &str) -> String {
        format!("{:08x} {said}\n", checksum(said))
    }

    #[test]
    fn a_record_is_a_line_that_people_can_read() {
        for (record, said) in [
            (settled("1", 7, 0, ""), "settled 1 7 0 支付成功"),
            (settled("a_-", 0, 9, " a b "), "settled a_- 0 9000  a b "),
            (settled("a", 0, 0, "\r\n\\n"), "settled a 0 0 \\r\\n\\\\n"),
            (Record::Written { order: id("a"), round: 0 }, "written a 0"),
            (Record::Opened { order: id("1"), round: u64::MAX }, "opened 1 18446744073709551615"),
            (Record::Forgotten { order: id("a"), round: 0 }, "forgotten a 0"),
        ] {
            let line = record.line();
            assert_eq!(line, with_sum(said));
            let parsed = parse(line.as_bytes(), Format::V2);
            assert_eq!(parsed, Some(vec![record]));
        }
    }

    #[test]
    fn the_sample_in_the_docs_is_what_is_written() {
        let order = id("4711");
        let at = 1_795_355_598_123;
        let result = OrderResult::default();
        let sample = [
            HEADER.into(),
            MARK.into(),
            Record::Settled { order: order.clone(), round: 0, at, result }.line(),
            MARK.into(),
            Record::Written { order: order.clone(), round: 0 }.line(),
            Record::Opened { order: OrderId::default(), round: 1_795_355_598_124 }.line(),
            Record::Forgotten { order, round: 0 }.line(),
        ];
        let docs = include_str!("../journal.rs").replace("//! ", "").replace("//!", "");
        assert!(docs.contains(&sample.concat()), "{}", sample.concat());
    }

    #[test]
    fn the_lines_of_version_1_are_read_on() {
        let settled = settled("4711", 0, 0, "a\n");
        let written = Record::Written { order: id("4711"), round: 0 };
        for (said, records) in [
            ("settled 1970-01-01T00:00:09.000Z 4711 a\\n", vec![settled.clone()]),
            ("delivered 1970-01-01T00:00:09.000Z 4711 a\\n", vec![settled, written]),
        ] {
            let line = with_sum(said);
            assert_eq!(parse(line.as_bytes(), Format::V1), Some(records));
            assert_eq!(parse(line.as_bytes(), Format::V2), None);
        }
    }

    #[test]
    fn checksums_are_those_of_everybody_else() {
        assert_eq!((checksum(""), checksum("foobar")), (0x811c_9dc5, 0xbf9c_f968));
        assert_eq!(MARK, format!("\n{}", with_sum("synced")));
    }

    #[test]
    fn no_damaged_bit_goes_unnoticed() {
        for line in [settled("a", 1, 1, "x\n").line(), with_sum("synced"), HEADER.into()] {
            for (at, bit) in (0..line.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut damaged = line.clone().into_bytes();
                damaged[at] ^= 1 << bit;
                assert_eq!(parse(&damaged, Format::V2), None, "{}", damaged.escape_ascii());
            }
        }
    }

    #[test]
    fn what_was_never_a_record_is_none_even_if_its_checksum_fits() {
        for (format, said) in [
            (Format::V2, ""),
            (Format::V2, "settled"),
            (Format::V2, "paid a 0"),
            (Format::V2, "settled 1 0 1970-01-01T00:00:00.000Z x"),
            (Format::V2, "settled a.b 0 0 x"),
            (Format::V2, "settled 1 -1 0 x"),
            (Format::V2, "settled 1 0 0"),
            (Format::V2, "settled 1 0 0 \\"),
            (Format::V2, "settled 1 0 0 \\t"),
            (Format::V2, "settled 1 0 0 \0"),
            (Format::V2, "written a"),
            (Format::V2, "written a 0 0"),
            (Format::V2, "opened 1 18446744073709551616"),
            (Format::V2, "forgotten a"),
            (Format::V2, "synced "),
            (Format::V1, "synced"),
            (Format::V1, "written a 0"),
            (Format::V1, "paid 1970-01-01T00:00:00.000Z 1 x"),
            (Format::V1, "settled 1970-01-01T00:00:00.000Z 1"),
        ] {
            assert_eq!(parse(with_sum(said).as_bytes(), format), None, "{said:?}");
        }
        assert_eq!(parse(b"\n", Format::V1), None);
    }

    #[test]
    fn the_longest_record_is_a_line() {
        let line = settled(&"x".repeat(64), u64::MAX, 0, &"\n".repeat(4096)).line();
        assert!(line.len() < MAX_LINE, "{}", line.len());
        assert!(parse(line.as_bytes(), Format::V2).is_some());
    }
}
