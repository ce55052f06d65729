//! A request in, an answer out: what the server does, connections apart.

use std::net::TcpStream;
use std::sync::Arc;

use crate::budget::Budget;
use crate::config::Config;
use crate::events::{Event, Events};
use crate::metrics;
use crate::order::{OrderId, OrderResult};
use crate::orders::Payment;
use crate::page;
use crate::request::Request;
use crate::response::Response;
use crate::routes::{self, Route, Wait};
use crate::slots::Slots;
use crate::waiters::Waiters;

/// What all connections share.
pub struct App {
    pub config: Config,
    pub budget: Budget,
    pub waiters: Waiters,
    pub slots: Slots,
    pub events: Arc<Events>,
}

const FULL: &str = "too many orders wait to be delivered";
const UNRECORDED: &str = "the journal can't be written";

impl App {
    /// The answer to a request that came on `stream`, unless it breaks out of HTTP to wait.
    pub fn answer(&self, request: &Request<'_>, stream: &TcpStream) -> Result<Response, Wait> {
        Ok(match routes::route(request, self.config.token.as_deref()) {
            Err(error) => error,
            Ok(Route::Wait(wait)) => return Err(wait),
            // RFC 9110, section 15.3.5, and WHATWG HTML, section 9.2.3: 204 stops an EventSource.
            Ok(Route::Stop(order)) => {
                self.events.record_waiter(Event::Seen, &order, stream);
                Response::empty(204)
            }
            Ok(Route::Pay { order, result, seen }) => self.pay(&order, &result, seen),
            // Relative, so that a proxy may serve all this under a path of its own.
            Ok(Route::Redirect) => Response::empty(302).with("Location", "sse/test"),
            Ok(Route::Page { order, base }) => html(page::page(&order, base, &self.config)),
            Ok(Route::Asset(asset)) => Response::file(asset.media(), asset.content),
            Ok(Route::Health) if self.waiters.journal.as_ref().is_none_or(|it| it.healthy()) => {
                Response::new(200, "text/plain", "ok")
            }
            Ok(Route::Health) => unavailable(UNRECORDED),
            Ok(Route::Metrics) => {
                let App { waiters, slots, events, budget, .. } = self;
                Response::new(200, metrics::MEDIA, metrics::render(waiters, slots, events, budget))
            }
        })
    }

    fn pay(&self, order: &OrderId, result: &OrderResult, seen: bool) -> Response {
        let acknowledged = |settled, written| {
            let answer = match seen {
                true => html(page::paid(order, settled, written)),
                false => Response::text(200, "ok"),
            };
            answer.with("Orderpay-Delivered", written)
        };
        let (event, details, answer) = match self.waiters.pay(order, result) {
            Payment::Settled { written } => {
                (Event::Paid, format!(" delivered={written}"), acknowledged(true, written))
            }
            Payment::Repeated => (Event::Repeated, String::new(), acknowledged(false, 0)),
            Payment::Full => (Event::Unavailable, String::new(), unavailable(FULL)),
            Payment::Unrecorded => (Event::Unavailable, String::new(), unavailable(UNRECORDED)),
        };
        self.events.record(event, format_args!("order={order}{details}"));
        answer
    }
}

fn html(page: String) -> Response {
    Response::new(200, "text/html;charset=UTF-8", page)
        .with("X-Content-Type-Options", "nosniff")
        .with("Content-Security-Policy", page::SECURITY_POLICY)
        .with("Referrer-Policy", "no-referrer")
}

/// Not acknowledged: the payment platform tries again.
fn unavailable(reason: &str) -> Response {
    Response::error(503, format_args!("{reason}: try again")).with("Retry-After", "5")
}
