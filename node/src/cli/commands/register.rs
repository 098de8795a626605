// SPDX-License-Identifier: MPL-2.0
//! `register`: from nothing to a published agent in one step.

use std::path::Path;

use a2al_protocol::Aid;
use a2al_service::model::{
    EthereumProof, GeneratedIdentity, GeneratedWallet, ProofTerms, Published, Registered,
    Registration, Secret, WalletProof,
};
use serde::Serialize;

use super::identity;
use crate::cli::args::{self, NewAgent};
use crate::cli::{Context, Failure, files};

/// Whose key the master key is.
pub(super) enum Master {
    /// A new Ed25519 key.
    Native,
    /// A new Ethereum wallet.
    NewWallet,
    /// A wallet the caller has.
    Wallet(Secret),
}

/// What the command did.
#[derive(Serialize)]
struct Made {
    aid: Aid,
    #[serde(skip_serializing_if = "Option::is_none")]
    master_private_key_hex: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<Published>,
}

/// Credentials to register with, and the master key if it was just made.
struct Credentials {
    request: a2al_service::model::Register,
    master: Option<Secret>,
}

/// `a2al register`.
pub(super) async fn run(context: &Context, args: args::Register) -> Result<(), Failure> {
    let args::Register {
        aid,
        ethereum,
        eth_key,
        service_tcp,
        save_master,
        no_publish,
    } = args;
    let master = match (ethereum, eth_key) {
        (false, _) => Master::Native,
        (true, None) => Master::NewWallet,
        (true, Some(key)) => Master::Wallet(wallet_key(&key)?),
    };
    let mut made = if let Some(aid) = aid {
        kept(context, aid, service_tcp).await?
    } else {
        let args = NewAgent {
            service_tcp,
            save_master,
        };
        host(context, master, args).await?
    };
    if no_publish {
        context.print.data(&made, text);
        return Ok(());
    }
    let published = context
        .client
        .post(&format!("/agents/{}/publish", made.aid), &())
        .await;
    // The master key is shown whether or not publishing worked: nobody else has it.
    let failure = match published {
        Ok(published) => {
            made.published = Some(published);
            None
        }
        Err(failure) => Some(failure),
    };
    context.print.data(&made, text);
    failure.map_or(Ok(()), Err)
}

/// The key that was given, or the one on stdin.
fn wallet_key(given: &str) -> Result<Secret, Failure> {
    if given != "-" {
        return Ok(Secret::new(given));
    }
    let bytes = files::read(Path::new("-"))?;
    Ok(Secret::new(String::from_utf8_lossy(&bytes).trim()))
}

/// `a2al agents new` and `new-eth`.
pub(super) async fn unpublished(
    context: &Context,
    args: NewAgent,
    master: Master,
) -> Result<(), Failure> {
    let made = host(context, master, args).await?;
    context.print.data(&made, text);
    Ok(())
}

/// Hosts an identity whose keys the daemon has.
async fn kept(context: &Context, aid: Aid, service_tcp: Option<String>) -> Result<Made, Failure> {
    let request = Registration {
        aid: Some(aid),
        service_tcp,
        ..Registration::default()
    };
    let registered: Registered = context.client.post("/agents", &request).await?;
    Ok(Made {
        aid: registered.aid,
        master_private_key_hex: None,
        published: None,
    })
}

async fn host(context: &Context, master: Master, args: NewAgent) -> Result<Made, Failure> {
    let Credentials {
        mut request,
        mut master,
    } = credentials(context, master).await?;
    if let (Some(path), Some(key)) = (&args.save_master, &master) {
        save(context, path, key)?;
        master = None;
    }
    request.service_tcp = args.service_tcp;
    let registered: Registered = context.client.post("/agents", &request).await?;
    if master.is_some() {
        context
            .print
            .note("the master key is shown this once and stored nowhere: keep it safe");
    }
    Ok(Made {
        aid: registered.aid,
        master_private_key_hex: master,
        published: None,
    })
}

fn save(context: &Context, path: &Path, key: &Secret) -> Result<(), Failure> {
    files::write_secret(path, key.expose())?;
    context
        .print
        .note(format_args!("master key saved to {}", path.display()));
    Ok(())
}

async fn credentials(context: &Context, master: Master) -> Result<Credentials, Failure> {
    match master {
        Master::Native => {
            let made: GeneratedIdentity = identity::native(context).await?;
            let request = request(made.operational_private_key_hex, made.delegation_proof_hex);
            Ok(Credentials {
                request,
                master: Some(made.master_private_key_hex),
            })
        }
        Master::NewWallet => {
            let made: GeneratedWallet = identity::ethereum(context).await?;
            let request = request(made.operational_private_key_hex, made.delegation_proof_hex);
            Ok(Credentials {
                request,
                master: made.ethereum_private_key_hex,
            })
        }
        Master::Wallet(key) => delegated(context, key).await,
    }
}

async fn delegated(context: &Context, key: Secret) -> Result<Credentials, Failure> {
    let proof = EthereumProof {
        ethereum_private_key_hex: key,
        terms: ProofTerms::default(),
    };
    let proof: WalletProof = context
        .client
        .post("/agents/ethereum/proof", &proof)
        .await?;
    let operational = proof.operational_private_key_hex.unwrap_or_default();
    Ok(Credentials {
        request: request(operational, proof.delegation_proof_hex),
        master: None,
    })
}

fn request(operational: Secret, proof: String) -> a2al_service::model::Register {
    a2al_service::model::Register {
        operational_private_key_hex: operational,
        delegation_proof_hex: proof,
        service_tcp: None,
    }
}

fn text(made: &Made) -> String {
    let mut lines = vec![format!("aid {}", made.aid)];
    if let Some(key) = &made.master_private_key_hex {
        lines.push(format!("master_private_key_hex {}", key.expose()));
    }
    if let Some(published) = &made.published {
        lines.push(format!(
            "published seq {}, held by {} other node(s)",
            published.seq, published.replicas
        ));
    }
    lines.join("\n")
}
