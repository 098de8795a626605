// SPDX-License-Identifier: MPL-2.0

use a2al_proto::v1;
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::behaviour::records::{Query, Source};
use crate::behaviour::streams::write_frame;
use crate::limits::{MAX_MAILBOX_NOTES, MIN_WORK_BITS};
use crate::mailbox::{Challenge, MessageId, Note, Opened, Pass, Work, open};

/// Reads a note that came from the network, fetching its parts if there are any.
async fn read(client: &Client, record: &VerifiedRecord, by: &Credential) -> Note {
    match open(record, by.aid(), by.signing_key()).unwrap() {
        Opened::Note(note) => note,
        Opened::Head(head) => within(client.whole_note(&head)).await.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_wait_for_an_agent_that_is_away_and_outlive_their_sender() {
    let nodes = network(5).await;
    let (alice, bob) = (Owner::new(), Owner::new());
    let (alice, bob) = (alice.credential(clock::now()), bob.credential(clock::now()));
    let bodies = [b"short".to_vec(), vec![7; 20_000], Vec::new()];
    for body in &bodies {
        let note = sealed(&alice, &bob, body);
        let postage = Postage::default();
        let deposit = nodes[0].client.deposit(&note, &postage);
        let kept = Publication {
            replicas: 4,
            is_complete: true,
        };
        assert_eq!(within(deposit).await.unwrap(), Deposit::Kept(kept));
    }
    nodes[0].client.shutdown().await;

    let late = node(&[&nodes[1]]).await;
    eventually(|| async { late.client.state().borrow().dht_peers >= 4 }).await;
    let found = within(late.client.notes(bob.aid())).await.unwrap();
    let mut read_bodies = Vec::new();
    for found in &found {
        let note = read(&late.client, &found.record, &bob).await;
        assert_eq!((note.sender, note.msg_type), (alice.aid(), 3));
        read_bodies.push(note.body);
    }
    read_bodies.sort();
    let mut bodies = bodies.to_vec();
    bodies.sort();
    assert_eq!(read_bodies, bodies);
    let others = within(late.client.notes(alice.aid())).await.unwrap();
    assert!(others.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_node_says_that_nobody_has_the_note() {
    let lone = node(&[]).await;
    let (alice, bob) = (guest_credential(), guest_credential());
    let (note, postage) = (sealed(&alice, &bob, b"hello"), Postage::default());
    let deposit = within(lone.client.deposit(&note, &postage)).await;
    let nowhere = Publication {
        replicas: 0,
        is_complete: true,
    };
    assert_eq!(deposit.unwrap(), Deposit::Kept(nowhere));
    let found = within(lone.client.notes(bob.aid())).await.unwrap();
    assert!(found.is_empty(), "the sender keeps it, not the network");
}

fn guest_credential() -> Arc<Credential> {
    Owner::new().credential(clock::now())
}

/// Answers every note on that node by its body; each body is accepted once.
fn receiver(mut node: Network, credential: Arc<Credential>) -> Client {
    let client = node.client.clone();
    let kept = Arc::new(std::sync::Mutex::new(Vec::<MessageId>::new()));
    tokio::spawn(async move {
        while let Some(call) = node.calls.recv().await {
            let (client, credential, kept) =
                (node.client.clone(), credential.clone(), kept.clone());
            tokio::spawn(async move {
                assert_eq!(call.content(), Content::Notes);
                let keep = |delivered: Delivered| {
                    let receipt = decide(&delivered, &credential, &kept);
                    async move { receipt }
                };
                client.receive_notes(call, keep).await
            });
        }
    });
    client
}

fn decide(
    delivered: &Delivered,
    credential: &Credential,
    kept: &std::sync::Mutex<Vec<MessageId>>,
) -> Receipt {
    let note = &delivered.note;
    let opened = open(&note.record, credential.aid(), credential.signing_key()).unwrap();
    let body = match opened {
        Opened::Note(note) => note.body,
        Opened::Head(head) => head.join(&note.parts).unwrap().body,
    };
    if body == b"work" && !delivered.shows_work(9) {
        return Receipt::WorkRequired { bits: 9 };
    }
    if body == b"full" {
        return Receipt::Full;
    }
    let mut kept = kept.lock().unwrap();
    if kept.contains(&note.id()) {
        return Receipt::Duplicate;
    }
    kept.push(note.id());
    Receipt::Accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_are_delivered_by_hand_and_each_has_its_receipt() {
    let mut nodes = network(2).await;
    let (_, bob, record) = published(&nodes[1]).await;
    let alice = guest_credential();
    nodes[0].client.host(Arc::clone(&alice));
    receiver(nodes.pop().unwrap(), Arc::clone(&bob));
    let sender = &nodes[0].client;
    let mut notes: Vec<_> = (0..40_u8).map(|n| sealed(&alice, &bob, &[n])).collect();
    notes.push(sealed(&alice, &bob, &vec![1; 64 * 1024]));
    notes.push(sealed(&alice, &bob, b"full"));
    notes.push(notes[0].clone());
    notes.push(sealed(&guest_credential(), &bob, b"not from the caller"));
    notes.push(sealed(&alice, &alice, b"not for the called agent"));
    notes.push(sealed(&alice, &bob, b"work"));
    let postage = Postage::default();
    let delivered = sender.deliver(alice.aid(), &record, Paths::Any, &notes, &postage);
    let receipts = within(delivered).await.unwrap();
    assert_eq!(receipts[..41], [Receipt::Accepted; 41]);
    let rest = [
        Receipt::Full,
        Receipt::Duplicate,
        Receipt::Invalid,
        Receipt::Invalid,
        Receipt::Accepted,
    ];
    assert_eq!(receipts[41..], rest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_notes_takes_nothing_but_notes() {
    let mut nodes = network(2).await;
    let (_, bob, record) = published(&nodes[1]).await;
    let alice = guest(&nodes[0]);
    let call = nodes[0]
        .client
        .call(alice, &record, Paths::Any, Content::Notes);
    let mut stream = within(call).await.unwrap();
    // A frame that announces more than a delivery may have.
    stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let call = within(nodes[1].calls.recv()).await.unwrap();
    assert_eq!(call.agent(), bob.aid());
    let keep = |_| async { Receipt::Accepted };
    let served = within(nodes[1].client.receive_notes(call, keep)).await;
    assert!(served.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_proof_of_work_ends_a_stream_of_notes() {
    let mut nodes = network(2).await;
    let (_, bob, record) = published(&nodes[1]).await;
    let alice = guest_credential();
    nodes[0].client.host(Arc::clone(&alice));
    let call = nodes[0]
        .client
        .call(alice.aid(), &record, Paths::Any, Content::Notes);
    let mut stream = within(call).await.unwrap();
    let note = sealed(&alice, &bob, b"hello").record;
    let challenge = Challenge::new(&bob.aid().key(), &note);
    let proof = |nonce| Work { bits: 9, nonce };
    let wrong = (0..100).find(|nonce| !challenge.is_met_by(proof(*nonce)));
    let brought = v1::DeliveredNote {
        record: note.encoded().to_vec(),
        work: wrong.map(|nonce| v1::Work { bits: 9, nonce }),
        ..v1::DeliveredNote::default()
    };
    let delivery = v1::NoteDelivery {
        notes: vec![brought],
        ..v1::NoteDelivery::default()
    };
    write_frame(&mut stream, &delivery).await.unwrap();
    let call = within(nodes[1].calls.recv()).await.unwrap();
    let keep = |_| async { Receipt::Accepted };
    let served = within(nodes[1].client.receive_notes(call, keep)).await;
    assert_eq!(served.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_stays_away_and_its_sender_learns_of_it() {
    let mut nodes = network(3).await;
    let (alice, bob) = (guest_credential(), guest_credential());
    let (short, long) = (
        sealed(&alice, &bob, b"hello"),
        sealed(&alice, &bob, &[7; 9000]),
    );
    let postage = Postage::default();
    for note in [&short, &long] {
        within(nodes[0].client.deposit(note, &postage))
            .await
            .unwrap();
    }
    let reader = &nodes[1].client;
    let opened = open(&long.record, bob.aid(), bob.signing_key()).unwrap();
    let Opened::Head(head) = opened else {
        panic!("a long note has a head");
    };
    within(reader.whole_note(&head)).await.unwrap();
    let told = within(reader.remove_notes(&bob, &[short.id(), long.id()])).await;
    assert_eq!((told, within(reader.release_parts(&head)).await), (2, 2));

    // Neither a late write nor a hand-over brings it back, not even to a node that has never heard of it.
    nodes.push(node(&[&nodes[0]]).await);
    let newcomer = &nodes[3].client;
    eventually(|| async { !newcomer.store.removals().is_empty() }).await;
    for node in &nodes {
        for note in [&short, &long] {
            let deposit = within(node.client.deposit(note, &postage)).await;
            assert_eq!(deposit.unwrap(), Deposit::Taken);
        }
        assert!(
            within(node.client.notes(bob.aid()))
                .await
                .unwrap()
                .is_empty()
        );
    }
    // Nobody else can take a note out of the mailbox.
    let kept = sealed(&alice, &bob, b"again");
    within(nodes[0].client.deposit(&kept, &postage))
        .await
        .unwrap();
    within(nodes[2].client.remove_notes(&alice, &[kept.id()])).await;
    let found = within(nodes[1].client.notes(bob.aid())).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_brings_along_the_permission_to_write_back() {
    let nodes = network(3).await;
    let (alice, bob) = (guest_credential(), guest_credential());
    let note = sealed(&alice, &bob, b"hello");
    let expires_at = UnixSeconds(clock::now().0 + 3600);
    let postage = Postage {
        pass: None,
        reply: Some(Pass::issue(&alice, bob.aid(), expires_at)),
    };
    within(nodes[0].client.deposit(&note, &postage))
        .await
        .unwrap();
    let found = within(nodes[1].client.notes(bob.aid())).await.unwrap();
    let pass = found[0].reply.clone().unwrap();
    let answer = sealed(&bob, &alice, b"hello, too");
    assert!(pass.admits(&answer.record, clock::now()));
    assert!(!pass.admits(&note.record, clock::now()));
    assert_eq!(Some(pass), postage.reply);
}

/// Fills half of an agent's mailbox on every node with notes of strangers.
fn crowd(nodes: &[Network], bob: &Credential) {
    for _ in 0..MAX_MAILBOX_NOTES / 2 {
        let stranger = Credential::node(SigningKey::generate());
        let note = sealed(&stranger, bob, b"spam");
        for node in nodes {
            let source = Source::of(PeerId::random(), None);
            let (key, record) = (bob.aid().key(), note.record.clone());
            node.client.store.put(key, record, source, clock::now());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_crowded_mailbox_strangers_work_and_friends_do_not() {
    let nodes = network(3).await;
    let (alice, bob) = (guest_credential(), guest_credential());
    crowd(&nodes, &bob);
    let kept = |deposit| matches!(deposit, Deposit::Kept(kept) if kept.replicas == 2);
    let bits_of = |node: &Network, note: &SealedNote| {
        let beside = node.client.store.beside(&bob.aid().key(), &note.record);
        beside.work.map(|work| work.bits)
    };

    let worked = sealed(&alice, &bob, b"I have worked for this");
    let postage = Postage::default();
    let deposit = within(nodes[0].client.deposit(&worked, &postage)).await;
    assert!(kept(deposit.unwrap()));
    assert_eq!(bits_of(&nodes[1], &worked), Some(MIN_WORK_BITS));

    let expires_at = UnixSeconds(clock::now().0 + 3600);
    let postage = Postage {
        pass: Some(Pass::issue(&bob, alice.aid(), expires_at)),
        reply: None,
    };
    let passed = sealed(&alice, &bob, b"I was asked to write");
    let deposit = within(nodes[0].client.deposit(&passed, &postage)).await;
    assert!(kept(deposit.unwrap()));
    assert_eq!(bits_of(&nodes[1], &passed), None);

    // Both rights travel on to a node that comes later.
    let late = node(&[&nodes[0]]).await;
    let of_alice = Query {
        key: bob.aid().key(),
        kind: None,
        publisher: Some(alice.aid()),
    };
    eventually(|| async { late.client.store.get(&of_alice, clock::now()).len() == 2 }).await;
    assert_eq!(bits_of(&late, &worked), Some(MIN_WORK_BITS));
    let beside = late.client.store.beside(&of_alice.key, &passed.record);
    assert_eq!(
        beside.pass.as_deref(),
        postage.pass.map(|pass| pass.encode()).as_deref()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_false_notes_that_are_brought_by_hand_none_is_taken() {
    let mut nodes = network(2).await;
    let (_, bob, record) = published(&nodes[1]).await;
    let [eve, alice, mallory] = [(); 3].map(|()| guest_credential());
    nodes[0].client.host(Arc::clone(&eve));
    receiver(nodes.pop().unwrap(), Arc::clone(&bob));
    let first = sealed(&eve, &bob, b"replayed");
    let expired = {
        let recipient = Recipient::of_record(&record);
        let lifetime = Lifetime {
            seq: Seq(1),
            timestamp: UnixSeconds(clock::now().0 - 3600),
            ttl_secs: 60,
        };
        SealedNote::seal(&eve, &recipient, 3, b"late", lifetime).unwrap()
    };
    let long = sealed(&eve, &bob, &[7; 5000]);
    let mut notes = Vec::new();
    for n in 0..200_u16 {
        let body = n.to_be_bytes();
        // Signed by the sender it names, but not brought by it: a replay of what was seen elsewhere.
        notes.push(sealed(&alice, &bob, &body));
        // For somebody else.
        notes.push(sealed(&eve, &mallory, &body));
        notes.push(expired.clone());
        // Parts of another sender, and a record that is no note.
        notes.push(SealedNote {
            parts: sealed(&alice, &bob, &[7; 5000]).parts,
            ..long.clone()
        });
        notes.push(SealedNote {
            record: endpoint_record(&eve, &nodes[0], n.into()),
            parts: Vec::new(),
        });
    }
    let sender = &nodes[0].client;
    let postage = Postage::default();
    let bring = |notes| sender.deliver(eve.aid(), &record, Paths::Any, notes, &postage);
    let receipts = within(bring(&notes)).await.unwrap();
    assert_eq!(receipts, vec![Receipt::Invalid; 1000]);
    let again = [first.clone(), first];
    let receipts = within(bring(&again)).await.unwrap();
    assert_eq!(receipts, [Receipt::Accepted, Receipt::Duplicate]);
}
