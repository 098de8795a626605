// SPDX-License-Identifier: MPL-2.0
//! Private files where the user's own directory is private already, by its access list.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::FileError;

pub(super) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    options
}

pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Directories cannot be synced here; the file system journals the rename itself.
pub(super) fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Nothing to take away.
pub(super) fn protect(_: &Path, _: u32) -> Result<(), FileError> {
    Ok(())
}
