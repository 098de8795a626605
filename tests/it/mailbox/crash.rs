// SPDX-License-Identifier: MPL-2.0
//! Kill -9 of sender and recipient at any moment: every note that was confirmed is read, and once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::timeout;

use crate::harness::{Api, Dice, Net, Note, Setup, eventually, note, say};

/// Confirmed notes before the test is content.
const WANTED: usize = 200;

/// Kills of either daemon before the test is content.
const WANTED_KILLS: usize = 20;

/// Longest life of one run of a daemon, in milliseconds, and the shortest.
const MAX_LIFE_MS: usize = 900;
const MIN_LIFE_MS: usize = 50;

/// How much longer a daemon may live after each kill, in milliseconds: on a busy machine it takes a
/// while until it meets others.
const LIFE_GROWS_MS: usize = 20;

/// Longest time until everybody is content.
const LIVES_DEADLINE: Duration = Duration::from_secs(400);

/// Longest time for one run of a caller's work; it ends when its daemon is killed.
const RUN_DEADLINE: Duration = Duration::from_secs(60);

/// Longest time until everything has arrived after the last kill.
const ARRIVAL_DEADLINE: Duration = Duration::from_secs(120);

/// What sender and reader were told, across all runs of their daemons.
#[derive(Debug, Default)]
struct Ledger {
    written: usize,
    /// The bodies of confirmed notes, by their names.
    confirmed: BTreeMap<String, Vec<u8>>,
    read: BTreeMap<String, Vec<u8>>,
    /// Notes that came again, marked.
    repeated: usize,
    kills: [usize; 2],
}

impl Ledger {
    fn is_content(&self) -> bool {
        self.confirmed.len() >= WANTED && self.kills.iter().all(|kills| *kills >= WANTED_KILLS)
    }

    fn missing(&self) -> BTreeSet<&String> {
        let names = self.confirmed.keys();
        names
            .filter(|name| !self.read.contains_key(*name))
            .collect()
    }

    /// Takes down what a reader was given.
    fn given(&mut self, notes: Vec<Note>) {
        for note in notes {
            let before = self.read.insert(note.id.clone(), note.body.clone());
            let Some(before) = before else { continue };
            assert!(note.again, "{} is read twice, and not marked", note.id);
            assert_eq!(before, note.body);
            self.repeated += 1;
        }
    }
}

/// Who works on a daemon.
#[derive(Clone, Copy)]
enum Role {
    Writer,
    Reader,
}

/// Two agents, and what is known of the notes between them.
struct Scene {
    sender: String,
    recipient: String,
    ledger: RefCell<Ledger>,
    dice: RefCell<Dice>,
}

impl Scene {
    /// Starts and kills a daemon until everybody is content.
    async fn lives(&self, role: Role, mut setup: Setup) -> Setup {
        let started = Instant::now();
        while !self.ledger.borrow().is_content() {
            assert!(
                started.elapsed() < LIVES_DEADLINE,
                "not content: {:?}",
                self.ledger.borrow().kills
            );
            let daemon = setup.start().await;
            let kills = self.ledger.borrow().kills[role as usize];
            let span = MAX_LIFE_MS - MIN_LIFE_MS + LIFE_GROWS_MS * kills;
            let life = MIN_LIFE_MS + self.dice.borrow_mut().below(span);
            let life = Duration::from_millis(u64::try_from(life).expect("a small number"));
            let api = daemon.api.clone();
            // Whoever works notices by a broken connection, as a program of its own would.
            let killing = async {
                let _alive = timeout(life, std::future::pending::<()>()).await;
                daemon.kill().await
            };
            let ((), killed) = tokio::join!(self.work(role, &api), killing);
            self.ledger.borrow_mut().kills[role as usize] += 1;
            setup = killed;
        }
        setup
    }

    async fn work(&self, role: Role, api: &Api) {
        match role {
            Role::Writer => while self.write(api).await.is_some() {},
            Role::Reader => {
                eventually("the daemon is killed", RUN_DEADLINE, async || {
                    self.read(api).await.is_none().then_some(())
                })
                .await;
            }
        }
    }

    /// Sends one note; `None` if the daemon is gone.
    async fn write(&self, api: &Api) -> Option<()> {
        let number = {
            let mut ledger = self.ledger.borrow_mut();
            ledger.written += 1;
            ledger.written
        };
        let body = format!("number {number}").into_bytes();
        let path = format!("/agents/{}/mailbox/send", self.sender);
        let answer = api.try_post(&path, note(&self.recipient, &body)).await?;
        if answer.status == 200 {
            let told = answer.ok();
            let name = told["message_id"].as_str().expect("a name").to_owned();
            self.ledger.borrow_mut().confirmed.insert(name, body);
        }
        Some(())
    }

    /// Reads what waits; `None` if the daemon is gone.
    async fn read(&self, api: &Api) -> Option<()> {
        let path = format!("/agents/{}/mailbox/poll", self.recipient);
        let answer = api.try_post(&path, json!({})).await?;
        if answer.status == 200 {
            self.ledger.borrow_mut().given(Note::list(&answer.ok()));
        }
        Some(())
    }
}

#[tokio::test]
async fn every_confirmed_note_is_read_once_whatever_is_killed() {
    let mut net = Net::of(2).await;
    let joined = net.nodes[0].addresses().await;
    net.join(2, &joined).await;
    net.formed().await;
    let (reader, writer) = (
        net.nodes.pop().expect("four"),
        net.nodes.pop().expect("four"),
    );
    let scene = Scene {
        sender: writer.api.agent().await.aid,
        recipient: reader.api.reader().await,
        ledger: RefCell::default(),
        dice: RefCell::new(Dice::new("mailbox crash")),
    };
    writer.api.resolve(&scene.recipient).await;
    let (writer, reader) = (writer.kill().await, reader.kill().await);
    let (writer, reader) = tokio::join!(
        scene.lives(Role::Writer, writer),
        scene.lives(Role::Reader, reader)
    );
    let (writer, reader) = (writer.start().await, reader.start().await);
    eventually("every note is read", ARRIVAL_DEADLINE, async || {
        scene
            .read(&reader.api)
            .await
            .expect("nobody is killed any more");
        scene.ledger.borrow().missing().is_empty().then_some(())
    })
    .await;
    writer.api.outbox_is_empty(&scene.sender).await;
    scene
        .read(&reader.api)
        .await
        .expect("nobody is killed any more");
    let ledger = scene.ledger.borrow();
    for (name, body) in &ledger.confirmed {
        assert_eq!(ledger.read.get(name), Some(body), "{name} was confirmed");
    }
    let Ledger {
        written,
        confirmed,
        read,
        repeated,
        kills: [writers, readers],
    } = &*ledger;
    say(&format!(
        "mailbox crash: {writers} kills of the sender and {readers} of the recipient; {} of {written} notes confirmed, \
         all read once, {} others too; {repeated} came again and were marked",
        confirmed.len(),
        read.len() - confirmed.len(),
    ));
}
