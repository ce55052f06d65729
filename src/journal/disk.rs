//! The file of a journal: opened, appended to, mended and rewritten, by one thread at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{error, fmt};

use super::record::{self, HEADER, Record};

/// A journal is rewritten when it has doubled since the last time, but not while it is smaller than
/// this (in bytes). So each record is written about twice, and the file is never much larger than
/// twice what is worth remembering.
const SMALL: u64 = 64 * 1024;

/// The file, and what is known of it.
pub struct Disk {
    path: PathBuf,
    file: File,
    keep: Duration,
    most: usize,
    /// Bytes that are there, all of them whole lines.
    written: u64,
    /// Bytes that are certainly on disk.
    synced: u64,
    /// Something else may stand after those, and has to go before anything is appended.
    ragged: bool,
    /// The file got its name, but its folder may not have that on disk.
    misplaced: bool,
    /// The size, in bytes, at which it is rewritten.
    limit: u64,
}

/// Why a journal can't be used.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Io(io::Error),
    Locked,
    NoJournal,
    Damaged { line: usize },
}

/// What was found in a journal.
pub struct Found {
    /// What it remembers, the oldest first.
    pub records: Vec<Record>,
    /// Bytes of a torn last line, which were cut off.
    pub torn: usize,
}

impl Disk {
    /// Opens or makes the file and locks it; `keep` and `most` tell what is worth remembering.
    pub fn open(path: &Path, keep: Duration, most: usize) -> Result<(Disk, Found), OpenError> {
        let fail = |problem| OpenError { path: path.to_owned(), problem };
        let mut disk = Disk::lock(path, keep, most).map_err(fail)?;
        let found = disk.recover().map_err(fail)?;
        Ok((disk, found))
    }

    /// The lock belongs to the file, not to its name, and a rewriting gives the name to another
    /// file, locked already. So a lock on the file that has the name is the only one.
    fn lock(path: &Path, keep: Duration, most: usize) -> Result<Disk, Problem> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let opened = file.metadata()?;
        if !opened.is_file() {
            return Err(Problem::NoJournal);
        }
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Problem::Locked,
            TryLockError::Error(error) => Problem::Io(error),
        })?;
        // What a symbolic link leads to is rewritten, not the link.
        let path = path.canonicalize()?;
        let named = path.metadata()?;
        if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
            return Err(Problem::Locked);
        }
        let (written, synced, ragged, misplaced, limit) = (0, 0, false, true, SMALL);
        Ok(Disk { path, file, keep, most, written, synced, ragged, misplaced, limit })
    }

    /// Reads the file, and rewrites it without what is not worth remembering.
    fn recover(&mut self) -> Result<Found, Problem> {
        let (text, header) = (self.read()?, HEADER.as_bytes());
        if !text.starts_with(header) && !header.starts_with(&text) {
            return Err(Problem::NoJournal);
        }
        let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        let records = self.replay(&text[..whole])?;
        (self.written, self.synced) = (whole as u64, whole as u64);
        self.ragged = whole < text.len();
        match self.replace(&records) {
            // There is no room for a second file; the first one is as good.
            Err(error) if is_full(&error) && whole > 0 => self.file.sync_data()?,
            replaced => replaced?,
        }
        Ok(Found { records, torn: text.len() - whole })
    }

    /// Appends whole lines; if `sync`, they are on disk then. After an error none of them
    /// is there.
    pub fn append(&mut self, lines: &[u8], sync: bool) -> io::Result<()> {
        // Who waits for a sync can wait for that too. Who doesn't may be the reaper, and others wait
        // for it.
        if sync {
            self.rewrite_if_due();
        }
        let appended = self.mend().and_then(|()| self.try_append(lines, sync));
        if appended.is_err() {
            // Where this fails, it comes first next time.
            let _ = self.mend();
        }
        appended
    }

    fn try_append(&mut self, lines: &[u8], sync: bool) -> io::Result<()> {
        self.ragged = true;
        self.file.write_all(lines)?;
        if sync {
            self.file.sync_data()?;
        }
        self.ragged = false;
        self.written += lines.len() as u64;
        if sync {
            self.synced = self.written;
        }
        Ok(())
    }

    /// Makes up for what an earlier failure has left behind.
    fn mend(&mut self) -> io::Result<()> {
        if self.ragged {
            self.file.set_len(self.synced)?;
            self.written = self.synced;
            self.ragged = false;
        }
        if self.misplaced {
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            File::open(folder)?.sync_all()?;
            self.misplaced = false;
        }
        Ok(())
    }

    /// Rewrites the file if it has grown enough. What can't be rewritten stays as good as it was,
    /// and is left alone until it has doubled again.
    fn rewrite_if_due(&mut self) {
        if self.written >= self.limit {
            self.limit = 2 * self.written;
            let _ = self.rewrite();
        }
    }

    fn rewrite(&mut self) -> Result<(), Problem> {
        self.mend()?;
        let text = self.read()?;
        let records = self.replay(&text)?;
        Ok(self.replace(&records)?)
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut text)?;
        Ok(text)
    }

    fn replay(&self, lines: &[u8]) -> Result<Vec<Record>, Problem> {
        let mut records = record::replay(lines).map_err(|line| Problem::Damaged { line })?;
        record::forget(&mut records, self.keep, self.most, SystemTime::now());
        Ok(records)
    }

    /// Puts a new file in the place of this one. Until it has its name, nothing has changed.
    fn replace(&mut self, records: &[Record]) -> io::Result<()> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let lines = record::lines(records);
        let renamed = self.write_beside(Path::new(&beside), &lines).and_then(|file| {
            fs::rename(&beside, &self.path)?;
            Ok(file)
        });
        if renamed.is_err() {
            // It may have taken the last room that there was.
            let _ = fs::remove_file(&beside);
        }
        self.file = renamed?;
        self.written = lines.len() as u64;
        self.synced = self.written;
        self.limit = SMALL.max(2 * self.written);
        (self.ragged, self.misplaced) = (false, true);
        self.mend()
    }

    /// A locked file with these lines on disk.
    fn write_beside(&self, path: &Path, lines: &[u8]) -> io::Result<File> {
        // One may be left of a server that was killed.
        let _ = fs::remove_file(path);
        let mut file = OpenOptions::new().read(true).append(true).create_new(true).open(path)?;
        file.try_lock()?;
        file.set_permissions(self.file.metadata()?.permissions())?;
        file.write_all(lines)?;
        file.sync_all()?;
        Ok(file)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
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

#[cfg(test)]
mod tests {
    use super::super::Journal;
    use super::super::tests::{Folder, HOUR, id, settle};
    use super::*;
    use crate::lock;
    use crate::order::Receipt;
    use std::mem;
    use std::os::fd::OwnedFd;
    use std::thread;

    /// Gives the journal another file to write to, and returns the one that it had.
    fn swap(journal: &Journal, file: File) -> File {
        mem::replace(&mut lock(&journal.state).disk.as_mut().unwrap().file, file)
    }

    fn device(path: &str) -> File {
        OpenOptions::new().append(true).open(path).unwrap()
    }

    fn rewrite(journal: &Journal) -> Result<(), Problem> {
        lock(&journal.state).disk.as_mut().unwrap().rewrite()
    }

    #[test]
    fn a_line_torn_at_any_byte_is_cut_off_and_the_rest_is_whole() {
        let folder = Folder::new("torn");
        let (journal, _) = folder.open();
        settle(&journal, "a").unwrap();
        let before = fs::read(folder.journal()).unwrap().len();
        settle(&journal, "b").unwrap();
        drop(journal);
        let text = fs::read(folder.journal()).unwrap();
        for end in 0..text.len() {
            fs::write(folder.journal(), &text[..end]).unwrap();
            let (journal, found) = folder.open();
            let whole = [before, HEADER.len(), 0].into_iter().find(|&whole| whole <= end).unwrap();
            assert_eq!(found.torn, end - whole);
            settle(&journal, "c").unwrap();
            drop(journal);
            let orders = if end < before { vec!["c"] } else { vec!["a", "c"] };
            assert_eq!(folder.orders(), orders, "{end}");
        }
    }

    #[test]
    fn a_damaged_line_is_named_and_nothing_is_touched() {
        let folder = Folder::new("damaged");
        let (journal, _) = folder.open();
        settle(&journal, "a").unwrap();
        settle(&journal, "b").unwrap();
        drop(journal);
        let damaged = fs::read_to_string(folder.journal()).unwrap().replacen(" a ", " A ", 1);
        fs::write(folder.journal(), &damaged).unwrap();
        let error = Journal::open(&folder.journal(), HOUR, 9).map(drop).unwrap_err().to_string();
        let place = format!("{}:2: this line is damaged;", folder.journal().display());
        assert!(error.starts_with(&place), "{error}");
        assert_eq!(fs::read_to_string(folder.journal()).unwrap(), damaged);
    }

    #[test]
    fn what_is_no_journal_is_left_alone() {
        let folder = Folder::new("other");
        fs::write(folder.journal(), "a letter without an end").unwrap();
        let path = folder.journal();
        for path in [path.as_path(), Path::new("/dev/null"), &folder.0] {
            assert!(Journal::open(path, HOUR, 9).is_err());
        }
        assert_eq!(fs::read(path).unwrap(), b"a letter without an end");
    }

    #[test]
    fn a_second_server_is_refused_also_after_a_rewriting_and_not_after_the_first_has_ended() {
        let folder = Folder::new("second");
        let (journal, _) = folder.open();
        for _ in 0..2 {
            let error = Journal::open(&folder.journal(), HOUR, 9).map(drop).unwrap_err();
            assert!(error.to_string().ends_with(": another server uses this journal"), "{error}");
            rewrite(&journal).unwrap();
        }
        drop(journal);
        folder.open();
    }

    #[test]
    fn a_full_disk_fails_everyone_in_the_batch_and_nobody_after() {
        let folder = Folder::new("full");
        let (journal, _) = folder.open();
        settle(&journal, "a").unwrap();
        let file = swap(&journal, device("/dev/full"));
        let ticket = journal.settled(&id("b"), &Receipt::default());
        let error = settle(&journal, "c").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(journal.commit(&ticket).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(!journal.healthy());
        swap(&journal, file);
        assert!(journal.healthy(), "asking is trying");
        settle(&journal, "d").unwrap();
        drop(journal);
        assert_eq!(folder.orders(), ["a", "d"]);
    }

    #[test]
    fn what_was_written_but_not_synced_is_cut_off_before_anything_follows() {
        let folder = Folder::new("sync");
        let (journal, _) = folder.open();
        settle(&journal, "a").unwrap();
        // It takes whatever is written, and refuses to sync it, and to be cut.
        let mut file = swap(&journal, device("/dev/null"));
        settle(&journal, "b").unwrap_err();
        file.write_all(b"half a li").unwrap();
        settle(&journal, "c").unwrap_err();
        swap(&journal, file);
        settle(&journal, "d").unwrap();
        assert!(journal.healthy());
        drop(journal);
        assert_eq!(folder.orders(), ["a", "d"]);
    }

    #[test]
    fn what_is_noted_while_the_disk_works_is_written_after_it() {
        let folder = Folder::new("busy");
        let (journal, _) = folder.open();
        let (mut reader, pipe) = io::pipe().unwrap();
        let file = swap(&journal, OwnedFd::from(pipe).into());
        // More than a pipe holds: this is written when somebody reads.
        (0..2000).for_each(|n| journal.delivered(&id(&n.to_string()), &Receipt::default()));
        let text = thread::scope(|scope| {
            let busy = scope.spawn(|| journal.flush());
            while lock(&journal.state).disk.is_some() {
                thread::yield_now();
            }
            journal.delivered(&id("last"), &Receipt::default());
            journal.flush();
            let text = scope.spawn(move || io::read_to_string(&mut reader).unwrap());
            busy.join().unwrap();
            drop(swap(&journal, file));
            text.join().unwrap()
        });
        assert_eq!(text.lines().count(), 2001);
    }

    #[test]
    fn a_rewriting_that_fails_changes_nothing() {
        let folder = Folder::new("unwritable");
        let (journal, _) = folder.open();
        settle(&journal, "a").unwrap();
        // A folder of that name, with something in it, is in the way.
        fs::create_dir_all(folder.0.join("journal.new/x")).unwrap();
        rewrite(&journal).unwrap_err();
        settle(&journal, "b").unwrap();
        drop(journal);
        fs::remove_dir_all(folder.0.join("journal.new")).unwrap();
        assert_eq!(folder.orders(), ["a", "b"]);
    }

    #[test]
    fn a_link_and_permissions_outlive_a_rewriting() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = Folder::new("link");
        fs::write(folder.0.join("target"), "").unwrap();
        fs::set_permissions(folder.0.join("target"), PermissionsExt::from_mode(0o600)).unwrap();
        symlink("target", folder.journal()).unwrap();
        settle(&folder.open().0, "a").unwrap();
        assert!(folder.journal().is_symlink());
        let mode = fs::metadata(folder.0.join("target")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
