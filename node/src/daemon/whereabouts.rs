// SPDX-License-Identifier: MPL-2.0
//! Where the API of a running daemon is, written down for programs on the same data directory.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use a2al_protocol::private_files::{FileError, write_atomically};

/// The note of a running daemon; it goes with the daemon.
#[derive(Debug)]
pub(super) struct Whereabouts {
    path: PathBuf,
}

impl Whereabouts {
    /// Writes down that the API of the daemon on `data_dir` is at `api_addr`.
    pub(super) fn tell(data_dir: &Path, api_addr: SocketAddr) -> Result<Self, FileError> {
        let path = path(data_dir);
        write_atomically(&path, format!("{api_addr}\n").as_bytes())?;
        Ok(Self { path })
    }

    /// Forgets what a daemon that was killed has left. The caller has the lock of `data_dir`.
    pub(super) fn forget(data_dir: &Path) {
        // There usually is none.
        let _ = fs::remove_file(path(data_dir));
    }

    /// Where this machine reaches the API of the daemon on `data_dir`; `None` before it says so.
    pub(super) fn ask(data_dir: &Path) -> Option<SocketAddr> {
        let text = fs::read_to_string(path(data_dir)).ok()?;
        Some(from_here(text.trim().parse().ok()?))
    }
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        // One that stays is overwritten by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Where this machine reaches what listens on `addr`.
pub(super) fn from_here(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    addr
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("daemon.api")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_as_long_as_the_daemon() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Whereabouts::ask(dir.path()), None);
        for (told, reached) in [
            ("127.0.0.1:7", "127.0.0.1:7"),
            ("0.0.0.0:7", "127.0.0.1:7"),
            ("[::]:7", "[::1]:7"),
        ] {
            let note = Whereabouts::tell(dir.path(), told.parse().unwrap()).unwrap();
            assert_eq!(Whereabouts::ask(dir.path()), Some(reached.parse().unwrap()));
            drop(note);
            assert_eq!(Whereabouts::ask(dir.path()), None);
        }
    }
}
