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

#[tokio::test]
async fn services_and_profiles_come_back_with_their_agent() {
    let file = File::new();
    let agent = credential(&SigningKey::generate(), 100);
    let (aid, at) = (agent.aid(), UnixSeconds(50));
    let store = file.store();
    store.write(register(&agent)).await.unwrap();
    store.write(offers(&agent, &["a"], "")).await.unwrap();
    let profile = Box::default();
    store
        .write(Change::PutProfile { aid, profile })
        .await
        .unwrap();
    store.write(Change::Delete { aid, at }).await.unwrap();
    store.close().await;
    let saved = file.saved();
    assert_eq!((saved.offers.len(), saved.profiles.len()), (1, 1));
}
