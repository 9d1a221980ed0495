//! What can go wrong in the sandbox, by name.

use super::kube::ApiFault;
use super::postgres::{PairError, ServerState, Stop};
use super::{Sandbox, pair_side};
use crate::domain::region::Side;

/// What happens to a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The API server's port is closed.
    ApiStop,
    /// The API server accepts connections and never answers.
    ApiSilent,
    /// The API server answers, its watches deliver nothing.
    ApiStuckWatch,
    /// The API server is well.
    ApiWell,
    /// The database stops as in a crash.
    DatabaseStop,
    /// The database starts again.
    DatabaseStart,
    /// The database server is frozen.
    DatabaseFreeze,
    /// The database server goes on.
    DatabaseThaw,
    /// The replica receives and does not replay.
    ReplayPause,
    /// The replica replays again.
    ReplayResume,
    /// Our line to the region is cut; the region lives.
    LineCut,
    /// Our line is mended.
    LineMend,
    /// API server and database stop.
    RegionDown,
    /// API server and database start again.
    RegionUp,
}

/// Every fault with its name.
pub const FAULTS: [(&str, FaultKind); 14] = [
    ("api-stop", FaultKind::ApiStop),
    ("api-silent", FaultKind::ApiSilent),
    ("api-stuck-watch", FaultKind::ApiStuckWatch),
    ("api-well", FaultKind::ApiWell),
    ("db-stop", FaultKind::DatabaseStop),
    ("db-start", FaultKind::DatabaseStart),
    ("db-freeze", FaultKind::DatabaseFreeze),
    ("db-thaw", FaultKind::DatabaseThaw),
    ("replay-pause", FaultKind::ReplayPause),
    ("replay-resume", FaultKind::ReplayResume),
    ("line-cut", FaultKind::LineCut),
    ("line-mend", FaultKind::LineMend),
    ("region-down", FaultKind::RegionDown),
    ("region-up", FaultKind::RegionUp),
];

impl Sandbox {
    /// Makes it happen.
    ///
    /// # Errors
    /// The database would not do it.
    pub async fn fault(&self, side: Side, kind: FaultKind) -> Result<(), PairError> {
        let api = self.apis.get(side);
        let at = pair_side(side);
        match kind {
            FaultKind::ApiStop => api.set_fault(ApiFault::Refused),
            FaultKind::ApiSilent => api.set_fault(ApiFault::Silent),
            FaultKind::ApiStuckWatch => api.set_fault(ApiFault::StuckWatch),
            FaultKind::ApiWell => api.set_fault(ApiFault::None),
            FaultKind::DatabaseStop => self.stop_database(side).await,
            FaultKind::DatabaseStart => self.start_database(side).await?,
            FaultKind::DatabaseFreeze => self.pair.freeze(at).await,
            FaultKind::DatabaseThaw => self.pair.thaw(at).await,
            FaultKind::ReplayPause => self.pair.pause_replay(at).await?,
            FaultKind::ReplayResume => self.pair.resume_replay(at).await?,
            FaultKind::LineCut => {
                api.set_fault(ApiFault::Silent);
                self.lines.get(side).freeze();
            }
            FaultKind::LineMend => {
                api.set_fault(ApiFault::None);
                self.lines.get(side).mend();
            }
            FaultKind::RegionDown => {
                api.set_fault(ApiFault::Refused);
                self.stop_database(side).await;
            }
            FaultKind::RegionUp => {
                api.set_fault(ApiFault::None);
                self.start_database(side).await?;
            }
        }
        Ok(())
    }

    /// The line to a server that is stopped refuses, as the server's own port would.
    async fn stop_database(&self, side: Side) {
        self.pair.stop(pair_side(side), Stop::Crash).await;
        self.lines.get(side).cut();
    }

    async fn start_database(&self, side: Side) -> Result<(), PairError> {
        if self.pair.state(pair_side(side)).await == ServerState::Stopped {
            self.pair.start_again(pair_side(side)).await?;
        }
        self.lines.get(side).mend();
        Ok(())
    }
}
