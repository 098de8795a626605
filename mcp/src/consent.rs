// SPDX-License-Identifier: MPL-2.0
//! Asking the human before something that cannot be taken back, or that hands out a secret.
//!
//! Hosts that can show a question show it. Where a host cannot, the call has to say `confirm`.

use std::collections::BTreeMap;

use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema,
    InputRequest, InputRequiredResult,
};

use crate::answer::Failure;
use crate::human::{Human, bad_answer};
use crate::limits::CONSENT_TIMEOUT;
use crate::questions::Questions;

/// The name of the one question of a call.
const QUESTION: &str = "confirm";

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Consent {
    /// The human agrees, or the call confirms where nobody can be asked.
    Given,
    /// The host has to ask, and call again.
    Ask(Box<InputRequiredResult>),
}

impl Human {
    /// Asks whether `what` may be done. `act` names tool and arguments, so that an answer counts
    /// for this call only.
    ///
    /// # Errors
    /// When the human refuses or does not answer, or nobody can be asked and `confirm` is not set.
    pub(crate) async fn agrees(
        self,
        questions: &Questions,
        act: &str,
        what: &str,
        confirm: bool,
    ) -> Result<Consent, Failure> {
        if !self.can_fill_in_forms() {
            let next = "ask the user, and if they agree call again with confirm set to true";
            let problem = format!("not confirmed: {what}");
            let refused = Failure::new("confirmation_required", problem, next);
            return if confirm {
                Ok(Consent::Given)
            } else {
                Err(refused.about("confirm"))
            };
        }
        let answer = if self.is_stateless() {
            match self.carried_answer(questions, act)? {
                Some(answer) => answer,
                None => return Ok(Consent::Ask(Box::new(question(questions, act, what)?))),
            }
        } else {
            self.answered(what).await?
        };
        match answer.action {
            ElicitationAction::Accept => Ok(Consent::Given),
            _ => Err(Failure::new(
                "refused_by_user",
                format!("the user refused: {what}"),
                "do not try again unless the user asks for it",
            )),
        }
    }

    /// The answer that a stateless client brings along, if it was to this question.
    fn carried_answer(
        &self,
        questions: &Questions,
        act: &str,
    ) -> Result<Option<ElicitResult>, Failure> {
        let (Some(state), Some(answers)) = (&self.state, &self.answers) else {
            return Ok(None);
        };
        if !questions.answered(state, act) {
            let problem = "the answer is to another question, too old, or not the first";
            return Err(bad_answer(problem));
        }
        let answer = answers
            .get(QUESTION)
            .ok_or_else(|| bad_answer("the question is not answered"))?;
        let answer = serde_json::from_value(answer.clone());
        answer
            .map(Some)
            .map_err(|_| bad_answer("the answer is malformed"))
    }

    async fn answered(&self, what: &str) -> Result<ElicitResult, Failure> {
        let asked = self.asked(form(what), CONSENT_TIMEOUT);
        asked.await.map_err(|_| {
            let next = "ask the user, then call again";
            Failure::new(
                "no_answer",
                format!("the user did not answer: {what}"),
                next,
            )
            .but_later()
        })
    }
}

fn question(questions: &Questions, act: &str, what: &str) -> Result<InputRequiredResult, Failure> {
    let request = InputRequest::Elicitation(ElicitRequest::new(form(what)));
    let requests = BTreeMap::from([(QUESTION.to_owned(), request)]);
    let state = questions.ask(act).map_err(|error| {
        let problem = format!("the question cannot be sealed: {error}");
        Failure::new("internal", problem, "tell the user")
    })?;
    Ok(InputRequiredResult::new(Some(requests), Some(state)))
}

/// A form without fields: to accept it is the answer.
fn form(what: &str) -> ElicitRequestParams {
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: what.to_owned(),
        requested_schema: ElicitationSchema::new(BTreeMap::new()),
    }
}
