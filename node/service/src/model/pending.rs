// SPDX-License-Identifier: MPL-2.0
//! What waits for somebody.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What waits for somebody, by address of the agent.
pub type Pending = BTreeMap<String, Waiting>;

/// What waits at one agent; what does not is absent.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(default)]
pub struct Waiting {
    /// True: its master key waits for the owner, who saves it with `a2al identity backup AID`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub master_backup: bool,
}
