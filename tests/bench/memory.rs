// SPDX-License-Identifier: MPL-2.0
//! What two daemons hold in memory while a tunnel carries much: many connections, and much data for a reader that is slow.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::harness::daemon_binary;
use crate::peer::Peer;
use crate::raw;
use crate::subject::Subject;

/// Connections with one echo each, this many at once.
const CONNECTIONS: usize = 10_000;
const AT_ONCE: usize = 20;

/// What the slow reader reads, in bytes, and how long it pauses after each mebibyte.
const TRANSFER: u64 = 10 * 1024 * 1024 * 1024;
const PAUSE: Duration = Duration::from_millis(5);

/// Rows of each table.
const ROWS: usize = 10;

/// The tables, in Markdown.
pub(crate) async fn tables() -> String {
    let service = Peer::start("raw", "").await;
    let subject = Subject::start(&daemon_binary(), &service.address).await;
    let tunnel = subject.tunnel().await;
    let mut text =
        "| connections | caller's node, MiB | agent's node, MiB |\n|---|---|---|\n".to_owned();
    row(&mut text, "0", &subject);
    for done in (1..=ROWS).map(|row| row * CONNECTIONS / ROWS) {
        for _ in 0..CONNECTIONS / ROWS / AT_ONCE {
            join_all((0..AT_ONCE).map(|_| raw::connect_and_echo(&tunnel))).await;
        }
        row(&mut text, &done.to_string(), &subject);
    }
    text += "\n| read, GiB | caller's node, MiB | agent's node, MiB |\n|---|---|---|\n";
    let started = Instant::now();
    let mut reader = raw::Reader::open(&tunnel).await;
    for read in 1..=ROWS as u64 {
        while reader.total() < TRANSFER / ROWS as u64 * read {
            reader.read(1024 * 1024).await;
            tokio::time::sleep(PAUSE).await;
        }
        row(&mut text, &read.to_string(), &subject);
    }
    let seconds = started.elapsed().as_secs();
    writeln!(text, "\nThe transfer took {seconds} s.").expect("memory suffices");
    text
}

fn row(text: &mut String, done: &str, subject: &Subject) {
    let [host, caller] = subject.pids().map(resident);
    writeln!(text, "| {done} | {caller:.1} | {host:.1} |").expect("memory suffices");
}

/// Resident memory of a process, in MiB.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    let kibibytes = kibibytes.expect("a size").parse::<f64>().expect("a number");
    kibibytes / 1024.0
}
