// SPDX-License-Identifier: MPL-2.0
//! Streams from other agents to services, below HTTP.

use std::time::Duration;

use a2al_protocol::network::{self, AgentStream, Content, Network, Paths, Refusal};
use a2al_protocol::{Aid, Credential, SigningKey};
use a2al_service::InboundLimits;
use a2al_service::model::PatchAgent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::harness::{Echo, Node, eventually};

/// Longest time that any one step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A node that does nothing but call.
struct Caller {
    network: Network,
    aid: Aid,
}

impl Caller {
    async fn beside(node: &Node) -> Self {
        let mut config = network::Config::new(SigningKey::generate());
        config.listen = network::parse_listen("127.0.0.1:0").unwrap();
        let bootstrap = node.service.status().bootstrap_addrs;
        config.bootstrap = bootstrap.iter().map(|node| node.parse().unwrap()).collect();
        let network = network::start(config).await.unwrap();
        let credential = Credential::node(SigningKey::generate());
        let aid = credential.aid();
        network.client.host(credential.into());
        let state = network.client.state();
        eventually("the caller joins", || state.borrow().dht_peers > 0).await;
        Self { network, aid }
    }

    async fn call(&self, agent: Aid, content: Content) -> AgentStream {
        let client = &self.network.client;
        let record = client.endpoint(agent).await.unwrap();
        let call = client.call(self.aid, &record, Paths::Any, content);
        timeout(PATIENCE, call).await.unwrap().unwrap()
    }

    /// Sends `text` and reads to the end of what comes back; an error counts as an end.
    async fn exchange(&self, agent: Aid, content: Content, text: &str) -> String {
        let mut stream = self.call(agent, content).await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        read_all(&mut stream).await
    }
}

async fn read_all(stream: &mut AgentStream) -> String {
    let mut bytes = Vec::new();
    let _end = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A service that returns every byte, after saying `greeting`.
async fn returning(greeting: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(greet_and_return(stream, greeting));
        }
    });
    address
}

async fn greet_and_return(mut stream: TcpStream, greeting: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(greeting.as_bytes()).await?;
    let (mut read, mut write) = stream.split();
    tokio::io::copy(&mut read, &mut write).await?;
    write.shutdown().await
}

/// Writes `bytes` one by one, each after the one before has come back; the slowest answer.
async fn ping_pong(stream: &mut AgentStream, bytes: &[u8]) -> Duration {
    let mut slowest = Duration::ZERO;
    for byte in bytes {
        let start = Instant::now();
        stream.write_all(&[*byte]).await.unwrap();
        let answer = timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap();
        assert_eq!(answer, *byte);
        slowest = slowest.max(start.elapsed());
    }
    slowest
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_pass_one_by_one_without_delay() {
    let node = Node::first().await;
    let agent = node.published(&returning("").await).await;
    let caller = Caller::beside(&node).await;
    let mut stream = caller.call(agent, Content::Bytes).await;
    let all = (0..=u8::MAX)
        .chain(*b"GET / HTTP/1.1\r\n")
        .collect::<Vec<_>>();
    let slowest = ping_pong(&mut stream, &all).await;
    assert!(slowest < Duration::from_millis(900), "{slowest:?}");

    // What may become a request is held, but not for long, and once only.
    let mut stream = caller.call(agent, Content::Bytes).await;
    let held = ping_pong(&mut stream, b"G").await;
    assert!(held >= Duration::from_millis(900), "{held:?}");
    let slowest = ping_pong(&mut stream, b"ET key\n").await;
    assert!(slowest < Duration::from_millis(900), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_speak_first_and_the_caller_end_first() {
    let node = Node::first().await;
    let agent = node.published(&returning("220 hello\r\n").await).await;
    let caller = Caller::beside(&node).await;
    let mut stream = caller.call(agent, Content::Bytes).await;
    let mut greeting = [0; 11];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"220 hello\r\n");
    let slowest = ping_pong(&mut stream, b"GET").await;
    assert!(
        slowest < Duration::from_millis(900),
        "nothing is held now: {slowest:?}"
    );
    let long = "x".repeat(1 << 20);
    let back = caller.exchange(agent, Content::Bytes, &long).await;
    assert!(
        back == format!("220 hello\r\n{long}"),
        "{} bytes",
        back.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_name_does_not_reach_the_service() {
    let echo = Echo::start().await;
    let node = Node::first().await;
    let agent = node.published(&echo.address).await;
    let caller = Caller::beside(&node).await;
    let named = format!("x-a2al-caller-aid: {}", caller.aid).to_ascii_lowercase();
    let request = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nX-A2AL-Caller-AID: forged\r\nX_A2AL_Caller_AID: forged\r\n\r\n"
        )
    };
    // The second request on the same stream is read as well.
    let twice = request("/1") + &request("/2");
    for content in [Content::Bytes, Content::Http] {
        let seen = caller
            .exchange(agent, content, &twice)
            .await
            .to_ascii_lowercase();
        assert_eq!(seen.matches(&named).count(), 2, "{seen}");
        assert!(
            seen.contains("get /1 ") && seen.contains("get /2 "),
            "{seen}"
        );
        assert!(!seen.contains("forged"), "{seen}");
    }
    // In pieces: what cannot be held any more is cut.
    let mut stream = caller.call(agent, Content::Bytes).await;
    stream.write_all(b"GET / HT").await.unwrap();
    hold_is_over(&node, &caller).await;
    let _broken = stream
        .write_all(b"TP/1.1\r\nX-A2AL-Caller-AID: forged\r\n\r\n")
        .await;
    assert_eq!(read_all(&mut stream).await, "");
}

/// Waits for as long as a piece of a request is held, by the echo of one on another stream.
async fn hold_is_over(node: &Node, caller: &Caller) {
    let other = node.published(&returning("").await).await;
    let mut stream = caller.call(other, Content::Bytes).await;
    ping_pong(&mut stream, b"G").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_http_service_gets_nothing_else() {
    let (plain, tls) = (Echo::start().await, Echo::start_tls().await);
    let node = Node::first().await;
    let caller = Caller::beside(&node).await;
    for service in [
        format!("http://{}", plain.address),
        format!("https://{}", tls.address),
    ] {
        let agent = node.published(&service).await;
        let seen = caller
            .exchange(agent, Content::Bytes, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        assert!(seen.starts_with("HTTP/1.1 207 Fine\r\n"), "{seen}");
        assert!(seen.contains(&caller.aid.to_string()), "{seen}");
        let refused = caller
            .exchange(agent, Content::Bytes, "PRI * HTTP/2.0\r\n\r\n")
            .await;
        assert!(
            refused.is_empty() || refused.starts_with("HTTP/1.1 400 "),
            "{refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_service_ends_open_streams() {
    let node = Node::first().await;
    let agent = node.published(&returning("").await).await;
    let caller = Caller::beside(&node).await;
    let mut stream = caller.call(agent, Content::Bytes).await;
    ping_pong(&mut stream, b"a").await;
    let patch = PatchAgent {
        service_tcp: Some(returning("new").await),
        ..PatchAgent::default()
    };
    node.service.patch(agent, patch).await.unwrap();
    assert_eq!(read_all(&mut stream).await, "");
    assert_eq!(caller.exchange(agent, Content::Bytes, "").await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_surplus_is_refused_until_there_is_room_again() {
    let limits = InboundLimits {
        total: 5,
        per_agent: 3,
        per_peer: 4,
    };
    let node = Node::with(|config| config.inbound = limits).await;
    let service = returning("").await;
    let (agent, other) = (
        node.published(&service).await,
        node.published(&service).await,
    );
    let (caller, second) = (Caller::beside(&node).await, Caller::beside(&node).await);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(accepted(&caller, agent).await.unwrap());
    }
    assert_eq!(
        accepted(&second, agent).await.unwrap_err(),
        Refusal::Busy,
        "of the agent"
    );
    open.push(accepted(&caller, other).await.unwrap());
    assert_eq!(
        accepted(&caller, other).await.unwrap_err(),
        Refusal::Busy,
        "of the node"
    );
    open.push(accepted(&second, other).await.unwrap());
    assert_eq!(
        accepted(&second, other).await.unwrap_err(),
        Refusal::Busy,
        "of all"
    );
    drop(open.remove(0));
    let deadline = Instant::now() + PATIENCE;
    let mut again = accepted(&caller, agent).await;
    while again.is_err() && Instant::now() < deadline {
        again = accepted(&caller, agent).await;
    }
    again.unwrap();
}

/// A stream on which a byte has come back.
async fn accepted(caller: &Caller, agent: Aid) -> Result<AgentStream, Refusal> {
    let mut stream = caller.call(agent, Content::Bytes).await;
    let refusal = stream.refusal();
    let _sent = stream.write_all(b"a").await;
    match timeout(PATIENCE, stream.read_u8()).await.unwrap() {
        Ok(_) => Ok(stream),
        Err(error) => Err(refusal.get().unwrap_or_else(|| panic!("{error}"))),
    }
}
