// SPDX-License-Identifier: MPL-2.0
//! Private files where permissions are mode bits.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::FileError;

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
