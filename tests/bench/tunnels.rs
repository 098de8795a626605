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
    (
        "tunnel up, 1 connection",
        Unit::MebibytesPerSecond,
        (0.70, 0.85),
    ),
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
    ("tunnel CPU down", Unit::CpuPerGib, (1.62, 1.35)),
    ("tunnel CPU up", Unit::CpuPerGib, (1.62, 1.35)),
    ("tunnel echo, p50", Unit::Millis, (1.5, 1.2)),
    ("tunnel connect + echo, p50", Unit::Millis, (1.5, 1.2)),
    ("tunnel connections", Unit::PerSecond, (0.50, 0.75)),
    ("fetch, p50", Unit::Millis, (2.1, 1.4)),
    ("fetch, 32 at once", Unit::PerSecond, (0.29, 0.42)),
    ("fetch CPU", Unit::CpuPerCall, (4.4, 2.9)),
];

/// Ports that may be kept for connections that have ended when the next ones are counted.
const MAX_KEPT_PORTS: u64 = 1000;

type Figures = [f64; FIGURES.len()];

/// Adds what tunnels and fetches cost.
pub(crate) async fn measure(report: &mut Report) {
    let [service, http] = [Peer::start("raw", "").await, Peer::start("http", "").await];
    let bare = Path::bare(&service, &http).await;
    let ours = Path::through(daemon_binary(), &service, &http).await;
    let other = match std::env::var_os(OTHER) {
        Some(executable) => Some(Path::through(executable.into(), &service, &http).await),
        None => None,
    };
    let (mut limits, mut figures, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        limits.push(bare.measured().await);
        figures.push(ours.measured().await);
        if let Some(other) = &other {
            others.push(other.measured().await);
        }
    }
    for (at, (what, unit, (must, stretch))) in FIGURES.into_iter().enumerate() {
        let median = |rounds: &[Figures]| median(rounds.iter().map(|round| round[at]).collect());
        let line = Line::new(what, unit, median(&figures), median(&limits));
        let other = (!others.is_empty()).then(|| median(&others));
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

    async fn measured(&self) -> Figures {
        let (down, down_cpu) = self.carried(1, raw::download).await;
        let (up, up_cpu) = self.carried(1, raw::upload).await;
        let (down_many, _) = self.carried(8, raw::download).await;
        let (up_many, _) = self.carried(8, raw::upload).await;
        let echo = median_millis(raw::echoes(&self.raw, CALLS).await);
        let mut connects = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            connects.push(raw::connect_and_echo(&self.raw).await);
        }
        ports_are_free().await;
        let connections = self.connections().await;
        let one = one_at_a_time(&self.http, std::slice::from_ref(&self.request), CALLS).await;
        let (rate, call_cpu) = self.calls().await;
        [
            down,
            up,
            down_many,
            up_many,
            down_cpu,
            up_cpu,
            echo,
            median_millis(connects),
            connections,
            one,
            rate,
            call_cpu,
        ]
    }

    /// Mebibytes per second over `count` connections at once, and seconds of processor time for a gibibyte.
    async fn carried<F: Future<Output = u64> + Send + 'static>(
        &self,
        count: usize,
        transfer: impl Fn(String, Duration) -> F,
    ) -> (f64, f64) {
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
        (rate, used / (carried / GIBIBYTE))
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
    async fn calls(&self) -> (f64, f64) {
        let (started, before) = (Instant::now(), cpu::used(&self.http_pids));
        let rate = crate::at_once(&self.http, &self.request).await;
        let calls = rate * started.elapsed().as_secs_f64();
        let used = cpu::used(&self.http_pids) - before;
        (rate, used * 1e6 / calls)
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
