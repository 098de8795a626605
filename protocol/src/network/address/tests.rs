// SPDX-License-Identifier: MPL-2.0

use super::*;

fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn host_and_port_mean_quic_and_tcp_on_one_port_number() {
    assert_eq!(
        parse_listen("127.0.0.1:4121").unwrap(),
        addresses(&["/ip4/127.0.0.1/udp/4121/quic-v1", "/ip4/127.0.0.1/tcp/4121"])
    );
    assert_eq!(
        parse_listen(":0").unwrap().len(),
        4,
        "both transports, both families"
    );
    assert_eq!(
        parse_listen("/ip4/10.0.0.1/udp/1/quic-v1, /ip6/::1/tcp/2").unwrap(),
        addresses(&["/ip4/10.0.0.1/udp/1/quic-v1", "/ip6/::1/tcp/2"])
    );
    assert_eq!(parse_listen("example.org:1"), Err(AddressError::NotAnIp));
    assert_eq!(parse_listen("4121"), Err(AddressError::HostPort));
    assert_eq!(
        parse_listen("::1:4121"),
        Err(AddressError::HostPort),
        "brackets are needed"
    );
    assert_eq!(parse_listen("/ip4/nowhere"), Err(AddressError::Multiaddr));
}

#[test]
fn bootstrap_takes_names_addresses_and_multiaddrs() {
    let parse = |text: &str| text.parse::<Bootstrap>().map(|b| b.addresses);
    assert_eq!(
        parse("seed.example.org:4121").unwrap(),
        addresses(&[
            "/dns/seed.example.org/udp/4121/quic-v1",
            "/dns/seed.example.org/tcp/4121"
        ])
    );
    assert_eq!(
        parse("[::1]:4121").unwrap()[1],
        addresses(&["/ip6/::1/tcp/4121"])[0]
    );
    assert!(parse(":4121").is_err() && parse("host:0").is_err() && parse("garbage").is_err());
    let list = parse_bootstrap("127.0.0.1:1,, nonsense ,/ip4/127.0.0.1/tcp/2");
    assert_eq!(list.iter().filter(|entry| entry.is_ok()).count(), 2);
    assert_eq!(
        list[1],
        Err(("nonsense".to_owned(), AddressError::HostPort))
    );
}

#[test]
fn private_is_what_the_project_defines() {
    for private in [
        "127.1.2.3",
        "10.0.0.1",
        "172.31.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.1.1",
    ] {
        assert!(is_private(private.parse().unwrap()), "{private}");
    }
    for public in [
        "100.128.0.1",
        "172.32.0.1",
        "203.0.113.7",
        "8.8.8.8",
        "2001:db8::1",
    ] {
        assert!(!is_private(public.parse().unwrap()), "{public}");
    }
    assert!(is_private("fe80::1".parse().unwrap()) && is_private("fd00::1".parse().unwrap()));
}

#[test]
fn a_network_comes_before_loopback_and_quic_before_tcp() {
    let loopback = ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/udp/1/quic-v1"];
    let lan = "/ip4/192.168.1.5/udp/1/quic-v1";
    let public = "/ip4/203.0.113.7/udp/1/quic-v1";
    let local = |texts: &[&str]| local(&addresses(texts));
    assert_eq!(local(&loopback), addresses(&[loopback[1], loopback[0]]));
    assert_eq!(local(&[loopback[0], lan]), addresses(&[lan]));
    assert!(
        local(&[public]).is_empty(),
        "public addresses are another matter"
    );
}

#[test]
fn only_sensible_addresses_of_a_record_are_dialled() {
    let (one, two, here) = (PeerId::random(), PeerId::random(), PeerId::random());
    let texts = [
        format!("/ip4/203.0.113.7/udp/1/quic-v1/p2p/{one}"),
        format!("/ip4/203.0.113.7/tcp/1/p2p/{one}"),
        format!("/ip4/192.168.1.5/tcp/1/p2p/{two}"),
        "/ip4/203.0.113.7/tcp/1".to_owned(),
        format!("/dns/example.org/tcp/1/p2p/{one}"),
        "quic://203.0.113.7:1".to_owned(),
        format!("/ip4/203.0.113.9/tcp/7/p2p/{one}"),
    ];
    let own = addresses(&["/ip4/203.0.113.9/tcp/7"]);
    let public = routes(&texts, here, &own, false);
    assert_eq!(public.len(), 1);
    assert_eq!((public[0].peer, public[0].addresses.len()), (one, 2));
    assert_eq!(
        routes(&texts, here, &own, true).len(),
        2,
        "private addresses in a private network"
    );
    let many: Vec<_> = (1..100)
        .map(|p| format!("/ip4/203.0.113.7/tcp/{p}/p2p/{one}"))
        .collect();
    assert_eq!(
        routes(&many, here, &[], false)[0].addresses.len(),
        MAX_DIALLED_ADDRESSES
    );
}

#[test]
fn a_peer_is_believed_about_the_network_it_was_met_in() {
    let listening = addresses(&[
        "/ip4/127.0.0.1/tcp/1",
        "/ip4/192.168.1.5/tcp/1",
        "/ip4/203.0.113.7/tcp/1",
    ]);
    let seen_from = |remote: &str| credible(&listening, &remote.parse().unwrap()).len();
    assert_eq!(seen_from("/ip4/127.0.0.1/tcp/9"), 3);
    assert_eq!(seen_from("/ip4/192.168.1.9/tcp/9"), 2);
    assert_eq!(seen_from("/ip4/198.51.100.1/tcp/9"), 1);
}

#[test]
fn a_route_names_its_relays_and_their_addresses() {
    let (agent, here) = (PeerId::random(), PeerId::random());
    let relays: Vec<PeerId> = (0..4).map(|_| PeerId::random()).collect();
    let through = |relay: &PeerId, at: &str| format!("{at}/p2p/{relay}/p2p-circuit/p2p/{agent}");
    let mut texts = vec![format!("/ip4/203.0.113.7/udp/1/quic-v1/p2p/{agent}")];
    for relay in &relays {
        texts.push(through(relay, "/ip4/203.0.113.9/udp/4121/quic-v1"));
        texts.push(through(relay, "/ip4/203.0.113.9/tcp/4121"));
    }
    let route = routes(&texts, here, &[], false).remove(0);
    assert_eq!((route.peer, route.addresses.len()), (agent, 1));
    assert_eq!(route.relays.len(), MAX_DIALLED_RELAYS);
    assert_eq!(route.relays[0].relay, relays[0]);
    assert_eq!(
        route.relays[0].addresses,
        addresses(&[
            "/ip4/203.0.113.9/udp/4121/quic-v1",
            "/ip4/203.0.113.9/tcp/4121"
        ])
    );
    let at = &route.relays[0].addresses[0];
    assert_eq!(circuit(at, relays[0], agent).to_string(), texts[1]);

    let own = addresses(&[
        "/ip4/203.0.113.9/udp/4121/quic-v1",
        "/ip4/203.0.113.9/tcp/4121",
    ]);
    let as_relay = routes(&texts[1..], relays[0], &own, false).remove(0);
    assert_eq!(
        as_relay.peer, agent,
        "the relay itself knows the agent's node"
    );
    assert!(as_relay.addresses.is_empty() && as_relay.relays.is_empty());

    let private = [through(&relays[0], "/ip4/192.168.1.1/tcp/1")];
    assert!(routes(&private, here, &[], false).is_empty());
    assert!(via(&texts[0].parse().unwrap()).is_none());
}
