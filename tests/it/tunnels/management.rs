// SPDX-License-Identifier: MPL-2.0
//! Opening, listing and closing tunnels.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{DEADLINE, exchange};
use crate::harness::{Link, TcpService, Tunnel, connect, eventually};

#[tokio::test]
async fn a_tunnel_is_opened_shown_and_closed() {
    let link = Link::to(TcpService::echo().await).await;
    let api = &link.caller().api;
    let answer = link.open(json!({})).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let opened = answer.json();
    let id = opened["id"].as_str().expect("an id");
    assert!(
        id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_hexdigit()),
        "{opened}"
    );
    assert_eq!(
        opened["local_aid"],
        link.caller().status().await["node_aid"]
    );
    assert_eq!(opened["remote_aid"], link.aid.as_str());
    for (name, start) in [
        ("listen", "127.0.0.1:"),
        ("https_url", "https://127.0.0.1:"),
    ] {
        let text = opened[name].as_str();
        assert!(text.is_some_and(|text| text.starts_with(start)), "{opened}");
    }
    for (name, value) in [
        ("is_relayed", json!(false)),
        ("connected", json!(true)),
        ("allowed", json!(true)),
        ("active_conns", json!(0)),
        ("bytes_up", json!(0)),
        ("bytes_down", json!(0)),
        ("last_progress_at", Value::Null),
    ] {
        assert_eq!(opened[name], value, "{name} of {opened}");
    }
    assert_eq!(opened["opened_at"], opened["last_activity"]);
    let path = format!("/tunnel/{id}");
    assert_eq!(api.get(&path).await.ok(), opened);
    assert_eq!(
        api.get("/tunnel").await.ok(),
        json!({ "tunnels": [opened] })
    );
    assert_eq!(link.caller().status().await["tunnel_active_count"], 1);

    let closed = api.delete(&path).await;
    assert_eq!((closed.status, closed.text.as_str()), (204, ""));
    api.get(&path).await.refused(404, "tunnel not found");
    api.delete(&path).await.refused(404, "tunnel not found");
    let reset = api.post(&format!("{path}/reset"), json!({})).await;
    reset.refused(404, "tunnel not found");
    assert_eq!(link.caller().status().await["tunnel_active_count"], 0);
    let listen = opened["listen"].as_str().expect("an address");
    eventually("nobody listens", DEADLINE, async || {
        TcpStream::connect(listen).await.err()
    })
    .await;
}

#[tokio::test]
async fn closing_and_resetting_cut_what_is_open() {
    let link = Link::to(TcpService::echo().await).await;
    for is_reset in [false, true] {
        let tunnel = link.tunnel().await;
        let mut stream = tunnel.connect().await;
        stream.write_all(b"x").await.expect("open");
        assert_eq!(stream.read_u8().await.expect("echoed"), b'x');
        let path = format!("/tunnel/{}", tunnel.id);
        let api = &link.caller().api;
        let ended = if is_reset {
            api.post(&format!("{path}/reset"), json!({})).await
        } else {
            api.delete(&path).await
        };
        assert_eq!((ended.status, ended.text.as_str()), (204, ""));
        let cut = timeout(DEADLINE, stream.read_u8()).await.expect("in time");
        assert_eq!(
            cut.expect_err("cut").kind(),
            std::io::ErrorKind::ConnectionReset
        );
        tunnel.shown().await.refused(404, "tunnel not found");
    }
    let tunnel = link.tunnel().await;
    assert_eq!(exchange(tunnel.connect().await, b"new").await, b"new");
}

#[tokio::test]
async fn opening_again_answers_the_same_tunnel() {
    let link = Link::to(TcpService::echo().await).await;
    let first = link.tunnel().await;
    assert_eq!(link.tunnel().await.id, first.id);
    let port = first.listen.rsplit(':').next().expect("a port");
    let port: u16 = port.parse().expect("a number");
    let id = |answer: &crate::harness::Answer| Tunnel::opened(link.caller(), answer).id;
    assert_eq!(
        id(&link.open(json!({ "local_port": port })).await),
        first.id
    );
    let path = format!("/tunnel/{}", link.aid);
    let bare = link.caller().api.post_text(&path, "").await;
    assert_eq!(id(&bare), first.id, "no body, no wishes");

    let caller = link.caller().api.agent().await.aid;
    let other = link.open(json!({ "local_aid": caller })).await;
    assert_ne!(id(&other), first.id, "another caller");
    let taken = json!({ "local_aid": caller, "local_port": port });
    link.open(taken).await.refused(409, "port_in_use");
    let at_once =
        futures::future::join_all((0..4).map(|_| link.open(json!({ "disable_relay": true }))));
    let ids: Vec<_> = at_once.await.iter().map(id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(link.caller().status().await["tunnel_active_count"], 3);
}

#[tokio::test]
async fn a_port_is_taken_as_it_was_asked_for() {
    let link = Link::to(TcpService::echo().await).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let wanted = json!({ "local_port": port });
    link.open(wanted.clone()).await.refused(409, "port_in_use");
    drop(taken);
    let tunnel = Tunnel::opened(link.caller(), &link.open(wanted).await);
    assert_eq!(tunnel.listen, format!("127.0.0.1:{port}"));
    assert_eq!(exchange(tunnel.connect().await, b"there").await, b"there");
}

#[tokio::test]
async fn mistakes_of_the_caller_are_told_as_such() {
    let link = Link::to(TcpService::echo().await).await;
    let api = &link.caller().api;
    let elsewhere = link.host().api.agent().await.aid;
    for route in ["connect", "tunnel"] {
        let path = format!("/{route}/{}", link.aid);
        let bad = api.post(&format!("/{route}/a0zz"), json!({})).await;
        bad.refused(400, "bad aid");
        for caller in ["a0", "nonsense", &elsewhere] {
            let bad = api.post(&path, json!({ "local_aid": caller })).await;
            bad.refused(400, "bad local_aid");
        }
        for broken in ["{", "[]", "{\"local_aid\":1}", "\"text\""] {
            api.post_text(&path, broken)
                .await
                .refused(400, "invalid json");
        }
    }
    for port in [-1, 65_536] {
        let bad = link.open(json!({ "local_port": port })).await;
        bad.refused(400, "bad local_port");
    }
    let bad = link.open(json!({ "idle_timeout_sec": -2 })).await;
    bad.refused(400, "bad idle_timeout_sec");
    api.get("/tunnel/nonsense")
        .await
        .refused(404, "tunnel not found");
    assert_eq!(link.served(), 0, "no mistake reached the service");
}

#[tokio::test]
async fn an_idle_tunnel_is_closed_and_a_used_one_is_not() {
    let link = Link::to(TcpService::echo().await).await;
    let caller = link.caller().api.agent().await.aid;
    let used = link.open(json!({ "idle_timeout_sec": 1 })).await;
    let used = Tunnel::opened(link.caller(), &used);
    let mut stream = used.connect().await;
    stream.write_all(b"x").await.expect("open");
    assert_eq!(stream.read_u8().await.expect("echoed"), b'x');

    // Idle from here on, so the used one would have been closed before it.
    let idle = json!({ "idle_timeout_sec": 1, "local_aid": caller });
    let idle = Tunnel::opened(link.caller(), &link.open(idle).await);
    let is_closed = async |tunnel: &Tunnel| (tunnel.shown().await.status == 404).then_some(());
    eventually("the idle one is closed", DEADLINE, async || {
        is_closed(&idle).await
    })
    .await;
    assert_eq!(used.shown().await.ok()["active_conns"], 1);
    stream.write_all(b"y").await.expect("open");
    assert_eq!(stream.read_u8().await.expect("echoed"), b'y');
    drop(stream);
    eventually("the used one is closed", DEADLINE, async || {
        is_closed(&used).await
    })
    .await;
}

#[tokio::test]
async fn the_same_service_is_reached_over_tls() {
    let link = Link::to(TcpService::echo().await).await;
    let opened = link.open(json!({})).await.json();
    let url = opened["https_url"].as_str().expect("a URL");
    let port = url.rsplit(':').next().expect("a port");
    let pem = |name: &str| link.caller().data_dir().join(name);
    let key = std::fs::metadata(pem("tunnel-key.pem")).expect("the key");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);

    let certificate = CertificateDer::from_pem_file(pem("tunnel-cert.pem"));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.expect("PEM")).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    for host in ["localhost", "127.0.0.1"] {
        let tcp = connect(&format!("127.0.0.1:{port}")).await;
        let name = ServerName::try_from(host).expect("a name");
        let mut tls = connector.connect(name, tcp).await.expect("trusted");
        tls.write_all(b"under TLS").await.expect("open");
        tls.shutdown().await.expect("open");
        let mut echoed = Vec::new();
        let read = timeout(DEADLINE, tls.read_to_end(&mut echoed)).await;
        read.expect("in time").expect("to its end");
        assert_eq!(echoed, b"under TLS", "{host}");
    }
    let plain = format!("127.0.0.1:{port}");
    let mut stream = connect(&plain).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("open");
    let mut rest = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "who speaks no TLS is sent away");
}
