// SPDX-License-Identifier: MPL-2.0
//! What goes with a note, so that it and the answer to it are taken where strangers' notes are not.

use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::mailbox::{Pass, SignedPass};
use a2al_protocol::network::Postage;

use crate::store::mail::KeptPass;
use crate::{Service, clock};

/// How long whoever was written to may write back as a contact; counted from the newest note.
///
/// Ours: an answer that takes longer is welcome, but as a stranger's.
const PASS_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How far the clocks of others may be ahead.
const CLOCK_MARGIN: Duration = Duration::from_secs(24 * 60 * 60);

/// A permission to write back, for the disk; none if it is for longer than anybody here would give
/// one, so that every place for passes is free again some day.
pub(super) fn kept(pass: &Pass) -> Option<KeptPass> {
    let latest = clock::now().saturating_add(PASS_LIFE + CLOCK_MARGIN);
    let expires_at = pass.expires_at();
    let encoded = pass.encode();
    (expires_at <= latest).then_some(KeptPass {
        encoded,
        expires_at,
    })
}

impl Service {
    /// The recipient's permission for the sender, if it has given one, and the sender's for the
    /// recipient.
    pub(super) async fn postage(&self, sender: Aid, recipient: Aid) -> Postage {
        let agent = self.core.registry.get(&sender);
        let reply = agent.map(|agent| {
            let until = clock::now().saturating_add(PASS_LIFE);
            Pass::issue(&agent.credential, recipient, until)
        });
        let kept = self.core.store.pass(sender, recipient).await;
        let pass = kept.ok().flatten().and_then(|encoded| {
            let pass = SignedPass::decode(&encoded).ok()?;
            pass.verify(clock::now()).ok()
        });
        Postage { pass, reply }
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::{Credential, SigningKey, UnixSeconds};

    use super::*;

    #[test]
    fn a_pass_for_ever_is_not_kept() {
        let issuer = Credential::node(SigningKey::generate());
        let holder = SigningKey::generate().public().aid();
        let until = |end| kept(&Pass::issue(&issuer, holder, end)).is_some();
        assert!(until(clock::now().saturating_add(PASS_LIFE)));
        assert!(!until(clock::now().saturating_add(PASS_LIFE * 2)));
        assert!(!until(UnixSeconds(u64::MAX)));
    }
}
