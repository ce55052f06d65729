//! Rounds, their median, and the table. The table is Markdown, so that the README can quote it as
//! it is.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::iter;
use std::sync::Mutex;

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

/// Measures all subjects in every round, so that a machine that slows down slows all of them alike.
/// Returns each subject's rounds.
pub fn interleaved<S, M>(
    rounds: usize,
    subjects: &[S],
    mut measure: impl FnMut(&S) -> M,
) -> Vec<Vec<M>> {
    let mut measured: Vec<Vec<M>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (subject, of_subject) in subjects.iter().zip(&mut measured) {
            of_subject.push(measure(subject));
        }
    }
    measured
}

/// The names of several servers, the one under test first, and the rounds of each.
pub type Comparison<'c, M> = (&'c [&'c str], &'c [Vec<M>]);

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

#[derive(Default)]
pub struct Table {
    goals: usize,
    reached: usize,
}

impl Table {
    pub fn header(&self) {
        line(["", "server", "median", "min", "max", "target", "reached"]);
        println!("|{0:-<54}|{0:-<12}|{0:->9}:|{0:->9}:|{0:->9}:|{0:->12}:|{0:-<9}|", "");
    }

    pub fn row(&mut self, figure: &str, server: &str, rounds: &Rounds, goal: Goal) {
        let target = match goal {
            Goal::AtLeast(least) => format!("≥ {}", rounded(least)),
            Goal::AtMost(most) => format!("≤ {}", rounded(most)),
            Goal::None => String::new(),
        };
        let reached = goal.reached(rounds.median());
        self.goals += usize::from(reached.is_some());
        self.reached += usize::from(reached == Some(true));
        let [median, min, max] = [rounds.median(), rounds.min(), rounds.max()].map(rounded);
        let answer = reached.map_or("", |yes| if yes { "yes" } else { "**no**" });
        line([figure, server, &median, &min, &max, &target, answer]);
    }

    /// A row for each server. The goal is for the first.
    pub fn rows<M>(
        &mut self,
        figure: &str,
        (servers, rounds): Comparison<'_, M>,
        of: impl Fn(&M) -> f64,
        goal: Goal,
    ) {
        let goals = iter::once(goal).chain(iter::repeat(Goal::None));
        for ((server, rounds), goal) in servers.iter().zip(rounds).zip(goals) {
            self.row(figure, server, &Rounds::of(rounds, &of), goal);
        }
    }

    /// What can't be measured here is said in the table, so that nobody takes it for reached.
    pub fn missing(&self, figure: &str, server: &str) {
        line([figure, server, "missing", "", "", "", ""]);
    }

    pub fn summary(&self) {
        println!("\n{} of {} targets reached", self.reached, self.goals);
    }
}

fn line([figure, server, median, min, max, target, reached]: [&str; 7]) {
    println!(
        "| {figure:52} | {server:10} | {median:>8} | {min:>8} | {max:>8} | {target:>11} | {reached:7} |"
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
