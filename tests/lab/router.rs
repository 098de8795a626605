// SPDX-License-Identifier: MPL-2.0
//! A router between a LAN of its own and another segment.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::segment::{Plug, Segment, Subnet};
use super::splice::Quality;
use super::tools::{conntrack, ip_batch, nft};
use super::{Home, Namespace, rules};

/// A router: `wan0` on another segment, `lan0` a segment of its own.
#[derive(Debug)]
pub(super) struct Router {
    namespace: Arc<Namespace>,
    home: Home,
    uplink: Arc<Segment>,
    number: u8,
    pub(super) lan: Arc<Segment>,
    _plug: Plug,
}

impl Router {
    /// A router that is `number` on `uplink` and treats packets as `home.kind` says; the carrier is not its business.
    pub(super) fn create(
        label: &str,
        home: Home,
        uplink: &Arc<Segment>,
        number: u8,
        inside: Subnet,
    ) -> Self {
        let namespace = Arc::new(Namespace::create(label));
        let lan = Segment::create(&namespace, "lan0", inside, Quality::PERFECT);
        let plug = uplink.plug(&namespace, "wan0");
        ip_batch(&namespace, &uplink.subnet.settle("wan0", number));
        if home.kind.is_routed() || inside.v6.is_some() {
            uplink.routes(inside, number);
        }
        nft(namespace.name(), rules::CUT);
        nft(namespace.name(), &rules::guard(home.kind));
        let router = Self {
            namespace,
            home,
            uplink: Arc::clone(uplink),
            number,
            lan: Arc::new(lan),
            _plug: plug,
        };
        router.translate();
        router
    }

    /// The address on the outside.
    pub(super) fn outside(&self) -> Ipv4Addr {
        self.uplink.subnet.address(self.number)
    }

    /// Addresses that are this router's or of hosts behind it, as others see them.
    fn faces(&self) -> [Vec<String>; 2] {
        let wan = self.uplink.subnet;
        let mut v4 = vec![wan.address(self.number).to_string()];
        if self.home.kind.is_routed() {
            v4.push(self.lan.subnet.prefix());
        }
        let wan6 = wan.address6(self.number).map(|address| address.to_string());
        let v6 = wan6.into_iter().chain(self.lan.subnet.prefix6()).collect();
        [v4, v6]
    }

    /// Lets nothing pass between here and what is behind `other`.
    pub(super) fn cut(&self, other: &Self) {
        self.edit_cut("add", other);
    }

    /// Forgets what was tracked between the two, and takes [`Router::cut`] back; in this order, since what passes is in use at once.
    pub(super) fn uncut(&self, other: &Self) {
        let [v4, v6] = other.faces();
        for (family, faces) in [("ipv4", v4), ("ipv6", v6)] {
            for face in faces {
                for side in ["--orig-src", "--orig-dst", "--reply-src"] {
                    let line = format!("-D -f {family} {side} {face}");
                    conntrack(self.namespace.name(), &line);
                }
            }
        }
        self.edit_cut("delete", other);
    }

    fn edit_cut(&self, verb: &str, other: &Self) {
        let [v4, v6] = other.faces();
        let elements = |set: &str, faces: &[String]| match faces {
            [] => String::new(),
            faces => format!("{verb} element inet cut {set} {{ {} }}\n", faces.join(", ")),
        };
        let text = format!("{}{}", elements("v4", &v4), elements("v6", &v6));
        nft(self.namespace.name(), &text);
    }

    /// Forgets all mappings and connections, and draws new ports, as a restarted router does.
    pub(super) fn flush(&self) {
        self.translate();
        conntrack(self.namespace.name(), "-F");
    }

    /// Takes the address `number` on the outside, and forgets all mappings and connections.
    pub(super) fn readdress(&mut self, number: u8) {
        let uplink = self.uplink.subnet;
        let mut lines = vec![format!(
            "addr del {}/24 dev wan0",
            uplink.address(self.number)
        )];
        if let Some(address) = uplink.address6(self.number) {
            lines.push(format!("addr del {address}/64 dev wan0"));
        }
        lines.extend(uplink.settle("wan0", number));
        ip_batch(&self.namespace, &lines);
        self.number = number;
        if self.home.kind.is_routed() || self.lan.subnet.v6.is_some() {
            self.uplink.routes(self.lan.subnet, number);
        }
        self.flush();
    }

    /// Loads the translation anew.
    fn translate(&self) {
        let wan = self.outside();
        let rules = rules::nat(self.home, wan);
        // Adding first makes deleting succeed, whether the table is there or not.
        nft(
            self.namespace.name(),
            &format!("add table ip nat\ndelete table ip nat\n{rules}"),
        );
    }
}
