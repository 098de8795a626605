// SPDX-License-Identifier: MPL-2.0
//! The agents on this node.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::aid::Aid;
use crate::credential::Credential;

/// Credentials of the agents that answer and call from this node, by AID.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosted {
    credentials: Arc<RwLock<HashMap<Aid, Arc<Credential>>>>,
}

impl Hosted {
    pub(crate) fn get(&self, aid: &Aid) -> Option<Arc<Credential>> {
        self.credentials
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(aid)
            .cloned()
    }

    /// Adds an agent, or replaces its credential.
    pub(crate) fn insert(&self, credential: Arc<Credential>) {
        let mut credentials = self
            .credentials
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        credentials.insert(credential.aid(), credential);
    }

    pub(crate) fn remove(&self, aid: &Aid) {
        self.credentials
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(aid);
    }
}
