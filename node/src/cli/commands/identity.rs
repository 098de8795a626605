// SPDX-License-Identifier: MPL-2.0
//! Making keys, and backing up those that the daemon keeps.

use std::path::Path;

use a2al_protocol::Aid;
use a2al_service::model::{
    Done, GenerateWallet, GeneratedIdentity, GeneratedWallet, Kept, KeptList, MasterBackup,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::args::Identity;
use crate::cli::print::table;
use crate::cli::{Context, Failure, files};
use crate::output;

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
        Identity::List => list(context).await?,
        Identity::Backup { aid, out } => backup(context, aid, out.as_deref()).await?,
    }
    Ok(())
}

async fn list(context: &Context) -> Result<(), Failure> {
    let list: KeptList = context.client.get("/identity/kept").await?;
    let word = |says: bool| if says { "yes" } else { "no" }.to_owned();
    let row = |kept: &Kept| {
        [
            kept.aid.to_string(),
            word(kept.registered),
            word(!kept.master_waits),
        ]
    };
    context.print.data(&list, |list| {
        let rows = list.identities.iter().map(row).collect::<Vec<_>>();
        table(["AID", "REGISTERED", "BACKED UP"], &rows)
    });
    Ok(())
}

/// Shows or saves the key, and only then has the daemon wipe it.
async fn backup(context: &Context, aid: Aid, out: Option<&Path>) -> Result<(), Failure> {
    let path = format!("/identity/{aid}/master");
    let backup: MasterBackup = context.client.get(&path).await?;
    let text = serde_json::to_string_pretty(&backup).map_err(std::io::Error::other)?;
    match out {
        Some(file) => files::write_secret(file, &text)?,
        None => output::delivered(text).map_err(Failure::KeyUnwritten)?,
    }
    let _: Done = context.client.delete(&path).await?;
    let place = out.map_or_else(
        || "shown this once".to_owned(),
        |file| format!("saved to {}", file.display()),
    );
    context.print.note(format_args!(
        "the master key is {place} and wiped from the daemon: keep it offline"
    ));
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
