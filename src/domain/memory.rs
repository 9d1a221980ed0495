//! What must outlive this process and the region it tells of: noted while all is well, recalled after the disaster.
//! Running state dies with its region, so these notes may be all that is left of it.

use super::Timestamp;
use super::cron::CronRow;
use super::database::{ArchiveFacts, DatabaseSample, Promotion};
use super::fleet::Fleet;
use super::fleet::region::Region;
use super::fleet::who::Who;
use super::freshness::{Heard, Known};
use super::kubernetes::{ClusterIdentity, Controllers, ObjectKey};
use super::region::Side;
use super::units::Lsn;
use super::workflow::RunRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the notes' form; other versions are not read.
pub const SCHEMA: u32 = 1;

/// The notes of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The environment, so that notes are not taken for another's.
    pub environment: String,
    /// When they were written.
    pub saved: Timestamp,
    /// By region name: sides may change when a region is renamed.
    pub regions: BTreeMap<String, RegionMemory>,
}

/// The notes of one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionMemory {
    /// When its API server last answered.
    pub api: Heard,
    /// When its database last answered.
    pub database_heard: Heard,
    /// Who answers under this name. Absent in notes of earlier versions.
    #[serde(default)]
    pub who: Who,
    /// Who the cluster is.
    pub identity: Option<Known<ClusterIdentity>>,
    /// Its controllers.
    pub controllers: Option<Known<Controllers>>,
    /// The newest look at its database.
    pub database: Option<Known<DatabaseSample>>,
    /// The newest log position seen while it was primary.
    pub last_primary_lsn: Option<Known<Lsn>>,
    /// Positions of its log, oldest first: how fast it wrote.
    #[serde(default)]
    pub log: Vec<(Timestamp, Lsn)>,
    /// When its primary was promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
    /// What was in Argo's tables.
    pub archive: Option<Known<ArchiveFacts>>,
    /// Unfinished runs.
    pub runs: Option<List<RunRow>>,
    /// Crons.
    pub crons: Option<List<CronRow>>,
}

/// A list as of a moment. Pairs, since JSON has no keys with two parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<V> {
    /// Complete up to this moment.
    pub at: Timestamp,
    /// The rows.
    pub rows: Vec<(ObjectKey, V)>,
}

impl Fleet {
    /// The notes to write now.
    #[must_use]
    pub fn remember(&self) -> Memory {
        let regions = Side::BOTH.into_iter().map(|side| {
            let region = self.region(side);
            (region.name.clone(), note(region))
        });
        Memory {
            schema: SCHEMA,
            environment: self.policy.environment.clone(),
            saved: self.now,
            regions: regions.collect(),
        }
    }

    /// Puts notes into a picture that does not know better. Everything recalled says that it is.
    pub fn recall(&mut self, memory: Memory) {
        if memory.schema != SCHEMA || memory.environment != self.policy.environment {
            return;
        }
        for (name, notes) in memory.regions {
            for side in Side::BOTH {
                if self.region(side).name == name {
                    recall(self.regions.get_mut(side), notes);
                    break;
                }
            }
        }
    }
}

fn note(region: &Region) -> RegionMemory {
    let runs = region.runs.as_of().map(|at| List {
        at,
        rows: region
            .runs
            .rows()
            .iter()
            .filter(|(_, run)| !run.phase.finished())
            .map(|(key, run)| (key.clone(), without_values(run)))
            .collect(),
    });
    let crons = region.crons.as_of().map(|at| List {
        at,
        rows: region.crons.rows().iter().map(|(key, cron)| (key.clone(), cron.clone())).collect(),
    });
    RegionMemory {
        api: region.api.heard(),
        database_heard: region.database_health.heard(),
        who: region.who.clone(),
        identity: region.identity.clone(),
        controllers: region.controllers.clone(),
        database: region.database.clone(),
        last_primary_lsn: region.last_primary_lsn.clone(),
        log: region.log.iter().copied().collect(),
        promotion: region.promotion,
        archive: region.archive.clone(),
        runs,
        crons,
    }
}

/// A run without the values of its parameters, which may be secrets.
fn without_values(run: &RunRow) -> RunRow {
    let mut run = run.clone();
    for (_, value) in run.detail.iter_mut().flat_map(|detail| &mut detail.parameters) {
        value.clear();
    }
    run
}

fn recall(region: &mut Region, notes: RegionMemory) {
    region.api.recall(notes.api);
    region.database_health.recall(notes.database_heard);
    region.who.recall(notes.who);
    put(&mut region.identity, notes.identity);
    put(&mut region.controllers, notes.controllers);
    put(&mut region.database, notes.database);
    put(&mut region.last_primary_lsn, notes.last_primary_lsn);
    if region.log.is_empty() {
        region.log = notes.log.into();
    }
    region.promotion = region.promotion.or(notes.promotion);
    put(&mut region.archive, notes.archive);
    if let Some(list) = notes.runs {
        region.runs.recall(list.rows.into_iter().collect(), list.at);
    }
    if let Some(list) = notes.crons {
        region.crons.recall(list.rows.into_iter().collect(), list.at);
    }
}

fn put<T>(slot: &mut Option<Known<T>>, noted: Option<Known<T>>) {
    if slot.is_none() {
        *slot = noted.map(|known| Known { remembered: true, ..known });
    }
}
