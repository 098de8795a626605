// SPDX-License-Identifier: MPL-2.0
//! Notes between agents.

use std::path::Path;

use a2al_protocol::Aid;
use a2al_service::model::{
    Message, MessageList, NoteOutbox, NoteStatus, NoteUnderWay, SendNote, SentNote,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::only_agent;
use crate::cli::args::{Note, SendArgs};
use crate::cli::print::{harmless, table};
use crate::cli::{Context, Failure, files};

pub(super) async fn run(context: &Context, command: Note) -> Result<(), Failure> {
    match command {
        Note::Send(args) => send(context, args).await,
        Note::List { aid } => list(context, aid).await,
        Note::Poll { aid } => poll(context, aid).await,
        Note::Outbox { aid, cancel: None } => outbox(context, aid).await,
        Note::Outbox {
            aid,
            cancel: Some(message_id),
        } => cancel(context, aid, &message_id).await,
    }
}

/// The agent that was named, or the only one of the node.
async fn own(context: &Context, aid: Option<Aid>) -> Result<Aid, Failure> {
    match aid {
        Some(aid) => Ok(aid),
        None => only_agent(context).await,
    }
}

async fn send(context: &Context, args: SendArgs) -> Result<(), Failure> {
    let body = match (args.text, args.file) {
        (Some(text), _) if text == "-" => files::read(Path::new("-"))?,
        (Some(text), _) => text.into_bytes(),
        (None, file) => files::read(&file.unwrap_or_else(|| "-".into()))?,
    };
    let sender = own(context, args.aid).await?;
    let note = SendNote {
        recipient: args.recipient.to_string(),
        msg_type: args.msg_type,
        body_base64: BASE64.encode(body),
        ttl: args.ttl,
    };
    let path = format!("/agents/{sender}/mailbox/send");
    let sent: SentNote = context.client.post(&path, &note).await?;
    context.print.data(&sent, |sent| {
        format!("{} {}", word(sent.status), sent.message_id)
    });
    match sent.status {
        NoteStatus::Delivered => {}
        NoteStatus::Stored => context.print.note("others keep it until the agent wakes"),
        NoteStatus::Queued => context
            .print
            .note("this node keeps it and goes on trying; `a2al note outbox` shows how it fares"),
    }
    Ok(())
}

async fn list(context: &Context, aid: Option<Aid>) -> Result<(), Failure> {
    let aid = own(context, aid).await?;
    let list = context
        .client
        .get(&format!("/agents/{aid}/mailbox"))
        .await?;
    show(context, &list);
    Ok(())
}

async fn poll(context: &Context, aid: Option<Aid>) -> Result<(), Failure> {
    let aid = own(context, aid).await?;
    let path = format!("/agents/{aid}/mailbox/poll");
    let list = context.client.post(&path, &()).await?;
    show(context, &list);
    Ok(())
}

fn show(context: &Context, list: &MessageList) {
    context.print.data(list, |list| {
        let notes: Vec<_> = list.messages.iter().map(text).collect();
        notes.join("\n\n")
    });
    if list.messages.is_empty() {
        context.print.note("no notes");
    }
    if list.remaining > 0 {
        let more = list.remaining;
        context.print.note(format_args!("{more} more wait"));
    }
}

/// A note for people: who wrote it, when, and what it says.
fn text(message: &Message) -> String {
    let again = if message.again { "  again" } else { "" };
    format!(
        "from {}  type {}  {}{again}\n{}",
        message.sender,
        message.msg_type,
        message.sent_at,
        body(&message.body_base64)
    )
}

/// What a note says, if it is text.
fn body(base64: &str) -> String {
    let bytes = BASE64.decode(base64).unwrap_or_default();
    match std::str::from_utf8(&bytes) {
        Ok(text) => harmless(text),
        Err(_) => format!("({} bytes that are no text)", bytes.len()),
    }
}

async fn outbox(context: &Context, aid: Option<Aid>) -> Result<(), Failure> {
    let aid = own(context, aid).await?;
    let outbox: NoteOutbox = context.client.get(&format!("/agents/{aid}/outbox")).await?;
    context.print.data(&outbox, |outbox| {
        let heading = ["NOTE", "TO", "STATUS", "TRIED", "NEXT", "UNTIL", "WHY"];
        table(heading, &outbox.notes.iter().map(row).collect::<Vec<_>>())
    });
    if outbox.notes.is_empty() {
        context.print.note("no notes are under way");
    }
    Ok(())
}

fn row(note: &NoteUnderWay) -> [String; 7] {
    [
        note.message_id.clone(),
        note.recipient.to_string(),
        word(note.status).to_owned(),
        note.attempts.to_string(),
        note.next_attempt_at.as_deref().unwrap_or("now").to_owned(),
        note.expires_at.clone(),
        note.last_error.as_deref().map(harmless).unwrap_or_default(),
    ]
}

async fn cancel(context: &Context, aid: Option<Aid>, message_id: &str) -> Result<(), Failure> {
    let aid = own(context, aid).await?;
    if !message_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::NoNote(message_id.to_owned()));
    }
    let path = format!("/agents/{aid}/outbox/{message_id}");
    let done: a2al_service::model::Done = context.client.delete(&path).await?;
    context
        .print
        .data(&done, |_| format!("given up {message_id}"));
    Ok(())
}

fn word(status: NoteStatus) -> &'static str {
    match status {
        NoteStatus::Delivered => "delivered",
        NoteStatus::Stored => "stored",
        NoteStatus::Queued => "queued",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_if_it_is_text() {
        assert_eq!(body(&BASE64.encode("grüße\n\u{1b}")), "grüße\n\u{fffd}");
        assert_eq!(
            body(&BASE64.encode([0xff, 0])),
            "(2 bytes that are no text)"
        );
    }
}
