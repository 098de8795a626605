// SPDX-License-Identifier: MPL-2.0
//! How an agent's node is reached from here.

use a2al_protocol::Aid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Peer;

/// An agent whose node was reached, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Reached {
    /// The agent's address, in canonical form.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub address: Aid,
    /// Multiaddrs of its record, best first.
    #[schema(example = json!(["/ip4/203.0.113.7/udp/4121/quic-v1/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"]))]
    pub endpoints: Vec<String>,
    /// Kind of NAT it is behind, by its record: 0 unknown, 1 public, 2 restricted, 3
    /// port-restricted, 4 symmetric.
    #[schema(example = 3)]
    pub nat_type: u8,
    /// Time from looking it up to its proof, in milliseconds.
    #[schema(example = 120)]
    pub took_ms: u64,
    /// Whether the stream that was opened passes through a relay.
    pub is_relayed: bool,
    /// The connection to its node that new streams take; absent if it has just closed, and for an
    /// agent of this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
}
