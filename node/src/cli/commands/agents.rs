// SPDX-License-Identifier: MPL-2.0
//! The agents of this node.

use std::path::{Path, PathBuf};

use a2al_protocol::Aid;
use a2al_service::model::{
    Agent, AgentList, Deleted, DeletedList, Done, Export, Heartbeat, PatchAgent, Probe, Published,
    Register, Registered, Updated,
};

use super::register;
use crate::cli::args::Agents;
use crate::cli::print::{fields, table};
use crate::cli::{Context, Failure, files};

pub(super) async fn run(context: &Context, command: Agents) -> Result<(), Failure> {
    match command {
        Agents::New(args) => register::unpublished(context, args, register::Master::Native).await,
        Agents::NewEth(args) => {
            register::unpublished(context, args, register::Master::NewWallet).await
        }
        Agents::List { deleted: false } => list(context).await,
        Agents::List { deleted: true } => list_deleted(context).await,
        Agents::Restore { aid } => restore(context, aid).await,
        Agents::Get { aid } => get(context, aid).await,
        Agents::Update { aid, service_tcp } => update(context, aid, service_tcp).await,
        Agents::Del { aid } => delete(context, aid).await,
        Agents::Publish { aid } => publish(context, aid).await,
        Agents::Heartbeat { aid } => heartbeat(context, aid).await,
        Agents::Export { aid, out } => export(context, aid, out).await,
        Agents::Import { file } => import(context, &file).await,
        Agents::Probe { aid } => probe(context, aid).await,
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let list: AgentList = context.client.get("/agents").await?;
    context.print.data(&list, |list| {
        table(["AID", "SERVICE", "PUBLISHED", "UNREAD"], &rows(list))
    });
    if list.agents.is_empty() {
        context
            .print
            .note("no agents yet; `a2al register` makes one");
    }
    Ok(())
}

fn rows(list: &AgentList) -> Vec<[String; 4]> {
    let row = |agent: &Agent| {
        let aid = agent.aid.to_string();
        let unread = list.pending.get(&aid).map_or(0, |pending| pending.mailbox);
        [
            aid,
            or_none(&agent.service_tcp),
            yes_or_no(agent.published_to_dht),
            unread.to_string(),
        ]
    };
    list.agents.iter().map(row).collect()
}

async fn get(context: &Context, aid: Aid) -> Result<(), Failure> {
    let agent: Agent = context.client.get(&format!("/agents/{aid}")).await?;
    context.print.data(&agent, |agent| {
        fields(&[
            ("aid", &agent.aid),
            ("service", &or_none(&agent.service_tcp)),
            ("published", &yes_or_no(agent.published_to_dht)),
            ("last", &agent.last_publish_at.as_deref().unwrap_or("never")),
            (
                "valid until",
                &agent.dht_record_expires_at.as_deref().unwrap_or("-"),
            ),
            ("sequence", &agent.seq),
            ("replicas", &agent.dht_active_replicas),
        ])
    });
    Ok(())
}

async fn update(context: &Context, aid: Aid, service_tcp: String) -> Result<(), Failure> {
    let patch = PatchAgent {
        service_tcp: Some(service_tcp),
        ..PatchAgent::default()
    };
    let updated: Updated = context
        .client
        .patch(&format!("/agents/{aid}"), &patch)
        .await?;
    context.print.data(&updated, |_| format!("updated {aid}"));
    Ok(())
}

async fn delete(context: &Context, aid: Aid) -> Result<(), Failure> {
    let done: Done = context.client.delete(&format!("/agents/{aid}")).await?;
    context
        .print
        .data(&done, |_| format!("{aid} is not on this node any more"));
    context.print.note(format_args!(
        "`a2al agents restore {aid}` undoes it for 30 days"
    ));
    Ok(())
}

async fn list_deleted(context: &Context) -> Result<(), Failure> {
    let list: DeletedList = context.client.get("/agents/deleted").await?;
    let row = |agent: &Deleted| {
        let service = or_none(&agent.service_tcp);
        [
            agent.aid.to_string(),
            service,
            agent.restorable_until.clone(),
        ]
    };
    context.print.data(&list, |list| {
        let rows = list.agents.iter().map(row).collect::<Vec<_>>();
        table(["AID", "SERVICE", "RESTORABLE UNTIL"], &rows)
    });
    Ok(())
}

async fn restore(context: &Context, aid: Aid) -> Result<(), Failure> {
    let path = format!("/agents/{aid}/restore");
    let agent: Agent = context.client.post(&path, &()).await?;
    context
        .print
        .data(&agent, |_| format!("{aid} is on this node again"));
    Ok(())
}

/// Publishes the endpoint of `aid`.
pub(super) async fn publish(context: &Context, aid: Aid) -> Result<(), Failure> {
    let published: Published = context
        .client
        .post(&format!("/agents/{aid}/publish"), &())
        .await?;
    context.print.data(&published, |published| {
        fields(&[
            ("published", &aid),
            ("sequence", &published.seq),
            ("replicas", &published.replicas),
        ])
    });
    Ok(())
}

async fn heartbeat(context: &Context, aid: Aid) -> Result<(), Failure> {
    let beat: Heartbeat = context
        .client
        .post(&format!("/agents/{aid}/heartbeat"), &())
        .await?;
    context.print.data(&beat, |_| "ok".to_owned());
    Ok(())
}

async fn export(context: &Context, aid: Aid, out: Option<PathBuf>) -> Result<(), Failure> {
    let export: Export = context.client.get(&format!("/agents/{aid}/export")).await?;
    // The credentials are JSON either way: `import` and the API read nothing else.
    let text = serde_json::to_string_pretty(&export).map_err(std::io::Error::other)?;
    match out {
        Some(path) => {
            files::write_secret(&path, &text)?;
            context
                .print
                .note(format_args!("{aid} exported to {}", path.display()));
        }
        None => context.print.data(&export, |_| text),
    }
    Ok(())
}

async fn import(context: &Context, path: &Path) -> Result<(), Failure> {
    let bytes = files::read(path)?;
    let request: Register = serde_json::from_slice(&bytes).map_err(|source| Failure::NoExport {
        path: path.to_owned(),
        source,
    })?;
    let registered: Registered = context.client.post("/agents", &request).await?;
    context
        .print
        .data(&registered, |registered| registered.aid.to_string());
    context
        .print
        .note("not published yet; `a2al publish` does it");
    Ok(())
}

async fn probe(context: &Context, aid: Aid) -> Result<(), Failure> {
    let probe: Probe = context.client.get(&format!("/agents/{aid}/probe")).await?;
    context.print.data(&probe, |probe| {
        fields(&[
            ("service answers", &yes_or_no(probe.service_tcp_ok)),
            ("published", &or_none(&probe.published_endpoints.join(" "))),
            ("sequence", &probe.published_record_seq),
        ])
    });
    Ok(())
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}
