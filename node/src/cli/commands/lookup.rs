// SPDX-License-Identifier: MPL-2.0
//! Agents anywhere in the network.

use a2al_protocol::Aid;
use a2al_service::model::{Record, RecordList, Resolution};

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

pub(super) async fn info(context: &Context, aid: Aid) -> Result<(), Failure> {
    let list: RecordList = context
        .client
        .get(&format!("/resolve/{aid}/records"))
        .await?;
    context.print.data(&list, |list| {
        let heading = [
            "AID",
            "TYPE",
            "SEQUENCE",
            "SIGNED AT",
            "VALID FOR",
            "CONTENT",
        ];
        table(heading, &list.records.iter().map(row).collect::<Vec<_>>())
    });
    if list.records.is_empty() {
        context
            .print
            .note(format_args!("nothing is published about {aid}"));
    }
    Ok(())
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
        Some(profile) => profile.name.clone(),
        None => record.payload_base64.clone(),
    }
}
