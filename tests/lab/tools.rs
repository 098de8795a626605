// SPDX-License-Identifier: MPL-2.0
//! The programs that configure the kernel.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::Namespace;

/// Runs `ip` with the words of `line`. Panics with what it said if it fails.
#[track_caller]
pub(super) fn ip(line: &str) {
    if let Err(told) = told_by("ip", &words(line), "") {
        panic!("ip {line}: {told}");
    }
}

/// Runs lines of `ip` commands in `namespace`.
#[track_caller]
pub(super) fn ip_batch(namespace: &Namespace, lines: &[String]) {
    let text = lines.join("\n");
    if let Err(told) = told_by("ip", &["-n", namespace.name(), "-batch", "-"], &text) {
        panic!("{told} in:\n{text}");
    }
}

/// Loads `rules` in the namespace `name`, all or none.
#[track_caller]
pub(super) fn nft(name: &str, rules: &str) {
    if let Err(told) = told_by("ip", &["netns", "exec", name, "nft", "-f", "-"], rules) {
        panic!("{told} in:\n{rules}");
    }
}

/// Runs `conntrack` in the namespace `name`. It fails when nothing matches, so its end is not looked at.
pub(super) fn conntrack(name: &str, line: &str) {
    let mut command = vec!["netns", "exec", name, "conntrack"];
    command.extend(line.split_whitespace());
    let _nothing_matched = told_by("ip", &command, "");
}

/// What `program` wrote to standard output, or to standard error if it failed or is not there.
pub(super) fn told_by(program: &str, args: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // A program that ends before it has read all says why by itself.
    let _ended = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{program}: {}", text(&output.stderr)))
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}
