//! `/metrics`: Prometheus' text format, version 0.0.4.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use crate::events::{Counts, REFUSALS};

/// What a scraper expects.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is true of this moment.
pub struct Gauges {
    pub waiting: usize,
    pub remembered: usize,
    pub connections: usize,
    /// Since the start.
    pub journal_syncs: u64,
}

/// All figures.
pub fn render(gauges: &Gauges, counts: &Counts) -> String {
    let mut page = Page(String::with_capacity(4096));
    for (name, help, value) in [
        ("orderpay_waiters", "Browsers that wait for a payment.", gauges.waiting),
        ("orderpay_orders_remembered", "Settled orders that are remembered.", gauges.remembered),
        ("orderpay_connections", "Connections being served.", gauges.connections),
    ] {
        page.family(name, help, "gauge");
        page.sample(name, "", value as u64);
    }
    page.family("orderpay_paybacks_total", "Paybacks, by what they did.", "counter");
    for (outcome, count) in [
        ("settled", &counts.paid),
        ("repeated", &counts.repeated),
        ("unavailable", &counts.unavailable),
    ] {
        let label = format!("{{outcome=\"{outcome}\"}}");
        page.sample("orderpay_paybacks_total", &label, count.load(Relaxed));
    }
    for (name, help, count) in [
        ("orderpay_connections_total", "Connections accepted.", &counts.connections),
        ("orderpay_fetched_total", "Kept results that an orderpay got at once.", &counts.fetched),
        ("orderpay_timeouts_total", "Waiters whose time was up.", &counts.timeouts),
        ("orderpay_vanished_total", "Waiters whose client was gone.", &counts.vanished),
        ("orderpay_turned_away_total", "Waiters for whom there was no room.", &counts.full),
    ] {
        page.family(name, help, "counter");
        page.sample(name, "", count.load(Relaxed));
    }
    let name = "orderpay_journal_syncs_total";
    page.family(name, "Batches of results that were put on disk.", "counter");
    page.sample(name, "", gauges.journal_syncs);
    let help = "Requests answered with an error, by status.";
    page.family("orderpay_refusals_total", help, "counter");
    for (status, count) in REFUSALS.iter().zip(&counts.refused) {
        let label = format!("{{status=\"{}\"}}", status.code());
        page.sample("orderpay_refusals_total", &label, count.load(Relaxed));
    }
    page.0
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, label: &str, value: u64) {
        let _ = writeln!(self.0, "{name}{label} {value}");
    }
}
