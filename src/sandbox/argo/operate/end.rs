//! The end of a workflow, as its status and labels say it. Pure.

use super::super::json::mark;
use super::{ARCHIVING, COMPLETED, Operation, PHASE};

impl Operation<'_> {
    pub(super) fn finish(&mut self, phase: &str, message: &str) {
        let stamp = self.stamp();
        let status = &mut self.workflow["status"];
        status["phase"] = phase.into();
        status["finishedAt"] = stamp.clone().into();
        if !status["startedAt"].is_string() {
            status["startedAt"] = stamp.into();
        }
        if !message.is_empty() {
            status["message"] = message.into();
        }
        mark(&mut self.workflow, "labels", PHASE, phase);
        mark(&mut self.workflow, "labels", COMPLETED, "true");
        if self.around.archive {
            mark(&mut self.workflow, "labels", ARCHIVING, "Pending");
        }
    }
}
