// SPDX-License-Identifier: MPL-2.0
//! Leading the owner of a new identity to the page on which its master key is saved.
//!
//! Hosts that can open a page are asked to, right when the identity is made. Whatever comes of it,
//! the identity is made and its result the same: the key waits, and the result says where.

use std::collections::BTreeMap;

use a2al_protocol::Aid;
use a2al_service::Error;
use a2al_service::model::KeptIdentity;
use rmcp::RoleServer;
use rmcp::handler::server::tool::IntoCallToolResult;
use rmcp::model::{
    CallToolResponse, CustomNotification, ElicitRequest, ElicitRequestParams, ErrorData,
    InputRequest, InputRequiredResult, ServerNotification,
};
use rmcp::service::Peer;
use serde_json::json;
use tokio::time::interval;

use crate::answer::{Failure, Json};
use crate::human::{Human, bad_answer};
use crate::limits::{PAGE_TIMEOUT, WATCH_INTERVAL};
use crate::server::Server;

/// The name of the one question of a call.
const QUESTION: &str = "backup";

/// Tells a client that what it was to open a page for is done.
const COMPLETE: &str = "notifications/elicitation/complete";

impl Server {
    /// The identity that `make` makes for a call of `tool`, after its owner was led to the page.
    ///
    /// # Errors
    /// Those of `make` are results.
    pub(crate) async fn with_backup_page(
        &self,
        human: Human,
        tool: &str,
        make: impl Future<Output = Result<KeptIdentity, Error>>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(state) = &human.state {
            // The call is the second half of one that has made an identity.
            return match self.made_before(state, tool) {
                Ok(aid) => Json(self.service().kept_identity(aid)).into_call_tool_result(),
                Err(failure) => failure.into_call_tool_result(),
            };
        }
        let made = match make.await {
            Ok(made) => made,
            Err(error) => return Failure::from(error).into_call_tool_result(),
        };
        if human.can_open_pages()
            && let Some(url) = &made.backup_url
        {
            if human.is_stateless() {
                return Ok(self.question(&made, url, tool).into());
            }
            self.tell_when_wiped(human.client(), made.aid);
            // A refusal, silence and the end of the session change nothing.
            let _ = human.asked(visit(made.aid, url), PAGE_TIMEOUT).await;
        }
        Json(made).into_call_tool_result()
    }

    /// What a stateless client is asked. The state says which identity there is already, so that
    /// the call with the answer makes no other; it is no secret, and does not go stale.
    fn question(&self, made: &KeptIdentity, url: &str, tool: &str) -> InputRequiredResult {
        let request = InputRequest::Elicitation(ElicitRequest::new(visit(made.aid, url)));
        let requests = BTreeMap::from([(QUESTION.to_owned(), request)]);
        let state = self.questions().signed(&made.aid.to_string(), tool);
        InputRequiredResult::new(Some(requests), Some(state))
    }

    fn made_before(&self, state: &str, tool: &str) -> Result<Aid, Failure> {
        let aid = self.questions().read(state, tool);
        let aid = aid.and_then(|aid| aid.parse().ok());
        aid.ok_or_else(|| bad_answer("the answer is to a question that was not asked here"))
    }

    /// Tells the client once the key is wiped, if it is still there then.
    fn tell_when_wiped(&self, client: Peer<RoleServer>, aid: Aid) {
        let service = self.service().clone();
        self.spawn(async move {
            let mut looks = interval(WATCH_INTERVAL);
            while service.awaits_backup(&aid) {
                looks.tick().await;
            }
            let notice = CustomNotification::new(COMPLETE, Some(json!({ "elicitationId": aid })));
            let notice = ServerNotification::CustomNotification(notice);
            // A client that is gone has no use for it.
            let _ = client.send_notification(notice).await;
        });
    }
}

fn visit(aid: Aid, url: &str) -> ElicitRequestParams {
    ElicitRequestParams::UrlElicitationParams {
        meta: None,
        message: format!(
            "Save the master key of the new identity {aid} on this page of your own node, and wipe \
             it there. Only with it can a lost or stolen key of the agent be replaced."
        ),
        url: url.to_owned(),
        elicitation_id: aid.to_string(),
    }
}
