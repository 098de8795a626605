// SPDX-License-Identifier: MPL-2.0
//! Which stream a message of the server goes to.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;
use tokio::sync::mpsc;

use crate::limits::{MAX_EXPOSED_REQUESTS, MAX_EXPOSED_WAITING};

/// Names the request that opened a subscription, in what is sent for it.
pub(super) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// The streams to the client of one process.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// The requests under way, by id as JSON has it.
    requests: HashMap<String, Asked>,
    /// Where the client listens to what belongs to no request.
    listener: Option<mpsc::Sender<String>>,
    /// What it has not heard, because it listens nowhere.
    waiting: VecDeque<String>,
    /// How many requests there have been.
    count: u64,
    /// Whether the process has many clients, so that nobody is meant by what belongs to no request.
    is_shared: bool,
    is_over: bool,
}

/// A request under way.
#[derive(Debug)]
struct Asked {
    to: mpsc::Sender<String>,
    number: u64,
    token: Value,
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NotTaken {
    /// The process has ended.
    Over,
    /// Another one with this id is under way.
    SameId,
    /// There are too many.
    Busy,
}

/// Where a message goes.
#[derive(Debug)]
pub(super) enum Route {
    /// To a stream.
    To(mpsc::Sender<String>),
    /// To a client, once it listens.
    Waits,
    /// Nobody will read it.
    Nowhere,
}

impl Routes {
    pub(super) fn new(is_shared: bool) -> Self {
        Self {
            is_shared,
            ..Self::default()
        }
    }

    /// The stream of the answer to `request`.
    pub(super) fn ask(&mut self, request: &Value) -> Result<mpsc::Receiver<String>, NotTaken> {
        let id = request["id"].to_string();
        if self.is_over {
            return Err(NotTaken::Over);
        }
        if self.requests.len() >= MAX_EXPOSED_REQUESTS {
            // Nobody waits for the answers of those that were left.
            self.requests.retain(|_, asked| !asked.to.is_closed());
        }
        if self.requests.len() >= MAX_EXPOSED_REQUESTS {
            return Err(NotTaken::Busy);
        }
        if self
            .requests
            .get(&id)
            .is_some_and(|asked| !asked.to.is_closed())
        {
            return Err(NotTaken::SameId);
        }
        let (to, answer) = mpsc::channel(MAX_EXPOSED_WAITING);
        self.count += 1;
        let asked = Asked {
            to,
            number: self.count,
            token: request["params"]["_meta"]["progressToken"].clone(),
        };
        self.requests.insert(id, asked);
        Ok(answer)
    }

    /// Forgets a request, whose answer then goes nowhere.
    pub(super) fn forget(&mut self, id: &Value) -> bool {
        self.requests.remove(&id.to_string()).is_some()
    }

    /// Ends a stream, whose client does not read it.
    pub(super) fn cut(&mut self, stream: &mpsc::Sender<String>) {
        self.requests
            .retain(|_, asked| !asked.to.same_channel(stream));
    }

    /// The stream of what belongs to no request; an older one ends. `None` if all is over.
    pub(super) fn listen(&mut self) -> Option<mpsc::Receiver<String>> {
        if self.is_over {
            return None;
        }
        let (to, messages) = mpsc::channel(MAX_EXPOSED_WAITING);
        for text in self.waiting.drain(..) {
            // As many fit as can wait.
            let _ = to.try_send(text);
        }
        self.listener = Some(to);
        Some(messages)
    }

    /// Where `message` of the server goes. An answer ends its request.
    pub(super) fn route(&mut self, message: &Value) -> Route {
        if message.get("method").is_none() {
            let asked = self.requests.remove(&message["id"].to_string());
            return asked.map_or(Route::Nowhere, |asked| Route::To(asked.to));
        }
        if let Some(asked) = self.belongs_to(&message["params"]) {
            return Route::To(asked.to.clone());
        }
        if self.is_shared {
            return Route::Nowhere;
        }
        let open = self.listener.iter().find(|to| !to.is_closed());
        let newest = || {
            let asked = self.requests.values().filter(|asked| !asked.to.is_closed());
            asked
                .max_by_key(|asked| asked.number)
                .map(|asked| &asked.to)
        };
        match open.or_else(newest) {
            Some(to) => Route::To(to.clone()),
            None if self.waiting.len() < MAX_EXPOSED_WAITING => {
                self.waiting.push_back(message.to_string());
                Route::Waits
            }
            None => Route::Nowhere,
        }
    }

    /// The request that a notice is about, where it says so.
    fn belongs_to(&self, params: &Value) -> Option<&Asked> {
        let subscription = &params["_meta"][SUBSCRIPTION];
        if !subscription.is_null() {
            return self.requests.get(&subscription.to_string());
        }
        let token = &params["progressToken"];
        let mut all = self.requests.values();
        all.find(|asked| !token.is_null() && asked.token == *token)
    }

    /// Whether a client has any stream open.
    pub(super) fn is_in_use(&self) -> bool {
        let asked = self.requests.values().map(|asked| &asked.to);
        let mut streams = asked.chain(&self.listener);
        streams.any(|to| !to.is_closed())
    }

    /// Takes no more requests, and gives those under way: id and stream.
    pub(super) fn end(&mut self) -> Vec<(Value, mpsc::Sender<String>)> {
        self.is_over = true;
        self.listener = None;
        let id = |text: String| serde_json::from_str(&text).unwrap_or_default();
        let all = self.requests.drain();
        all.map(|(text, asked)| (id(text), asked.to)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn goes_to(routes: &mut Routes, message: &Value) -> Option<mpsc::Sender<String>> {
        match routes.route(message) {
            Route::To(stream) => Some(stream),
            Route::Waits | Route::Nowhere => None,
        }
    }

    fn ask(routes: &mut Routes, id: u32, token: &str) -> mpsc::Receiver<String> {
        let meta = json!({ "progressToken": token });
        let request = json!({ "id": id, "method": "m", "params": { "_meta": meta } });
        routes.ask(&request).unwrap()
    }

    #[test]
    fn messages_go_where_they_belong() {
        let mut routes = Routes::default();
        let first = ask(&mut routes, 1, "a");
        let second = ask(&mut routes, 2, "b");
        let progress = json!({ "method": "p", "params": { "progressToken": "a" } });
        let notice = json!({ "method": "n" });
        let found = goes_to(&mut routes, &progress).unwrap();
        assert!(found.same_channel(&routes.requests["1"].to));
        let found = goes_to(&mut routes, &notice).unwrap();
        assert!(found.same_channel(&routes.requests["2"].to), "the newest");
        let heard = routes.listen().unwrap();
        let found = goes_to(&mut routes, &notice).unwrap();
        assert!(found.same_channel(routes.listener.as_ref().unwrap()));
        assert!(goes_to(&mut routes, &json!({ "id": 1, "result": {} })).is_some());
        assert!(
            goes_to(&mut routes, &json!({ "id": 1, "result": {} })).is_none(),
            "only once"
        );
        assert!(routes.is_in_use());
        drop((first, second, heard));
        assert!(!routes.is_in_use());
        assert!(goes_to(&mut routes, &notice).is_none(), "it waits");
        let mut heard = routes.listen().unwrap();
        assert_eq!(heard.try_recv().unwrap(), notice.to_string());
    }

    #[test]
    fn requests_are_told_apart_and_bounded() {
        let mut routes = Routes::default();
        let request = |id: usize| json!({ "id": id, "method": "m" });
        let mut open = (0..MAX_EXPOSED_REQUESTS)
            .map(|id| routes.ask(&request(id)).unwrap())
            .collect::<Vec<_>>();
        let further = request(MAX_EXPOSED_REQUESTS);
        assert_eq!(routes.ask(&further).unwrap_err(), NotTaken::Busy);
        open.pop();
        open.push(routes.ask(&further).unwrap());
        open.pop();
        assert_eq!(routes.ask(&request(0)).unwrap_err(), NotTaken::SameId);
        assert_eq!(routes.end().len(), MAX_EXPOSED_REQUESTS - 1, "one was left");
        assert_eq!(routes.ask(&request(0)).unwrap_err(), NotTaken::Over);
    }

    #[test]
    fn clients_of_one_process_hear_nothing_of_each_other() {
        let mut routes = Routes::new(true);
        let mut open = ask(&mut routes, 1, "a");
        assert!(matches!(
            routes.route(&json!({ "method": "n" })),
            Route::Nowhere
        ));
        let stream = routes.requests["1"].to.clone();
        routes.cut(&stream);
        drop(stream);
        assert!(
            open.try_recv()
                .is_err_and(|error| error == mpsc::error::TryRecvError::Disconnected)
        );
    }
}
