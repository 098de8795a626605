// SPDX-License-Identifier: MPL-2.0
//! The addresses of a configured host, as the network advertises them.

use std::net::IpAddr;

use a2al_protocol::network::Multiaddr;
use tracing::warn;

use crate::config::Host;

/// The addresses `listen` has on `host`, which others reach this node by.
pub(super) async fn advertised(host: &Host, listen: &[Multiaddr]) -> Vec<Multiaddr> {
    let mut addrs = Vec::new();
    for ip in looked_up(host).await {
        for addr in listen.iter().filter_map(|addr| on_host(addr, ip)) {
            if !addrs.contains(&addr) {
                addrs.push(addr);
            }
        }
    }
    if addrs.is_empty() {
        warn!(
            ?host,
            "fallback host is not advertised: it needs an address and a fixed port"
        );
    }
    addrs
}

/// The addresses of `host`; records hold no names, so a name is looked up here.
async fn looked_up(host: &Host) -> Vec<IpAddr> {
    let name = match host {
        Host::Ip(ip) => return vec![*ip],
        Host::Name(name) => name,
    };
    match tokio::net::lookup_host((name.as_str(), 0)).await {
        Ok(found) => found.map(|addr| addr.ip()).collect(),
        Err(error) => {
            warn!(host = name, %error, "fallback host not found");
            Vec::new()
        }
    }
}

/// `addr` with `ip` in its first place. A port that is still to be chosen cannot be advertised.
fn on_host(addr: &Multiaddr, ip: IpAddr) -> Option<Multiaddr> {
    let has_port = !addr.to_string().split('/').any(|part| part == "0");
    addr.replace(0, |_| Some(ip.into())).filter(|_| has_port)
}

#[cfg(test)]
mod tests {
    use a2al_protocol::network::parse_listen;

    use super::*;

    #[tokio::test]
    async fn the_host_takes_the_place_of_all_interfaces() {
        let host = "192.0.2.7".parse().unwrap();
        let addrs = advertised(&host, &parse_listen(":4121").unwrap()).await;
        let texts: Vec<_> = addrs.iter().map(Multiaddr::to_string).collect();
        assert_eq!(
            texts,
            ["/ip4/192.0.2.7/udp/4121/quic-v1", "/ip4/192.0.2.7/tcp/4121"]
        );
        assert!(
            advertised(&host, &parse_listen("127.0.0.1:0").unwrap())
                .await
                .is_empty()
        );
    }
}
