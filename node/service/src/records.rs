// SPDX-License-Identifier: MPL-2.0
//! Records of any kind: looking them up, and publishing the free ones.

use a2al_protocol::limits::MAX_RECORD_TTL;
use a2al_protocol::{Aid, Delegation, Draft, Profile, RecordKind, VerifiedRecord, network};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::time::timeout;

use crate::error::Input;
use crate::registry::Agent;
use crate::resolve::LOOKUP_TIMEOUT;
use crate::store::Change;
use crate::{Error, Service, clock, model, publish};

/// Kinds that may be published freely.
const FREE_KINDS: std::ops::RangeInclusive<u32> = 0x02..=0x0f;

impl Service {
    /// The records of `aid`, of one kind or of all (`None` or 0), ordered by kind. None found is an
    /// empty list.
    ///
    /// # Errors
    /// [`Error::NotConnected`] if nobody could be asked, [`Error::Lookup`] if nobody answered.
    pub async fn resolve_records(
        &self,
        aid: Aid,
        kind: Option<u8>,
    ) -> Result<model::RecordList, Error> {
        let kind = kind.filter(|kind| *kind != 0).map(RecordKind);
        let found = timeout(LOOKUP_TIMEOUT, self.core.client.records(aid, kind)).await;
        let mut records = match found.unwrap_or(Err(network::Error::Timeout)) {
            Ok(records) => records,
            Err(_) if self.is_cut_off() => return Err(Error::NotConnected),
            Err(network::Error::NotFound) => Vec::new(),
            Err(error) => return Err(Error::Lookup(error)),
        };
        records.retain(|record| !record.is_withdrawn());
        records.sort_by_key(VerifiedRecord::kind);
        Ok(model::RecordList {
            records: records.iter().map(outward).collect(),
        })
    }

    /// Signs and publishes a record of a free kind for an agent of this node. It lives as long as
    /// asked; until then it is handed out again after a restart.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Input`], [`Error::RecordTooLarge`],
    /// [`Error::DelegationExpired`], [`Error::Publish`].
    pub async fn publish_record(
        &self,
        aid: Aid,
        request: model::PublishRecord,
    ) -> Result<model::Done, Error> {
        let agent = self.agent_here(&aid)?;
        agent.live.beat();
        let kind = free_kind(request.rec_type)?;
        check_ttl(request.ttl)?;
        let payload = BASE64_STANDARD
            .decode(&request.payload_base64)
            .map_err(|_| Input::Payload)?;
        let published = self.publish_above(&agent.credential, |seq| {
            let (payload, timestamp) = (payload.clone(), clock::now());
            let draft = Draft {
                kind,
                payload,
                seq,
                timestamp,
                ttl_secs: request.ttl,
            };
            publish::sign(&agent.credential, draft)
        });
        let record = published.await?.record;
        self.core.store.write(Change::PutRecord { record }).await?;
        Ok(model::Done { ok: true })
    }
}

impl Service {
    /// Publishes the records of an agent anew, whose old ones were withdrawn. Each ends when it
    /// would have ended.
    pub(crate) async fn publish_again(&self, agent: &Agent) {
        for record in agent.records.values() {
            let left = record.expires_at().0.saturating_sub(clock::now().0);
            let request = model::PublishRecord {
                rec_type: record.kind().0.into(),
                payload_base64: BASE64_STANDARD.encode(record.payload()),
                ttl: u32::try_from(left).unwrap_or_default(),
            };
            if request.ttl == 0 {
                continue;
            }
            if let Err(error) = self.publish_record(agent.aid(), request).await {
                let (aid, kind) = (agent.aid(), record.kind());
                tracing::warn!(%aid, %kind, %error, "record of a restored agent not published");
            }
        }
    }
}

fn free_kind(rec_type: u32) -> Result<RecordKind, Input> {
    if !FREE_KINDS.contains(&rec_type) {
        return Err(Input::FreeRecordType);
    }
    u8::try_from(rec_type)
        .map(RecordKind)
        .map_err(|_| Input::FreeRecordType)
}

fn check_ttl(ttl: u32) -> Result<(), Input> {
    let max = u32::try_from(MAX_RECORD_TTL.as_secs()).unwrap_or(u32::MAX);
    match ttl {
        0 => Err(Input::Ttl),
        ttl if ttl > max => Err(Input::TtlTooLong { max }),
        _ => Ok(()),
    }
}

fn outward(record: &VerifiedRecord) -> model::Record {
    model::Record {
        aid: record.aid(),
        rec_type: record.kind().0,
        payload_base64: BASE64_STANDARD.encode(record.payload()),
        seq: record.seq().0,
        timestamp: record.timestamp().0,
        ttl: record.ttl_secs(),
        pubkey_base64: BASE64_STANDARD.encode(record.public_key().as_bytes()),
        signature_base64: BASE64_STANDARD.encode(record.signature().as_bytes()),
        delegation_base64: record
            .delegation()
            .map(Delegation::encoded)
            .map(|proof| BASE64_STANDARD.encode(proof)),
        profile: profile(record),
    }
}

fn profile(record: &VerifiedRecord) -> Option<model::Profile> {
    if record.kind() != RecordKind::PROFILE {
        return None;
    }
    let profile = Profile::decode(record.payload()).ok()?;
    Some(model::Profile::of_stranger(&profile))
}
