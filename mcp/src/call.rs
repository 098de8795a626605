// SPDX-License-Identifier: MPL-2.0
//! One call of a tool, from its arguments to its result: bounded, with progress, and ended when the
//! client calls it off.

use std::time::Duration;

use a2al_service::Service;
use a2al_service::model::PendingByAgent;
use rmcp::RoleServer;
use rmcp::handler::server::tool::{IntoCallToolResult, ToolCallContext};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ContentBlock, ErrorData, ProgressNotificationParam,
};
use rmcp::service::RequestContext;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::answer::Failure;
use crate::arguments::BadArgument;
use crate::catalogue::{CATALOGUE, Entry};
use crate::limits::{CALL_TIMEOUT, CONSENT_TIMEOUT, PROGRESS_INTERVAL};
use crate::server::Server;
use crate::tools::{ASKS_A_HUMAN, may_be_repeated};

/// Calls the tool that `request` names.
///
/// # Errors
/// When there is no such tool, or it is not shown. All else that goes wrong is a result.
pub(crate) async fn run(
    server: &Server,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let entry = shown(server, &request.name)?;
    let started = Instant::now();
    let (cancelled, progress) = (context.ct.clone(), Progress::new(&context));
    let patience = if ASKS_A_HUMAN.contains(&entry.route.name()) {
        CONSENT_TIMEOUT + CALL_TIMEOUT
    } else {
        CALL_TIMEOUT
    };
    let may_repeat = may_be_repeated(&entry.route.attr, request.arguments.as_ref());
    let stopped = move |stopped| Failure::stopped(stopped, may_repeat).into_call_tool_result();
    let call = (entry.route.call)(ToolCallContext::new(server, request, context));
    let answered = tokio::select! {
        answered = timeout(patience, call) => answered,
        () = progress.report(started, patience) => unreachable!("it is reported until the call ends"),
        () = cancelled.cancelled() => return stopped(Stopped::CalledOff),
    };
    let response = match answered {
        Ok(Err(error)) => match BadArgument::from_error(&error) {
            Some(bad) => Failure::from(bad).into_call_tool_result()?,
            None => return Err(error),
        },
        Ok(Ok(response)) => response,
        Err(_) => stopped(Stopped::TookTooLong)?,
    };
    Ok(with_notices(response, server.service()))
}

fn shown<'a>(server: &Server, name: &str) -> Result<&'a Entry, ErrorData> {
    let entry = CATALOGUE.get(name);
    let problem = match entry {
        Some(entry) if server.toolsets().has(entry.set) => return Ok(entry),
        Some(entry) => format!(
            "tool {name} is in the toolset {set}, which is not shown; the owner adds it with \
             `a2al config set mcp_toolsets {shown},{set}`",
            set = entry.set.name(),
            shown = server.toolsets(),
        ),
        None => format!("unknown tool: {name}; tools/list names those there are"),
    };
    Err(ErrorData::invalid_params(
        problem,
        Some(json!({ "tool": name })),
    ))
}

/// Why a call ended without an answer of the tool.
#[derive(Clone, Copy)]
enum Stopped {
    TookTooLong,
    CalledOff,
}

impl Failure {
    fn stopped(stopped: Stopped, may_repeat: bool) -> Self {
        let failure = match stopped {
            Stopped::TookTooLong => {
                let text = format!("no answer within {} s", CALL_TIMEOUT.as_secs());
                let next = "try again; what takes longer goes on by itself where the tool says so";
                Self::new("timeout", text, next)
            }
            Stopped::CalledOff => {
                let next = "call again if it is still wanted";
                Self::new("cancelled", "the call was called off", next)
            }
        };
        if may_repeat {
            failure.but_later()
        } else {
            failure.perhaps_done()
        }
    }
}

/// Tells a client that asked for it that its call is still under way.
struct Progress {
    context: RequestContext<RoleServer>,
}

impl Progress {
    fn new(context: &RequestContext<RoleServer>) -> Self {
        Self {
            context: context.clone(),
        }
    }

    /// Reports for ever, or not at all.
    async fn report(&self, started: Instant, patience: Duration) {
        let Some(token) = self.context.meta.get_progress_token() else {
            return std::future::pending().await;
        };
        let mut ticks = interval_at(started + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let progress =
                ProgressNotificationParam::new(token.clone(), started.elapsed().as_secs_f64())
                    .with_total(patience.as_secs_f64())
                    .with_message("still working; seconds so far, of the longest time it may take");
            if self.context.peer.notify_progress(progress).await.is_err() {
                // Nobody listens any more; the call itself is ended by its token.
                return std::future::pending().await;
            }
        }
    }
}

/// Adds what waits for somebody.
fn with_notices(mut response: CallToolResponse, service: &Service) -> CallToolResponse {
    let pending = service.pending();
    if let CallToolResponse::Complete(result) = &mut response
        && result.is_error != Some(true)
        && !pending.is_empty()
        && let Some(content) = result
            .structured_content
            .as_mut()
            .and_then(|value| value.as_object_mut())
    {
        content.insert("pending".to_owned(), json!(pending));
        result
            .content
            .push(ContentBlock::text(notices(service, &pending)));
    }
    response
}

fn notices(service: &Service, pending: &PendingByAgent) -> String {
    let mut lines = Vec::new();
    for (aid, waiting) in pending {
        if waiting.mailbox > 0 {
            let count = waiting.mailbox;
            lines.push(format!(
                "Pending: {count} notes wait for {aid}; read them with a2al_mailbox_poll."
            ));
        }
        if let (true, Ok(address)) = (waiting.master_backup, aid.parse()) {
            let ways = service.kept_identity(address).ways();
            lines.push(format!(
                "Pending: the master key of {aid} is not backed up; tell the owner: {ways}."
            ));
        }
    }
    lines.join("\n")
}
