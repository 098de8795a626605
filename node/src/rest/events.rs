// SPDX-License-Identifier: MPL-2.0
//! What happens to agents, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use a2al_service::model::PendingByAgent;
use a2al_service::{EventStream, Lagged, Service, Streamed};
use axum::extract::{FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::InPath;
use super::{App, Problem};

/// How long a client waits before it comes back. The reference says the same.
const RETRY: Duration = Duration::from_secs(3);

/// Longest silence; a comment then shows that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(agent_events))
        .routes(routes!(all_events))
}

/// Which events a client wants.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Kinds of events, with commas; all when absent. What is pending is told in any case.
    types: Option<String>,
    /// Number of the last event that was seen, as in the header `Last-Event-ID`, which wins.
    #[param(value_type = Option<u64>)]
    last_event_id: Option<String>,
}

/// The same, read.
struct Wanted {
    types: Option<Vec<String>>,
    after: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad = |what| Problem::new(StatusCode::BAD_REQUEST, what, "bad_query");
        let asked = Query::<Asked>::from_request_parts(parts, state).await;
        let Query(asked) = asked.map_err(|_| bad("bad query"))?;
        let header = parts.headers.get("last-event-id");
        let shown = header.map(|value| value.to_str().unwrap_or_default().to_owned());
        let after = shown.or(asked.last_event_id).filter(|id| !id.is_empty());
        let after = after.map(|id| id.parse()).transpose();
        Ok(Self {
            types: asked.types.filter(|types| !types.is_empty()).map(|types| {
                let types = types.split(',').map(|kind| kind.trim().to_owned());
                types.collect()
            }),
            after: after.map_err(|_| bad("bad last_event_id"))?,
        })
    }
}

/// What happens to one agent: server-sent events.
///
/// Begins with `retry` and, if something waits, with an event `pending`. A client that does not keep
/// up is told how many events it missed (`lagged`) and cut off.
#[utoipa::path(get, path = "/agents/{aid}/events", tag = "events", params(InPath, Asked), responses(
    (status = 200, description = "Events: `pending`, `mailbox.received`, `lagged`.",
     content_type = "text/event-stream", body = a2al_service::model::StreamedEvent), Problem,
))]
async fn agent_events(
    State(service): State<Service>,
    State(ending): State<CancellationToken>,
    InPath(aid): InPath,
    wanted: Wanted,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let events = service.agent_events(aid, wanted.after)?;
    let mut first = vec![Event::default().retry(RETRY)];
    first.extend(pending(&service.pending_of(&aid)));
    Ok(answer(
        first,
        Client {
            events,
            ending,
            types: wanted.types,
            is_numbered: true,
        },
    ))
}

/// What happens to all agents of this node: server-sent events, without numbers.
#[utoipa::path(get, path = "/events", tag = "events", params(Asked), responses(
    (status = 200, description = "Events: `pending`, `mailbox.received`, `lagged`.",
     content_type = "text/event-stream", body = a2al_service::model::StreamedEvent), Problem,
))]
async fn all_events(
    State(service): State<Service>,
    State(ending): State<CancellationToken>,
    wanted: Wanted,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let events = service.all_events()?;
    let first = pending(&service.pending()).into_iter().collect();
    Ok(answer(
        first,
        Client {
            events,
            ending,
            types: wanted.types,
            is_numbered: false,
        },
    ))
}

fn pending(pending: &PendingByAgent) -> Option<Event> {
    let event = Event::default().event("pending");
    (!pending.is_empty()).then(|| event.data(json!(pending).to_string()))
}

fn answer(first: Vec<Event>, client: Client) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let later = stream::unfold(Some(client), async |client| client?.next().await);
    let events = stream::iter(first).chain(later).map(Ok);
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// A client that follows events.
struct Client {
    events: EventStream,
    /// Set when the daemon ends.
    ending: CancellationToken,
    types: Option<Vec<String>>,
    /// Whether the client can come back with the number of an event.
    is_numbered: bool,
}

impl Client {
    /// The next event, and the client unless that was the last.
    async fn next(mut self) -> Option<(Event, Option<Self>)> {
        loop {
            let ending = self.ending.clone();
            match ending.run_until_cancelled(self.events.next()).await? {
                Ok(streamed) => {
                    let streamed = streamed?;
                    if self.wants(&streamed.event.kind) {
                        return Some((self.event(&streamed), Some(self)));
                    }
                }
                Err(Lagged(missed)) => {
                    let data = json!({ "missed": missed }).to_string();
                    return Some((Event::default().event("lagged").data(data), None));
                }
            }
        }
    }

    fn wants(&self, kind: &str) -> bool {
        let types = self.types.as_ref();
        types.is_none_or(|types| types.iter().any(|wanted| wanted == kind))
    }

    fn event(&self, Streamed { seq, event }: &Streamed) -> Event {
        let numbered = if self.is_numbered {
            Event::default().id(seq.to_string())
        } else {
            Event::default()
        };
        numbered.event(&event.kind).data(json!(event).to_string())
    }
}
