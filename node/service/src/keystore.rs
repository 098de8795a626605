// SPDX-License-Identifier: MPL-2.0
//! Keys that are made here and never leave: what an assistant or a script works with by address
//! alone.
//!
//! The operational key stays with this node. The master key waits for its owner, in two shares:
//! one in `state.db`, one in a file of its own. Each alone is random; together they are the key.
//! Once the owner has a copy, both are wiped.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use a2al_protocol::aid::Version;
use a2al_protocol::delegation::{Delegation, Terms};
use a2al_protocol::limits::MAX_KEPT_KEYS;
use a2al_protocol::private_files::{self, FileError};
use a2al_protocol::{Aid, DelegationProof, SigningKey, UnixSeconds, WalletKey};
use zeroize::{Zeroize, Zeroizing};

use crate::identity::Chain;
use crate::model::{self, Secret};
use crate::store::Change;
use crate::{Error, Service, clock};

/// An operational key that is kept for an address.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The address.
    pub(crate) aid: Aid,
    /// The key.
    pub(crate) key: SigningKey,
    /// The proof for it; `None` until a wallet has signed.
    pub(crate) delegation: Option<Delegation>,
    /// Since when it is kept.
    pub(crate) at: UnixSeconds,
}

/// One of two shares of a master key; says nothing by itself.
#[derive(Clone)]
pub(crate) struct Share(Vec<u8>);

impl Share {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Two shares of `secret`.
    fn split(secret: &str) -> Result<(Self, Self), getrandom::Error> {
        let mut pad = vec![0; secret.len()];
        getrandom::fill(&mut pad)?;
        let other = pad.iter().zip(secret.bytes()).map(|(pad, byte)| pad ^ byte);
        Ok((Self(other.collect()), Self(pad)))
    }

    /// The secret that both are shares of.
    fn join(&self, other: &Self) -> Option<Secret> {
        let bytes = self.0.iter().zip(&other.0).map(|(one, other)| one ^ other);
        let bytes = Zeroizing::new(bytes.collect::<Vec<_>>());
        let text = std::str::from_utf8(&bytes).ok()?;
        (self.0.len() == other.0.len()).then(|| Secret::new(text))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(…)")
    }
}

/// What is kept, in memory. Only the writer of the store changes it, right after each commit.
#[derive(Debug, Default)]
pub(crate) struct Keystore {
    keys: RwLock<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    kept: HashMap<Aid, Arc<Kept>>,
    masters: HashMap<Aid, Share>,
}

impl Keystore {
    /// What was saved.
    pub(crate) fn new(kept: Vec<Kept>, masters: Vec<(Aid, Share)>) -> Self {
        let kept = kept.into_iter().map(|kept| (kept.aid, Arc::new(kept)));
        let keys = Keys {
            kept: kept.collect(),
            masters: masters.into_iter().collect(),
        };
        Self {
            keys: RwLock::new(keys),
        }
    }

    /// Follows a change that was committed.
    pub(crate) fn apply(&self, change: &Change) {
        match change {
            Change::Keep { kept, master } => {
                let mut keys = self.write();
                keys.kept.insert(kept.aid, Arc::clone(kept));
                if let Some(share) = master {
                    keys.masters.insert(kept.aid, share.clone());
                }
            }
            Change::Register { credential, .. } => {
                self.write().kept.remove(&credential.aid());
            }
            Change::WipeMaster { aid } => {
                self.write().masters.remove(aid);
            }
            _ => {}
        }
    }

    /// The key that is kept for `aid`.
    pub(crate) fn kept(&self, aid: &Aid) -> Option<Arc<Kept>> {
        self.read().kept.get(aid).cloned()
    }

    fn master(&self, aid: &Aid) -> Option<Share> {
        self.read().masters.get(aid).cloned()
    }

    /// The addresses whose master keys wait for a backup.
    pub(crate) fn waiting(&self) -> BTreeSet<Aid> {
        self.read().masters.keys().copied().collect()
    }

    fn is_full(&self) -> bool {
        let keys = self.read();
        keys.kept.len().max(keys.masters.len()) >= MAX_KEPT_KEYS
    }

    // Nothing panics while the lock is held; what it guards is still whole.
    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A master key that was just made.
enum Master {
    Native(SigningKey),
    Wallet(Chain, WalletKey),
}

impl Master {
    fn aid(&self) -> Aid {
        match self {
            Self::Native(key) => key.public().aid(),
            Self::Wallet(chain, key) => chain.aid(key),
        }
    }

    /// The text that restores it, as `generate_identity` and `generate_wallet` show it.
    fn text(&self) -> Zeroizing<String> {
        match self {
            Self::Native(key) => key.private_hex(),
            Self::Wallet(_, key) => key.to_hex(),
        }
    }

    fn delegate(&self, terms: Terms) -> DelegationProof {
        let proof = match self {
            Self::Native(key) => DelegationProof::by_master(key, terms),
            Self::Wallet(_, key) => DelegationProof::by_wallet(key, terms),
        };
        proof.expect("the address is that of the key")
    }
}

impl Service {
    /// Makes an identity with an Ed25519 master key and keeps its keys: the operational one to
    /// [`register_kept`](Self::register_kept), the master key for the owner's
    /// [`backup`](Self::backup).
    ///
    /// # Errors
    /// [`Error::TooManyKept`], [`Error::Storage`], [`Error::StorageFull`], [`Error::KeyFile`].
    pub async fn keep_identity(&self) -> Result<model::KeptIdentity, Error> {
        self.keep_both(Master::Native(SigningKey::generate())).await
    }

    /// The same with a new wallet as the master key.
    ///
    /// # Errors
    /// [`Input::Chain`](crate::Input::Chain), or as [`keep_identity`](Self::keep_identity).
    pub async fn keep_wallet(
        &self,
        request: model::GenerateWallet,
    ) -> Result<model::KeptIdentity, Error> {
        let chain = Chain::named(request.chain.as_deref().unwrap_or_default())?;
        self.keep_both(Master::Wallet(chain, WalletKey::generate()))
            .await
    }

    async fn keep_both(&self, master: Master) -> Result<model::KeptIdentity, Error> {
        if self.core.keystore.is_full() {
            return Err(Error::TooManyKept(MAX_KEPT_KEYS));
        }
        let (aid, key) = (master.aid(), SigningKey::generate());
        let terms = Terms::new(aid, key.public(), clock::now());
        let delegation = master.delegate(terms).verify(clock::now());
        let delegation = delegation.expect("a proof of this moment holds");
        let (share, pad) = Share::split(&master.text())
            .map_err(|error| Error::KeyFile(FileError::io(&self.masters())(error.into())))?;
        self.write_share(aid, pad).await?;
        let kept = Arc::new(Kept {
            aid,
            key,
            delegation: Some(delegation),
            at: clock::now(),
        });
        let saved = self.core.store.write(Change::Keep {
            kept,
            master: Some(share),
        });
        saved.await?;
        tracing::info!(%aid, "keys kept; the master key waits for its owner's backup");
        Ok(self.kept_identity(aid))
    }

    /// Keeps a new operational key for the owner of a wallet to sign.
    ///
    /// # Errors
    /// As [`keep_identity`](Self::keep_identity).
    pub(crate) async fn keep_key_for(&self, aid: Aid) -> Result<SigningKey, Error> {
        let key = SigningKey::generate();
        self.keep_key(aid, key.clone(), None).await?;
        Ok(key)
    }

    /// Keeps an operational key, in place of one that is kept for the same address.
    pub(crate) async fn keep_key(
        &self,
        aid: Aid,
        key: SigningKey,
        delegation: Option<Delegation>,
    ) -> Result<(), Error> {
        if self.core.keystore.is_full() {
            return Err(Error::TooManyKept(MAX_KEPT_KEYS));
        }
        let kept = Arc::new(Kept {
            aid,
            key,
            delegation,
            at: clock::now(),
        });
        let change = Change::Keep { kept, master: None };
        Ok(self.core.store.write(change).await?)
    }

    /// Hosts the agent of a key that is kept here.
    ///
    /// # Errors
    /// [`Error::NoKeptKey`], or as [`register`](Self::register).
    pub async fn register_kept(
        &self,
        aid: Aid,
        service_tcp: Option<&str>,
    ) -> Result<model::Registered, Error> {
        let kept = self.core.keystore.kept(&aid).ok_or(Error::NoKeptKey)?;
        let delegation = kept.delegation.clone().ok_or(Error::NoKeptKey)?;
        self.host(kept.key.clone(), delegation, service_tcp).await
    }

    /// What was made here: the addresses whose keys wait to be registered or backed up.
    pub fn kept_identities(&self) -> model::KeptList {
        let waiting = self.core.keystore.waiting();
        let kept = self.core.keystore.read().kept.keys().copied().collect();
        let all: BTreeSet<Aid> = waiting.union(&kept).copied().collect();
        let identities = all.into_iter().map(|aid| model::Kept {
            aid,
            registered: self.core.registry.get(&aid).is_some(),
            master_waits: waiting.contains(&aid),
        });
        model::KeptList {
            identities: identities.collect(),
        }
    }

    /// What its owner has to know of an identity that was made here.
    pub fn kept_identity(&self, aid: Aid) -> model::KeptIdentity {
        model::KeptIdentity::new(aid, self.core.config.api_addr)
    }

    /// Whether the master key of `aid` waits for its owner's backup.
    pub fn awaits_backup(&self, aid: &Aid) -> bool {
        self.core.keystore.master(aid).is_some()
    }

    /// The master key of an identity that was made here, for its owner to save. It stays until it
    /// is [wiped](Self::wipe_master).
    ///
    /// # Errors
    /// [`Error::NoMasterKey`], [`Error::KeyFile`] if its other share cannot be read.
    pub async fn backup(&self, aid: Aid) -> Result<model::MasterBackup, Error> {
        let share = self.core.keystore.master(&aid).ok_or(Error::NoMasterKey)?;
        let path = self.share_file(aid);
        let pad = tokio::task::spawn_blocking(move || read_share(&path)).await;
        let pad = pad.map_err(|_| Error::Stopped)??;
        let master_private_key_hex = share.join(&pad).ok_or(Error::NoMasterKey)?;
        Ok(model::MasterBackup {
            aid,
            kind: match aid.version() {
                Version::Ethereum => model::MasterKind::Ethereum,
                Version::Paralism => model::MasterKind::Paralism,
                _ => model::MasterKind::Ed25519,
            },
            master_private_key_hex,
        })
    }

    /// Wipes the master key of an identity that was made here; nothing of it is left on this node.
    ///
    /// # Errors
    /// [`Error::NoMasterKey`], [`Error::Storage`], [`Error::StorageFull`], [`Error::KeyFile`].
    pub async fn wipe_master(&self, aid: Aid) -> Result<model::Done, Error> {
        self.core.keystore.master(&aid).ok_or(Error::NoMasterKey)?;
        let path = self.share_file(aid);
        // The file first: without it, what is left in the database says nothing.
        let wiped = tokio::task::spawn_blocking(move || wipe_share(&path)).await;
        wiped.map_err(|_| Error::Stopped)??;
        self.core.store.write(Change::WipeMaster { aid }).await?;
        tracing::info!(%aid, "master key wiped: its owner has a backup");
        Ok(model::Done { ok: true })
    }

    async fn write_share(&self, aid: Aid, pad: Share) -> Result<(), Error> {
        let (dir, path) = (self.masters(), self.share_file(aid));
        let written = tokio::task::spawn_blocking(move || {
            private_files::ensure_dir(&dir)?;
            private_files::write_atomically(&path, pad.as_bytes())
        });
        written
            .await
            .map_err(|_| Error::Stopped)?
            .map_err(Error::KeyFile)
    }

    /// Where the other shares of master keys are.
    fn masters(&self) -> PathBuf {
        self.core.config.key_dir.join("masters")
    }

    fn share_file(&self, aid: Aid) -> PathBuf {
        self.masters().join(hex::encode(aid.as_bytes()))
    }
}

fn read_share(path: &Path) -> Result<Share, Error> {
    let bytes = fs::read(path);
    let bytes = bytes.map_err(|error| Error::KeyFile(FileError::io(path)(error)))?;
    Ok(Share::new(bytes))
}

/// Overwrites the file before it goes: some file systems then have nothing left of it.
fn wipe_share(path: &Path) -> Result<(), Error> {
    let failed = |error| Error::KeyFile(FileError::io(path)(error));
    let len = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(failed)?;
    let zeros = vec![0; usize::try_from(len).unwrap_or_default()];
    io::Write::write_all(&mut file, &zeros)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::remove_file(path))
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_alone_says_nothing_and_both_say_all() {
        let secret = "00ff".repeat(32);
        let (one, other) = Share::split(&secret).unwrap();
        assert_eq!(one.join(&other).unwrap().expose(), secret);
        let (again, _) = Share::split(&secret).unwrap();
        assert_ne!(one.as_bytes(), again.as_bytes());
        assert!(
            again
                .join(&other)
                .is_none_or(|text| text.expose() != secret)
        );
        assert!(one.join(&Share::new(vec![0])).is_none());
        assert_eq!(format!("{one:?}"), "Share(…)");
    }
}
