// SPDX-License-Identifier: MPL-2.0
//! Callers from other machines, played by a network namespace in which the API has an address that is not loopback.

use std::process::Command;

use crate::harness::{Daemon, Process, Setup, Tool, UNSHARE};

/// An address of the daemon's namespace, which no other machine has.
const ADDRESS: &str = "10.99.99.1";

/// An HTTP client that runs in any namespace.
const CURL: Tool = Tool::named(
    "curl",
    "REQUIRE_ROOT",
    || Command::new("curl"),
    &["--version"],
);

/// A daemon in a namespace of its own.
struct Namespace(Daemon);

impl Namespace {
    async fn start(mut unshare: Command) -> Self {
        let interfaces =
            format!("ip link set lo up && ip addr add {ADDRESS}/32 dev lo && exec \"$@\"");
        unshare.args(["--net", "sh", "-c", &interfaces, "sh"]);
        let setup = Setup::bare().with(&["--api-addr", "0.0.0.0:0", "--listen", "127.0.0.1:0"]);
        let setup = setup.with_config("api_token = \"canary-4711\"\n");
        Self(setup.start_through(unshare).await)
    }

    /// Calls the API at `host` from inside: the status and the body.
    async fn call(&self, host: &str, path: &str, args: &[&str]) -> (String, String) {
        let port = self.0.api.base().rsplit(':').next().expect("a port");
        let mut curl = Command::new("nsenter");
        curl.arg(format!("--net=/proc/{}/ns/net", self.0.pid()));
        curl.args([
            "curl",
            "--silent",
            "--noproxy",
            "*",
            "--write-out",
            "\n%{http_code}",
        ]);
        curl.args(args).arg(format!("http://{host}:{port}{path}"));
        let ended = Process::run(curl).await;
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        let (body, status) = ended
            .stdout
            .rsplit_once('\n')
            .expect("the status comes last");
        (status.to_owned(), body.to_owned())
    }
}

#[tokio::test]
async fn callers_from_elsewhere_need_the_token() {
    let test = "callers_from_elsewhere_need_the_token";
    let (Some(unshare), Some(_)) = (UNSHARE.command(test), CURL.command(test)) else {
        return;
    };
    let namespace = Namespace::start(unshare).await;
    let (status, node) = namespace.call("127.0.0.1", "/status", &[]).await;
    assert_eq!(status, "200", "callers on this machine need none: {node}");

    let token = ["--header", "Authorization: Bearer canary-4711"];
    for path in [
        "/health",
        "/status",
        "/agents",
        "/openapi.json",
        "/nowhere",
        "/mcp",
        "/aid/x/",
    ] {
        let (status, body) = namespace.call(ADDRESS, path, &[]).await;
        assert_eq!(status, "401", "{path}: {body}");
        let wrong = ["--header", "Authorization: Bearer canary-4712"];
        assert_eq!(
            namespace.call(ADDRESS, path, &wrong).await.0,
            "401",
            "{path}"
        );
    }
    assert_eq!(namespace.call(ADDRESS, "/health", &token).await.0, "200");
    let named = [token[0], token[1], "--header", "Host: a2al.example"];
    assert_eq!(
        namespace.call(ADDRESS, "/health", &named).await.0,
        "200",
        "any name leads here"
    );
    let foreign = [
        token[0],
        token[1],
        "--header",
        "Origin: http://evil.example",
    ];
    assert_eq!(namespace.call(ADDRESS, "/health", &foreign).await.0, "403");

    let node = serde_json::from_str::<serde_json::Value>(&node).expect("the status is JSON");
    let export = format!(
        "/agents/{}/export",
        node["node_aid"].as_str().expect("an address")
    );
    let (status, body) = namespace.call(ADDRESS, &export, &token).await;
    assert_eq!(status, "403", "{body}");
    assert!(body.contains("export only available on loopback"), "{body}");
}
