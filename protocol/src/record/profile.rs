// SPDX-License-Identifier: MPL-2.0
//! Profile payloads: who an agent is and what it can do.

use super::{
    PayloadError,
    meta::{Meta, read_meta, write_meta},
};
use crate::{
    cbor::{self, Writer},
    limits::MAX_PROFILE_LEN,
};

/// The version of the format that is written.
const VERSION: u64 = 1;

/// The payload of a record of kind [`PROFILE`](super::RecordKind::PROFILE).
///
/// What is empty is left out on the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The agent's name.
    pub name: String,
    /// What it is, in a sentence.
    pub brief: String,
    /// The protocols it speaks.
    pub protocols: Vec<String>,
    /// What it can do.
    pub skills: Vec<String>,
    /// The SHA-256 of its agent card.
    pub card_hash: Option<[u8; 32]>,
    /// The kinds of input and output it takes.
    pub modalities: Vec<String>,
    /// Anything else.
    pub meta: Meta,
}

impl Profile {
    /// Reads the payload of a profile record.
    ///
    /// # Errors
    /// [`PayloadError::TooLong`], [`PayloadError::Malformed`] or [`PayloadError::CardHash`].
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        if payload.len() > MAX_PROFILE_LEN {
            return Err(PayloadError::TooLong {
                max: MAX_PROFILE_LEN,
            });
        }
        let mut profile = Self::default();
        let mut card_hash = Vec::new();
        cbor::read_map(payload, |key, value| {
            match key {
                2 => profile.name = value.text()?,
                3 => profile.brief = value.text()?,
                4 => profile.protocols = value.texts()?.unwrap_or_default(),
                5 => profile.skills = value.texts()?.unwrap_or_default(),
                6 => card_hash = value.bytes()?.unwrap_or_default(),
                8 => profile.modalities = value.texts()?.unwrap_or_default(),
                9 => profile.meta = read_meta(value)?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        if !card_hash.is_empty() {
            let hash = card_hash.try_into().map_err(|_| PayloadError::CardHash)?;
            profile.card_hash = Some(hash);
        }
        Ok(profile)
    }

    /// The payload of a profile record that says this.
    ///
    /// # Errors
    /// [`PayloadError::TooLong`] if it would have more than [`MAX_PROFILE_LEN`] bytes.
    pub fn encode(&self) -> Result<Vec<u8>, PayloadError> {
        let mut writer = Writer::new();
        writer.map(1 + self.present_fields()).uint(1).uint(VERSION);
        write_text(&mut writer, 2, &self.name);
        write_text(&mut writer, 3, &self.brief);
        write_texts(&mut writer, 4, &self.protocols);
        write_texts(&mut writer, 5, &self.skills);
        if let Some(hash) = &self.card_hash {
            writer.uint(6).bytes(hash);
        }
        write_texts(&mut writer, 8, &self.modalities);
        if !self.meta.is_empty() {
            write_meta(writer.uint(9), &self.meta);
        }
        let payload = writer.finish();
        if payload.len() > MAX_PROFILE_LEN {
            return Err(PayloadError::TooLong {
                max: MAX_PROFILE_LEN,
            });
        }
        Ok(payload)
    }

    /// How many fields are written besides the version.
    fn present_fields(&self) -> usize {
        let present = [
            !self.name.is_empty(),
            !self.brief.is_empty(),
            !self.protocols.is_empty(),
            !self.skills.is_empty(),
            self.card_hash.is_some(),
            !self.modalities.is_empty(),
            !self.meta.is_empty(),
        ];
        present.into_iter().filter(|present| *present).count()
    }
}

fn write_text(writer: &mut Writer, key: u64, text: &str) {
    if !text.is_empty() {
        writer.uint(key).text(text);
    }
}

fn write_texts(writer: &mut Writer, key: u64, texts: &[String]) {
    if !texts.is_empty() {
        writer.uint(key).texts(texts);
    }
}
