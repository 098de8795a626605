// SPDX-License-Identifier: MPL-2.0
//! Two daemons of any executable with the flags and the API that existing clients use: the first hosts, the second calls.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Api, Identity, Process, eventually, free_port, isolated};

/// Longest wait for a daemon's API, and until the second daemon finds the agent.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// A network of two daemons, with one agent on the first.
#[derive(Debug)]
pub(crate) struct Subject {
    host: Node,
    caller: Node,
    aid: String,
}

#[derive(Debug)]
struct Node {
    api: Api,
    process: Process,
    listen: String,
    _home: TempDir,
}

impl Node {
    async fn start(executable: &Path, joining: Option<&str>) -> Self {
        let home = TempDir::with_prefix("a2al-bench-").expect("a temporary directory");
        let [api, listen] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        let mut command = isolated(executable, home.path());
        command
            .arg("--data-dir")
            .arg(home.path().join("data"))
            .args(["--api-addr", &api, "--listen", &listen])
            .args(["--fallback-host", "127.0.0.1", "--no-open-browser"]);
        if let Some(other) = joining {
            command.args(["--bootstrap", other]);
        }
        let node = Self {
            api: Api::new(&format!("http://{api}")),
            process: Process::start(command),
            listen,
            _home: home,
        };
        eventually("the API answers", READY_DEADLINE, async || {
            node.api.try_get("/health").await.map(drop)
        })
        .await;
        node
    }
}

impl Subject {
    /// Starts `executable` twice, and puts an agent with this service on the first.
    pub(crate) async fn start(executable: &Path, service: &str) -> Self {
        let host = Node::start(executable, None).await;
        let caller = Node::start(executable, Some(&host.listen)).await;
        let made = posted(&host.api, "/identity/generate", json!({})).await;
        let identity = Identity::read(&made);
        posted(&host.api, "/agents", identity.registration_with(service)).await;
        let aid = identity.aid;
        let subject = Self { host, caller, aid };
        eventually("the agent is found", READY_DEADLINE, async || {
            let Self { host, caller, aid } = &subject;
            let publish = format!("/agents/{aid}/publish");
            host.api.try_post(&publish, json!({})).await?;
            let resolve = format!("/resolve/{aid}");
            let found = caller.api.try_post(&resolve, json!({})).await?;
            (found.status == 200).then_some(())
        })
        .await;
        subject
    }

    /// Opens a tunnel that stays; returns where it listens.
    pub(crate) async fn tunnel(&self) -> String {
        let path = format!("/tunnel/{}", self.aid);
        let body = json!({ "idle_timeout_sec": -1 });
        let tunnel = posted(&self.caller.api, &path, body).await;
        let listen = tunnel["listen"].as_str().expect("an address");
        listen.to_owned()
    }

    /// Host and port of the calling daemon's API.
    pub(crate) fn api(&self) -> &str {
        self.caller.api.authority()
    }

    /// The path at which the agent's service is fetched.
    pub(crate) fn fetch_path(&self) -> String {
        format!("/fetch/{}", self.aid)
    }

    /// The two processes.
    pub(crate) fn pids(&self) -> [u32; 2] {
        [&self.host, &self.caller].map(|node| node.process.pid())
    }
}

async fn posted(api: &Api, path: &str, body: Value) -> Value {
    let answer = api.post(path, body).await;
    assert!(
        matches!(answer.status, 200 | 201),
        "{path}: {}",
        answer.text
    );
    answer.json()
}
