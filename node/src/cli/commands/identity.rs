// SPDX-License-Identifier: MPL-2.0
//! Making keys.

use a2al_service::model::{GenerateWallet, GeneratedIdentity, GeneratedWallet};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::args::Identity;
use crate::cli::{Context, Failure};

pub(super) async fn run(context: &Context, command: Identity) -> Result<(), Failure> {
    match command {
        Identity::New => {
            let made: GeneratedIdentity = native(context).await?;
            context.print.data(&made, pairs);
            context.print.note(made.warning);
        }
        Identity::NewEth => {
            let made: GeneratedWallet = ethereum(context).await?;
            context.print.data(&made, pairs);
            context.print.note(made.warning);
        }
    }
    Ok(())
}

/// A new identity with an Ed25519 master key.
pub(super) async fn native<T: DeserializeOwned>(context: &Context) -> Result<T, Failure> {
    context.client.post("/identity/generate", &()).await
}

/// A new identity with an Ethereum wallet.
pub(super) async fn ethereum<T: DeserializeOwned>(context: &Context) -> Result<T, Failure> {
    let request = GenerateWallet {
        chain: Some("ethereum".to_owned()),
    };
    context.client.post("/agents/generate", &request).await
}

/// The fields of a flat object, one `name value` line each, without the warning, which is talk.
fn pairs(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    let fields = value.as_object().into_iter().flatten();
    let lines = fields
        .filter(|(name, _)| *name != "warning")
        .map(|(name, value)| format!("{name} {}", value.as_str().unwrap_or_default()));
    lines.collect::<Vec<_>>().join("\n")
}
