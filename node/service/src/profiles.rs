// SPDX-License-Identifier: MPL-2.0
//! What agents say about themselves.
//!
//! A profile is what the agent's owner set, and where that is silent what follows from the services it
//! is registered for: their protocols, and their names as skills. So an agent with services has a
//! profile without being given one.

use std::collections::BTreeSet;

use a2al_protocol::limits::{DEFAULT_RECORD_TTL, MAX_PROFILE_LEN, MAX_PROFILE_SKILLS};
use a2al_protocol::record::PayloadError;
use a2al_protocol::{Aid, Draft, Profile, RecordKind};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::time::Instant;

use crate::error::Input;
use crate::live::Publication;
use crate::publish::{Withdrawal, sign};
use crate::registry::Agent;
use crate::store::Change;
use crate::{Error, Service, clock, hexadecimal, model};

/// How long a profile lives, in seconds.
const TTL_SECS: u32 = {
    let secs = DEFAULT_RECORD_TTL.as_secs();
    assert!(secs == 3600, "so that the cast keeps it");
    3600
};

impl Service {
    /// Sets what an agent says about itself, instead of all that was set before, and publishes it;
    /// from now on that is kept alive, across restarts too. Of the skills the first three are taken.
    ///
    /// Goes on when the future is dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Input`], [`Error::DelegationExpired`], [`Error::StorageFull`] or
    /// [`Error::Storage`], and [`Error::Publish`] or [`Error::Superseded`], after which the profile is set
    /// and the node goes on trying.
    pub async fn set_profile(
        &self,
        aid: Aid,
        request: model::SetProfile,
    ) -> Result<model::Done, Error> {
        let agent = self.agent_here(&aid)?;
        agent.live.beat();
        let profile = Box::new(wanted(request)?);
        let change = Change::PutProfile { aid, profile };
        self.core.store.write(change).await?;
        let service = self.clone();
        let publishing = self.core.tasks.spawn(async move {
            let agent = service.agent_here(&aid)?;
            agent.profile_upkeep.begin();
            let published = service.publish_profile(&agent).await;
            service.core.upkeep.notify_one();
            published
        });
        publishing.await.map_err(|_| Error::Stopped)??;
        Ok(model::Done { ok: true })
    }

    /// Takes back what was set; what follows from the agent's services stays. Nothing set counts as
    /// taken back. Waits up to 6 s until enough nodes know, and goes on when the future is dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::StorageFull`] or [`Error::Storage`].
    pub async fn clear_profile(&self, aid: Aid) -> Result<model::Done, Error> {
        let agent = self.agent_here(&aid)?;
        agent.live.beat();
        self.core.store.write(Change::RemoveProfile { aid }).await?;
        self.core.upkeep.notify_one();
        let service = self.clone();
        let withdrawing = self.core.tasks.spawn(async move {
            let withdrawal = service.withdraw_profile_if_empty(aid);
            service.withdrawing(aid, withdrawal).await;
        });
        withdrawing.await.map_err(|_| Error::Stopped)?;
        Ok(model::Done { ok: true })
    }

    /// Signs and publishes the profile as it is then. Ends what
    /// [`Upkeep::begin`](crate::offers::Upkeep::begin) began.
    pub(crate) async fn publish_profile(&self, agent: &Agent) -> Result<Publication, Error> {
        let aid = agent.aid();
        let published = self
            .publish_above(&agent.credential, |seq| {
                // Looked at for each attempt: one that was taken back meanwhile stays so.
                let agent = self.agent_here(&aid)?;
                let profile = effective(&agent).ok_or(Error::NotFound)?;
                let payload = profile.encode().map_err(|_| Error::NotFound)?;
                let draft = Draft {
                    kind: RecordKind::PROFILE,
                    payload,
                    seq,
                    timestamp: clock::now(),
                    ttl_secs: TTL_SECS,
                };
                sign(&agent.credential, draft)
            })
            .await;
        let publication = published.as_ref().ok();
        let upkeep = &agent.profile_upkeep;
        upkeep.ended(publication, TTL_SECS, Instant::now());
        published
    }

    /// Takes the profile back if there is nothing left to say in it.
    pub(crate) async fn withdraw_profile_if_empty(&self, aid: Aid) -> Result<(), Error> {
        let agent = self.agent_here(&aid)?;
        let is_own = agent.records.contains_key(&RecordKind::PROFILE);
        if is_own || effective(&agent).is_some() {
            return Ok(());
        }
        self.publish_profile_withdrawal(&agent).await
    }

    /// Publishes that there is no profile any more.
    pub(crate) async fn publish_profile_withdrawal(&self, agent: &Agent) -> Result<(), Error> {
        let withdrawal = Withdrawal {
            kind: RecordKind::PROFILE,
            payload: Vec::new(),
            ttl_secs: TTL_SECS,
        };
        self.send_withdrawal(&agent.credential, withdrawal, is_kept)
            .await
    }
}

/// The profile that the agent is to be found with; none if there is nothing to say, or if it has
/// published one as a record of its own that is still valid.
pub(crate) fn effective(agent: &Agent) -> Option<Profile> {
    let set = agent.profile.clone().unwrap_or_default();
    is_kept(agent).then(|| filled(set, agent))
}

/// Whether the agent has such a profile.
pub(crate) fn is_kept(agent: &Agent) -> bool {
    let own = agent.records.get(&RecordKind::PROFILE);
    let has_own = own.is_some_and(|record| !record.is_expired(clock::now()));
    agent.profile.is_some() || !(agent.offers.is_empty() || has_own)
}

/// The profile with what follows from the agent's services where it is silent, as far as that fits
/// into a record.
fn filled(mut profile: Profile, agent: &Agent) -> Profile {
    if profile.skills.is_empty() {
        let names = agent.offers.keys().take(MAX_PROFILE_SKILLS).cloned();
        add(&mut profile, |profile| &mut profile.skills, names);
    }
    if profile.protocols.is_empty() {
        let entries = agent.offers.values().map(|offer| &offer.entry);
        let protocols = entries.flat_map(|entry| entry.protocols.iter().flatten());
        let protocols: BTreeSet<&String> = protocols.collect();
        let protocols = protocols.into_iter().cloned();
        add(&mut profile, |profile| &mut profile.protocols, protocols);
    }
    profile
}

/// Adds names to a list of the profile until it would be too long.
fn add(
    profile: &mut Profile,
    list: impl Fn(&mut Profile) -> &mut Vec<String>,
    names: impl Iterator<Item = String>,
) {
    for name in names {
        list(profile).push(name);
        if profile.encode().is_err() {
            list(profile).pop();
            return;
        }
    }
}

/// The profile that was asked for.
fn wanted(request: model::SetProfile) -> Result<Profile, Input> {
    let mut skills = request.skills.unwrap_or_default();
    skills.truncate(MAX_PROFILE_SKILLS);
    let profile = Profile {
        name: request.name.unwrap_or_default(),
        brief: request.brief.unwrap_or_default(),
        protocols: request.protocols.unwrap_or_default(),
        skills,
        card_hash: card_hash(&request.card_hash.unwrap_or_default())?,
        modalities: request.modalities.unwrap_or_default(),
        meta: request.meta.unwrap_or_default(),
    };
    // Read again: what others refuse must not be kept either.
    match profile
        .encode()
        .and_then(|profile| Profile::decode(&profile))
    {
        Ok(_) => Ok(profile),
        Err(PayloadError::Malformed(_)) => Err(Input::MetaDepth),
        Err(_) => Err(Input::ProfileTooLong {
            max: MAX_PROFILE_LEN,
        }),
    }
}

/// Reads a SHA-256 as 64 hexadecimal digits or as base64; empty text is none.
fn card_hash(text: &str) -> Result<Option<[u8; 32]>, Input> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = match text.len() {
        44 => BASE64_STANDARD.decode(text).ok(),
        _ => hexadecimal::bytes(text),
    };
    let hash = bytes.and_then(|bytes| bytes.try_into().ok());
    hash.map(Some).ok_or(Input::CardHash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<Profile, Input> {
        wanted(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn skills_are_cut_to_three() {
        let profile = request(r#"{"skills":["a","b","c","d"],"name":null}"#).unwrap();
        assert_eq!(profile.skills, ["a", "b", "c"]);
    }

    #[test]
    fn hashes_are_read_in_both_forms() {
        let expected = Some([0xab; 32]);
        for text in ["ab".repeat(32), BASE64_STANDARD.encode([0xab; 32])] {
            assert_eq!(card_hash(&text).unwrap(), expected, "{text}");
        }
        assert_eq!(card_hash("").unwrap(), None);
        for bad in ["ab", "zz", &"a".repeat(44), &"ab".repeat(33)] {
            assert!(matches!(card_hash(bad), Err(Input::CardHash)), "{bad}");
        }
    }

    #[test]
    fn a_profile_that_does_not_fit_is_refused() {
        let long = format!(r#"{{"brief":"{}"}}"#, "x".repeat(700));
        let refused = request(&long).unwrap_err().to_string();
        assert_eq!(refused, "profile too long: it has to fit into 700 bytes");
        let deep = format!(r#"{{"meta":{{"k":{}{}}}}}"#, "[".repeat(7), "]".repeat(7));
        assert!(matches!(request(&deep), Err(Input::MetaDepth)));
        let less = format!(r#"{{"meta":{{"k":{}{}}}}}"#, "[".repeat(6), "]".repeat(6));
        assert!(request(&less).is_ok());
    }

    #[test]
    fn names_are_added_while_they_fit() {
        let mut profile = Profile::default();
        let names = (0..10).map(|at| at.to_string().repeat(100));
        add(&mut profile, |profile| &mut profile.skills, names);
        assert!((5..8).contains(&profile.skills.len()));
        assert!(profile.encode().is_ok());
    }
}
