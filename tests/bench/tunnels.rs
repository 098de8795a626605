// SPDX-License-Identifier: MPL-2.0
//! Tunnels and fetches through two daemons, beside a bare pair of processes, and another executable.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;

use crate::bare::Relay;
use crate::harness::{daemon_binary, eventually};
use crate::load::Request;
use crate::peer::Peer;
use crate::report::{Line, Report, Unit, median, median_millis};
use crate::subject::Subject;
use crate::{AT_ONCE, CALLS, WINDOW, cpu, one_at_a_time, raw};

/// Names another executable to be measured.
const OTHER: &str = "A2AL_BENCH_OTHER";

/// Times that everything is measured; the median counts.
const ROUNDS: usize = 3;

/// New connections with one echo each, one after the other.
const CONNECTIONS: usize = 500;

/// Bytes of a mebibyte and of a gibibyte.
const MEBIBYTE: f64 = 1024.0 * 1024.0;
const GIBIBYTE: f64 = 1024.0 * MEBIBYTE;

/// What is measured, and the ratios to the limit that must, and should, be reached.
const FIGURES: [(&str, Unit, (f64, f64)); 12] = [
    (
        "tunnel down, 1 connection",
        Unit::MebibytesPerSecond,
        (0.70, 0.85),
    ),
    ("tunnel CPU down", Unit::CpuPerGib, (1.62, 1.35)),
    (
        "tunnel up, 1 connection",
        Unit::MebibytesPerSecond,
        (0.70, 0.85),
    ),
    ("tunnel CPU up", Unit::CpuPerGib, (1.62, 1.35)),
    (
        "tunnel down, 8 connections",
        Unit::MebibytesPerSecond,
        (0.70, 0.85),
    ),
    (
        "tunnel up, 8 connections",
        Unit::MebibytesPerSecond,
        (0.70, 0.85),
    ),
    ("tunnel echo, p50", Unit::Millis, (1.5, 1.2)),
    ("tunnel connect + echo, p50", Unit::Millis, (1.5, 1.2)),
    ("tunnel connections", Unit::PerSecond, (0.50, 0.75)),
    ("fetch, p50", Unit::Millis, (2.1, 1.4)),
    ("fetch, 32 at once", Unit::PerSecond, (0.29, 0.42)),
    ("fetch CPU", Unit::CpuPerCall, (4.4, 2.9)),
];

/// What is measured on one way right after it was on the other, since no machine is the same for minutes. Together they
/// give the figures, in that order.
const STEPS: [Step; 9] = [
    Step::Down,
    Step::Up,
    Step::DownMany,
    Step::UpMany,
    Step::Echo,
    Step::Connect,
    Step::Connections,
    Step::Call,
    Step::Calls,
];

#[derive(Clone, Copy)]
enum Step {
    Down,
    Up,
    DownMany,
    UpMany,
    Echo,
    Connect,
    Connections,
    Call,
    Calls,
}

/// Ports that may be kept for connections that have ended when the next ones are counted.
const MAX_KEPT_PORTS: u64 = 1000;

/// Figures of one way, and of each round.
type Rounds = Vec<Vec<f64>>;

/// Adds what tunnels and fetches cost.
pub(crate) async fn measure(report: &mut Report) {
    let [service, http] = [Peer::start("raw", "").await, Peer::start("http", "").await];
    let bare = Path::bare(&service, &http).await;
    let ours = Path::through(daemon_binary(), &service, &http).await;
    let other = match std::env::var_os(OTHER) {
        Some(executable) => Some(Path::through(executable.into(), &service, &http).await),
        None => None,
    };
    let paths: Vec<_> = [bare, ours].into_iter().chain(other).collect();
    let mut measured: Vec<Rounds> = vec![Rounds::new(); paths.len()];
    for _ in 0..ROUNDS {
        for rounds in &mut measured {
            rounds.push(Vec::with_capacity(FIGURES.len()));
        }
        for step in STEPS {
            for (path, rounds) in paths.iter().zip(&mut measured) {
                let figures = path.measured(step).await;
                rounds.last_mut().expect("a round").extend(figures);
            }
        }
    }
    for (at, (what, unit, (must, stretch))) in FIGURES.into_iter().enumerate() {
        let median = |rounds: &Rounds| median(rounds.iter().map(|round| round[at]).collect());
        let line = Line::new(what, unit, median(&measured[1]), median(&measured[0]));
        let other = measured.get(2).map(median);
        report.add(line.target(must, stretch).other(other));
    }
}

/// One way to the services: bare, or through two daemons.
struct Path {
    /// Where the raw service is reached, and by which processes.
    raw: String,
    raw_pids: [u32; 2],
    /// Where HTTP is reached, by which processes, and with which request.
    http: String,
    http_pids: [u32; 2],
    request: Request,
    _running: (Vec<Relay>, Vec<Subject>),
}

impl Path {
    async fn bare(service: &Peer, http: &Peer) -> Self {
        let raw = Relay::start(&service.address).await;
        let http = Relay::start(&http.address).await;
        Self {
            raw: raw.address().to_owned(),
            raw_pids: raw.pids(),
            http: http.address().to_owned(),
            http_pids: http.pids(),
            request: Request::get("/name"),
            _running: (vec![raw, http], Vec::new()),
        }
    }

    async fn through(executable: PathBuf, service: &Peer, http: &Peer) -> Self {
        let raw = Subject::start(&executable, &service.address).await;
        let http = Subject::start(&executable, &http.address).await;
        Self {
            raw: raw.tunnel().await,
            raw_pids: raw.pids(),
            http: http.api().to_owned(),
            http_pids: http.pids(),
            request: Request::post(&http.fetch_path(), &json!({ "path": "/name" })),
            _running: (Vec::new(), vec![raw, http]),
        }
    }

    async fn measured(&self, step: Step) -> Vec<f64> {
        match step {
            Step::Down => self.carried(1, raw::download).await.into(),
            Step::Up => self.carried(1, raw::upload).await.into(),
            Step::DownMany => vec![self.carried(8, raw::download).await[0]],
            Step::UpMany => vec![self.carried(8, raw::upload).await[0]],
            Step::Echo => vec![median_millis(raw::echoes(&self.raw, CALLS).await)],
            Step::Connect => {
                let mut connects = Vec::with_capacity(CONNECTIONS);
                for _ in 0..CONNECTIONS {
                    connects.push(raw::connect_and_echo(&self.raw).await);
                }
                vec![median_millis(connects)]
            }
            Step::Connections => {
                ports_are_free().await;
                vec![self.connections().await]
            }
            Step::Call => {
                let request = std::slice::from_ref(&self.request);
                vec![one_at_a_time(&self.http, request, CALLS).await]
            }
            Step::Calls => self.calls().await.into(),
        }
    }

    /// Mebibytes per second over `count` connections at once, and seconds of processor time for a gibibyte.
    async fn carried<F: Future<Output = u64> + Send + 'static>(
        &self,
        count: usize,
        transfer: impl Fn(String, Duration) -> F,
    ) -> [f64; 2] {
        let (started, before) = (Instant::now(), cpu::used(&self.raw_pids));
        let transfers = (0..count).map(|_| tokio::spawn(transfer(self.raw.clone(), WINDOW)));
        let carried = join_all(transfers).await;
        let carried = carried
            .into_iter()
            .map(|carried| carried.expect("a transfer does not panic"));
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
        let carried = carried.sum::<u64>() as f64;
        let used = cpu::used(&self.raw_pids) - before;
        let rate = carried / MEBIBYTE / started.elapsed().as_secs_f64();
        [rate, used / (carried / GIBIBYTE)]
    }

    /// Connections per second with one echo each, 32 at once.
    async fn connections(&self) -> f64 {
        let started = Instant::now();
        let connecting = (0..AT_ONCE).map(|_| {
            let address = self.raw.clone();
            tokio::spawn(async move {
                let mut connections = 0.0;
                while started.elapsed() < WINDOW {
                    raw::connect_and_echo(&address).await;
                    connections += 1.0;
                }
                connections
            })
        });
        let connections = join_all(connecting).await;
        let connections = connections
            .into_iter()
            .map(|connections| connections.expect("connecting does not panic"))
            .sum::<f64>();
        connections / started.elapsed().as_secs_f64()
    }

    /// Calls per second, 32 at once, and microseconds of processor time for a call.
    async fn calls(&self) -> [f64; 2] {
        let (started, before) = (Instant::now(), cpu::used(&self.http_pids));
        let rate = crate::at_once(&self.http, &self.request).await;
        let calls = rate * started.elapsed().as_secs_f64();
        let used = cpu::used(&self.http_pids) - before;
        [rate, used * 1e6 / calls]
    }
}

/// Waits while the system keeps the ports of connections that have ended; it does for a minute, and there are 28,000.
async fn ports_are_free() {
    eventually("ports are free", Duration::from_secs(90), async || {
        let sockets = std::fs::read_to_string("/proc/net/sockstat").ok()?;
        let mut words = sockets.split_whitespace().skip_while(|word| *word != "tw");
        let kept = words.nth(1)?.parse::<u64>().ok()?;
        (kept < MAX_KEPT_PORTS).then_some(())
    })
    .await;
}
