//! What the control groups that the server runs in allow (cgroups(7)): memory and processes. A container
//! is such a group.
//!
//! Version 1 has a hierarchy of groups for each controller, version 2 one for all. What a group may
//! have, it shares with those below it, so the least limit on the way up counts.

use std::fs;
use std::path::{Path, PathBuf};

/// How many bytes of memory, if there is a limit; and whether sockets count, with all that they hold:
/// they do in version 2. (In version 1 they do where a group, whichever, has had a limit for them; that
/// is rare, and can't be seen from here.)
pub fn memory() -> Option<(usize, bool)> {
    let v1 = least("memory", "memory.limit_in_bytes").map(|limit| (limit, false));
    let v2 = least(V2, "memory.max").map(|limit| (limit, true));
    v1.into_iter().chain(v2).min()
}

/// How many processes, threads among them, if there is a limit.
pub fn processes() -> Option<usize> {
    least("pids", "pids.max").into_iter().chain(least(V2, "pids.max")).min()
}

/// What version 2 has instead of a controller's name.
const V2: &str = "";

/// The least that a file of this name says, in the process's own group or one above it.
fn least(controller: &str, file: &str) -> Option<usize> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (groups, mounts) = (read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
    let folders = folders(controller, &groups, &mounts);
    let limits = folders.iter().flat_map(|folder| fs::read_to_string(folder.join(file)));
    limits.filter_map(|text| limit(&text)).min()
}

/// `max` is no limit, nor is the largest number of whole pages, with which version 1 says so.
fn limit(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|limit| *limit < isize::MAX as usize / 2)
}

/// The folder of the process's group, and those of all above it that can be seen: of a container, the
/// host's can't.
fn folders(controller: &str, groups: &str, mounts: &str) -> Vec<PathBuf> {
    let has = |list: &str| list.split(',').any(|it| it == controller);
    let group = groups.lines().find_map(|line| {
        let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else {
            return None;
        };
        has(controllers).then_some(path)
    });
    let mount = mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let (mount, system) = (mount.split(' ').collect::<Vec<_>>(), system.split(' '));
        let [kind, .., options] = system.collect::<Vec<_>>()[..] else { return None };
        let is_it =
            if controller == V2 { kind == "cgroup2" } else { kind == "cgroup" && has(options) };
        is_it.then_some((*mount.get(3)?, Path::new(*mount.get(4)?)))
    });
    let (Some(group), Some((root, mount))) = (group, mount) else { return Vec::new() };
    let below = Path::new(group).strip_prefix(root).unwrap_or(Path::new(""));
    let own = mount.join(below);
    own.ancestors().take_while(|it| it.starts_with(mount)).map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&Path; 0] = [];

    #[test]
    fn a_group_is_found_below_where_its_hierarchy_is_mounted_with_all_above_it() {
        let groups = "9:name=systemd:/\n8:cpu,pids:/a\n4:memory:/a/b:c\n0::/d/e\n";
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
            33 31 0:30 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,cpu,pids\n\
            34 31 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        for (controller, mount, paths) in [
            ("memory", "memory", &["/a/b:c", "/a", ""][..]),
            ("pids", "pids", &["/a", ""]),
            (V2, "unified", &["/d/e", "/d", ""]),
        ] {
            let path = |path: &&str| PathBuf::from(format!("/sys/fs/cgroup/{mount}{path}"));
            let expected: Vec<_> = paths.iter().map(path).collect();
            assert_eq!(folders(controller, groups, mounts), expected);
        }
        assert_eq!(folders("blkio", groups, mounts), NONE);
    }

    #[test]
    fn in_a_container_its_own_group_is_where_its_hierarchy_is_mounted() {
        let mount =
            |root: &str| format!("40 31 0:38 {root} /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
        for (group, root) in [("/", "/"), ("/docker/1", "/docker/1"), ("/", "/docker/1")] {
            let groups = format!("0::{group}\n");
            assert_eq!(
                folders(V2, &groups, &mount(root)),
                [Path::new("/sys/fs/cgroup")],
                "{group} {root}"
            );
        }
        assert_eq!(folders(V2, "", &mount("/")), NONE);
        assert_eq!(folders(V2, "0::/\n", ""), NONE);
    }

    #[test]
    fn what_is_no_number_or_a_number_of_no_use_is_no_limit() {
        assert_eq!(limit("8388608\n"), Some(8 << 20));
        assert_eq!((limit("max\n"), limit("9223372036854771712\n"), limit("")), (None, None, None));
    }
}
