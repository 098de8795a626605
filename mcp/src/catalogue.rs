// SPDX-License-Identifier: MPL-2.0
//! All tools, by toolset, with schemas cut down to what a model needs.

mod schemas;

use std::sync::{Arc, LazyLock};

use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::model::Tool;

use crate::server::Server;
use crate::tools;
use crate::toolsets::{Toolset, Toolsets};

/// The tools of this crate; they are the same for every node.
pub(crate) static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::new);

/// One tool.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) set: Toolset,
    pub(crate) route: ToolRoute<Server>,
}

/// All tools, ordered by toolset and name.
#[derive(Debug)]
pub(crate) struct Catalogue(Vec<Entry>);

impl Catalogue {
    fn new() -> Self {
        let mut entries = Vec::new();
        for (set, router) in tools::routers() {
            entries.extend(routes(set, router));
        }
        entries.sort_by(|one, other| {
            let key = |entry: &Entry| (entry.set, entry.route.attr.name.clone());
            key(one).cmp(&key(other))
        });
        Self(entries)
    }

    /// The tools of `shown`.
    pub(crate) fn list(&self, shown: Toolsets) -> Vec<Tool> {
        let entries = self.0.iter().filter(|entry| shown.has(entry.set));
        entries.map(|entry| entry.route.attr.clone()).collect()
    }

    /// The tool of that name, whether it is shown or not.
    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.route.name() == name)
    }
}

fn routes(set: Toolset, router: ToolRouter<Server>) -> impl Iterator<Item = Entry> {
    router.into_iter().map(move |mut route| {
        let tool = &mut route.attr;
        // Doc comments break their lines; a model needs no such breaks.
        tool.description = tool
            .description
            .take()
            .map(|text| text.replace('\n', " ").into());
        tool.input_schema = Arc::new(schemas::input(&tool.input_schema));
        tool.output_schema = tool
            .output_schema
            .take()
            .map(|schema| Arc::new(schemas::output(&schema)));
        Entry { set, route }
    })
}
