//! Proof that a person agreed to this very effect. A consent can only be made by [`Consent::give`] (or read back from
//! a journal), so that nothing dangerous can be started by a value that code made up. Pure.

use crate::domain::Timestamp;
use crate::domain::effect::{Effect, EffectHash};
use crate::gates::{Finding, Gate, OverrideBy};
use serde::{Deserialize, Serialize};

/// What a step asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Nothing: it changes nothing that matters.
    None,
    /// A key that is not the one which opened the question.
    #[default]
    Confirm,
    /// The typed name of the region that is acted on.
    Region,
}

/// A consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    tier: Tier,
    hash: EffectHash,
    by: String,
    at: Timestamp,
}

/// Why a consent was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// The effects changed between the question and the answer.
    #[error("what would be sent has changed since it was shown ({shown} then, {now} now): look again")]
    Changed {
        /// Hash that was shown.
        shown: String,
        /// Hash of what would be sent now.
        now: String,
    },
    /// Another name was typed.
    #[error("{typed:?} is not {expected:?}")]
    WrongName {
        /// What was typed.
        typed: String,
        /// The region's name.
        expected: String,
    },
    /// No reason was given.
    #[error("an override needs a reason of at least {REASON_CHARS_MIN} characters")]
    NoReason,
    /// Nobody may override it.
    #[error("{0} may not be overridden by anybody")]
    Nobody(String),
    /// It takes a second person, and break-glass is not allowed.
    #[error("{0} takes a second person, and approval.break_glass is not allowed in this environment")]
    SecondPerson(String),
}

/// Shortest reason: less says nothing to whoever reads the report.
pub const REASON_CHARS_MIN: usize = 8;

impl Consent {
    /// Takes a person's agreement to exactly `effects`.
    ///
    /// # Errors
    /// The effects are not those that were shown, or the typed name is not `region`.
    pub fn give(
        tier: Tier,
        effects: &[Effect],
        shown: &EffectHash,
        typed: Option<&str>,
        region: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<Consent, ConsentError> {
        let hash = EffectHash::of(effects);
        if hash != *shown {
            return Err(ConsentError::Changed { shown: shown.short().to_owned(), now: hash.short().to_owned() });
        }
        let typed = typed.unwrap_or_default();
        if tier == Tier::Region && typed != region {
            return Err(ConsentError::WrongName { typed: typed.to_owned(), expected: region.to_owned() });
        }
        Ok(Consent { tier, hash, by: by.to_owned(), at })
    }

    /// For steps that ask for none.
    #[must_use]
    pub fn not_needed(effects: &[Effect], by: &str, at: Timestamp) -> Consent {
        Consent { tier: Tier::None, hash: EffectHash::of(effects), by: by.to_owned(), at }
    }

    /// It covers these effects at this tier.
    #[must_use]
    pub fn covers(&self, tier: Tier, effects: &[Effect]) -> bool {
        self.tier >= tier && self.hash == EffectHash::of(effects)
    }

    /// Who gave it.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }
}

/// A decision to go on against a gate. Stays visible on the screen and in the report, and is never drawn as a pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The gate with the answer that was overridden.
    pub finding: Finding,
    /// Name of the region it is about.
    pub region: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// One person overrode what asks for two.
    pub break_glass: bool,
    /// When.
    pub at: Timestamp,
}

impl Override {
    /// Takes the decision, if this person may take it.
    ///
    /// # Errors
    /// Nobody may, or a second person has to, or there is no reason.
    pub fn decide(
        gate: &Gate,
        finding: Finding,
        region: &str,
        reason: &str,
        by: &str,
        break_glass: bool,
        at: Timestamp,
    ) -> Result<Override, ConsentError> {
        let reason = crate::domain::text::clean_to(reason, 300);
        let alone = match gate.override_by {
            OverrideBy::Nobody => return Err(ConsentError::Nobody(gate.id.to_owned())),
            OverrideBy::SecondPerson if !break_glass => return Err(ConsentError::SecondPerson(gate.id.to_owned())),
            OverrideBy::SecondPerson => true,
            OverrideBy::Reason => false,
        };
        if reason.chars().count() < REASON_CHARS_MIN {
            return Err(ConsentError::NoReason);
        }
        Ok(Override { finding, region: region.to_owned(), reason, by: by.to_owned(), break_glass: alone, at })
    }

    /// It covers the gate with this answer: the same gate, and not a worse answer than the one that was decided on. Where
    /// an amount was decided on, more of it is worse, and so is not to know how much.
    #[must_use]
    pub fn covers(&self, finding: &Finding) -> bool {
        no_worse(finding, &self.finding)
    }
}

/// What a person decides on is the answer that was on the screen: the answer now is to the same question and not worse.
#[must_use]
pub fn no_worse(now: &Finding, then: &Finding) -> bool {
    let no_more = then.answer.amount.is_none_or(|limit| now.answer.amount.is_some_and(|amount| amount <= limit));
    then.gate == now.gate && now.answer.verdict <= then.answer.verdict && no_more
}
