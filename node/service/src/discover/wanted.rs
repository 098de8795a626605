// SPDX-License-Identifier: MPL-2.0
//! What a search is for.

use a2al_protocol::Topic;

use crate::error::Input;
use crate::model;

/// Most services in one search. Ours: each of them is a search of its own.
const MAX_SERVICES: usize = 16;

/// Services, and which of their entries count.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Wanted {
    services: Vec<String>,
    protocols: Vec<String>,
    tags: Vec<String>,
}

/// Whether `service` stands for all services of a category.
pub(crate) fn is_category(service: &str) -> bool {
    category(service).is_some()
}

/// The category that `service` stands for, with the dot that ends it.
fn category(service: &str) -> Option<&str> {
    let prefix = service.strip_suffix('*')?;
    let name = prefix.strip_suffix('.')?;
    (!name.is_empty() && !name.contains('.')).then_some(prefix)
}

impl Wanted {
    /// Reads a search: its services, each once, and its filter.
    pub(crate) fn new(
        services: Option<Vec<String>>,
        filter: Option<model::Filter>,
    ) -> Result<Self, Input> {
        let mut distinct = Vec::new();
        for service in services.unwrap_or_default() {
            if !distinct.contains(&service) {
                distinct.push(service);
            }
            if distinct.len() > MAX_SERVICES {
                return Err(Input::TooManySearched { max: MAX_SERVICES });
            }
        }
        if distinct.is_empty() || distinct.iter().any(String::is_empty) {
            return Err(Input::NoServices);
        }
        let model::Filter { protocols, tags } = filter.unwrap_or_default();
        Ok(Self {
            services: distinct,
            protocols: protocols.unwrap_or_default(),
            tags: tags.unwrap_or_default(),
        })
    }

    /// The services, categories included.
    pub(crate) fn services(&self) -> &[String] {
        &self.services
    }

    /// Whether `topic` is one of the services by its own name.
    pub(crate) fn names(&self, topic: &str) -> bool {
        self.services.iter().any(|service| service == topic)
    }

    /// Whether an entry that was found for the service at `index` counts.
    pub(crate) fn takes(&self, index: usize, entry: &Topic) -> bool {
        let is_of_service = self.services.get(index).is_some_and(|service| {
            entry.topic == *service
                || category(service).is_some_and(|prefix| entry.topic.starts_with(prefix))
        });
        let has = |list: &Option<Vec<String>>, wanted: &String| {
            list.as_ref().is_some_and(|list| list.contains(wanted))
        };
        let mut protocols = self.protocols.iter();
        is_of_service
            && (self.protocols.is_empty() || protocols.any(|wanted| has(&entry.protocols, wanted)))
            && self.tags.iter().all(|wanted| has(&entry.tags, wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(services: &[&str], protocols: &[&str], tags: &[&str]) -> Wanted {
        let owned = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect());
        let filter = model::Filter {
            protocols: owned(protocols),
            tags: owned(tags),
        };
        Wanted::new(owned(services), Some(filter)).unwrap()
    }

    fn entry(topic: &str, protocols: &[&str], tags: &[&str]) -> Topic {
        let owned = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect());
        Topic {
            protocols: owned(protocols),
            tags: owned(tags),
            ..Topic::new(topic)
        }
    }

    #[test]
    fn any_protocol_and_all_tags() {
        let entry = entry("s", &["mcp", "http"], &["de", "fr"]);
        for (protocols, tags, is_taken) in [
            (&[][..], &[][..], true),
            (&["mcp"], &["de"], true),
            (&["x", "http"], &["fr", "de"], true),
            (&["MCP"], &[], false),
            (&[], &["de", "x"], false),
            (&[], &["d"], false),
        ] {
            let wanted = wanted(&["s"], protocols, tags);
            assert_eq!(wanted.takes(0, &entry), is_taken, "{protocols:?} {tags:?}");
        }
        let silent = Topic::new("s");
        assert!(wanted(&["s"], &[], &[]).takes(0, &silent));
        assert!(!wanted(&["s"], &["mcp"], &[]).takes(0, &silent));
    }

    #[test]
    fn only_entries_of_the_asked_service_count() {
        let wanted = wanted(&["s", "lang.*", "s"], &[], &[]);
        assert_eq!(wanted.services(), ["s", "lang.*"]);
        assert!(wanted.takes(0, &Topic::new("s")));
        assert!(!wanted.takes(0, &Topic::new("S")));
        assert!(!wanted.takes(0, &Topic::new("lang.translate")));
        assert!(wanted.takes(1, &Topic::new("lang.translate")));
        assert!(!wanted.takes(1, &Topic::new("language.x")));
        assert!(!wanted.takes(2, &Topic::new("s")));
    }

    #[test]
    fn a_category_is_one_level_and_a_star() {
        assert!(is_category("lang.*") && is_category("my-own.*"));
        for name in ["*", ".*", "lang*", "lang.*.x", "a.b.*", "lang.", "lang"] {
            assert!(!is_category(name), "{name}");
        }
    }
}
