// SPDX-License-Identifier: MPL-2.0
//! The agent at which a server is reached, for as long as it is exposed.

use a2al_protocol::Aid;
use a2al_service::model::{
    Agent, Done, KeptIdentity, PatchAgent, Published, RegisterServices, Registered,
    ServicesRegistered, SetProfile, Updated,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::publish::encoded;
use crate::cli::{Context, Failure};

/// An agent whose service is the server, and how it was before.
#[derive(Debug)]
pub(super) struct Place {
    aid: Aid,
    service_tcp: String,
    /// Its service before.
    before: String,
    /// The services that it offered before.
    known: Vec<String>,
    /// Those that it offers besides.
    offered: Vec<String>,
    backup_command: Option<String>,
}

/// Looks whether there is a daemon, and the agent on it.
pub(super) async fn check(context: &Context, aid: Option<Aid>) -> Result<(), Failure> {
    match aid {
        Some(aid) => agent(context, aid).await.map(drop),
        None => context.client.get::<Value>("/health").await.map(drop),
    }
}

impl Place {
    /// Points the agent, a new one if there is none, to `service_tcp`.
    pub(super) async fn take(
        context: &Context,
        aid: Option<Aid>,
        service_tcp: String,
    ) -> Result<Self, Failure> {
        let Some(aid) = aid else {
            return Self::new(context, service_tcp).await;
        };
        let found = agent(context, aid).await?;
        let offered = found.services.into_iter().flatten();
        point(context, aid, &service_tcp).await?;
        Ok(Self {
            aid,
            service_tcp,
            before: found.service_tcp,
            known: offered.map(|offered| offered.topic).collect(),
            offered: Vec::new(),
            backup_command: None,
        })
    }

    async fn new(context: &Context, service_tcp: String) -> Result<Self, Failure> {
        let made: KeptIdentity = tool(context, "a2al_identity_generate", json!({})).await?;
        let aid = made.aid;
        let agent = json!({ "aid": aid.to_string(), "service_tcp": service_tcp });
        let _: Registered = tool(context, "a2al_agent_register", agent).await?;
        Ok(Self {
            aid,
            service_tcp,
            before: String::new(),
            known: Vec::new(),
            offered: Vec::new(),
            backup_command: Some(made.backup_command),
        })
    }

    pub(super) fn aid(&self) -> Aid {
        self.aid
    }

    pub(super) fn service_tcp(&self) -> &str {
        &self.service_tcp
    }

    /// What saves the master key, if the identity is new.
    pub(super) fn backup_command(&self) -> Option<&str> {
        self.backup_command.as_deref()
    }

    /// Publishes where the agent is reached, what it is called, and what it offers from now on.
    pub(super) async fn publish(
        &mut self,
        context: &Context,
        name: Option<&str>,
        services: &[String],
    ) -> Result<(), Failure> {
        let path = format!("/agents/{}", self.aid);
        let client = &context.client;
        let _: Published = client.post(&format!("{path}/publish"), &()).await?;
        let protocols = Some(vec!["mcp".to_owned()]);
        let name = name.map(ToOwned::to_owned);
        if name.is_some() {
            let profile = SetProfile {
                name: name.clone(),
                protocols: protocols.clone(),
                ..SetProfile::default()
            };
            let _: Done = client.post(&format!("{path}/profile"), &profile).await?;
        }
        let new = services.iter().filter(|name| !self.known.contains(name));
        let new: Vec<_> = new.cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        self.offered.clone_from(&new);
        let request = RegisterServices {
            services: Some(new),
            name,
            protocols,
            ..RegisterServices::default()
        };
        let registered: ServicesRegistered =
            client.post(&format!("{path}/services"), &request).await?;
        for warning in &registered.warnings {
            context.print.note(format_args!("note: {warning}"));
        }
        Ok(())
    }

    /// Puts everything back as it was, unless somebody has changed it since.
    pub(super) async fn leave(self, context: &Context) -> Result<(), Failure> {
        let aid = self.aid;
        let now = agent(context, aid).await?;
        if now.service_tcp == self.service_tcp {
            point(context, aid, &self.before).await?;
        }
        for name in &self.offered {
            let path = format!("/agents/{aid}/services/{}", encoded(name));
            let _: Done = context.client.delete(&path).await?;
        }
        Ok(())
    }
}

async fn agent(context: &Context, aid: Aid) -> Result<Agent, Failure> {
    context.client.get(&format!("/agents/{aid}")).await
}

async fn point(context: &Context, aid: Aid, service_tcp: &str) -> Result<(), Failure> {
    let patch = PatchAgent {
        service_tcp: Some(service_tcp.to_owned()),
        ..PatchAgent::default()
    };
    let path = format!("/agents/{aid}");
    let _: Updated = context.client.patch(&path, &patch).await?;
    Ok(())
}

/// Calls a tool of the daemon: identities whose keys it keeps are made in no other way.
async fn tool<T: DeserializeOwned>(
    context: &Context,
    name: &str,
    args: Value,
) -> Result<T, Failure> {
    let call = json!({ "tool": name, "args": args });
    context.client.post("/mcp/call", &call).await
}
