// SPDX-License-Identifier: MPL-2.0
//! Who has the turn, and when something is tried again.

use a2al_protocol::SigningKey;

use super::entry::MAX_REFUSALS;
use super::*;

fn aid() -> Aid {
    SigningKey::generate().public().aid()
}

fn facts(pair: Pair, number: u8) -> OutgoingFacts {
    OutgoingFacts {
        message: MessageId::of_payload(&[number]),
        sender: pair.sender,
        recipient: pair.recipient,
        msg_type: 3,
        body_len: 1,
        sent_at: UnixSeconds(100),
        expires_at: UnixSeconds(200),
    }
}

fn outbox(notes: u8) -> (Outbox, Pair, Instant) {
    let (pair, now) = (
        Pair {
            sender: aid(),
            recipient: aid(),
        },
        Instant::now(),
    );
    let saved = SavedMail {
        under_way: (0..notes).map(|number| facts(pair, number)).collect(),
        ..SavedMail::default()
    };
    (Outbox::new(&saved, now), pair, now)
}

fn id(number: u8) -> MessageId {
    MessageId::of_payload(&[number])
}

fn status(outbox: &Outbox, pair: Pair) -> Vec<Progress> {
    let shown = outbox.of_sender(&pair.sender);
    shown.iter().map(|note| note.progress).collect()
}

#[test]
fn what_was_saved_is_due_at_once() {
    let (outbox, pair, now) = outbox(3);
    let due = outbox.due(Instant::now(), UnixSeconds(150));
    assert_eq!((due.calls, due.stores.len()), (vec![pair], 3));
    assert!(due.expired.is_empty());
    assert_eq!(outbox.due(now, UnixSeconds(201)).expired.len(), 3);
    assert!(outbox.next_due().is_some_and(|next| next <= Instant::now()));
}

#[test]
fn one_call_at_a_time_brings_what_was_sent_meanwhile() {
    let (outbox, pair, _) = outbox(2);
    let now = Instant::now();
    assert!(outbox.begin_call(pair, now));
    assert!(!outbox.begin_call(pair, now), "somebody is calling");
    let batch = outbox.batch(pair, 0, 16);
    let messages: Vec<_> = batch.iter().map(|(_, message)| *message).collect();
    assert_eq!(messages, [id(0), id(1)]);
    let last = batch[1].0;
    outbox.delivered(&id(0));
    outbox.delivered(&id(1));
    outbox.state().insert(facts(pair, 2), None, now);
    assert!(outbox.end_call(pair, last, now), "there is one more");
    assert_eq!(outbox.batch(pair, last, 16).len(), 1);
    outbox.delivered(&id(2));
    assert!(!outbox.end_call(pair, last + 1, now));
    assert!(outbox.recipients().is_empty() && outbox.next_due().is_none());
}

#[test]
fn a_note_that_cannot_be_read_is_not_tried_again_and_again() {
    let (outbox, pair, _) = outbox(1);
    let now = Instant::now();
    assert!(outbox.begin_call(pair, now));
    let (place, _) = outbox.batch(pair, 0, 16)[0];
    assert!(!outbox.end_call(pair, place, now));
    assert!(outbox.due(now, UnixSeconds(150)).calls.is_empty());
}

#[test]
fn who_cannot_be_reached_is_called_more_and_more_rarely() {
    let (outbox, pair, _) = outbox(1);
    let mut now = Instant::now();
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert!(outbox.begin_call(pair, now));
        outbox.call_failed(pair, "asleep", now);
        assert!(!outbox.begin_call(pair, now), "a moment ago");
        let wait = outbox.state().pairs[&pair].call_at - now;
        waits.push(wait.as_secs_f64());
        now += wait;
    }
    let last = CALLS_WHILE_QUEUED.last.as_secs_f64();
    assert!(waits[0] <= 2.5 && waits[7] >= last * 0.75, "{waits:?}");
    let shown = &outbox.of_sender(&pair.sender)[0];
    assert_eq!(
        (shown.attempts, shown.last_error.as_deref()),
        (8, Some("asleep"))
    );
    let before = Instant::now();
    outbox.call_again(before, |one| one.recipient == pair.recipient);
    assert!(outbox.begin_call(pair, Instant::now()), "it was heard of");
}

#[test]
fn a_note_is_stored_again_soon_while_too_few_keep_it_and_later_in_any_case() {
    let (outbox, pair, _) = outbox(1);
    let now = Instant::now();
    let wait = |outbox: &Outbox| outbox.state().notes[&id(0)].store_at - now;
    assert!(outbox.begin_store(&id(0), now));
    assert!(!outbox.begin_store(&id(0), now), "somebody is storing it");
    outbox.stored(&id(0), 0, true, now);
    assert_eq!(status(&outbox, pair), [Progress::Queued], "nobody has it");
    assert!(wait(&outbox) <= Duration::from_secs(3));
    outbox.stored(&id(0), 2, false, now);
    assert_eq!(status(&outbox, pair), [Progress::Stored(2)]);
    assert!(wait(&outbox) <= Duration::from_secs(5));
    outbox.stored(&id(0), 5, true, now);
    assert!(wait(&outbox) >= STORE_AGAIN * 3 / 4);
    outbox.store_failed(&id(0), "refused", now);
    assert_eq!(
        status(&outbox, pair),
        [Progress::Stored(5)],
        "as far as is known"
    );
}

#[test]
fn whoever_waits_hears_how_far_a_note_comes() {
    let (outbox, pair, now) = outbox(0);
    let told = outbox.state().insert(facts(pair, 0), None, now);
    assert_eq!(*told.borrow(), Progress::Queued);
    outbox.stored(&id(0), 3, true, now);
    assert_eq!(*told.borrow(), Progress::Stored(3));
    outbox.delivered(&id(0));
    assert_eq!(*told.borrow(), Progress::Delivered);
    assert!(!outbox.remove(&id(0)), "not under way any more");
}

#[test]
fn a_sender_who_is_gone_has_nothing_under_way() {
    let (outbox, pair, _) = outbox(2);
    outbox.forget(&pair.sender);
    assert!(outbox.of_sender(&pair.sender).is_empty());
    assert!(outbox.next_due().is_none());
}

#[test]
fn a_note_that_is_never_opened_is_given_up_until_its_sender_is_renewed() {
    let (outbox, pair, now) = outbox(1);
    let later = now + Duration::from_secs(1000);
    outbox.stored(&id(0), 3, true, now);
    for _ in 0..MAX_REFUSALS {
        assert_eq!(outbox.batch(pair, 0, 9).len(), 1);
        outbox.refused(&id(0), "does not open");
    }
    let shown = outbox.of_sender(&pair.sender);
    assert_eq!(shown[0].progress, Progress::Queued);
    assert_eq!(shown[0].last_error.as_deref(), Some("does not open"));
    assert!(shown[0].next_attempt.is_none());
    let due = outbox.due(later, UnixSeconds(150));
    assert!(due.calls.is_empty() && due.stores.is_empty());
    assert_eq!(outbox.due(later, UnixSeconds(201)).expired, [id(0)]);
    outbox.renewed(&pair.sender, now);
    assert_eq!(outbox.due(later, UnixSeconds(150)).calls, [pair]);
    assert!(outbox.begin_store(&id(0), later));
}
