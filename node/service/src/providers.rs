// SPDX-License-Identifier: MPL-2.0
//! Calling by capability: a request to whoever offers a service best.
//!
//! Providers are ranked by what is known of them without asking ([`ranking`]), and tried one after
//! the other ([`race`]). A request that only reads may run at two of them at once, so a slow one
//! costs about a second; any other reaches one service at most.

mod failures;
mod memory;
mod race;
mod ranking;

use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::Aid;
use tokio::time::{Instant, timeout_at};

pub use failures::Failures;
pub(crate) use memory::Providers;

use crate::discover::{Wanted, is_category};
use crate::error::Input;
use crate::{Error, Service, model};
use memory::Known;
use race::Race;

/// Providers of one service that are considered. Ours: a few would do, and more make a fair choice.
const MAX_CONSIDERED: usize = 64;

/// Longest time for one call, search included. Source: that of a fetch.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

impl Service {
    /// Sends one HTTP request to an agent that offers a service, and returns its answer, whatever its
    /// status.
    ///
    /// Agents that can be reached now come first, those with a direct path and a short round trip
    /// before others, those that failed lately last. The next one is tried when one fails and the
    /// request may be repeated: `GET`, `HEAD`, `OPTIONS` and `TRACE` may, others as long as the service
    /// has not been sent a byte. One that cannot be reached within half a second, or does not begin to answer
    /// a request that may be repeated within a second, is not waited for alone.
    ///
    /// Takes at most 60 s. Dropping the future ends the request.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::NoProvider`], [`Error::ProvidersFailed`], those of a search, and
    /// [`Error::FetchTimeout`] if the time is over and no service has acted on a request that must not
    /// be repeated.
    pub async fn call_service(
        &self,
        request: model::CallService,
    ) -> Result<model::CalledService, Error> {
        let model::CallService {
            service,
            filter,
            request,
        } = request;
        if service.is_empty() || is_category(&service) {
            return Err(Input::CalledService.into());
        }
        let caller = self.caller(request.local_aid.as_deref().unwrap_or_default())?;
        let method = Self::method_of(&request)?;
        let wanted = Wanted::new(Some(vec![service]), filter)?;
        let deadline = Instant::now() + CALL_TIMEOUT;
        let race = Race::new(self, request, method.is_safe(), deadline);
        self.call_best(race, &wanted, caller, deadline).await
    }

    /// The race ends by itself in time, since it alone knows what was sent; while nobody is asked,
    /// nothing was.
    async fn call_best(
        &self,
        mut race: Race<'_>,
        wanted: &Wanted,
        caller: Aid,
        deadline: Instant,
    ) -> Result<model::CalledService, Error> {
        let known = self.core.providers.known(wanted);
        if let Known::Old(aids) | Known::Fresh(aids) = &known {
            if matches!(known, Known::Old(_)) {
                self.refresh_providers(wanted.clone());
            }
            race.enter(self.ranked(aids, caller).await);
            if let Some(ended) = race.run().await {
                return ended;
            }
        }
        // Nobody was known, or nobody of them could be reached: others may have come.
        let finding = async {
            let found = self.find_providers(wanted).await?;
            Ok::<_, Error>(self.ranked(&found, caller).await)
        };
        let found = timeout_at(deadline, finding).await;
        race.enter(found.map_err(|_| Error::FetchTimeout)??);
        match race.run().await {
            Some(ended) => ended,
            None => Err(race.failure()),
        }
    }

    /// Searches for providers, and remembers them.
    async fn find_providers(&self, wanted: &Wanted) -> Result<Arc<[Aid]>, Error> {
        let mut listing = self.listing(wanted.clone()).await;
        let page = match listing.page(MAX_CONSIDERED).await {
            Err(_) if self.is_cut_off() => return Err(Error::SearchNotConnected),
            page => page?,
        };
        let found = page.entries.iter().map(|found| found.record.aid());
        let found: Arc<[Aid]> = found.collect();
        self.core.providers.found(wanted, &found);
        Ok(found)
    }

    fn refresh_providers(&self, wanted: Wanted) {
        let service = self.clone();
        self.spawn(async move {
            if let Err(error) = service.find_providers(&wanted).await {
                tracing::debug!(%error, "providers not searched again");
            }
        });
    }
}
