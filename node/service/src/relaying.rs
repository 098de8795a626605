// SPDX-License-Identifier: MPL-2.0
//! Being a relay for others, which nobody should do without knowing.

use crate::Service;
use crate::store::Change;

/// Says so in the log when others may use this node as a relay, the first time in the life of its
/// data directory.
pub(crate) async fn announce_first(service: Service) {
    let mut state = service.core.client.state();
    if state.wait_for(|state| state.is_relay).await.is_err() {
        return;
    }
    tracing::info!(
        "this node relays encrypted traffic for nodes that cannot be reached directly; \
         relay_server = \"never\" turns it off"
    );
    if let Err(error) = service.core.store.write(Change::Relayed).await {
        tracing::debug!(%error, "will be said again after the next start");
    }
}
