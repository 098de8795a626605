// SPDX-License-Identifier: MPL-2.0
//! 10,000 hostile senders against a mailbox that holds twenty notes of honest ones.

use std::io::Write as _;
use std::sync::LazyLock;

use super::*;
use crate::limits::{MAX_MAILBOX_NOTES, MAX_WORK_BITS, MIN_WORK_BITS, RESERVED_PASS_NOTES};
use crate::record::SignedRecord;

const HOSTILE: usize = 10_000;
const HONEST: usize = 20;

/// Says what a run has shown; the runner withholds what the print macros write.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
}

/// What every siege is about, made once: the mailbox, a note of each hostile sender, and who checks signatures.
struct Cast {
    owner: Credential,
    hostile: Vec<VerifiedRecord>,
    verifier: Verifier,
}

static CAST: LazyLock<Cast> = LazyLock::new(|| {
    let owner = agent();
    Cast {
        hostile: (0..HOSTILE).map(|_| note_to(&owner, &agent())).collect(),
        verifier: Verifier::default(),
        owner,
    }
});

/// A proof that is none: one try in 512 would be right by luck.
fn wrong(note: &PlacedRecord, bits: u32) -> v1::Work {
    let record = SignedRecord::decode(&note.record).unwrap();
    let record = record.verify(clock::now()).unwrap();
    let key = DhtKey::from_bytes(note.key.as_slice().try_into().unwrap());
    let challenge = Challenge::new(&key, &record);
    let is_wrong = |nonce: &u64| {
        let bits = u8::try_from(bits).unwrap_or(u8::MAX);
        !challenge.is_met_by(Work {
            bits,
            nonce: *nonce,
        })
    };
    let nonce = (0..100).find(is_wrong).unwrap();
    v1::Work { bits, nonce }
}

fn note_to(owner: &Credential, sender: &Credential) -> VerifiedRecord {
    sealed(sender, owner, b"hello", 3600).record
}

/// A mailbox, the honest notes in it, and whom its owner has written to.
struct Siege {
    scene: Scene,
    owner: &'static Credential,
    honest: Vec<Vec<u8>>,
    friend: Credential,
}

impl Siege {
    /// Twenty notes of five senders.
    async fn begin() -> Self {
        let (scene, owner, friend) = (Scene::with(CAST.verifier.clone()), &CAST.owner, agent());
        let mut honest = Vec::new();
        for _ in 0..5 {
            let (sender, source) = (agent(), source());
            for _ in 0..HONEST / 5 {
                let note = addressed(&sender, owner);
                honest.push(note.record.clone());
                let outcome = scene.put(source, note).await;
                assert_eq!(outcome.verdict(), Verdict::Stored);
            }
        }
        Self {
            scene,
            owner,
            honest,
            friend,
        }
    }

    /// Writes one note; its sender does up to `most` bits of work if that is asked.
    async fn write(&self, record: &VerifiedRecord, source: Source, most: u8) -> Verdict {
        let mut note = placed(self.owner.aid().key(), record);
        loop {
            let outcome = self.scene.put(source, note.clone()).await;
            let bits = u8::try_from(outcome.work_bits).unwrap();
            if outcome.verdict() != Verdict::WorkRequired || bits > most {
                return outcome.verdict();
            }
            assert!(note.work.is_none_or(|work| work.bits < outcome.work_bits));
            note.work = Some(self.worked(record, bits));
        }
    }

    /// A proof of work as if it had been found: nobody has 10,000 times as many seconds for a test.
    fn worked(&self, record: &VerifiedRecord, bits: u8) -> v1::Work {
        let challenge = Challenge::new(&self.owner.aid().key(), record);
        let work = Work { bits, nonce: 0 };
        self.scene.holder.work.believe(challenge, work);
        crate::behaviour::records::write_work(work)
    }

    /// Every hostile sender writes one note from one of so many sources.
    async fn flood(&self, sources: usize, most: u8) -> usize {
        let sources: Vec<_> = (0..sources).map(|_| source()).collect();
        let mut stored = 0;
        for (note, source) in CAST.hostile.iter().zip(sources.iter().cycle()) {
            let verdict = self.write(note, *source, most).await;
            stored += usize::from(verdict == Verdict::Stored);
        }
        stored
    }

    /// How many of twenty further honest strangers get through, each from a source of its own.
    async fn strangers(&self) -> usize {
        let mut stored = 0;
        for _ in 0..HONEST {
            let note = note_to(self.owner, &agent());
            let verdict = self.write(&note, source(), MAX_WORK_BITS).await;
            stored += usize::from(verdict == Verdict::Stored);
        }
        stored
    }

    /// How many of so many notes of a friend get through, who does no work.
    async fn friends(&self, count: usize) -> usize {
        let mut stored = 0;
        for _ in 0..count {
            let mut note = addressed(&self.friend, self.owner);
            note.pass = pass_for(&self.friend, self.owner);
            let outcome = self.scene.put(source(), note).await;
            stored += usize::from(outcome.verdict() == Verdict::Stored);
        }
        stored
    }

    fn assert_honest_notes_survive(&self) {
        let held = self.scene.held(self.owner.aid().key());
        assert!(held.len() <= MAX_MAILBOX_NOTES);
        let survive = self.honest.iter().filter(|note| held.contains(note));
        assert_eq!(survive.count(), HONEST);
    }

    fn report(&self, name: &str, hostile: usize, strangers: usize, friends: usize) {
        let bytes = self.scene.store.bytes();
        say(&format!(
            "mailbox flood, {name}: {hostile} of {HOSTILE} hostile notes stored; then {strangers} of {HONEST} honest \
             strangers and {friends} of {HONEST} notes with a pass got through; {bytes} bytes held"
        ));
        assert!(bytes < 1024 * 1024, "{bytes} bytes for one mailbox");
    }
}

#[tokio::test]
async fn one_source_cannot_even_raise_the_price() {
    let siege = Siege::begin().await;
    let hostile = siege.flood(1, 0).await;
    let (strangers, friends) = (siege.strangers().await, siege.friends(HONEST).await);
    siege.report("one source", hostile, strangers, friends);
    siege.assert_honest_notes_survive();
    assert_eq!((strangers, friends), (HONEST, HONEST));
    assert_eq!(hostile, MAX_MAILBOX_NOTES / 4);
    // And nobody else was asked for work.
    let note = note_to(siege.owner, &agent());
    let verdict = siege.write(&note, source(), 0).await;
    assert_eq!(verdict, Verdict::Stored);
}

#[tokio::test]
async fn many_sources_without_work_fill_half_and_no_more() {
    let siege = Siege::begin().await;
    let hostile = siege.flood(1000, 0).await;
    let (strangers, friends) = (siege.strangers().await, siege.friends(HONEST).await);
    siege.report("1000 sources", hostile, strangers, friends);
    siege.assert_honest_notes_survive();
    assert_eq!((strangers, friends), (HONEST, HONEST));
    assert_eq!(hostile, MAX_MAILBOX_NOTES / 2 - HONEST);
}

#[tokio::test]
async fn many_sources_that_work_less_than_strangers_would_do_not_close_the_mailbox() {
    for most in [MIN_WORK_BITS, MAX_WORK_BITS - 1] {
        let siege = Siege::begin().await;
        let hostile = siege.flood(1000, most).await;
        let (strangers, friends) = (siege.strangers().await, siege.friends(HONEST).await);
        let name = format!("1000 sources, {most} bits of work each");
        siege.report(&name, hostile, strangers, friends);
        siege.assert_honest_notes_survive();
        assert_eq!((strangers, friends), (HONEST, HONEST));
    }
}

#[tokio::test]
async fn whoever_works_as_hard_as_anybody_closes_it_for_strangers_only() {
    let siege = Siege::begin().await;
    let hostile = siege.flood(1000, MAX_WORK_BITS).await;
    assert_eq!(hostile, MAX_MAILBOX_NOTES - RESERVED_PASS_NOTES - HONEST);
    let (strangers, friends) = (siege.strangers().await, siege.friends(HONEST).await);
    let name = format!("1000 sources, {MAX_WORK_BITS} bits of work each");
    siege.report(&name, hostile, strangers, friends);
    siege.assert_honest_notes_survive();
    assert_eq!((strangers, friends), (0, HONEST));
    // A friend has a share, too, and the room is there for others.
    let further = siege.friends(MAX_NOTES_PER_SENDER).await;
    assert_eq!(further, MAX_NOTES_PER_SENDER - HONEST);
}

#[tokio::test]
async fn passes_of_others_and_wrong_work_buy_nothing() {
    let siege = Siege::begin().await;
    siege.flood(1000, 0).await;
    let (eve, source) = (agent(), source());
    let stranger = agent();
    for pass in [
        pass_for(&siege.friend, siege.owner),
        pass_for(&eve, &eve),
        pass_for(&eve, &stranger),
        Pass::issue(siege.owner, eve.aid(), UnixSeconds(1)).encode(),
        vec![7; 500],
    ] {
        let mut note = addressed(&eve, siege.owner);
        note.pass = pass;
        let outcome = siege.scene.put(source, note).await;
        assert_eq!(outcome.verdict(), Verdict::WorkRequired);
    }
    let mut work = Vec::new();
    for bits in [0, 8, 9, 13, 14, 255, 256] {
        let mut note = addressed(&eve, siege.owner);
        note.work = Some(wrong(&note, bits));
        work.push(siege.scene.put(source, note).await.verdict());
    }
    assert_eq!(work, [Verdict::WorkRequired; 7]);
    // A real proof is as good as ever, for its own note.
    let key = siege.owner.aid().key();
    let record = note_to(siege.owner, &eve);
    let challenge = Challenge::new(&key, &record);
    let found = challenge.solve(MIN_WORK_BITS, || true).unwrap();
    assert!(challenge.is_met_by(found));
    let mut note = placed(key, &record);
    note.work = Some(crate::behaviour::records::write_work(found));
    let mut other = addressed(&eve, siege.owner);
    other.work = note.work;
    let verdict = siege.scene.put(source, other).await.verdict();
    assert_eq!(verdict, Verdict::WorkRequired);
    let verdict = siege.scene.put(source, note).await.verdict();
    assert_eq!(verdict, Verdict::Stored);
}
