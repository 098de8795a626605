// SPDX-License-Identifier: MPL-2.0
//! Notes between agents.

use std::path::{Path, PathBuf};

use a2al_protocol::Aid;
use a2al_protocol::limits::MAX_LONG_BODY_LEN;
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
        Note::Poll { aid, out } => poll(context, aid, out).await,
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
        (Some(text), _) if text == "-" => body(Path::new("-"))?,
        (Some(text), _) => text.into_bytes(),
        (None, Some(file)) => body(&file)?,
        (None, None) => return Err(Failure::NoNoteText),
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

/// What a note is to say; of what is too long just so much that the daemon sees it.
fn body(file: &Path) -> Result<Vec<u8>, Failure> {
    files::read_up_to(file, MAX_LONG_BODY_LEN + 1)
}

async fn list(context: &Context, aid: Option<Aid>) -> Result<(), Failure> {
    let aid = own(context, aid).await?;
    let list = context
        .client
        .get(&format!("/agents/{aid}/mailbox"))
        .await?;
    context
        .print
        .data(&list, |list| lines(list, Unshown::Length));
    remark(context, &list);
    Ok(())
}

/// Takes the notes that wait, once everything that lines cannot show is kept elsewhere.
async fn poll(context: &Context, aid: Option<Aid>, out: Option<PathBuf>) -> Result<(), Failure> {
    let aid = own(context, aid).await?;
    let path = format!("/agents/{aid}/mailbox");
    if let Some(directory) = &out {
        save(directory, &context.client.get(&path).await?)?;
    } else if !context.print.is_json() {
        let waiting: MessageList = context.client.get(&path).await?;
        let unshown = waiting.messages.iter().filter(|note| shown(note).is_none());
        match unshown.count() {
            0 => {}
            count => return Err(Failure::NotesUnshown(count)),
        }
    }
    let list: MessageList = context.client.post(&format!("{path}/poll"), &()).await?;
    // Some may have come in the meantime; the others have their files already.
    let saved = out.map(|directory| save(&directory, &list));
    let unshown = match &saved {
        Some(Ok(())) => Unshown::Length,
        Some(Err(_)) | None => Unshown::InFull,
    };
    let shown = context.print.delivered(&list, |list| lines(list, unshown));
    if let Err(source) = shown {
        // They are nowhere else any more.
        let path = files::rescue("a2al-notes-", &list)?;
        return Err(Failure::NotesSaved { path, source });
    }
    remark(context, &list);
    saved.unwrap_or(Ok(()))
}

/// Writes what each note says to a file of its name, unless it is there.
fn save(directory: &Path, list: &MessageList) -> Result<(), Failure> {
    for note in &list.messages {
        let bytes = BASE64
            .decode(&note.body_base64)
            .map_err(std::io::Error::other)?;
        files::write_once(&directory.join(&note.message_id), &bytes)?;
    }
    Ok(())
}

/// What is printed of a note that is no text.
#[derive(Clone, Copy, Debug)]
enum Unshown {
    /// Its length: the note stays, or is saved.
    Length,
    /// All of it, as base64: it is nowhere else any more.
    InFull,
}

fn lines(list: &MessageList, unshown: Unshown) -> String {
    let notes = list.messages.iter().map(|note| text(note, unshown));
    notes.collect::<Vec<_>>().join("\n\n")
}

fn remark(context: &Context, list: &MessageList) {
    if list.messages.is_empty() {
        context.print.note("no notes");
    }
    if list.remaining > 0 {
        let more = list.remaining;
        context.print.note(format_args!("{more} more wait"));
    }
}

/// A note for people: who wrote it, when, its name, and what it says. The lines of the latter are
/// quoted, so that none passes for the head of another note.
fn text(message: &Message, unshown: Unshown) -> String {
    let again = if message.again { "  again" } else { "" };
    let body = shown(message).unwrap_or_else(|| match unshown {
        Unshown::Length => format!("({} bytes that are no text)", decoded(message).len()),
        Unshown::InFull => format!("(no text; base64) {}", message.body_base64),
    });
    let quoted: Vec<_> = body.split('\n').map(|line| format!("> {line}")).collect();
    format!(
        "from {}  type {}  {}{again}\nnote {}\n{}",
        message.sender,
        message.msg_type,
        message.sent_at,
        message.message_id,
        quoted.join("\n")
    )
}

/// What a note says, if it is text.
fn shown(message: &Message) -> Option<String> {
    let text = String::from_utf8(decoded(message)).ok()?;
    (!text.contains('\0')).then(|| harmless(&text))
}

fn decoded(message: &Message) -> Vec<u8> {
    BASE64.decode(&message.body_base64).unwrap_or_default()
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

async fn cancel(context: &Context, aid: Option<Aid>, name: &str) -> Result<(), Failure> {
    let aid = own(context, aid).await?;
    let outbox: NoteOutbox = context.client.get(&format!("/agents/{aid}/outbox")).await?;
    let begins = name.to_ascii_lowercase();
    let meant = outbox.notes.iter().filter(|note| {
        let is_meant = note.message_id.starts_with(&begins);
        is_meant && !begins.is_empty()
    });
    let [note] = meant.collect::<Vec<_>>()[..] else {
        return Err(Failure::NoNote(name.to_owned()));
    };
    let path = format!("/agents/{aid}/outbox/{}", note.message_id);
    let done: a2al_service::model::Done = context.client.delete(&path).await?;
    context
        .print
        .data(&done, |_| format!("given up {}", note.message_id));
    if note.replicas > 0 {
        context.print.note(format_args!(
            "{} other node(s) keep it; it may still arrive",
            note.replicas
        ));
    }
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

    fn note(body: &[u8]) -> Message {
        Message {
            sender: Aid::from_bytes(&[0xa0; 21]).unwrap(),
            msg_type: 3,
            body_base64: BASE64.encode(body),
            message_id: "9f86".to_owned(),
            sent_at: "then".to_owned(),
            received_at: "now".to_owned(),
            again: false,
        }
    }

    #[test]
    fn a_body_is_shown_if_it_is_text() {
        let text = note("grüße\n\u{1b}".as_bytes());
        assert_eq!(shown(&text).unwrap(), "grüße\n\u{fffd}");
        for bytes in [&[0xff, 1][..], &[0; 64]] {
            assert_eq!(shown(&note(bytes)), None);
        }
        let bytes = note(&[0xff, 0]);
        let line = |unshown| text_of(&bytes, unshown);
        assert_eq!(line(Unshown::Length), "> (2 bytes that are no text)");
        assert_eq!(line(Unshown::InFull), "> (no text; base64) /wA=");
    }

    fn text_of(note: &Message, unshown: Unshown) -> String {
        text(note, unshown).lines().last().unwrap().to_owned()
    }

    #[test]
    fn no_line_of_a_body_passes_for_a_head() {
        let fake = note(b"hi\r\n\nfrom A0  type 3\nx");
        let shown = text(&fake, Unshown::Length);
        let body: Vec<_> = shown.lines().skip(2).collect();
        assert_eq!(body, ["> hi", "> ", "> from A0  type 3", "> x"]);
    }
}
