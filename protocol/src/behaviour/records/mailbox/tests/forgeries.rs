// SPDX-License-Identifier: MPL-2.0
//! A thousand notes that are not what they seem, through every door of a holder and of its readers.

use super::*;
use crate::mailbox::{Opened, Randomness, open, seal};
use crate::record::{Draft, RecordKind, SignedRecord};

/// How one note is wrong.
#[derive(Clone, Copy, Debug)]
enum Forgery {
    /// It names another sender than its publisher.
    Sender,
    /// It names another publisher than its signer.
    Publisher,
    /// It lies in the mailbox of somebody else.
    Mailbox,
    /// It is sealed for somebody else.
    Recipient,
    /// A bit was changed on the way.
    Tampered(usize),
    /// Its time is over.
    Expired,
    /// Its recipient has taken it.
    Replayed,
}

const FORGERIES: [Forgery; 7] = [
    Forgery::Sender,
    Forgery::Publisher,
    Forgery::Mailbox,
    Forgery::Recipient,
    Forgery::Tampered(0),
    Forgery::Expired,
    Forgery::Replayed,
];

fn draft(payload: Vec<u8>, age: u64) -> Draft {
    Draft {
        kind: RecordKind::MAILBOX,
        payload,
        seq: Seq(1),
        timestamp: UnixSeconds(clock::now().0 - age),
        ttl_secs: 60,
    }
}

fn payload(from: &Credential, to: &Credential) -> Vec<u8> {
    let recipient = Recipient::of(to);
    seal(
        from.aid(),
        &recipient,
        3,
        b"believe me",
        &Randomness::fresh(),
    )
    .unwrap()
}

impl Forgery {
    /// The note, as it stands on the wire.
    fn make(
        self,
        eve: &Credential,
        alice: &Credential,
        bob: &Credential,
        mallory: &Credential,
    ) -> Vec<u8> {
        let genuine = || draft(payload(alice, bob), 0).sign(alice).unwrap();
        match self {
            Self::Sender => {
                let record = draft(payload(alice, bob), 0).sign(eve).unwrap();
                record.encoded().to_vec()
            }
            Self::Publisher => {
                let mut bytes = draft(payload(alice, bob), 0)
                    .sign(eve)
                    .unwrap()
                    .encoded()
                    .to_vec();
                // Field 1 begins with the second byte of the map.
                bytes[3..24].copy_from_slice(alice.aid().as_bytes());
                bytes
            }
            Self::Mailbox => {
                let record = draft(payload(alice, mallory), 0).sign(alice).unwrap();
                record.encoded().to_vec()
            }
            Self::Recipient => {
                let other = Recipient {
                    aid: bob.aid(),
                    key: mallory.public_key(),
                };
                let sealed = seal(eve.aid(), &other, 3, b"", &Randomness::fresh()).unwrap();
                draft(sealed, 0).sign(eve).unwrap().encoded().to_vec()
            }
            Self::Tampered(at) => {
                let mut bytes = genuine().encoded().to_vec();
                let at = at % bytes.len();
                bytes[at] ^= 1 << (at % 8);
                bytes
            }
            Self::Expired => {
                let record = draft(payload(alice, bob), 3600).sign(alice).unwrap();
                record.encoded().to_vec()
            }
            Self::Replayed => genuine().encoded().to_vec(),
        }
    }
}

/// Whether somebody who was given the bytes by a holder is shown a note.
fn is_shown(bytes: &[u8], bob: &Credential) -> bool {
    let record = SignedRecord::decode(bytes).and_then(|record| record.verify(clock::now()));
    record.is_ok_and(|record| {
        let opened = open(&record, bob.aid(), bob.signing_key());
        matches!(opened, Ok(Opened::Note(_)))
    })
}

#[tokio::test]
async fn of_a_thousand_false_notes_none_is_shown() {
    let [eve, alice, bob, mallory] = std::array::from_fn(|_| agent());
    let (mut shown, mut stored) = (0, 0);
    for n in 0..1000 {
        let scene = Scene::new();
        let key = bob.aid().key();
        let forgery = match FORGERIES[n % FORGERIES.len()] {
            Forgery::Tampered(_) => Forgery::Tampered(n),
            other => other,
        };
        let bytes = forgery.make(&eve, &alice, &bob, &mallory);
        let as_written = PlacedRecord {
            key: key.as_bytes().to_vec(),
            record: bytes.clone(),
            ..PlacedRecord::default()
        };
        if let Forgery::Replayed = forgery {
            // Taken before, so that a holder knows; a reader knows it by its id.
            scene.put(source(), as_written.clone()).await;
            let record = SignedRecord::decode(&bytes).unwrap();
            let record = record.verify(clock::now()).unwrap();
            let id = MessageId::of_payload(record.payload());
            let removal = Removal::sign(&bob, &[id], clock::now());
            scene.store.remove_notes(removal, Source::Own);
        } else {
            // A holder that lies gives it to the reader as it is.
            shown += usize::from(is_shown(&bytes, &bob));
        }
        let outcome = scene.put(source(), as_written).await;
        let is_stored = outcome.verdict() == Verdict::Stored;
        // A note that nobody can open takes room like any other, and is shown to nobody.
        stored += usize::from(is_stored && !matches!(forgery, Forgery::Recipient));
        let held = scene.held(key);
        shown += held.iter().filter(|bytes| is_shown(bytes, &bob)).count();
        assert!(shown + stored == 0, "{forgery:?} {:?}", outcome.verdict());
    }
}
