// SPDX-License-Identifier: MPL-2.0
//! The bootstrap node on its own. That it brings daemons together is a chapter of the daemon's tests; this target also
//! makes Cargo build the program for them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running bootstrap node. Dropping it kills it.
struct Bootstrap {
    child: Child,
    addresses: Vec<String>,
}

impl Bootstrap {
    /// Starts a node on a free port and reads what it announces.
    fn start(data_dir: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_a2al-bootstrap"));
        command
            .arg("--data-dir")
            .arg(data_dir)
            .args(["--listen", "127.0.0.1:0"])
            .args(args);
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        let mut lines = stderr.lines().map(|line| line.expect("stderr is text"));
        let ready = lines
            .find(|line| line.contains(" ready: "))
            .expect("a ready line");
        let (_, announced) = ready.split_once(" ready: ").expect("just found");
        let addresses = announced.split_whitespace().map(str::to_owned).collect();
        Self { child, addresses }
    }

    /// The peer id at the end of every address.
    fn peer_id(&self) -> &str {
        let (_, peer_id) = self.addresses[0]
            .rsplit_once("/p2p/")
            .expect("an address ends in it");
        peer_id
    }
}

impl Drop for Bootstrap {
    fn drop(&mut self) {
        self.child.kill().expect("the program can be killed");
        self.child.wait().expect("the program can be waited for");
    }
}

#[test]
fn a_node_announces_addresses_and_keeps_its_identity() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (one, other) = (home.path().join("one"), home.path().join("other"));
    let first = Bootstrap::start(&one, &[]);
    assert!(!first.addresses.is_empty());
    for address in &first.addresses {
        assert!(address.starts_with("/ip4/127.0.0.1/"), "{address}");
        assert!(
            address.ends_with(&format!("/p2p/{}", first.peer_id())),
            "{address}"
        );
    }
    let second = Bootstrap::start(&other, &["--bootstrap", &first.addresses.join(",")]);
    assert_ne!(first.peer_id(), second.peer_id());
    let before = first.peer_id().to_owned();
    drop(first);
    assert_eq!(
        Bootstrap::start(&one, &[]).peer_id(),
        before,
        "the key is kept"
    );
}
