//! Reading a journal, line by line: what it says, and how far it is sound.
//!
//! After a power cut, what was written and not synced may be there in part, in any part: lines that
//! are whole may stand behind a page of NULs. Nobody was told `ok` for any of that, so it is a tail
//! that can be cut off. But what stands before a mark was on disk, and somebody may have been told;
//! if that is damaged, no guess is good enough.

use std::io::{self, BufRead, Read};

use super::record::{self, Format, HEADERS, MAX_LINE, Record, SYNCED};

/// How far a journal is sound.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sound {
    /// Bytes, in lines that are whole and intact.
    pub length: u64,
    /// How the last of them are written.
    pub format: Format,
    /// Bytes after those that were never vouched for.
    pub tail: u64,
    /// The number of the line after the sound ones, if that was vouched for: no guess is good enough.
    pub damaged: Option<usize>,
}

/// What is said of a file that is something else.
pub const NO_JOURNAL: &str = "this is no journal, and is left alone: name another file";

/// Hands over the records of a journal, as far as it is sound.
pub fn replay(mut file: impl BufRead, mut apply: impl FnMut(Record)) -> io::Result<Sound> {
    let mut sound = Sound::default();
    let (mut format, mut damaged, mut line) = (Format::default(), None, Vec::new());
    for number in 1.. {
        let length = read_line(&mut file, &mut line)?;
        if number == 1 && !HEADERS.iter().any(|(it, _)| it.as_bytes().starts_with(&line)) {
            return Err(io::Error::other(NO_JOURNAL));
        }
        let header = HEADERS.iter().find(|(it, _)| it.as_bytes() == line);
        format = header.map_or(format, |(_, named)| *named);
        let records = record::parse(&line, format);
        damaged = damaged.or(records.is_none().then_some(number));
        match records {
            _ if length == 0 => break,
            Some(records) if damaged.is_none() => {
                (sound.length, sound.format) = (sound.length + length, format);
                records.into_iter().for_each(&mut apply);
            }
            _ if vouches(&line, format) => return Ok(Sound { damaged, ..sound }),
            _ => sound.tail += length,
        }
    }
    Ok(sound)
}

/// Reads the next line, or as much of it as is longer than any: then the rest is read too, but not kept,
/// however long damage has made it. Its length in bytes.
fn read_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let length = file.take(MAX_LINE as u64 + 1).read_until(b'\n', line)?;
    let rest =
        if length > MAX_LINE && !line.ends_with(b"\n") { file.skip_until(b'\n')? } else { 0 };
    Ok((length + rest) as u64)
}

/// Whether somebody may have been told that everything up to this line is on disk. A mark says so;
/// version 1 had none, so any line of it may have been vouched for, if it has an end, or
/// was more than one.
fn vouches(line: &[u8], format: Format) -> bool {
    match format {
        Format::V1 => line.ends_with(b"\n") || line.len() > MAX_LINE,
        Format::V2 => line == SYNCED.as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{HEADER, MARK};
    use super::*;
    use crate::order::OrderId;

    const HEADER_1: &str = HEADERS[1].0;
    const SETTLED_1: &str = "9610b65a settled 2026-11-22T13:53:18.123Z 4711 支付成功\n";
    const DELIVERED_1: &str = "b5e1c66d delivered 2026-11-22T13:53:18.127Z 4711 支付成功\n";

    fn forgotten(order: usize) -> String {
        let order = OrderId::parse(order.to_string().as_bytes()).unwrap();
        Record::Forgotten { order, round: 0 }.line()
    }

    /// The lines of what is handed over, and what is said of the journal.
    fn read(journal: &[u8]) -> (Vec<String>, io::Result<Sound>) {
        let mut lines = Vec::new();
        let sound = replay(journal, |record| lines.push(record.line()));
        (lines, sound)
    }

    /// The line that a refusal names.
    fn damaged(journal: &[u8]) -> usize {
        let found = read(journal).1.unwrap();
        found.damaged.unwrap_or_else(|| panic!("{found:?} of {}", journal.escape_ascii()))
    }

    #[test]
    fn records_are_handed_over_in_the_order_of_their_lines() {
        let lines: Vec<String> = (0..9).map(forgotten).collect();
        let journal = [HEADER, MARK, &lines[..4].concat(), MARK, &lines[4..].concat()].concat();
        let sound =
            Sound { length: journal.len() as u64, format: Format::V2, tail: 0, damaged: None };
        let (handed_over, found) = read(journal.as_bytes());
        assert_eq!((handed_over, found.unwrap()), (lines, sound));
    }

    #[test]
    fn damage_before_a_mark_is_refused_and_damage_behind_it_is_a_tail() {
        let line = forgotten(1);
        let broken = line.replace("forgotten", "forgotteN");
        let nul = "\0".repeat(100);
        let long = "x".repeat(3 * MAX_LINE) + "\n";
        let joined = line.trim_end().to_owned() + &line;
        for damage in [&broken, &nul, &long, &joined, "?\n", "no end", SETTLED_1] {
            let before = [HEADER, MARK, &line].concat();
            let journal = [&before, damage, &line].concat();
            let (handed_over, found) = read(journal.as_bytes());
            let length = before.len() as u64;
            let tail = journal.len() as u64 - length;
            assert_eq!(found.unwrap(), Sound { length, format: Format::V2, tail, damaged: None });
            assert_eq!(handed_over, [line.as_str()], "nothing behind the damage");
            assert_eq!(damaged((journal + MARK).as_bytes()), 5);
        }
    }

    /// A file that hands out one line without an end, and counts what is asked of it at once.
    #[test]
    fn of_a_line_that_damage_has_made_endless_no_more_is_kept_than_a_line_can_have() {
        let (mut line, behind) = (Vec::new(), b"next\n".as_slice());
        let endless = vec![0; 100 * MAX_LINE];
        let mut file = [&endless[..], b"807c382b synced\n", behind].concat();
        let mut rest = &file[..];
        let length = read_line(&mut rest, &mut line).unwrap();
        assert_eq!((length, rest), ((endless.len() + 16) as u64, behind));
        assert!(line.capacity() <= 4 * MAX_LINE, "{}", line.capacity());
        // A mark that begins where a line has to end is none.
        file.drain(..endless.len() - MAX_LINE - 1);
        let journal = [HEADER.as_bytes(), &file].concat();
        assert_eq!(read(&journal).1.unwrap().damaged, None);
    }

    #[test]
    fn a_header_may_come_again_and_names_how_the_lines_behind_it_are_written() {
        let line = forgotten(1);
        let journal = [HEADER_1, SETTLED_1, HEADER, &line, HEADER_1, DELIVERED_1, HEADER, HEADER];
        let (handed_over, found) = read(journal.concat().as_bytes());
        assert_eq!(found.unwrap().tail, 0);
        let said: Vec<&str> = handed_over.iter().map(|line| &line[9..]).collect();
        let expected = [
            "settled 4711 0 0 支付成功\n",
            "forgotten 1 0\n",
            "settled 4711 0 0 支付成功\n",
            "written 4711 0\n",
        ];
        assert_eq!(said, expected);
        for (format, header) in [(Format::V1, HEADER_1), (Format::V2, HEADER)] {
            let found = read([HEADER, HEADER_1, header].concat().as_bytes()).1;
            assert_eq!(found.unwrap().format, format);
        }
    }

    #[test]
    fn in_version_1_every_line_that_has_an_end_counts() {
        let broken = SETTLED_1.replace("4711", "4712");
        let long = "x".repeat(3 * MAX_LINE);
        for damage in [&broken, "\n", "\0\n", MARK, &long] {
            assert_eq!(damaged([HEADER_1, SETTLED_1, damage].concat().as_bytes()), 3);
        }
        for torn in ["x", &SETTLED_1[..20], SETTLED_1.trim_end(), HEADER.trim_end()] {
            let (_, found) = read([HEADER_1, SETTLED_1, torn].concat().as_bytes());
            let (length, tail) = ((HEADER_1.len() + SETTLED_1.len()) as u64, torn.len() as u64);
            assert_eq!(found.unwrap(), Sound { length, format: Format::V1, tail, damaged: None });
        }
        let behind = [HEADER, "damage\n", HEADER_1].concat();
        assert_eq!(damaged(behind.as_bytes()), 2);
    }

    #[test]
    fn what_does_not_begin_as_a_journal_is_none() {
        for other in ["\n", "a letter", "#\n", "\0\0", MARK, &HEADER.replace("2:", "3:")] {
            let (handed_over, found) = read([other, HEADER, MARK].concat().as_bytes());
            assert_eq!(found.unwrap_err().to_string(), NO_JOURNAL, "{other:?}");
            assert!(handed_over.is_empty());
        }
        for header in [HEADER, HEADER_1] {
            for end in 0..header.len() {
                let found = read(&header.as_bytes()[..end]).1.unwrap();
                assert_eq!((found.length, found.tail), (0, end as u64));
            }
        }
    }

    #[test]
    fn a_single_damaged_bit_takes_nothing_that_a_mark_vouches_for() {
        let vouched = [forgotten(1), forgotten(2), forgotten(3)];
        let journal = [HEADER, MARK, &vouched[0], MARK, &vouched[1..].concat(), MARK].concat();
        let journal = journal + &forgotten(4);
        for (at, bit) in (0..journal.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut damaged = journal.clone().into_bytes();
            damaged[at] ^= 1 << bit;
            let (handed_over, found) = read(&damaged);
            let harmless = handed_over.starts_with(&vouched);
            assert!(
                found.is_err() || found.is_ok_and(|it| it.damaged.is_some()) || harmless,
                "bit {bit} of byte {at}: {handed_over:?}"
            );
        }
    }
}
