// SPDX-License-Identifier: MPL-2.0
//! Canonical writing. The caller gives the keys of a map in order.

use std::convert::Infallible;

use minicbor::{Encoder, data::Int, encode};

/// The bytes of a CBOR item under construction.
pub(crate) struct Writer(Encoder<Vec<u8>>);

impl Writer {
    /// Starts with `prefix`, which is not CBOR: the domain separation of signed bytes.
    pub(crate) fn with_prefix(prefix: &[u8]) -> Self {
        Self(Encoder::new(prefix.to_vec()))
    }

    pub(crate) fn new() -> Self {
        Self::with_prefix(&[])
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_writer()
    }

    pub(crate) fn map(&mut self, len: usize) -> &mut Self {
        self.put(|encoder| encoder.map(len as u64).map(drop))
    }

    pub(crate) fn array(&mut self, len: usize) -> &mut Self {
        self.put(|encoder| encoder.array(len as u64).map(drop))
    }

    pub(crate) fn uint(&mut self, number: u64) -> &mut Self {
        self.put(|encoder| encoder.u64(number).map(drop))
    }

    pub(crate) fn integer(&mut self, number: Int) -> &mut Self {
        self.put(|encoder| encoder.int(number).map(drop))
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.put(|encoder| encoder.bytes(bytes).map(drop))
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.put(|encoder| encoder.str(text).map(drop))
    }

    pub(crate) fn texts<T: AsRef<str>>(&mut self, texts: &[T]) -> &mut Self {
        self.array(texts.len());
        texts
            .iter()
            .fold(self, |writer, text| writer.text(text.as_ref()))
    }

    pub(crate) fn bool(&mut self, bool: bool) -> &mut Self {
        self.put(|encoder| encoder.bool(bool).map(drop))
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        self.put(|encoder| encoder.null().map(drop))
    }

    /// The shortest of the three widths that keeps the value.
    pub(crate) fn float(&mut self, float: f64) -> &mut Self {
        self.put(|encoder| match narrow(float) {
            _ if float.is_nan() => encoder.f16(f32::NAN).map(drop),
            Some(narrow) if fits_half(narrow) => encoder.f16(narrow).map(drop),
            Some(narrow) => encoder.f32(narrow).map(drop),
            None => encoder.f64(float).map(drop),
        })
    }

    fn put(
        &mut self,
        item: impl FnOnce(&mut Encoder<Vec<u8>>) -> Result<(), encode::Error<Infallible>>,
    ) -> &mut Self {
        item(&mut self.0).expect("writing into a vector cannot fail");
        self
    }
}

/// The same number in 32 bits, if there is one.
fn narrow(float: f64) -> Option<f32> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the comparison tells what was lost"
    )]
    let narrow = float as f32;
    (f64::from(narrow).to_bits() == float.to_bits()).then_some(narrow)
}

/// Whether 16 bits hold the same number.
fn fits_half(float: f32) -> bool {
    let mut encoder = Encoder::new(Vec::new());
    encoder
        .f16(float)
        .expect("writing into a vector cannot fail");
    let half = minicbor::Decoder::new(encoder.writer()).f16();
    half.is_ok_and(|half| half.to_bits() == float.to_bits())
}
