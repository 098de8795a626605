// SPDX-License-Identifier: MPL-2.0
//! The agents of this node: published as things are now, with services that answer.

use a2al_service::model::{Agent, Probe, Reachability, Status};

use super::{Facts, Finding};

/// Everything about this node's agents.
pub(super) fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !facts.status.auto_publish {
        findings.push(
            Finding::note(
                "renewal",
                "auto_publish is off: records end an hour after they were published",
            )
            .with_help(["`a2al config set auto_publish true`".to_owned()]),
        );
    }
    if facts.agents.is_empty() {
        findings.push(Finding::ok("agents", "none is registered on this node"));
    }
    for (agent, probe) in &facts.agents {
        findings.push(record(facts, agent, probe));
        findings.extend(service(agent, probe));
    }
    findings
}

fn record(facts: &Facts, agent: &Agent, probe: &Probe) -> Finding {
    let aid = agent.aid;
    let publish = || [format!("`a2al publish {aid}`")];
    if !agent.published_to_dht && agent.next_republish_estimate.is_none() {
        let text = format!("{aid} is registered and not published: nobody can find it");
        return Finding::note("record", text).with_help(publish());
    }
    let status = &facts.status;
    let is_hidden = status.reachability == Reachability::Private && status.relays.is_empty();
    if !agent.published_to_dht && is_hidden && facts.settings.disable_relay {
        let text = format!(
            "{aid} is not published: no address, because disable_relay is on and nobody can dial \
             this node"
        );
        return Finding::problem("record", text)
            .with_help(["`a2al config set disable_relay false`, then restart a2ald".to_owned()]);
    }
    if !agent.published_to_dht {
        let text = format!("{aid} should be published and is not");
        return Finding::problem("record", text).with_help(publish());
    }
    if let Some(gone) = gone_relay(status, probe) {
        let text =
            format!("the record of {aid} names a relay that keeps no place any more: {gone}");
        return Finding::problem("record", text).with_help(publish());
    }
    let until = agent.dht_record_expires_at.as_deref().unwrap_or("now");
    let holders = agent.dht_active_replicas;
    Finding::ok(
        "record",
        format!("{aid} is published until {until}, held by {holders} other node(s)"),
    )
}

/// An address of the published record that leads through a relay which has let us go.
fn gone_relay<'a>(status: &Status, probe: &'a Probe) -> Option<&'a String> {
    let mut published = probe.published_endpoints.iter();
    published.find(|address| {
        let mut held = status.relays.iter().flat_map(|relay| &relay.addrs);
        address.contains("/p2p-circuit") && !held.any(|held| held == *address)
    })
}

fn service(agent: &Agent, probe: &Probe) -> Option<Finding> {
    let (aid, service) = (agent.aid, &agent.service_tcp);
    if service.is_empty() || probe.service_tcp_ok {
        return None;
    }
    let text = format!("the service of {aid} at {service} does not answer");
    Some(Finding::problem("service", text).with_help([format!(
        "start it, or bind another: `a2al agents update {aid} --service-tcp ADDR`"
    )]))
}
