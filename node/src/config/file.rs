// SPDX-License-Identifier: MPL-2.0
//! `config.toml` on disk: read, created, and edited without losing a comment.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use a2al_protocol::private_files::{FileError, write_atomically};
use toml::Table;
use toml_edit::{DocumentMut, Item};

/// Begins a file the daemon creates itself.
const HEADER: &str = "\
# Configuration of a2ald. Every key is optional; the README lists them with their defaults.
# Environment (A2AL_*) and flags win over this file.

";

/// The content of the file at `path`; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::io(path)(error)),
    }
}

/// Writes a new file holding `said`.
pub(super) fn create(path: &Path, said: &Table) -> Result<(), FileError> {
    write_atomically(path, format!("{HEADER}{said}").as_bytes())
}

/// Writes `changes` into the file at `path`, keeping all else as it stands, and the old file
/// beside it as `.bak`.
pub(super) fn edit(path: &Path, changes: &Table) -> Result<(), FileError> {
    let text = read(path)?.unwrap_or_default();
    let edited = edited(&text, changes).map_err(FileError::io(path))?;
    write_atomically(&backup(path), text.as_bytes())?;
    write_atomically(path, edited.as_bytes())
}

fn edited(text: &str, changes: &Table) -> io::Result<String> {
    let mut document: DocumentMut = text.parse().map_err(io::Error::other)?;
    for (key, value) in changes {
        let value = value.to_string().parse().map_err(io::Error::other)?;
        set(&mut document, key, value);
    }
    Ok(document.to_string())
}

fn set(document: &mut DocumentMut, key: &str, mut value: toml_edit::Value) {
    let Some(item) = document.get_mut(key) else {
        document.insert(key, Item::Value(value));
        return;
    };
    // Comments before and behind the old value belong to the key, so they stay.
    if let Some(old) = item.as_value() {
        *value.decor_mut() = old.decor().clone();
    }
    *item = Item::Value(value);
}

fn backup(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".bak");
    name.into()
}
