//! A request → what is wanted. No I/O.

use std::hint::black_box;

use crate::order::{OrderId, OrderResult};
use crate::page::{self, Asset};
use crate::request::Request;
use crate::response::Response;
use crate::sse;

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub enum Route {
    /// To be sent on to the page.
    Redirect,
    /// The page for this order; `base` leads from its address to `/sse/`.
    Page { order: OrderId, base: &'static str },
    /// A part of the page.
    Asset(&'static Asset),
    /// To wait for an order's result.
    Wait(Wait),
    /// To be told that there is nothing more to wait for: this browser has seen `finish`.
    Stop(OrderId),
    /// To settle this order; `seen`: by a browser's own visit, so that a person sees the answer.
    Pay { order: OrderId, result: OrderResult, seen: bool },
    /// Whether the server is well.
    Health,
    /// What has happened so far.
    Metrics,
}

/// An order that somebody waits for; with the last event ID of a browser that comes back.
#[derive(Debug, PartialEq)]
pub struct Wait(pub OrderId, pub Option<Vec<u8>>);

/// RFC 9110, section 9, and RFC 5789. Any other is 501.
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// What this request asks for, or an error; with a `token`, paying needs it.
pub fn route(request: &Request<'_>, token: Option<&str>) -> Result<Route, Response> {
    if !METHODS.contains(&request.head.method) {
        return Err(Response::error(501, "unknown method: GET, HEAD and POST are known"));
    }
    let Some(rest) = request.path.strip_prefix(b"/sse/") else {
        return match &*request.path {
            b"/" => read(request, Route::Redirect),
            b"/healthz" => read(request, Route::Health),
            b"/metrics" => read(request, Route::Metrics),
            _ => Err(unknown_path()),
        };
    };
    // The rest of the path is `NAME` or `NAME/ORDER`.
    let mut parts = rest.splitn(2, |b| *b == b'/');
    let (name, order) = (parts.next().unwrap_or_default(), parts.next());
    let base = if order.is_some() { "../" } else { "./" };
    let order = order.map_or(Some(OrderId::default()), OrderId::parse);
    let order = order.ok_or_else(|| Response::error(400, "an order is 1 to 64 of A-Z a-z 0-9 _ -"));
    match name {
        b"test" => read(request, Route::Page { order: order?, base }),
        b"orderpay" => wait(request, order?),
        b"payback" => pay(request, order?, token),
        _ => read(request, Route::Asset(page::asset(rest).ok_or_else(unknown_path)?)),
    }
}

fn unknown_path() -> Response {
    Response::error(404, "no such path: try /sse/test, /sse/orderpay or /sse/payback")
}

/// What has no side effect, so that `HEAD` is for it as well.
fn read(request: &Request<'_>, route: Route) -> Result<Route, Response> {
    allow(request, "GET, HEAD")?;
    Ok(route)
}

fn wait(request: &Request<'_>, order: OrderId) -> Result<Route, Response> {
    allow(request, "GET")?;
    check_intent(request)?;
    Ok(match request.head.field("last-event-id") {
        Some(sse::FINISH_ID) => Route::Stop(order),
        id => Route::Wait(Wait(order, id.map(<[u8]>::to_vec))),
    })
}

fn pay(request: &Request<'_>, order: OrderId, token: Option<&str>) -> Result<Route, Response> {
    allow(request, "GET, POST")?;
    check_intent(request)?;
    if token.is_some_and(|token| !is_authorized(request.head.field("authorization"), token)) {
        // RFC 6750, section 3.
        let advice = "payback needs the field: Authorization: Bearer TOKEN";
        return Err(Response::error(401, advice).with("WWW-Authenticate", "Bearer"));
    }
    let body = if request.head.method == b"POST" { request.body } else { b"" };
    let not_text = || Response::error(400, "a payback's text is UTF-8 without NUL");
    let result = OrderResult::parse(body).ok_or_else(not_text)?;
    Ok(Route::Pay { order, result, seen: accepts_html(request) })
}

/// RFC 9110, section 12.5.1. A browser names HTML where a person goes, and neither its `fetch` nor any
/// platform does.
fn accepts_html(request: &Request<'_>) -> bool {
    let accept = request.head.field("accept").unwrap_or_default();
    accept
        .split(|b| matches!(b, b',' | b';'))
        .any(|it| it.trim_ascii().eq_ignore_ascii_case(b"text/html"))
}

/// RFC 9110, section 15.5.6: what would be allowed must be said.
fn allow(request: &Request<'_>, methods: &str) -> Result<(), Response> {
    if methods.split(", ").any(|method| method.as_bytes() == request.head.method) {
        return Ok(());
    }
    let error = Response::error(405, format_args!("wrong method: {methods} would be right"));
    Err(error.with("Allow", methods))
}

/// Whether a person has asked for this: what a browser does by itself has no side effect, be it for a
/// page of another site (Fetch Metadata) or because it guesses (Fetch, section 3.4).
fn check_intent(request: &Request<'_>) -> Result<(), Response> {
    let site = request.head.field("sec-fetch-site").unwrap_or_default();
    let purpose = request.head.field("sec-purpose").unwrap_or_default();
    let who = match (site.eq_ignore_ascii_case(b"cross-site"), purpose.starts_with(b"prefetch")) {
        (true, _) => "a page of another site",
        (_, true) => "a prefetch",
        _ => return Ok(()),
    };
    let advice = "can't wait or pay: open /sse/test, or call payback directly";
    Err(Response::error(403, format_args!("{who} {advice}")))
}

/// RFC 6750, section 2.1, `Bearer TOKEN`; in a time that tells nothing about where they differ.
fn is_authorized(authorization: Option<&[u8]>, token: &str) -> bool {
    let (scheme, given) = authorization.and_then(|it| it.split_at_checked(7)).unwrap_or_default();
    let differ = given.iter().zip(token.as_bytes()).fold(0, |bits, (a, b)| black_box(bits | a ^ b));
    scheme.eq_ignore_ascii_case(b"Bearer ") && given.len() == token.len() && differ == 0
}
