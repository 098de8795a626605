// SPDX-License-Identifier: MPL-2.0
//! The human at a client, and how the client can reach them.
//!
//! Clients with a session are asked directly. Those of the stateless revision get a question as the
//! result, and call again with the answer and the state that went along with the question.

use std::time::Duration;

use rmcp::handler::server::common::FromContextPart;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{
    ElicitRequestParams, ElicitResult, ElicitationCapability, InputResponses, ProtocolVersion,
};
use rmcp::service::{Peer, RequestContext, ServiceError};
use rmcp::{ErrorData, RoleServer};

use crate::answer::Failure;

/// What a tool asks with.
#[derive(Debug)]
pub(crate) struct Human {
    context: RequestContext<RoleServer>,
    /// What a stateless client was answered.
    pub(crate) answers: Option<InputResponses>,
    /// What it was given along with the question.
    pub(crate) state: Option<String>,
}

impl<S> FromContextPart<ToolCallContext<'_, S>> for Human {
    fn from_context_part(context: &mut ToolCallContext<'_, S>) -> Result<Self, ErrorData> {
        Ok(Self {
            context: context.request_context.clone(),
            answers: context.input_responses.take(),
            state: context.request_state.take(),
        })
    }
}

impl Human {
    /// Whether the client has no session.
    pub(crate) fn is_stateless(&self) -> bool {
        let version = self.context.protocol_version();
        version.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
    }

    /// Whether the client can show a form.
    pub(crate) fn can_fill_in_forms(&self) -> bool {
        // One that names no kind means forms: there was no other in the first revision.
        let shows = |kinds: ElicitationCapability| kinds.form.is_some() || kinds.url.is_none();
        self.elicitation().is_some_and(shows)
    }

    /// Whether the client can lead to a page.
    pub(crate) fn can_open_pages(&self) -> bool {
        self.elicitation().is_some_and(|kinds| kinds.url.is_some())
    }

    fn elicitation(&self) -> Option<ElicitationCapability> {
        let capabilities = self.context.client_capabilities();
        capabilities.and_then(|capabilities| capabilities.elicitation)
    }

    /// Asks over the session, and waits at most `patience` for the answer.
    pub(crate) async fn asked(
        &self,
        question: ElicitRequestParams,
        patience: Duration,
    ) -> Result<ElicitResult, ServiceError> {
        let peer = &self.context.peer;
        peer.create_elicitation_with_timeout(question, Some(patience))
            .await
    }

    /// The client.
    pub(crate) fn client(&self) -> Peer<RoleServer> {
        self.context.peer.clone()
    }
}

/// What a client is told that brings along an answer to nothing that it was asked.
pub(crate) fn bad_answer(problem: &str) -> Failure {
    Failure::new(
        "bad_answer",
        problem.to_owned(),
        "call again without requestState, and answer the question that comes",
    )
}
