// SPDX-License-Identifier: MPL-2.0
//! Which networks were dialled in the last minute.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::MAX_DIAL_BACKS_PER_MINUTE;

const MINUTE: Duration = Duration::from_secs(60);

/// Counts dials by IPv4 address and IPv6 /64. It holds what was dialled in a minute, and no more.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    dials: VecDeque<(Instant, IpAddr)>,
    counts: HashMap<IpAddr, usize>,
}

impl Recent {
    /// Whether that address may be dialled now; if so, it is counted.
    pub(crate) fn admit(&mut self, ip: IpAddr, now: Instant) -> bool {
        self.forget(now);
        let network = network(ip);
        let count = self.counts.entry(network).or_default();
        let is_admitted = *count < MAX_DIAL_BACKS_PER_MINUTE;
        if is_admitted {
            *count += 1;
            self.dials.push_back((now, network));
        }
        is_admitted
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, network)) = self.dials.front().copied()
            && at + MINUTE <= now
        {
            self.dials.pop_front();
            let count = self.counts.entry(network).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&network);
            }
        }
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_dialled_twelve_times_a_minute() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        let address = |host: usize| format!("2001:db8:0:1::{host}").parse().unwrap();
        let admitted = (0..100).filter(|host| recent.admit(address(*host), start));
        assert_eq!(admitted.count(), MAX_DIAL_BACKS_PER_MINUTE);
        assert!(recent.admit("2001:db8:0:2::1".parse().unwrap(), start));
        assert!(recent.admit("192.0.2.1".parse().unwrap(), start));
        let almost = start + MINUTE - Duration::from_nanos(1);
        assert!(!recent.admit(address(1), almost));
        assert!(recent.admit(address(1), start + MINUTE));
        assert_eq!((recent.dials.len(), recent.counts.len()), (1, 1));
    }
}
