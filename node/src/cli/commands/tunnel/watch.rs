// SPDX-License-Identifier: MPL-2.0
//! A tunnel as it goes on: one line that is written over on a terminal, a line a second elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use a2al_service::model::Tunnel;
use axum::http::StatusCode;
use tokio::time::sleep;

use super::path;
use crate::cli::{Context, Failure};
use crate::output;

/// Time between two looks at the tunnel.
const INTERVAL: Duration = Duration::from_secs(1);

/// Shows bytes and rates until the tunnel is closed or the user ends it.
pub(super) async fn run(context: &Context, id: &str) -> Result<(), Failure> {
    let path = path(id)?;
    let is_live = std::io::stdout().is_terminal() && !context.print.is_json();
    let mut before: Option<(Instant, Tunnel)> = None;
    let ended = async {
        loop {
            let tunnel: Tunnel = match context.client.get(&path).await {
                Ok(tunnel) => tunnel,
                Err(failure) if before.is_some() && is_gone(&failure) => return Ok(()),
                Err(failure) => return Err(failure),
            };
            let now = Instant::now();
            let line = line(before.as_ref().map(|(at, last)| (now - *at, last)), &tunnel);
            if is_live {
                // Back to the first column, and away with the old line.
                output::raw(format!("\r\u{1b}[K{line}").as_bytes());
            } else {
                context.print.data(&tunnel, |_| line);
            }
            before = Some((now, tunnel));
            sleep(INTERVAL).await;
        }
    };
    let ended = tokio::select! {
        ended = ended => ended,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Failure::from),
    };
    if is_live {
        output::raw(b"\n");
    }
    ended
}

fn is_gone(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
}

fn line(before: Option<(Duration, &Tunnel)>, now: &Tunnel) -> String {
    let rate = |now: u64, before: u64, time: Duration| {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        size(now.saturating_sub(before).saturating_mul(1000) / millis)
    };
    let (up, down) = match before {
        Some((time, last)) => (
            rate(now.bytes_up, last.bytes_up, time),
            rate(now.bytes_down, last.bytes_down, time),
        ),
        None => (size(0), size(0)),
    };
    format!(
        "{} connections  sent {} ({up}/s)  received {} ({down}/s)",
        now.active_conns,
        size(now.bytes_up),
        size(now.bytes_down),
    )
}

/// Bytes as people read them.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut rest, mut unit) = (bytes, 0, "B");
    for larger in UNITS {
        if whole < 1024 {
            break;
        }
        (whole, rest, unit) = (whole / 1024, whole % 1024, larger);
    }
    if unit == "B" {
        format!("{whole} B")
    } else {
        format!("{whole}.{} {unit}", rest * 10 / 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (32 << 20, "32.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
