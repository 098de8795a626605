// SPDX-License-Identifier: MPL-2.0
//! A path through relays that is used for longer than any circuit lasts.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::harness::{body, counting};
use crate::lab::{Home, Kind, Quality};
use crate::report::section;
use crate::world::World;

/// What a circuit may use: the real limits are 12 hours and 16 GiB, too much to wait for.
const LIMITS: [&str; 4] = ["--circuit-duration", "8s", "--circuit-bytes", "16000000"];

/// Times of use and times without, and how many of them follow each other.
const TURN: Duration = Duration::from_secs(5);
const TURNS: usize = 10;

/// Bytes of one answer. At the pace of the fetches, some circuits end by their bytes and some by their age.
const ANSWER_LEN: usize = 256 * 1024;

/// Between two fetches, so that the machine keeps up.
const PAUSE: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_relayed_path_lasts_for_as_long_as_it_is_used() {
    let homes = [Kind::Symmetric, Kind::Symmetric].map(Home::behind);
    let world = World::start_with("renewal", &homes, Quality::PERFECT, &LIMITS).await;
    let Some(world) = world else {
        return;
    };
    let seats = world.seats(0..2).await;
    let [agent, caller] = &seats[..] else {
        unreachable!("two homes")
    };
    let upstream = agent.upstream("steady").await;
    let aid = agent.agent(&upstream).await.aid;
    agent.publish(&aid).await.ok();
    let (expected, path) = (counting(ANSWER_LEN), format!("/bytes/{ANSWER_LEN}"));
    let mut circuits = BTreeSet::new();
    let (mut fetches, mut slowest) = (0_u32, Duration::ZERO);
    for turn in 0..TURNS {
        let ends = Instant::now() + TURN;
        if turn % 2 == 1 {
            sleep(TURN).await;
        }
        while Instant::now() < ends {
            let begun = Instant::now();
            let fetched = caller.fetch(&aid, &path).await.ok();
            slowest = slowest.max(begun.elapsed());
            assert!(body(&fetched) == expected, "fetch {fetches} came changed");
            assert_eq!(fetched["is_relayed"], true, "fetch {fetches}");
            circuits.insert(caller.connected_since(agent).await);
            fetches += 1;
            sleep(PAUSE).await;
        }
    }
    let text = format!(
        "{fetches} fetches of 256 KiB over {} s, with and without pauses, all answered; slowest {:.2} s. \
         A circuit lasts 8 s and carries 16 MB there, and {} were seen.\n",
        (TURN * u32::try_from(TURNS).expect("a few")).as_secs(),
        slowest.as_secs_f64(),
        circuits.len()
    );
    section(8, "One path, many circuits", &text);
    assert!(circuits.len() >= 5, "only {} circuits", circuits.len());
}
