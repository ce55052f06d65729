//! The file of a journal: opened, appended to, repaired and rewritten, by the one thread that has it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::record::{Format, HEADER, MARK, Record};
use super::replay::{NO_JOURNAL, Sound, replay};
use crate::os;

/// A journal is rewritten when it has doubled since the last time, but not while it is smaller than
/// this (in bytes). So each record is written about twice, and the file is never much larger than
/// twice what is worth remembering.
const SMALL: u64 = 64 * 1024;

/// So many bytes of notes are synced though nobody waits for it, for until then they are kept in
/// memory too.
const MAX_UNSYNCED: usize = 64 * 1024;

/// So many bytes are read at once.
const READ: usize = 64 * 1024;

/// What a journal is called while it is rewritten: its name, with this behind it.
const REWRITE: &str = ".rewrite";

/// The file, and what is known of it.
pub struct Disk {
    path: PathBuf,
    file: File,
    format: Format,
    /// Bytes that are certainly on disk, all of them whole lines.
    pub(super) synced: u64,
    /// Bytes that are there: the synced ones, and as many of the notes.
    written: u64,
    /// Notes that may not be on disk yet. They outlive the failure of their batch.
    notes: Vec<u8>,
    /// Something has failed: before anything is appended, what stands behind the synced bytes has to
    /// go, and the name of the file has to be on disk.
    failed: bool,
    /// The size, in bytes, at which it is rewritten.
    limit: u64,
}

impl Disk {
    /// Opens or makes the file, locks it, and hands over its records; with the length in bytes of
    /// a tail that was cut off. What the file says then is on disk, whoever has written it. An error
    /// is a line that names the file.
    pub fn open(path: &Path, apply: impl FnMut(Record)) -> Result<(Disk, u64), String> {
        let fail = |error| format!("{}: {error}{}", path.display(), way_out(&error));
        let (file, named) = lock(path).map_err(fail)?;
        let sound = replay(reader(&file).map_err(fail)?, apply).map_err(fail)?;
        let Sound { length: synced, format, tail, damaged } = sound;
        if let Some(line) = damaged {
            let (path, advice) = (path.display(), "restore the file, or delete the line and lose");
            return Err(format!("{path}:{line}: this line is damaged; {advice} what it says"));
        }
        let (notes, limit) = (Vec::new(), SMALL.max(synced + synced / 32));
        let mut disk =
            Disk { path: named, file, format, synced, written: synced, notes, failed: true, limit };
        disk.repair().map_err(fail)?;
        if synced == 0 {
            // An empty file gets its header as a whole, or not at all.
            disk.rewrite(|_| true).map_err(fail)?;
        }
        Ok((disk, tail))
    }

    /// Appends a batch: whole lines, the notes first. If there are records they are on disk then, and
    /// so is everything before; whether it is, is returned. After an error no record is there, and the
    /// notes come with the next batch, which is synced in any case.
    pub fn append(&mut self, notes: &[u8], records: &[u8]) -> io::Result<bool> {
        // While nothing can be written, no more gather: as if it were killed before they were on disk.
        if !self.failed || self.notes.len() <= MAX_UNSYNCED {
            self.notes.extend(notes);
        } else {
            self.limit = 0;
        }
        let sync = self.failed || !records.is_empty() || self.notes.len() > MAX_UNSYNCED;
        let appended = self.try_append(records, sync);
        if appended.is_err() {
            // Where this fails, it comes first next time.
            let _ = self.repair();
            self.failed = true;
        }
        appended.map(|()| sync)
    }

    fn try_append(&mut self, records: &[u8], sync: bool) -> io::Result<()> {
        if self.failed {
            self.repair()?;
        }
        // One that was deleted or moved gets its name again; one of version 1 becomes one of today.
        let named = has_name(&self.file, &self.path).map_err(|error| error.kind());
        if self.format == Format::V1 || named == Err(ErrorKind::NotFound) {
            self.rewrite(|_| true)?;
        }
        let unwritten = &self.notes[(self.written - self.synced) as usize..];
        let lines = [unwritten, records].concat();
        self.file.write_all(&lines)?;
        self.written += lines.len() as u64;
        if sync {
            self.file.sync_data()?;
            // What was synced has to be found under its name.
            has_name(&self.file, &self.path)?;
            self.synced = self.written;
            self.notes.clear();
        }
        Ok(())
    }

    /// Makes up for what an earlier failure, or an earlier process, has left behind.
    fn repair(&mut self) -> io::Result<()> {
        self.file.set_len(self.synced).map_err(step("cut"))?;
        self.written = self.synced;
        self.file.sync_all().map_err(step("sync"))?;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        where_supported(synced).map_err(step("sync its folder"))?;
        self.failed = false;
        Ok(())
    }

    /// Rewrites the file if it has grown enough, or lacks something. What can't be rewritten stays as good
    /// as it was, and that is tried again soon: before there is no room left for it.
    pub fn rewrite_if_due(&mut self, notes_lost: bool, is_current: impl Fn(&Record) -> bool) {
        if notes_lost {
            self.limit = 0;
        }
        if self.written >= self.limit && !self.failed {
            self.limit = self.written + self.written / 32;
            let _ = self.rewrite(is_current);
        }
    }

    /// Puts a new file in the place of this one, with those of its records that are current. Until
    /// it has its name, nothing has changed.
    fn rewrite(&mut self, is_current: impl Fn(&Record) -> bool) -> io::Result<()> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(REWRITE);
        let (file, length) = self.replace(beside.as_ref(), is_current).inspect_err(|_| {
            // It may have taken the last room that there was.
            let _ = fs::remove_file(&beside);
        })?;
        self.notes.drain(..(self.written - self.synced) as usize);
        (self.file, self.format, self.synced) = (file, Format::V2, length);
        (self.limit, self.failed) = (SMALL.max(2 * length), true);
        self.repair()
    }

    /// Makes a locked file beside this one, and when it is on disk with all that it says, gives it the
    /// name; with its length. (Another's that gets the name between the look and the rename is lost.)
    fn replace(&self, new: &Path, is_current: impl Fn(&Record) -> bool) -> io::Result<(File, u64)> {
        // One may be left of a server that was killed.
        let _ = fs::remove_file(new);
        let made = File::options().read(true).append(true).create_new(true).open(new);
        let file = made.map_err(step("make a new file"))?;
        os::try_lock(&file)?;
        where_supported(file.set_permissions(self.file.metadata()?.permissions()))?;
        let mut lines = BufWriter::new(&file);
        lines.write_all(HEADER.as_bytes())?;
        let mut put = Ok(());
        let sound = replay(reader(&self.file)?, |record| {
            if put.is_ok() && is_current(&record) {
                put = lines.write_all(record.line().as_bytes());
            }
        })?;
        put?;
        if sound.length != self.written {
            return Err(ErrorKind::InvalidData.into());
        }
        lines.write_all(MARK.as_bytes())?;
        lines.into_inner()?.sync_all()?;
        let length = file.metadata()?.len();
        match has_name(&self.file, &self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => fs::rename(new, &self.path).map_err(step("rename")).map(|()| (file, length)),
        }
    }
}

/// Opens or makes the file, and locks it; with the name that is its own, not that of a symbolic link:
/// what a link leads to is rewritten, not the link.
///
/// The lock belongs to the file, not to its name, and a rewriting gives the name to another file,
/// locked already. So a lock on the file that has the name is the only one.
fn lock(path: &Path) -> io::Result<(File, PathBuf)> {
    refuse_reserved(path)?;
    let opened = File::options().read(true).append(true).create(true).open(path);
    let file = opened.map_err(step("open"))?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(NO_JOURNAL));
    }
    let path = path.canonicalize()?;
    refuse_reserved(&path)?;
    match os::try_lock(&file) {
        Ok(()) if has_name(&file, &path).is_ok() => Ok((file, path)),
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(step("lock")(error)),
        _ => Err(io::Error::other("another server uses this journal: give each its own")),
    }
}

/// Reads it from its beginning.
fn reader(mut file: &File) -> io::Result<impl BufRead> {
    file.rewind()?;
    os::read_nothing_ahead(file);
    Ok(BufReader::with_capacity(READ, file))
}

/// A file of that name would be deleted by who rewrites the journal of the name without that end.
fn refuse_reserved(path: &Path) -> io::Result<()> {
    let is_reserved = path.as_os_str().as_bytes().ends_with(REWRITE.as_bytes());
    let reason = "a name with this end is for rewriting a journal; take another";
    if is_reserved { Err(io::Error::other(reason)) } else { Ok(()) }
}

/// An error if a file can't be found under its name: not found if that is nobody's now, and another
/// if it is another file's.
fn has_name(file: &File, path: &Path) -> io::Result<()> {
    let (ours, named) = (file.metadata()?, path.metadata()?);
    let is_same = (named.dev(), named.ino()) == (ours.dev(), ours.ino());
    if is_same { Ok(()) } else { Err(io::Error::other("another file has the journal's name")) }
}

/// What helps against an error, to stand behind it.
fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ResourceBusy => "; it is a mount: mount its folder instead, for it is replaced",
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; it needs a folder that this user may write to"
        }
        ErrorKind::StorageFull => "; make room, or name a file on another disk",
        _ => "",
    }
}

/// Has an error say which step it ended.
fn step(name: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{name}: {error}"))
}

/// What a file system does not do, it can't fail to do.
fn where_supported(done: io::Result<()>) -> io::Result<()> {
    const EINVAL: i32 = 22;
    const ENOSYS: i32 = 38;
    const EOPNOTSUPP: i32 = 95;
    done.or_else(|error| match error.raw_os_error() {
        Some(EINVAL | ENOSYS | EOPNOTSUPP) => Ok(()),
        _ => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{
        Folder, Running, eventually, failure, said, settle, settled, soon, write_next, written,
    };
    use super::super::{Journal, Unrecorded};
    use super::*;
    use crate::lock;
    use std::mem;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// Gives the journal another file to write to, and returns the one that it had.
    fn swap(journal: &Journal, file: File) -> File {
        mem::replace(&mut lock(&journal.disk).file, file)
    }

    fn device(path: &str) -> File {
        File::options().append(true).open(path).unwrap()
    }

    /// The line that says why a journal can't be opened, without what may differ.
    fn refusal(path: &Path) -> String {
        let error = Journal::open(path, 1, drop).map(drop).unwrap_err();
        error.replace(path.to_str().unwrap(), "PATH")
    }

    #[test]
    fn a_line_torn_at_any_byte_is_cut_off_and_the_rest_is_whole() {
        let folder = Folder::new("torn");
        settle(&folder.running(), "a").unwrap();
        let start = folder.bytes().len();
        settle(&folder.running(), "b").unwrap();
        let whole = folder.bytes();
        let line = whole.windows(9).position(|text| text == b" settled ").unwrap();
        for end in (0..HEADER.len()).chain(start..whole.len()) {
            fs::write(folder.journal(), &whole[..end]).unwrap();
            let (records, tail) = folder.read();
            assert_eq!(records.is_empty(), end < line);
            let sound = &whole[..end - tail as usize];
            let made = [HEADER, MARK].concat();
            let left = if sound.is_empty() { made.as_bytes() } else { sound };
            assert_eq!(folder.bytes(), left);
            assert!(left.ends_with(b"\n"));
        }
    }

    #[test]
    fn a_journal_that_is_refused_is_left_alone_and_the_reason_is_told() {
        let folder = Folder::new("refused");
        let record = settled("a").line();
        let damaged = [HEADER, MARK, &record.replace(" a ", " A "), MARK].concat();
        for (text, reason) in [
            (
                "a letter without an end",
                "PATH: this is no journal, and is left alone: name another file",
            ),
            (
                &damaged,
                "PATH:4: this line is damaged; restore the file, or delete the line and lose what \
                 it says",
            ),
        ] {
            fs::write(folder.journal(), text).unwrap();
            assert_eq!(refusal(&folder.journal()), reason);
            assert_eq!(folder.bytes(), text.as_bytes());
        }
        for (path, reason) in [
            ("/dev/null", "PATH: this is no journal, and is left alone: name another file"),
            ("/", "PATH: open: Is a directory (os error 21)"),
            (
                "/nobody/journal",
                "PATH: open: No such file or directory (os error 2); it needs a folder that this \
                 user may write to",
            ),
        ] {
            assert_eq!(refusal(Path::new(path)), reason);
        }
    }

    #[test]
    fn a_name_that_a_rewriting_would_take_is_refused() {
        let folder = Folder::new("reserved");
        let beside = folder.0.join("journal.rewrite");
        let reason = "PATH: a name with this end is for rewriting a journal; take another";
        assert_eq!(refusal(&beside), reason);
        assert!(!beside.exists());
        fs::write(&beside, "").unwrap();
        symlink(&beside, folder.journal()).unwrap();
        assert_eq!(refusal(&folder.journal()), reason);
    }

    #[test]
    fn a_second_server_is_refused_also_after_a_rewriting_and_not_after_the_first_has_ended() {
        let folder = Folder::new("second");
        let journal = folder.running();
        for _ in 0..2 {
            let reason = "PATH: another server uses this journal: give each its own";
            assert_eq!(refusal(&folder.journal()), reason);
            lock(&journal.disk).rewrite(|_| true).unwrap();
        }
        drop(journal);
        folder.running();
    }

    #[test]
    fn a_full_disk_fails_everyone_in_the_batch_and_nobody_after() {
        let folder = Folder::new("full");
        let journal = folder.by_hand();
        settle_by_hand(&journal, "a").unwrap();
        let file = swap(&journal, device("/dev/full"));
        let commits = ["b", "c"].map(|order| journal.record(&settled(order)).unwrap());
        write_next(&journal);
        for commit in &commits {
            assert_eq!(failure(journal.wait(commit)).kind(), ErrorKind::StorageFull);
        }
        let journal = Running::new(journal);
        assert!(!journal.healthy());
        swap(&journal, file);
        assert!(journal.healthy(), "asking is trying");
        settle(&journal, "d").unwrap();
        drop(journal);
        assert_eq!(folder.read().0, said(&[settled("a"), settled("d")]));
    }

    #[test]
    fn notes_that_a_failure_has_cut_off_are_written_with_what_comes_next() {
        let folder = Folder::new("notes");
        let journal = folder.by_hand();
        journal.note(&written("early"));
        write_next(&journal);
        let file = swap(&journal, device("/dev/full"));
        journal.note(&written("first"));
        let commit = journal.record(&settled("lost")).unwrap();
        journal.note(&written("second"));
        write_next(&journal);
        failure(journal.wait(&commit));
        swap(&journal, file);
        journal.note(&written("third"));
        assert!(!lock(&journal.queue).pause().is_zero(), "no hurry");
        let commit = journal.record(&settled("next")).unwrap();
        write_next(&journal);
        journal.wait(&commit).unwrap();
        let [early, first, second, third] = ["early", "first", "second", "third"].map(written);
        drop(journal);
        assert_eq!(folder.read().0, said(&[early, first, second, third, settled("next")]));
    }

    #[test]
    fn notes_alone_are_tried_again_and_once_more_at_the_end() {
        let folder = Folder::new("again");
        let journal = folder.running();
        journal.rest();
        let file = swap(&journal, device("/dev/full"));
        journal.note(&written("a"));
        eventually(|| lock(&journal.queue).retry_at.is_some());
        swap(&journal, file);
        journal.rest();
        let file = swap(&journal, device("/dev/full"));
        journal.note(&written("b"));
        eventually(|| lock(&journal.queue).retry_at.is_some());
        swap(&journal, file);
        journal.close(soon());
        drop(journal);
        assert_eq!(folder.read().0, said(&[written("a"), written("b")]));
    }

    #[test]
    fn after_a_failure_the_disk_is_tried_again_though_nobody_asks() {
        let folder = Folder::new("heals");
        let journal = folder.running();
        journal.rest();
        let file = swap(&journal, device("/dev/full"));
        failure(settle(&journal, "a"));
        swap(&journal, file);
        eventually(|| lock(&journal.queue).retry_at.is_none());
        assert_eq!(journal.syncs(), 1, "of nothing but the notes");
        drop(journal);
        assert_eq!(folder.read(), (vec![], 0));
    }

    #[test]
    fn many_notes_are_synced_though_nobody_waits() {
        let folder = Folder::new("many");
        let journal = folder.by_hand();
        for _ in 0..2 {
            (0..MAX_UNSYNCED / 10).for_each(|_| journal.note(&written("a")));
            write_next(&journal);
        }
        assert_eq!(journal.syncs(), 2);
        assert!(lock(&journal.disk).notes.is_empty());
    }

    #[test]
    fn what_was_written_but_not_synced_is_cut_off_before_anything_follows() {
        let folder = Folder::new("sync");
        let journal = folder.running();
        settle(&journal, "a").unwrap();
        journal.rest();
        // It takes whatever is written, and refuses to sync it, and to be cut.
        let mut file = swap(&journal, device("/dev/null"));
        failure(settle(&journal, "b"));
        file.write_all(b"half a li").unwrap();
        assert_eq!(
            failure(settle(&journal, "c")).to_string(),
            "cut: Invalid argument (os error 22)"
        );
        swap(&journal, file);
        settle(&journal, "d").unwrap();
        assert!(journal.healthy());
        drop(journal);
        assert_eq!(folder.read(), (said(&[settled("a"), settled("d")]), 0));
    }

    #[test]
    fn a_rename_that_is_not_synced_comes_first() {
        let folder = Folder::new("unsynced");
        let journal = folder.running();
        settle(&journal, "a").unwrap();
        let named = mem::replace(&mut lock(&journal.disk).path, "/nobody/journal".into());
        lock(&journal.disk).failed = true;
        let error = failure(settle(&journal, "b")).to_string();
        assert_eq!(error, "sync its folder: No such file or directory (os error 2)");
        lock(&journal.disk).path = named;
        settle(&journal, "c").unwrap();
        assert!(!lock(&journal.disk).failed, "once is enough");
        drop(journal);
        assert_eq!(folder.read().0, said(&[settled("a"), settled("c")]));
    }

    #[test]
    fn a_journal_that_was_deleted_or_moved_gets_its_name_again_before_anyone_is_told() {
        let folder = Folder::new("moved");
        let elsewhere = folder.0.join("elsewhere");
        let journal = folder.running();
        settle(&journal, "a").unwrap();
        fs::remove_file(folder.journal()).unwrap();
        settle(&journal, "b").unwrap();
        fs::rename(folder.journal(), &elsewhere).unwrap();
        settle(&journal, "c").unwrap();
        let reason = "PATH: another server uses this journal: give each its own";
        assert_eq!(refusal(&folder.journal()), reason);
        settle(&journal, "d").unwrap();
        drop(journal);
        assert_eq!(folder.read(), (said(&["a", "b", "c", "d"].map(settled)), 0));
    }

    #[test]
    fn a_journal_without_a_folder_fails_until_there_is_one_again() {
        let folder = Folder::new("folder");
        let home = folder.0.join("home");
        fs::create_dir(&home).unwrap();
        let journal = Journal::open(&home.join("journal"), 9, drop).unwrap().0;
        let journal = Running::new(journal);
        settle(&journal, "a").unwrap();
        fs::remove_dir_all(&home).unwrap();
        failure(settle(&journal, "b"));
        assert!(!journal.healthy());
        fs::create_dir(&home).unwrap();
        assert!(journal.healthy());
        settle(&journal, "c").unwrap();
        drop(journal);
        fs::rename(home.join("journal"), folder.journal()).unwrap();
        assert_eq!(folder.read().0, said(&["a", "c"].map(settled)));
    }

    #[test]
    fn while_another_file_has_its_name_nothing_is_acknowledged_and_that_file_is_left_alone() {
        let folder = Folder::new("replaced");
        let aside = folder.0.join("aside");
        let journal = folder.running();
        settle(&journal, "a").unwrap();
        fs::rename(folder.journal(), &aside).unwrap();
        fs::write(folder.journal(), "a letter").unwrap();
        let error = failure(settle(&journal, "b")).to_string();
        assert_eq!(error, "another file has the journal's name");
        lock(&journal.disk).rewrite(|_| true).unwrap_err();
        assert!(!journal.healthy());
        assert_eq!(folder.bytes(), b"a letter");
        fs::rename(&aside, folder.journal()).unwrap();
        assert!(journal.healthy());
        settle(&journal, "c").unwrap();
        drop(journal);
        assert_eq!(folder.read().0, said(&["a", "c"].map(settled)));
    }

    /// Has the journal do all that is queued, and rewrite itself when that is due.
    fn write_all(journal: &Journal, is_current: impl Fn(&Record) -> bool) {
        write_next(journal);
        lock(&journal.disk).rewrite_if_due(false, is_current);
    }

    #[test]
    fn what_has_doubled_is_rewritten_without_what_memory_does_not_know() {
        let folder = Folder::new("grown");
        let journal = folder.by_hand();
        let is_current = |record: &Record| *record == settled("kept");
        let mut longest = 0;
        journal.note(&settled("kept"));
        for order in 0..4000 {
            let order = order.to_string();
            journal.note(&settled(&order));
            journal.note(&written(&order));
            let Record::Written { order, .. } = written(&order) else { unreachable!() };
            journal.note(&Record::Forgotten { order, round: 0 });
            write_all(&journal, is_current);
            longest = longest.max(folder.bytes().len() as u64);
        }
        assert!((SMALL - 1000..SMALL).contains(&longest), "{longest}");
        lock(&journal.disk).rewrite(is_current).unwrap();
        assert!(lock(&journal.disk).notes.is_empty(), "they are on disk now");
        assert_eq!(folder.bytes(), [HEADER, &settled("kept").line(), MARK].concat().as_bytes());
    }

    #[test]
    fn a_rewriting_that_keeps_much_waits_till_it_has_doubled_but_for_a_restart() {
        let folder = Folder::new("doubled");
        let journal = folder.by_hand();
        (0..2000).for_each(|order| journal.note(&settled(&order.to_string())));
        write_all(&journal, |_| true);
        let size = folder.bytes().len() as u64;
        assert_eq!(lock(&journal.disk).limit, 2 * size);
        drop(journal);
        assert_eq!(lock(&folder.by_hand().disk).limit, size + size / 32);
        assert_eq!(folder.read().0.len(), 2000);
    }

    #[test]
    fn a_rewriting_that_fails_changes_nothing_and_is_tried_again_soon() {
        let folder = Folder::new("unwritable");
        let journal = folder.by_hand();
        (0..2000).for_each(|order| journal.note(&settled(&order.to_string())));
        // A folder of that name, with something in it, is in the way.
        fs::create_dir_all(folder.0.join("journal.rewrite/x")).unwrap();
        write_all(&journal, |_| false);
        let size = folder.bytes().len() as u64;
        assert_eq!(lock(&journal.disk).limit, size + size / 32);
        drop(journal);
        assert_eq!(folder.read().0.len(), 2000);
    }

    #[test]
    fn a_rewriting_copies_no_damage_and_cuts_none_off() {
        let folder = Folder::new("rotten");
        let journal = folder.by_hand();
        write_next(&journal);
        let mut text = folder.bytes();
        *text.last_mut().unwrap() = 0;
        fs::write(folder.journal(), &text).unwrap();
        lock(&journal.disk).rewrite(|_| true).unwrap_err();
        assert_eq!(folder.bytes(), text);
        assert!(!folder.0.join("journal.rewrite").exists());
    }

    #[test]
    fn a_rename_that_was_lost_loses_nothing() {
        let folder = Folder::new("lost");
        let journal = folder.by_hand();
        let commit = journal.record(&settled("a")).unwrap();
        write_next(&journal);
        journal.wait(&commit).unwrap();
        let old = folder.bytes();
        lock(&journal.disk).rewrite(|_| true).unwrap();
        drop(journal);
        let new = folder.bytes();
        for end in 0..=new.len() {
            fs::write(folder.journal(), &old).unwrap();
            fs::write(folder.0.join("journal.rewrite"), &new[..end]).unwrap();
            assert_eq!(folder.read(), (said(&[settled("a")]), 0));
        }
        let journal = folder.by_hand();
        lock(&journal.disk).rewrite(|_| true).unwrap();
        assert_eq!(folder.bytes(), new);
    }

    #[test]
    fn a_link_and_permissions_outlive_a_rewriting() {
        let folder = Folder::new("link");
        let target = folder.0.join("target");
        fs::write(&target, "").unwrap();
        fs::set_permissions(&target, PermissionsExt::from_mode(0o600)).unwrap();
        symlink("target", folder.journal()).unwrap();
        let journal = folder.running();
        settle(&journal, "a").unwrap();
        lock(&journal.disk).rewrite(|_| true).unwrap();
        assert!(folder.journal().is_symlink());
        assert_eq!(fs::metadata(target).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_journal_of_version_1_is_rewritten_as_one_of_today_and_waits_for_room() {
        let folder = Folder::new("rewritten");
        let old = "# orderpay journal 1: checksum, state, time, order, receipt\n";
        fs::write(folder.journal(), old).unwrap();
        let journal = folder.by_hand();
        let file = swap(&journal, device("/dev/full"));
        write_next(&journal);
        swap(&journal, file);
        assert_eq!(folder.bytes(), old.as_bytes(), "till then it is left alone");
        assert!(matches!(settle_by_hand(&journal, "a"), Ok(())));
        let lines = [HEADER, MARK, MARK, &settled("a").line()].concat();
        assert_eq!(folder.bytes(), lines.as_bytes());
        lock(&journal.disk).rewrite(|_| true).unwrap();
        assert_eq!(folder.bytes(), [HEADER, &settled("a").line(), MARK].concat().as_bytes());
    }

    fn settle_by_hand(journal: &Journal, order: &str) -> Result<(), Unrecorded> {
        let commit = journal.record(&settled(order))?;
        write_next(journal);
        journal.wait(&commit)
    }

    #[test]
    fn what_a_file_system_does_not_do_is_no_error() {
        for (errno, goes_on) in [(22, true), (95, true), (38, true), (5, false), (28, false)] {
            let done = where_supported(Err(io::Error::from_raw_os_error(errno)));
            assert_eq!(done.is_ok(), goes_on, "{errno}");
        }
    }
}
