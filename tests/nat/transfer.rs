// SPDX-License-Identifier: MPL-2.0
//! Many bytes through a relay.

use tokio::time::Instant;

use crate::harness::{body, counting};
use crate::lab::{Home, Kind, Quality};
use crate::report::section;
use crate::world::World;

/// Bytes of one fetch, the most that an answer carries.
const PART_LEN: usize = 4 * 1024 * 1024;

/// Parts of the whole: 64 MiB.
const PARTS: usize = 16;

#[tokio::test]
async fn sixty_four_mebibytes_pass_a_relay_unchanged() {
    let homes = [Kind::Symmetric, Kind::Symmetric].map(Home::behind);
    let Some(world) = World::start("a transfer", &homes, Quality::PERFECT).await else {
        return;
    };
    let seats = world.seats(0..2).await;
    let [agent, caller] = &seats[..] else {
        unreachable!("two homes")
    };
    let upstream = agent.upstream("store").await;
    let aid = agent.agent(&upstream).await.aid;
    agent.publish(&aid).await.ok();
    let expected = counting(PART_LEN);
    let path = format!("/bytes/{PART_LEN}");
    let started = Instant::now();
    for part in 0..PARTS {
        let fetched = caller.fetch(&aid, &path).await.ok();
        assert!(fetched.get("truncated").is_none(), "part {part} is cut");
        assert!(body(&fetched) == expected, "part {part} came changed");
        assert_eq!(
            caller.path(agent).await.as_deref(),
            Some("relay"),
            "part {part}"
        );
    }
    let secs = started.elapsed().as_secs_f64();
    let text = format!(
        "64 MiB in {secs:.1} s, {:.2} MiB/s, byte for byte the same.\n",
        64.0 / secs
    );
    section(7, "Through a relay between two symmetric NATs", &text);
}
