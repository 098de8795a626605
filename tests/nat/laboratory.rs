// SPDX-License-Identifier: MPL-2.0
//! The laboratory itself, measured with bare sockets: every other chapter stands on this.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use crate::harness::say;
use crate::lab::{Home, Kind, Lab, Quality};
use crate::prober::{Observer, Probe, observed_over_tcp, punch, punch_with};

/// Rows and columns of the matrix: all kinds, and the most common one with remapped ports.
fn homes() -> Vec<Home> {
    let kinds = Kind::ALL.map(Home::behind).into_iter();
    kinds
        .chain([Home::remapped(Kind::PortRestricted)])
        .collect()
}

#[tokio::test]
async fn holes_can_be_punched_where_they_should_and_nowhere_else() {
    let homes = homes();
    let both_sides = [homes.clone(), homes.clone()].concat();
    let Some(lab) = Lab::start("punching", &both_sides, Quality::PERFECT).await else {
        return;
    };
    let observer = Observer::start(&lab.public[0]).await.address;
    let (rows, columns) = lab.sites.split_at(homes.len());
    let cells = rows
        .iter()
        .flat_map(|row| columns.iter().map(move |column| (row, column)));
    let measured = join_all(cells.clone().map(async |(row, column)| {
        let is_expected = row.home.kind.punches(column.home.kind);
        let mut punched = punch(&row.host, &column.host, observer).await;
        if punched != is_expected {
            // A drawn port is right by chance once in a thousand times, but not twice.
            row.flush();
            column.flush();
            punched = punch(&row.host, &column.host, observer).await;
        }
        punched
    }))
    .await;

    let word = |punched: &bool| if *punched { "ok" } else { "x" };
    let head = homes.iter().map(|home| format!("{home:>17}"));
    say(&format!("{:>17}{}", "", head.collect::<String>()));
    for (row, line) in rows.iter().zip(measured.chunks(homes.len())) {
        let line = line.iter().map(|punched| format!("{:>17}", word(punched)));
        say(&format!("{:>17}{}", row.home, line.collect::<String>()));
    }
    for ((row, column), punched) in cells.zip(measured) {
        let (row, column) = (row.home, column.home);
        assert_eq!(punched, row.kind.punches(column.kind), "{row} to {column}");
    }
}

#[tokio::test]
async fn outside_ports_are_kept_or_not_as_the_kind_says() {
    let homes = [
        Home::behind(Kind::None),
        Home::behind(Kind::PortRestricted),
        Home::remapped(Kind::PortRestricted),
        Home::behind(Kind::Symmetric),
        Home::behind(Kind::SymmetricAddr),
    ];
    let Some(lab) = Lab::start("ports", &homes, Quality::PERFECT).await else {
        return;
    };
    let one = Observer::start(&lab.public[0]).await.address;
    let other = Observer::start(&lab.public[1]).await.address;
    // Whether the port is kept towards one observer, and whether both see the same.
    let expected = [
        (true, true),
        (true, true),
        (false, true),
        (false, false),
        (false, false),
    ];
    for (site, expected) in lab.sites.iter().zip(expected) {
        let probe = Probe::on(&site.host).await;
        let seen_by_one = probe.observed(one).await.expect("UDP passes");
        let seen_by_other = probe.observed(other).await.expect("UDP passes");
        let is_kept = seen_by_one.port() == probe.port();
        assert_eq!(
            (is_kept, seen_by_one == seen_by_other),
            expected,
            "{}",
            site.home
        );
        let is_own = seen_by_one.ip() == site.host.address;
        assert_eq!(is_own, site.home.kind.is_routed(), "{}", site.home);
    }
    let remapped = &lab.sites[2];
    let probe = Probe::on(&remapped.host).await;
    let before = probe.observed(one).await;
    remapped.flush();
    assert_ne!(
        probe.observed(one).await,
        before,
        "a flush draws a new port"
    );
}

#[tokio::test]
async fn a_blocking_router_lets_tcp_out_and_no_udp() {
    let homes = [Home::behind(Kind::UdpBlocked)];
    let Some(lab) = Lab::start("blocking", &homes, Quality::PERFECT).await else {
        return;
    };
    let observer = Observer::start(&lab.public[2]).await.address;
    let host = &lab.sites[0].host;
    assert_eq!(Probe::on(host).await.asked_once(observer).await, None);
    assert!(observed_over_tcp(host, observer).await.is_some());
}

#[tokio::test]
async fn cut_homes_hear_nothing_of_each_other_until_they_are_uncut() {
    let homes = [Home::behind(Kind::None), Home::behind(Kind::PortRestricted)];
    let Some(lab) = Lab::start("cutting", &homes, Quality::PERFECT).await else {
        return;
    };
    let observer = Observer::start(&lab.public[0]).await.address;
    let [one, other] = &lab.sites[..] else {
        unreachable!("two homes")
    };
    let probes = (Probe::on(&one.host).await, Probe::on(&other.host).await);
    one.cut(other);
    assert!(!punch_with(&probes.0, &probes.1, observer).await, "cut");
    one.uncut(other);
    assert!(punch_with(&probes.0, &probes.1, observer).await, "uncut");
    one.cut(other);
    assert!(
        !punch_with(&probes.0, &probes.1, observer).await,
        "cut again"
    );
}

#[tokio::test]
async fn routers_change_addresses_and_hosts_change_homes() {
    let homes = [
        Home::behind(Kind::PortRestricted),
        Home::behind(Kind::FullCone),
    ];
    let Some(mut lab) = Lab::start("moving", &homes, Quality::PERFECT).await else {
        return;
    };
    let observer = Observer::start(&lab.public[1]).await.address;
    let probe = Probe::on(&lab.sites[0].host).await;
    let seen = async || probe.observed(observer).await.expect("UDP passes").ip();
    let first = seen().await;
    lab.sites[0].readdress();
    let second = seen().await;
    assert_ne!(first, second, "the router has another address");
    lab.roam(0, 1);
    let third = seen().await;
    assert!(
        third != second && third != first,
        "the host is behind another router"
    );
    let native = Probe::on(&lab.sites[1].host).await;
    assert_eq!(
        native.observed(observer).await.expect("UDP passes").ip(),
        third
    );
}

#[tokio::test]
async fn translation_twice_hairpins_and_ipv6_work() {
    let twice = Home {
        carrier: Some(Kind::Symmetric),
        ..Home::behind(Kind::PortRestricted)
    };
    let hairpin = Home {
        has_hairpin: true,
        ..Home::remapped(Kind::PortRestricted)
    };
    let ipv6 = Home {
        has_ipv6: true,
        ..Home::behind(Kind::Symmetric)
    };
    let homes = [
        twice,
        Home::behind(Kind::PortRestricted),
        hairpin,
        hairpin,
        ipv6,
        ipv6,
    ];
    let Some(mut lab) = Lab::start("options", &homes, Quality::PERFECT).await else {
        return;
    };
    let observer = Observer::start(&lab.public[0]).await.address;
    let [twice, plain, ..] = &lab.sites[..] else {
        unreachable!("six homes")
    };
    let punched = punch(&twice.host, &plain.host, observer).await;
    assert!(!punched, "the carrier's kind decides");
    assert!(observed_over_tcp(&twice.host, observer).await.is_some());

    let one = Probe::on6(&lab.sites[4].host).await;
    let other = Probe::on6(&lab.sites[5].host).await;
    let observer6 = Observer::start6(&lab.public[0]).await.address;
    assert!(
        punch_with(&one, &other, observer6).await,
        "IPv6 is only filtered"
    );
    let over_ipv4 = punch(&lab.sites[4].host, &lab.sites[5].host, observer).await;
    assert!(!over_ipv4, "and IPv4 is not helped by it");

    lab.roam(3, 2);
    let neighbours = (&lab.sites[2].host, &lab.sites[3].host);
    assert!(
        punch(neighbours.0, neighbours.1, observer).await,
        "by their outside addresses"
    );
}

#[tokio::test]
async fn lines_delay_and_lose_as_asked() {
    let quality = Quality {
        delay: Duration::from_millis(40),
        jitter: Duration::from_millis(5),
        lost_per_mille: 50,
    };
    let homes = [Home::behind(Kind::None)];
    let Some(lab) = Lab::start("impairment", &homes, quality).await else {
        return;
    };
    let observer = Observer::start(&lab.public[0]).await.address;
    let host = &lab.sites[0].host;
    let first = Probe::on(host).await.observed(observer).await;
    assert!(first.is_some(), "neighbours know each other from now on");
    let mut times = Vec::new();
    for _ in 0..20 {
        let asked = join_all((0..20).map(async |_| {
            let probe = Probe::on(host).await;
            let asked = Instant::now();
            probe.asked_once(observer).await.map(|_| asked.elapsed())
        }));
        times.extend(asked.await.into_iter().flatten());
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    let lost = 400 - times.len();
    say(&format!(
        "40 to 45 ms and 5 % each way: median {median:?} there and back, {lost} of 400 lost"
    ));
    // Both ways lose 5 %, so 39 are expected; six standard deviations are 36.
    assert!((3..=75).contains(&lost), "{lost} of 400 lost");
    let expected = Duration::from_millis(80)..Duration::from_millis(130);
    assert!(expected.contains(&median), "{median:?}");
}
