// SPDX-License-Identifier: MPL-2.0
//! What the conformance suite expects of a server under test, beside what a node serves anyway.
#![expect(
    deprecated,
    reason = "the older revision has log levels, and subscriptions of a session"
)]

use std::borrow::Cow;

use a2al_mcp::Mcp;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, ErrorData,
    GetPromptRequestParams, GetPromptResponse, JsonObject, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};

use super::{contents, questions, tools};

/// A node with the fixtures.
pub(super) struct Fixtures<H> {
    node: H,
    /// For the fixture that changes which tools there are.
    mcp: Mcp,
}

impl<H> Fixtures<H> {
    /// Answers what is asked of a fixture; `node` answers all else.
    pub(super) fn beside(node: H, mcp: Mcp) -> Self {
        Self { node, mcp }
    }
}

type Context = RequestContext<RoleServer>;
type Page = Option<PaginatedRequestParams>;

impl<H: ServerHandler> ServerHandler for Fixtures<H> {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.node.get_info();
        info.capabilities.completions = Some(JsonObject::new());
        info.capabilities.logging = Some(JsonObject::new());
        info
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.node.supported_protocol_versions()
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.node.on_initialized(context).await;
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        Ok(CompleteResult::default())
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_tools(&self, page: Page, context: Context) -> Result<ListToolsResult, ErrorData> {
        let mut list = self.node.list_tools(page, context).await?;
        list.tools.extend(tools::list());
        Ok(list)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let fixture = tools::list().find(|tool| tool.name == name);
        fixture.or_else(|| self.node.get_tool(name))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        if !tools::NAMES.contains(&&*request.name) {
            return self.node.call_tool(request, context).await;
        }
        if let Some(answer) = contents::of_tool(&request.name) {
            return Ok(answer.into());
        }
        let declared = context.client_capabilities().unwrap_or_default();
        let (answers, state) = (&request.input_responses, &request.request_state);
        if let Some(rounds) = questions::of(&request.name, &declared) {
            return match rounds.ask(answers.as_ref(), state.as_deref())? {
                Some(asked) => Ok(CallToolResponse::InputRequired(asked)),
                None => Ok(contents::text("state-ok: all questions are answered").into()),
            };
        }
        let done = tools::call(&self.mcp, &request, &context).await?;
        Ok(contents::text(&done).into())
    }

    async fn list_prompts(
        &self,
        page: Page,
        context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut list = self.node.list_prompts(page, context).await?;
        list.prompts.extend(contents::prompts());
        Ok(list)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let declared = context.client_capabilities().unwrap_or_default();
        if let Some(rounds) = questions::of(&request.name, &declared) {
            let (answers, state) = (&request.input_responses, &request.request_state);
            if let Some(asked) = rounds.ask(answers.as_ref(), state.as_deref())? {
                return Ok(GetPromptResponse::InputRequired(asked));
            }
        }
        let arguments = request.arguments.clone().unwrap_or_default();
        match contents::of_prompt(&request.name, &arguments) {
            Some(prompt) => Ok(prompt.into()),
            None => self.node.get_prompt(request, context).await,
        }
    }

    async fn list_resources(
        &self,
        page: Page,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut list = self.node.list_resources(page, context).await?;
        list.resources.extend(contents::resources());
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        page: Page,
        context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut list = self.node.list_resource_templates(page, context).await?;
        list.resource_templates.extend(contents::templates());
        Ok(list)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match contents::of_resource(&request.uri) {
            Some(read) => Ok(read.into()),
            None => self.node.read_resource(request, context).await,
        }
    }

    fn accepted_subscription_filter(
        &self,
        asked: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.node.accepted_subscription_filter(asked)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.node.listen(context).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: Context,
    ) -> Result<(), ErrorData> {
        if request.uri.starts_with("test://") {
            return Ok(());
        }
        self.node.subscribe(request, context).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: Context,
    ) -> Result<(), ErrorData> {
        if request.uri.starts_with("test://") {
            return Ok(());
        }
        self.node.unsubscribe(request, context).await
    }
}
