//! `/metrics`: Prometheus' text format, version 0.0.4.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::events::{Counts, REFUSALS};

/// What a scraper expects.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is kept elsewhere than in the counts.
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
    let read = |count: &AtomicU64| count.load(Relaxed);
    for (name, help, value) in [
        ("connections", "Connections accepted.", read(&counts.connections)),
        ("fetched", "Kept results that an orderpay got at once.", read(&counts.fetched)),
        ("timeouts", "Waiters whose time was up.", read(&counts.timeouts)),
        ("vanished", "Waiters whose client was gone.", read(&counts.vanished)),
        ("turned_away", "Waiters for whom there was no room.", read(&counts.full)),
        ("journal_syncs", "Batches of results that were put on disk.", gauges.journal_syncs),
    ] {
        page.counter(name, help, [(String::new(), value)]);
    }
    let paybacks = [
        ("settled", &counts.paid),
        ("repeated", &counts.repeated),
        ("unavailable", &counts.unavailable),
    ];
    let paybacks = paybacks.map(|(what, count)| (format!("{{outcome=\"{what}\"}}"), read(count)));
    page.counter("paybacks", "Paybacks, by what they did.", paybacks);
    let refusals = REFUSALS.iter().zip(&counts.refused);
    let refusals =
        refusals.map(|(it, count)| (format!("{{status=\"{}\"}}", it.code()), read(count)));
    page.counter("refusals", "Requests answered with an error, by status.", refusals);
    page.0
}

struct Page(String);

impl Page {
    /// A counter, with a sample for each of its labels.
    fn counter(
        &mut self,
        what: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, u64)>,
    ) {
        let name = format!("orderpay_{what}_total");
        self.family(&name, help, "counter");
        for (label, value) in samples {
            self.sample(&name, &label, value);
        }
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, label: &str, value: u64) {
        let _ = writeln!(self.0, "{name}{label} {value}");
    }
}
