//! Requests that somebody has tampered with: the same ones from the same seed, on every machine.

/// Steele, Lea, Flood: SplitMix64, "Fast splittable pseudorandom number generators" (2014).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit`, which is left out.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    /// A piece of `bytes`, as the positions where it starts and ends.
    fn piece(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(bytes.len() + 1);
        start..start + self.below((bytes.len() - start).min(24) + 1)
    }
}

/// Requests as they should be, or nearly.
const SEEDS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /sse/orderpay/7?x=%y HTTP/1.0\n\n",
    b"\r\nPOST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\npaid\r\n",
    b"GET http://localhost:8888/sse/payback/%41 HTTP/1.1\r\nHost: [::1]:8888\r\nConnection: close\r\n\r\n",
    b"POST /sse/payback/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer token\r\nSec-Fetch-Site: \
      cross-site\r\nSec-Purpose: prefetch\r\nLast-Event-ID: 6666\r\nExpect: 100-continue\r\n\
      Content-Length: 3\r\n\r\nabc",
    b"OPTIONS * HTTP/1.1\r\nHost:\r\nA: b\tc \r\nCookie: \xff\xfe\r\n\r\n",
    b"POST /sse/payback HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    b"POST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: 4097\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// What parsers stumble over.
#[rustfmt::skip]
const STUMBLING_BLOCKS: &[&[u8]] = &[
    b"\n", b"\r", b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\r\n", b"\n\r", b" ", b"\t", b"\r\n ", b"\0",
    b"\x0b", b"\x7f", b"\x80", b"\xff", "\u{2028}".as_bytes(), "ä".as_bytes(), b":", b"::", b"/",
    b"//", b"?", b"#", b"%", b"%00", b"%2", b"%zz", b"[", b"]", b"@", b",", b";", b"\"", b"*",
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.10", b"http/1.1", b"http://", b"CONNECT ",
    b"OPTIONS ", b"Host: b\r\n", b"Content-Length: 1\r\n", b"Content-Length: 4097\r\n",
    b"Content-Length: 18446744073709551617\r\n", b"Content-Length:+3\r\n",
    b"Content-Length : 3\r\n", b"Transfer-Encoding: chunked\r\n", b" folded\r\n",
    b"Connection: keep-alive, close\r\n", b"0\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: smuggled\r\n\r\n",
];

/// Lengths at which something ends: words of a machine, the limits that README.md tells.
const LENGTHS: &[&usize] = &[&7, &8, &15, &16, &31, &32, &63, &64, &4060, &4096, &8100, &8192];

/// A request that was tampered with up to four times, or never.
pub fn request(random: &mut Random) -> Vec<u8> {
    let mut bytes = random.one_of(SEEDS).to_vec();
    for _ in 0..random.below(5) {
        tamper(&mut bytes, random);
    }
    bytes
}

/// The text of a payback, and what may stand in it.
pub fn text(random: &mut Random) -> Vec<u8> {
    #[rustfmt::skip]
    const PARTS: &[&str] = &[
        "\n", "\r", "\r\n", "\n\n", " ", ":", "data:", "data: ", "event:finish", "id:6666", "id",
        "retry:1", "\u{feff}", "\u{2028}", "\u{2029}", "\u{85}", "\u{b}", "\u{c}", "\t", "支付成功",
        "哈哈", "x", "\0",
    ];
    let parts = 1 + random.below(12);
    (0..parts).flat_map(|_| random.one_of(PARTS).bytes()).collect()
}

fn tamper(bytes: &mut Vec<u8>, random: &mut Random) {
    let piece = random.piece(bytes);
    match random.below(8) {
        0 => bytes.truncate(piece.start),
        1 => drop(bytes.drain(piece)),
        2 => drop(bytes.splice(piece, random.one_of(STUMBLING_BLOCKS).iter().copied())),
        3 => {
            let line = bytes[piece.start..].iter().position(|byte| *byte == b'\n');
            let at = line.map_or(piece.start, |line| piece.start + line + 1);
            drop(bytes.splice(at..at, random.one_of(STUMBLING_BLOCKS).iter().copied()));
        }
        4 => {
            let other = random.one_of(SEEDS);
            let part = random.piece(other);
            drop(bytes.splice(piece, other[part].to_vec()));
        }
        5 if !piece.is_empty() => {
            let times = random.one_of(LENGTHS).div_ceil(piece.len()).min(70);
            let repeated = bytes[piece.clone()].repeat(times);
            drop(bytes.splice(piece, repeated));
        }
        6 => {
            let padding = vec![b'a'; *random.one_of(LENGTHS)];
            drop(bytes.splice(piece, padding));
        }
        _ => bytes[piece].iter_mut().for_each(|byte| *byte = byte.wrapping_add(1 << (*byte % 8))),
    }
}
