// SPDX-License-Identifier: MPL-2.0

use super::*;
use crate::{
    Credential, DelegationProof, Draft, Seq, SignedRecord, UnixSeconds,
    delegation::Terms,
    limits::{MAX_MAILBOX_LEN, MAX_NOTE_BODY_LEN, MAX_NOTE_PARTS},
};

const NOW: UnixSeconds = UnixSeconds(1_795_000_000);

fn agent(seed: u8) -> Credential {
    let master = SigningKey::from_seed(&[seed; 32]);
    let operational = SigningKey::from_seed(&[seed ^ 0x80; 32]);
    let terms = Terms::new(master.public().aid(), operational.public(), NOW);
    let proof = DelegationProof::by_master(&master, terms).unwrap();
    Credential::agent(operational, proof.verify(NOW).unwrap()).unwrap()
}

impl Recipient {
    /// The agent that the credential is of.
    pub(crate) fn of(credential: &Credential) -> Self {
        Self {
            aid: credential.aid(),
            key: credential.public_key(),
        }
    }
}

fn lifetime() -> Lifetime {
    Lifetime {
        seq: Seq(1),
        timestamp: NOW,
        ttl_secs: 3600,
    }
}

fn send(from: &Credential, to: &Credential, msg_type: u8, body: &[u8]) -> SealedNote {
    SealedNote::seal(from, &Recipient::of(to), msg_type, body, lifetime()).unwrap()
}

/// What arrives of a record that another node was given.
fn received(record: &VerifiedRecord) -> VerifiedRecord {
    let decoded = SignedRecord::decode(record.encoded()).unwrap();
    decoded.verify(NOW).unwrap()
}

fn read(note: &SealedNote, by: &Credential) -> Result<Note, OpenError> {
    let parts: Vec<_> = note.parts.iter().map(received).collect();
    match open(&received(&note.record), by.aid(), by.signing_key())? {
        Opened::Note(note) => Ok(note),
        Opened::Head(head) => head.join(&parts),
    }
}

#[test]
fn bodies_of_every_length_arrive() {
    let (alice, bob) = (agent(1), agent(2));
    for (msg_type, length, parts) in [
        (3, 0, 0),
        (3, MAX_NOTE_BODY_LEN, 0),
        (3, MAX_NOTE_BODY_LEN + 1, 1),
        (200, MAX_NOTE_BODY_LEN - 1, 0),
        (200, MAX_NOTE_BODY_LEN, 1),
        (3, MAX_LONG_BODY_LEN, MAX_NOTE_PARTS),
    ] {
        let body: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[0]).collect();
        let sealed = send(&alice, &bob, msg_type, &body);
        assert_eq!(sealed.parts.len(), parts, "{length} bytes");
        assert!(sealed.record.payload().len() <= MAX_MAILBOX_LEN);
        let note = read(&sealed, &bob).unwrap();
        assert_eq!((note.sender, note.msg_type), (alice.aid(), msg_type));
        assert_eq!(note.body, body);
    }
    let longer = vec![0; MAX_LONG_BODY_LEN + 1];
    let refused = SealedNote::seal(&alice, &Recipient::of(&bob), 3, &longer, lifetime());
    let max = MAX_LONG_BODY_LEN;
    assert_eq!(refused, Err(SealError::TooLong { max }));
}

#[test]
fn nobody_else_opens_a_note() {
    let (alice, bob, eve) = (agent(1), agent(2), agent(3));
    let sealed = send(&alice, &bob, 3, b"for bob");
    assert_eq!(read(&sealed, &eve), Err(OpenError::OtherRecipient));
    let as_bob = open(&sealed.record, bob.aid(), eve.signing_key());
    assert_eq!(as_bob, Err(OpenError::Sealed));
}

#[test]
fn a_note_that_names_another_sender_is_refused() {
    let (alice, bob, eve) = (agent(1), agent(2), agent(3));
    let random = Randomness::fresh();
    let payload = seal(alice.aid(), &Recipient::of(&bob), 3, b"from alice", &random).unwrap();
    let forged = Draft {
        kind: RecordKind::MAILBOX,
        payload,
        seq: Seq(1),
        timestamp: NOW,
        ttl_secs: 3600,
    };
    let forged = forged.sign(&eve).unwrap();
    let opened = open(&forged, bob.aid(), bob.signing_key());
    assert_eq!(opened, Err(OpenError::OtherSender));
    assert_eq!(recipient_of(&forged), Err(OpenError::OtherSender));
}

#[test]
fn keys_that_share_one_secret_with_everybody_are_refused() {
    let (alice, bob) = (agent(1), agent(2));
    // The points of order 1, 2 and 4, and bytes that are no point.
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let mut one = [0; 32];
    one[0] = 1;
    let mut no_point = [0; 32];
    no_point[0] = 2;
    for key in [[0; 32], one, minus_one, no_point] {
        let to = Recipient {
            aid: bob.aid(),
            key: PublicKey::from_bytes(key),
        };
        let sealed = seal(alice.aid(), &to, 3, b"", &Randomness::fresh());
        assert_eq!(sealed, Err(SealError::Key), "{key:?}");
    }
    // A sender who offers such an ephemeral key, as u = 0 and u = 1.
    for ephemeral in [[0; 32], one] {
        let sealed = send(&alice, &bob, 3, b"note");
        let fields = sealed.record.payload();
        let at = fields
            .windows(3)
            .position(|at| at == [3, 0x58, 32])
            .unwrap()
            + 3;
        let mut payload = fields.to_vec();
        payload[at..at + 32].copy_from_slice(&ephemeral);
        let draft = Draft {
            kind: RecordKind::MAILBOX,
            payload,
            seq: Seq(1),
            timestamp: NOW,
            ttl_secs: 3600,
        };
        let record = draft.sign(&alice).unwrap();
        let opened = open(&record, bob.aid(), bob.signing_key());
        assert_eq!(opened, Err(OpenError::Sealed));
    }
}

#[test]
fn a_long_note_needs_all_its_parts_and_takes_no_others() {
    let (alice, bob, eve) = (agent(1), agent(2), agent(3));
    let body = vec![7; 10_000];
    let whole = send(&alice, &bob, 3, &body);
    let mut lacking = whole.clone();
    lacking.parts.remove(1);
    let parts = OpenError::Parts {
        missing: 1,
        count: 4,
    };
    assert_eq!(read(&lacking, &bob), Err(parts));
    lacking.parts.extend(send(&alice, &bob, 3, &body).parts);
    lacking.parts.extend(send(&eve, &bob, 3, &body).parts);
    assert_eq!(read(&lacking, &bob), Err(parts));
    lacking.parts.insert(0, whole.parts[1].clone());
    assert_eq!(read(&lacking, &bob).unwrap().body, body);
}

#[test]
fn parts_live_at_one_place_only_and_do_not_name_the_recipient() {
    let (alice, bob) = (agent(1), agent(2));
    let note = send(&alice, &bob, 3, &[1; 5000]);
    let Ok(Opened::Head(head)) = open(&note.record, bob.aid(), bob.signing_key()) else {
        panic!("a long note has a head");
    };
    assert_eq!(head.count(), note.parts.len());
    for part in &note.parts {
        assert_eq!(place_of_parts(part), Some(head.place()));
        assert!(part.may_live_at(&head.place()));
        assert!(!part.may_live_at(&bob.aid().key()));
        let named = |part: &[u8]| part.windows(21).any(|at| at == bob.aid().as_bytes());
        assert!(!named(part.encoded()));
    }
    assert_eq!(place_of_parts(&note.record), None);
}

/// Reading is lenient, so a statement is compared and passed on in the one form that everybody writes.
#[test]
fn statements_keep_what_delegations_say_and_not_how_they_are_written() {
    let pass = Pass::issue(&agent(1), agent(2).aid(), NOW);
    let mut bytes = pass.encode();
    // The delegation never ends (field 5 is 0), which leaving the field out says as well.
    let terms = bytes.windows(4).position(|four| four == [5, 0, 6, 1]);
    bytes[terms.unwrap()] = 10;
    let changed = SignedPass::decode(&bytes).unwrap();
    assert_ne!(changed, SignedPass::decode(&pass.encode()).unwrap());
    assert_eq!(changed.verify(NOW), Ok(pass));
}
