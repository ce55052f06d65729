//! `/metrics`: Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use crate::events::Counts;
use crate::response::STATUSES;

/// What a scraper expects.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is kept elsewhere than in the counts.
pub struct Gauges {
    pub waiting: usize,
    pub remembered: usize,
    pub connections: usize,
    /// Since the start.
    pub accepted: u64,
    /// Since the start.
    pub journal_syncs: u64,
}

/// All figures.
pub fn render(gauges: &Gauges, counts: &Counts) -> String {
    let count = |event, status| counts.get(&(event, status)).copied().unwrap_or_default();
    let mut page = String::with_capacity(4096);
    for (name, help, value) in [
        ("waiters", "Browsers that wait for a payment.", gauges.waiting),
        ("orders_remembered", "Settled orders that are remembered.", gauges.remembered),
        ("connections", "Connections being served.", gauges.connections),
    ] {
        family(&mut page, name, help, "gauge", [("", "", value as u64)]);
    }
    for (name, help, value) in [
        ("connections_total", "Connections accepted.", gauges.accepted),
        ("fetched_total", "Kept results that an orderpay got at once.", count("fetched", 0)),
        ("timeouts_total", "Waiters whose time was up.", count("timeout", 0)),
        ("vanished_total", "Waiters whose client was gone.", count("vanished", 0)),
        ("turned_away_total", "Waiters for whom there was no room.", count("full", 0)),
        ("journal_syncs_total", "Batches of results that were put on disk.", gauges.journal_syncs),
    ] {
        family(&mut page, name, help, "counter", [("", "", value)]);
    }
    let paybacks = [("settled", "paid"), ("repeated", "repeated"), ("unavailable", "unavailable")];
    let paybacks = paybacks.map(|(outcome, event)| ("outcome", outcome, count(event, 0)));
    family(&mut page, "paybacks_total", "Paybacks, by what they did.", "counter", paybacks);
    let refusals = STATUSES
        .iter()
        .filter(|(status, _)| status.is_error())
        .map(|(status, _)| ("status", status.code(), count("refused", status.code())));
    let help = "Requests answered with an error, by status.";
    family(&mut page, "refusals_total", help, "counter", refusals);
    page
}

/// A family of samples: each has a label and its value, or `""` for none, and what was counted.
fn family<L: std::fmt::Display>(
    page: &mut String,
    name: &str,
    help: &str,
    kind: &str,
    samples: impl IntoIterator<Item = (&'static str, L, u64)>,
) {
    // Writing to a String does not fail.
    let _ = writeln!(page, "# HELP orderpay_{name} {help}\n# TYPE orderpay_{name} {kind}");
    for (label, value, count) in samples {
        let _ = match label {
            "" => writeln!(page, "orderpay_{name} {count}"),
            _ => writeln!(page, "orderpay_{name}{{{label}=\"{value}\"}} {count}"),
        };
    }
}
