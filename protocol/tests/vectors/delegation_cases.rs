// SPDX-License-Identifier: MPL-2.0
//! Delegation proofs that the reference was asked to take, sound ones and others.

use a2al_protocol::{Credential, Delegation, DelegationProof, SigningKey, delegation};
use serde_json::Value;

use crate::{Section, bytes, clock, entries, flag, text};

#[test]
fn the_same_proofs_verify() {
    let mut section = Section::new("delegation_cases", &[]);
    for entry in entries("delegation_cases") {
        let verdict = verify(entry);
        section.compare(
            text(entry, "name"),
            &flag(entry, "accepted"),
            &verdict.is_ok(),
        );
        if let Ok(delegation) = verdict {
            check_accepted(entry, &delegation);
        }
    }
    section.finish();
}

fn verify(entry: &Value) -> Result<Delegation, delegation::Error> {
    DelegationProof::decode(&bytes(entry, "proof_hex"))?.verify(clock(entry))
}

/// The reference answered with the agent's address; the canonical form verifies as well.
fn check_accepted(entry: &Value, delegation: &Delegation) {
    let answer: Value = serde_json::from_str(text(entry, "response")).unwrap();
    assert_eq!(delegation.agent().to_string(), text(&answer, "aid"));
    let canonical = DelegationProof::decode(delegation.encoded()).unwrap();
    assert_eq!(canonical.verify(clock(entry)).as_ref(), Ok(delegation));

    let key = SigningKey::from_private_hex(text(entry, "op_priv_hex")).unwrap();
    assert_eq!(
        Credential::agent(key, delegation.clone()).unwrap().aid(),
        delegation.agent()
    );
}
