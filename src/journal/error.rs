//! Why a journal can't be used.

use std::path::PathBuf;
use std::{error, fmt, io};

/// Why a journal can't be opened, in a line that names it.
#[derive(Debug)]
pub struct OpenError {
    pub path: PathBuf,
    pub problem: Problem,
}

#[derive(Debug)]
pub enum Problem {
    Io(io::Error),
    Locked,
    Reserved,
    NoJournal,
    Damaged { line: usize },
}

/// Has an error say which step it ended.
pub fn step(name: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{name}: {error}"))
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Problem::Io(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            Problem::Io(error) => write!(f, "{path}: {error}"),
            Problem::Locked => write!(f, "{path}: another server uses this journal"),
            Problem::Reserved => {
                write!(f, "{path}: a name with this end is for rewriting a journal; take another")
            }
            Problem::NoJournal => write!(f, "{path}: this is no journal, and is left alone"),
            Problem::Damaged { line } => write!(
                f,
                "{path}:{line}: this line is damaged; restore the file, or delete the line and \
                 lose what it says"
            ),
        }
    }
}

impl error::Error for OpenError {}
