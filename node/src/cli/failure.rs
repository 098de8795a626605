// SPDX-License-Identifier: MPL-2.0
//! Why a command failed, its exit code, and what to do next.

use std::io;
use std::path::PathBuf;

use axum::http::StatusCode;

use crate::rest::ProblemBody;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody listens where the daemon should.
    #[error("no daemon answers at {api}")]
    NotRunning {
        /// Where it was looked for.
        api: String,
    },
    /// The daemon did not answer in time.
    #[error("the daemon at {api} did not answer in time")]
    Timeout {
        /// Where it is.
        api: String,
    },
    /// The daemon answered with an error.
    #[error("{what}: {error}", error = problem.error)]
    Refused {
        /// What it was asked for.
        what: String,
        /// The status of its answer.
        status: StatusCode,
        /// What it said.
        problem: ProblemBody,
    },
    /// Whoever answered is not a daemon this program understands.
    #[error("{api} does not answer as a2ald does")]
    NotOurs {
        /// Where it is.
        api: String,
        /// What could not be read.
        source: reqwest::Error,
    },
    /// The address of the daemon is none.
    #[error("{api:?} is not the address of an API")]
    BadApi {
        /// What was given.
        api: String,
    },
    /// The call was told to take no relay, and has no other path.
    #[error("relay_required: the agent is reached through a relay only")]
    RelayForbidden,
    /// The agent does not let the caller in.
    #[error("access denied: the agent does not let this caller in")]
    Denied,
    /// The text is no name of a tunnel.
    #[error("{0:?} is not the name of a tunnel")]
    NoTunnel(String),
    /// The text is not the name of one note on its way, nor the beginning of it.
    #[error("{0:?} does not name one note on its way")]
    NoNote(String),
    /// A note was to be sent that says nothing.
    #[error("the note says nothing: give a text, --file FILE, or - to read stdin")]
    NoNoteText,
    /// Notes wait that are no text, which printing would lose.
    #[error("{0} note(s) are no text, so all notes stay where they are")]
    NotesUnshown(usize),
    /// No agent of this node was named, and there is not exactly one.
    #[error("{}", if agents.is_empty() { "this node hosts no agent".to_owned() } else { format!("name one with --aid: {}", agents.join(" ")) })]
    WhichAgent {
        /// Those there are.
        agents: Vec<String>,
    },
    /// The agent's service answered with an error; its answer has been printed.
    #[error("the service answered with status {0}")]
    Upstream(u16),
    /// The agent's service answered more than an answer carries; its beginning has been printed.
    #[error(
        "cut off after {0} bytes: an answer of fetch carries 4 MiB at most; ask for a part with a Range header"
    )]
    CutOff(usize),
    /// Something needs attention; what, has been printed.
    #[error("{0} finding(s) need attention")]
    Attention(usize),
    /// There is no such setting.
    #[error("no setting is called {0:?}")]
    NoSetting(String),
    /// The setting can be changed in the file only.
    #[error("{0} cannot be changed while the daemon runs")]
    FixedSetting(String),
    /// A value does not fit its setting.
    #[error("{key} cannot be {value:?}")]
    BadValue {
        /// The setting.
        key: String,
        /// The value.
        value: String,
    },
    /// A header is not `NAME: VALUE`.
    #[error("{0:?} is not a header; expected \"NAME: VALUE\"")]
    BadHeader(String),
    /// Free-form values are no JSON object.
    #[error("--meta is not a JSON object: {source}")]
    BadMeta {
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The text is no address of a service.
    #[error("{0:?} is not where a service listens; write host:port or http://host:port/path")]
    BadUrl(String),
    /// A file or answer is no agent card.
    #[error("{from} is not an agent card: {source}")]
    NoCard {
        /// Where it was looked for.
        from: String,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// An agent card did not arrive.
    #[error("no agent card at {url}: {source}")]
    CardNotFetched {
        /// Where it was looked for.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// An agent card is somewhere else now.
    #[error("{url} leads to {place}; if that is right, name it with --from")]
    CardMoved {
        /// Where it was looked for.
        url: String,
        /// Where the answer leads to.
        place: String,
    },
    /// An agent card is longer than any that is read.
    #[error("{0} is too long for an agent card")]
    CardTooLong(String),
    /// This program does not speak what the URL of the card wants.
    #[error("cards are fetched over http:// only, not from {0}")]
    CardScheme(String),
    /// Nobody can be asked.
    #[error("nobody is there to say whether this is to be published; -y says that it is")]
    NobodyToAsk,
    /// Whoever was asked said no.
    #[error("not published")]
    NotConfirmed,
    /// The only copy of a key could not be shown.
    #[error("the master key could not be written, so the daemon keeps it: {0}")]
    KeyUnwritten(io::Error),
    /// What was done could not be shown.
    #[error("it is done, but stdout takes no data: {0}")]
    Unwritten(&'static io::Error),
    /// Notes that were taken could not be shown.
    #[error("the notes could not be written to stdout ({source}); they are in {path}", path = path.display())]
    NotesSaved {
        /// Where they are.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold an exported agent.
    #[error("{path} does not hold an exported agent: {source}", path = path.display())]
    NoExport {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A program is no MCP server that can be exposed.
    #[error(transparent)]
    Unusable(#[from] a2al_mcp::exposed::Unusable),
    /// The system refused something.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Failure {
    /// The exit code, which scripts can tell failures apart by.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotRunning { .. } => 3,
            Self::RelayForbidden => 5,
            Self::Denied => 7,
            Self::Timeout { .. } => 6,
            Self::Refused {
                status, problem, ..
            } => refused(*status, &problem.code),
            Self::BadApi { .. }
            | Self::BadHeader(_)
            | Self::BadValue { .. }
            | Self::BadMeta { .. }
            | Self::BadUrl(_)
            | Self::NobodyToAsk
            | Self::FixedSetting(_)
            | Self::NoSetting(_)
            | Self::NoNote(_)
            | Self::NoNoteText
            | Self::NoTunnel(_)
            | Self::WhichAgent { .. } => 2,
            Self::Upstream(_)
            | Self::CutOff(_)
            | Self::Attention(_)
            | Self::NotesUnshown(_)
            | Self::NotOurs { .. }
            | Self::NoCard { .. }
            | Self::CardNotFetched { .. }
            | Self::CardMoved { .. }
            | Self::CardTooLong(_)
            | Self::CardScheme(_)
            | Self::KeyUnwritten(_)
            | Self::Unwritten(_)
            | Self::NotesSaved { .. }
            | Self::NotConfirmed
            | Self::File { .. }
            | Self::NoExport { .. }
            | Self::Unusable(_)
            | Self::System(_) => 1,
        }
    }

    /// The failure of a call that itself refused relays names that, not the configuration.
    pub(super) fn of_call(self, is_direct_only: bool) -> Self {
        match self {
            Self::Refused { problem, .. } if is_direct_only && problem.code == "relay_required" => {
                Self::RelayForbidden
            }
            failure => failure,
        }
    }

    /// What to do next, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotRunning { .. } => Some("start it with `a2ald`, or name another with --api"),
            Self::Refused {
                status, problem, ..
            } => hint(*status, &problem.code),
            Self::RelayForbidden => Some("call without --disable-relay"),
            Self::NoSetting(_) => Some("`a2al config get` lists the settings"),
            Self::NoNote(_) => Some("`a2al note outbox` shows the notes on their way"),
            Self::NotesUnshown(_) => {
                Some("`a2al note poll --out DIR` saves what they say, --json prints it as base64")
            }
            Self::NoTunnel(_) => Some("`a2al tunnel list` shows the open tunnels"),
            Self::FixedSetting(_) => Some("edit config.toml and restart a2ald"),
            Self::CardScheme(_) => Some("`curl -s URL | a2al publish SERVICE --from -` reads it"),
            Self::BadApi { .. } => Some("write it as http://127.0.0.1:2121"),
            _ => None,
        }
    }
}

fn refused(status: StatusCode, code: &str) -> u8 {
    match (status.as_u16(), code) {
        (408 | 504, _) => 6,
        (404, _) | (_, "resolve_failed" | "recipient_unknown") => 4,
        (401 | 403, _) => 7,
        (409, _) => 8,
        (412 | 502 | 503, _) => 5,
        _ => 1,
    }
}

fn hint(status: StatusCode, code: &str) -> Option<&'static str> {
    match (status.as_u16(), code) {
        (401, _) => Some("give the API's token with --token or A2AL_TOKEN"),
        (_, "note_not_found") => Some("`a2al note outbox` shows the notes on their way"),
        (_, "recipient_unknown") => {
            Some("a note is sealed to the key that the agent publishes; it has published nothing")
        }
        (_, "tunnel_not_found") => Some("`a2al tunnel list` shows the open tunnels"),
        (_, "port_in_use") => Some("choose another --local-port, or none for a free one"),
        (_, "not_found") => Some("`a2al agents list` shows the agents of this node"),
        (_, "resolve_failed") => Some("its record may have ended, or it was never published"),
        (_, "no_provider") => {
            Some("`a2al search` shows who offers what; a filter may leave nobody")
        }
        (_, "not_connected") => Some("`a2al doctor` says why"),
        (_, "no_inbound") => {
            Some("its owner binds a service with `a2al agents update`; `a2al doctor AID` says more")
        }
        (_, "relay_required") => {
            Some("`a2al config set disable_relay false` lets calls take relays")
        }
        (_, "connect_failed") => Some("`a2al doctor AID` says why"),
        (_, "inbound_unreachable") => {
            Some("the agent's node is up, its service is not; `a2al doctor AID` says more")
        }
        (_, "no_address") => Some(
            "`a2al config set disable_relay false`, then restart a2ald; `a2al doctor` says more",
        ),
        (_, "publish_failed") => Some("try again shortly with `a2al publish`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_code(status: u16, code: &'static str) -> u8 {
        let problem = ProblemBody {
            error: "text".into(),
            code: code.into(),
            retryable: false,
            next: None,
            argument: None,
        };
        let status = StatusCode::from_u16(status).unwrap();
        Failure::Refused {
            what: "GET /".to_owned(),
            status,
            problem,
        }
        .exit_code()
    }

    #[test]
    fn each_kind_of_failure_has_its_code() {
        for (status, code, expected) in [
            (400, "bad_aid", 1),
            (401, "unauthorized", 7),
            (403, "access_denied", 7),
            (404, "not_found", 4),
            (404, "resolve_failed", 4),
            (502, "resolve_failed", 4),
            (503, "not_connected", 5),
            (504, "resolve_failed", 6),
            (502, "recipient_unknown", 4),
            (404, "note_not_found", 4),
            (404, "tunnel_not_found", 4),
            (409, "key_conflict", 8),
            (409, "port_in_use", 8),
            (502, "connect_failed", 5),
            (412, "relay_required", 5),
            (503, "no_inbound", 5),
            (504, "timeout", 6),
            (507, "storage", 1),
        ] {
            assert_eq!(exit_code(status, code), expected, "{status} {code}");
        }
    }
}
