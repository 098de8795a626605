// SPDX-License-Identifier: MPL-2.0
//! What a daemon tells about itself, and its settings.

use serde_json::json;

use crate::harness::Daemon;

#[tokio::test]
async fn status_and_configuration_are_told() {
    let daemon = Daemon::alone().await;
    assert_eq!(
        daemon.api.get("/health").await.ok(),
        json!({ "status": "ok" })
    );
    let status = daemon.status().await;
    assert_eq!(status["peer_id"], daemon.peer_id.as_str());
    assert_eq!(status["data_dir"], daemon.data_dir().display().to_string());
    for name in [
        "node_aid",
        "version",
        "auto_publish",
        "dht_peers",
        "uptime_seconds",
        "reachability",
    ] {
        assert!(!status[name].is_null(), "{name} of {status}");
    }
    let config = daemon.api.get("/config").await.ok();
    assert_eq!(config["api_addr"], "127.0.0.1:0", "{config}");
    let schema = daemon.api.get("/config/schema").await.ok();
    assert!(schema["properties"].is_object(), "{schema}");
    let changed = daemon
        .api
        .patch("/config", json!({ "auto_publish": false }))
        .await
        .ok();
    assert_eq!(changed, json!({ "ok": true, "restart_required": [] }));
    assert_eq!(daemon.status().await["auto_publish"], false);
    let moved = daemon
        .api
        .patch(
            "/config",
            json!({ "listen_addr": "127.0.0.1:0", "unknown": 1 }),
        )
        .await;
    assert_eq!(moved.ok()["restart_required"], json!(["listen_addr"]));
    let nowhere = json!({ "listen_addr": "nowhere" });
    let refused = daemon.api.patch("/config", nowhere).await;
    refused.refused(400, "invalid config");
    daemon
        .api
        .patch("/config", json!({ "auto_publish": "x" }))
        .await
        .refused(400, "invalid json");
    let daemon = daemon.stop().await.start().await;
    assert_eq!(daemon.api.get("/config").await.ok()["auto_publish"], false);
}
