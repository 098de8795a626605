// SPDX-License-Identifier: MPL-2.0
//! The CBOR of the wire: read leniently, written canonically.
//!
//! Every structure is a map with small integer keys. Reading takes whatever the reference takes:
//! keys in any order or as text, indefinite lengths, integers longer than needed, byte strings as
//! arrays, unknown keys, the self-description tag, and `null` or nothing for a zero value; of a
//! repeated key the first counts. That is safe because signatures are checked over a canonical
//! re-encoding of what was read. Writing gives the one canonical form (RFC 7049 §3.9).

mod reader;
mod writer;

pub(crate) use self::{reader::Reader, writer::Writer};

/// Why bytes are not the CBOR structure they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedCbor {
    /// It is not CBOR, or it is cut off.
    #[error("not well-formed CBOR")]
    Syntax,
    /// Something follows after the end.
    #[error("bytes follow after the CBOR item")]
    TrailingBytes,
    /// Containers are nested deeper than [`MAX_CBOR_DEPTH`](crate::limits::MAX_CBOR_DEPTH).
    #[error("CBOR containers are nested too deeply")]
    Depth,
    /// A field holds another kind of value than it should.
    #[error("a CBOR field has the wrong type")]
    Type,
    /// An integer does not fit its field.
    #[error("a CBOR integer is out of range")]
    Range,
}

/// Reads `bytes` as one map and hands each field to `field`, which must consume its value.
///
/// Fields whose key is no small unsigned integer, and repetitions of a key, are skipped.
pub(crate) fn read_map<'b>(
    bytes: &'b [u8],
    field: impl FnMut(u64, &mut Reader<'b>) -> Result<(), MalformedCbor>,
) -> Result<(), MalformedCbor> {
    let mut reader = Reader::new(bytes);
    reader.fields(field)?;
    reader.finish()
}

#[cfg(test)]
mod tests;
