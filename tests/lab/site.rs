// SPDX-License-Identifier: MPL-2.0
//! A home: one router or two, a LAN and a host in it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::router::Router;
use super::segment::{Segment, Subnet};
use super::{Home, Host};

/// What a router is given on the public segment first; later ones are for changes.
const FIRST_ROUTER: u8 = 10;

/// How far the next address of a router is from its last one: more than there are homes, and a tenth of what there is.
const READDRESS_STEP: u8 = 20;

/// The number of the first home's host, and of the first host that moves in anywhere.
const HOSTS: [u8; 2] = [10, 100];

/// A LAN with a host, and the routers between it and the public segment.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) home: Home,
    pub(crate) host: Host,
    inner: Router,
    /// The provider's router, if it translates too.
    carrier: Option<Router>,
    number: u8,
    next_host: u8,
}

impl Site {
    /// Builds `home`, the `index`th on the public segment.
    pub(super) fn build(index: u8, home: Home, public: &Arc<Segment>) -> Self {
        let number = FIRST_ROUTER + index;
        let label = home.to_string().replace([' ', '+'], "-");
        let carrier = home.carrier.map(|kind| {
            assert!(!kind.is_routed() && !home.kind.is_routed() && !home.has_ipv6);
            let inside = Subnet {
                v4: [100, 64, index],
                v6: None,
            };
            let label = format!("{label}-carrier");
            Router::create(&label, Home::behind(kind), public, number, inside)
        });
        let (uplink, wan) = match &carrier {
            Some(carrier) => (&carrier.lan, FIRST_ROUTER),
            None => (public, number),
        };
        let inner = Router::create(
            &format!("{label}-router"),
            home,
            uplink,
            wan,
            lan(index, home),
        );
        // Every home numbers its hosts alike, but no two of them the same: an address of one LAN dialled in another
        // finds nobody rather than the wrong one.
        let host_number = HOSTS[0] + index;
        let host = Host::create(&label, &inner.lan, inner.lan.subnet, host_number);
        Self {
            home,
            host,
            inner,
            carrier,
            number,
            next_host: HOSTS[1],
        }
    }

    /// The outermost router.
    fn edge(&self) -> &Router {
        self.carrier.as_ref().unwrap_or(&self.inner)
    }

    /// Lets nothing pass between this home and `other`.
    pub(crate) fn cut(&self, other: &Self) {
        self.edge().cut(other.edge());
        other.edge().cut(self.edge());
    }

    /// Takes [`Site::cut`] back; no mapping or connection between the two is left from before.
    pub(crate) fn uncut(&self, other: &Self) {
        self.edge().uncut(other.edge());
        other.edge().uncut(self.edge());
    }

    /// Lets every router forget its mappings and connections.
    pub(crate) fn flush(&self) {
        self.inner.flush();
        if let Some(carrier) = &self.carrier {
            carrier.flush();
        }
    }

    /// Gives the outermost router another address.
    pub(crate) fn readdress(&mut self) {
        let next = self.number.checked_add(READDRESS_STEP);
        self.number = next.expect("a router changes its address a few times");
        assert!(
            self.number < 255,
            "a router changes its address a few times"
        );
        let number = self.number;
        self.carrier
            .as_mut()
            .unwrap_or(&mut self.inner)
            .readdress(number);
    }

    /// The address of the outermost router as others see it.
    pub(crate) fn outside(&self) -> Ipv4Addr {
        self.edge().outside()
    }

    /// Plugs the home's own host in anew.
    pub(crate) fn takes_back(&mut self) {
        self.host.move_to(&self.inner.lan, self.next_host);
        self.next_host += 1;
    }

    /// Moves `host` of another home into this home's LAN.
    pub(crate) fn takes_in(&mut self, host: &mut Host) {
        host.move_to(&self.inner.lan, self.next_host);
        self.next_host += 1;
    }
}

/// Public addresses for hosts that have some, and for all others what most homes use.
fn lan(index: u8, home: Home) -> Subnet {
    Subnet {
        v4: if home.kind.is_routed() {
            [198, 18, index]
        } else {
            [192, 168, 1]
        },
        v6: home.has_ipv6.then(|| u16::from(index) + 1),
    }
}
