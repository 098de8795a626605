// SPDX-License-Identifier: MPL-2.0
//! Two daemons, an agent on one of them in front of a TCP service, and tunnels to it from the other.

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{Answer, Daemon, Net, TcpService};

/// A caller's daemon, a daemon with an agent, and the TCP service behind the agent.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) net: Net,
    pub(crate) aid: String,
    pub(crate) service: TcpService,
    /// Connections by which the agent's daemon tried the service.
    probes: usize,
}

impl Link {
    pub(crate) async fn to(service: TcpService) -> Self {
        Self::between(Net::of(2).await, service).await
    }

    /// The same with a connection of the transport whose addresses contain `part`: `/udp/` or `/tcp/`.
    pub(crate) async fn over(part: &str, service: TcpService) -> Self {
        let mut net = Net::of(1).await;
        let mut addresses = net.nodes[0].addresses().await;
        addresses.retain(|address| address.contains(part));
        net.join(1, &addresses).await;
        net.formed().await;
        Self::between(net, service).await
    }

    async fn between(net: Net, service: TcpService) -> Self {
        let aid = net.nodes[1].api.serving(&service.address).await.aid;
        let probes = service.accepted();
        Self {
            net,
            aid,
            service,
            probes,
        }
    }

    pub(crate) fn caller(&self) -> &Daemon {
        &self.net.nodes[0]
    }

    pub(crate) fn host(&self) -> &Daemon {
        &self.net.nodes[1]
    }

    /// Connections that callers have made to the service.
    pub(crate) fn served(&self) -> usize {
        self.service.accepted() - self.probes
    }

    /// The answer to opening a tunnel.
    pub(crate) async fn open(&self, request: Value) -> Answer {
        let path = format!("/tunnel/{}", self.aid);
        self.caller().api.post(&path, request).await
    }

    /// An open tunnel.
    pub(crate) async fn tunnel(&self) -> Tunnel {
        Tunnel::opened(self.caller(), &self.open(json!({})).await)
    }
}

/// An open tunnel of one daemon.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) id: String,
    pub(crate) listen: String,
    api: super::Api,
}

impl Tunnel {
    /// The tunnel that `daemon` answered to have opened.
    #[track_caller]
    pub(crate) fn opened(daemon: &Daemon, answer: &Answer) -> Self {
        assert_eq!(answer.status, 201, "{}: {}", answer.call, answer.text);
        let shown = answer.json();
        let text = |name: &str| shown[name].as_str().expect("text").to_owned();
        Self {
            id: text("id"),
            listen: text("listen"),
            api: daemon.api.clone(),
        }
    }

    /// A new connection through it.
    pub(crate) async fn connect(&self) -> TcpStream {
        connect(&self.listen).await
    }

    /// The answer of `GET /tunnel/{id}`.
    pub(crate) async fn shown(&self) -> Answer {
        self.api.get(&format!("/tunnel/{}", self.id)).await
    }
}

/// A TCP connection that sends at once what is written.
pub(crate) async fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}
