// SPDX-License-Identifier: MPL-2.0
//! Who offers a service, and calling them.

use std::path::Path;

use a2al_service::model::{
    CallService, CalledService, Discover, Discovered, Entry, Fetch, Filter, ProbeResults,
};
use a2al_service::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::fetch;
use crate::cli::args::{Call, FilterOptions, Search};
use crate::cli::print::table;
use crate::cli::{Context, Failure, files};

/// Entries asked for at once where all are wanted; the most that the API gives.
const ALL_AT_ONCE: u32 = 1000;

/// `a2al search`.
pub(super) async fn search(context: &Context, args: Search) -> Result<(), Failure> {
    let Search {
        services,
        filter,
        limit,
        all,
        probe,
    } = args;
    let mut request = Discover {
        services: Some(services),
        filter: filter.given(),
        limit: if all { Some(ALL_AT_ONCE) } else { limit },
        cursor: None,
        probe: probe.then_some(ProbeResults::All(true)),
    };
    let mut found: Discovered = context.client.post("/discover", &request).await?;
    // Only the first are tried out, which the first answer has.
    request.probe = None;
    while all && found.cursor.is_some() {
        request.cursor = found.cursor.take();
        let more: Discovered = context.client.post("/discover", &request).await?;
        found.entries.extend(more.entries);
        found.cursor = more.cursor;
        found.truncated = more.truncated;
    }
    context.print.data(&found, |found| listed(found, probe));
    if found.entries.is_empty() {
        context.print.note("nobody offers that");
    } else if found.cursor.is_some() {
        context.print.note("there may be more; --all shows them");
    }
    if found.truncated == Some(true) {
        let note =
            "some may be missing: more agents offer a part of these services than are compared";
        context.print.note(note);
    }
    Ok(())
}

impl FilterOptions {
    fn given(self) -> Option<Filter> {
        let given = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
        let (protocols, tags) = (given(self.protocols), given(self.tags));
        let is_given = protocols.is_some() || tags.is_some();
        is_given.then_some(Filter { protocols, tags })
    }
}

fn listed(found: &Discovered, probe: bool) -> String {
    if probe {
        let rows = found.entries.iter().map(|entry| {
            let [aid, service, name, protocols, tags, brief] = row(entry);
            let reachable = match entry.reachable {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            };
            let reachable = reachable.to_owned();
            [aid, service, reachable, name, protocols, tags, brief]
        });
        let heading = [
            "AID",
            "SERVICE",
            "NODE UP",
            "NAME",
            "PROTOCOLS",
            "TAGS",
            "BRIEF",
        ];
        return table(heading, &rows.collect::<Vec<_>>());
    }
    let heading = ["AID", "SERVICE", "NAME", "PROTOCOLS", "TAGS", "BRIEF"];
    let rows: Vec<_> = found.entries.iter().map(row).collect();
    table(heading, &rows)
}

/// One entry, fit to be shown.
pub(super) fn row(entry: &Entry) -> [String; 6] {
    let list = |list: &Option<Vec<String>>| text::lines(list.as_deref().unwrap_or(&[])).join(",");
    [
        entry.aid.to_string(),
        text::name(&entry.service, text::MAX_NAME_CHARS),
        text::line(&entry.name, text::MAX_NAME_CHARS),
        list(&entry.protocols),
        list(&entry.tags),
        text::line(&entry.brief, text::MAX_BRIEF_CHARS),
    ]
}

/// `a2al call`.
pub(super) async fn call(context: &Context, args: Call) -> Result<(), Failure> {
    let Call {
        service,
        path,
        data,
        method,
        filter,
        options,
    } = args;
    let body = match data.as_deref().map(|data| (data, data.strip_prefix('@'))) {
        Some((_, Some(path))) => Some(files::read(Path::new(path))?),
        Some((data, None)) => Some(data.as_bytes().to_vec()),
        None => None,
    };
    let usual = if body.is_some() { "POST" } else { "GET" };
    let method = method.as_deref().unwrap_or(usual);
    let request: Fetch = fetch::request(method, path, body.as_deref(), options)?;
    let is_direct_only = request.disable_relay == Some(true);
    let request = CallService {
        service,
        filter: filter.given(),
        request,
    };
    let called = context.client.post("/call", &request).await;
    let called: CalledService =
        called.map_err(|failure: Failure| failure.of_call(is_direct_only))?;
    let CalledService { aid, why, answer } = &called;
    context
        .print
        .note(format_args!("answered by {aid} ({why})"));
    let body = BASE64.decode(&answer.body).map_err(std::io::Error::other)?;
    context.print.bytes(&called, &body);
    fetch::outcome(answer, body.len())
}
