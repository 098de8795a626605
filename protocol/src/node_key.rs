// SPDX-License-Identifier: MPL-2.0
//! The node's own key on disk: `node.key`, 128 hexadecimal digits without a line end, as the reference writes it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::SigningKey;
use crate::key::KeyError;
use crate::private_files::{self, FileError};

/// Why there is no node key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeKeyError {
    /// The file cannot be read, made or protected.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file holds something else. A new key would give the node another address, so none is made.
    #[error("{} does not hold a node key", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: KeyError,
    },
}

/// Reads the node key in `dir`, or makes one if there is none yet.
///
/// # Errors
/// [`NodeKeyError`]; an existing file is never replaced.
pub fn load_or_create(dir: &Path) -> Result<SigningKey, NodeKeyError> {
    private_files::ensure_dir(dir)?;
    let path = dir.join("node.key");
    match fs::read_to_string(&path) {
        Ok(text) => {
            private_files::ensure_file(&path)?;
            SigningKey::from_private_hex(&Zeroizing::new(text))
                .map_err(|source| NodeKeyError::Malformed { path, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = SigningKey::generate();
            private_files::write_atomically(&path, key.private_hex().as_bytes())?;
            Ok(key)
        }
        Err(error) => Err(FileError::io(&path)(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let made = load_or_create(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join("node.key")).unwrap();
        assert_eq!(text.len(), 128);
        assert_eq!(load_or_create(dir.path()).unwrap().public(), made.public());
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        private_files::write_atomically(&path, b"damaged").unwrap();
        assert!(matches!(
            load_or_create(dir.path()),
            Err(NodeKeyError::Malformed { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), b"damaged");
    }
}
