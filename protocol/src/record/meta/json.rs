// SPDX-License-Identifier: MPL-2.0
//! The JSON form of free-form values.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::{Meta, Value};

/// Floats of smaller size hold every integer exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(bool) => serializer.serialize_bool(*bool),
            Self::Integer(number) => match (u64::try_from(*number), i64::try_from(*number)) {
                (Ok(number), _) => serializer.serialize_u64(number),
                (_, Ok(number)) => serializer.serialize_i64(number),
                #[expect(clippy::cast_precision_loss, reason = "JSON has no better number")]
                _ => serializer.serialize_f64(*number as f64),
            },
            // The reference shows 1.0 as 1.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and within the range"
            )]
            Self::Float(number) if number.fract() == 0.0 && number.abs() < EXACT => {
                serializer.serialize_i64(*number as i64)
            }
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Bytes(bytes) => serializer.serialize_str(&hex::encode(bytes)),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(values) => values.serialize(serializer),
            Self::Map(meta) => meta.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(Value::Bool(bool))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the reference reads every number as a float"
    )]
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Float(number as f64))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the reference reads every number as a float"
    )]
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Float(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut meta = Meta::new();
        while let Some((key, value)) = map.next_entry()? {
            meta.insert(key, value);
        }
        Ok(Value::Map(meta))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_and_shown_as_the_reference_does() {
        let json = r#"{"a":[1,"x"],"f":0.5,"m":{"k":null},"n":-3,"t":true}"#;
        let value: Value = serde_json::from_str(json).unwrap();
        let Value::Map(meta) = &value else {
            panic!("a map, not {value:?}")
        };
        assert_eq!(meta["n"], Value::Float(-3.0));
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
    }
}
