// SPDX-License-Identifier: MPL-2.0
//! Files and directories nobody else may read.

#[cfg(not(unix))]
#[path = "files/other.rs"]
mod system;
#[cfg(unix)]
#[path = "files/unix.rs"]
mod system;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use system::{make_dir, private_options, protect, sync_dir};

/// Why a file or directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It belongs to another user, who could read or replace it.
    #[error("{} belongs to another user", path.display())]
    ForeignOwner {
        /// The file or directory.
        path: PathBuf,
    },
}

impl FileError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Makes sure `path` is a directory of ours that only we can enter.
///
/// # Errors
/// When it belongs to someone else, or cannot be made or tightened.
pub(crate) fn ensure_dir(path: &Path) -> Result<(), FileError> {
    make_dir(path).map_err(FileError::io(path))?;
    protect(path, 0o700)
}

/// Makes sure `path` is a file of ours that only we can read.
///
/// # Errors
/// When it belongs to someone else, or cannot be made or tightened.
pub(crate) fn ensure_file(path: &Path) -> Result<(), FileError> {
    match private_options().create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => protect(path, 0o600),
        Err(error) => Err(FileError::io(path)(error)),
    }
}

/// Writes a file so that after a crash it is there as a whole or not at all.
///
/// # Errors
/// When the system refuses any step.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let fresh = path.with_extension("tmp");
    write_synced(&fresh, content).map_err(FileError::io(&fresh))?;
    fs::rename(&fresh, path).map_err(FileError::io(path))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    sync_dir(dir).map_err(FileError::io(dir))
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private_options().create(true).truncate(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_write_leaves_no_second_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_what_is_ours() {
        use std::os::unix::fs::PermissionsExt as _;

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let root = tempfile::tempdir().unwrap();
        let (dir, file) = (root.path().join("dir"), root.path().join("dir/file"));
        ensure_dir(&dir).unwrap();
        ensure_file(&file).unwrap();
        assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        ensure_dir(&dir).unwrap();
        ensure_file(&file).unwrap();
        assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));
    }
}
