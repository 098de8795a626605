// SPDX-License-Identifier: MPL-2.0
//! A full disk: callers are told, nothing is lost, and no restart is needed afterwards.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Daemon, Setup, UNSHARE, eventually};

/// A daemon whose data directory is a small file system of its own.
struct Small {
    daemon: Daemon,
    /// The data directory as seen from outside of the daemon's mount namespace.
    data_dir: PathBuf,
}

impl Small {
    async fn start(mut unshare: Command) -> Self {
        let setup = Setup::new().with_config("");
        let directory = setup.data_dir();
        let mount = "mount -t tmpfs -o size=4m,mode=700 a2al \"$0\" && exec \"$@\"";
        unshare.args(["--mount", "sh", "-c", mount]).arg(&directory);
        let daemon = setup.start_through(unshare).await;
        let seen = directory.strip_prefix("/").expect("an absolute path");
        let data_dir = PathBuf::from(format!("/proc/{}/root", daemon.pid())).join(seen);
        Self { daemon, data_dir }
    }

    /// Leaves no byte for anybody else.
    fn fill(&self) {
        let filled = std::fs::write(self.data_dir.join("filler"), vec![7; 8 * 1024 * 1024]);
        assert!(filled.is_err(), "the disk is larger than it should be");
    }

    fn empty(&self) {
        std::fs::remove_file(self.data_dir.join("filler")).expect("the file just written");
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_survived() {
    let Some(unshare) = UNSHARE.command("a_full_disk_is_told_and_survived") else {
        return;
    };
    let small = Small::start(unshare).await;
    let api = &small.daemon.api;
    let before = api.agent().await;
    api.publish(&before.aid).await;
    small.fill();
    let identity = api.identity().await;
    let refused = eventually("the disk is full", Duration::from_secs(20), async || {
        let identity = api.identity().await;
        let answer = api.post("/agents", identity.registration()).await;
        (answer.status != 200).then_some(answer)
    });
    let refused = refused.await;
    assert_eq!(refused.status, 507, "{}", refused.text);
    assert_eq!(refused.json()["retryable"], json!(true), "{}", refused.text);
    // A note that is not safe on the disk is not confirmed.
    let send = format!("/agents/{}/mailbox/send", before.aid);
    let note = json!({ "recipient": before.aid, "body_base64": "bm90ZQ==" });
    let unsafe_note = api.post(&send, note).await;
    assert_eq!(unsafe_note.status, 507, "{}", unsafe_note.text);
    // What needs no disk goes on: reading, and renewing what was published before.
    api.shown(&before.aid).await;
    api.publish(&before.aid).await;
    api.resolve(&before.aid).await;

    small.empty();
    eventually("there is room again", Duration::from_secs(10), async || {
        let answer = api.post("/agents", identity.registration()).await;
        (answer.status == 200).then_some(())
    })
    .await;
    api.shown(&identity.aid).await;
}
