//! A request in, an answer out: what the server does, connections apart.

use std::borrow::Cow;
use std::net::TcpStream;
use std::sync::Arc;

use crate::events::{Event, Events};
use crate::metrics::{self, Gauges};
use crate::order::{OrderId, OrderResult};
use crate::page::{self, Facts};
use crate::request::Request;
use crate::response::{Response, Status};
use crate::routes::{self, Wanted};
use crate::seats::Seats;
use crate::sse;
use crate::waiters::{Payment, Waiters};

/// What all connections share.
pub struct App {
    pub waiters: Waiters,
    pub seats: Seats,
    pub events: Arc<Events>,
    pub facts: Facts,
    pub token: Option<String>,
}

const UNRECORDED: &str = "the journal can't be written";

/// What a request gets.
pub enum Answer {
    Response(Response),
    /// An event stream, for as long as it takes.
    Stream {
        order: OrderId,
        last_event_id: Option<Vec<u8>>,
    },
}

impl App {
    /// Answers a request that came on `stream`.
    pub fn answer(&self, request: &Request<'_>, stream: &TcpStream) -> Answer {
        let wanted = match routes::route(request, self.token.as_deref()) {
            Ok(wanted) => wanted,
            Err(denied) => return Answer::Response(denied.response()),
        };
        Answer::Response(match wanted {
            Wanted::Wait(order) => match request.last_event_id {
                Some(sse::FINISH_ID) => self.seen(&order, stream),
                last => return Answer::Stream { order, last_event_id: last.map(<[u8]>::to_vec) },
            },
            Wanted::Pay(order, receipt) => self.pay(&order, &receipt),
            Wanted::Redirect => Response::empty(Status::Found).with("Location", "/sse/test"),
            Wanted::Page { order, base } => self.page(&order, base),
            Wanted::Asset(asset) => embedded(asset.media, asset.content),
            Wanted::Health => self.health(),
            Wanted::Metrics => self.metrics(),
        })
    }

    /// Tells the log why a request was answered with an error.
    pub fn tell_refusal(&self, response: &Response, stream: &TcpStream) {
        if response.status >= Status::BadRequest {
            let reason = response.body.trim_end();
            self.events.record(Event::Refused { status: response.status, stream, reason });
        }
    }

    /// RFC 9110, section 15.3.5, and WHATWG HTML, section 9.2.3: 204 stops an EventSource.
    fn seen(&self, order: &OrderId, stream: &TcpStream) -> Response {
        self.events.record(Event::Seen { order, stream });
        Response::empty(Status::NoContent)
    }

    fn pay(&self, order: &OrderId, receipt: &OrderResult) -> Response {
        let (event, response) = match self.waiters.pay(order, receipt) {
            Payment::Settled { written } => {
                (Event::Paid { order, delivered: written }, acknowledged(written))
            }
            Payment::Repeated => (Event::Repeated { order }, acknowledged(0)),
            Payment::Full => {
                (Event::Unavailable { order }, unavailable("too many orders wait to be delivered"))
            }
            Payment::Unrecorded => (Event::Unavailable { order }, unavailable(UNRECORDED)),
        };
        self.events.record(event);
        response
    }

    fn page(&self, order: &OrderId, base: &str) -> Response {
        embedded("text/html;charset=UTF-8", page::page(order, base, &self.facts))
            .with("Content-Security-Policy", page::SECURITY_POLICY)
            .with("Referrer-Policy", "no-referrer")
    }

    fn health(&self) -> Response {
        if self.waiters.healthy() {
            Response::new(Status::Ok, "text/plain", "ok")
        } else {
            unavailable(UNRECORDED)
        }
    }

    fn metrics(&self) -> Response {
        let (waiting, remembered) = self.waiters.counts();
        let gauges = Gauges {
            waiting,
            remembered,
            connections: self.seats.taken(),
            journal_syncs: self.waiters.journal_syncs(),
        };
        Response::new(Status::Ok, metrics::MEDIA, metrics::render(&gauges, self.events.counts()))
    }
}

/// Something of `www/`. Another server may have another page, so it is asked for each time.
fn embedded(media: &'static str, content: impl Into<Cow<'static, str>>) -> Response {
    Response::new(Status::Ok, media, content)
        .with("Cache-Control", "no-cache")
        .with("X-Content-Type-Options", "nosniff")
}

fn acknowledged(written: usize) -> Response {
    Response::text(Status::Ok, "ok").with("Orderpay-Delivered", written.to_string())
}

/// Not acknowledged: the payment platform tries again.
fn unavailable(reason: &str) -> Response {
    Response::text(Status::ServiceUnavailable, format!("{reason}: try again\n"))
        .with("Retry-After", "5")
}
