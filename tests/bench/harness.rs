//! Rounds, their median, and the table. The table is Markdown, so that the README can quote it as
//! it is.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::Mutex;

use crate::compare::Comparison;
use crate::servers;

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

/// The server under test.
pub const OURS: &str = "orderpay";
/// The column of the baselines: each figure has one at most.
const LEAST: &str = "the least";

/// A line for each figure, a column for each server.
pub struct Table {
    servers: Vec<String>,
    goals: usize,
    reached: usize,
}

impl Table {
    /// Prints the header.
    pub fn begin(servers: impl IntoIterator<Item = String>) -> Self {
        let servers: Vec<String> = servers.into_iter().chain([LEAST.to_owned()]).collect();
        line("", "target", servers.iter().cloned());
        line("---", "--:", servers.iter().map(|_| "--:".to_owned()));
        Table { servers, goals: 0, reached: 0 }
    }

    /// A figure that only the server under test has.
    pub fn row(&mut self, figure: &str, rounds: Rounds, goal: Goal) {
        self.figures(figure, &[(OURS, rounds)], goal);
    }

    /// A figure of each server. The goal is for the one under test.
    pub fn rows<M>(
        &mut self,
        figure: &str,
        comparison: &Comparison<M>,
        of: impl Fn(&M) -> f64,
        goal: Goal,
    ) {
        self.figures(figure, &comparison.figures(of), goal);
    }

    fn figures(&mut self, figure: &str, figures: &[(&str, Rounds)], goal: Goal) {
        let reached = goal.reached(figures[0].1.median());
        self.goals += usize::from(reached.is_some());
        self.reached += usize::from(reached == Some(true));
        let answer = reached.map_or("", |yes| if yes { ": yes" } else { ": **no**" });
        let column = |name| if servers::is_baseline(name) { LEAST } else { name };
        let cells = self.servers.iter().map(|server| {
            let found = figures.iter().find(|(name, _)| column(name) == server);
            found.map_or(String::new(), |(_, rounds)| rounds.to_string())
        });
        line(figure, &format!("{goal}{answer}"), cells);
    }

    /// What can't be measured here is said in the table, so that nobody takes it for reached.
    pub fn missing(&self, figure: &str) {
        line(figure, "missing", self.servers.iter().map(|_| String::new()));
    }

    pub fn summary(&self) {
        println!("\n{} of {} targets reached", self.reached, self.goals);
    }
}

fn line(figure: &str, target: &str, cells: impl Iterator<Item = String>) {
    print!("| {figure:50} | {target:>15} |");
    cells.for_each(|cell| print!(" {cell:>22} |"));
    println!();
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

/// The median, and between what it lies.
impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, min, max] = [self.median(), self.min(), self.max()].map(rounded);
        write!(f, "{median}")?;
        if min == max { Ok(()) } else { write!(f, " ({min}–{max})") }
    }
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
