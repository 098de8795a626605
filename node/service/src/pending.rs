// SPDX-License-Identifier: MPL-2.0
//! What waits for somebody, by agent: shown with every answer that an assistant gets.

use crate::Service;
use crate::model::{Pending, Waiting};

impl Service {
    /// What waits; empty when nothing does. Read from memory.
    pub fn pending(&self) -> Pending {
        let mut pending = Pending::new();
        for aid in self.core.keystore.waiting() {
            let waiting: &mut Waiting = pending.entry(aid.to_string()).or_default();
            waiting.master_backup = true;
        }
        pending
    }
}
