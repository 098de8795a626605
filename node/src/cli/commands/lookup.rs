// SPDX-License-Identifier: MPL-2.0
//! Agents anywhere in the network.

use std::collections::BTreeSet;

use a2al_protocol::Aid;
use a2al_service::model::{
    Agent, Discover, Discovered, Entry, Profile, Record, RecordList, Resolution,
};
use a2al_service::text;
use serde::Serialize;

use super::search;

use crate::cli::print::{fields, table};
use crate::cli::{Context, Failure};

pub(super) async fn resolve(context: &Context, aid: Aid) -> Result<(), Failure> {
    let found: Resolution = context.client.post(&format!("/resolve/{aid}"), &()).await?;
    context.print.data(&found, |found| {
        fields(&[
            ("address", &found.address),
            ("endpoints", &found.endpoints.join(" ")),
            ("sequence", &found.seq),
            ("signed at", &found.timestamp),
            ("valid for", &format_args!("{} s", found.ttl)),
        ])
    });
    Ok(())
}

/// What can be found that is published about an agent.
#[derive(Serialize)]
struct About {
    #[serde(flatten)]
    list: RecordList,
    /// Its entries for the services that it names as its skills, or is registered for here.
    services: Vec<Entry>,
}

pub(super) async fn info(context: &Context, aid: Aid) -> Result<(), Failure> {
    let path = format!("/resolve/{aid}/records");
    let list: RecordList = context.client.get(&path).await?;
    let agent: Option<Agent> = context.client.get(&format!("/agents/{aid}")).await.ok();
    let is_here = agent.is_some();
    let services = services(context, aid, agent, &list).await?;
    let about = About { list, services };
    context.print.data(&about, |about| {
        let records = &about.list.records;
        let profile = records.iter().find_map(|record| record.profile.as_ref());
        let parts = [
            profile.map(described).unwrap_or_default(),
            table(
                ["SERVICE", "NAME", "PROTOCOLS", "TAGS", "BRIEF"],
                &about.services.iter().map(offer).collect::<Vec<_>>(),
            ),
            table(
                [
                    "AID",
                    "TYPE",
                    "SEQUENCE",
                    "SIGNED AT",
                    "VALID FOR",
                    "CONTENT",
                ],
                &records.iter().map(row).collect::<Vec<_>>(),
            ),
        ];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("\n\n")
    });
    if about.list.records.is_empty() && about.services.is_empty() {
        context
            .print
            .note(format_args!("nothing is published about {aid}"));
    } else if !is_here {
        context
            .print
            .note("of its services only those that its profile names, which are three at most");
    }
    Ok(())
}

/// The entries of an agent for those services of which it can be known that it offers them: entries
/// are found by their service, not by their agent.
async fn services(
    context: &Context,
    aid: Aid,
    agent: Option<Agent>,
    list: &RecordList,
) -> Result<Vec<Entry>, Failure> {
    let profiles = list
        .records
        .iter()
        .filter_map(|record| record.profile.as_ref());
    let skills = profiles.flat_map(|profile| profile.skills.iter().cloned());
    let mut names: BTreeSet<String> = skills.collect();
    let offered = agent.and_then(|agent| agent.services).unwrap_or_default();
    names.extend(offered.into_iter().map(|offered| offered.topic));
    let mut entries = Vec::new();
    for name in names {
        let request = Discover {
            services: Some(vec![name]),
            limit: Some(1000),
            ..Discover::default()
        };
        let found: Discovered = context.client.post("/discover", &request).await?;
        entries.extend(found.entries.into_iter().filter(|entry| entry.aid == aid));
    }
    Ok(entries)
}

fn described(profile: &Profile) -> String {
    let name = text::line(&profile.name, text::MAX_NAME_CHARS);
    let brief = text::line(&profile.brief, text::MAX_VALUE_CHARS);
    let list = |list: &[String]| text::lines(list).join(" ");
    fields(&[
        ("name", &name),
        ("brief", &brief),
        ("protocols", &list(&profile.protocols)),
        ("skills", &list(&profile.skills)),
        ("modalities", &list(&profile.modalities)),
    ])
}

fn offer(entry: &Entry) -> [String; 5] {
    let [_, rest @ ..] = search::row(entry);
    rest
}

fn row(record: &Record) -> [String; 6] {
    [
        record.aid.to_string(),
        format!("0x{:02x}", record.rec_type),
        record.seq.to_string(),
        record.timestamp.to_string(),
        format!("{} s", record.ttl),
        content(record),
    ]
}

/// The profile's name if the record is one, else the payload as the API gives it.
fn content(record: &Record) -> String {
    match &record.profile {
        Some(profile) => text::line(&profile.name, text::MAX_NAME_CHARS),
        None => record.payload_base64.clone(),
    }
}
