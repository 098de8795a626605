// SPDX-License-Identifier: MPL-2.0
//! What is wrong, in plain words.

use std::time::Duration;

use a2al_protocol::Aid;
use a2al_service::model::{Agent, AgentList, Nat, Path, PeerList, Probe, Reached, Resolution};
use tokio::time::{Instant, sleep};

use crate::cli::doctor::{Facts, Finding, Level, Report, Target, examine, may_meet};
use crate::cli::{Context, Failure};

/// How long a relayed path may take to become a direct one.
const PUNCH_PATIENCE: Duration = Duration::from_secs(5);

/// How often the path is looked at meanwhile.
const PUNCH_POLL: Duration = Duration::from_millis(250);

pub(super) async fn run(context: &Context, aid: Option<Aid>) -> Result<(), Failure> {
    let report = examine(&facts(context, aid).await?);
    context.print.data(&report, text);
    let problems = report.findings.iter();
    let problems = problems.filter(|found| found.level == Level::Problem);
    match problems.count() {
        0 => Ok(()),
        count => Err(Failure::Attention(count)),
    }
}

async fn facts(context: &Context, aid: Option<Aid>) -> Result<Facts, Failure> {
    let client = &context.client;
    let target = match aid {
        Some(aid) => Some(target(context, aid).await?),
        None => None,
    };
    let agents = match target {
        Some(_) => Vec::new(),
        None => agents(context).await?,
    };
    let peers: PeerList = client.get("/peers").await?;
    Ok(Facts {
        status: client.get("/status").await?,
        settings: client.get("/config").await?,
        peers: peers.peers,
        agents,
        target,
    })
}

async fn agents(context: &Context) -> Result<Vec<(Agent, Probe)>, Failure> {
    let list: AgentList = context.client.get("/agents").await?;
    let mut agents = Vec::new();
    for agent in list.agents {
        let path = format!("/agents/{}/probe", agent.aid);
        // An agent may be deleted while this goes on.
        if let Ok(probe) = known(context.client.get(&path).await)? {
            agents.push((agent, probe));
        }
    }
    Ok(agents)
}

async fn target(context: &Context, aid: Aid) -> Result<Target, Failure> {
    let client = &context.client;
    let own: Result<Agent, Failure> = client.get(&format!("/agents/{aid}")).await;
    if known(own)?.is_ok() {
        return Ok(Target::Own);
    }
    let found: Result<Resolution, Failure> = client.post(&format!("/resolve/{aid}"), &()).await;
    let found = match known(found)? {
        Ok(found) => found,
        Err(reason) => return Ok(Target::Unknown(reason)),
    };
    let reached: Result<Reached, Failure> = client.post(&format!("/reach/{aid}"), &()).await;
    match known(reached)? {
        Ok(reached) => Ok(Target::Reached(settled(context, reached).await?)),
        Err(reason) => Ok(Target::Unreached(found, reason)),
    }
}

/// Separates what the daemon answers from a daemon that does not answer.
fn known<T>(answer: Result<T, Failure>) -> Result<Result<T, String>, Failure> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Refused { problem, .. }) => Ok(Err(problem.error.into_owned())),
        Err(failure) => Err(failure),
    }
}

/// Waits until a relayed path has become a direct one, if it may.
async fn settled(context: &Context, mut reached: Reached) -> Result<Reached, Failure> {
    let status: a2al_service::model::Status = context.client.get("/status").await?;
    if !may_meet(status.nat, Nat::of_type(reached.nat_type)) {
        return Ok(reached);
    }
    let patience_ends = Instant::now() + PUNCH_PATIENCE;
    while let Some(peer) = &reached.peer
        && peer.path == Path::Relay
        && Instant::now() < patience_ends
    {
        sleep(PUNCH_POLL).await;
        let now: PeerList = context.client.get("/peers").await?;
        let now = now.peers.into_iter();
        reached.peer = now.into_iter().find(|now| now.peer_id == peer.peer_id);
    }
    Ok(reached)
}

fn text(report: &Report) -> String {
    let lines = report.findings.iter().flat_map(lines);
    lines.collect::<Vec<_>>().join("\n")
}

fn lines(finding: &Finding) -> impl Iterator<Item = String> {
    let level = match finding.level {
        Level::Ok => "ok",
        Level::Note => "note",
        Level::Problem => "PROBLEM",
    };
    let first = format!("{level:7}  {:9}  {}", finding.check, finding.text);
    let help = finding.help.iter();
    let help = help.map(|help| format!("{:7}  {:9}  - {help}", "", ""));
    std::iter::once(first).chain(help)
}
