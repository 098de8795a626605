// SPDX-License-Identifier: MPL-2.0
//! The node as resources: mirrors of what tools answer, for hosts that show them to people or watch
//! them.

use a2al_protocol::Aid;
use a2al_service::{Error, Service};
use rmcp::ErrorData;
use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

use crate::limits::MAX_NOTES_LEN;
use crate::tools::Notes;

/// What a resource mirrors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mirror {
    /// The node's state.
    Status,
    /// Its agents.
    Agents,
    /// One agent.
    Agent(Aid),
    /// The notes that wait for an agent, which stay.
    Inbox(Aid),
}

const STATUS: &str = "a2al://status";
const AGENTS: &str = "a2al://agents";
const INBOX: &str = "a2al://inbox";
const JSON: &str = "application/json";

impl Mirror {
    fn of(uri: &str) -> Option<Self> {
        let below = |base: &str| uri.strip_prefix(base)?.strip_prefix('/')?.parse().ok();
        match uri {
            STATUS => Some(Self::Status),
            AGENTS => Some(Self::Agents),
            _ => below(AGENTS)
                .map(Self::Agent)
                .or_else(|| below(INBOX).map(Self::Inbox)),
        }
    }

    async fn read(self, service: &Service) -> Result<Value, Error> {
        let read = match self {
            Self::Status => serde_json::to_value(service.status()),
            Self::Agents => serde_json::to_value(service.agents()),
            Self::Agent(aid) => serde_json::to_value(service.agent(aid)?),
            Self::Inbox(aid) => {
                let list = service.list_mailbox(aid, MAX_NOTES_LEN).await?;
                serde_json::to_value(Notes::from(list))
            }
        };
        Ok(read.expect("answers are plain values with text keys"))
    }

    /// What changes when the resource does, without what changes all the time; `None` if there is
    /// no such resource.
    fn mark(self, service: &Service) -> Option<Value> {
        Some(match self {
            Self::Status => {
                let status = service.status();
                json!([
                    status.network_ready,
                    status.reachability,
                    status.node_published,
                    status.external_addrs,
                    status.tunnel_active_count,
                    status.pending,
                ])
            }
            Self::Agents => {
                let agents = service.agents().agents;
                let marks = agents
                    .iter()
                    .map(|agent| Self::Agent(agent.aid).mark(service));
                marks.collect::<Option<Vec<_>>>()?.into()
            }
            Self::Agent(aid) => {
                let agent = service.agent(aid).ok()?;
                json!([
                    agent.aid,
                    agent.service_tcp,
                    agent.services,
                    agent.seq,
                    agent.published_to_dht
                ])
            }
            Self::Inbox(aid) => {
                let events = service.events_since(aid, u64::MAX).ok()?;
                json!([service.pending_of(&aid), events.last_seq])
            }
        })
    }
}

/// The resources there are now.
pub(crate) fn list(service: &Service) -> Vec<Resource> {
    let mut all = vec![
        described(STATUS, "status", "Node state", "How this node is doing."),
        described(AGENTS, "agents", "Agents", "The agents this node hosts."),
    ];
    for agent in service.agents().agents {
        let aid = agent.aid;
        let (agent, inbox) = (format!("{AGENTS}/{aid}"), format!("{INBOX}/{aid}"));
        let name = format!("agent-{aid}");
        all.push(described(&agent, &name, "Agent", "An agent of this node."));
        let name = format!("inbox-{aid}");
        all.push(described(
            &inbox,
            &name,
            "Inbox",
            "Notes that wait for an agent; they stay.",
        ));
    }
    all
}

fn described(uri: &str, name: &str, title: &str, description: &str) -> Resource {
    Resource::new(uri, name)
        .with_title(title)
        .with_description(description)
        .with_mime_type(JSON)
}

/// What an agent's address is put into.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    let template = |base: &str, name: &str, title: &str, description: &str| {
        ResourceTemplate::new(format!("{base}/{{aid}}"), name)
            .with_title(title)
            .with_description(description)
            .with_mime_type(JSON)
    };
    vec![
        template(AGENTS, "agent", "Agent", "An agent of this node."),
        template(
            INBOX,
            "inbox",
            "Inbox",
            "Notes that wait for an agent; they stay.",
        ),
    ]
}

/// The content of a resource.
///
/// # Errors
/// When there is none of that name, or it cannot be read.
pub(crate) async fn read(service: &Service, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let missing = || missing(uri);
    let mirror = Mirror::of(uri).ok_or_else(missing)?;
    let content = mirror.read(service).await.map_err(|error| match error {
        Error::NotFound => missing(),
        error => ErrorData::internal_error(error.to_string(), None),
    })?;
    let content = ResourceContents::text(content.to_string(), uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![content]))
}

/// Whether there is, or may come to be, a resource of that name.
pub(crate) fn is_known(uri: &str) -> bool {
    Mirror::of(uri).is_some()
}

/// What is said about one that there is not.
pub(crate) fn missing(uri: &str) -> ErrorData {
    let problem = "no such resource; resources/list names those there are";
    ErrorData::resource_not_found(problem, Some(json!({ "uri": uri })))
}

/// What changes when the resource at `uri` does.
pub(crate) fn mark(service: &Service, uri: &str) -> Option<Value> {
    Mirror::of(uri)?.mark(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let aid = "a0eb165e6d5d1de7c44e0228e8efe48e4d05f6479a";
        let parsed = aid.parse().unwrap();
        assert_eq!(Mirror::of("a2al://status"), Some(Mirror::Status));
        assert_eq!(
            Mirror::of(&format!("a2al://agents/{aid}")),
            Some(Mirror::Agent(parsed))
        );
        assert_eq!(
            Mirror::of(&format!("a2al://inbox/{aid}")),
            Some(Mirror::Inbox(parsed))
        );
        for none in [
            "a2al://",
            "a2al://agents/",
            "a2al://agents/x",
            "a2al://inbox",
            "file:///etc",
        ] {
            assert_eq!(Mirror::of(none), None, "{none}");
        }
    }
}
