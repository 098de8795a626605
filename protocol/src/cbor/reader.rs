// SPDX-License-Identifier: MPL-2.0
//! Lenient reading.

use minicbor::{
    Decoder,
    data::{Tag, Type},
};

use super::MalformedCbor;
use crate::limits::MAX_CBOR_DEPTH;

type Result<T, E = MalformedCbor> = std::result::Result<T, E>;

/// The tag that says of an item that it is CBOR, and nothing else (RFC 8949 §3.4.6).
const SELF_DESCRIBED: Tag = Tag::new(55799);

/// A position in a CBOR item, and how deep it is nested there.
///
/// No method allocates more than the input holds: announced lengths are never trusted.
pub(crate) struct Reader<'b> {
    input: Decoder<'b>,
    depth: u8,
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self {
            input: Decoder::new(bytes),
            depth: 0,
        }
    }

    /// Ends the reading; anything left over is an error.
    pub(crate) fn finish(self) -> Result<()> {
        if self.input.position() == self.input.input().len() {
            Ok(())
        } else {
            Err(MalformedCbor::TrailingBytes)
        }
    }

    /// The type of the next value, self-description tags before it taken away.
    pub(crate) fn peek(&mut self) -> Result<Type> {
        loop {
            let next = self.input.datatype().map_err(syntax)?;
            if next != Type::Tag {
                return Ok(next);
            }
            let start = self.input.position();
            if self.tag()? != SELF_DESCRIBED {
                self.input.set_position(start);
                return Ok(next);
            }
        }
    }

    /// Hands every field of the next map to `field`; see [`super::read_map`]. `null` has no fields.
    pub(crate) fn fields(
        &mut self,
        mut field: impl FnMut(u64, &mut Self) -> Result<()>,
    ) -> Result<()> {
        let mut seen = 0_u64;
        self.entries(|reader| {
            let key = reader.field_key()?;
            match key.and_then(|key| 1_u64.checked_shl(key)) {
                Some(bit) if seen & bit == 0 => {
                    seen |= bit;
                    field(u64::from(bit.trailing_zeros()), reader)
                }
                _ => reader.skip(),
            }
        })
    }

    /// Calls `entry` before every key of the next map. `null` has no entries.
    pub(crate) fn entries(&mut self, entry: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        match self.peek()? {
            Type::Map | Type::MapIndef => {
                let len = self.input.map().map_err(syntax)?;
                self.repeat(len, entry)
            }
            _ => self.null(),
        }
    }

    /// Calls `item` before every item of the next array; false if there is `null` instead.
    pub(crate) fn items(&mut self, item: impl FnMut(&mut Self) -> Result<()>) -> Result<bool> {
        match self.peek()? {
            Type::Array | Type::ArrayIndef => {
                let len = self.input.array().map_err(syntax)?;
                self.repeat(len, item).map(|()| true)
            }
            _ => self.null().map(|()| false),
        }
    }

    /// An unsigned integer; `null` is zero.
    pub(crate) fn uint<T: TryFrom<u64>>(&mut self) -> Result<T> {
        let number = match self.peek()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => self.input.u64().map_err(syntax)?,
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
                return Err(MalformedCbor::Range);
            }
            _ => self.null().map(|()| 0)?,
        };
        number.try_into().map_err(|_| MalformedCbor::Range)
    }

    /// A byte string, also one written as an array of integers; none for `null`.
    pub(crate) fn bytes(&mut self) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        if matches!(self.peek()?, Type::Bytes | Type::BytesIndef) {
            for chunk in self.input.bytes_iter().map_err(syntax)? {
                bytes.extend_from_slice(chunk.map_err(syntax)?);
            }
            return Ok(Some(bytes));
        }
        let present = self.items(|reader| reader.uint().map(|byte| bytes.push(byte)))?;
        Ok(present.then_some(bytes))
    }

    /// A text; `null` is the empty one.
    pub(crate) fn text(&mut self) -> Result<String> {
        let mut text = String::new();
        if matches!(self.peek()?, Type::String | Type::StringIndef) {
            for chunk in self.input.str_iter().map_err(syntax)? {
                text.push_str(chunk.map_err(syntax)?);
            }
        } else {
            self.null()?;
        }
        Ok(text)
    }

    /// An array of texts; none for `null`.
    pub(crate) fn texts(&mut self) -> Result<Option<Vec<String>>> {
        let mut texts = Vec::new();
        let present = self.items(|reader| reader.text().map(|text| texts.push(text)))?;
        Ok(present.then_some(texts))
    }

    /// An integer of either sign.
    pub(crate) fn integer(&mut self) -> Result<i128> {
        self.input.int().map(i128::from).map_err(syntax)
    }

    /// A floating-point number of any width.
    pub(crate) fn float(&mut self) -> Result<f64> {
        let float = match self.peek()? {
            Type::F16 => self.input.f16().map(f64::from),
            Type::F32 => self.input.f32().map(f64::from),
            _ => self.input.f64(),
        };
        float.map_err(syntax)
    }

    pub(crate) fn bool(&mut self) -> Result<bool> {
        self.input.bool().map_err(syntax)
    }

    pub(crate) fn tag(&mut self) -> Result<Tag> {
        self.input.tag().map_err(syntax)
    }

    /// `null`, and `undefined`, which the reference treats alike.
    pub(crate) fn null(&mut self) -> Result<()> {
        match self.peek()? {
            Type::Null => self.input.null().map_err(syntax),
            Type::Undefined => self.input.undefined().map_err(syntax),
            Type::Break | Type::Unknown(_) => Err(MalformedCbor::Syntax),
            _ => Err(MalformedCbor::Type),
        }
    }

    /// Passes over one value of any type.
    pub(crate) fn skip(&mut self) -> Result<()> {
        match self.peek()? {
            Type::Map | Type::MapIndef => self.entries(|reader| {
                reader.skip()?;
                reader.skip()
            }),
            Type::Array | Type::ArrayIndef => self.items(Self::skip).map(|_| ()),
            Type::Tag => {
                self.tag()?;
                self.nested(Self::skip)
            }
            Type::Break | Type::Unknown(_) => Err(MalformedCbor::Syntax),
            _ => self.input.skip().map_err(syntax),
        }
    }

    /// Runs `inner` one level deeper.
    pub(crate) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_CBOR_DEPTH {
            return Err(MalformedCbor::Depth);
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Calls `item` as often as `len` says, or until the break that ends an indefinite container.
    fn repeat(
        &mut self,
        len: Option<u64>,
        mut item: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.nested(|reader| {
            if let Some(len) = len {
                // Each round consumes input or fails, so an invented length ends at the input's end.
                return (0..len).try_for_each(|_| item(reader));
            }
            while reader.input.datatype().map_err(syntax)? != Type::Break {
                item(reader)?;
            }
            reader.input.skip().map_err(syntax)
        })
    }

    /// The next key, if it is a number or the text of one; any other key is consumed.
    fn field_key(&mut self) -> Result<Option<u32>> {
        match self.peek()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => Ok(self.uint::<u64>()?.try_into().ok()),
            Type::String | Type::StringIndef => Ok(decimal(&self.text()?)),
            _ => self.skip().map(|()| None),
        }
    }
}

/// The number of which `text` is the usual decimal form, without sign or leading zeros.
fn decimal(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// What exactly the parser disliked doesn't matter to whoever reads the error.
fn syntax(_: minicbor::decode::Error) -> MalformedCbor {
    MalformedCbor::Syntax
}
