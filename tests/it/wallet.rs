// SPDX-License-Identifier: MPL-2.0
//! Agents that belong to an Ethereum or a Paralism wallet.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{Api, Daemon, ETH, Net, Upstream, unix_now};

/// Delegations that another Ethereum implementation signed; the last one has expired.
const SIGNED_ELSEWHERE: &str = include_str!("../vectors/ethereum_wallets.json");

#[derive(Deserialize)]
struct Vectors {
    wallets: Vec<Wallet>,
}

/// One delegation of the vectors file.
#[derive(Deserialize, Clone)]
struct Wallet {
    #[serde(rename = "wallet_private_key_hex")]
    private_key_hex: String,
    agent: String,
    operational_private_key_seed_hex: String,
    operational_public_key_hex: String,
    issued_at: u64,
    expires_at: u64,
    scope: u8,
    message: String,
    eth_signature_hex: String,
}

impl Wallet {
    fn terms(&self) -> Value {
        json!({
            "agent": self.agent,
            "issued_at": self.issued_at,
            "expires_at": self.expires_at,
            "scope": self.scope,
        })
    }

    fn registration(&self, service: &str) -> Value {
        let mut body = self.terms();
        body["operational_private_key_seed_hex"] = json!(self.operational_private_key_seed_hex);
        body["eth_signature_hex"] = json!(self.eth_signature_hex);
        body["service_tcp"] = json!(service);
        body
    }
}

/// Valid delegations, and one that has expired.
fn signed_elsewhere() -> (Vec<Wallet>, Wallet) {
    let vectors = serde_json::from_str::<Vectors>(SIGNED_ELSEWHERE).expect("the vectors are JSON");
    let mut wallets = vectors.wallets;
    let expired = wallets.pop().expect("four wallets");
    (wallets, expired)
}

/// Publishes `aid` from node 0 and calls it through node 1.
async fn published_and_called(net: &Net, aid: &str) {
    net.nodes[0].api.publish(aid).await;
    assert_eq!(net.nodes[1].api.resolve(aid).await["address"], aid);
    let request = json!({ "path": "/name" });
    let fetched = net.nodes[1]
        .api
        .post(&format!("/fetch/{aid}"), request)
        .await
        .ok();
    assert_eq!(fetched["status"], 200, "{fetched}");
}

async fn register(api: &Api, body: Value) -> Value {
    api.post("/agents/ethereum/register", body).await.ok()
}

#[tokio::test]
async fn delegations_signed_by_another_implementation_work() {
    let upstream = Upstream::start("wallet").await;
    let net = Net::of(2).await;
    let api = &net.nodes[0].api;
    for wallet in signed_elsewhere().0 {
        let mut asked = wallet.terms();
        asked["operational_public_key_hex"] = json!(wallet.operational_public_key_hex);
        let told = api
            .post("/agents/ethereum/delegation-message", asked)
            .await
            .ok();
        assert_eq!(told["message"], wallet.message.as_str());
        let registered = register(api, wallet.registration(&upstream.address)).await;
        assert_eq!(
            registered,
            json!({ "aid": wallet.agent, "status": "registered" })
        );
        published_and_called(&net, &wallet.agent).await;
    }
}

#[tokio::test]
async fn inputs_are_read_in_every_form_they_come_in() {
    let daemon = Daemon::alone().await;
    let wallet = signed_elsewhere().0.remove(0);
    let mut seed = wallet.terms();
    seed["operational_private_key_seed_hex"] = json!(wallet.operational_private_key_seed_hex);
    let told = daemon
        .api
        .post("/agents/ethereum/delegation-message", seed)
        .await
        .ok();
    assert_eq!(told["message"], wallet.message.as_str());

    let mut body = wallet.registration("");
    body["agent"] = json!(wallet.agent.to_lowercase());
    body["eth_signature_hex"] = json!(format!("0x{}", wallet.eth_signature_hex));
    body.as_object_mut()
        .expect("an object")
        .remove("operational_private_key_seed_hex");
    let key = format!(
        "{}{}",
        wallet.operational_private_key_seed_hex, wallet.operational_public_key_hex
    );
    body["operational_private_key_hex"] = json!(key);
    assert_eq!(
        register(&daemon.api, body).await["aid"],
        wallet.agent.as_str()
    );
    let exported = daemon
        .api
        .get(&format!("/agents/{}/export", wallet.agent))
        .await
        .ok();
    assert_eq!(exported["operational_private_key_hex"], key);
}

#[tokio::test]
async fn messages_are_refused_with_the_reason() {
    let daemon = Daemon::alone().await;
    let wallet = signed_elsewhere().0.remove(0);
    let path = "/agents/ethereum/delegation-message";
    let one_of =
        "provide exactly one of operational_public_key_hex or operational_private_key_seed_hex";
    daemon
        .api
        .post(path, wallet.terms())
        .await
        .refused(400, one_of);
    let mut both = wallet.terms();
    both["operational_public_key_hex"] = json!(wallet.operational_public_key_hex);
    both["operational_private_key_seed_hex"] = json!(wallet.operational_private_key_seed_hex);
    daemon.api.post(path, both).await.refused(400, one_of);
    let mut garbage = wallet.terms();
    garbage["operational_public_key_hex"] = json!("zz");
    daemon
        .api
        .post(path, garbage)
        .await
        .refused(400, "bad operational key material");
    let mut native = wallet.terms();
    native["operational_public_key_hex"] = json!(wallet.operational_public_key_hex);
    native["agent"] = json!(daemon.api.identity().await.aid);
    daemon
        .api
        .post(path, native.clone())
        .await
        .refused(400, "bad agent");
    native["agent"] = json!("0x12");
    daemon
        .api
        .post(path, native)
        .await
        .refused(400, "bad agent");
    daemon
        .api
        .post_text(path, "{")
        .await
        .refused(400, "invalid json");
}

/// Fields of a registration with values that do not fit the signature, and the reason of each refusal.
fn forgeries(one: &Wallet, other: &Wallet) -> Vec<(&'static str, Value, &'static str)> {
    let (key, signature) = ("operational_private_key_seed_hex", "eth_signature_hex");
    let flipped = format!("{}0000", &one.eth_signature_hex[..126]);
    let wrong = "signature verify failed";
    vec![
        (signature, json!(other.eth_signature_hex), wrong),
        (signature, json!(flipped), wrong),
        (signature, json!("zz"), "bad eth_signature_hex"),
        (
            signature,
            json!(one.eth_signature_hex[2..]),
            "bad eth_signature_hex",
        ),
        ("agent", json!(other.agent), wrong),
        ("agent", json!("nobody"), "bad agent"),
        ("issued_at", json!(one.issued_at + 1), wrong),
        ("expires_at", json!(unix_now() + 1000), wrong),
        (key, json!(other.operational_private_key_seed_hex), wrong),
        (key, json!("zz"), "bad operational key"),
    ]
}

#[tokio::test]
async fn forged_and_expired_signatures_are_refused_with_the_reason() {
    let daemon = Daemon::alone().await;
    let (wallets, expired) = signed_elsewhere();
    let one = &wallets[0];
    for (field, value, reason) in forgeries(one, &wallets[1]) {
        let mut body = one.registration("");
        body[field] = value;
        daemon
            .api
            .post("/agents/ethereum/register", body)
            .await
            .refused(400, reason);
    }
    let mut without_key = one.registration("");
    without_key
        .as_object_mut()
        .expect("an object")
        .remove("operational_private_key_seed_hex");
    daemon
        .api
        .post("/agents/ethereum/register", without_key)
        .await
        .refused(400, "operational key");
    let late = daemon
        .api
        .post("/agents/ethereum/register", expired.registration(""))
        .await;
    late.refused(400, "delegation verify");
    assert_eq!(daemon.api.get("/agents").await.ok()["agents"], json!([]));
}

#[tokio::test]
async fn a_wallet_signs_what_the_daemon_asks_for() {
    let Some(command) = ETH.command("a_wallet_signs_what_the_daemon_asks_for") else {
        return;
    };
    let upstream = Upstream::start("wallet").await;
    let net = Net::of(2).await;
    let api = &net.nodes[0].api;
    let (wallet, key) = fresh_wallet(api).await;
    let now = unix_now();
    let operational = api.identity().await.operational;
    let terms = json!({
        "agent": wallet, "issued_at": now, "expires_at": now + 86_400,
        "operational_public_key_hex": operational[64..],
    });
    let asked = api
        .post("/agents/ethereum/delegation-message", terms.clone())
        .await
        .ok();
    let (signer, signature) = sign(command, &key, asked["message"].as_str().expect("text"));
    assert_eq!(
        signer, wallet,
        "both implementations derive the same address"
    );
    let mut body = terms;
    body.as_object_mut()
        .expect("an object")
        .remove("operational_public_key_hex");
    body["operational_private_key_hex"] = json!(operational);
    body["eth_signature_hex"] = json!(signature);
    body["service_tcp"] = json!(upstream.address);
    assert_eq!(register(api, body).await["aid"], wallet.as_str());
    published_and_called(&net, &wallet).await;
}

/// A wallet that the daemon made and did not keep: its address and its private key.
async fn fresh_wallet(api: &Api) -> (String, String) {
    let made = api
        .post("/agents/generate", json!({ "chain": "ethereum" }))
        .await
        .ok();
    let text = |name: &str| made[name].as_str().expect("keys are text").to_owned();
    (text("aid"), text("ethereum_private_key_hex"))
}

/// Signs as `eth_sign.py` does: the address of `key`, and the signature over `message`.
fn sign(mut command: Command, key: &str, message: &str) -> (String, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/harness/eth_sign.py");
    command
        .arg(script)
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut signing = command.spawn().expect("python starts");
    let mut input = signing.stdin.take().expect("stdin is a pipe");
    input
        .write_all(message.as_bytes())
        .expect("the script reads the message");
    drop(input);
    let output = signing.wait_with_output().expect("the script ends");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("the script writes text");
    let mut lines = text.lines().map(str::to_owned);
    (
        lines.next().expect("an address"),
        lines.next().expect("a signature"),
    )
}

#[tokio::test]
async fn generated_wallet_agents_work_on_both_chains() {
    let upstream = Upstream::start("wallet").await;
    let net = Net::of(2).await;
    let api = &net.nodes[0].api;
    for (chain, prefix) in [("ethereum", "0x"), ("paralism", "bc1q")] {
        let made = api
            .post("/agents/generate", json!({ "chain": chain }))
            .await
            .ok();
        let aid = made["aid"].as_str().expect("an address");
        assert!(aid.starts_with(prefix), "{aid}");
        let key = made[format!("{chain}_private_key_hex")]
            .as_str()
            .expect("the wallet's key");
        assert_eq!(key.trim_start_matches("0x").len(), 64);
        assert!(made["warning"].is_string(), "{made}");
        let body = json!({
            "operational_private_key_hex": made["operational_private_key_hex"],
            "delegation_proof_hex": made["delegation_proof_hex"],
            "service_tcp": upstream.address,
        });
        assert_eq!(api.post("/agents", body).await.ok()["aid"], aid);
        published_and_called(&net, aid).await;
    }
    let other = api
        .post("/agents/generate", json!({ "chain": "dogecoin" }))
        .await;
    other.refused(400, "unsupported chain");
    let default = api.post("/agents/generate", json!({})).await.ok();
    assert!(default["ethereum_private_key_hex"].is_string(), "{default}");
}

#[tokio::test]
async fn proofs_made_from_a_wallet_key_register() {
    let upstream = Upstream::start("wallet").await;
    let net = Net::of(2).await;
    let api = &net.nodes[0].api;
    let wallet = signed_elsewhere().0.remove(0);
    for chain in ["ethereum", "paralism"] {
        let path = format!("/agents/{chain}/proof");
        let key_field = format!("{chain}_private_key_hex");
        let mut body = json!({ "issued_at": 0, "expires_at": 0 });
        body[&key_field] = json!(wallet.private_key_hex);
        let made = api.post(&path, body.clone()).await.ok();
        assert!(made["warning"].is_string() && made["operational_private_key_hex"].is_string());
        let aid = made["aid"].as_str().expect("an address").to_owned();
        let registration = json!({
            "operational_private_key_hex": made["operational_private_key_hex"],
            "delegation_proof_hex": made["delegation_proof_hex"],
            "service_tcp": upstream.address,
        });
        assert_eq!(
            api.post("/agents", registration).await.ok()["aid"],
            aid.as_str()
        );
        published_and_called(&net, &aid).await;

        body["operational_private_key_seed_hex"] = json!(wallet.operational_private_key_seed_hex);
        let made = api.post(&path, body.clone()).await.ok();
        assert!(
            made.get("operational_private_key_hex").is_none(),
            "the caller has the key: {made}"
        );
        body[&key_field] = json!("zz");
        api.post(&path, body)
            .await
            .refused(400, &format!("bad {key_field}"));
    }
}
