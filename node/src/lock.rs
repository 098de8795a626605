// SPDX-License-Identifier: MPL-2.0
//! One daemon per data directory: a lock the system drops with the process, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The lock of one data directory, held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock is not ours.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another daemon runs on the same data directory.
    #[error("a2ald already runs on {dir} (pid {pid}); stop it or choose another --data-dir", dir = dir.display())]
    Held {
        /// The data directory.
        dir: PathBuf,
        /// The process holding the lock, as it wrote it; `unknown` when it did not.
        pid: String,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {path}", path = path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock of `dir` and leaves our process number in it.
    ///
    /// # Errors
    /// [`Error::Held`] when another process has it, [`Error::Io`] when the file cannot be used.
    pub fn take(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("daemon.lock");
        let failed = |source| Error::Io {
            path: path.clone(),
            source,
        };
        let mut file = open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Held {
                    dir: dir.to_owned(),
                    pid: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        sign(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path()).unwrap();
        let Err(Error::Held { pid, .. }) = Lock::take(dir.path()) else {
            panic!("two locks on one directory");
        };
        assert_eq!(pid, std::process::id().to_string());
        drop(held);
        Lock::take(dir.path()).unwrap();
    }
}
