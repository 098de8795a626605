// SPDX-License-Identifier: MPL-2.0
//! Where services of agents may be: what others call through an agent must be what its user meant.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::network::State;
use tokio::sync::watch;
use tokio::time::timeout;

use super::ServiceTcp;
use super::ports::Ports;
use crate::error::Input;

/// How long the name of a service may take to resolve when it is set. One that takes longer is
/// checked when it is dialled.
const NAME_TIMEOUT: Duration = Duration::from_secs(2);

/// Why an address is no service.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Forbidden {
    /// This daemon's own interface, which would hand it to every caller.
    #[error("the daemon's own API")]
    Api,
    /// Another listener of this daemon.
    #[error("a port of the daemon itself")]
    Own,
    /// Link-local (cloud machines answer secrets there), multicast, broadcast or unspecified.
    #[error("an address that is never a service")]
    Never,
    /// Another machine, which the configuration does not allow.
    #[error("another machine, and allow_lan_services is off")]
    Elsewhere,
}

impl From<Forbidden> for Input {
    fn from(forbidden: Forbidden) -> Self {
        match forbidden {
            Forbidden::Api => Self::ServiceIsApi,
            Forbidden::Own => Self::ServiceIsOwn,
            Forbidden::Never => Self::ServiceNever,
            Forbidden::Elsewhere => Self::ServiceElsewhere,
        }
    }
}

/// Tells allowed addresses of services from others.
#[derive(Debug)]
pub(crate) struct Targets {
    api: Option<SocketAddr>,
    allow_lan: bool,
    network: watch::Receiver<Arc<State>>,
    listeners: Arc<Listeners>,
    pub(super) ports: Ports,
}

/// Further listeners of this daemon, and how often each was named.
#[derive(Debug, Default)]
struct Listeners(Mutex<HashMap<SocketAddr, usize>>);

/// Keeps a listener from being a service until this is dropped.
#[derive(Debug)]
#[must_use = "the listener is a service as soon as this is dropped"]
pub struct OwnListener {
    listeners: Arc<Listeners>,
    at: SocketAddr,
}

impl Targets {
    pub(crate) fn new(
        api: Option<SocketAddr>,
        allow_lan: bool,
        network: watch::Receiver<Arc<State>>,
    ) -> Self {
        Self {
            api,
            allow_lan,
            network,
            listeners: Arc::default(),
            ports: Ports::default(),
        }
    }

    /// Notes a listener of this daemon.
    pub(crate) fn own(&self, at: SocketAddr) -> OwnListener {
        *self.listeners.counts().entry(at).or_default() += 1;
        OwnListener {
            listeners: Arc::clone(&self.listeners),
            at,
        }
    }

    /// Whether `addr` may be dialled as a service.
    pub(super) fn check(&self, addr: SocketAddr) -> Result<(), Forbidden> {
        let ip = addr.ip().to_canonical();
        let addr = SocketAddr::new(ip, addr.port());
        if self.api.is_some_and(|api| is_listener(addr, api)) {
            return Err(Forbidden::Api);
        }
        let is_own = self
            .listeners
            .counts()
            .keys()
            .any(|&at| is_listener(addr, at))
            || self
                .network
                .borrow()
                .tcp_listeners()
                .any(|at| is_listener(addr, at));
        if is_own {
            return Err(Forbidden::Own);
        }
        if is_never(ip) {
            return Err(Forbidden::Never);
        }
        if ip.is_loopback() || self.allow_lan {
            Ok(())
        } else {
            Err(Forbidden::Elsewhere)
        }
    }

    /// Whether `service` may be set. A name that does not resolve yet may.
    ///
    /// # Errors
    /// When it leads to forbidden addresses only.
    pub(crate) async fn admit(&self, service: &ServiceTcp) -> Result<(), Forbidden> {
        let resolving = tokio::net::lookup_host(service.authority());
        let Ok(Ok(addrs)) = timeout(NAME_TIMEOUT, resolving).await else {
            return Ok(());
        };
        let mut verdict = Ok(());
        for addr in addrs {
            verdict = self.check(addr);
            if verdict.is_ok() {
                break;
            }
        }
        verdict
    }
}

impl Listeners {
    fn counts(&self) -> MutexGuard<'_, HashMap<SocketAddr, usize>> {
        // Nothing panics while the lock is held; poisoned counts are still right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OwnListener {
    fn drop(&mut self) {
        let mut counts = self.listeners.counts();
        if let Some(count) = counts.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.at);
            }
        }
    }
}

/// Whether dialling `addr` leads to a listener at `at`.
fn is_listener(addr: SocketAddr, at: SocketAddr) -> bool {
    let (ip, own) = (addr.ip().to_canonical(), at.ip().to_canonical());
    addr.port() == at.port()
        && (ip.is_loopback()
            || ip.is_unspecified()
            || ip == own
            || own.is_unspecified() && is_local(ip))
}

/// Whether this machine has the address `ip`: only then can a socket be bound to it.
fn is_local(ip: IpAddr) -> bool {
    let bound = UdpSocket::bind((ip, 0));
    // Any other failure tells nothing, so the address may be local.
    !bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
}

fn is_never(ip: IpAddr) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    is_link_local || ip.is_unspecified() || ip.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(allow_lan: bool) -> Targets {
        let state = State {
            listen_addrs: vec![
                "/ip4/192.168.1.7/tcp/4121".parse().unwrap(),
                "/ip4/192.168.1.7/udp/4122/quic-v1".parse().unwrap(),
            ],
            ..State::default()
        };
        let (_, network) = watch::channel(Arc::new(state));
        Targets::new("127.0.0.1:2121".parse().ok(), allow_lan, network)
    }

    fn check(targets: &Targets, addr: &str) -> Result<(), Forbidden> {
        targets.check(addr.parse().unwrap())
    }

    #[test]
    fn the_daemon_itself_is_no_service() {
        let targets = targets(true);
        for addr in ["127.0.0.1:2121", "[::1]:2121", "[::ffff:127.0.0.1]:2121"] {
            assert_eq!(check(&targets, addr), Err(Forbidden::Api), "{addr}");
        }
        for addr in ["127.0.0.1:4121", "127.9.9.9:4121", "192.168.1.7:4121"] {
            assert_eq!(check(&targets, addr), Err(Forbidden::Own), "{addr}");
        }
        for addr in ["127.0.0.1:4122", "192.168.1.8:4121", "192.168.1.8:2121"] {
            assert_eq!(check(&targets, addr), Ok(()), "{addr}");
        }
    }

    /// An address of this machine by which others reach it; loopback where it has none.
    fn own_ip() -> IpAddr {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let connected = socket.connect("203.0.113.1:9");
        let ip = socket.local_addr().unwrap().ip();
        connected.map_or("127.0.0.1".parse().unwrap(), |()| ip)
    }

    #[test]
    fn a_listener_on_every_address_is_no_service_at_any_of_them() {
        let IpAddr::V4(own) = own_ip() else {
            panic!("asked for IPv4")
        };
        for at in ["0.0.0.0:2121", "[::]:2121", "[::ffff:0.0.0.0]:2121"] {
            let (_, network) = watch::channel(Arc::new(State::default()));
            let targets = Targets::new(at.parse().ok(), true, network);
            for addr in [format!("{own}:2121"), format!("[::ffff:{own}]:2121")] {
                assert_eq!(check(&targets, &addr), Err(Forbidden::Api), "{at} {addr}");
            }
            for addr in [format!("{own}:2122"), "203.0.113.1:2121".to_owned()] {
                assert_eq!(check(&targets, &addr), Ok(()), "{at} {addr}");
            }
            let targets = Targets {
                api: None,
                ..targets
            };
            let _listener = targets.own(at.parse().unwrap());
            assert_eq!(check(&targets, &format!("{own}:2121")), Err(Forbidden::Own));
        }
        assert!(is_local("127.0.0.1".parse().unwrap()));
        assert!(!is_local("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn other_listeners_are_no_services_while_they_exist() {
        let (targets, at) = (targets(false), "127.0.0.1:9000");
        let listeners = [at; 2].map(|at| targets.own(at.parse().unwrap()));
        let [one, other] = listeners;
        drop(one);
        assert_eq!(check(&targets, at), Err(Forbidden::Own));
        drop(other);
        assert_eq!(check(&targets, at), Ok(()));
    }

    #[test]
    fn other_machines_are_allowed_by_the_configuration_only() {
        let (local, open) = (targets(false), targets(true));
        for addr in [
            "192.168.1.2:80",
            "10.0.0.1:80",
            "100.64.0.1:80",
            "[fd00::1]:80",
            "203.0.113.1:443",
            "[::ffff:192.168.1.2]:80",
        ] {
            assert_eq!(check(&local, addr), Err(Forbidden::Elsewhere), "{addr}");
            assert_eq!(check(&open, addr), Ok(()), "{addr}");
        }
        for addr in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80"] {
            assert_eq!(check(&local, addr), Ok(()), "{addr}");
        }
    }

    #[test]
    fn some_addresses_are_never_a_service() {
        for addr in [
            "0.0.0.0:80",
            "[::]:80",
            "169.254.169.254:80",
            "[::ffff:169.254.169.254]:80",
            "[fe80::1]:80",
            "224.0.0.1:80",
            "[ff02::1]:80",
            "255.255.255.255:80",
        ] {
            assert_eq!(check(&targets(true), addr), Err(Forbidden::Never), "{addr}");
        }
    }

    #[tokio::test]
    async fn names_are_judged_by_where_they_lead() {
        let targets = targets(false);
        for (text, verdict) in [
            ("localhost:2121", Err(Forbidden::Api)),
            ("localhost:80", Ok(())),
            ("http://0x7f000001:2121", Err(Forbidden::Api)),
            ("2130706433:2121", Err(Forbidden::Api)),
            ("http://10.1:80", Err(Forbidden::Elsewhere)),
            ("unknown.invalid:80", Ok(())),
        ] {
            let service = text.parse().unwrap();
            assert_eq!(targets.admit(&service).await, verdict, "{text}");
        }
    }
}
