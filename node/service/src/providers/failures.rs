// SPDX-License-Identifier: MPL-2.0
//! Who was tried, and why each failed.

use std::fmt;

use a2al_protocol::Aid;

use crate::Error;

/// The providers that a call has tried.
#[derive(Debug, Default)]
pub struct Failures {
    failed: Vec<(Aid, Error)>,
    may_have_acted: bool,
}

impl Failures {
    /// Adds one that failed; `may_have_acted` if its service may have seen a request that must not
    /// be sent twice.
    pub(super) fn add(&mut self, aid: Aid, error: Error, may_have_acted: bool) {
        self.failed.push((aid, error));
        self.may_have_acted |= may_have_acted;
    }

    /// Whether a service may have acted on the request, so that repeating it may do it twice.
    pub fn may_have_acted(&self) -> bool {
        self.may_have_acted
    }

    /// Those that were tried, in order, and why each failed.
    pub fn failed(&self) -> &[(Aid, Error)] {
        &self.failed
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (aid, error)) in self.failed.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{aid}: {error}")?;
        }
        if self.may_have_acted {
            write!(f, "; not repeated, as the service may have acted on it")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::SigningKey;

    use super::*;

    #[test]
    fn all_are_named_with_their_reasons() {
        let aids = [1, 2].map(|seed| SigningKey::from_seed(&[seed; 32]).public().aid());
        let mut failures = Failures::default();
        failures.add(aids[0], Error::InboundUnreachable, false);
        failures.add(aids[1], Error::FetchTimeout, true);
        let text = failures.to_string();
        let expected = format!(
            "{}: inbound unreachable; {}: fetch timed out; not repeated, as the service may have acted on it",
            aids[0], aids[1]
        );
        assert_eq!(text, expected);
        assert!(!Error::ProvidersFailed(failures).wire().retryable);
    }
}
