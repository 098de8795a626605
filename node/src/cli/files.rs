// SPDX-License-Identifier: MPL-2.0
//! Files the commands read and write.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

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
        .map_err(failed)
}

/// All of the file at `path`; `-` is stdin.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = if path == Path::new("-") {
        stdin()
    } else {
        fs::read(path)
    };
    read.map_err(|source| Failure::File {
        path: path.to_owned(),
        source,
    })
}

fn stdin() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
