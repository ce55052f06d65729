//! Servers side by side: measured in turn, and what the one under test has to reach beside the
//! others.

use crate::harness::Goal::{self, AtLeast, AtMost};
use crate::harness::Rounds;
use crate::servers::{self, Program};

/// The same measured of several servers, the one under test first.
pub struct Comparison<M> {
    names: Vec<String>,
    rounds: Vec<Vec<M>>,
}

impl<M> Comparison<M> {
    pub fn new<'p>(programs: impl IntoIterator<Item = &'p Program>, rounds: Vec<Vec<M>>) -> Self {
        let names = programs.into_iter().map(|program| program.name().to_owned()).collect();
        Comparison { names, rounds }
    }

    /// Each server, and this figure of it.
    pub fn figures(&self, figure: impl Fn(&M) -> f64) -> Vec<(&str, Rounds)> {
        let rounds = self.rounds.iter().map(|rounds| Rounds::of(rounds, &figure));
        self.names.iter().map(String::as_str).zip(rounds).collect()
    }

    pub fn median(&self, name: &str, figure: impl Fn(&M) -> f64) -> Option<f64> {
        let mut figures = self.figures(figure).into_iter();
        figures.find(|(server, _)| *server == name).map(|(_, rounds)| rounds.median())
    }

    /// So many times that of another server; no goal where that is not beside it.
    pub fn at_most(&self, factor: f64, name: &str, figure: impl Fn(&M) -> f64) -> Goal {
        self.median(name, figure).map_or(Goal::None, |median| AtMost(factor * median))
    }

    /// So many times the most that another reaches.
    pub fn at_least_of_all(&self, factor: f64, figure: impl Fn(&M) -> f64) -> Goal {
        let most = self.others(figure).reduce(f64::max);
        most.map_or(Goal::None, |most| AtLeast(factor * most))
    }

    /// Less than any other takes.
    pub fn at_most_of_all(&self, figure: impl Fn(&M) -> f64) -> Goal {
        self.others(figure).reduce(f64::min).map_or(Goal::None, AtMost)
    }

    /// Medians of what people would use instead: a baseline does not do the job.
    fn others(&self, figure: impl Fn(&M) -> f64) -> impl Iterator<Item = f64> {
        let others = self.figures(figure).into_iter().skip(1);
        others.filter(|(name, _)| !servers::is_baseline(name)).map(|(_, rounds)| rounds.median())
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
