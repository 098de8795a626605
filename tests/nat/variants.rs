// SPDX-License-Identifier: MPL-2.0
//! Homes that are not one plain router: two routers in a row, IPv6 behind a firewall, two hosts in one LAN.

use std::time::Duration;

use crate::harness::{body, eventually};
use crate::lab::{Home, Kind, Quality};
use crate::report::{Table, section};
use crate::world::World;

/// Longest time until a fetch goes directly where it can.
const DIRECT_WITHIN: Duration = Duration::from_secs(3);

/// Where the second of two hosts stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Caller {
    AtHome,
    /// In the LAN of the agent.
    WithAgent,
}

/// The paths that a caller may have to an agent in the end.
type Paths = &'static [&'static str];

#[tokio::test]
async fn unusual_homes_are_reached_as_directly_as_they_can_be() {
    let twice = |kind, carrier| Home {
        carrier: Some(carrier),
        ..Home::behind(kind)
    };
    let ipv6 = Home {
        has_ipv6: true,
        ..Home::behind(Kind::Symmetric)
    };
    let hairpin = Home {
        has_hairpin: true,
        ..Home::remapped(Kind::PortRestricted)
    };
    let plain = Home::behind(Kind::PortRestricted);
    let cases: [(Home, Home, Caller, Paths); 5] = [
        (
            twice(Kind::PortRestricted, Kind::PortRestricted),
            plain,
            Caller::AtHome,
            &["direct"],
        ),
        (
            twice(Kind::PortRestricted, Kind::Symmetric),
            plain,
            Caller::AtHome,
            &["relay"],
        ),
        (ipv6, ipv6, Caller::AtHome, &["direct"]),
        (hairpin, hairpin, Caller::WithAgent, &["direct", "lan"]),
        (plain, plain, Caller::WithAgent, &["direct", "lan", "relay"]),
    ];
    let mut table = Table::new(["agent", "caller", "", "path"]);
    let mut wrong = Vec::new();
    for (agent, caller, stands, paths) in cases {
        let Some(path) = path(agent, caller, stands, paths).await else {
            return;
        };
        let place = match stands {
            Caller::AtHome => "",
            Caller::WithAgent => "in one LAN",
        };
        if !paths.contains(&path.as_str()) {
            wrong.push(format!("{caller} to {agent} {place}: {path}"));
        }
        table.row([
            agent.to_string(),
            caller.to_string(),
            place.to_owned(),
            path,
        ]);
    }
    section(8, "Unusual homes", &table.text());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The way that a fetch takes in the end; one of `paths` if it gets there in time.
async fn path(agent: Home, caller: Home, stands: Caller, paths: Paths) -> Option<String> {
    let test = format!("{caller} to {agent}");
    let mut world = World::start(&test, &[agent, caller], Quality::PERFECT).await?;
    if stands == Caller::WithAgent {
        world.lab.roam(1, 0);
    }
    let seats = world.seats(0..2).await;
    let [host, calling] = &seats[..] else {
        unreachable!("two homes")
    };
    let upstream = host.upstream("unusual").await;
    let aid = host.agent(&upstream).await.aid;
    host.publish(&aid).await.ok();
    let answer = calling.fetch(&aid, "/name").await.ok();
    assert_eq!(body(&answer), b"unusual", "{test}");
    let mut last = "none".to_owned();
    let looking = eventually("the path", DIRECT_WITHIN * 2, async || {
        last = calling.path(host).await?;
        paths.contains(&last.as_str()).then_some(())
    });
    // Whether it got there is for the caller to judge.
    let _late = tokio::time::timeout(DIRECT_WITHIN, looking).await;
    Some(last)
}
