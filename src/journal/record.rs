//! One record: all that a line of a journal says about its order.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::order::{OrderId, Receipt};
use crate::utc::Utc;

/// The first line of a journal. It may come again, as it does where two were joined with `cat`.
pub const HEADER: &str = "# orderpay journal 1: checksum, state, time, order, receipt\n";

/// What is remembered of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub order: OrderId,
    pub receipt: Receipt,
    /// When the order was settled, or delivered.
    pub at: SystemTime,
    pub delivered: bool,
}

impl Record {
    /// What has just happened to an order.
    pub fn now(order: &OrderId, receipt: &Receipt, delivered: bool) -> Record {
        let (order, receipt) = (order.clone(), receipt.clone());
        Record { order, receipt, at: SystemTime::now(), delivered }
    }

    /// Appends it as a line.
    pub fn write(&self, out: &mut Vec<u8>) {
        let state = if self.delivered { "delivered" } else { "settled" };
        let (at, receipt) = (Utc::from(self.at), escape(self.receipt.text()));
        let said = format!("{state} {at} {} {receipt}", self.order);
        out.extend(format!("{:08x} {said}\n", checksum(&said)).into_bytes());
    }

    /// The record in a line; `None` if anything about it is amiss.
    fn parse(line: &[u8]) -> Option<Record> {
        let (sum, said) = str::from_utf8(line).ok()?.strip_suffix('\n')?.split_once(' ')?;
        let mut words = said.splitn(4, ' ');
        let delivered = match words.next()? {
            "settled" => false,
            "delivered" => true,
            _ => return None,
        };
        let at = Utc::parse(words.next()?)?;
        let order = OrderId::parse(words.next()?.as_bytes())?;
        let receipt = Receipt::parse(unescape(words.next()?)?.as_bytes())?;
        let intact = sum == format!("{:08x}", checksum(said));
        intact.then_some(Record { order, receipt, at, delivered })
    }
}

/// A whole journal that remembers these.
pub fn lines(records: &[Record]) -> Vec<u8> {
    let mut lines = HEADER.as_bytes().to_vec();
    records.iter().for_each(|record| record.write(&mut lines));
    lines
}

/// What whole lines say: the last of each order counts, and the oldest comes first.
/// The error is the number of the first line that is damaged.
pub fn replay(lines: &[u8]) -> Result<Vec<Record>, usize> {
    let mut last = HashMap::new();
    for (line, number) in lines.split_inclusive(|&b| b == b'\n').zip(1_usize..) {
        if line != HEADER.as_bytes() {
            let record = Record::parse(line).ok_or(number)?;
            last.insert(record.order.clone(), (number, record));
        }
    }
    let mut numbered: Vec<_> = last.into_values().collect();
    numbered.sort_unstable_by_key(|&(number, _)| number);
    Ok(numbered.into_iter().map(|(_, record)| record).collect())
}

/// Drops what is older than `keep`, and of what is more than `most` the oldest that was delivered.
pub fn forget(records: &mut Vec<Record>, keep: Duration, most: usize, now: SystemTime) {
    records.retain(|record| now.duration_since(record.at).unwrap_or_default() < keep);
    let mut surplus = records.len().saturating_sub(most);
    records.retain(|record| {
        let dropped = surplus > 0 && record.delivered;
        surplus -= usize::from(dropped);
        !dropped
    });
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescape(text: &str) -> Option<String> {
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(char) = chars.next() {
        plain.push(match char {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            char => char,
        });
    }
    Some(plain)
}

/// FNV-1a, 32 bits: no change of a single byte goes unnoticed, and of others one in four billion.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, b| (sum ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn record(second: u64, order: &str, receipt: &str, delivered: bool) -> Record {
        Record {
            order: OrderId::parse(order.as_bytes()).unwrap(),
            receipt: Receipt::parse(receipt.as_bytes()).unwrap(),
            at: UNIX_EPOCH + Duration::from_secs(second),
            delivered,
        }
    }

    #[test]
    fn a_record_is_a_line_that_people_can_read() {
        for (record, line) in [
            (record(0, "1", "", false), "settled 1970-01-01T00:00:00.000Z 1 支付成功"),
            (record(9, "a_-", " a b ", true), "delivered 1970-01-01T00:00:09.000Z a_-  a b "),
            (record(0, "1", "\r\n\\n", false), "settled 1970-01-01T00:00:00.000Z 1 \\r\\n\\\\n"),
        ] {
            let mut written = Vec::new();
            record.write(&mut written);
            let whole = format!("{:08x} {line}\n", checksum(line));
            assert_eq!(String::from_utf8(written), Ok(whole.clone()));
            assert_eq!(
                lines(&replay(whole.as_bytes()).unwrap()),
                (HEADER.to_owned() + &whole).as_bytes()
            );
        }
    }

    #[test]
    fn checksums_are_those_of_everybody_else() {
        assert_eq!((checksum(""), checksum("foobar")), (0x811c_9dc5, 0xbf9c_f968));
    }

    #[test]
    fn no_damaged_byte_goes_unnoticed() {
        let intact = lines(&[record(1, "a", "x\n", false), record(2, "b", "", true)]);
        let start = HEADER.len();
        for at in start..intact.len() {
            for flip in 0..8 {
                let mut damaged = intact.clone();
                damaged[at] ^= 1 << flip;
                assert!(replay(&damaged).is_err(), "{}", damaged.escape_ascii());
            }
        }
    }

    #[test]
    fn the_number_of_a_damaged_line_is_told() {
        let mut text = lines(&[record(1, "a", "", false), record(2, "b", "", false)]);
        assert_eq!(replay(&text).map(|records| records.len()), Ok(2));
        text.extend(b"\n");
        assert_eq!(replay(&text), Err(4));
    }

    #[test]
    fn what_was_never_a_record_is_none_even_if_its_checksum_fits() {
        for said in [
            "",
            "settled",
            "paid 1970-01-01T00:00:00.000Z 1 x",
            "settled 1970-01-01T00:00:00Z 1 x",
            "settled 1970-01-01T00:00:00.000Z a.b x",
            "settled 1970-01-01T00:00:00.000Z 1",
            "settled 1970-01-01T00:00:00.000Z 1 \\",
            "settled 1970-01-01T00:00:00.000Z 1 \\t",
            "settled 1970-01-01T00:00:00.000Z 1 \0",
        ] {
            assert_eq!(
                replay(format!("{:08x} {said}\n", checksum(said)).as_bytes()),
                Err(1),
                "{said}"
            );
        }
    }

    #[test]
    fn the_last_line_of_an_order_counts_and_the_oldest_order_comes_first() {
        let text = lines(&[
            record(1, "a", "", false),
            record(2, "b", "", false),
            record(3, "a", "", true),
            record(4, "c", "", false),
            record(5, "b", "again", false),
        ]);
        let text = [&text[..], &lines(&[record(6, "d", "", false)])].concat();
        let last = [
            record(3, "a", "", true),
            record(4, "c", "", false),
            record(5, "b", "again", false),
            record(6, "d", "", false),
        ];
        assert_eq!(lines(&replay(&text).unwrap()), lines(&last));
    }

    #[test]
    fn what_is_too_old_is_forgotten_and_delivered_ones_beyond_the_most() {
        let all = [
            record(1, "old", "", false),
            record(2, "a", "", false),
            record(3, "b", "", true),
            record(4, "c", "", true),
            record(99, "clock-was-ahead", "", false),
        ];
        let now = UNIX_EPOCH + Duration::from_secs(11);
        for (most, left) in [(9, &all[1..]), (3, &[all[1].clone(), all[3].clone(), all[4].clone()])]
        {
            let mut records = all.to_vec();
            forget(&mut records, Duration::from_secs(10), most, now);
            assert_eq!(records, left);
        }
        let mut records = all.to_vec();
        forget(&mut records, Duration::from_secs(10), 0, now);
        assert_eq!(records, [all[1].clone(), all[4].clone()], "nothing undelivered is forgotten");
    }
}
