//! A request → what is wanted. No I/O.

use std::hint::black_box;

use crate::order::{OrderId, OrderResult};
use crate::page::{self, Asset};
use crate::request::Request;
use crate::response::{Response, Status};
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
    /// To settle this order.
    Pay(OrderId, OrderResult),
    /// Whether the server is well.
    Health,
    /// What has happened so far.
    Metrics,
}

/// An order that somebody waits for; with the last event ID of a browser that comes back.
#[derive(Debug, PartialEq)]
pub struct Wait {
    pub order: OrderId,
    pub last_event_id: Option<Vec<u8>>,
}

/// Why a well-formed request gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteError {
    UnknownMethod,
    UnknownPath,
    BadOrder,
    /// RFC 9110, section 15.5.6: what would be allowed must be said.
    WrongMethod(&'static str),
    BadText,
    /// Fetch Metadata: a page of another site must not wait or pay through its reader's browser.
    CrossSite,
    /// Fetch, section 3.4: a browser that only guesses neither waits nor pays.
    Prefetch,
    /// RFC 6750, section 3.
    Unauthorized,
}

/// RFC 9110, section 9, and RFC 5789. Any other is 501.
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// What this request asks for; with a `token`, paying needs it.
pub fn route(request: &Request<'_>, token: Option<&str>) -> Result<Route, RouteError> {
    if !METHODS.contains(&request.head.method) {
        return Err(RouteError::UnknownMethod);
    }
    match &*request.path {
        b"/" => read(request, Route::Redirect),
        b"/healthz" => read(request, Route::Health),
        b"/metrics" => read(request, Route::Metrics),
        path => match path.strip_prefix(b"/sse/") {
            Some(rest) => route_below_sse(rest, request, token),
            None => Err(RouteError::UnknownPath),
        },
    }
}

/// The rest of the path is `NAME` or `NAME/ORDER`.
fn route_below_sse(
    rest: &[u8],
    request: &Request<'_>,
    token: Option<&str>,
) -> Result<Route, RouteError> {
    let mut parts = rest.splitn(2, |b| *b == b'/');
    let (name, order) = (parts.next().unwrap_or_default(), parts.next());
    let base = if order.is_some() { "../" } else { "./" };
    let order = order.map_or(Some(OrderId::default()), OrderId::parse).ok_or(RouteError::BadOrder);
    match name {
        b"test" => read(request, Route::Page { order: order?, base }),
        b"orderpay" => wait(request, order?),
        b"payback" => pay(request, order?, token),
        _ => read(request, Route::Asset(page::asset(rest).ok_or(RouteError::UnknownPath)?)),
    }
}

/// What has no side effect, so that `HEAD` is for it as well.
fn read(request: &Request<'_>, route: Route) -> Result<Route, RouteError> {
    allow(request, "GET, HEAD")?;
    Ok(route)
}

fn wait(request: &Request<'_>, order: OrderId) -> Result<Route, RouteError> {
    allow(request, "GET")?;
    check_intent(request)?;
    Ok(match request.head.field("last-event-id") {
        Some(sse::FINISH_ID) => Route::Stop(order),
        id => Route::Wait(Wait { order, last_event_id: id.map(<[u8]>::to_vec) }),
    })
}

fn pay(request: &Request<'_>, order: OrderId, token: Option<&str>) -> Result<Route, RouteError> {
    allow(request, "GET, POST")?;
    check_intent(request)?;
    if token.is_some_and(|token| !is_authorized(request.head.field("authorization"), token)) {
        return Err(RouteError::Unauthorized);
    }
    let body = if request.head.method == b"POST" { request.body } else { b"" };
    Ok(Route::Pay(order, OrderResult::parse(body).ok_or(RouteError::BadText)?))
}

fn allow(request: &Request<'_>, methods: &'static str) -> Result<(), RouteError> {
    let allowed = methods.split(", ").any(|method| method.as_bytes() == request.head.method);
    if allowed { Ok(()) } else { Err(RouteError::WrongMethod(methods)) }
}

/// Whether a person has asked for this: what a browser does by itself has no side effect.
fn check_intent(request: &Request<'_>) -> Result<(), RouteError> {
    let site = request.head.field("sec-fetch-site").unwrap_or_default();
    let purpose = request.head.field("sec-purpose").unwrap_or_default();
    if site.eq_ignore_ascii_case(b"cross-site") {
        return Err(RouteError::CrossSite);
    }
    if purpose.starts_with(b"prefetch") {
        return Err(RouteError::Prefetch);
    }
    Ok(())
}

/// RFC 6750, section 2.1, `Bearer TOKEN`; in a time that tells nothing about where they differ.
fn is_authorized(authorization: Option<&[u8]>, token: &str) -> bool {
    let (scheme, given) = authorization.and_then(|it| it.split_at_checked(7)).unwrap_or_default();
    let differ = given.iter().zip(token.as_bytes()).fold(0, |bits, (a, b)| black_box(bits | a ^ b));
    scheme.eq_ignore_ascii_case(b"Bearer ") && given.len() == token.len() && differ == 0
}

/// What was wrong, and what would be right.
impl From<RouteError> for Response {
    #[rustfmt::skip] // A table.
    fn from(error: RouteError) -> Response {
        use RouteError as Error;
        match error {
            Error::UnknownMethod => Response::error(Status::NotImplemented,
                "unknown method: GET, HEAD and POST are known"),
            Error::UnknownPath => Response::error(Status::NotFound,
                "no such path: try /sse/test, /sse/orderpay or /sse/payback"),
            Error::BadOrder => Response::error(Status::BadRequest,
                "an order is 1 to 64 of A-Z a-z 0-9 _ -"),
            Error::WrongMethod(allowed) => Response::error(Status::MethodNotAllowed,
                format_args!("wrong method: {allowed} would be right")).with("Allow", allowed),
            Error::BadText => Response::error(Status::BadRequest,
                "a payback's text is UTF-8 without NUL"),
            Error::CrossSite => Response::error(Status::Forbidden,
                "a page of another site can't wait or pay: open /sse/test, or call payback directly"),
            Error::Prefetch => Response::error(Status::Forbidden,
                "a prefetch can't wait or pay: open /sse/test, or call payback directly"),
            Error::Unauthorized => Response::error(Status::Unauthorized,
                "payback needs the field: Authorization: Bearer TOKEN").with("WWW-Authenticate", "Bearer"),
        }
    }
}
