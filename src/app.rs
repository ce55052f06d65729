//! A request in, an answer out: what the server does, connections apart.

use std::net::TcpStream;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::events::{Event, Events};
use crate::metrics::{self, Gauges};
use crate::order::{OrderId, OrderResult};
use crate::orders::Payment;
use crate::page::{self, PageData};
use crate::request::Request;
use crate::response::{Response, Status};
use crate::routes::{self, Route, Wait};
use crate::slots::Slots;
use crate::waiters::Waiters;

/// What all connections share.
pub struct App {
    pub waiters: Waiters,
    pub slots: Slots,
    pub events: Arc<Events>,
    pub page_data: PageData,
    pub token: Option<String>,
}

const UNRECORDED: &str = "the journal can't be written";

impl App {
    /// The answer to a request that came on `stream`, unless it breaks out of HTTP to wait.
    pub fn answer(
        &self,
        request: &Request<'_>,
        stream: &TcpStream,
    ) -> ControlFlow<Option<Wait>, Response> {
        ControlFlow::Continue(match routes::route(request, self.token.as_deref()) {
            Err(error) => error.into(),
            Ok(Route::Wait(wait)) => return ControlFlow::Break(Some(wait)),
            Ok(Route::Stop(order)) => self.stop(&order, stream),
            Ok(Route::Pay(order, receipt)) => self.pay(&order, &receipt),
            // Relative, so that a proxy may serve all this under a path of its own.
            Ok(Route::Redirect) => Response::empty(Status::Found).with("Location", "sse/test"),
            Ok(Route::Page { order, base }) => page(&order, base, &self.page_data),
            Ok(Route::Asset(asset)) => Response::new(Status::Ok, asset.media, asset.content)
                // Another server may have another page, so it is asked for each time.
                .with("Cache-Control", "no-cache")
                .with("X-Content-Type-Options", "nosniff"),
            Ok(Route::Health) if self.is_healthy() => Response::new(Status::Ok, "text/plain", "ok"),
            Ok(Route::Health) => unavailable(UNRECORDED),
            Ok(Route::Metrics) => self.metrics(),
        })
    }

    /// Tells the log why a request was answered with an error, if it was.
    pub fn record_refusal(&self, response: &Response, stream: &TcpStream) {
        if response.status.is_error() {
            let reason = response.body.trim_end();
            self.events.record(Event::Refused { status: response.status, stream, reason });
        }
    }

    /// RFC 9110, section 15.3.5, and WHATWG HTML, section 9.2.3: 204 stops an EventSource.
    fn stop(&self, order: &OrderId, stream: &TcpStream) -> Response {
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

    /// Whether results can be taken: not as long as the journal's disk fails.
    fn is_healthy(&self) -> bool {
        self.waiters.journal.as_ref().is_none_or(|journal| journal.healthy())
    }

    fn metrics(&self) -> Response {
        let (waiting, remembered) = self.waiters.counts();
        let (connections, accepted) = self.slots.counts();
        let journal_syncs = self.waiters.journal.as_ref().map_or(0, |journal| journal.syncs());
        let gauges = Gauges { waiting, remembered, connections, accepted, journal_syncs };
        Response::new(Status::Ok, metrics::MEDIA, metrics::render(&gauges, &self.events.counts()))
    }
}

fn page(order: &OrderId, base: &str, data: &PageData) -> Response {
    Response::new(Status::Ok, "text/html;charset=UTF-8", page::page(order, base, data))
        .with("X-Content-Type-Options", "nosniff")
        .with("Content-Security-Policy", page::SECURITY_POLICY)
        .with("Referrer-Policy", "no-referrer")
}

fn acknowledged(written: usize) -> Response {
    Response::text(Status::Ok, "ok").with("Orderpay-Delivered", written.to_string())
}

/// Not acknowledged: the payment platform tries again.
fn unavailable(reason: &str) -> Response {
    let advice = format_args!("{reason}: try again");
    Response::error(Status::ServiceUnavailable, advice).with("Retry-After", "5")
}
