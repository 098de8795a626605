// SPDX-License-Identifier: MPL-2.0
//! Counts, bytes and times, against a client that takes what it can get.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::behaviour::streams::Stream;

/// Writes without end; returns how many bytes were taken.
async fn flood(mut stream: Stream) -> usize {
    let (chunk, mut taken) = ([7; 4096], 0);
    while let Ok(len) = within(stream.write(&chunk)).await {
        taken += len;
    }
    taken
}

/// Reads up to the end or the cut; returns how many bytes came, and how it ended.
async fn drain(stream: &mut Stream) -> (usize, io::Result<()>) {
    let (mut buffer, mut came) = ([0; 4096], 0);
    loop {
        match within(stream.read(&mut buffer)).await {
            Ok(0) => return (came, Ok(())),
            Ok(len) => came += len,
            Err(error) => return (came, Err(error)),
        }
    }
}

async fn send(from: &mut Stream, to: &mut Stream, len: usize) {
    let (said, mut heard) = (vec![3; len], vec![0; len]);
    let (sent, got) = tokio::join!(
        async {
            from.write_all(&said).await?;
            from.flush().await
        },
        within(to.read_exact(&mut heard)),
    );
    sent.unwrap();
    got.unwrap();
    assert_eq!(heard, said);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_reservations_as_allowed_and_who_has_one_keeps_it() {
    let relay = relay(RelayLimits {
        reservations: 3,
        ..roomy()
    })
    .await;
    let mut users = Vec::new();
    for _ in 0..6 {
        let user = Raw::relay_user().await;
        user.connect(relay.peer, &relay.tcp).await;
        users.push(user);
    }
    let mut statuses = Vec::new();
    for user in &users {
        statuses.push(user.reserve(relay.peer).await);
    }
    let refused = raw::RESOURCE_LIMIT_EXCEEDED;
    assert_eq!(
        statuses,
        [raw::OK, raw::OK, raw::OK, refused, refused, refused]
    );
    assert_eq!(relay.meter.relaying().reservations, 3);
    // Renewal takes no second place, nor needs a free one.
    for user in &users[..3] {
        assert_eq!(user.reserve(relay.peer).await, raw::OK);
    }
    assert_eq!(relay.meter.relaying().reservations, 3);
    drop(users.remove(0));
    eventually(|| async { relay.meter.relaying().reservations == 2 }).await;
    assert_eq!(users[4].reserve(relay.peer).await, raw::OK);
    assert_eq!(users[3].reserve(relay.peer).await, refused);
    assert_eq!(relay.meter.relaying().carried_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_ends_with_its_time_and_can_be_had_again() {
    let relay = relay(RelayLimits {
        reservation_duration: Duration::from_secs(1),
        ..roomy()
    })
    .await;
    let (source, mut target) = ends(&relay).await;
    drop(source.circuit(relay.peer, &mut target).await);
    eventually(|| async { relay.meter.relaying().reservations == 0 }).await;
    let refused = source.open_circuit(relay.peer, target.peer).await;
    assert_eq!(refused.unwrap_err(), raw::NO_RESERVATION);
    assert_eq!(target.reserve(relay.peer).await, raw::OK);
    drop(source.circuit(relay.peer, &mut target).await);
}

/// libp2p's relay alone does not survive this.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_crosses_the_end_of_its_reservation_does_no_harm() {
    let relay = relay(RelayLimits {
        reservation_duration: Duration::from_millis(1),
        ..roomy()
    })
    .await;
    let mut users = Vec::new();
    for _ in 0..8 {
        let (relay, tcp) = (relay.peer, relay.tcp.clone());
        users.push(tokio::spawn(async move {
            let user = Raw::relay_user().await;
            user.connect(relay, &tcp).await;
            for _ in 0..50 {
                assert_eq!(user.reserve(relay).await, raw::OK);
            }
        }));
    }
    for user in users {
        user.await.unwrap();
    }
    eventually(|| async { relay.meter.relaying().reservations == 0 }).await;
    assert!(!relay.task.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_reservation_there_is_no_circuit() {
    let relay = relay(roomy()).await;
    let (source, target) = (Raw::relay_user().await, Raw::relay_user().await);
    source.connect(relay.peer, &relay.tcp).await;
    target.connect(relay.peer, &relay.tcp).await;
    for _ in 0..20 {
        for wanted in [target.peer, PeerId::random(), source.peer, relay.peer] {
            let refused = source.open_circuit(relay.peer, wanted).await;
            assert_eq!(refused.unwrap_err(), raw::NO_RESERVATION);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_circuits_of_one_node_and_in_all_as_allowed() {
    let relay = relay(RelayLimits {
        circuits: 3,
        circuits_per_peer: 2,
        ..roomy()
    })
    .await;
    let (source, mut target) = ends(&relay).await;
    let other = Raw::relay_user().await;
    other.connect(relay.peer, &relay.tcp).await;
    assert_eq!(other.reserve(relay.peer).await, raw::OK);
    let limit = raw::RESOURCE_LIMIT_EXCEEDED;

    let mut open = vec![
        source.circuit(relay.peer, &mut target).await,
        source.circuit(relay.peer, &mut target).await,
    ];
    for _ in 0..10 {
        let refused = source.open_circuit(relay.peer, target.peer).await;
        assert_eq!(refused.unwrap_err(), limit);
    }
    // What it receives does not count as its own.
    let mut other = other;
    open.push(target.circuit(relay.peer, &mut other).await);
    assert_eq!(relay.meter.relaying().circuits, 3);
    // All there are, though this node has none of them.
    for _ in 0..10 {
        let refused = other.open_circuit(relay.peer, target.peer).await;
        assert_eq!(refused.unwrap_err(), limit);
    }
    drop(open.remove(0));
    eventually(|| async { relay.meter.relaying().circuits == 2 }).await;
    drop(other.circuit(relay.peer, &mut target).await);
    assert_eq!(relay.meter.relaying().carried_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuit_carries_its_bytes_and_not_one_more() {
    const LIMIT: usize = 100_000;
    let relay = relay(RelayLimits {
        circuit_bytes: LIMIT as u64,
        ..roomy()
    })
    .await;
    let (source, mut target) = ends(&relay).await;
    // To the last byte, both directions together.
    let (mut near, mut far) = source.circuit(relay.peer, &mut target).await;
    send(&mut near, &mut far, 60_000).await;
    send(&mut far, &mut near, 40_000).await;
    assert_eq!(relay.meter.relaying().carried_bytes, LIMIT as u64);
    near.write_all(&[0]).await.unwrap();
    near.flush().await.unwrap();
    let (beyond, _) = drain(&mut far).await;
    assert_eq!(beyond, 0);
    assert_eq!(relay.meter.relaying().carried_bytes, LIMIT as u64);

    // In either direction against a flood.
    for is_forward in [true, false] {
        let before = relay.meter.relaying().carried_bytes;
        let (near, far) = source.circuit(relay.peer, &mut target).await;
        let (from, mut to) = if is_forward { (near, far) } else { (far, near) };
        let flooding = tokio::spawn(flood(from));
        let (came, _) = drain(&mut to).await;
        assert!(came <= LIMIT, "{came}");
        drop(to);
        assert!(within(flooding).await.unwrap() >= came);
        let carried = relay.meter.relaying().carried_bytes - before;
        assert_eq!(carried, LIMIT as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuit_lasts_as_long_as_allowed_however_busy() {
    const LASTS: Duration = Duration::from_secs(1);
    let relay = relay(RelayLimits {
        circuit_duration: LASTS,
        total_rate: 8_000_000,
        ..roomy()
    })
    .await;
    let (source, mut target) = ends(&relay).await;
    let idle = source.circuit(relay.peer, &mut target).await;
    let (near, mut far) = source.circuit(relay.peer, &mut target).await;
    let begun = Instant::now();
    let flooding = tokio::spawn(flood(near));
    let (came, _) = drain(&mut far).await;
    let lasted = begun.elapsed();
    assert!(came > 0);
    assert!(
        (LASTS.mul_f32(0.9)..LASTS * 3).contains(&lasted),
        "{lasted:?}"
    );
    within(flooding).await.unwrap();
    let (mut near, _far) = idle;
    let (came, _) = drain(&mut near).await;
    assert_eq!(came, 0);
    eventually(|| async { relay.meter.relaying().circuits == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_has_its_bytes_and_then_nothing_is_granted() {
    const BUDGET: usize = 50_000;
    let relay = relay(RelayLimits {
        daily_bytes: BUDGET as u64,
        ..roomy()
    })
    .await;
    let (source, mut target) = ends(&relay).await;
    let mut circuits = Vec::new();
    for _ in 0..3 {
        circuits.push(source.circuit(relay.peer, &mut target).await);
    }
    let mut floods = Vec::new();
    let mut drains = Vec::new();
    for (near, mut far) in circuits {
        floods.push(tokio::spawn(flood(near)));
        drains.push(tokio::spawn(async move { drain(&mut far).await.0 }));
    }
    let mut came = 0;
    for drain in drains {
        came += within(drain).await.unwrap();
    }
    for flood in floods {
        within(flood).await.unwrap();
    }
    assert!(came <= BUDGET, "{came}");
    let relaying = relay.meter.relaying();
    assert_eq!(relaying.carried_bytes, BUDGET as u64);
    assert!(relaying.is_exhausted);
    let limit = raw::RESOURCE_LIMIT_EXCEEDED;
    for _ in 0..10 {
        let refused = source.open_circuit(relay.peer, target.peer).await;
        assert_eq!(refused.unwrap_err(), limit);
        assert_eq!(source.reserve(relay.peer).await, limit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn circuits_over_quic_are_metered_alike() {
    let relay = relay(RelayLimits {
        circuit_bytes: 5_000,
        ..roomy()
    })
    .await;
    let (source, mut target) = (Raw::relay_user().await, Raw::relay_user().await);
    source.connect(relay.peer, &relay.quic).await;
    target.connect(relay.peer, &relay.quic).await;
    assert_eq!(target.reserve(relay.peer).await, raw::OK);
    let (mut near, mut far) = source.circuit(relay.peer, &mut target).await;
    send(&mut near, &mut far, 3_000).await;
    send(&mut far, &mut near, 2_000).await;
    assert_eq!(relay.meter.relaying().carried_bytes, 5_000);
    near.write_all(&[0]).await.unwrap();
    near.flush().await.unwrap();
    assert_eq!(drain(&mut far).await.0, 0);
    assert_eq!(relay.meter.relaying().carried_bytes, 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_relay_serves_through_another_one() {
    let (outer, inner) = (relay(roomy()).await, Raw::relay_user().await);
    let served = relay_behind(&outer).await;
    inner.connect(outer.peer, &outer.tcp).await;
    let through = address::circuit(&outer.tcp, outer.peer, served.peer);
    inner.connect(served.peer, &through).await;
    // The connection is there, and not good for this.
    for _ in 0..10 {
        let mut stream = inner.first.open(served.peer).await.unwrap();
        assert!(stream.is_relayed());
        let refused = raw::ask_reservation(&mut stream).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    let direct = Raw::relay_user().await;
    direct.connect(served.peer, &served.tcp).await;
    assert_eq!(direct.reserve(served.peer).await, raw::OK);
    assert_eq!(served.meter.relaying().reservations, 1);
}

/// A relay that itself has a reservation on another one.
async fn relay_behind(outer: &Server) -> Server {
    let on = outer
        .tcp
        .clone()
        .with_p2p(outer.peer)
        .unwrap()
        .with(libp2p::multiaddr::Protocol::P2pCircuit);
    let inner = serve_at(roomy(), vec![on], |behaviour| {
        let enabled = libp2p::relay::Status::Enable;
        behaviour.relay_server.set_status(Some(enabled));
    })
    .await;
    eventually(|| async { outer.meter.relaying().reservations == 1 }).await;
    inner
}
