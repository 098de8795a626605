// SPDX-License-Identifier: MPL-2.0
//! Bootstrap nodes that are given by name: resolved before they are dialled, so that everybody knows which address was met.

use std::net::IpAddr;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::limits::{MAX_ADDRESSES_PER_NAME, NAME_TIMEOUT};
use crate::network::address::Bootstrap;

/// Names that are being resolved.
#[derive(Debug, Default)]
pub(super) struct Names {
    pending: FuturesUnordered<BoxFuture<'static, Bootstrap>>,
}

impl Names {
    pub(super) fn resolve(&mut self, node: Bootstrap) {
        self.pending.push(Box::pin(resolved(node)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The next node whose names are resolved, without addresses if that failed; never ends if there is none.
    pub(super) async fn next(&mut self) -> Bootstrap {
        match self.pending.next().await {
            Some(node) => node,
            None => std::future::pending().await,
        }
    }
}

/// Whether a node must be resolved first.
pub(super) fn has_name(node: &Bootstrap) -> bool {
    node.addresses.iter().any(|address| name(address).is_some())
}

/// Which addresses of a host are meant.
type Family = fn(&IpAddr) -> bool;

/// The host that an address names, and which addresses of it are meant.
fn name(address: &Multiaddr) -> Option<(String, Family)> {
    match address.iter().next()? {
        Protocol::Dns(name) => Some((name.into_owned(), |_| true)),
        Protocol::Dns4(name) => Some((name.into_owned(), IpAddr::is_ipv4)),
        Protocol::Dns6(name) => Some((name.into_owned(), IpAddr::is_ipv6)),
        _ => None,
    }
}

async fn resolved(node: Bootstrap) -> Bootstrap {
    let mut addresses = Vec::new();
    for address in node.addresses {
        let Some((host, is_meant)) = name(&address) else {
            addresses.push(address);
            continue;
        };
        match timeout(NAME_TIMEOUT, lookup_host((host.as_str(), 0))).await {
            Ok(Ok(found)) => {
                let ips = found.map(|socket| socket.ip()).filter(is_meant);
                addresses.extend(ips.take(MAX_ADDRESSES_PER_NAME).map(|ip| at(&address, ip)));
            }
            Ok(Err(error)) => {
                tracing::warn!(%host, %error, "bootstrap node cannot be found by its name");
            }
            Err(_) => tracing::warn!(%host, "the name of a bootstrap node is not resolved in time"),
        }
    }
    addresses.dedup();
    Bootstrap { addresses }
}

/// The address with an IP address in place of its name.
fn at(address: &Multiaddr, ip: IpAddr) -> Multiaddr {
    let rest = address.iter().skip(1);
    std::iter::once(Protocol::from(ip.to_canonical()))
        .chain(rest)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_becomes_addresses_and_what_follows_it_stays() {
        let node: Bootstrap = "localhost:4121".parse().unwrap();
        assert!(has_name(&node));
        let node = resolved(node).await;
        let v4: Multiaddr = "/ip4/127.0.0.1/udp/4121/quic-v1".parse().unwrap();
        assert!(node.addresses.contains(&v4), "{node:?}");
        assert!(!has_name(&node));

        let only_v6: Bootstrap = "/dns6/localhost/tcp/1".parse().unwrap();
        let only_v6 = resolved(only_v6).await;
        assert!(
            !only_v6
                .addresses
                .iter()
                .any(|a| a.to_string().starts_with("/ip4"))
        );
    }

    #[tokio::test]
    async fn a_name_that_is_none_leaves_nothing_to_dial() {
        let node: Bootstrap = "name.invalid:4121".parse().unwrap();
        assert!(resolved(node).await.addresses.is_empty());
    }
}
