//! A disk so small that it can be filled: a tmpfs of its own.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use super::{Folder, skipped};

pub struct SmallDisk(Folder);

impl SmallDisk {
    /// Mounts one of so many KiB; `None`, said aloud, where the tests may not mount anything.
    pub fn mount(kib: usize) -> Option<SmallDisk> {
        let folder = Folder::new();
        let size = format!("size={kib}k");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk(folder));
        }
        skipped("only root can mount a tmpfs: run the tests as root");
        None
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("ballast");
        while file.write_all(&[0; 1024]).is_ok() {}
    }

    /// Gives it back.
    pub fn clear(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}
