// SPDX-License-Identifier: MPL-2.0
//! Files and directories nobody else may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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

#[cfg(unix)]
mod system {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};

    use super::*;

    pub(super) fn private_options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        options
    }

    pub(super) fn make_dir(path: &Path) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
    }

    pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Refuses what another user owns and takes away what others may do.
    pub(super) fn protect(path: &Path, mode: u32) -> Result<(), FileError> {
        let found = fs::metadata(path).map_err(FileError::io(path))?;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(FileError::ForeignOwner {
                path: path.to_owned(),
            });
        }
        if found.permissions().mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "was open to other users; tightened");
            let tight = fs::Permissions::from_mode(mode);
            fs::set_permissions(path, tight).map_err(FileError::io(path))?;
        }
        Ok(())
    }
}

#[cfg(not(unix))]
mod system {
    use super::*;

    pub(super) fn private_options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true);
        options
    }

    pub(super) fn make_dir(path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    /// Directories cannot be synced here; the rename itself is journalled.
    pub(super) fn sync_dir(_: &Path) -> io::Result<()> {
        Ok(())
    }

    /// The user's profile directory is private by its own access list.
    pub(super) fn protect(_: &Path, _: u32) -> Result<(), FileError> {
        Ok(())
    }
}

use system::{make_dir, private_options, protect, sync_dir};
