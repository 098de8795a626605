// SPDX-License-Identifier: MPL-2.0
//! Identities whose keys the daemon keeps, registered without an assistant.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Daemon, Ended, Process, Upstream, cli_binary, isolated};

async fn kept(daemon: &Daemon) -> String {
    let call = json!({ "tool": "a2al_identity_generate" });
    let made = daemon.api.post("/mcp/call", call).await.ok();
    made["aid"].as_str().expect("an address").to_owned()
}

async fn a2al(daemon: &Daemon, args: &[&str]) -> Ended {
    let mut command = isolated(&cli_binary(), Path::new("/nonexistent"));
    command.args(["--api", daemon.api.base()]).args(args);
    Process::run(command).await
}

#[tokio::test]
async fn a_kept_identity_is_registered_by_its_address_alone() {
    let daemon = Daemon::alone().await;
    let upstream = Upstream::start("kept").await;
    let aid = kept(&daemon).await;
    let body = json!({ "aid": aid, "service_tcp": upstream.address });
    let registered = daemon.api.post("/agents", body.clone()).await.ok();
    assert_eq!(registered, json!({ "aid": aid, "status": "registered" }));
    let shown = daemon.api.get(&format!("/agents/{aid}")).await.ok();
    assert_eq!(shown["service_tcp"], upstream.address);
    let again = daemon.api.post("/agents", body).await;
    assert_eq!(again.json()["code"], "no_kept_key");
    let told = again.json()["error"].clone();
    let reason = "no key is kept here for this aid: it is registered already";
    assert!(
        again.status == 404 && told.as_str().is_some_and(|told| told.starts_with(reason)),
        "{told}"
    );

    // What was exported names its address as well, and is taken for its credentials.
    let exported = daemon.api.get(&format!("/agents/{aid}/export")).await.ok();
    daemon.api.post("/agents", exported.clone()).await.ok();
    let key = &exported["operational_private_key_hex"];
    for body in [
        json!({}),
        Value::Null,
        json!({ "service_tcp": "127.0.0.1:1" }),
        json!({ "operational_private_key_hex": key }),
        json!({ "aid": aid, "operational_private_key_hex": key }),
    ] {
        let refused = daemon.api.post("/agents", body.clone()).await;
        assert_eq!(refused.json()["code"], "bad_registration", "{body}");
        let told = refused.json()["error"].clone();
        let told = told.as_str().unwrap_or_default();
        assert_eq!(refused.status, 400, "{body}: {told}");
        assert!(told.contains("only the aid of an identity"), "{told}");
    }
    let bad = daemon.api.post("/agents", json!({ "aid": "a0" })).await;
    bad.refused(400, "invalid json");
}

#[tokio::test]
async fn a_kept_identity_is_registered_by_command() {
    let daemon = Daemon::alone().await;
    let upstream = Upstream::start("kept").await;
    let aid = kept(&daemon).await;
    let args = [
        "register",
        "--aid",
        &aid,
        "--service-tcp",
        &upstream.address,
    ];
    let done = a2al(&daemon, &args).await;
    assert_eq!(done.code(), Some(0), "{}", done.stderr);
    assert!(
        done.stdout.starts_with(&format!("aid {aid}\npublished ")),
        "{}",
        done.stdout
    );
    let shown = daemon.api.get(&format!("/agents/{aid}")).await.ok();
    assert_eq!(shown["service_tcp"], upstream.address);
    assert_eq!(shown["published_to_dht"], true);
    let again = a2al(&daemon, &args).await;
    again.failed_clearly(4, &["no key is kept here for this aid"]);
    for other in [["--ethereum", ""], ["--save-master", "file"]] {
        let args = ["register", "--aid", &aid].into_iter();
        let args = args.chain(other).filter(|arg| !arg.is_empty());
        let refused = a2al(&daemon, &args.collect::<Vec<_>>()).await;
        assert_eq!(refused.code(), Some(2), "{}", refused.stderr);
    }
    let saved = a2al(&daemon, &["identity", "backup", &aid]).await;
    assert_eq!(saved.code(), Some(0), "the master key waits as before");
}
