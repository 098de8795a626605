// SPDX-License-Identifier: MPL-2.0
//! A network that machines are plugged into, and the hosts on it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Namespace;
use super::splice::{Quality, Splice};
use super::tools::{ip, ip_batch};

/// The number that every segment's gateway has in it.
const GATEWAY: u8 = 1;

/// Settings of a namespace that forwards between segments.
const FORWARDING: [&str; 4] = [
    "ipv4/ip_forward=1",
    "ipv4/conf/all/send_redirects=0",
    "ipv4/conf/default/send_redirects=0",
    "ipv6/conf/all/forwarding=1",
];

/// The addresses of a segment: a /24, and a /64 if there is IPv6.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subnet {
    pub(super) v4: [u8; 3],
    pub(super) v6: Option<u16>,
}

impl Subnet {
    pub(super) fn address(self, number: u8) -> Ipv4Addr {
        let [one, two, three] = self.v4;
        Ipv4Addr::new(one, two, three, number)
    }

    pub(super) fn address6(self, number: u8) -> Option<Ipv6Addr> {
        let subnet = self.v6?;
        let number = u16::from(number);
        Some(Ipv6Addr::new(0x2001, 0xdb8, 0, subnet, 0, 0, 0, number))
    }

    pub(super) fn prefix(self) -> String {
        format!("{}/24", self.address(0))
    }

    pub(super) fn prefix6(self) -> Option<String> {
        Some(format!("{}/64", self.address6(0)?))
    }

    /// The lines that give `interface` its addresses and its way out.
    pub(super) fn settle(self, interface: &str, number: u8) -> Vec<String> {
        let mut lines = vec![
            format!("addr add {}/24 dev {interface}", self.address(number)),
            format!("route replace default via {}", self.address(GATEWAY)),
        ];
        if let (Some(own), Some(gateway)) = (self.address6(number), self.address6(GATEWAY)) {
            lines.push(format!("addr add {own}/64 dev {interface} nodad"));
            lines.push(format!("route replace default via {gateway}"));
        }
        lines
    }
}

/// A bridge with a gateway, in the gateway's namespace.
#[derive(Debug)]
pub(super) struct Segment {
    gateway: Arc<Namespace>,
    bridge: &'static str,
    pub(super) subnet: Subnet,
    ports: AtomicUsize,
    /// How the lines of machines that are plugged in behave.
    quality: Quality,
}

/// A line between a machine and a segment. Dropping it pulls it out only if it is a spliced one.
#[derive(Debug)]
pub(super) struct Plug {
    _splice: Option<Splice>,
}

impl Segment {
    /// Makes a bridge in `gateway`, which gets the segment's first address and forwards.
    pub(super) fn create(
        gateway: &Arc<Namespace>,
        bridge: &'static str,
        subnet: Subnet,
        quality: Quality,
    ) -> Self {
        gateway.set(&FORWARDING);
        // A bridge without an address of its own takes another one whenever a port joins.
        let mut lines = vec![
            format!("link add {bridge} address 02:00:00:00:00:01 type bridge mcast_snooping 0"),
            format!("link set {bridge} up"),
            format!("addr add {}/24 dev {bridge}", subnet.address(GATEWAY)),
        ];
        if let Some(address) = subnet.address6(GATEWAY) {
            lines.push(format!("addr add {address}/64 dev {bridge} nodad"));
        }
        ip_batch(gateway, &lines);
        gateway.leave_bridged_frames_alone();
        Self {
            gateway: Arc::clone(gateway),
            bridge,
            subnet,
            ports: AtomicUsize::new(0),
            quality,
        }
    }

    /// The same segment, into which lines of another quality are plugged from now on.
    pub(super) fn with_lines(self, quality: Quality) -> Self {
        Self { quality, ..self }
    }

    /// Gives the gateway another address, whose neighbours on the bridge get their way out there.
    pub(super) fn adds_network(&self, subnet: Subnet) {
        let (name, bridge) = (self.gateway.name(), self.bridge);
        let address = subnet.address(GATEWAY);
        ip(&format!("-n {name} addr add {address}/24 dev {bridge}"));
    }

    /// Lets the gateway find `subnet` behind the neighbour `via`.
    pub(super) fn routes(&self, subnet: Subnet, via: u8) {
        let mut lines = vec![format!(
            "route replace {} via {}",
            subnet.prefix(),
            self.subnet.address(via)
        )];
        if let (Some(prefix), Some(via)) = (subnet.prefix6(), self.subnet.address6(via)) {
            lines.push(format!("route replace {prefix} via {via}"));
        }
        ip_batch(&self.gateway, &lines);
    }

    /// Makes `interface` in `machine`, a line to this segment.
    pub(super) fn plug(&self, machine: &Namespace, interface: &str) -> Plug {
        let port = format!("port{}", self.ports.fetch_add(1, Ordering::Relaxed));
        let splice = if self.quality.is_perfect() {
            let (machine, gateway) = (machine.name(), self.gateway.name());
            ip(&format!(
                "link add {interface} netns {machine} type veth peer name {port} netns {gateway}"
            ));
            None
        } else {
            let ends = [(machine, interface), (&*self.gateway, port.as_str())];
            Some(Splice::start(ends, self.quality))
        };
        let (name, bridge) = (self.gateway.name(), self.bridge);
        ip(&format!("-n {name} link set {port} master {bridge} up"));
        ip(&format!("-n {} link set {interface} up", machine.name()));
        Plug { _splice: splice }
    }
}

/// A machine with one interface.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) namespace: Arc<Namespace>,
    pub(crate) address: Ipv4Addr,
    pub(crate) address6: Option<Ipv6Addr>,
    plug: Plug,
}

impl Host {
    /// The interface of every host.
    const INTERFACE: &'static str = "eth0";

    /// A new machine on `segment`, whose address is `number` of `subnet`.
    pub(super) fn create(label: &str, segment: &Segment, subnet: Subnet, number: u8) -> Self {
        let namespace = Arc::new(Namespace::create(label));
        let plug = segment.plug(&namespace, Self::INTERFACE);
        ip_batch(&namespace, &subnet.settle(Self::INTERFACE, number));
        Self {
            namespace,
            address: subnet.address(number),
            address6: subnet.address6(number),
            plug,
        }
    }

    /// Pulls the line out and plugs the machine into `segment`.
    pub(super) fn move_to(&mut self, segment: &Segment, number: u8) {
        let interface = Self::INTERFACE;
        ip(&format!(
            "-n {} link del {interface}",
            self.namespace.name()
        ));
        self.plug = segment.plug(&self.namespace, interface);
        ip_batch(&self.namespace, &segment.subnet.settle(interface, number));
        self.address = segment.subnet.address(number);
        self.address6 = segment.subnet.address6(number);
    }
}
