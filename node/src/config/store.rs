// SPDX-License-Identifier: MPL-2.0
//! The settings of a running daemon.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use a2al_protocol::private_files::FileError;
use tokio::sync::watch;

use super::patch::{Patch, Patched};
use super::{Config, Invalid, Loaded, Settings, file};
use crate::guard::Access;
use crate::logging::Log;

/// Settings that can be read and changed while the daemon runs, and are written to its file.
#[derive(Debug)]
pub struct Store {
    file: PathBuf,
    settings: Mutex<Settings>,
    access: watch::Sender<Access>,
    log: Log,
}

/// Why settings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The daemon could not start with them.
    #[error("invalid config: {0}")]
    Invalid(#[from] Invalid),
    /// The file cannot be written.
    #[error("config not written")]
    File(#[from] FileError),
}

impl Store {
    /// The store of what was loaded at start.
    pub fn new(loaded: Loaded, log: Log) -> Self {
        Self {
            file: loaded.file,
            settings: Mutex::new(loaded.settings),
            access: watch::Sender::new(loaded.config.access),
            log,
        }
    }

    /// Who may call the API, kept up to date.
    pub fn access(&self) -> watch::Receiver<Access> {
        self.access.subscribe()
    }

    /// The settings as they may be shown: the token is masked.
    pub fn shown(&self) -> Settings {
        self.settings().clone().masked()
    }

    /// Makes the changes of `patch`: in the file first, then at once what needs no restart.
    ///
    /// Writes to the disk, so not for an async task.
    ///
    /// # Errors
    /// [`PatchError::Invalid`] when the daemon could not start with the result, which then is not
    /// written; [`PatchError::File`] when it cannot be written, and then nothing has changed.
    pub fn patch(&self, patch: &Patch) -> Result<(Patched, Config), PatchError> {
        let mut settings = self.settings();
        let changes = patch.changes();
        let new = settings.with(&changes);
        let (config, _) = Config::new(&new)?;
        file::edit(&self.file, &changes)?;
        *settings = new;
        self.access.send_replace(config.access.clone());
        self.log.apply(&config.log);
        Ok((Patched::new(&changes), config))
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        // Settings are replaced as a whole, so a panic elsewhere cannot have left half of them.
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
