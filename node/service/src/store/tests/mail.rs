// SPDX-License-Identifier: MPL-2.0
//! Notes on disk: what was received is not received again, and what was not handed over is still there.

use a2al_protocol::limits::{MAX_OUTBOX_NOTES, MAX_PASSES, MAX_UNREAD_OF_STRANGERS};

use super::*;
use crate::store::mail::{Body, KeptPass, Outgoing, OutgoingFacts, SavedMail, SeenEndpoint};

fn id(number: u64) -> MessageId {
    MessageId::of_payload(&number.to_be_bytes())
}

fn received(number: u64, aid: Aid, sender: Aid) -> Received {
    Received {
        id: number,
        aid,
        message: id(number),
        sender,
        msg_type: 200,
        body: Body(vec![number.to_be_bytes()[7]; 3]),
        sent_at: UnixSeconds(5),
        arrived_at: UnixSeconds(6),
        forget_at: UnixSeconds(100),
        has_pass: false,
        reply: None,
    }
}

fn receive(number: u64, aid: Aid, sender: Aid) -> MailChange {
    MailChange::Receive(received(number, aid, sender).into())
}

fn send(number: u64, sender: Aid, recipient: Aid) -> MailChange {
    let facts = OutgoingFacts {
        message: id(number),
        sender,
        recipient,
        msg_type: 3,
        body_len: 7,
        sent_at: UnixSeconds(5),
        expires_at: UnixSeconds(50),
    };
    MailChange::Send(Arc::new(Outgoing {
        facts,
        note: vec![1, 2],
        endpoint: None,
    }))
}

/// A note was read.
fn take(aid: Aid, number: u64) -> MailChange {
    let ids = vec![number];
    MailChange::Take { aid, ids }
}

/// A note that brings permission to answer it.
fn with_pass(number: u64, aid: Aid, sender: Aid, ends: u64) -> MailChange {
    let mut note = received(number, aid, sender);
    note.reply = Some(KeptPass {
        encoded: vec![number.to_be_bytes()[7]],
        expires_at: UnixSeconds(ends),
    });
    MailChange::Receive(note.into())
}

fn stranger() -> Aid {
    SigningKey::generate().public().aid()
}

/// A store with one agent in it.
async fn hosting(file: &File) -> (Store, Aid) {
    let agent = credential(&SigningKey::generate(), 100);
    let store = file.store();
    store.write(register(&agent)).await.unwrap();
    (store, agent.aid())
}

/// The same with a contact of the agent.
async fn befriended(file: &File) -> (Store, Aid, Aid) {
    let (store, aid) = hosting(file).await;
    let contact = stranger();
    let befriend = MailChange::Befriend { aid, contact };
    store.mail(befriend).await.unwrap();
    (store, aid, contact)
}

fn mail(file: &File) -> SavedMail {
    file.saved().mail
}

#[tokio::test]
async fn a_note_is_received_once_and_its_name_outlives_the_agent() {
    let file = File::new();
    let agent = credential(&SigningKey::generate(), 100);
    let (aid, sender) = (agent.aid(), stranger());
    let store = file.store();
    store.write(register(&agent)).await.unwrap();
    assert!(store.mail(receive(1, aid, sender)).await.unwrap());
    assert!(!store.mail(receive(1, aid, sender)).await.unwrap());
    store.mail(take(aid, 1)).await.unwrap();
    assert!(
        !store.mail(receive(1, aid, sender)).await.unwrap(),
        "read before"
    );
    let at = UnixSeconds(50);
    store.write(Change::Delete { aid, at }).await.unwrap();
    let gone = store.mail(receive(2, aid, sender)).await;
    assert!(matches!(gone, Err(Error::Missing)));
    store.write(register(&agent)).await.unwrap();
    assert!(!store.mail(receive(1, aid, sender)).await.unwrap());
    assert_eq!(store.seen(aid, vec![id(1), id(2)]).await.unwrap(), [id(1)]);
    for (now, is_known) in [(100, true), (101, false)] {
        let now = UnixSeconds(now);
        store.mail(MailChange::Forget { now }).await.unwrap();
        let seen = store.seen(aid, vec![id(1)]).await.unwrap();
        assert_eq!(seen.len(), usize::from(is_known));
    }
    store.close().await;
}

#[tokio::test]
async fn what_was_handed_over_before_a_crash_is_removed_at_the_start() {
    let file = File::new();
    let (store, aid) = hosting(&file).await;
    for number in 1..=3 {
        store.mail(receive(number, aid, aid)).await.unwrap();
    }
    store.close().await;
    let (mut connection, mut saved) = open(&file.path()).unwrap();
    let handed = [(aid, id(2)), (stranger(), id(3)), (aid, id(4))];
    take_handed(&mut connection, &mut saved, &handed).unwrap();
    let left = |mail: &SavedMail| mail.unread.iter().map(|note| note.id).collect::<Vec<_>>();
    assert_eq!(left(&saved.mail), [1, 3]);
    drop(connection);
    assert_eq!(left(&mail(&file)), [1, 3]);
}

#[tokio::test]
async fn unread_notes_read_back_and_what_was_offered_is_marked() {
    let file = File::new();
    let (store, aid) = hosting(&file).await;
    let sender = stranger();
    for number in 1..=3 {
        store.mail(receive(number, aid, sender)).await.unwrap();
    }
    store
        .mail(MailChange::Offer { ids: vec![1, 2] })
        .await
        .unwrap();
    store.mail(take(aid, 1)).await.unwrap();
    store.close().await;
    let unread = mail(&file).unread;
    let facts: Vec<_> = unread
        .iter()
        .map(|note| (note.id, note.is_offered))
        .collect();
    assert_eq!(facts, [(2, true), (3, false)]);
    let store = file.store();
    let notes = store.unread(vec![3, 1, 2]).await.unwrap();
    let read: Vec<_> = notes.iter().map(|note| (note.id, note.message)).collect();
    assert_eq!(read, [(3, id(3)), (2, id(2))]);
    assert_eq!(notes[0].body, Body(vec![3; 3]));
    assert_eq!((notes[0].sender, notes[0].msg_type), (sender, 200));
    assert!(
        !format!("{notes:?}").contains("[3, 3"),
        "what it says is not for logs"
    );
    store.close().await;
}

#[tokio::test]
async fn strangers_take_no_room_from_contacts() {
    let file = File::new();
    let (store, aid, contact) = befriended(&file).await;
    let room = MAX_UNREAD_OF_STRANGERS as u64;
    let one = stranger();
    for number in 0..room / 2 {
        store.mail(receive(number, aid, one)).await.unwrap();
    }
    let alone = store.mail(receive(room, aid, one)).await;
    assert!(matches!(alone, Err(Error::Full)), "half is for others");
    for number in room / 2..room {
        store.mail(receive(number, aid, stranger())).await.unwrap();
    }
    let full = store.mail(receive(room, aid, stranger())).await;
    assert!(matches!(full, Err(Error::Full)));
    assert!(
        store.seen(aid, vec![id(room)]).await.unwrap().is_empty(),
        "it may come again"
    );
    assert!(store.mail(receive(room, aid, contact)).await.unwrap());
    let mut let_in = received(room + 1, aid, stranger());
    let_in.has_pass = true;
    assert!(
        store
            .mail(MailChange::Receive(let_in.into()))
            .await
            .unwrap()
    );
    let crowd = store.strangers(aid, contact).await.unwrap();
    assert_eq!(crowd, (MAX_UNREAD_OF_STRANGERS, false));
    store.mail(take(aid, 0)).await.unwrap();
    assert!(
        store
            .mail(receive(room + 2, aid, stranger()))
            .await
            .unwrap()
    );
    store.close().await;
}

#[tokio::test]
async fn notes_under_way_read_back_until_they_are_settled() {
    let file = File::new();
    let agent = credential(&SigningKey::generate(), 100);
    let (store, sender) = (file.store(), agent.aid());
    store.write(register(&agent)).await.unwrap();
    let recipient = stranger();
    for number in 1..=2 {
        store.mail(send(number, sender, recipient)).await.unwrap();
    }
    let unknown = store.mail(send(3, recipient, sender)).await;
    assert!(matches!(unknown, Err(Error::Missing)));
    assert_eq!(store.under_way(id(1)).await.unwrap(), Some(vec![1, 2]));
    let message = id(1);
    assert!(store.mail(MailChange::Settle { message }).await.unwrap());
    assert!(!store.mail(MailChange::Settle { message }).await.unwrap());
    assert_eq!(store.under_way(id(1)).await.unwrap(), None);
    store.close().await;
    let under_way = mail(&file).under_way;
    assert_eq!(under_way.len(), 1);
    let facts = under_way[0];
    assert_eq!((facts.message, facts.recipient), (id(2), recipient));
    assert_eq!((facts.body_len, facts.expires_at), (7, UnixSeconds(50)));
    let store = file.store();
    let (aid, at) = (sender, UnixSeconds(50));
    store.write(Change::Delete { aid, at }).await.unwrap();
    let notes = Arc::default();
    let restore = Change::Restore {
        aid,
        mail: Arc::clone(&notes),
    };
    store.write(restore).await.unwrap();
    let notes: &SavedMail = notes.get().unwrap();
    assert_eq!(notes.under_way.len(), 1, "it comes back with the agent");
    store.write(Change::Delete { aid, at }).await.unwrap();
    let notes = Arc::default();
    let mut again = register(&agent);
    if let Change::Register { mail, .. } = &mut again {
        *mail = Arc::clone(&notes);
    }
    store.write(again).await.unwrap();
    let notes: &SavedMail = notes.get().unwrap();
    assert_eq!(notes.under_way.len(), 1, "and with one that begins anew");
    store.write(Change::Delete { aid, at }).await.unwrap();
    store.write(Change::Purge { until: at }).await.unwrap();
    store.close().await;
    assert!(mail(&file).under_way.is_empty(), "gone with the agent");
}

#[tokio::test]
async fn an_outbox_has_so_much_room() {
    let file = File::new();
    let (store, sender) = hosting(&file).await;
    let recipient = stranger();
    let room = MAX_OUTBOX_NOTES as u64;
    let sending = (0..room).map(|number| store.mail(send(number, sender, recipient)));
    let sent = futures::future::join_all(sending).await;
    assert!(sent.iter().all(|sent| matches!(sent, Ok(true))));
    let full = store.mail(send(room, sender, recipient)).await;
    assert!(matches!(full, Err(Error::Full)));
    store.close().await;
}

#[tokio::test]
async fn permissions_and_endpoints_are_remembered() {
    let file = File::new();
    let (store, aid) = hosting(&file).await;
    let other = stranger();
    for (number, end) in [(1, 70), (2, 90), (3, 80)] {
        let note = with_pass(number, aid, other, end);
        store.mail(note).await.unwrap();
    }
    let MailChange::Send(outgoing) = send(9, aid, other) else {
        panic!("a note");
    };
    let mut outgoing = Outgoing::clone(&outgoing);
    outgoing.endpoint = Some(SeenEndpoint {
        encoded: vec![7],
        seen_at: UnixSeconds(4),
    });
    assert!(store.seen_endpoint(aid, other).await.unwrap().is_none());
    store.mail(MailChange::Send(outgoing.into())).await.unwrap();
    store.mail(send(10, aid, other)).await.unwrap();
    let seen = store.seen_endpoint(aid, other).await.unwrap().unwrap();
    assert_eq!((seen.encoded, seen.seen_at), (vec![7], UnixSeconds(4)));
    assert_eq!(store.pass(aid, other).await.unwrap(), Some(vec![2]));
    let now = UnixSeconds(91);
    store.mail(MailChange::Forget { now }).await.unwrap();
    assert_eq!(store.pass(aid, other).await.unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn strangers_leave_room_for_the_passes_of_contacts() {
    let file = File::new();
    let (store, aid, contact) = befriended(&file).await;
    let receive = async |number: u64, sender| {
        let note = with_pass(number, aid, sender, 1000 + number);
        store.mail(note).await.unwrap();
        store.mail(take(aid, number)).await.unwrap();
    };
    let (first, second) = (stranger(), stranger());
    receive(0, first).await;
    for number in 1..MAX_PASSES as u64 {
        receive(number, stranger()).await;
    }
    let room = MAX_PASSES as u64;
    receive(room, second).await;
    assert_eq!(store.pass(aid, second).await.unwrap(), None);
    receive(room + 1, contact).await;
    assert!(store.pass(aid, contact).await.unwrap().is_some());
    assert_eq!(store.pass(aid, first).await.unwrap(), None);
    store.close().await;
}
