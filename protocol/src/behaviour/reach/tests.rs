// SPDX-License-Identifier: MPL-2.0

use libp2p::core::transport::ListenerId;
use libp2p::swarm::behaviour::{ExpiredListenAddr, NewListenAddr};

use super::*;

const OWN: &str = "/ip4/203.0.113.7/udp/4121/quic-v1";
const LAN: &str = "/ip4/192.168.1.2/udp/4121/quic-v1";
const SEEN: &str = "/ip4/203.0.113.7/udp/50000/quic-v1";

fn address(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

fn listening(behaviour: &mut Behaviour, text: &str) {
    behaviour.on_swarm_event(FromSwarm::NewListenAddr(NewListenAddr {
        listener_id: ListenerId::next(),
        addr: &address(text),
    }));
}

fn not_listening(behaviour: &mut Behaviour, text: &str) {
    behaviour.on_swarm_event(FromSwarm::ExpiredListenAddr(ExpiredListenAddr {
        listener_id: ListenerId::next(),
        addr: &address(text),
    }));
}

fn seen(behaviour: &mut Behaviour, connection: usize, observer: &str, text: &str) {
    let id = ConnectionId::new_unchecked(connection);
    behaviour.on_observed(id, observer.parse().unwrap(), &address(text));
}

/// What peers are told of, and what is given to AutoNAT and DCUtR, in this order.
fn acted(behaviour: &mut Behaviour) -> Vec<String> {
    let mut acted = Vec::new();
    while let Some(action) = behaviour.actions.pop_front() {
        acted.push(match action {
            ToSwarm::NewExternalAddrCandidate(address) => format!("? {address}"),
            ToSwarm::ExternalAddrConfirmed(address) => format!("+ {address}"),
            ToSwarm::ExternalAddrExpired(address) => format!("- {address}"),
            other => panic!("{other:?}"),
        });
    }
    acted
}

#[test]
fn a_public_address_of_our_own_holds_until_somebody_fails_to_dial_it() {
    let mut behaviour = Behaviour::new(Vec::new(), true);
    listening(&mut behaviour, OWN);
    assert_eq!(behaviour.outlook().host, Standing::Presumed);
    assert_eq!(behaviour.outlook().nat, NatType::Public);
    assert_eq!(
        acted(&mut behaviour),
        [format!("? {OWN}"), format!("+ {OWN}")]
    );

    behaviour.on_probed(&address(OWN), true);
    assert_eq!(behaviour.outlook().host, Standing::Confirmed);

    behaviour.on_probed(&address(OWN), false);
    let outlook = behaviour.outlook();
    assert_eq!((outlook.host, outlook.external), (Standing::Hidden, vec![]));
    assert_eq!(
        outlook.nat,
        NatType::PortRestricted,
        "a firewall is in the way"
    );
    assert!(!outlook.is_private_network);
    assert_eq!(acted(&mut behaviour), [format!("- {OWN}")]);

    not_listening(&mut behaviour, OWN);
    listening(&mut behaviour, OWN);
    assert_eq!(
        behaviour.outlook().host,
        Standing::Hidden,
        "libp2p tests an address once"
    );
}

#[test]
fn what_peers_see_is_told_once_two_agree_and_published_once_it_was_dialled() {
    let mut behaviour = Behaviour::new(Vec::new(), true);
    listening(&mut behaviour, LAN);
    assert!(
        acted(&mut behaviour).is_empty(),
        "a private address is nobody's business"
    );
    seen(&mut behaviour, 1, "192.0.2.1", SEEN);
    assert_eq!(acted(&mut behaviour), [format!("? {SEEN}")]);
    seen(&mut behaviour, 2, "198.51.100.1", SEEN);
    let acted_now = acted(&mut behaviour);
    assert_eq!(
        acted_now.last(),
        Some(&format!("+ {SEEN}")),
        "{acted_now:?}"
    );
    let outlook = behaviour.outlook();
    assert_eq!(
        (outlook.nat, outlook.external),
        (NatType::PortRestricted, vec![])
    );

    behaviour.on_probed(&address(SEEN), true);
    let outlook = behaviour.outlook();
    assert_eq!(outlook.external, [address(SEEN)]);
    assert_eq!(
        outlook.host,
        Standing::Hidden,
        "the host itself has no public address"
    );

    behaviour.on_moved();
    assert!(behaviour.outlook().external.is_empty());
    assert_eq!(acted(&mut behaviour), [format!("- {SEEN}")]);
}

#[test]
fn observers_that_differ_make_a_symmetric_nat_whose_addresses_nobody_is_told() {
    let mut behaviour = Behaviour::new(Vec::new(), true);
    seen(&mut behaviour, 1, "192.0.2.1", SEEN);
    seen(&mut behaviour, 2, "198.51.100.1", OWN);
    assert_eq!(behaviour.outlook().nat, NatType::Symmetric);
    let acted = acted(&mut behaviour);
    assert!(
        acted.iter().all(|action| action.starts_with('?')),
        "{acted:?}"
    );
}

#[test]
fn what_two_have_seen_holds_while_one_is_left_and_not_elsewhere() {
    let mut behaviour = Behaviour::new(Vec::new(), true);
    listening(&mut behaviour, LAN);
    seen(&mut behaviour, 1, "192.0.2.1", SEEN);
    seen(&mut behaviour, 2, "198.51.100.1", SEEN);
    behaviour.observed.remove(ConnectionId::new_unchecked(2));
    behaviour.tell();
    assert_eq!(behaviour.outlook().nat, NatType::PortRestricted);
    behaviour.on_moved();
    assert_eq!(behaviour.outlook().nat, NatType::Unknown);
}

#[test]
fn one_host_that_sees_and_tests_cannot_make_us_publish_an_address() {
    let mut behaviour = Behaviour::new(Vec::new(), true);
    seen(&mut behaviour, 1, "192.0.2.1", SEEN);
    behaviour.on_probed(&address(SEEN), true);
    assert!(behaviour.outlook().external.is_empty());
}

#[test]
fn a_failed_test_outlives_the_network_and_a_vouched_address_the_test() {
    let mut behaviour = Behaviour::new(Vec::new(), true);
    listening(&mut behaviour, OWN);
    behaviour.on_probed(&address(OWN), false);
    behaviour.on_moved();
    assert_eq!(
        behaviour.outlook().host,
        Standing::Hidden,
        "libp2p tests an address once"
    );

    let mut vouched = Behaviour::new(Vec::new(), true).vouching(true);
    listening(&mut vouched, OWN);
    vouched.on_probed(&address(OWN), false);
    assert_eq!(vouched.outlook().host, Standing::Presumed);
}

#[test]
fn a_network_is_private_as_long_as_nothing_public_is_known_or_expected() {
    let mut alone = Behaviour::new(Vec::new(), false);
    listening(&mut alone, LAN);
    assert!(alone.outlook().is_private_network);
    alone.on_met("203.0.113.1".parse().unwrap());
    assert!(!alone.outlook().is_private_network);

    let mut joining = Behaviour::new(Vec::new(), true);
    listening(&mut joining, LAN);
    assert!(
        !joining.outlook().is_private_network,
        "public nodes to join through"
    );
    joining.on_met("192.168.1.9".parse().unwrap());
    assert!(joining.outlook().is_private_network, "only the LAN answers");

    let vouched = Behaviour::new(vec![address(OWN)], false).outlook();
    assert!(!vouched.is_private_network);
    assert_eq!(vouched.host, Standing::Confirmed);

    let at_home = Behaviour::new(vec![address(LAN)], false).outlook();
    assert!(at_home.is_private_network, "it is vouched for, and private");
    assert_eq!(at_home.host, Standing::Hidden);
    assert_eq!(at_home.external, [address(LAN)]);
}

#[test]
fn what_the_router_forwards_counts_until_it_does_not() {
    let mut behaviour = Behaviour::new(Vec::new(), true);
    behaviour.on_mapped(address(SEEN));
    let outlook = behaviour.outlook();
    assert_eq!(outlook.external, [address(SEEN)]);
    assert_eq!(
        outlook.host,
        Standing::Hidden,
        "a router alone makes no relay"
    );
    behaviour.on_probed(&address(SEEN), false);
    assert!(
        behaviour.outlook().external.is_empty(),
        "it forwards to nowhere"
    );
    behaviour.on_unmapped(&address(SEEN));
    assert!(behaviour.outlook().external.is_empty());
}

#[test]
fn what_is_no_address_of_ours_is_left_out() {
    let mut behaviour = Behaviour::new(Vec::new(), true);
    seen(&mut behaviour, 1, "192.0.2.1", LAN);
    seen(&mut behaviour, 2, "192.168.1.1", SEEN);
    let circuit = format!("{SEEN}/p2p/{}/p2p-circuit", PeerId::random());
    seen(&mut behaviour, 3, "192.0.2.1", &circuit);
    listening(&mut behaviour, &circuit);
    assert!(acted(&mut behaviour).is_empty());
    assert_eq!(behaviour.outlook().nat, NatType::Unknown);
    assert_eq!(behaviour.own().count(), 0);
}
