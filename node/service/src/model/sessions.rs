// SPDX-License-Identifier: MPL-2.0
//! Who calls a service of this machine.

use a2al_protocol::Aid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The agent behind a connection to a service, and what has passed over it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, ToSchema)]
pub struct Session {
    /// The agent that calls; it proved its address.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub caller_aid: Aid,
    /// The operational key that it proved to hold: 32 bytes, base64url without padding.
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    pub caller_pubkey: String,
    /// The agent of this node that is called.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub local_aid: Aid,
    /// The node's end of the connection, which the service sees as the remote one.
    #[schema(example = "127.0.0.1:40312")]
    pub addr: String,
    /// Since when, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub connected_at: String,
    /// Bytes from the caller to the service.
    #[schema(example = 512)]
    pub bytes_up: u64,
    /// Bytes from the service to the caller.
    #[schema(example = 4096)]
    pub bytes_down: u64,
    /// When a byte moved last, RFC 3339; at first the time of the connection.
    #[schema(example = "2026-11-23T22:40:05Z")]
    pub last_progress_at: String,
}
