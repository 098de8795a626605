// SPDX-License-Identifier: MPL-2.0
//! How fast circuits are, against sources that send as fast as they can.

use std::ops::RangeInclusive;
use std::sync::atomic::AtomicU64;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::behaviour::streams::Stream;

/// Bits per second. Sources on loopback send many times as fast.
const RATE: u64 = 8_000_000;

/// How long is measured.
const WINDOW: Duration = Duration::from_secs(2);

/// What a rate may be, in percent of what it should be.
const EXACT: RangeInclusive<u64> = 90..=110;

/// Sends from one end to the other without end; counts what arrives.
fn flood((mut from, mut to): (Stream, Stream)) -> Arc<AtomicU64> {
    let arrived = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&arrived);
    tokio::spawn(async move { while from.write_all(&[7; 16 * 1024]).await.is_ok() {} });
    tokio::spawn(async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(len @ 1..) = to.read(&mut buffer).await {
            counted.fetch_add(len as u64, Ordering::Relaxed);
        }
    });
    arrived
}

/// What arrives in [`WINDOW`], in percent of [`RATE`], once everything flows.
async fn percent(arrived: &[Arc<AtomicU64>]) -> Vec<u64> {
    for one in arrived {
        eventually(|| async { one.load(Ordering::Relaxed) > 500_000 }).await;
    }
    let count = || arrived.iter().map(|one| one.load(Ordering::Relaxed));
    let (before, begun): (Vec<_>, _) = (count().collect(), Instant::now());
    sleep(WINDOW).await;
    let (after, lasted): (Vec<_>, _) = (count().collect(), begun.elapsed());
    let expected = u128::from(RATE) / 8 * lasted.as_micros() / 1_000_000;
    let came = before
        .iter()
        .zip(after)
        .map(|(before, after)| after - before);
    came.map(|came| came * 100 / u64::try_from(expected).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_circuits_of_one_node_share_its_rate_in_both_directions() {
    let relay = relay(RelayLimits {
        peer_rate: RATE,
        ..roomy()
    })
    .await;
    let (source, mut target) = ends(&relay).await;
    let other = Raw::relay_user().await;
    other.connect(relay.peer, &relay.tcp).await;
    let forth = flood(source.circuit(relay.peer, &mut target).await);
    let (near, far) = source.circuit(relay.peer, &mut target).await;
    let back = flood((far, near));
    let of_other = flood(other.circuit(relay.peer, &mut target).await);
    let percent = percent(&[forth, back, of_other]).await;
    assert!(EXACT.contains(&(percent[0] + percent[1])), "{percent:?}");
    assert!(percent[0].min(percent[1]) >= 25, "one starves: {percent:?}");
    assert!(EXACT.contains(&percent[2]), "{percent:?}");
    println!(
        "of one node: {} + {} %, of another {} %",
        percent[0], percent[1], percent[2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_circuits_share_the_rate_of_the_relay() {
    let relay = relay(RelayLimits {
        total_rate: RATE,
        ..roomy()
    })
    .await;
    let (source, mut target) = ends(&relay).await;
    let other = Raw::relay_user().await;
    other.connect(relay.peer, &relay.tcp).await;
    let arrived = [
        flood(source.circuit(relay.peer, &mut target).await),
        flood(other.circuit(relay.peer, &mut target).await),
    ];
    let percent = percent(&arrived).await;
    assert!(EXACT.contains(&percent.iter().sum()), "{percent:?}");
    assert!(percent[0].min(percent[1]) >= 25, "one starves: {percent:?}");
    println!("in all: {} + {} %", percent[0], percent[1]);
}

/// Whoever opens a new circuit for every burst gains nothing by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_circuit_pays_what_the_last_one_owes() {
    const CIRCUITS: u64 = 40;
    const BYTES: usize = 25_000;
    let relay = relay(RelayLimits {
        peer_rate: RATE,
        ..roomy()
    })
    .await;
    let (source, mut target) = ends(&relay).await;
    let begun = Instant::now();
    for _ in 0..CIRCUITS {
        let (mut near, mut far) = source.circuit(relay.peer, &mut target).await;
        let (said, mut came) = (vec![7; BYTES], vec![0; BYTES]);
        let (sent, got) = tokio::join!(
            within(near.write_all(&said)),
            within(far.read_exact(&mut came)),
        );
        sent.unwrap();
        got.unwrap();
    }
    let bytes = relay.meter.relaying().carried_bytes;
    assert_eq!(bytes, CIRCUITS * BYTES as u64);
    let fair = Duration::from_micros(bytes * 8 * 1_000_000 / RATE);
    let took = begun.elapsed();
    assert!(
        took + Duration::from_millis(100) >= fair.mul_f32(0.9),
        "{took:?}"
    );
}
