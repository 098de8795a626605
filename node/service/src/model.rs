// SPDX-License-Identifier: MPL-2.0
//! What goes in and out of the use cases.
//!
//! The REST routes, the MCP tools and the command line all speak these types, so a field has one
//! name and one description wherever it appears. Requests keep addresses and keys as text: a bad
//! one is then answered by name (`bad local_aid`) and not as malformed JSON.

mod agents;
mod discover;
mod events;
mod fetch;
mod identity;
mod mailbox;
mod peers;
mod plain;
mod reach;
mod records;
mod secret;
mod services;
mod sessions;
mod status;
mod tunnels;
mod wallets;

pub use agents::{
    Acl, AclDefault, Agent, AgentList, Deleted, DeletedList, Done, Export, Heartbeat, Outcome,
    PatchAgent, Probe, Published, Register, Registered, Registration, Updated,
};
pub use discover::{CallService, CalledService, Discover, Discovered, Entry, Filter, ProbeResults};
pub use events::{Event, EventList, NoteSource, NotesReceived, StreamedEvent};
pub use fetch::{Fetch, FetchAnswer, Headers};
pub use identity::{
    GenerateWallet, GeneratedIdentity, GeneratedWallet, Kept, KeptIdentity, KeptList, MasterBackup,
    MasterKind,
};
pub use mailbox::{
    Message, MessageList, NoteOutbox, NoteStatus, NoteUnderWay, Pending, PendingByAgent, SendNote,
    SentNote,
};
pub use peers::{Path, Peer, PeerList, Transport};
pub use plain::plainly;
pub use reach::Reached;
pub use records::{Profile, PublishRecord, Record, RecordList, Resolution};
pub use secret::Secret;
pub use services::{Offered, RegisterServices, ServicesRegistered, SetProfile};
pub use sessions::Session;
pub use status::{HeldRelay, Nat, Reachability, Relaying, Status, Udp};
pub use tunnels::{Connect, Connected, OpenTunnel, Tunnel, TunnelList};
pub use wallets::{
    DelegationMessage, EthereumMessage, EthereumProof, EthereumRegister, KeptProof, ParalismProof,
    ProofTerms, WalletProof,
};
