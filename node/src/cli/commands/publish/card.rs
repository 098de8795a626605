// SPDX-License-Identifier: MPL-2.0
//! What an A2A agent card says about a service, in the shapes of A2A 1.0 and 0.3.
//!
//! The card is text by whoever runs the service, which need not be the agent's owner: it is cut and
//! cleaned like that of any stranger.

use std::time::Duration;

use a2al_protocol::Topic;
use a2al_service::model::RegisterServices;
use a2al_service::text;
use reqwest::redirect::Policy;
use reqwest::{Response, Url, header};
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Map, Value};

use crate::cli::args::CardSource;
use crate::cli::{Failure, files};

/// Paths at which a service has its card: of A2A 1.0 and 0.3, and of before.
const PATHS: [&str; 2] = ["/.well-known/agent-card.json", "/.well-known/agent.json"];

/// Longest card that is read, in bytes. A2A sets no limit; the gateway has the same.
const MAX_LEN: usize = 1024 * 1024;

/// How long a card may take to arrive.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is taken from a card.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Card {
    pub(super) name: String,
    /// The beginning of its description.
    pub(super) brief: String,
    /// `a2a`, and the bindings of its interfaces.
    pub(super) protocols: Vec<String>,
    /// Tags of its skills, then their ids.
    pub(super) tags: Vec<String>,
    /// The interface to be called: the first one over HTTP.
    pub(super) url: Option<String>,
}

/// A card, as far as it is read. What is missing or of another type is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written {
    name: Value,
    description: Value,
    skills: Value,
    /// A2A 1.0.
    supported_interfaces: Value,
    /// A2A 0.3 and before.
    url: Value,
    preferred_transport: Value,
    additional_interfaces: Value,
}

/// One way to talk to the service.
#[derive(Debug)]
struct Interface<'a> {
    url: &'a str,
    binding: &'a str,
}

impl Card {
    /// Reads the card at `from`.
    pub(super) async fn read(from: &str) -> Result<Self, Failure> {
        let bytes = match CardSource::from(from) {
            CardSource::File(path) => files::read(&path)?,
            CardSource::Url(url) => fetched(url).await?,
        };
        let card = Written::parse(&bytes).map_err(|source| Failure::NoCard {
            from: from.to_owned(),
            source,
        })?;
        Ok(card.card())
    }
}

impl Written {
    /// Reads a card. A list is none: serde would take it for the fields in order. Neither is what
    /// has no name, or says neither where the agent is called nor what it can do.
    fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let fields: Map<String, Value> = serde_json::from_slice(bytes)?;
        let card: Self = serde_json::from_value(fields.into())?;
        if as_text(&card.name).is_empty() {
            return Err(serde_json::Error::custom("no name"));
        }
        let has_skills = card.skills.as_array().is_some_and(|all| !all.is_empty());
        if card.interfaces().is_empty() && !has_skills {
            return Err(serde_json::Error::custom(
                "no url, no interfaces, no skills",
            ));
        }
        Ok(card)
    }

    fn card(&self) -> Card {
        let interfaces = self.interfaces();
        let mut protocols = vec!["a2a".to_owned()];
        for interface in &interfaces {
            add(&mut protocols, &interface.binding.to_ascii_lowercase());
        }
        let is_http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        let called = interfaces
            .iter()
            .find(|one| is_http(one.url) && !one.binding.eq_ignore_ascii_case("grpc"));
        Card {
            name: text::line(as_text(&self.name), text::MAX_NAME_CHARS),
            brief: text::line(as_text(&self.description), text::MAX_BRIEF_CHARS),
            protocols,
            tags: self.tags(),
            url: called.map(|interface| interface.url.to_owned()),
        }
    }

    /// All interfaces, the preferred one first.
    fn interfaces(&self) -> Vec<Interface<'_>> {
        let supported = items(&self.supported_interfaces, "protocolBinding");
        let main = Interface {
            url: as_text(&self.url),
            binding: as_text(&self.preferred_transport),
        };
        let additional = items(&self.additional_interfaces, "transport");
        let all = supported.chain([main]).chain(additional);
        all.filter(|interface| !interface.url.is_empty()).collect()
    }

    fn tags(&self) -> Vec<String> {
        let skills = || self.skills.as_array().into_iter().flatten();
        let tags = skills().flat_map(|skill| skill["tags"].as_array().into_iter().flatten());
        let ids = skills().map(|skill| &skill["id"]);
        let mut distinct = Vec::new();
        for tag in tags.chain(ids) {
            add(&mut distinct, as_text(tag));
        }
        distinct
    }
}

fn items<'a>(list: &'a Value, binding: &'a str) -> impl Iterator<Item = Interface<'a>> {
    let list = list.as_array().into_iter().flatten();
    list.map(move |interface| Interface {
        url: as_text(&interface["url"]),
        binding: as_text(&interface[binding]),
    })
}

fn as_text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Adds a name, cleaned, that is not there yet.
fn add(names: &mut Vec<String>, name: &str) {
    let name = text::line(name, text::MAX_NAME_CHARS);
    if !name.is_empty() && !names.contains(&name) {
        names.push(name);
    }
}

/// Adds those of `names` to a list of the request with which its entry still fits into a record.
pub(super) fn add_fitting(
    request: &mut RegisterServices,
    list: impl Fn(&mut RegisterServices) -> &mut Option<Vec<String>>,
    names: Vec<String>,
) {
    for name in names {
        list(request).get_or_insert_default().push(name);
        if !fits(request) {
            list(request).get_or_insert_default().pop();
        }
    }
}

fn fits(request: &RegisterServices) -> bool {
    let request = request.clone();
    let services = request.services.unwrap_or_default();
    let entry = Topic {
        name: request.name.unwrap_or_default(),
        protocols: request.protocols,
        tags: request.tags,
        brief: request.brief.unwrap_or_default(),
        meta: request.meta.unwrap_or_default(),
        ..Topic::new(services.first().map_or("", String::as_str))
    };
    entry.encode().is_ok()
}

/// The card at `url`, or where the service at `url` has its card.
async fn fetched(url: Url) -> Result<Vec<u8>, Failure> {
    if url.scheme() != "http" {
        return Err(Failure::CardScheme(url.to_string()));
    }
    if !matches!(url.path(), "" | "/") {
        return get(url).await;
    }
    let [first, second] = PATHS.map(|path| {
        let mut at = url.clone();
        at.set_path(path);
        at
    });
    match get(first).await {
        Ok(card) => Ok(card),
        Err(failure) => get(second).await.map_err(|_| failure),
    }
}

async fn get(url: Url) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::CardNotFetched {
        url: url.to_string(),
        source,
    };
    let http = reqwest::Client::builder()
        .no_proxy()
        // Whoever answers could lead to any port of this machine.
        .redirect(Policy::none())
        .timeout(TIMEOUT)
        .build();
    let answer = http.map_err(failed)?.get(url.clone()).send().await;
    let answer = answer.and_then(Response::error_for_status);
    let mut answer = answer.map_err(failed)?;
    if answer.status().is_redirection() {
        return Err(moved(&url, &answer));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > MAX_LEN {
            return Err(Failure::CardTooLong(url.to_string()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The failure that names where the card is now, for the user to decide.
fn moved(url: &Url, answer: &Response) -> Failure {
    let place = answer.headers().get(header::LOCATION);
    let place = place.and_then(|place| url.join(place.to_str().ok()?).ok());
    Failure::CardMoved {
        url: url.to_string(),
        place: place.map_or_else(|| "nowhere".to_owned(), |place| place.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn card(json: &Value) -> Card {
        Written::parse(json.to_string().as_bytes()).unwrap().card()
    }

    #[test]
    fn cards_of_both_versions_are_read() {
        let skills = json!([
            {"id": "de-en", "name": "German", "tags": ["translate", "de"]},
            {"id": "fr", "tags": ["translate", "fr"]},
        ]);
        let expected = Card {
            name: "Translator".to_owned(),
            brief: "Translates text".to_owned(),
            protocols: ["a2a", "jsonrpc", "grpc"].map(str::to_owned).to_vec(),
            tags: ["translate", "de", "fr", "de-en"]
                .map(str::to_owned)
                .to_vec(),
            url: Some("http://127.0.0.1:9000/rpc".to_owned()),
        };
        let new = card(&json!({
            "name": "Translator", "description": "Translates\ntext", "skills": skills,
            "supportedInterfaces": [
                {"url": "http://127.0.0.1:9000/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
                {"url": "127.0.0.1:9001", "protocolBinding": "GRPC"},
            ],
        }));
        assert_eq!(new, expected);
        let old = card(&json!({
            "protocolVersion": "0.3.0",
            "name": "Translator", "description": "Translates text", "skills": skills,
            "url": "http://127.0.0.1:9000/rpc", "preferredTransport": "JSONRPC",
            "additionalInterfaces": [
                {"url": "http://127.0.0.1:9000/rpc", "transport": "JSONRPC"},
                {"url": "http://127.0.0.1:9001", "transport": "GRPC"},
            ],
        }));
        assert_eq!(old, expected);
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let odd = card(&json!({
            "name": "\u{200b}", "description": ["x"], "skills": [{"tags": "x"}, 3, {"id": "\u{200b}"}],
            "url": "grpc://h:1", "supportedInterfaces": {"url": "http://h"},
        }));
        let expected = Card {
            protocols: vec!["a2a".to_owned()],
            ..Card::default()
        };
        assert_eq!(odd, expected);
        let long = json!({"name": "n", "url": "h:1", "description": "x".repeat(1000)});
        let long = card(&long);
        assert_eq!(long.brief.chars().count(), 140);
        for none in [
            &b"[]"[..],
            br#"{"a":1}"#,
            br#"{"name":7,"url":"http://h"}"#,
            br#"{"name":"package","description":"x","skills":[]}"#,
        ] {
            assert!(Written::parse(none).is_err());
        }
    }

    #[test]
    fn tags_are_taken_while_they_fit() {
        let mut request = RegisterServices {
            services: Some(vec!["lang.translate".to_owned()]),
            brief: Some("é".repeat(140)),
            ..RegisterServices::default()
        };
        let tags = (0..100).map(|at| format!("tag-{at}")).collect();
        add_fitting(&mut request, |request| &mut request.tags, tags);
        assert!(fits(&request));
        assert!((10..100).contains(&request.tags.unwrap().len()));
    }
}
