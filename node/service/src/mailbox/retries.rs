// SPDX-License-Identifier: MPL-2.0
//! Trying again what did not arrive at once, until it has or its time is over.

use std::collections::HashMap;
use std::time::Duration;

use a2al_protocol::record::RecordKind;
use a2al_protocol::{Aid, Seq};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::collecting;
use crate::store::mail::MailChange;
use crate::{Service, clock};

/// Calls and attempts to store that are under way at one time.
const AT_ONCE: usize = 32;

/// Longest sleep: how late the end of a note may be noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How often it is looked whether a recipient has published again.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How often notes are forgotten that nobody can send again.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);

/// Works for the notes until the service stops.
pub(crate) async fn run(service: Service) {
    let forgetting = forget(&service);
    tokio::join!(retry(&service), collecting::run(&service), forgetting);
}

async fn forget(service: &Service) {
    let mut tick = interval(FORGET_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let forget = MailChange::Forget { now: clock::now() };
        if let Err(error) = service.core.store.mail(forget).await {
            tracing::debug!(%error, "old notes are still remembered");
        }
    }
}

async fn retry(service: &Service) {
    let outbox = &service.core.mail.outbox;
    let mut state = service.core.client.state();
    let mut was_alone = state.borrow_and_update().connected_peers == 0;
    let (mut running, mut published) = (JoinSet::new(), Published::default());
    let mut look = interval(LOOK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        service.move_notes_on(&mut running);
        let now = Instant::now();
        let next = outbox.next_due();
        let is_busy = next.is_some();
        let next = next.map_or(now + LONGEST_SLEEP, |next| next.min(now + LONGEST_SLEEP));
        tokio::select! {
            () = sleep_until(next), if running.len() < AT_ONCE => {}
            () = service.core.mail.retry.notified() => {}
            Some(_) = running.join_next() => {}
            _ = look.tick(), if is_busy => {
                let back = published.again(service, &outbox.recipients());
                if !back.is_empty() {
                    outbox.call_again(Instant::now(), |pair| back.contains(&pair.recipient));
                }
            }
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
                let is_alone = state.borrow_and_update().connected_peers == 0;
                if std::mem::replace(&mut was_alone, is_alone) && !is_alone {
                    outbox.all_again(Instant::now());
                    service.core.mail.collections.make_all_due();
                    service.core.mail.collect.notify_one();
                }
            }
        }
    }
}

/// The newest records of recipients that this node holds for the network, or published itself.
#[derive(Default)]
struct Published(HashMap<Aid, Seq>);

impl Published {
    /// Those recipients who have published since this was asked last.
    fn again(&mut self, service: &Service, recipients: &[Aid]) -> Vec<Aid> {
        self.0.retain(|aid, _| recipients.contains(aid));
        let mut again = Vec::new();
        for aid in recipients {
            let held = service.core.client.held_record(*aid, RecordKind::ENDPOINT);
            let Some(record) = held.filter(|record| !record.is_withdrawn()) else {
                continue;
            };
            let before = self.0.insert(*aid, record.seq());
            if before.is_some_and(|before| before < record.seq()) {
                service.core.found.put(record, crate::resolve::now());
                again.push(*aid);
            }
        }
        again
    }
}

impl Service {
    /// Begins what is due, as far as there is room, and gives up what is over.
    fn move_notes_on(&self, running: &mut JoinSet<()>) {
        let (now, outbox) = (Instant::now(), &self.core.mail.outbox);
        let due = outbox.due(now, clock::now());
        for message in due.expired {
            if let Some(facts) = outbox.facts(&message) {
                let (sender, recipient) = (facts.sender, facts.recipient);
                tracing::info!(%sender, %recipient, %message, "a note is given up: its time is over");
            }
            outbox.remove(&message);
            self.settle(message);
        }
        for pair in due.calls {
            if running.len() < AT_ONCE && outbox.begin_call(pair, now) {
                let service = self.clone();
                running.spawn(async move { service.call_pair(pair).await });
            }
        }
        for message in due.stores {
            if running.len() < AT_ONCE && outbox.begin_store(&message, now) {
                let service = self.clone();
                running.spawn(async move { service.store_note(message).await });
            }
        }
    }
}
