// SPDX-License-Identifier: MPL-2.0
//! The demonstration that the README begins with.

use std::time::Duration;

use crate::harness::{Process, daemon_binary, isolated};

#[tokio::test]
async fn the_demonstration_works_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut command = isolated(&daemon_binary(), home.path());
    command.arg("demo").env("TMPDIR", home.path());
    let ended = Process::start(command).ended(Duration::from_secs(60)).await;
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("Hello"), "{}", ended.stdout);
    let left = std::fs::read_dir(home.path())
        .expect("our own directory")
        .count();
    assert_eq!(left, 0, "something is left in {}", home.path().display());
}
