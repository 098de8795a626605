// SPDX-License-Identifier: MPL-2.0
//! Free-form values in profiles and topic entries.

use std::collections::BTreeMap;

use minicbor::data::{Int, Type};

use crate::cbor::{MalformedCbor, Reader, Writer};

/// Named values that a publisher adds to its profile or topic entry.
pub type Meta = BTreeMap<String, Value>;

/// One such value. Its JSON form is the obvious one.
///
/// Numbers read from JSON become [`Value::Float`] whatever they look like, because the reference
/// writes them so and the same input should give the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// An integer between -2⁶⁴ and 2⁶⁴ - 1; other numbers are written as floats.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Bytes, which JSON shows as hex.
    Bytes(Vec<u8>),
    /// A text.
    Text(String),
    /// A list.
    Array(Vec<Self>),
    /// Named values.
    Map(Meta),
}

pub(super) fn read_meta(reader: &mut Reader<'_>) -> Result<Meta, MalformedCbor> {
    let mut meta = Meta::new();
    reader.entries(|reader| {
        let key = read_key(reader)?;
        meta.insert(key, read_value(reader)?);
        Ok(())
    })?;
    Ok(meta)
}

/// Canonical order of keys is by length first.
pub(super) fn write_meta<'w>(writer: &'w mut Writer, meta: &Meta) -> &'w mut Writer {
    let mut entries: Vec<_> = meta.iter().collect();
    entries.sort_by_key(|(key, _)| (key.len(), *key));
    let writer = writer.map(entries.len());
    entries.into_iter().fold(writer, |writer, (key, value)| {
        write_value(writer.text(key), value)
    })
}

fn read_key(reader: &mut Reader<'_>) -> Result<String, MalformedCbor> {
    match reader.peek()? {
        Type::String | Type::StringIndef => reader.text(),
        _ => Err(MalformedCbor::Type),
    }
}

fn read_value(reader: &mut Reader<'_>) -> Result<Value, MalformedCbor> {
    Ok(match reader.peek()? {
        Type::Bool => Value::Bool(reader.bool()?),
        Type::F16 | Type::F32 | Type::F64 => Value::Float(reader.float()?),
        Type::String | Type::StringIndef => Value::Text(reader.text()?),
        Type::Bytes | Type::BytesIndef => Value::Bytes(reader.bytes()?.unwrap_or_default()),
        Type::Map | Type::MapIndef => Value::Map(read_meta(reader)?),
        Type::Array | Type::ArrayIndef => Value::Array(read_array(reader)?),
        Type::Tag => {
            // What a tag means is the application's business; the value under it stays.
            reader.tag()?;
            reader.nested(read_value)?
        }
        Type::Null | Type::Undefined => reader.null().map(|()| Value::Null)?,
        Type::Simple | Type::Break | Type::Unknown(_) => return Err(MalformedCbor::Type),
        _ => Value::Integer(reader.integer()?),
    })
}

fn read_array(reader: &mut Reader<'_>) -> Result<Vec<Value>, MalformedCbor> {
    let mut values = Vec::new();
    reader.items(|reader| {
        values.push(read_value(reader)?);
        Ok(())
    })?;
    Ok(values)
}

fn write_value<'w>(writer: &'w mut Writer, value: &Value) -> &'w mut Writer {
    match value {
        Value::Null => writer.null(),
        Value::Bool(bool) => writer.bool(*bool),
        Value::Integer(number) => write_integer(writer, *number),
        Value::Float(number) => writer.float(*number),
        Value::Bytes(bytes) => writer.bytes(bytes),
        Value::Text(text) => writer.text(text),
        Value::Array(values) => values.iter().fold(writer.array(values.len()), write_value),
        Value::Map(meta) => write_meta(writer, meta),
    }
}

fn write_integer(writer: &mut Writer, number: i128) -> &mut Writer {
    match Int::try_from(number) {
        Ok(number) => writer.integer(number),
        #[expect(
            clippy::cast_precision_loss,
            reason = "it is too large for the exact forms"
        )]
        Err(_) => writer.float(number as f64),
    }
}

#[cfg(feature = "serde")]
mod json;
