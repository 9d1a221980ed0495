//! The configuration file as it is written: its keys, and nothing about what they mean. Pure.
//!
//! Every struct refuses unknown keys. What a later check may complain about is kept with its place (`Spanned`).

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use crate::domain::humane::{HumaneDuration, HumaneSize};

/// A text and its place.
pub(super) type Text = Spanned<String>;
/// A duration and its place.
pub(super) type Span = Spanned<HumaneDuration>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub schema: Spanned<u32>,
    pub environment: Text,
    #[serde(default)]
    pub read_only: bool,
    pub rto_target: Option<Span>,
    pub rpo_target: Option<Span>,
    pub regions: Spanned<BTreeMap<Text, Region>>,
    pub dns: Option<Dns>,
    #[serde(default)]
    pub notify: Notify,
    pub canary: Option<Spanned<Canary>>,
    #[serde(default)]
    pub approval: Approval,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub intervals: Intervals,
    #[serde(default)]
    pub state: State,
    #[serde(default)]
    pub postgres: Postgres,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Region {
    pub context: Text,
    pub kubeconfig: Option<Text>,
    #[serde(default)]
    pub namespaces: Vec<Text>,
    #[serde(default)]
    pub controller: Controller,
    pub checkpoints: Option<Checkpoints>,
    pub database: Spanned<Database>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Controller {
    pub namespace: Option<Text>,
    pub metrics: Option<Text>,
    pub replicas: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoints {
    pub url: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Database {
    pub url: Text,
    pub password_file: Option<Text>,
    pub promote: Option<Text>,
    pub operator: Option<Login>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    pub url: Text,
    pub password_file: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dns {
    pub name: Text,
    pub provider: Option<Text>,
    #[serde(default)]
    pub targets: BTreeMap<Text, Text>,
    pub server: Option<Text>,
    pub zone: Option<Text>,
    pub tsig_name: Option<Text>,
    pub tsig_secret_file: Option<Text>,
    pub tsig_algorithm: Option<Text>,
    pub ttl: Option<Span>,
    #[serde(default)]
    pub servers: Vec<Text>,
    #[serde(default)]
    pub resolvers: Vec<Text>,
    pub command: Option<Spanned<Vec<String>>>,
}

/// Senders of news. Those that are not built yet are read whatever they hold, so that the answer is "not yet" and not
/// "unknown key".
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notify {
    #[serde(default)]
    pub webhook: OneOrMany<Webhook>,
    pub pagerduty: Option<Spanned<toml::Value>>,
    pub opsgenie: Option<Spanned<toml::Value>>,
    pub alertmanager: Option<Spanned<toml::Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    pub name: Option<String>,
    pub url: Text,
    pub secret_file: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Canary {
    pub namespace: Text,
    pub template: Option<Text>,
    pub image: Option<Text>,
    #[serde(default)]
    pub command: Vec<String>,
    pub service_account: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    #[serde(default)]
    pub break_glass: bool,
    #[serde(default)]
    pub approvers: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub loss_bytes_max: Option<HumaneSize>,
    pub anti_flap: Option<Span>,
    pub finished_runs: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intervals {
    pub probe: Option<Span>,
    pub metrics: Option<Span>,
    pub dns: Option<Span>,
    pub slow: Option<Span>,
    pub timeout: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub dir: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Postgres {
    pub bindir: Option<Text>,
}

/// A table, or a list of such tables. Not an `untagged` enum, whose errors name neither place nor key.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table or a list of tables")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}
