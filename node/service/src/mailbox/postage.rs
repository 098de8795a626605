// SPDX-License-Identifier: MPL-2.0
//! What goes with a note, so that it and the answer to it are taken where strangers' notes are not.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::limits::MAX_PASSES;
use a2al_protocol::mailbox::{Pass, SignedPass};
use a2al_protocol::network::Postage;

use crate::store::mail::{KeptPass, SavedMail};
use crate::{Service, clock};

/// How long whoever was written to may write back as a contact; counted from the newest note.
///
/// Ours: an answer that takes longer is welcome, but as a stranger's.
const PASS_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// By whom the agents of this node were let in.
#[derive(Debug)]
pub(super) struct Passes(Mutex<HashMap<Aid, HashMap<Aid, KeptPass>>>);

impl Passes {
    /// The passes as they were saved.
    pub(super) fn new(saved: &SavedMail) -> Self {
        let passes = Self(Mutex::default());
        passes.add(saved);
        passes
    }

    /// Adds passes as they were saved.
    pub(super) fn add(&self, saved: &SavedMail) {
        for (holder, issuer, pass) in &saved.passes {
            self.put(*holder, *issuer, pass);
        }
    }

    /// Keeps a pass that is on disk, unless a later one is known.
    pub(super) fn put(&self, holder: Aid, issuer: Aid, pass: &KeptPass) {
        let mut all = self.all();
        let passes = all.entry(holder).or_default();
        let has_room = passes.len() < MAX_PASSES || passes.contains_key(&issuer);
        let known = passes.get(&issuer);
        if has_room && known.is_none_or(|known| known.expires_at <= pass.expires_at) {
            passes.insert(issuer, pass.clone());
        }
    }

    /// Forgets the passes of an agent that is gone.
    pub(super) fn forget(&self, holder: &Aid) {
        self.all().remove(holder);
    }

    /// The pass by which `issuer` lets `holder` write.
    fn get(&self, holder: &Aid, issuer: &Aid) -> Option<Pass> {
        let encoded = self.all().get(holder)?.get(issuer)?.encoded.clone();
        let pass = SignedPass::decode(&encoded).ok()?;
        pass.verify(clock::now()).ok()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Aid, HashMap<Aid, KeptPass>>> {
        // Nothing panics while the lock is held; a poisoned map is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// The recipient's permission for the sender, if it has given one, and the sender's for the
    /// recipient.
    pub(super) fn postage(&self, sender: Aid, recipient: Aid) -> Postage {
        let agent = self.core.registry.get(&sender);
        let reply = agent.map(|agent| {
            let until = clock::now().saturating_add(PASS_LIFE);
            Pass::issue(&agent.credential, recipient, until)
        });
        Postage {
            pass: self.core.mail.passes.get(&sender, &recipient),
            reply,
        }
    }
}
