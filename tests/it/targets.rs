// SPDX-License-Identifier: MPL-2.0
//! Where services of agents may be.

use serde_json::json;

use crate::harness::{Answer, Daemon, Setup};

const ELSEWHERE: &str =
    "service_tcp is on another machine; allow_lan_services in the configuration would allow that";
const NEVER: &str = "service_tcp cannot be a link-local, multicast or unspecified address";

/// Where `daemon` listens for other nodes over TCP.
async fn network_listener(daemon: &Daemon) -> String {
    let addresses = daemon.addresses().await;
    let port = addresses.iter().find_map(|address| {
        let (_, rest) = address.split_once("/tcp/")?;
        rest.split('/').next()
    });
    format!("127.0.0.1:{}", port.expect("the node listens over TCP"))
}

/// Registers a new agent with `service`.
async fn register(daemon: &Daemon, service: &str) -> Answer {
    let identity = daemon.api.identity().await;
    let registration = identity.registration_with(service);
    daemon.api.post("/agents", registration).await
}

#[tokio::test]
async fn services_are_on_this_machine_and_not_the_daemon_itself() {
    let daemon = Setup::new().start().await;
    let api = daemon.api.authority().to_owned();
    let own = network_listener(&daemon).await;
    let known = format!("/agents/{}", daemon.api.agent().await.aid);
    for (service, error) in [
        (&*api, "service_tcp cannot be the daemon's own API address"),
        (&*own, "service_tcp cannot be a port of the daemon itself"),
        ("169.254.169.254:80", NEVER),
        ("[::ffff:169.254.169.254]:80", NEVER),
        ("0.0.0.0:80", NEVER),
        ("224.0.0.1:80", NEVER),
        ("192.168.1.1:80", ELSEWHERE),
        ("http://10.0.0.1:80", ELSEWHERE),
        ("https://203.0.113.1:443", ELSEWHERE),
    ] {
        register(&daemon, service).await.refused(400, error);
        let patch = json!({ "service_tcp": service });
        daemon.api.patch(&known, patch).await.refused(400, error);
    }
    // It cannot be switched on by a caller of the API.
    let switch = json!({ "allow_lan_services": true });
    let _answer = daemon.api.patch("/config", switch).await;
    register(&daemon, "10.0.0.1:80")
        .await
        .refused(400, ELSEWHERE);
}

#[tokio::test]
async fn the_configuration_allows_services_on_other_machines() {
    let allowed = Setup::new().with_env("A2AL_ALLOW_LAN_SERVICES", "true");
    let daemon = allowed.start().await;
    for service in ["192.168.1.1:80", "https://203.0.113.1:443"] {
        register(&daemon, service).await.ok();
    }
    register(&daemon, "169.254.169.254:80")
        .await
        .refused(400, NEVER);
    // What is known already is checked again when it is dialled.
    let stopped = daemon
        .kill()
        .await
        .with_env("A2AL_ALLOW_LAN_SERVICES", "false");
    let daemon = stopped.start().await;
    let agents = daemon.api.get("/agents").await.ok();
    let agents = agents["agents"].as_array().expect("a list");
    assert_eq!(agents.len(), 2, "they stay registered");
    for agent in agents {
        let aid = agent["aid"].as_str().expect("an address");
        let fetched = daemon.api.post(&format!("/fetch/{aid}"), json!({})).await;
        fetched.refused(502, "inbound unreachable");
    }
}
