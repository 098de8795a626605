// SPDX-License-Identifier: MPL-2.0
//! The user's files: read, and replaced as a whole, with what was there kept beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use a2al_protocol::private_files::FileError;
use tempfile::NamedTempFile;

use super::Error;

/// Links that are followed to a file.
const MAX_LINKS: usize = 16;

/// Backups of one file; a further one is refused.
const MAX_BACKUPS: usize = 1000;

/// The text of the file at `path`, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::io(path)(error).into()),
    }
}

/// Writes `new`, and what was there before, `old`, beside it as `.bak`.
///
/// The file keeps its mode, and a link stays one: some people keep their settings elsewhere. A file
/// that is not `old` any more is left alone.
pub(super) fn replace(path: &Path, old: Option<&str>, new: &str) -> Result<(), Error> {
    let target = target(path);
    let dir = directory(&target);
    fs::create_dir_all(dir).map_err(FileError::io(dir))?;
    let fresh = written(&target, dir, new).map_err(FileError::io(&target))?;
    let backup = match old {
        Some(old) => Some(backup(path, &target, old).map_err(FileError::io(path))?),
        None => None,
    };
    if read(&target)?.as_deref() != old {
        // It holds what nobody needs now; whether it goes does not matter.
        let _ = backup.map(fs::remove_file);
        return Err(Error::Changed(path.to_owned()));
    }
    let kept = match old {
        Some(_) => fresh.persist(&target),
        None => fresh.persist_noclobber(&target),
    };
    kept.map_err(|failed| FileError::io(&target)(failed.error))?;
    // What is lost in a crash right now is the old file's end, not the file.
    let _ = File::open(dir).and_then(|dir| dir.sync_all());
    Ok(())
}

/// Where the links at `path` lead to, whether or not something is there.
fn target(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(next) = fs::read_link(&target) else {
            break;
        };
        target = directory(&target).join(next);
    }
    target
}

fn directory(path: &Path) -> &Path {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    dir.unwrap_or(Path::new("."))
}

/// `text` in a new file in `dir`, with the mode of the one that it is to replace.
fn written(target: &Path, dir: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut fresh = NamedTempFile::with_prefix_in(".a2al-", dir)?;
    fresh.write_all(text.as_bytes())?;
    if let Ok(found) = fs::metadata(target) {
        fresh.as_file().set_permissions(found.permissions())?;
    }
    fresh.as_file().sync_all()?;
    Ok(fresh)
}

/// Keeps `text` under the first name that is free: `.bak`, `.bak.1` and so on.
fn backup(path: &Path, target: &Path, text: &str) -> io::Result<PathBuf> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for number in 0..MAX_BACKUPS {
        let mut name = path.as_os_str().to_owned();
        name.push(".bak");
        if number > 0 {
            name.push(format!(".{number}"));
        }
        let mut file = match options.open(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::metadata(target)?.permissions())?;
        file.sync_all()?;
        return Ok(name.into());
    }
    Err(io::Error::other("too many backups beside it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_meanwhile_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.json");
        for old in [Some("before"), None] {
            fs::write(&path, "meanwhile").unwrap();
            assert!(matches!(replace(&path, old, "new"), Err(Error::Changed(_))));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "meanwhile");
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing is left"
        );
    }

    #[test]
    fn nothing_of_the_users_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["c.json", "c.json.bak", "c.tmp"] {
            fs::write(at(name), name).unwrap();
        }
        replace(&at("c.json"), Some("c.json"), "one").unwrap();
        replace(&at("c.json"), Some("one"), "two").unwrap();
        for (name, text) in [
            ("c.json", "two"),
            ("c.json.bak", "c.json.bak"),
            ("c.json.bak.1", "c.json"),
            ("c.json.bak.2", "one"),
            ("c.tmp", "c.tmp"),
        ] {
            assert_eq!(fs::read_to_string(at(name)).unwrap(), text, "{name}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
    }

    #[cfg(unix)]
    #[test]
    fn modes_and_links_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for mode in [0o644, 0o400, 0o600] {
            let path = at(&format!("{mode:o}"));
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            replace(&path, Some("old"), "new").unwrap();
            let now = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(now & 0o777, mode);
        }
        symlink("elsewhere/file", at("link")).unwrap();
        replace(&at("link"), None, "new").unwrap();
        replace(&at("link"), Some("new"), "newer").unwrap();
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(at("elsewhere/file")).unwrap(), "newer");
    }
}
