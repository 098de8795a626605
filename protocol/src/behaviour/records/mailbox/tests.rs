// SPDX-License-Identifier: MPL-2.0
//! One holder, those who write to it, and those who would close its mailboxes.

mod floods;
mod forgeries;

use a2al_proto::v1::{
    self, PlacedRecord, Put, PutOutcome, RecordRequest, Verdict, record_request, record_response,
};
use libp2p::PeerId;
use tokio::sync::watch;

use super::super::store::{Outcome, Totals};
use super::super::{Holder, Query, Source, Store, Verifier};
use crate::behaviour::agents::Newest;
use crate::clock;
use crate::credential::Credential;
use crate::dht_key::DhtKey;
use crate::key::SigningKey;
use crate::limits::{
    MAX_NOTES_PER_SENDER, MAX_PART_BYTES, MAX_PART_BYTES_PER_SOURCE, MAX_REMOVAL_SHARE_PER_SOURCE,
};
use crate::mailbox::{
    Challenge, Lifetime, MessageId, Pass, Recipient, Removal, SealedNote, Work, place_of_parts,
};
use crate::network::Routing;
use crate::record::{Category, Seq, VerifiedRecord};
use crate::time::UnixSeconds;

/// A holder to which anybody can write.
struct Scene {
    holder: Holder,
    store: Store,
    _routing: watch::Sender<Routing>,
}

impl Scene {
    fn new() -> Self {
        Self::with(Verifier::default())
    }

    fn with(verifier: Verifier) -> Self {
        let (routing, watched) = watch::channel(Routing::default());
        let (store, _) = Store::new();
        let newest = Newest::default();
        let holder = Holder::new(PeerId::random(), store.clone(), verifier, newest, watched);
        Self {
            holder,
            store,
            _routing: routing,
        }
    }

    async fn put(&self, source: Source, placed: PlacedRecord) -> PutOutcome {
        let put = Put {
            records: vec![placed],
        };
        let body = Some(record_request::Body::Put(put));
        match self
            .holder
            .answer(source, RecordRequest { body })
            .await
            .body
        {
            Some(record_response::Body::Put(mut result)) => result.outcomes.remove(0),
            other => panic!("{other:?}"),
        }
    }

    async fn remove(&self, body: v1::remove::Body) -> Verdict {
        let remove = v1::Remove { body: Some(body) };
        let body = Some(record_request::Body::Remove(remove));
        let request = RecordRequest { body };
        match self.holder.answer(source(), request).await.body {
            Some(record_response::Body::Remove(result)) => result.verdict(),
            other => panic!("{other:?}"),
        }
    }

    /// What a reader is told, as the holder puts it on the wire.
    fn held(&self, key: DhtKey) -> Vec<Vec<u8>> {
        let query = Query {
            key,
            kind: None,
            publisher: None,
        };
        let page = self.holder.page(&query, &v1::Get::default(), usize::MAX);
        page.records
    }
}

/// A source that nobody else writes from.
fn source() -> Source {
    Source::of(PeerId::random(), None)
}

pub(super) fn agent() -> Credential {
    Credential::node(SigningKey::generate())
}

pub(super) fn sealed(from: &Credential, to: &Credential, body: &[u8], ttl_secs: u32) -> SealedNote {
    let lifetime = Lifetime {
        seq: Seq(1),
        timestamp: clock::now(),
        ttl_secs,
    };
    SealedNote::seal(from, &Recipient::of(to), 3, body, lifetime).unwrap()
}

fn placed(key: DhtKey, record: &VerifiedRecord) -> PlacedRecord {
    PlacedRecord {
        key: key.as_bytes().to_vec(),
        record: record.encoded().to_vec(),
        ..PlacedRecord::default()
    }
}

/// A note in an envelope that is right in every way.
fn addressed(from: &Credential, to: &Credential) -> PlacedRecord {
    placed(to.aid().key(), &sealed(from, to, b"hello", 3600).record)
}

fn pass_for(holder: &Credential, by: &Credential) -> Vec<u8> {
    let expires_at = UnixSeconds(clock::now().0 + 3600);
    Pass::issue(by, holder.aid(), expires_at).encode()
}

#[tokio::test]
async fn one_sender_has_its_share_and_room_comes_back_when_notes_are_taken() {
    let (scene, alice, bob) = (Scene::new(), agent(), agent());
    let key = bob.aid().key();
    let notes: Vec<_> = (0..=MAX_NOTES_PER_SENDER)
        .map(|n| sealed(&alice, &bob, &n.to_be_bytes(), 3600))
        .collect();
    let (last, first) = notes.split_last().unwrap();
    for note in first {
        let outcome = scene.put(source(), placed(key, &note.record)).await;
        assert_eq!(outcome.verdict(), Verdict::Stored);
    }
    let put = || scene.put(source(), placed(key, &last.record));
    assert_eq!(put().await.verdict(), Verdict::Full);

    let removal = Removal::sign(&bob, &[first[0].id()], clock::now());
    let body = || v1::remove::Body::Removal(removal.encode());
    assert_eq!(scene.remove(body()).await, Verdict::Stored);
    assert_eq!(scene.remove(body()).await, Verdict::AlreadyHeld);
    assert_eq!(put().await.verdict(), Verdict::Stored);
    let again = scene.put(source(), placed(key, &first[0].record)).await;
    assert_eq!(again.verdict(), Verdict::Removed);
    assert_eq!(again.removal, removal.encode());
}

#[tokio::test]
async fn parts_live_at_their_place_until_somebody_shows_the_token() {
    let (scene, alice, bob) = (Scene::new(), agent(), agent());
    let note = sealed(&alice, &bob, &[7; 9000], 3600);
    let place = place_of_parts(&note.parts[0]).unwrap();
    for part in &note.parts {
        let elsewhere = scene.put(source(), placed(bob.aid().key(), part)).await;
        assert_eq!(elsewhere.verdict(), Verdict::WrongKey);
        let outcome = scene.put(source(), placed(place, part)).await;
        assert_eq!(outcome.verdict(), Verdict::Stored);
    }
    assert_eq!(scene.held(place).len(), note.parts.len());

    let opened = crate::mailbox::open(&note.record, bob.aid(), bob.signing_key());
    let Ok(crate::mailbox::Opened::Head(head)) = opened else {
        panic!("a long note has a head");
    };
    let release = |token: &[u8]| {
        v1::remove::Body::Release(v1::Release {
            key: place.as_bytes().to_vec(),
            token: token.to_vec(),
        })
    };
    assert_eq!(scene.remove(release(&[0; 32])).await, Verdict::AlreadyHeld);
    assert_eq!(scene.held(place).len(), note.parts.len());
    let token = head.token();
    assert_eq!(scene.remove(release(token.as_ref())).await, Verdict::Stored);
    assert!(scene.held(place).is_empty());
    let late = scene.put(source(), placed(place, &note.parts[0])).await;
    assert_eq!(late.verdict(), Verdict::Removed);
    // What is remembered of it takes none of the keys.
    assert_eq!(scene.store.with(|inner| inner.places.len()), 0);
    scene
        .store
        .remove_expired(UnixSeconds(clock::now().0 + 3601));
    assert_eq!(scene.store.bytes(), 0);
}

#[tokio::test]
async fn removals_are_bounded_and_end_with_what_they_are_about() {
    let (scene, bob) = (Scene::new(), agent());
    for n in 0..2000_u32 {
        let id = MessageId::of_payload(&n.to_be_bytes());
        let removal = Removal::sign(&bob, &[id], clock::now());
        scene.store.remove_notes(removal, Source::Own);
    }
    assert!(scene.store.bytes() <= crate::limits::MAX_REMOVAL_BYTES);
    assert!(scene.store.removals().len() > 500);
    let eight_days = UnixSeconds(clock::now().0 + 8 * 24 * 3600);
    scene.store.remove_expired(eight_days);
    assert_eq!((scene.store.bytes(), scene.store.removals().len()), (0, 0));
}

#[tokio::test]
async fn removals_of_throwaway_agents_close_no_store() {
    let (scene, flood, alice, bob) = (Scene::new(), source(), agent(), agent());
    let ids: Vec<_> = (0..64_u8).map(|n| MessageId::of_payload(&[n])).collect();
    let remove = |by: &Credential| {
        let removal = Removal::sign(by, &ids, clock::now());
        scene.store.remove_notes(removal, flood)
    };
    let full = |outcome: &Outcome| matches!(outcome, Outcome::Refused(Verdict::Full));
    let stored = (0..1000).take_while(|_| !full(&remove(&agent()))).count();
    assert!((300..500).contains(&stored), "{stored}");
    assert!(scene.store.bytes() <= MAX_REMOVAL_SHARE_PER_SOURCE);
    // Others are heard, and what the crowded source says of notes that are held is done.
    let note = sealed(&alice, &bob, b"hello", 3600);
    let outcome = scene
        .put(source(), placed(bob.aid().key(), &note.record))
        .await;
    assert_eq!(outcome.verdict(), Verdict::Stored);
    let mut taken = ids.clone();
    taken[0] = note.id();
    let removal = Removal::sign(&bob, &taken, clock::now());
    let done = scene.store.remove_notes(removal.clone(), flood);
    assert!(matches!(done, Outcome::Stored));
    assert!(scene.held(bob.aid().key()).is_empty());
    let other = scene.store.remove_notes(removal, source());
    assert!(matches!(other, Outcome::Stored));
    // Room comes back with time.
    let eight_days = UnixSeconds(clock::now().0 + 8 * 24 * 3600);
    scene.store.remove_expired(eight_days);
    assert!(!full(&remove(&agent())));
}

#[tokio::test]
async fn parts_have_a_share_of_the_store_and_each_source_one_of_that() {
    let (scene, alice, bob) = (Scene::new(), agent(), agent());
    let (crowd, flood) = (source(), source());
    let hold = |source, bytes| {
        let add = |totals: &mut Totals| totals.add(source, Category::NotePart, bytes);
        scene.store.with(|inner| add(&mut inner.totals));
    };
    let put = async |source| {
        let note = sealed(&alice, &bob, &[7; 9000], 3600);
        let place = place_of_parts(&note.parts[0]).unwrap();
        let outcome = scene.put(source, placed(place, &note.parts[0])).await;
        outcome.verdict()
    };
    hold(flood, MAX_PART_BYTES_PER_SOURCE);
    assert_eq!(put(flood).await, Verdict::Stored);
    hold(crowd, MAX_PART_BYTES / 4);
    assert_eq!(put(flood).await, Verdict::Quota);
    assert_eq!(put(source()).await, Verdict::Stored);
    hold(crowd, MAX_PART_BYTES / 4 * 3);
    assert_eq!(put(source()).await, Verdict::Full);
    let note = scene.put(flood, addressed(&alice, &bob)).await;
    assert_eq!(note.verdict(), Verdict::Stored);
}
