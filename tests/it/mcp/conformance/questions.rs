// SPDX-License-Identifier: MPL-2.0
//! Fixtures that ask before they answer, in the revision where the question is the result of the call.

use rmcp::model::{
    ClientCapabilities, ElicitResult, ErrorData, InputRequiredResult, InputResponses,
    RequestStateCodec,
};
use serde_json::{Value, json};

/// What one fixture asks, round by round.
pub(super) struct Rounds {
    /// Names of the questions of each round.
    questions: Vec<Vec<&'static str>>,
    /// Whether the client carries the round along, sealed.
    has_state: bool,
    /// What the seal is for.
    name: String,
}

/// What the fixture `name` asks a client that has `declared` what it can do.
pub(super) fn of(name: &str, declared: &ClientCapabilities) -> Option<Rounds> {
    let asking = name.strip_prefix("test_input_required_result_");
    let (questions, has_state) = match asking.unwrap_or(name) {
        "elicitation" | "test_streaming_elicitation" => (vec![vec!["user_name"]], false),
        "sampling" => (vec![vec!["capital_question"]], false),
        "list_roots" => (vec![vec!["client_roots"]], false),
        "prompt" => (vec![vec!["user_context"]], false),
        "request_state" | "tampered_state" => (vec![vec!["confirm"]], true),
        "multiple_inputs" => (vec![vec!["user_name", "greeting", "client_roots"]], true),
        "multi_round" => (vec![vec!["step1"], vec!["step2"]], true),
        "capabilities" => {
            let mut allowed = Vec::new();
            allowed.extend(declared.sampling.as_ref().map(|_| "capital_question"));
            allowed.extend(declared.elicitation.as_ref().map(|_| "user_name"));
            (vec![allowed], false)
        }
        _ => return None,
    };
    Some(Rounds {
        questions,
        has_state,
        name: name.to_owned(),
    })
}

impl Rounds {
    /// The next round, or `None` if all questions are answered.
    ///
    /// # Errors
    /// When the state is not one that was given out, or an answer is malformed.
    pub(super) fn ask(
        &self,
        answers: Option<&InputResponses>,
        state: Option<&str>,
    ) -> Result<Option<InputRequiredResult>, ErrorData> {
        let asked = match state.filter(|_| self.has_state) {
            None => 0,
            Some(state) => self.opened(state)?,
        };
        let mut is_answered = !self.has_state || state.is_some();
        for question in &self.questions[asked] {
            match answers.and_then(|answers| answers.get(*question)) {
                Some(answer) if is_answer(question, answer) => {}
                Some(_) => {
                    let problem = format!("the answer to {question} is malformed");
                    return Err(ErrorData::invalid_params(problem, None));
                }
                None => is_answered = false,
            }
        }
        let next = asked + usize::from(is_answered);
        Ok(self
            .questions
            .get(next)
            .map(|round| self.round(next, round)))
    }

    fn round(&self, number: usize, questions: &[&str]) -> InputRequiredResult {
        let requests = questions.iter().map(|name| (*name, question(name)));
        let requests =
            serde_json::from_value(requests.collect()).expect("requests of the protocol");
        let state = json!([self.name, number]).to_string();
        let state = self.has_state.then(|| codec().seal(state.as_bytes()));
        InputRequiredResult::new(Some(requests), state)
    }

    /// The number of the round that `state` was given out with.
    fn opened(&self, state: &str) -> Result<usize, ErrorData> {
        let opened = codec().open(state).ok();
        let opened =
            opened.and_then(|state| serde_json::from_slice::<(String, usize)>(&state).ok());
        match opened {
            Some((name, number)) if name == self.name => Ok(number),
            _ => Err(ErrorData::invalid_params("not a state of this call", None)),
        }
    }
}

fn codec() -> RequestStateCodec {
    RequestStateCodec::new_unchecked([7; RequestStateCodec::MIN_KEY_LENGTH])
}

fn is_answer(question: &str, answer: &Value) -> bool {
    match question {
        "client_roots" => answer["roots"].is_array(),
        "greeting" | "capital_question" => answer["content"].is_object(),
        _ => serde_json::from_value::<ElicitResult>(answer.clone()).is_ok(),
    }
}

fn question(name: &str) -> Value {
    let form = |message: &str, field: &str, kind: &str| {
        let schema = json!({ "type": "object", "properties": { field: { "type": kind } }, "required": [field] });
        json!({ "method": "elicitation/create", "params": { "message": message, "requestedSchema": schema }})
    };
    let prompt = |text: &str| {
        let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
        json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": 100 }})
    };
    match name {
        "client_roots" => json!({ "method": "roots/list", "params": {} }),
        "greeting" => prompt("Generate a greeting"),
        "capital_question" => prompt("What is the capital of France?"),
        "confirm" => form("Please confirm", "ok", "boolean"),
        "user_context" => form("What context should the prompt use?", "context", "string"),
        "step2" => form("Step 2: What is your favorite color?", "color", "string"),
        "step1" => form("Step 1: What is your name?", "name", "string"),
        _ => form("What is your name?", "name", "string"),
    }
}
