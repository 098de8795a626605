// SPDX-License-Identifier: MPL-2.0
//! Notes to an agent whose daemon is off.

use std::collections::BTreeMap;

use futures::future::join_all;

use crate::harness::{Daemon, Net, Note, Setup, say};

/// Agents that write.
const SENDERS: usize = 5;

/// Notes of each.
const NOTES: usize = 20;

/// A recipient that is off, and what was sent to it meanwhile.
struct Asleep {
    senders: Vec<(Daemon, String)>,
    holders: Vec<Daemon>,
    setup: Setup,
    recipient: String,
    /// The bodies, by the names of the notes.
    sent: BTreeMap<String, (String, Vec<u8>)>,
}

impl Asleep {
    /// `holders` further daemons, the last of which is off while every sender writes.
    async fn with(holders: usize) -> Self {
        let mut net = Net::of(SENDERS + holders + 1).await;
        let asleep = net.nodes.pop().expect("one more");
        let recipient = asleep.api.reader().await;
        let holders = net.nodes.split_off(SENDERS);
        let mut senders = Vec::new();
        for node in net.nodes {
            let sender = node.api.agent().await.aid;
            node.api.resolve(&recipient).await;
            senders.push((node, sender));
        }
        let setup = asleep.stop().await;
        let mut asleep = Self {
            senders,
            holders,
            setup,
            recipient,
            sent: BTreeMap::new(),
        };
        asleep.write().await;
        asleep
    }

    async fn write(&mut self) {
        let recipient = &self.recipient;
        let writing = self.senders.iter().map(|(node, sender)| async move {
            let mut sent = Vec::new();
            for number in 0..NOTES {
                let body = format!("{number} of {sender}\0\u{ff}").into_bytes();
                let id = node.api.stored_note(sender, recipient, &body).await;
                sent.push((id, (sender.clone(), body)));
            }
            sent
        });
        self.sent
            .extend(join_all(writing).await.into_iter().flatten());
    }

    /// Checks that every note was read once, as it was written.
    fn check(&self, read: &[Note]) {
        assert_eq!(read.len(), self.sent.len());
        for note in read {
            let sent = self.sent.get(&note.id).expect("a note that was sent");
            assert_eq!(sent, &(note.sender.clone(), note.body.clone()));
        }
        let names: std::collections::BTreeSet<_> = read.iter().map(|note| &note.id).collect();
        assert_eq!(names.len(), read.len(), "one is read twice");
    }
}

#[tokio::test]
async fn a_hundred_notes_are_read_once_each_after_waking_elsewhere() {
    let mut asleep = Asleep::with(1).await;
    let awake = asleep.setup.clone().start().await;
    let read = awake.api.poll_all(&asleep.recipient, SENDERS * NOTES).await;
    asleep.check(&read);
    for (node, sender) in &asleep.senders {
        node.api.outbox_is_empty(sender).await;
    }
    // What was read does not come back after a restart, from whoever kept it.
    let awake = awake.stop().await.start().await;
    assert!(awake.api.poll(&asleep.recipient).await.is_empty());
    asleep.holders.clear();
    say("mailbox: 100 of 100 notes of 5 senders were read once each");
}

#[tokio::test]
async fn notes_outlive_the_daemons_of_their_senders() {
    let mut asleep = Asleep::with(4).await;
    let mut setups = Vec::new();
    // They do not come back until everything was read.
    let joined = asleep.holders[0].addresses().await;
    let mut names = Vec::new();
    for (node, sender) in asleep.senders.drain(..) {
        setups.push((node.stop().await, sender.clone()));
        names.push(sender);
    }
    let awake = asleep.setup.clone().joining(&joined).start().await;
    let read = awake.api.poll_all(&asleep.recipient, SENDERS * NOTES).await;
    asleep.check(&read);
    let (setup, sender) = setups.swap_remove(SENDERS - 1);
    let back = setup.joining(&joined).start().await;
    back.api.outbox_is_empty(&sender).await;
    assert!(
        awake.api.poll(&asleep.recipient).await.is_empty(),
        "known by its name"
    );
}

/// An agent may start, read once and stop again.
#[tokio::test]
async fn the_first_reader_after_a_start_finds_what_others_keep() {
    let mut net = Net::of(3).await;
    let asleep = net.nodes.pop().expect("three");
    let sending = net.nodes.pop().expect("three");
    let recipient = asleep.api.reader().await;
    let sender = sending.api.agent().await.aid;
    sending.api.resolve(&recipient).await;
    let setup = asleep.stop().await;
    let id = sending.api.stored_note(&sender, &recipient, b"hi").await;
    // The holder still knows it, and the reader is told of it.
    drop(sending.kill().await);
    let joined = net.nodes[0].addresses().await;
    let awake = setup.joining(&joined).start().await;
    let read = awake.api.poll(&recipient).await;
    let ids: Vec<_> = read.iter().map(|note| &note.id).collect();
    assert_eq!(ids, [&id]);
}
