// SPDX-License-Identifier: MPL-2.0
//! Wallets as master keys: text to sign, signed text to proof, key to proof.

use a2al_protocol::aid::Version;
use a2al_protocol::delegation::{self, SCOPE_NETWORK, Terms};
use a2al_protocol::{Aid, DelegationProof, PublicKey, SigningKey, UnixSeconds, WalletKey};

use crate::error::Input;
use crate::identity::{Chain, OPERATIONAL_WARNING};
use crate::model::{self, ProofTerms, Secret};
use crate::{Error, Service, agents, clock, hexadecimal};

impl Service {
    /// The text an Ethereum wallet signs to delegate to an operational key.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn ethereum_message(
        &self,
        request: model::EthereumMessage,
    ) -> Result<model::DelegationMessage, Error> {
        let model::EthereumMessage {
            agent,
            issued_at,
            expires_at,
            scope,
            ..
        } = request;
        let agent = ethereum_aid(&agent)?;
        let public = request.operational_public_key_hex;
        let seed = request.operational_private_key_seed_hex.as_ref();
        let operational = key_material(public, seed)?.ok_or(Input::OneKeyMaterial)?;
        let terms = terms(agent, operational, issued_at, expires_at, scope);
        let message = terms.message().expect("an Ethereum address has a message");
        Ok(model::DelegationMessage { message })
    }

    /// The same for a new operational key that is kept here, so that nobody else ever has it.
    ///
    /// # Errors
    /// [`Error::Input`], or as [`keep_identity`](Self::keep_identity).
    pub async fn ethereum_message_for_kept(
        &self,
        mut request: model::EthereumMessage,
    ) -> Result<model::DelegationMessage, Error> {
        let key = self.keep_key_for(ethereum_aid(&request.agent)?).await?;
        request.operational_public_key_hex = Some(hex::encode(key.public().as_bytes()));
        request.operational_private_key_seed_hex = None;
        self.ethereum_message(request)
    }

    /// Hosts an agent whose delegation an Ethereum wallet signed. Without a key in the request, the
    /// one that is kept here for the address is taken.
    ///
    /// # Errors
    /// [`Error::Input`], or as [`register`](Self::register).
    pub async fn ethereum_register(
        &self,
        request: model::EthereumRegister,
    ) -> Result<model::Registered, Error> {
        let agent = ethereum_aid(&request.agent)?;
        let key = self.operational_key(agent, &request)?;
        let signature =
            hexadecimal::array(&request.eth_signature_hex).ok_or(Input::WalletSignature)?;
        let terms = terms(
            agent,
            key.public(),
            request.issued_at,
            request.expires_at,
            request.scope,
        );
        let proof = DelegationProof::from_wallet_signature(terms, signature);
        let proof = proof.expect("an Ethereum address has a message");
        let delegation = proof.verify(clock::now()).map_err(|error| match error {
            delegation::Error::Expired | delegation::Error::Scope => Input::ProofVerify(error),
            _ => Input::SignatureVerify,
        })?;
        self.host(key, delegation, request.service_tcp.as_deref())
            .await
    }

    /// A proof by an Ethereum key that is at hand.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn ethereum_proof(
        &self,
        request: model::EthereumProof,
    ) -> Result<model::WalletProof, Error> {
        let key = request.ethereum_private_key_hex;
        let wallet = WalletKey::from_hex(key.expose()).map_err(|_| Input::EthereumKey)?;
        wallet_proof(Chain::Ethereum, &wallet, request.terms)
    }

    /// The same, and a key that is made for it is kept here instead of being handed out.
    ///
    /// # Errors
    /// [`Error::Input`], or as [`keep_identity`](Self::keep_identity).
    pub async fn ethereum_proof_for_kept(
        &self,
        request: model::EthereumProof,
    ) -> Result<model::KeptProof, Error> {
        let proof = self.ethereum_proof(request)?;
        let made = proof.operational_private_key_hex.as_ref();
        if let Some(key) = made {
            let key = SigningKey::from_private_hex(key.expose());
            let key = key.expect("it was just written");
            let delegation = agents::verified(&proof.delegation_proof_hex)?;
            self.keep_key(proof.aid, key, Some(delegation)).await?;
        }
        Ok(model::KeptProof {
            aid: proof.aid,
            kept: made.is_some(),
            delegation_proof_hex: proof.delegation_proof_hex,
        })
    }

    /// The operational private key of a registration: given whole or by its seed, or kept here.
    fn operational_key(
        &self,
        agent: Aid,
        request: &model::EthereumRegister,
    ) -> Result<SigningKey, Input> {
        let whole = request
            .operational_private_key_hex
            .as_ref()
            .and_then(Secret::non_empty);
        let seed = request
            .operational_private_key_seed_hex
            .as_ref()
            .and_then(Secret::non_empty);
        match (whole, seed, self.core.keystore.kept(&agent)) {
            (Some(whole), None, _) => SigningKey::from_private_hex(whole),
            (None, Some(seed), _) => SigningKey::from_seed_hex(seed),
            (None, None, Some(kept)) => return Ok(kept.key.clone()),
            _ => return Err(Input::OnePrivateKey),
        }
        .map_err(|_| Input::WalletOperationalKey)
    }

    /// A proof by a Paralism key that is at hand.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn paralism_proof(
        &self,
        request: model::ParalismProof,
    ) -> Result<model::WalletProof, Error> {
        let key = request.paralism_private_key_hex;
        let wallet = WalletKey::from_hex(key.expose()).map_err(|_| Input::ParalismKey)?;
        wallet_proof(Chain::Paralism, &wallet, request.terms)
    }
}

fn wallet_proof(
    chain: Chain,
    wallet: &WalletKey,
    asked: ProofTerms,
) -> Result<model::WalletProof, Error> {
    let given = key_material(
        asked.operational_public_key_hex,
        asked.operational_private_key_seed_hex.as_ref(),
    )?;
    let made = given.is_none().then(SigningKey::generate);
    let operational = given.or(made.as_ref().map(SigningKey::public));
    let operational = operational.expect("a key is given or made");
    let issued_at = if asked.issued_at == 0 {
        clock::now().0
    } else {
        asked.issued_at
    };
    let aid = chain.aid(wallet);
    let terms = terms(aid, operational, issued_at, asked.expires_at, asked.scope);
    let proof = DelegationProof::by_wallet(wallet, terms);
    let proof = proof.expect("the address is that of the wallet");
    Ok(model::WalletProof {
        aid,
        delegation_proof_hex: hex::encode(proof.encode()),
        warning: made.is_some().then(|| OPERATIONAL_WARNING.to_owned()),
        operational_private_key_hex: made.map(|key| Secret::new(key.private_hex().as_str())),
    })
}

fn ethereum_aid(text: &str) -> Result<Aid, Input> {
    let aid: Aid = text.parse().map_err(|_| Input::Agent)?;
    if aid.version() != Version::Ethereum {
        return Err(Input::Agent);
    }
    Ok(aid)
}

/// Terms as requests state them: no end is 0, and scope 0 means the only one there is.
fn terms(agent: Aid, operational: PublicKey, issued_at: u64, expires_at: u64, scope: u8) -> Terms {
    Terms {
        agent,
        operational,
        issued_at: UnixSeconds(issued_at),
        expires_at: (expires_at != 0).then_some(UnixSeconds(expires_at)),
        scope: if scope == 0 { SCOPE_NETWORK } else { scope },
    }
}

/// The operational public key, given as such or by its seed; `None` if neither is given.
fn key_material(
    public_hex: Option<String>,
    seed: Option<&Secret>,
) -> Result<Option<PublicKey>, Input> {
    let public_hex = public_hex.filter(|text| !text.is_empty());
    match (public_hex, seed.and_then(Secret::non_empty)) {
        (Some(_), Some(_)) => Err(Input::OneKeyMaterial),
        (Some(text), None) => {
            let bytes = hexadecimal::array(&text).ok_or(Input::KeyMaterial)?;
            Ok(Some(PublicKey::from_bytes(bytes)))
        }
        (None, Some(seed)) => {
            let key = SigningKey::from_seed_hex(seed).map_err(|_| Input::KeyMaterial)?;
            Ok(Some(key.public()))
        }
        (None, None) => Ok(None),
    }
}
