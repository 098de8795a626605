// SPDX-License-Identifier: MPL-2.0
//! Offering services, and no longer.

mod card;
mod target;

use std::io::{BufRead as _, IsTerminal as _};

use a2al_protocol::Aid;
use a2al_protocol::record::meta::{Meta, Value};
use a2al_service::model::{Agent, Done, PatchAgent, RegisterServices, ServicesRegistered, Updated};
use a2al_service::text;

use super::{agents, only_agent};
use crate::cli::args::{EntryOptions, Publish, Unpublish};
use crate::cli::print::fields;
use crate::cli::{Context, Failure};
use crate::output;
use card::Card;
use target::Target;

/// `a2al publish`.
pub(super) async fn publish(context: &Context, args: Publish) -> Result<(), Failure> {
    let Publish {
        target,
        aid,
        entry,
        from,
        yes,
    } = args;
    if let Ok(aid) = target.parse::<Aid>() {
        return agents::publish(context, aid).await;
    }
    let aid = match aid {
        Some(aid) => aid,
        None => only_agent(context).await?,
    };
    let mut offer = Offer::given(target, entry)?;
    if let Some(from) = &from {
        offer.complete(Card::read(from).await?)?;
        confirm(context, &offer, aid, yes)?;
    }
    offer.publish(context, aid).await
}

/// `a2al unpublish`.
pub(super) async fn unpublish(context: &Context, args: Unpublish) -> Result<(), Failure> {
    let Unpublish { service, aid } = args;
    let aid = match aid {
        Some(aid) => aid,
        None => only_agent(context).await?,
    };
    let agent: Agent = context.client.get(&format!("/agents/{aid}")).await?;
    let mut offered = agent.services.iter().flatten();
    let was_offered = offered.any(|offered| offered.topic == service);
    let path = format!("/agents/{aid}/services/{}", encoded(&service));
    let done: Done = context.client.delete(&path).await?;
    let shown = text::name(&service, text::MAX_NAME_CHARS);
    context.print.data(&done, |_| {
        if was_offered {
            format!("{aid} does not offer {shown} any more")
        } else {
            String::new()
        }
    });
    if !was_offered {
        context
            .print
            .note(format_args!("{aid} did not offer {shown}"));
    }
    Ok(())
}

/// A name as one part of a path.
pub(super) fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

/// What is to be published.
#[derive(Debug)]
struct Offer {
    request: RegisterServices,
    target: Option<Target>,
}

impl Offer {
    /// What the command line says.
    fn given(service: String, entry: EntryOptions) -> Result<Self, Failure> {
        let EntryOptions {
            name,
            brief,
            url,
            protocols,
            tags,
            ttl,
            meta,
        } = entry;
        let given = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
        let request = RegisterServices {
            services: Some(vec![service]),
            name,
            protocols: given(protocols),
            tags: given(tags),
            brief,
            meta: meta.map(|text| object(&text)).transpose()?,
            ttl,
        };
        let target = url.map(|url| Target::parse(&url)).transpose()?;
        Ok(Self { request, target })
    }

    /// Takes from a card what was not given.
    fn complete(&mut self, card: Card) -> Result<(), Failure> {
        let Card {
            name,
            brief,
            protocols,
            tags,
            url,
        } = card;
        if self.target.is_none() {
            self.target = url.map(|url| Target::parse(&url)).transpose()?;
        }
        let request = &mut self.request;
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        request.name = request.name.take().or_else(|| text(name));
        request.brief = request.brief.take().or_else(|| text(brief));
        if request.protocols.is_none() {
            card::add_fitting(request, |request| &mut request.protocols, protocols);
        }
        if request.tags.is_none() {
            card::add_fitting(request, |request| &mut request.tags, tags);
        }
        Ok(())
    }

    fn shown(&self) -> String {
        let request = &self.request;
        let list =
            |list: &Option<Vec<String>>| text::lines(list.as_deref().unwrap_or(&[])).join(", ");
        let line = |line: &Option<String>| {
            text::line(line.as_deref().unwrap_or_default(), text::MAX_BRIEF_CHARS)
        };
        let target = self.target.as_ref().map_or_else(
            || "as it is".to_owned(),
            |target| format!("{}{}", target.service_tcp, target.path),
        );
        fields(&[
            ("name", &line(&request.name)),
            ("brief", &line(&request.brief)),
            ("protocols", &list(&request.protocols)),
            ("tags", &list(&request.tags)),
            ("service", &target),
        ])
    }

    async fn publish(mut self, context: &Context, aid: Aid) -> Result<(), Failure> {
        if let Some(Target { path, .. }) = &self.target
            && !path.is_empty()
            && path != "/"
        {
            let meta = self.request.meta.get_or_insert_default();
            let path = Value::Text(path.clone());
            meta.entry("path".to_owned()).or_insert(path);
        }
        let path = format!("/agents/{aid}/services");
        let registered: ServicesRegistered = context.client.post(&path, &self.request).await?;
        // Only now: what is refused is to leave the agent as it is.
        if let Some(Target { service_tcp, .. }) = self.target {
            redirect(context, aid, service_tcp).await?;
        }
        let names = self.request.services.unwrap_or_default().join(" ");
        let shown = text::name(&names, text::MAX_NAME_CHARS);
        context
            .print
            .data(&registered, |_| format!("{aid} offers {shown}"));
        for warning in &registered.warnings {
            context.print.note(format_args!("note: {warning}"));
        }
        Ok(())
    }
}

/// Lets an agent stand in front of another service, and says so.
async fn redirect(context: &Context, aid: Aid, service_tcp: String) -> Result<(), Failure> {
    let shown = text::line(&service_tcp, text::MAX_VALUE_CHARS);
    let patch = PatchAgent {
        service_tcp: Some(service_tcp),
        ..PatchAgent::default()
    };
    let agent = format!("/agents/{aid}");
    let _: Updated = context.client.patch(&agent, &patch).await?;
    context
        .print
        .note(format_args!("calls to {aid} now go to {shown}"));
    Ok(())
}

/// Reads an object of free-form values.
fn object(text: &str) -> Result<Meta, Failure> {
    serde_json::from_str(text).map_err(|source| Failure::BadMeta { source })
}

/// Says what was taken from a card, and asks whether it is to be published. A card may be anybody's, so where
/// nobody can be asked, it has to be said beforehand.
fn confirm(context: &Context, offer: &Offer, aid: Aid, yes: bool) -> Result<(), Failure> {
    context.print.note(offer.shown());
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::NobodyToAsk);
    }
    output::note(format_args!("publish this for {aid}? [y/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::NotConfirmed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_part_of_a_path() {
        assert_eq!(encoded("lang.translate-x"), "lang.translate-x");
        assert_eq!(encoded("Bad Name/é?%"), "Bad%20Name%2F%C3%A9%3F%25");
    }

    #[test]
    fn what_is_given_goes_before_what_the_card_says() {
        let entry = EntryOptions {
            name: Some("mine".to_owned()),
            tags: vec!["t".to_owned()],
            ..EntryOptions::default()
        };
        let mut offer = Offer::given("s.x".to_owned(), entry).unwrap();
        let card = Card {
            name: "card".to_owned(),
            brief: "says".to_owned(),
            protocols: vec!["a2a".to_owned()],
            tags: vec!["u".to_owned()],
            url: Some("http://127.0.0.1:9000/rpc".to_owned()),
        };
        offer.complete(card).unwrap();
        let request = &offer.request;
        assert_eq!(request.name.as_deref(), Some("mine"));
        assert_eq!(request.brief.as_deref(), Some("says"));
        assert_eq!(request.tags, Some(vec!["t".to_owned()]));
        assert_eq!(request.protocols, Some(vec!["a2a".to_owned()]));
        assert_eq!(offer.target.unwrap().path, "/rpc");
    }
}
