// SPDX-License-Identifier: MPL-2.0
//! Files and directories that nobody else may read or change: 0600 and 0700.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why a file or directory is not fit to hold secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refused.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It belongs to another user, who could read or replace it.
    #[error("{} belongs to another user (uid {owner})", path.display())]
    ForeignOwner {
        /// The file or directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// It is a directory that everybody shares, like `/tmp`.
    #[error("{} is shared by all users; choose a directory of its own inside it", path.display())]
    Shared {
        /// The directory.
        path: PathBuf,
    },
    /// Others can write to it, and that could not be changed.
    #[error("{} is writable for other users and its mode cannot be changed", path.display())]
    Writable {
        /// The file or directory.
        path: PathBuf,
    },
}

impl FileError {
    /// Names the file that a system error is about.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Makes sure that `path` is a directory of ours which only we can enter; creates it where it is missing.
///
/// One that was open to others is tightened, with a warning.
///
/// # Errors
/// [`FileError`], by the first rule that it breaks.
pub fn ensure_dir(path: &Path) -> Result<(), FileError> {
    make_dir(path).map_err(FileError::io(path))?;
    restrict(path, 0o700)
}

/// Makes sure that `path` is a file of ours which only we can read; creates an empty one where it is missing.
///
/// One that was open to others is tightened, with a warning.
///
/// # Errors
/// [`FileError`], by the first rule that it breaks.
pub fn ensure_file(path: &Path) -> Result<(), FileError> {
    match private_options().create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => restrict(path, 0o600),
        Err(error) => Err(FileError::io(path)(error)),
    }
}

/// Writes a file that only we can read, so that after a crash the old or the new content is there as a whole.
///
/// # Errors
/// [`FileError::Io`] if the system refuses any step.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let fresh = fresh(path);
    // What is left from a crash goes, and nothing that somebody else put there is written to.
    let _ = fs::remove_file(&fresh);
    let written = write_synced(&fresh, content).and_then(|()| fs::rename(&fresh, path));
    written.map_err(FileError::io(path))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or(Path::new("."));
    sync_dir(dir).map_err(FileError::io(dir))
}

/// The name beside `path` that is written first: nobody else's, `c.toml` and `c.json` keep apart.
fn fresh(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".a2al-new");
    path.with_file_name(name)
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private_options().create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(unix)]
mod system {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};

    use super::{File, FileError, OpenOptions, Path, fs, io};

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

    /// Refuses what another user owns or everybody shares, and takes away what others may do.
    pub(super) fn restrict(path: &Path, mode: u32) -> Result<(), FileError> {
        let found = fs::metadata(path).map_err(FileError::io(path))?;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(FileError::ForeignOwner {
                path: path.to_owned(),
                owner: found.uid(),
            });
        }
        // The sticky bit on a directory that all may write to.
        if found.mode() & 0o1002 == 0o1002 {
            return Err(FileError::Shared {
                path: path.to_owned(),
            });
        }
        if found.mode() & 0o077 == 0 {
            return Ok(());
        }
        let changed = fs::set_permissions(path, fs::Permissions::from_mode(mode));
        let now = fs::metadata(path).map_err(FileError::io(path))?;
        if now.mode() & 0o022 != 0 {
            return Err(FileError::Writable {
                path: path.to_owned(),
            });
        }
        if changed.is_ok() {
            tracing::warn!(path = %path.display(), "was open to other users; tightened");
        }
        Ok(())
    }
}

#[cfg(not(unix))]
mod system {
    use super::{FileError, OpenOptions, Path, fs, io};

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
    pub(super) fn restrict(_: &Path, _: u32) -> Result<(), FileError> {
        Ok(())
    }
}

use system::{make_dir, private_options, restrict, sync_dir};

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_new_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/b");
        ensure_dir(&dir).unwrap();
        let file = dir.join("file");
        ensure_file(&file).unwrap();
        write_atomically(&file, b"new").unwrap();
        assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }

    #[test]
    fn files_of_others_beside_it_are_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("c.tmp"), "mine").unwrap();
        fs::write(at("elsewhere"), "mine").unwrap();
        std::os::unix::fs::symlink(at("elsewhere"), fresh(&at("c.toml"))).unwrap();
        write_atomically(&at("c.toml"), b"new").unwrap();
        for (name, text) in [("c.tmp", "mine"), ("elsewhere", "mine"), ("c.toml", "new")] {
            assert_eq!(fs::read_to_string(at(name)).unwrap(), text, "{name}");
        }
        assert!(fs::symlink_metadata(at("c.toml")).unwrap().is_file());
    }

    #[test]
    fn what_is_looser_is_tightened() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "secret").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        ensure_file(&file).unwrap();
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn a_directory_that_all_users_share_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(matches!(
            ensure_dir(dir.path()),
            Err(FileError::Shared { .. })
        ));
        assert_eq!(mode(dir.path()), 0o777);
    }
}
