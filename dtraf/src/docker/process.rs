//! Whether a process is still the same one.

use std::fs;

/// When process `pid` started, in the kernel's clock ticks since boot: together they name a process for good. `None` when
/// it is gone, or not visible from dtraf's own namespace.
pub(super) fn started(pid: u32) -> Option<u64> {
    start_time(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22; the second, the command in parentheses, may hold anything.
fn start_time(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_cannot_forge_the_start_time() {
        let stat = "42 (evil) S 1 1) S 7 42 42 0 -1 4194560 92 0 0 0 0 0 0 0 20 0 1 0 3141592 2469888 61 18446744073709551615 1";
        assert_eq!(start_time(stat), Some(3_141_592));
        assert_eq!(start_time("42 (sh) S 7"), None);
        assert_eq!(start_time(""), None);
    }
}
