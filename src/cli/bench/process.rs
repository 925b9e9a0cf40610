//! What this process used since a moment: peak resident memory and processor time, of hub, loader and
//! sink together. Processor time tells more than the clock where other programs share the cores.
//!
//! Linux keeps both; elsewhere there is no figure, and none is made up.

use std::{fs, time::Duration};

/// What one tick of the processor times in `/proc` stands for (`USER_HZ`, the same on every Linux).
const TICK: Duration = Duration::from_millis(10);

/// Counts from a moment on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    counts_peak: bool,
    begun: Option<Duration>,
}

impl Meter {
    /// Begins to count: the kernel takes what is resident now as the peak so far.
    pub(super) fn start() -> Self {
        Self { counts_peak: fs::write("/proc/self/clear_refs", "5").is_ok(), begun: cpu() }
    }

    /// The peak of resident memory, bytes.
    pub(super) fn peak_bytes(self) -> Option<u64> {
        let status = fs::read_to_string("/proc/self/status").ok().filter(|_| self.counts_peak)?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }

    /// Processor time for each of `count`, microseconds.
    pub(super) fn cpu_micros(self, count: usize) -> Option<f64> {
        let used = cpu()?.checked_sub(self.begun?)?;
        Some(used.as_secs_f64() * 1e6 / f64::from(u32::try_from(count).ok()?.max(1)))
    }
}

/// User and system time of the process so far.
fn cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets, which may hold blanks.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = |field: usize| rest.split_whitespace().nth(field)?.parse::<u32>().ok();
    Some(TICK * (ticks(11)? + ticks(12)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_uses_memory_and_time() {
        let meter = Meter::start();
        assert!(meter.peak_bytes().unwrap() > 100_000);
        assert!(meter.cpu_micros(1).unwrap() >= 0.0);
    }
}
