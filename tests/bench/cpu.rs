// SPDX-License-Identifier: MPL-2.0
//! Processor time that processes have used.

/// Ticks of `/proc/<pid>/stat` in a second, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds that the processes have used so far, in user and kernel together.
pub(crate) fn used(pids: &[u32]) -> f64 {
    pids.iter().map(|pid| ticks(*pid)).sum::<f64>() / TICKS_PER_SECOND
}

fn ticks(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    // The name in parentheses may hold blanks; the times are the 14th and 15th field.
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let fields = rest.split_whitespace().skip(11).take(2);
    fields
        .map(|field| field.parse::<f64>().expect("a number"))
        .sum()
}
