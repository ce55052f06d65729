//! A request → what is wanted. No I/O.

use std::hint::black_box;

use crate::order::{OrderId, OrderResult};
use crate::page::{self, Asset};
use crate::request::Request;
use crate::response::{Response, Status};

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub enum Wanted {
    /// To be sent on to the page.
    Redirect,
    /// The page for this order; `base` leads from its address to `/sse/`.
    Page { order: OrderId, base: &'static str },
    /// A part of the page.
    Asset(&'static Asset),
    /// To wait for this order's result.
    Wait(OrderId),
    /// To settle this order.
    Pay(OrderId, OrderResult),
    /// Whether the server is well.
    Health,
    /// What has happened so far.
    Metrics,
}

/// Why a well-formed request gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    UnknownMethod,
    UnknownPath,
    BadOrder,
    /// RFC 9110, section 15.5.6: what would be allowed must be said.
    WrongMethod(&'static str),
    BadReceipt,
    /// Fetch Metadata: a page of another site must not pay an order through its reader's browser.
    ForeignSite,
    /// Fetch, section 3.4: a browser that only guesses has not paid.
    Prefetch,
    /// RFC 6750, section 3.
    Unauthorized,
}

/// RFC 9110, section 9, and RFC 5789. Any other is 501.
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// What this request asks for; with a `token`, paying needs it.
pub fn route(request: &Request<'_>, token: Option<&str>) -> Result<Wanted, Denied> {
    if !METHODS.contains(&request.method) {
        return Err(Denied::UnknownMethod);
    }
    let resource = Resource::at(&request.path)?;
    let allowed = resource.allowed();
    if !allowed.split(", ").any(|method| method.as_bytes() == request.method) {
        return Err(Denied::WrongMethod(allowed));
    }
    match resource {
        Resource::Root => Ok(Wanted::Redirect),
        Resource::Page(Some(order)) => Ok(Wanted::Page { order, base: "../" }),
        Resource::Page(None) => Ok(Wanted::Page { order: OrderId::default(), base: "./" }),
        Resource::Asset(asset) => Ok(Wanted::Asset(asset)),
        Resource::Stream(order) => Ok(Wanted::Wait(order.unwrap_or_default())),
        Resource::Payback(order) => pay(request, token, order.unwrap_or_default()),
        Resource::Health => Ok(Wanted::Health),
        Resource::Metrics => Ok(Wanted::Metrics),
    }
}

enum Resource {
    Root,
    Page(Option<OrderId>),
    Asset(&'static Asset),
    Stream(Option<OrderId>),
    Payback(Option<OrderId>),
    Health,
    Metrics,
}

impl Resource {
    fn at(path: &[u8]) -> Result<Resource, Denied> {
        match path {
            b"/" => return Ok(Resource::Root),
            b"/healthz" => return Ok(Resource::Health),
            b"/metrics" => return Ok(Resource::Metrics),
            _ => {}
        }
        let rest = path.strip_prefix(b"/sse/").ok_or(Denied::UnknownPath)?;
        let slash = rest.iter().position(|b| *b == b'/');
        let (name, order) = match slash.map(|at| rest.split_at(at)) {
            Some((name, order)) => (name, Some(&order[1..])),
            None => (rest, None),
        };
        let of_order: fn(Option<OrderId>) -> Resource = match name {
            b"test" => Resource::Page,
            b"orderpay" => Resource::Stream,
            b"payback" => Resource::Payback,
            _ => return page::asset(rest).map(Resource::Asset).ok_or(Denied::UnknownPath),
        };
        let order = order.map(|order| OrderId::parse(order).ok_or(Denied::BadOrder)).transpose()?;
        Ok(of_order(order))
    }

    /// `HEAD` is for what `GET` answers without a side effect.
    fn allowed(&self) -> &'static str {
        match self {
            Resource::Stream(_) => "GET",
            Resource::Payback(_) => "GET, POST",
            _ => "GET, HEAD",
        }
    }
}

fn pay(request: &Request<'_>, token: Option<&str>, order: OrderId) -> Result<Wanted, Denied> {
    if request.sec_fetch_site.is_some_and(|site| site.eq_ignore_ascii_case(b"cross-site")) {
        return Err(Denied::ForeignSite);
    }
    if request.sec_purpose.is_some_and(|purpose| purpose.starts_with(b"prefetch")) {
        return Err(Denied::Prefetch);
    }
    if token.is_some_and(|token| !bears(request.authorization, token)) {
        return Err(Denied::Unauthorized);
    }
    let body = if request.method == b"POST" { request.body } else { b"" };
    let receipt = OrderResult::parse(body).ok_or(Denied::BadReceipt)?;
    Ok(Wanted::Pay(order, receipt))
}

/// RFC 6750, section 2.1, `Bearer TOKEN`; in a time that tells nothing about where they differ.
fn bears(authorization: Option<&[u8]>, token: &str) -> bool {
    let Some((scheme, given)) = authorization.and_then(|value| value.split_at_checked(7)) else {
        return false;
    };
    let differ = given.iter().zip(token.as_bytes()).fold(0, |bits, (a, b)| black_box(bits | a ^ b));
    scheme.eq_ignore_ascii_case(b"Bearer ") && given.len() == token.len() && differ == 0
}

impl Denied {
    /// What was wrong, and what would be right.
    pub fn response(self) -> Response {
        let (status, line) = match self {
            Denied::UnknownMethod => {
                (Status::NotImplemented, "unknown method: GET, HEAD and POST are known")
            }
            Denied::UnknownPath => {
                (Status::NotFound, "no such path: try /sse/test, /sse/orderpay or /sse/payback")
            }
            Denied::BadOrder => (Status::BadRequest, "an order is 1 to 64 of A-Z a-z 0-9 _ -"),
            Denied::WrongMethod(allowed) => {
                let line = format!("wrong method: {allowed} would be right\n");
                let response = Response::text(Status::MethodNotAllowed, line);
                return response.with("Allow", allowed);
            }
            Denied::BadReceipt => (Status::BadRequest, "a payback's text is UTF-8 without NUL"),
            Denied::ForeignSite => {
                (Status::Forbidden, "a page of another site can't pay: call payback directly")
            }
            Denied::Prefetch => (Status::Forbidden, "a prefetch can't pay: call payback directly"),
            Denied::Unauthorized => {
                let line = "payback needs the field: Authorization: Bearer TOKEN\n";
                let response = Response::text(Status::Unauthorized, line);
                return response.with("WWW-Authenticate", "Bearer");
            }
        };
        Response::text(status, format!("{line}\n"))
    }
}
