// SPDX-License-Identifier: MPL-2.0
//! Topic payloads: an agent's entry for a service.

use super::{
    PayloadError,
    meta::{Meta, read_meta, write_meta},
};
use crate::{
    cbor::{self, Writer},
    limits::{MAX_TOPIC_BRIEF_CHARS, MAX_TOPIC_LEN},
};

/// The payload of a record of kind [`TOPIC`](super::RecordKind::TOPIC).
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// The version of the format: 1. Older publishers wrote 0 or nothing.
    pub version: u64,
    /// The service this is an entry for. Anything but the empty text is a name.
    pub topic: String,
    /// The name under which the agent offers it.
    pub name: String,
    /// The protocols to use it with; `None` if not given, which is written differently from an
    /// empty list.
    pub protocols: Option<Vec<String>>,
    /// What searches can be narrowed by; `None` as for [`Self::protocols`].
    pub tags: Option<Vec<String>>,
    /// What it does, in at most [`MAX_TOPIC_BRIEF_CHARS`] code points.
    pub brief: String,
    /// Anything else; left out on the wire if empty.
    pub meta: Meta,
}

impl Topic {
    /// An entry for the service `topic` that says nothing else.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            version: 1,
            topic: topic.into(),
            name: String::new(),
            protocols: None,
            tags: None,
            brief: String::new(),
            meta: Meta::new(),
        }
    }

    /// Reads the payload of a topic record.
    ///
    /// # Errors
    /// [`PayloadError::TooLong`], [`PayloadError::Malformed`], [`PayloadError::NoTopic`] or
    /// [`PayloadError::Brief`].
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        check_len(payload)?;
        let mut entry = Self {
            version: 0,
            ..Self::new("")
        };
        cbor::read_map(payload, |key, value| {
            match key {
                1 => entry.version = value.uint()?,
                2 => entry.topic = value.text()?,
                3 => entry.name = value.text()?,
                4 => entry.protocols = value.texts()?,
                5 => entry.tags = value.texts()?,
                6 => entry.brief = value.text()?,
                7 => entry.meta = read_meta(value)?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        entry.check()?;
        Ok(entry)
    }

    /// The payload of a topic record that says this.
    ///
    /// # Errors
    /// [`PayloadError::TooLong`] if it would have more than [`MAX_TOPIC_LEN`] bytes,
    /// [`PayloadError::NoTopic`] or [`PayloadError::Brief`].
    pub fn encode(&self) -> Result<Vec<u8>, PayloadError> {
        self.check()?;
        let mut writer = Writer::new();
        writer.map(6 + usize::from(!self.meta.is_empty()));
        writer
            .uint(1)
            .uint(self.version)
            .uint(2)
            .text(&self.topic)
            .uint(3)
            .text(&self.name);
        write_optional(writer.uint(4), self.protocols.as_deref());
        write_optional(writer.uint(5), self.tags.as_deref());
        writer.uint(6).text(&self.brief);
        if !self.meta.is_empty() {
            write_meta(writer.uint(7), &self.meta);
        }
        let payload = writer.finish();
        check_len(&payload)?;
        Ok(payload)
    }

    fn check(&self) -> Result<(), PayloadError> {
        if self.topic.is_empty() {
            return Err(PayloadError::NoTopic);
        }
        if self.brief.chars().count() > MAX_TOPIC_BRIEF_CHARS {
            return Err(PayloadError::Brief);
        }
        Ok(())
    }
}

fn check_len(payload: &[u8]) -> Result<(), PayloadError> {
    if payload.len() > MAX_TOPIC_LEN {
        return Err(PayloadError::TooLong { max: MAX_TOPIC_LEN });
    }
    Ok(())
}

fn write_optional(writer: &mut Writer, texts: Option<&[String]>) {
    match texts {
        Some(texts) => writer.texts(texts),
        None => writer.null(),
    };
}
