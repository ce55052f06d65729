//! What becomes of requests that are malformed, or look as if they were? Case by case.

mod support;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;

use support::{Answer, Client, OPENING, PAID, Server};

/// A section of RFC 9112 (or another, where it says so) and its demand, some bytes, and the statuses of all answers:
/// of one where the connection must end, and of one more where the request that follows must be answered.
type Case = (&'static str, &'static [u8], &'static [u16]);

const FINE: &[u16] = &[200, 200];
const BAD: &[u16] = &[400];
const NOT_FOUND: &[u16] = &[404, 200];
const BAD_ORDER: &[u16] = &[400, 200];

/// What follows each case on its connection: a proxy may believe that it belongs to it.
const FOLLOWER: &str = "POST /sse/payback/ORDER HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";

/// The first line; `Host: a` follows.
#[rustfmt::skip]
const REQUEST_LINES: &[Case] = &[
    ("3: a request line has three parts", b"GET", BAD),
    ("3: a request line has three parts", b"GET /healthz", BAD),
    ("3: a request line has three parts", b"/healthz", BAD),
    ("3: a request line has three parts", b"/healthz HTTP/1.1", BAD),
    ("3: a request line has three parts", b"GET /healthz HTTP/1.1 x", BAD),
    ("3: one space between two parts", b"GET  /healthz HTTP/1.1", BAD),
    ("3: one space between two parts", b"GET /healthz  HTTP/1.1", BAD),
    ("3: one space between two parts", b"GET\t/healthz HTTP/1.1", BAD),
    ("3: one space between two parts", b"GET /healthz\x0bHTTP/1.1", BAD),
    ("3: no space at the start", b" GET /healthz HTTP/1.1", BAD),
    ("3: no space at the end", b"GET /healthz HTTP/1.1 ", BAD),
    ("3: no space at the end", b"GET /healthz ", BAD),
    ("3.1: a method is a token", b"G(T /healthz HTTP/1.1", BAD),
    ("3.1: a method is a token", b"GET: /healthz HTTP/1.1", BAD),
    ("3.1: a method is a token", b"\"GET\" /healthz HTTP/1.1", BAD),
    ("3.1: a method is a token", b"GET\0 /healthz HTTP/1.1", BAD),
    ("3.1: a method is a token", b"G\xc3\x84T /healthz HTTP/1.1", BAD),
    ("3.1: a method is case-sensitive", b"get /healthz HTTP/1.1", &[501, 200]),
    ("3.1: a method may be unknown", b"BREW /healthz HTTP/1.1", &[501, 200]),
    ("3.1: a method may be any token", b"!#$%&'*+-.^_`|~09 /healthz HTTP/1.1", &[501, 200]),
    ("9110, 15.5.6: a method may be wrong", b"PUT /healthz HTTP/1.1", &[405, 200]),
    ("9110, 15.5.6: a method may be wrong", b"POST /sse/orderpay HTTP/1.1", &[405, 200]),
    ("9110, 9.3.8: TRACE shows what proxies add", b"TRACE /healthz HTTP/1.1", &[405, 200]),
    ("9110, 9.3.2: HEAD has no side effect", b"HEAD /sse/payback HTTP/1.1", &[405, 200]),
    ("9110, 9.3.2: HEAD has no side effect", b"HEAD /sse/orderpay HTTP/1.1", &[405, 200]),
    ("9110, 9.3.2: HEAD has no body", b"HEAD /healthz HTTP/1.1", FINE),
    ("2.3: a version is case-sensitive", b"GET /healthz http/1.1", BAD),
    ("2.3: a version has two digits", b"GET /healthz HTTP/1", BAD),
    ("2.3: a version has two digits", b"GET /healthz HTTP/11", BAD),
    ("2.3: a version has two digits", b"GET /healthz HTTP/1.10", BAD),
    ("2.3: a version has two digits", b"GET /healthz HTTP/01.1", BAD),
    ("2.3: a version has two digits", b"GET /healthz HTTP/1.x", BAD),
    ("2.3: a version has a point", b"GET /healthz HTTP/1,1", BAD),
    ("2.3: a version has no space", b"GET /healthz HTTP/ 1.1", BAD),
    ("2.3: a version is of HTTP", b"GET /healthz HTTPS/1.1", BAD),
    ("2.3: a version is of HTTP", b"GET /healthz ICY/1.1", BAD),
    ("2.3: a version ends with its line", b"GET /healthz HTTP/1.1\0", BAD),
    ("9110, 15.6.6: other versions", b"GET /healthz HTTP/0.9", &[505]),
    ("9110, 15.6.6: other versions", b"GET /healthz HTTP/1.2", &[505]),
    ("9110, 15.6.6: other versions", b"GET /healthz HTTP/3.0", &[505]),
    ("9113, 3.4: the preface of HTTP/2", b"PRI * HTTP/2.0", &[505]),
    ("3.2: a target is visible ASCII", b"GET /healthz\x01 HTTP/1.1", BAD),
    ("3.2: a target is visible ASCII", b"GET /healthz\x7f HTTP/1.1", BAD),
    ("3.2: a target is visible ASCII", b"GET /\xc3\xa4 HTTP/1.1", BAD),
    ("3.2: a target is visible ASCII", b"GET /\xff HTTP/1.1", BAD),
    ("3.2: a target has no fragment", b"GET /healthz#top HTTP/1.1", BAD),
    ("3.2.1: a path begins with a slash", b"GET healthz HTTP/1.1", BAD),
    ("3.2.1: a path begins with a slash", b"GET ?a HTTP/1.1", BAD),
    ("3.2.1: a query may be anything", b"GET /healthz?/../%zz?[]|{} HTTP/1.1", FINE),
    ("3.2.1: a path is not tidied up", b"GET //healthz HTTP/1.1", NOT_FOUND),
    ("3.2.1: a path is not tidied up", b"GET /healthz/ HTTP/1.1", NOT_FOUND),
    ("3.2.1: a path is not tidied up", b"GET /./healthz HTTP/1.1", NOT_FOUND),
    ("3.2.1: a path is not tidied up", b"GET /sse/../healthz HTTP/1.1", NOT_FOUND),
    ("3.2.1: a path is not tidied up", b"GET /sse\\test HTTP/1.1", NOT_FOUND),
    ("9110, 4.2.3: a path is case-sensitive", b"GET /HEALTHZ HTTP/1.1", NOT_FOUND),
    ("3986, 2.1: a percent sign has two digits", b"GET /% HTTP/1.1", BAD),
    ("3986, 2.1: a percent sign has two digits", b"GET /%6 HTTP/1.1", BAD),
    ("3986, 2.1: a percent sign has two digits", b"GET /%6gealthz HTTP/1.1", BAD),
    ("3986, 2.1: a percent sign has two digits", b"GET /%+6healthz HTTP/1.1", BAD),
    ("3986, 2.4: decoded once", b"GET /%68ealthz HTTP/1.1", FINE),
    ("3986, 2.4: and only once", b"GET /%2568ealthz HTTP/1.1", NOT_FOUND),
    ("3986, 7.3: an encoded NUL ends nothing", b"GET /healthz%00 HTTP/1.1", NOT_FOUND),
    ("3986, 7.3: nor does an encoded line end", b"GET /healthz%0D%0AA:b HTTP/1.1", NOT_FOUND),
    ("3986, 7.3: an encoded ? starts no query", b"GET /healthz%3Fa HTTP/1.1", NOT_FOUND),
    ("3.2.2: an absolute form", b"GET http://a/healthz HTTP/1.1", FINE),
    ("3.2.2: an absolute form", b"GET HTTPS://A:443/healthz?b HTTP/1.1", FINE),
    ("3.2.2: an absolute form", b"GET http://[::1]:80/healthz HTTP/1.1", FINE),
    ("3.2.2: without a path", b"GET http://a HTTP/1.1", &[302, 200]),
    ("3.2.2: of another scheme", b"GET ftp://a/healthz HTTP/1.1", BAD),
    ("3.2.2: of no scheme", b"GET ://a/healthz HTTP/1.1", BAD),
    ("3.2.2: with one slash", b"GET http:/healthz HTTP/1.1", BAD),
    ("9110, 4.2.1: a host that is empty", b"GET http:///healthz HTTP/1.1", BAD),
    ("9110, 4.2.1: a host that is empty", b"GET http://:80/healthz HTTP/1.1", BAD),
    ("9110, 4.2.4: a password", b"GET http://u:p@a/healthz HTTP/1.1", BAD),
    ("3986, 3.2.3: a port is a number", b"GET http://a:b/healthz HTTP/1.1", BAD),
    ("3986, 3.2.2: an address has brackets", b"GET http://[::1/healthz HTTP/1.1", BAD),
    ("3.2.3: an authority form, not CONNECT", b"GET a:80 HTTP/1.1", BAD),
    ("3.2.3: an authority form", b"CONNECT a:80 HTTP/1.1", NOT_FOUND),
    ("3.2.4: an asterisk form, not OPTIONS", b"GET * HTTP/1.1", BAD),
    ("3.2.4: an asterisk form", b"OPTIONS * HTTP/1.1", NOT_FOUND),
    (
        "README: an order has 64 characters",
        b"GET /sse/payback/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef HTTP/1.1",
        FINE,
    ),
    (
        "README: and not 65",
        b"GET /sse/payback/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef- HTTP/1.1",
        BAD_ORDER,
    ),
    ("README: and not 0", b"GET /sse/payback/ HTTP/1.1", BAD_ORDER),
    ("README: an order is plain", b"GET /sse/payback/a.b HTTP/1.1", BAD_ORDER),
    ("README: an order is plain", b"GET /sse/payback/a%20b HTTP/1.1", BAD_ORDER),
    ("README: an order is plain", b"GET /sse/payback/a%00 HTTP/1.1", BAD_ORDER),
    ("README: an order is plain", b"GET /sse/payback/%E2%80%AE HTTP/1.1", BAD_ORDER),
    ("README: an order is plain", b"GET /sse/payback/../1 HTTP/1.1", BAD_ORDER),
    ("README: an order is plain", b"GET /sse/orderpay/a/b HTTP/1.1", BAD_ORDER),
    ("README: an order is plain", b"GET /sse/test/<script> HTTP/1.1", BAD_ORDER),
    ("README: nothing else is there", b"GET /sse HTTP/1.1", NOT_FOUND),
    ("README: nothing else is there", b"GET /sse/page.css/1 HTTP/1.1", NOT_FOUND),
    ("README: nothing else is there", b"GET /sse/page.css%00.html HTTP/1.1", NOT_FOUND),
];

/// More lines after `GET /healthz HTTP/1.1` and `Host: a`.
const FIELD_LINES: &[Case] = &[
    ("5: a field may be empty", b"A:", FINE),
    ("5: a value may have spaces around it", b"A:\t b\tc \t", FINE),
    ("5: a value may have colons", b"A: b: c", FINE),
    ("5.1: a name is a token", b"!#$%&'*+-.^_`|~09: b", FINE),
    ("9110, 5.5: a value may have obs-text", b"A: \xff\x80", FINE),
    ("5: a field has a colon", b"A", BAD),
    ("5: a field has a name", b": b", BAD),
    ("5.1: no space before the colon", b"A : b", BAD),
    ("5.1: no space before the colon", b"A\t: b", BAD),
    ("5.1: a name is a token", b"A b: c", BAD),
    ("5.1: a name is a token", b"A(: b", BAD),
    ("5.1: a name is a token", b"\"A\": b", BAD),
    ("5.1: a name is a token", b"A/: b", BAD),
    ("5.1: a name is a token", b"A;b: c", BAD),
    ("5.1: a name is a token", b"\xc3\xa4: b", BAD),
    ("5.1: a name is a token", b"A\0: b", BAD),
    ("5.1: a name is a token", b"A\x7f: b", BAD),
    ("5.2: no folding", b" A: b", BAD),
    ("5.2: no folding", b"\tA: b", BAD),
    ("5.2: no folding", b"A: b\r\n c", BAD),
    ("5.2: no folding", b"A: b\r\n\tc", BAD),
    ("5.2: no folding", b"A: b\n c", BAD),
    ("5.2: no folding", b"A: b\r\n \r\nB: c", BAD),
    ("9110, 5.5: no control characters", b"A: \0", BAD),
    ("9110, 5.5: no control characters", b"A: b\x01c", BAD),
    ("9110, 5.5: no control characters", b"A: b\x0bc", BAD),
    ("9110, 5.5: no control characters", b"A: \x0c", BAD),
    ("9110, 5.5: no control characters", b"A: \x1b[31m", BAD),
    ("9110, 5.5: no control characters", b"A: b\x7f", BAD),
    ("2.2: a bare CR ends no line", b"A: b\rB: c", BAD),
    ("2.2: a bare CR ends no line", b"A: b\r\rB: c", BAD),
    ("2.2: a bare CR ends no line", b"A: b\r", BAD),
    ("2.2: a bare CR ends no line", b"\rA: b", BAD),
    ("2.2: a bare CR ends no head", b"\r", BAD),
    ("2.2: a bare LF ends a line", b"A: b\nB: c", FINE),
    ("9.6: close", b"Connection: close", &[200]),
    ("9.6: close, among others", b"Connection: Keep-Alive , , CLOSE", &[200]),
    ("9.6: close, in a second field", b"Connection: keep-alive\r\nConnection: close", &[200]),
    ("9.3: other options keep it open", b"Connection: keep-alive, closed", FINE),
    ("9110, 7.8: no other protocol", b"Connection: Upgrade\r\nUpgrade: websocket", FINE),
    ("9110, 10.1.1: an unknown expectation", b"Expect: 200-ok", FINE),
    ("9110, 14.2: no ranges", b"Range: bytes=0-0", FINE),
];

/// Lines after `GET /healthz HTTP/1.1`.
const HOSTS: &[Case] = &[
    ("3.2: a host may be empty", b"Host:", FINE),
    ("3.2: a host may have a port", b"Host: a:80", FINE),
    ("3.2: which may be empty", b"Host: a:", FINE),
    ("3.2: a host may be an address", b"Host: [::1]:8888", FINE),
    ("3.2: a host may come late", b"A: b\r\nhOsT:a", FINE),
    ("3.2: a host must be there", b"A: b", BAD),
    ("3.2: a host must be there", b"Hosts: a", BAD),
    ("3.2: but once", b"Host: a\r\nHost: a", BAD),
    ("3.2: but once", b"Host: a\r\nhost: b", BAD),
    ("3.2: but once", b"Host: a\r\nHost:", BAD),
    ("3.2: but once", b"Host: a,b", BAD),
    ("3.2: but once", b"Host: a, b", BAD),
    ("3.2: a host is no URL", b"Host: http://a", BAD),
    ("3.2: a host has no path", b"Host: a/b", BAD),
    ("3.2: a host has no query", b"Host: a?b", BAD),
    ("3.2: a host has no user", b"Host: u@a", BAD),
    ("3.2: a host has no spaces", b"Host: a b", BAD),
    ("3.2: a host is ASCII", b"Host: \xc3\xa4", BAD),
    ("3.2: a port is a number", b"Host: a:b", BAD),
    ("3.2: a port stands there once", b"Host: a:80:80", BAD),
    ("3.2: an address has brackets", b"Host: ::1", BAD),
    ("3.2: an address has two of them", b"Host: [::1", BAD),
    ("3.2: an address is one", b"Host: []", BAD),
    ("3.2: an address is one", b"Host: [:::]", BAD),
    ("3.2: an address is one", b"Host: [1:2:3]", BAD),
    ("3.2: a percent sign has two digits", b"Host: %zz", BAD),
    ("3.2: a percent sign has two digits", b"Host: a%4", BAD),
    ("5.1: no space before the colon", b"Host : a", BAD),
    ("5.2: no folding", b"Host: a\r\n b", BAD),
    ("5.2: no folding", b" Host: a", BAD),
];

/// Lines after `POST /sse/payback/body HTTP/1.1` and `Host: a`, with the body `hello`.
#[rustfmt::skip]
const LENGTHS: &[Case] = &[
    ("6.2: a length", b"Content-Length: 5", FINE),
    ("6.2: a length has any number of digits", b"content-length:\t0000000000000000000005 ", FINE),
    ("6.3: the same length twice", b"Content-Length: 5\r\nContent-Length: 5", FINE),
    ("6.3: differing lengths", b"Content-Length: 5\r\nContent-Length: 6", BAD),
    ("6.3: differing lengths", b"Content-Length: 5\r\nContent-Length: 05", BAD),
    ("6.3: differing lengths", b"Content-Length: 5\r\nContent-Length:", BAD),
    ("6.3: a list of lengths", b"Content-Length: 5, 5", BAD),
    ("6.3: a list of lengths", b"Content-Length: 5,", BAD),
    ("6.2: a length has digits", b"Content-Length:", BAD),
    ("6.2: a length has digits", b"Content-Length: five", BAD),
    ("6.2: a length has no sign", b"Content-Length: +5", BAD),
    ("6.2: a length has no sign", b"Content-Length: -5", BAD),
    ("6.2: a length is whole", b"Content-Length: 5.0", BAD),
    ("6.2: a length is decimal", b"Content-Length: 0x5", BAD),
    ("6.2: a length is decimal", b"Content-Length: 5e0", BAD),
    ("6.2: a length is one number", b"Content-Length: 5 5", BAD),
    ("6.2: a length has no parameters", b"Content-Length: 5;a=b", BAD),
    ("6.2: a length has no quotes", b"Content-Length: \"5\"", BAD),
    ("6.2: a length has ASCII digits", b"Content-Length: \xd9\xa5", BAD),
    ("6.2: no control characters", b"Content-Length: \x0b5", BAD),
    ("5.1: no space before the colon", b"Content-Length : 5", BAD),
    ("5.2: no folding", b"A: b\r\n Content-Length: 5", BAD),
    ("9110, 15.5.14: too long", b"Content-Length: 4097", &[413]),
    ("9110, 15.5.14: too long for a word", b"Content-Length: 18446744073709551621", &[413]),
    ("9110, 15.5.14: too long for two", b"Content-Length: 340282366920938463463374607431768211461", &[413]),
    ("6.1: no transfer coding", b"Transfer-Encoding: chunked", &[501]),
    ("6.1: no transfer coding", b"Transfer-Encoding: gzip, chunked", &[501]),
    ("6.1: no transfer coding", b"Transfer-Encoding: identity", &[501]),
    ("6.1: no transfer coding", b"Transfer-Encoding: xchunked", &[501]),
    ("6.1: no transfer coding", b"Transfer-Encoding:", &[501]),
    ("6.1: no transfer coding", b"transfer-encoding: chunked\r\nTransfer-Encoding: x", &[501]),
    ("6.1: both", b"Content-Length: 5\r\nTransfer-Encoding: chunked", BAD),
    ("6.1: both", b"Transfer-Encoding: chunked\r\nContent-Length: 5", BAD),
    ("6.1: both", b"Transfer-Encoding: identity\r\nContent-Length: 5", BAD),
    ("5.1: no space before the colon", b"Transfer-Encoding : chunked\r\nContent-Length: 5", BAD),
    ("5.1: no control characters", b"Transfer-Encoding\x0b: chunked\r\nContent-Length: 5", BAD),
    ("5.2: no folding", b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked", BAD),
    ("2.2: a bare CR ends no line", b"Content-Length: 5\rTransfer-Encoding: chunked", BAD),
    ("6.3: no length, no body: the next method is helloPOST", b"A: b", &[200, 501]),
];

/// Whole requests.
#[rustfmt::skip]
const REQUESTS: &[Case] = &[
    ("2.2: a bare LF ends a line", b"GET /healthz HTTP/1.1\nHost: a\n\n", FINE),
    ("2.2: empty lines before", b"\r\n\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", FINE),
    ("2.2: a CR is no empty line", b"\rGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
    ("2.2: a CR is no empty line", b"\r\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
    ("2.2: a bare CR ends no line", b"GET /healthz HTTP/1.1\rHost: a\r\r", BAD),
    ("2.2: a bare CR ends no line", b"GET /healthz HTTP/1.1\r\r\nHost: a\r\n\r\n", BAD),
    ("2.2: LF and CR are the wrong way round", b"GET /healthz HTTP/1.1\n\rHost: a\n\r\n\r", BAD),
    ("2.2: a request is in ASCII", b"\xef\xbb\xbfGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
    ("2.2: a request is in ASCII", b"G\0E\0T\0 \0/\0\r\0\n\0", BAD),
    ("6.3: GET may have a body", b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", FINE),
    ("9.3: in HTTP/1.0 one request", b"GET /healthz HTTP/1.0\r\n\r\n", &[200]),
    ("9.3: in HTTP/1.0 one request", b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200]),
    ("3.2: in HTTP/1.0 one host at most", b"GET /healthz HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", BAD),
    ("6.1: in HTTP/1.0 no transfer coding", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", &[501]),
    ("README: a text is UTF-8", b"POST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\xff", &[400, 200]),
    ("README: a text is UTF-8", b"POST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\xc0\x80", &[400, 200]),
    ("README: a text is UTF-8", b"POST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\xed\xa0\x80", &[400, 200]),
    ("README: a text has no NUL", b"POST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na\0b", &[400, 200]),
    ("another protocol: TLS", b"\x16\x03\x01\0\x9d\x01\0\0\x99\x03\x03\n", BAD),
    ("another protocol: SSH", b"SSH-2.0-OpenSSH_9.2\r\n", BAD),
    ("another protocol: SMTP", b"EHLO a\r\n", BAD),
    ("another protocol: RESP", b"*1\r\n$4\r\nPING\r\n", BAD),
    ("another protocol: HTTP/0.9", b"GET /healthz\r\n", BAD),
    ("another protocol: SIP", b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n\r\n", BAD),
    ("another protocol: RTSP", b"OPTIONS / RTSP/1.0\r\nCSeq: 1\r\n\r\n", BAD),
];

/// What is just short enough, and what is not.
fn limits() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let line =
        |len: usize| format!("GET /healthz?{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len - 22));
    let head = |len: usize| {
        format!("GET /healthz HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "x".repeat(len - 39))
    };
    let fields = |count: usize| {
        format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(count - 1))
    };
    let body = |len| {
        let head =
            format!("POST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
        head + &"x".repeat(len)
    };
    let cases: Vec<(_, _, &[u16])> = vec![
        ("3: a line of 4096 bytes", line(4096), FINE),
        ("3: a line of 4097 bytes", line(4097), &[414]),
        ("3: a line without an end", "GET /".to_owned() + &"x".repeat(5000), &[414]),
        ("3: a method without an end", "G".repeat(5000), &[414]),
        ("6585, 5: a head of 8192 bytes", head(8192), FINE),
        ("6585, 5: a head of 8193 bytes", head(8193), &[431]),
        ("6585, 5: a field without an end", head(20_000), &[431]),
        ("2.2: any number of empty lines", "\r\n".repeat(20_000) + &fields(1), FINE),
        ("6585, 5: 64 fields", fields(64), FINE),
        ("6585, 5: 65 fields", fields(65), &[431]),
        ("9110, 15.5.14: a body of 4096 bytes", body(4096), FINE),
        ("9110, 15.5.14: a body of 4097 bytes", body(4097), &[413]),
    ];
    let bytes = |(section, text, statuses)| (section, String::into_bytes(text), statuses);
    cases.into_iter().map(bytes).collect()
}

/// All cases, each of them whole.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let group = |before: &'static str, cases: &'static [Case], after: &'static str| {
        cases.iter().map(move |(section, bytes, statuses)| {
            (*section, [before.as_bytes(), bytes, after.as_bytes()].concat(), *statuses)
        })
    };
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    let post = "POST /sse/payback/body HTTP/1.1\r\nHost: a\r\n";
    group("", REQUEST_LINES, "\r\nHost: a\r\n\r\n")
        .chain(group(get, FIELD_LINES, "\r\n\r\n"))
        .chain(group("GET /healthz HTTP/1.1\r\n", HOSTS, "\r\n\r\n"))
        .chain(group(post, LENGTHS, "\r\n\r\nhello"))
        .chain(group("", REQUESTS, ""))
        .chain(limits())
        .collect()
}

/// Runs all cases, a few at a time. Where its connection must end, what follows would pay the order `smuggled`.
fn run(send: impl Fn(&mut Client, &[u8]) + Sync) {
    let server = Server::start(&[]);
    let cases = cases();
    assert!(cases.len() >= 150, "only {} cases", cases.len());
    println!("{} cases", cases.len());
    let queue = Mutex::new(VecDeque::from(cases));
    let next = || queue.lock().unwrap().pop_front();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((section, bytes, statuses)) = next() {
                    let order = if statuses.len() == 1 { "smuggled" } else { "follows" };
                    let follower = FOLLOWER.replace("ORDER", order);
                    let mut client = server.connect();
                    send(&mut client, &[&bytes, follower.as_bytes()].concat());
                    let answers = statuses_of(&mut client, bytes.starts_with(b"HEAD "));
                    let shown = bytes[..bytes.len().min(300)].escape_ascii();
                    assert_eq!(answers, statuses, "{section}: {shown}");
                }
            });
        }
    });
    let mut waiter = server.orderpay("smuggled");
    assert_eq!(waiter.so_far(), "", "nobody has paid it");
}

/// The statuses of all answers until the server ends the connection, which it must do in order.
fn statuses_of(client: &mut Client, head_first: bool) -> Vec<u16> {
    let bytes = client.rest();
    let (mut rest, mut statuses) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        let end = rest.windows(4).position(|it| it == b"\r\n\r\n").expect("a whole head") + 4;
        let head = Answer::from_head(&rest[..end]).expect("a head");
        let has_body = !(head_first && statuses.is_empty());
        let length = head.field("Content-Length").filter(|_| has_body);
        rest = &rest[end + length.map_or(0, |length| length.parse().expect("a length"))..];
        statuses.push(head.status);
    }
    statuses
}

#[test]
fn every_case_gets_its_status_and_what_follows_a_refusal_is_not_read() {
    run(|client, bytes| _ = client.send(bytes));
}

#[test]
fn every_case_gets_its_status_byte_by_byte_too() {
    run(|client, bytes| bytes.chunks(1).for_each(|byte| _ = client.send(byte)));
}

#[test]
fn what_follows_an_order_is_not_read() {
    let server = Server::start(&[]);
    let mut waiter = server.connect();
    let requests = ["GET /sse/orderpay/7", "POST /sse/payback/7", "GET /sse/payback/smuggled"];
    waiter.send(requests.map(|it| it.to_owned() + " HTTP/1.1\r\nHost: a\r\n\r\n").concat());
    waiter.until(OPENING);
    assert_eq!(server.payback("7"), 1);
    assert_eq!(waiter.rest(), PAID.as_bytes());
    assert_eq!(server.logged("order=smuggled"), [""; 0]);
}

#[test]
fn a_request_that_ends_before_it_is_whole_is_told_so() {
    let server = Server::start(&[]);
    for unfinished in [
        "G",
        "GET /sse/payback HTTP/1.1",
        "GET /sse/payback HTTP/1.1\r\n",
        "GET /sse/payback HTTP/1.1\r\nHost: a\r\n",
        "GET /sse/payback HTTP/1.1\r\nHost: a\r\n\r",
        "POST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "POST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
    ] {
        let mut client = server.connect();
        client.send(unfinished).half_close();
        assert_eq!(statuses_of(&mut client, false), BAD, "{unfinished:?}");
    }
    assert_eq!(server.logged("event=paid"), [""; 0]);
}

#[test]
fn a_refusal_reaches_a_client_that_sends_on_and_on() {
    let server = Server::start(&[]);
    let megabyte = vec![b'x'; 1 << 20];
    for (start, status) in [
        ("POST /sse/payback HTTP/1.1\r\n\r\n", 400),
        ("POST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n", 413),
        ("POST /sse/payback?", 414),
        ("POST /sse/payback HTTP/1.1\r\nHost: a\r\nA: ", 431),
        ("POST /sse/payback HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        ("POST /sse/payback HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ] {
        let mut client = server.connect();
        client.send(start).send(&megabyte);
        assert_eq!(statuses_of(&mut client, false), [status], "{start:?}");
    }
}
