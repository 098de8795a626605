// SPDX-License-Identifier: MPL-2.0
//! Files the commands read and write.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::failure::Failure;

/// Writes a secret to a new file only its owner can read; an existing one is left alone.
pub(super) fn write_secret(path: &Path, secret: &str) -> Result<(), Failure> {
    let failed = |source| Failure::File {
        path: path.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    writeln!(file, "{secret}")
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_directory(path))
        .map_err(failed)
}

/// Makes sure that the name of the file at `path` outlives a crash too.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Directories cannot be synced here; a new name is journalled.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes a file that only its owner can read, as a whole or not at all; one that is there stays as
/// it is.
pub(super) fn write_once(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |source| Failure::File {
        path: path.to_owned(),
        source,
    };
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(failed)?;
    if path.exists() {
        return Ok(());
    }
    let part = path.with_extension("part");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part).map_err(failed)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // What is there of it would only take room.
        let _ = fs::remove_file(&part);
    }
    written.map_err(failed)
}

/// Writes `value` as JSON to a new file for temporary files that only its owner can read, and
/// returns where.
pub(super) fn rescue(prefix: &str, value: &impl Serialize) -> Result<PathBuf, Failure> {
    let (mut file, path) = tempfile::Builder::new()
        .prefix(prefix)
        .suffix(".json")
        .tempfile()
        .and_then(|file| Ok(file.keep()?))?;
    let written = serde_json::to_writer_pretty(&mut file, value).map_err(io::Error::from);
    match written.and_then(|()| file.sync_all()) {
        Ok(()) => Ok(path),
        Err(source) => Err(Failure::File { path, source }),
    }
}

/// All of the file at `path`; `-` is stdin.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_up_to(path, usize::MAX)
}

/// The first `most` bytes of the file at `path`; `-` is stdin.
pub(super) fn read_up_to(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(source) => Err(Failure::File {
            path: path.to_owned(),
            source,
        }),
    }
}
