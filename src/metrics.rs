//! `/metrics`: Prometheus' text format, version 0.0.4.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use crate::app::App;
use crate::events::REFUSALS;

/// What a scraper expects.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures of this moment.
pub fn render(app: &App) -> Vec<u8> {
    let counts = app.events.counts();
    let (waiting, settled) = app.waiters.counts();
    let mut page = Page(String::with_capacity(4096));
    page.gauge("orderpay_waiters", "Browsers that wait for a payment now.", waiting);
    page.gauge("orderpay_orders_remembered", "Settled orders that are remembered now.", settled);
    page.gauge("orderpay_connections", "Connections being served now.", app.seats.taken());
    page.counter("orderpay_connections_total", "Connections accepted.");
    page.sample("orderpay_connections_total", "", counts.connections.load(Relaxed));
    page.counter("orderpay_paybacks_total", "Paybacks, by what they did.");
    for (outcome, count) in [
        ("settled", &counts.paid),
        ("repeated", &counts.repeated),
        ("unavailable", &counts.unavailable),
    ] {
        let label = format!("{{outcome=\"{outcome}\"}}");
        page.sample("orderpay_paybacks_total", &label, count.load(Relaxed));
    }
    for (name, help, count) in [
        ("orderpay_fetched_total", "Kept results that an orderpay got at once.", &counts.fetched),
        ("orderpay_timeouts_total", "Waiters whose time was up.", &counts.timeouts),
        ("orderpay_vanished_total", "Waiters whose client was gone.", &counts.vanished),
        ("orderpay_turned_away_total", "Waiters for whom there was no room.", &counts.full),
    ] {
        page.counter(name, help);
        page.sample(name, "", count.load(Relaxed));
    }
    page.counter("orderpay_refusals_total", "Requests answered with an error, by status.");
    for (status, count) in REFUSALS.iter().zip(&counts.refused) {
        let label = format!("{{status=\"{}\"}}", status.code());
        page.sample("orderpay_refusals_total", &label, count.load(Relaxed));
    }
    page.0.into_bytes()
}

struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.family(name, help, "gauge");
        self.sample(name, "", value as u64);
    }

    fn counter(&mut self, name: &str, help: &str) {
        self.family(name, help, "counter");
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, label: &str, value: u64) {
        let _ = writeln!(self.0, "{name}{label} {value}");
    }
}
