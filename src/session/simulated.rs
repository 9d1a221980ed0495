//! A session on the sandbox: its setup, and a scenario that plays while the session goes on.

use super::setup::{Access, Setup, operator};
use crate::domain::region::Side;
use crate::sandbox::Sandbox;
use crate::sandbox::scenario::{Place, Scenario, TimedFault};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The setup of a session on this sandbox. Its journals and notes are in the sandbox's folder, and go with it.
#[must_use]
pub fn setup(sandbox: &Sandbox) -> Setup {
    Setup {
        endpoints: sandbox.endpoints(),
        policy: Arc::new(sandbox.policy()),
        state_dir: sandbox.folder().join("state"),
        access: Access::MayWrite,
        operator: operator(),
        doubts: Vec::new(),
    }
}

/// A text of a scenario with the regions' names in it: at the start the first region is the primary.
#[must_use]
pub fn words(text: &str) -> String {
    let [primary, standby] = crate::sandbox::REGIONS;
    text.replace("{primary}", primary).replace("{standby}", standby)
}

fn side(place: Place) -> Side {
    match place {
        Place::Primary => Side::A,
        Place::Standby => Side::B,
    }
}

/// Announces the first fault some time before it happens, and each when it does.
const WARNING: Duration = Duration::from_secs(10);

/// Plays a scenario from now on. Announcements go to `tell`; one that nobody takes is lost and the fault happens all the
/// same.
pub async fn play(sandbox: &Sandbox, scenario: &Scenario, tell: mpsc::Sender<String>) {
    let began = Instant::now();
    let _ = tell.try_send(words(&scenario.brief));
    for fault in &scenario.faults {
        let at = began + fault.after;
        if let Some(before) = at.checked_sub(WARNING).filter(|before| *before > Instant::now()) {
            sleep_until(before).await;
            let _ = tell.try_send(format!("in {} s: {}", WARNING.as_secs(), words(&fault.announce)));
        }
        sleep_until(at).await;
        let said = happen(sandbox, fault).await;
        let _ = tell.try_send(said);
    }
}

/// Makes one fault happen, and says so.
pub async fn happen(sandbox: &Sandbox, fault: &TimedFault) -> String {
    match sandbox.fault(side(fault.region), fault.kind).await {
        Ok(()) => words(&fault.announce),
        Err(error) => format!("the scenario could not go on: {error}"),
    }
}
