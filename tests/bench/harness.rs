//! Rounds, their median, and the table. The table is Markdown, so that the README can quote it as
//! it is.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::Mutex;

use crate::compare::Comparison;

/// One figure, measured several times.
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// One of the figures that each round measured.
    pub fn of<M>(rounds: &[M], figure: impl Fn(&M) -> f64) -> Self {
        let mut sorted: Vec<f64> = rounds.iter().map(figure).collect();
        assert!(!sorted.is_empty(), "a figure needs at least one round");
        sorted.sort_by(f64::total_cmp);
        Rounds(sorted)
    }

    /// What more rounds would not change.
    pub fn once(figure: f64) -> Self {
        Rounds(vec![figure])
    }

    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    fn min(&self) -> f64 {
        self.0[0]
    }

    fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
}

/// What a median has to reach.
#[derive(Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Shown for comparison.
    None,
}

impl Goal {
    fn reached(self, median: f64) -> Option<bool> {
        match self {
            Goal::AtLeast(least) => Some(median >= least),
            Goal::AtMost(most) => Some(median <= most),
            Goal::None => None,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Goal::AtLeast(least) => write!(f, "≥ {}", rounded(least)),
            Goal::AtMost(most) => write!(f, "≤ {}", rounded(most)),
            Goal::None => Ok(()),
        }
    }
}

/// The server under test.
pub const OURS: &str = "orderpay";

#[derive(Default)]
pub struct Table {
    goals: usize,
    reached: usize,
}

impl Table {
    pub fn header(&self) {
        line(["", "server", "median", "min", "max", "ratio", "target", "reached"]);
        let dashes = |left: usize, right: usize| "-".repeat(left) + &":".repeat(right);
        let columns = [(52, 0), (8, 0), (8, 1), (8, 1), (8, 1), (6, 1), (10, 1), (8, 0)];
        println!("|{}|", columns.map(|(left, right)| dashes(left, right)).join("|"));
    }

    /// A figure that only the server under test has.
    pub fn row(&mut self, figure: &str, rounds: &Rounds, goal: Goal) {
        self.line(figure, OURS, rounds, None, goal);
    }

    /// A row for each server. The goal is for the first, and it is what the others' medians are
    /// divided by.
    pub fn rows<M>(
        &mut self,
        figure: &str,
        comparison: &Comparison<M>,
        of: impl Fn(&M) -> f64,
        goal: Goal,
    ) {
        let figures = comparison.figures(of);
        let ours = figures[0].1.median();
        for (number, (server, rounds)) in figures.iter().enumerate() {
            let goal = if number == 0 { goal } else { Goal::None };
            let ratio = (number > 0 && ours > 0.0).then(|| rounds.median() / ours);
            self.line(figure, server, rounds, ratio, goal);
        }
    }

    fn line(
        &mut self,
        figure: &str,
        server: &str,
        rounds: &Rounds,
        ratio: Option<f64>,
        goal: Goal,
    ) {
        let reached = goal.reached(rounds.median());
        self.goals += usize::from(reached.is_some());
        self.reached += usize::from(reached == Some(true));
        let [median, min, max] = [rounds.median(), rounds.min(), rounds.max()].map(rounded);
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let answer = reached.map_or("", |yes| if yes { "yes" } else { "**no**" });
        line([figure, server, &median, &min, &max, &ratio, &goal.to_string(), answer]);
    }

    /// What can't be measured here is said in the table, so that nobody takes it for reached.
    pub fn missing(&self, figure: &str, server: &str) {
        line([figure, server, "missing", "", "", "", "", ""]);
    }

    pub fn summary(&self) {
        println!("\n{} of {} targets reached", self.reached, self.goals);
    }
}

fn line([figure, server, median, min, max, ratio, target, reached]: [&str; 8]) {
    println!(
        "| {figure:50} | {server:8} | {median:>7} | {min:>7} | {max:>7} | {ratio:>5} | {target:>9} \
         | {reached:7}|"
    );
}

/// Three digits, or all that stand before the point.
fn rounded(figure: f64) -> String {
    let decimals = if figure == 0.0 || figure >= 100.0 {
        0
    } else if figure >= 10.0 {
        1
    } else {
        2
    };
    format!("{figure:.decimals$}")
}

/// Errors and lost frames by server: a figure of a server that lost one says nothing.
static FAULTS: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// Counts an error; the first few of each server are shown.
pub fn fault(server: &str, error: impl Display) {
    const SHOWN: u64 = 5;
    let mut faults = FAULTS.lock().expect("nobody panics with this lock");
    let of_server = faults.entry(server.to_owned()).or_default();
    *of_server += 1;
    if *of_server <= SHOWN {
        eprintln!("{server}: {error}");
    }
}

/// Prints what was counted; true if it was nothing.
pub fn faultless() -> bool {
    let faults = FAULTS.lock().expect("nobody panics with this lock");
    for (server, count) in faults.iter() {
        println!("{server}: {count} errors or lost frames");
    }
    if faults.is_empty() {
        println!("no errors, no lost frames");
    }
    faults.is_empty()
}
