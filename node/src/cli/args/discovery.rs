// SPDX-License-Identifier: MPL-2.0
//! The grammar of services: publishing, searching and calling them.

use std::path::PathBuf;

use a2al_protocol::Aid;
use clap::Args as Group;

use super::RequestOptions;

#[derive(Debug, Group)]
pub(in crate::cli) struct Publish {
    /// The service, by convention category.function, such as lang.translate; or an agent's address,
    /// to publish where it is reached
    #[arg(value_name = "SERVICE|AID")]
    pub(in crate::cli) target: String,
    /// The agent that offers it; may be left out where there is one only
    #[arg(long)]
    pub(in crate::cli) aid: Option<Aid>,
    #[command(flatten)]
    pub(in crate::cli) entry: EntryOptions,
    /// Take what is not given from an A2A agent card: a file, - for stdin, or an http:// URL of the
    /// card or of the service that has one
    #[arg(long, value_name = "FILE|URL")]
    pub(in crate::cli) from: Option<String>,
    /// Do not ask whether what the card says is to be published
    #[arg(long, short, requires = "from")]
    pub(in crate::cli) yes: bool,
}

#[derive(Debug, Default, Group)]
pub(in crate::cli) struct EntryOptions {
    /// The name under which the agent offers it
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,
    /// What it does, in at most 140 characters
    #[arg(long)]
    pub(in crate::cli) brief: Option<String>,
    /// Where it listens: becomes the agent's service; a path goes into meta as "path"
    #[arg(long)]
    pub(in crate::cli) url: Option<String>,
    /// A protocol to use it with; may be repeated
    #[arg(long = "protocol", value_name = "PROTOCOL")]
    pub(in crate::cli) protocols: Vec<String>,
    /// What searches can be narrowed by; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(in crate::cli) tags: Vec<String>,
    /// How long the entry lives once the node has stopped, at most 7200
    #[arg(long, value_name = "SECS")]
    pub(in crate::cli) ttl: Option<u32>,
    /// Anything else, a JSON object
    #[arg(long, value_name = "JSON")]
    pub(in crate::cli) meta: Option<String>,
}

#[derive(Debug, Group)]
pub(in crate::cli) struct Unpublish {
    /// The service
    pub(in crate::cli) service: String,
    /// The agent that offers it; may be left out where there is one only
    #[arg(long)]
    pub(in crate::cli) aid: Option<Aid>,
}

#[derive(Debug, Group)]
pub(in crate::cli) struct FilterOptions {
    /// Only those that speak this protocol; of several, any
    #[arg(long = "filter-protocol", value_name = "PROTOCOL")]
    pub(in crate::cli) protocols: Vec<String>,
    /// Only those with this tag; of several, all
    #[arg(long = "filter-tag", value_name = "TAG")]
    pub(in crate::cli) tags: Vec<String>,
}

#[derive(Debug, Group)]
pub(in crate::cli) struct Search {
    /// The service, or a category such as 'lang.*'; of several, agents that offer all
    #[arg(
        required = true,
        value_name = "SERVICE",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub(in crate::cli) services: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterOptions,
    /// Most entries, 1 to 1000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(in crate::cli) limit: Option<u32>,
    /// All entries, however many
    #[arg(long, conflicts_with = "limit")]
    pub(in crate::cli) all: bool,
    /// Say of the first 32 agents whether their node is up; their services are sent nothing
    #[arg(long)]
    pub(in crate::cli) probe: bool,
}

#[derive(Debug, Group)]
pub(in crate::cli) struct Call {
    /// The service
    pub(in crate::cli) service: String,
    /// The path, with its query
    #[arg(default_value = "/")]
    pub(in crate::cli) path: String,
    /// The body; @FILE reads a file, @- reads stdin. Makes it a POST
    #[arg(short, long)]
    pub(in crate::cli) data: Option<String>,
    /// The method, instead of GET or POST
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub(in crate::cli) method: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterOptions,
    #[command(flatten)]
    pub(in crate::cli) options: RequestOptions,
}

/// A file or URL that an agent card is read from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::cli) enum CardSource {
    /// A file; `-` is stdin.
    File(PathBuf),
    /// A URL of HTTP.
    Url(reqwest::Url),
}

impl From<&str> for CardSource {
    fn from(text: &str) -> Self {
        match text.parse::<reqwest::Url>() {
            Ok(url) if url.has_host() => Self::Url(url),
            _ => Self::File(text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_urls_are_told_apart() {
        for file in ["card.json", "-", "/tmp/a:b/card.json", "./http/card"] {
            assert_eq!(CardSource::from(file), CardSource::File(file.into()));
        }
        for url in ["http://127.0.0.1:9000", "https://host/card.json"] {
            assert!(matches!(CardSource::from(url), CardSource::Url(_)), "{url}");
        }
    }
}
