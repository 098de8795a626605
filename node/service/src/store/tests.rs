// SPDX-License-Identifier: MPL-2.0
//! What was answered is there after the file is opened again; what was refused is not.

mod keys;
mod mail;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use a2al_protocol::delegation::Terms;
use a2al_protocol::limits::MAX_SERVICES_PER_AGENT;
use a2al_protocol::private_files;
use a2al_protocol::{DelegationProof, Draft, RecordKind, Seq, SigningKey};
use tempfile::TempDir;

use super::*;
use crate::clock;

struct File {
    dir: TempDir,
}

impl File {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("state.db")
    }

    fn saved(&self) -> Saved {
        open(&self.path()).unwrap().1
    }

    fn store(&self) -> Store {
        Store::start(open(&self.path()).unwrap().0, |_| {}).unwrap()
    }
}

/// An agent of `master`, with an operational key of its own, delegated at `issued_at`.
fn credential(master: &SigningKey, issued_at: u64) -> Arc<Credential> {
    let operational = SigningKey::generate();
    let terms = Terms::new(
        master.public().aid(),
        operational.public(),
        UnixSeconds(issued_at),
    );
    let delegation = DelegationProof::by_master(master, terms)
        .unwrap()
        .verify(clock::now());
    Arc::new(Credential::agent(operational, delegation.unwrap()).unwrap())
}

fn register(credential: &Arc<Credential>) -> Change {
    Change::Register {
        credential: Arc::clone(credential),
        service: None,
        at: UnixSeconds(7),
        mail: Arc::default(),
    }
}

fn record(credential: &Credential, ttl_secs: u32) -> VerifiedRecord {
    let draft = Draft {
        kind: RecordKind(3),
        payload: vec![1],
        seq: Seq(clock::now_millis()),
        timestamp: clock::now(),
        ttl_secs,
    };
    draft.sign(credential).unwrap()
}

#[tokio::test]
async fn a_new_file_is_empty_and_reopens() {
    let file = File::new();
    for _ in 0..2 {
        let saved = file.saved();
        assert!(saved.agents.is_empty() && saved.records.is_empty());
        assert_eq!(saved.sequence_ceiling, 0);
    }
}

#[tokio::test]
async fn everything_answered_is_there_after_reopening() {
    let file = File::new();
    let agent = credential(&SigningKey::generate(), 100);
    let aid = agent.aid();
    let service: ServiceTcp = "https://localhost:443".parse().unwrap();
    let store = file.store();
    store.write(register(&agent)).await.unwrap();
    store
        .write(Change::Bind {
            aid,
            service: Some(service.clone()),
        })
        .await
        .unwrap();
    store.write(Change::StartPublishing { aid }).await.unwrap();
    store
        .write(Change::PutRecord {
            record: record(&agent, 60),
        })
        .await
        .unwrap();
    store
        .write(Change::ReserveSequence { ceiling: 9 })
        .await
        .unwrap();
    store
        .write(Change::ReserveSequence { ceiling: 5 })
        .await
        .unwrap();
    store.close().await;

    let saved = file.saved();
    assert_eq!(saved.sequence_ceiling, 9);
    assert_eq!(saved.records.len(), 1);
    let [found] = saved.agents.as_slice() else {
        panic!("one agent")
    };
    assert_eq!(found.credential.aid(), aid);
    assert_eq!(found.credential.public_key(), agent.public_key());
    assert_eq!(found.service, Some(service));
    assert_eq!(found.registered_at, UnixSeconds(7));
    assert!(found.is_publishing);
}

fn offers(agent: &Credential, services: &[&str], brief: &str) -> Change {
    let entries = services.iter().map(|&service| Topic {
        brief: brief.to_owned(),
        ..Topic::new(service)
    });
    Change::PutOffers {
        aid: agent.aid(),
        entries: entries.collect(),
        ttl_secs: 60,
    }
}

#[tokio::test]
async fn services_and_profiles_are_kept_until_taken_back() {
    let file = File::new();
    let agent = credential(&SigningKey::generate(), 100);
    let aid = agent.aid();
    let profile = || {
        Box::new(Profile {
            name: "N".to_owned(),
            ..Profile::default()
        })
    };
    let store = file.store();
    let early = store.write(offers(&agent, &["a"], "")).await;
    assert!(matches!(early, Err(Error::Missing)));
    store.write(register(&agent)).await.unwrap();
    for change in [
        offers(&agent, &["a", "b"], "first"),
        offers(&agent, &["b", "c"], "second"),
        Change::RemoveOffer {
            aid,
            service: "a".to_owned(),
        },
        Change::RemoveOffer {
            aid,
            service: "never there".to_owned(),
        },
        Change::RemoveProfile { aid },
        Change::PutProfile {
            aid,
            profile: profile(),
        },
    ] {
        store.write(change).await.unwrap();
    }
    store.close().await;
    let saved = file.saved();
    assert!(saved.agents[0].is_publishing, "so that it can be called");
    let mut kept: Vec<_> = saved.offers.iter().map(|offer| &offer.entry).collect();
    kept.sort_by_key(|entry| &entry.topic);
    let [b, c] = kept[..] else {
        panic!("two services")
    };
    assert_eq!((&*b.topic, &*b.brief, &*c.topic), ("b", "second", "c"));
    assert!(
        saved
            .offers
            .iter()
            .all(|offer| offer.aid == aid && offer.ttl_secs == 60)
    );
    assert_eq!(saved.profiles, [(aid, *profile())]);

    let store = file.store();
    let at = UnixSeconds(50);
    store.write(Change::Delete { aid, at }).await.unwrap();
    let late = Change::PutProfile {
        aid,
        profile: profile(),
    };
    assert!(matches!(store.write(late).await, Err(Error::Missing)));
    store.write(Change::Purge { until: at }).await.unwrap();
    store.close().await;
    let saved = file.saved();
    assert!(saved.offers.is_empty() && saved.profiles.is_empty());
}

#[tokio::test]
async fn an_agent_offers_so_many_services_at_most() {
    let file = File::new();
    let agent = credential(&SigningKey::generate(), 100);
    let store = file.store();
    store.write(register(&agent)).await.unwrap();
    let names: Vec<_> = (0..=MAX_SERVICES_PER_AGENT)
        .map(|at| at.to_string())
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (last, first) = names.split_last().unwrap();
    // Twice: those that it has already do not count again.
    for _ in 0..2 {
        store.write(offers(&agent, first, "")).await.unwrap();
    }
    let one_more = store.write(offers(&agent, &[last], "")).await;
    assert!(matches!(one_more, Err(Error::TooManyServices)));
}

#[tokio::test]
async fn of_a_profile_and_a_record_of_that_kind_the_later_stays() {
    let file = File::new();
    let agent = credential(&SigningKey::generate(), 100);
    let aid = agent.aid();
    let set = || Change::PutProfile {
        aid,
        profile: Box::default(),
    };
    let own = Change::PutRecord {
        record: Draft {
            kind: RecordKind::PROFILE,
            payload: vec![0xa0],
            seq: Seq(1),
            timestamp: clock::now(),
            ttl_secs: 60,
        }
        .sign(&agent)
        .unwrap(),
    };
    let store = file.store();
    store.write(register(&agent)).await.unwrap();
    store.write(set()).await.unwrap();
    store.write(own).await.unwrap();
    store.close().await;
    let saved = file.saved();
    assert_eq!((saved.profiles.len(), saved.records.len()), (0, 1));
    let store = file.store();
    store.write(set()).await.unwrap();
    store.close().await;
    let saved = file.saved();
    assert_eq!((saved.profiles.len(), saved.records.len()), (1, 0));
}

#[tokio::test]
async fn of_two_keys_the_newer_delegation_stays() {
    let file = File::new();
    let master = SigningKey::generate();
    let (old, new) = (credential(&master, 100), credential(&master, 101));
    let store = file.store();
    store.write(register(&old)).await.unwrap();
    store.write(register(&new)).await.unwrap();
    assert!(matches!(
        store.write(register(&old)).await,
        Err(Error::Conflict)
    ));
    store.close().await;
    assert_eq!(
        file.saved().agents[0].credential.public_key(),
        new.public_key()
    );
}

#[tokio::test]
async fn an_agent_with_an_ended_delegation_is_kept() {
    let file = File::new();
    let (master, operational) = (SigningKey::generate(), SigningKey::generate());
    let terms = Terms {
        expires_at: Some(UnixSeconds(200)),
        ..Terms::new(
            master.public().aid(),
            operational.public(),
            UnixSeconds(100),
        )
    };
    let proof = DelegationProof::by_master(&master, terms).unwrap();
    let delegation = proof.verify(UnixSeconds(150)).unwrap();
    let agent = Arc::new(Credential::agent(operational, delegation).unwrap());
    let store = file.store();
    store.write(register(&agent)).await.unwrap();
    store.close().await;
    assert_eq!(file.saved().agents.len(), 1);
}

#[tokio::test]
async fn changes_are_followed_in_order_and_only_when_made() {
    let file = File::new();
    let followed = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&followed);
    let (connection, _) = open(&file.path()).unwrap();
    let store = Store::start(connection, move |change| log.lock().unwrap().push(change)).unwrap();
    let agents: Vec<_> = (0..50)
        .map(|_| credential(&SigningKey::generate(), 1))
        .collect();
    let stranger = credential(&SigningKey::generate(), 1).aid();
    let writes: Vec<_> = agents
        .iter()
        .map(|agent| {
            tokio::spawn({
                let (store, change) = (store.clone(), register(agent));
                async move { store.write(change).await }
            })
        })
        .collect();
    assert!(
        store
            .write(Change::StartPublishing { aid: stranger })
            .await
            .is_err()
    );
    for write in writes {
        write.await.unwrap().unwrap();
    }
    store.close().await;
    assert_eq!(followed.lock().unwrap().len(), agents.len());
    assert_eq!(file.saved().agents.len(), agents.len());
    assert!(matches!(
        store.write(register(&agents[0])).await,
        Err(Error::Closed)
    ));
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let file = File::new();
    let (connection, _) = open(&file.path()).unwrap();
    let pages: u32 = connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    connection
        .pragma_update(None, "max_page_count", pages)
        .unwrap();
    let store = Store::start(connection, |_| {}).unwrap();
    let mut kept = 0;
    let full = loop {
        match store
            .write(register(&credential(&SigningKey::generate(), 1)))
            .await
        {
            Ok(()) => kept += 1,
            Err(error) => break crate::Error::from(error),
        }
    };
    assert_eq!(full.wire().http, 507);
    store
        .write(Change::ReserveSequence { ceiling: 3 })
        .await
        .unwrap();
    store.close().await;
    assert_eq!(file.saved().agents.len(), kept);
    assert_eq!(file.saved().sequence_ceiling, 3);
}

fn damage(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset..offset + 64].fill(0xff);
    private_files::write_atomically(path, &bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_state_is_named_and_left_alone() {
    let file = File::new();
    let store = file.store();
    for _ in 0..100 {
        store
            .write(register(&credential(&SigningKey::generate(), 1)))
            .await
            .unwrap();
    }
    store.close().await;
    for offset in [0, 4096, 3 * 4096] {
        let copy = file.dir.path().join(format!("copy-{offset}.db"));
        std::fs::copy(file.path(), &copy).unwrap();
        damage(&copy, offset);
        let before = std::fs::read(&copy).unwrap();
        let error = open(&copy).unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
        assert_eq!(std::fs::read(&copy).unwrap(), before);
    }
}

#[test]
fn a_state_of_a_newer_version_is_refused() {
    let file = File::new();
    let (connection, _) = open(&file.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(
        open(&file.path()),
        Err(OpenError::Newer { found: 99, .. })
    ));
}

mod cached {
    use a2al_protocol::network::{HeldRecord, KnownPeer};

    use super::*;
    use crate::store::cache::{CacheDb, Cached};

    fn cached() -> Cached {
        let agent = credential(&SigningKey::generate(), 100);
        let peer = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"
            .parse()
            .unwrap();
        let addresses = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
        let held = |ttl| HeldRecord {
            key: agent.aid().key(),
            record: record(&agent, ttl),
        };
        Cached {
            peers: vec![KnownPeer { peer, addresses }],
            held: vec![held(60)],
        }
    }

    #[test]
    fn what_was_saved_comes_back_until_it_expires() {
        let file = File::new();
        let saved = cached();
        CacheDb::open(&file.path()).save(&saved);
        let cache = CacheDb::open(&file.path());
        let loaded = cache.load(clock::now());
        assert_eq!((loaded.peers, loaded.held), (saved.peers, saved.held));
        assert!(cache.load(UnixSeconds(u64::MAX)).held.is_empty());
    }

    #[test]
    fn what_was_handed_over_is_kept_in_mind_until_it_is_forgotten() {
        let file = File::new();
        let aid = SigningKey::generate().public().aid();
        let notes = [1_u8, 2].map(|n| (aid, MessageId::from_bytes([n; 32])));
        let cache = CacheDb::open(&file.path());
        cache.keep_handed(&notes);
        cache.keep_handed(&notes[..1]);
        cache.save(&cached());
        assert_eq!(cache.handed(), notes);
        cache.forget_handed(&notes[..1]);
        drop(cache);
        assert_eq!(CacheDb::open(&file.path()).handed(), notes[1..]);
    }

    #[test]
    fn an_unreadable_file_is_replaced() {
        let file = File::new();
        private_files::write_atomically(&file.path(), &[0xff; 8192]).unwrap();
        let cache = CacheDb::open(&file.path());
        cache.save(&cached());
        assert_eq!(cache.load(clock::now()).peers.len(), 1);
    }
}

#[tokio::test]
async fn having_relayed_is_remembered() {
    let file = File::new();
    assert!(!file.saved().has_relayed);
    let store = file.store();
    store.write(Change::Relayed).await.unwrap();
    store.close().await;
    assert!(file.saved().has_relayed);
}

#[test]
fn a_file_of_the_first_schema_is_brought_up_to_date() {
    let file = File::new();
    private_files::ensure_file(&file.path()).unwrap();
    let connection = Connection::open(file.path()).unwrap();
    connection.execute_batch(state::MIGRATIONS[0]).unwrap();
    connection
        .execute_batch("UPDATE node SET sequence_ceiling = 7; PRAGMA user_version = 1;")
        .unwrap();
    drop(connection);
    let saved = file.saved();
    assert_eq!((saved.sequence_ceiling, saved.has_relayed), (7, false));
}
