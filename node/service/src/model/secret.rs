// SPDX-License-Identifier: MPL-2.0
//! Private key text on its way in or out.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroize;

/// A private key as hexadecimal text.
///
/// Wiped from memory when dropped; `Debug` never shows it, so it cannot slip into a log line.
#[derive(Clone, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Holds `text`; a `String` is taken over, not copied.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text itself, unless there is none.
    pub(crate) fn non_empty(&self) -> Option<&str> {
        Some(self.expose()).filter(|text| !text.is_empty())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
