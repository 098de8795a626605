// SPDX-License-Identifier: MPL-2.0
//! Agents that are deleted and restored, and keys that are kept.

use super::*;

#[tokio::test]
async fn deleting_takes_the_records_along() {
    let file = File::new();
    let agent = credential(&SigningKey::generate(), 100);
    let aid = agent.aid();
    let store = file.store();
    store.write(register(&agent)).await.unwrap();
    store
        .write(Change::PutRecord {
            record: record(&agent, 60),
        })
        .await
        .unwrap();
    let delete = |at| Change::Delete {
        aid,
        at: UnixSeconds(at),
    };
    store.write(delete(50)).await.unwrap();
    assert!(matches!(store.write(delete(51)).await, Err(Error::Missing)));
    let put = store
        .write(Change::PutRecord {
            record: record(&agent, 60),
        })
        .await;
    assert!(matches!(put, Err(Error::Missing)));
    let restore = || Change::Restore {
        aid,
        mail: Arc::default(),
    };
    let purge = |until| Change::Purge {
        until: UnixSeconds(until),
    };
    store.write(purge(49)).await.unwrap();
    store.close().await;
    let saved = file.saved();
    assert_eq!(saved.agents[0].deleted_at, Some(UnixSeconds(50)));
    assert_eq!(saved.records.len(), 1, "it can be restored as it was");

    let store = file.store();
    store.write(restore()).await.unwrap();
    assert!(matches!(store.write(restore()).await, Err(Error::Missing)));
    store.write(delete(50)).await.unwrap();
    store.write(purge(50)).await.unwrap();
    store.close().await;
    assert!(file.saved().agents.is_empty() && file.saved().records.is_empty());
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
    store.close().await;
    let saved = file.saved();
    assert_eq!((saved.offers.len(), saved.profiles.len()), (2, 1));

    let store = file.store();
    store.write(Change::Purge { until: at }).await.unwrap();
    store.close().await;
    let saved = file.saved();
    assert!(saved.offers.is_empty() && saved.profiles.is_empty());
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
async fn what_is_registered_anew_has_nothing_of_what_was_deleted() {
    let file = File::new();
    let agent = credential(&SigningKey::generate(), 100);
    let aid = agent.aid();
    let store = file.store();
    store.write(register(&agent)).await.unwrap();
    store.write(Change::StartPublishing { aid }).await.unwrap();
    let at = UnixSeconds(50);
    store.write(Change::Delete { aid, at }).await.unwrap();
    store.write(register(&agent)).await.unwrap();
    store.close().await;
    let [found] = &file.saved().agents[..] else {
        panic!("one agent")
    };
    assert!(found.deleted_at.is_none() && !found.is_publishing);
}

#[tokio::test]
async fn a_kept_key_goes_with_its_registration_and_the_master_key_stays() {
    let file = File::new();
    let agent = credential(&SigningKey::generate(), 100);
    let aid = agent.aid();
    let kept = Arc::new(Kept {
        aid,
        key: agent.signing_key().clone(),
        delegation: agent.delegation().cloned(),
        at: UnixSeconds(9),
    });
    let store = file.store();
    let master = Some(Share::new(vec![1, 2]));
    store.write(Change::Keep { kept, master }).await.unwrap();
    store.close().await;
    let saved = file.saved();
    assert_eq!(saved.kept[0].key.public(), agent.public_key());
    assert_eq!(saved.masters[0].1.as_bytes(), [1, 2]);

    let store = file.store();
    store.write(register(&agent)).await.unwrap();
    store.close().await;
    let saved = file.saved();
    assert!(saved.kept.is_empty() && saved.masters.len() == 1);

    let store = file.store();
    store.write(Change::WipeMaster { aid }).await.unwrap();
    assert!(matches!(
        store.write(Change::WipeMaster { aid }).await,
        Err(Error::Missing)
    ));
    store.close().await;
    assert!(file.saved().masters.is_empty());
}
