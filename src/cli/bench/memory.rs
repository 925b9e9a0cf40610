//! Peak resident memory of this process since it was last asked: hub, loader and sink together.
//!
//! Linux keeps it; elsewhere there is no figure, and none is made up.

use std::fs;

/// Begins to count: the kernel takes what is resident now as the peak so far.
pub(super) fn start() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The peak since [`start`], bytes.
pub(super) fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_is_more_than_nothing() {
        assert!(super::peak_bytes().unwrap() > 100_000);
    }
}
