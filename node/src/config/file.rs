// SPDX-License-Identifier: MPL-2.0
//! `config.toml` on disk: read, created, and edited without losing a comment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use toml::Table;
use toml_edit::{DocumentMut, Item};

/// Begins a file the daemon creates itself.
const HEADER: &str = "\
# Configuration of a2ald. Every key is optional; the README lists them with their defaults.
# Environment (A2AL_*) and flags win over this file.

";

/// The content of the file at `path`; `None` when there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a new file holding `said`.
pub(super) fn create(path: &Path, said: &Table) -> io::Result<()> {
    replace(path, &format!("{HEADER}{said}"))
}

/// Writes `changes` into the file at `path`, keeping all else as it stands, and the old file
/// beside it as `.bak`.
pub(super) fn edit(path: &Path, changes: &Table) -> io::Result<()> {
    let text = read(path)?.unwrap_or_default();
    let mut document: DocumentMut = text.parse().map_err(io::Error::other)?;
    for (key, value) in changes {
        set(&mut document, key, value)?;
    }
    replace(&with_suffix(path, ".bak"), &text)?;
    replace(path, &document.to_string())
}

fn set(document: &mut DocumentMut, key: &str, value: &toml::Value) -> io::Result<()> {
    let mut value: toml_edit::Value = value.to_string().parse().map_err(io::Error::other)?;
    match document.get_mut(key) {
        // Comments before and behind the old value belong to the key, so they stay.
        Some(item) => {
            if let Some(old) = item.as_value() {
                *value.decor_mut() = old.decor().clone();
            }
            *item = Item::Value(value);
        }
        None => drop(document.insert(key, Item::Value(value))),
    }
    Ok(())
}

/// Puts `text` at `path` in one step: a reader, or a crash, sees the old file or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = with_suffix(path, ".new");
    let mut file = private(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        Some(dir) => sync_dir(dir),
        None => sync_dir(Path::new(".")),
    }
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
