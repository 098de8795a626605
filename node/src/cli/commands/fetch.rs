// SPDX-License-Identifier: MPL-2.0
//! Requests to an agent's service.

use std::path::Path;

use a2al_protocol::Aid;
use a2al_service::model::{Fetch, FetchAnswer, Headers};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::cli::args::{Get, Post, RequestOptions};
use crate::cli::{Context, Failure, files};

pub(super) async fn get(context: &Context, args: Get) -> Result<(), Failure> {
    let fetch = request("GET", args.path, None, args.options)?;
    fetched(context, args.aid, &fetch).await
}

pub(super) async fn post(context: &Context, args: Post) -> Result<(), Failure> {
    let data = match args.data.strip_prefix('@') {
        Some(path) => files::read(Path::new(path))?,
        None => args.data.into_bytes(),
    };
    let fetch = request("POST", args.path, Some(&data), args.options)?;
    fetched(context, args.aid, &fetch).await
}

/// The request that a command line asks for.
pub(super) fn request(
    method: &str,
    path: String,
    body: Option<&[u8]>,
    options: RequestOptions,
) -> Result<Fetch, Failure> {
    Ok(Fetch {
        method: Some(method.to_owned()),
        path: Some(path),
        headers: headers(options.headers)?,
        body_base64: body.map(|body| BASE64.encode(body)),
        local_aid: options.local_aid.map(|aid| aid.to_string()),
        disable_relay: options.disable_relay.then_some(true),
    })
}

fn headers(lines: Vec<String>) -> Result<Headers, Failure> {
    let mut headers = Headers::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            return Err(Failure::BadHeader(line));
        };
        headers
            .entry(name.trim().to_owned())
            .or_default()
            .push(value.trim().to_owned());
    }
    Ok(headers)
}

async fn fetched(context: &Context, aid: Aid, fetch: &Fetch) -> Result<(), Failure> {
    let answer = context.client.post(&format!("/fetch/{aid}"), fetch).await;
    let is_direct_only = fetch.disable_relay == Some(true);
    let answer: FetchAnswer = answer.map_err(|failure| failure.of_call(is_direct_only))?;
    let body = BASE64.decode(&answer.body).map_err(std::io::Error::other)?;
    context.print.bytes(&answer, &body);
    outcome(&answer, body.len())
}

/// How a command ends that has printed `printed` bytes of an answer.
pub(super) fn outcome(answer: &FetchAnswer, printed: usize) -> Result<(), Failure> {
    match answer.status {
        _ if answer.truncated => Err(Failure::CutOff(printed)),
        status @ 400.. => Err(Failure::Upstream(status)),
        _ => Ok(()),
    }
}
