//! Memory, and the processes that use it, as far as the system says.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, getpid};

/// Bytes of memory that can be used now: what the system has left, and the container.
pub(crate) fn available() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let number = |name: &str| {
        fs::read_to_string(format!("/sys/fs/cgroup/{name}"))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let own = number("memory.max").map(|most| most.saturating_sub(number("memory.current").unwrap_or(0)));
    Some(own.unwrap_or(u64::MAX).min(kib << 10))
}

/// Bytes of memory that this process and all that descend from it have resident; what they share counts for each.
pub(crate) fn resident() -> Option<u64> {
    let mut children: BTreeMap<i32, Vec<(i32, u64)>> = BTreeMap::new();
    for pid in processes() {
        // proc_pid_stat(5): ppid is field 4 and rss field 24; the first two are not among these.
        let numbers =
            fields(pid).and_then(|fields| Some((fields.get(4 - 3)?.parse().ok()?, fields.get(24 - 3)?.parse().ok()?)));
        if let Some((parent, pages)) = numbers {
            children
                .entry(parent)
                .or_default()
                .push((pid.as_raw_nonzero().get(), pages));
        }
    }
    let own = getpid().as_raw_nonzero().get();
    let mut pages = children
        .values()
        .flatten()
        .find_map(|&(pid, pages)| (pid == own).then_some(pages))?;
    let mut parents = vec![own];
    while let Some(parent) = parents.pop() {
        for &(pid, own) in children.get(&parent).into_iter().flatten() {
            pages += own;
            parents.push(pid);
        }
    }
    Some(pages * rustix::param::page_size() as u64)
}

/// All processes; none where the system does not list them.
pub(crate) fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// What the system says of a process, from its state on.
pub(crate) fn fields(pid: Pid) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, parentheses too.
    Some(stat.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_less_than_there_is() {
        let (resident, available) = (resident().unwrap(), available().unwrap());
        assert!(resident > 1 << 20 && available > 1 << 20, "{resident} {available}");
    }
}
