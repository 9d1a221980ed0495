//! Kills leeward at a chosen record of its journal, as a power cut would.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Child;

use crate::bench::{Bench, journal, newest_run};

/// A place in a run: right after the first record of this kind for this step.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub event: &'static str,
    pub step: &'static str,
    /// Waits this long after the record, so that the kill falls into the effect itself.
    pub later: Duration,
}

impl Point {
    fn reached(&self, records: &[Value]) -> bool {
        let here = |record: &Value| record["event"]["event"] == self.event && record["event"]["step"] == self.step;
        records.iter().any(here)
    }
}

/// How a process that was to be killed ended.
pub enum Ended {
    /// Killed, with so many records on disk.
    Killed { run: String, records: usize },
    /// It ended by itself before the point was reached.
    ByItself(i32),
}

/// Watches the journal and kills at `point`.
pub async fn at(bench: &Bench, mut child: Child, point: Point) -> Ended {
    let folder = bench.runs_folder();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(300);
    loop {
        if let Some(run) = newest_run(&folder)
            && point.reached(&journal(&folder, &run))
        {
            tokio::time::sleep(point.later).await;
            // SIGKILL: nothing can be tidied up.
            child.kill().await.unwrap();
            return Ended::Killed { records: journal(&folder, &run).len(), run };
        }
        if let Some(status) = child.try_wait().unwrap() {
            return Ended::ByItself(status.code().unwrap_or(-1));
        }
        assert!(tokio::time::Instant::now() < deadline, "{point:?} was never reached");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
