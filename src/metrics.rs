//! `/metrics`: Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use crate::budget::Budget;
use crate::events::{Event, Events};
use crate::slots::Slots;
use crate::waiters::Waiters;

/// What a scraper expects.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures.
pub fn render(waiters: &Waiters, slots: &Slots, events: &Events, budget: &Budget) -> String {
    let (waiting, remembered) = waiters.counts();
    let (connections, accepted) = slots.counts();
    let syncs = waiters.journal.as_ref().map_or(0, |journal| journal.syncs());
    let used = budget.used(connections, waiters.places(), waiters.taken());
    let count = |event| events.count(event);
    let mut page = String::with_capacity(4096);
    for (name, help, value) in [
        ("waiters", "Browsers that wait for a payment.", waiting as u64),
        ("orders_remembered", "Settled orders that are remembered.", remembered as u64),
        ("connections", "Connections being served.", connections as u64),
        ("connections_total", "Connections accepted.", accepted),
        (
            "memory_limit_bytes",
            "What all of it may take; 0: no limit.",
            budget.memory.unwrap_or(0) as u64,
        ),
        ("memory_used_bytes", "What it takes, by what each thing costs.", used as u64),
        ("fetched_total", "Kept results that an orderpay got at once.", count(Event::Fetched)),
        ("timeouts_total", "Waiters whose time was up.", count(Event::Timeout)),
        ("vanished_total", "Waiters whose client was gone.", count(Event::Vanished)),
        ("turned_away_total", "Waiters for whom there was no room.", count(Event::Full)),
        ("journal_syncs_total", "Batches of results that were put on disk.", syncs),
    ] {
        family(&mut page, name, help, &[(String::new(), value)]);
    }
    let paybacks = [
        ("{outcome=\"settled\"}".into(), count(Event::Paid)),
        ("{outcome=\"repeated\"}".into(), count(Event::Repeated)),
        ("{outcome=\"unavailable\"}".into(), count(Event::Unavailable)),
    ];
    family(&mut page, "paybacks_total", "Paybacks, by what they did.", &paybacks);
    let refusals = events.refusals().map(|(it, count)| (format!("{{status=\"{it}\"}}"), count));
    let refusals: Vec<_> = refusals.collect();
    family(&mut page, "refusals_total", "Requests answered with an error, by status.", &refusals);
    page
}

/// A family of samples: the labels of each, and what was counted.
fn family(page: &mut String, name: &str, help: &str, samples: &[(String, u64)]) {
    let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
    // Writing to a String does not fail.
    let _ = writeln!(page, "# HELP orderpay_{name} {help}\n# TYPE orderpay_{name} {kind}");
    for (labels, count) in samples {
        let _ = writeln!(page, "orderpay_{name}{labels} {count}");
    }
}
