// SPDX-License-Identifier: MPL-2.0
//! Every kind of agent fetched from behind every kind of caller's router.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::harness::{Upstream, body, say};
use crate::lab::{Home, Kind, Quality};
use crate::report::{Table, rounds, section};
use crate::world::{Seat, World};

/// Longest first fetch where a hole can be punched, and where it cannot.
const FIRST_LIMITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_millis(1500)];

/// Longest second fetch.
const SECOND_LIMIT: Duration = Duration::from_millis(60);

/// How long after the first fetch a direct path is there, where there can be one.
const DIRECT_WITHIN: Duration = Duration::from_secs(3);

/// Longest wait for an answer over lines that lose packets.
const IMPAIRED_LIMIT: Duration = Duration::from_secs(30);

/// Stands for an answer that did not come.
const NEVER: Duration = Duration::MAX;

/// Rounds from which a cell's median says something.
const ROUNDS_FOR_MEDIAN: usize = 3;

/// A fetch from behind one router to behind another.
#[derive(Clone, Debug)]
struct Cell {
    agent: Home,
    caller: Home,
    first: Duration,
    second: Duration,
    path: String,
}

impl Cell {
    /// Whether a hole can be punched, by the measurement of the chapter `laboratory`.
    fn can_be_direct(&self) -> bool {
        self.agent.kind.punches(self.caller.kind)
    }

    fn first_limit(&self) -> Duration {
        FIRST_LIMITS[usize::from(!self.can_be_direct())]
    }

    fn slowest(&self) -> Duration {
        self.first.max(self.second)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (agent, caller, path) = (self.agent, self.caller, &self.path);
        let [first, second] = [self.first, self.second].map(seconds);
        write!(f, "{caller} to {agent}: {first}, then {second}, {path}")
    }
}

#[tokio::test]
async fn every_agent_answers_every_caller() {
    let mut measured = Vec::new();
    for _ in 0..rounds() {
        let Some(round) = round("the matrix", &Kind::ALL, Quality::PERFECT).await else {
            return;
        };
        measured.push(round);
    }
    let cells = medians(&measured);
    section(1, "First fetch", &table(&cells, |cell| seconds(cell.first)));
    section(
        2,
        "Second fetch",
        &table(&cells, |cell| seconds(cell.second)),
    );
    section(
        3,
        "Path after three seconds",
        &table(&cells, |cell| cell.path.clone()),
    );
    let all = measured.concat();
    none("no answer", &all, |cell| cell.slowest() == NEVER);
    none("not direct", &all, |cell| {
        cell.can_be_direct() && cell.path != "direct"
    });
    none("too slow", &judged(&cells), |cell| {
        cell.first > cell.first_limit() || cell.second > SECOND_LIMIT
    });
}

#[tokio::test]
async fn every_agent_answers_over_lines_that_delay_and_lose() {
    let quality = Quality {
        delay: Duration::from_millis(40),
        jitter: Duration::from_millis(5),
        lost_per_mille: 50,
    };
    // The same lines for a few kinds of each sort where time is short.
    let kinds = match rounds() {
        1 => &[
            Kind::None,
            Kind::PortRestricted,
            Kind::Symmetric,
            Kind::UdpBlocked,
        ][..],
        _ => &Kind::ALL[..],
    };
    let Some(cells) = round("the impaired matrix", kinds, quality).await else {
        return;
    };
    let title = "First fetch with 5 % loss and 40 ms each way on every line";
    section(4, title, &table(&cells, |cell| seconds(cell.first)));
    none("too late", &cells, |cell| cell.slowest() > IMPAIRED_LIMIT);
}

/// Fails with every cell that `is_wrong`.
#[track_caller]
fn none(what: &str, cells: &[Cell], is_wrong: impl Fn(&Cell) -> bool) {
    let wrong = cells.iter().filter(|cell| is_wrong(cell));
    let wrong = wrong.map(Cell::to_string).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// What is held to the limits: each cell, or, since a single round says too little about one, the median of those with the
/// same limit.
fn judged(cells: &[Cell]) -> Vec<Cell> {
    if rounds() >= ROUNDS_FOR_MEDIAN {
        return cells.to_vec();
    }
    none("far too late", cells, |cell| {
        cell.first > 3 * cell.first_limit()
    });
    let class = |limit| {
        let class = cells.iter().filter(|cell| cell.first_limit() == limit);
        median_cell(&class.cloned().collect::<Vec<_>>())
    };
    FIRST_LIMITS.map(class).to_vec()
}

/// One round over all cells in a new laboratory: `kinds`, and the most common one with remapped ports.
async fn round(test: &str, kinds: &[Kind], quality: Quality) -> Option<Vec<Cell>> {
    let kinds = kinds.iter().copied().map(Home::behind);
    let homes = kinds
        .chain([Home::remapped(Kind::PortRestricted)])
        .collect::<Vec<_>>();
    let count = homes.len();
    let world = World::start(test, &[homes.clone(), homes].concat(), quality).await?;
    let (agents, callers) = world.lab.sites.split_at(count);
    for agent in agents {
        for caller in callers {
            agent.cut(caller);
        }
    }
    let seats = world.seats(0..2 * count).await;
    let (hosts, calling) = seats.split_at(count);
    let mut cells = Vec::new();
    for (agent, host) in agents.iter().zip(hosts) {
        let served = Served::start(Arc::clone(host)).await;
        for (caller, seat) in callers.iter().zip(calling) {
            agent.uncut(caller);
            let (first, second) = served.fetched_twice(seat).await;
            let path = tokio::spawn(path_later(Arc::clone(seat), Arc::clone(host)));
            cells.push((agent.home, caller.home, first, second, path));
        }
    }
    let mut whole = Vec::new();
    for (agent, caller, first, second, path) in cells {
        let path = path.await.expect("looking does not panic");
        whole.push(Cell {
            agent,
            caller,
            first,
            second,
            path,
        });
    }
    Some(whole)
}

/// The way that `caller` has to `host` a while from now; other cells are measured meanwhile.
async fn path_later(caller: Arc<Seat>, host: Arc<Seat>) -> String {
    tokio::time::sleep(DIRECT_WITHIN).await;
    caller
        .path(&host)
        .await
        .unwrap_or_else(|| "none".to_owned())
}

/// A published agent and its service.
struct Served {
    aid: String,
    _upstream: Upstream,
}

impl Served {
    async fn start(host: Arc<Seat>) -> Self {
        let upstream = host.upstream("reached").await;
        let aid = host.agent(&upstream).await.aid;
        host.publish(&aid).await.ok();
        Self {
            aid,
            _upstream: upstream,
        }
    }

    /// How long `caller` waits for the first answer, and for the second.
    async fn fetched_twice(&self, caller: &Seat) -> (Duration, Duration) {
        (self.fetched(caller).await, self.fetched(caller).await)
    }

    /// How long `caller` waits for an answer; [`NEVER`] if it is none, or not the service's.
    async fn fetched(&self, caller: &Seat) -> Duration {
        let started = Instant::now();
        let answer = caller.fetch(&self.aid, "/name").await;
        if answer.status == 200 && body(&answer.json()) == b"reached" {
            return started.elapsed();
        }
        say(&format!("{}: {}", answer.status, answer.text.trim()));
        NEVER
    }
}

/// Each cell's median over all rounds; its path is the worst.
fn medians(rounds: &[Vec<Cell>]) -> Vec<Cell> {
    let each = |cell: usize| {
        let cells = rounds.iter().map(|round| round[cell].clone());
        median_cell(&cells.collect::<Vec<_>>())
    };
    (0..rounds[0].len()).map(each).collect()
}

/// The first of `cells` with the medians of all.
fn median_cell(cells: &[Cell]) -> Cell {
    let median = |time: fn(&Cell) -> Duration| {
        let mut times = cells.iter().map(time).collect::<Vec<_>>();
        times.sort_unstable();
        times[times.len() / 2]
    };
    let indirect = cells.iter().find(|cell| cell.path != "direct");
    Cell {
        first: median(|cell| cell.first),
        second: median(|cell| cell.second),
        path: indirect.unwrap_or(&cells[0]).path.clone(),
        ..cells[0].clone()
    }
}

/// A table with a row for each agent and a column for each caller.
fn table(cells: &[Cell], shown: impl Fn(&Cell) -> String) -> String {
    let columns = cells
        .iter()
        .take_while(|cell| cell.agent.to_string() == cells[0].agent.to_string());
    let columns = columns
        .map(|cell| cell.caller.to_string())
        .collect::<Vec<_>>();
    let mut table =
        Table::new(std::iter::once("agent \\ caller".to_owned()).chain(columns.clone()));
    for row in cells.chunks(columns.len()) {
        table.row(std::iter::once(row[0].agent.to_string()).chain(row.iter().map(&shown)));
    }
    table.text()
}

fn seconds(time: Duration) -> String {
    if time == NEVER {
        return "never".to_owned();
    }
    format!("{:.3}", time.as_secs_f64())
}
