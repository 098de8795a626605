// SPDX-License-Identifier: MPL-2.0
//! The data directory: ours alone, or the daemon does not start.
//!
//! The directory is 0700 and its files 0600. What is looser is tightened with one warning; what
//! belongs to another user, or stays writable for others, is refused.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a daemon keeps in its directory; nothing else there is touched.
const OURS: [&str; 11] = [
    "config.toml",
    "config.toml.bak",
    "daemon.lock",
    "keys",
    "keys/node.key",
    "state.db",
    "state.db-wal",
    "state.db-shm",
    "cache.db",
    "cache.db-wal",
    "cache.db-shm",
];

/// Why a directory is not fit to hold keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory cannot be created or read.
    #[error("cannot use the data directory {path}", path = path.display())]
    Io {
        /// The directory or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another user owns it.
    #[error("{path} belongs to another user (uid {owner}); choose another --data-dir", path = path.display())]
    ForeignOwner {
        /// The directory or the file in it.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// It is a directory everybody shares, like `/tmp`.
    #[error("{path} is shared by all users; choose a directory of its own inside it", path = path.display())]
    Shared {
        /// The directory.
        path: PathBuf,
    },
    /// Others can write to it, and that could not be changed.
    #[error("{path} is writable for other users and its mode cannot be changed", path = path.display())]
    Writable {
        /// The directory or the file in it.
        path: PathBuf,
    },
}

/// Creates `dir` where it is missing and makes sure that nobody else can change what is in it.
///
/// Returns the paths whose permissions were tightened.
///
/// # Errors
/// See [`Error`].
pub fn prepare(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    create(dir).map_err(|source| failed(dir, source))?;
    let mut tightened = Vec::new();
    restrict(dir, 0o700, &mut tightened)?;
    for name in OURS {
        let path = dir.join(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => restrict(&path, 0o700, &mut tightened)?,
            Ok(found) if found.is_file() => restrict(&path, 0o600, &mut tightened)?,
            // A link may lead anywhere, so what it leads to is not ours to change.
            _ => {}
        }
    }
    Ok(tightened)
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        source,
    }
}

fn create(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32, tightened: &mut Vec<PathBuf>) -> Result<(), Error> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let metadata = fs::metadata(path).map_err(|source| failed(path, source))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::ForeignOwner {
            path: path.to_owned(),
            owner: metadata.uid(),
        });
    }
    if metadata.mode() & 0o1002 == 0o1002 {
        return Err(Error::Shared {
            path: path.to_owned(),
        });
    }
    if metadata.mode() & 0o077 == 0 {
        return Ok(());
    }
    let changed = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let now = fs::metadata(path).map_err(|source| failed(path, source))?;
    if now.mode() & 0o022 != 0 {
        return Err(Error::Writable {
            path: path.to_owned(),
        });
    }
    if changed.is_ok() {
        tightened.push(path.to_owned());
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32, _tightened: &mut Vec<PathBuf>) -> Result<(), Error> {
    // Access lists are inherited from the user's profile directory there.
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_directory_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/b");
        assert!(prepare(&dir).unwrap().is_empty());
        assert_eq!(mode(&dir), 0o700);
    }

    #[test]
    fn a_shared_directory_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(matches!(prepare(dir.path()), Err(Error::Shared { .. })));
        assert_eq!(mode(dir.path()), 0o777);
    }

    #[test]
    fn looser_permissions_are_tightened_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        let key = keys.join("node.key");
        fs::create_dir(&keys).unwrap();
        fs::write(&key, "secret").unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o777)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();

        let tightened = prepare(dir.path()).unwrap();

        assert!(tightened.contains(&keys) && tightened.contains(&key));
        assert_eq!((mode(&keys), mode(&key)), (0o700, 0o600));
        assert!(prepare(dir.path()).unwrap().is_empty());
    }
}
