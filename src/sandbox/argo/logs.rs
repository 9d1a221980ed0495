//! Logs of containers, bounded. The controller's are kept line by line; those of steps and services are made from the pod
//! when somebody reads them, so that they cost nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    super::kube::{LogLine, LogPage, ObjectKey, clock},
    json::{annotation, items, text},
    timing::after,
};

/// Lines kept per container and instance.
const LINES: usize = 500;
/// Containers whose lines are kept; a region has a handful of controllers in its life.
const CONTAINERS: usize = 32;

#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<LogLine>,
    /// Position of the first line kept.
    first: u64,
    previous: Option<VecDeque<LogLine>>,
}

/// The kept logs, by pod.
#[derive(Debug, Default)]
pub struct Logs {
    pods: Mutex<BTreeMap<ObjectKey, Log>>,
}

impl Logs {
    /// Writes a line.
    pub fn write(&self, pod: &ObjectKey, at: Timestamp, level: &str, message: &str) {
        let line = format!("time=\"{}\" level={level} msg={}", clock::seconds(at), Value::from(message));
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        if pods.len() >= CONTAINERS && !pods.contains_key(pod) {
            pods.pop_first();
        }
        let log = pods.entry(pod.clone()).or_default();
        log.lines.push_back(LogLine { at, text: line });
        if log.lines.len() > LINES {
            log.lines.pop_front();
            log.first += 1;
        }
    }

    /// The container was started again: its log becomes the previous one.
    pub fn restart(&self, pod: &ObjectKey) {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let log = pods.entry(pod.clone()).or_default();
        log.previous = Some(std::mem::take(&mut log.lines));
        log.first = 0;
    }

    /// The kept lines of a controller's pod from a position on.
    pub fn read(&self, pod: &ObjectKey, previous: bool, from: u64) -> Option<LogPage> {
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let log = pods.get(pod)?;
        if previous {
            let lines: Vec<LogLine> = log.previous.as_ref()?.iter().cloned().collect();
            let next = u64::try_from(lines.len()).unwrap_or(0);
            return Some(LogPage { lines, next, ended: true });
        }
        let skip = usize::try_from(from.saturating_sub(log.first)).unwrap_or(usize::MAX);
        let lines = log.lines.iter().skip(skip).cloned().collect();
        let next = log.first + u64::try_from(log.lines.len()).unwrap_or(0);
        Some(LogPage { lines, next, ended: false })
    }
}

/// The log of a step or a service, made from its pod: a line a second. `None` before it has started.
pub fn invented(pod: &Value, container: &str, from: u64, now: Timestamp) -> Option<LogPage> {
    let started = clock::parse(text(&pod["status"]["startTime"]))?;
    let status = items(&pod["status"]["containerStatuses"]).iter().find(|status| status["name"] == container)?;
    let finished = status["state"]["terminated"]["finishedAt"].as_str().and_then(clock::parse);
    let end = finished.unwrap_or(now);
    let total = u64::try_from(end.duration_since(started).as_secs() + 1).unwrap_or(0);
    let limit = u64::try_from(LINES).unwrap_or(0);
    let node = annotation(pod, "workflows.argoproj.io/node-name");
    let what = if node.is_empty() { container } else { node };
    let mut lines: Vec<LogLine> = (from.max(total.saturating_sub(limit))..total)
        .map(|number| {
            let at = after(started, SignedDuration::from_secs(i64::try_from(number).unwrap_or(0)));
            let loss = 2.5 / (1.0 + number as f64 / 60.0).sqrt();
            LogLine { at, text: format!("{what} step={number} loss={loss:.4}") }
        })
        .collect();
    if let Some(code) = status["state"]["terminated"]["exitCode"].as_i64().filter(|code| *code != 0) {
        lines.push(LogLine { at: end, text: format!("fatal: exit status {code}") });
    }
    Some(LogPage { lines, next: total, ended: finished.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_positions_hold() {
        let (logs, pod, now) = (Logs::default(), ObjectKey::new("argo", "p"), clock::now());
        for number in 0..LINES + 10 {
            logs.write(&pod, now, "info", &format!("line {number}"));
        }
        let page = logs.read(&pod, false, 0).unwrap();
        assert_eq!(page.lines.len(), LINES);
        assert!(page.lines[0].text.ends_with("\"line 10\""));
        logs.write(&pod, now, "info", "one more");
        assert_eq!(logs.read(&pod, false, page.next).unwrap().lines.len(), 1);
        logs.restart(&pod);
        assert!(logs.read(&pod, false, 0).unwrap().lines.is_empty());
        assert_eq!(logs.read(&pod, true, 0).unwrap().lines.len(), LINES);
        for number in 0..CONTAINERS * 2 {
            logs.write(&ObjectKey::new("argo", &format!("p{number}")), now, "info", "x");
        }
        assert!(logs.pods.lock().unwrap().len() <= CONTAINERS);
    }
}
