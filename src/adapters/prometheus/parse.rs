//! Reads a controller's `/metrics`. Pure.
//!
//! Names changed between 3.5 and 3.6, the phase's label between 3.7 and 4.0 (*measured*), and exporters append `_total`
//! to counters or do not. Sources: argo-workflows `docs/metrics.md` of both generations, and scrapes of real ones.

use std::collections::BTreeMap;
use std::io;

use prometheus_parse::{Sample, Scrape, Value};

use crate::domain::metrics::MetricsSample;
use crate::domain::text::clean_to;

const LEADER: [&str; 1] = ["argo_workflows_is_leader"];
const RUNS: [&str; 2] = ["argo_workflows_gauge", "argo_workflows_count"];
const QUEUE: [&str; 2] = ["argo_workflows_queue_depth_gauge", "argo_workflows_queue_depth_count"];
const WORKERS: [&str; 1] = ["argo_workflows_workers_busy_count"];
const ERRORS: [&str; 2] = ["argo_workflows_error_count", "argo_workflows_error_count_total"];
const REQUESTS: [&str; 2] = ["argo_workflows_k8s_request_total", "argo_workflows_k8s_request_total_total"];
const LOGS: [&str; 4] =
    ["argo_workflows_log_messages", "argo_workflows_log_messages_total", "log_messages", "log_messages_total"];
const VERSION: [&str; 2] = ["argo_workflows_version", "argo_workflows_version_total"];
const SECONDS: [&str; 1] = ["argo_workflows_operation_duration_seconds_sum"];
const OPERATIONS: [&str; 1] = ["argo_workflows_operation_duration_seconds_count"];

/// Phases kept; Argo knows six.
const PHASES_MAX: usize = 16;

/// Reads a scrape. Lines that are not understood are left out; a standby's controller answers with an empty text, which
/// is a sample without numbers.
#[must_use]
pub fn parse(text: &str) -> MetricsSample {
    let samples = Samples::read(text);
    let label_is = |name: &'static str, value: &'static str| move |s: &Sample| s.labels.get(name) == Some(value);
    let failed = |s: &Sample| s.labels.get("status_code").is_some_and(|code| code.starts_with(['4', '5']));
    let seconds = samples.sum(&SECONDS, |_| true);
    let operations = samples.sum(&OPERATIONS, |_| true);
    MetricsSample {
        is_leader: samples.sum(&LEADER, |_| true).map(|value| value > 0.0),
        runs_by_phase: runs_by_phase(&samples),
        queue_depth: samples.sum_some(&QUEUE, label_is("queue_name", "workflow_queue")),
        workers_busy: samples.sum(&WORKERS, |_| true),
        errors_total: samples.sum(&ERRORS, |_| true),
        k8s_requests_total: samples.sum(&REQUESTS, |_| true),
        k8s_failures_total: samples.sum(&REQUESTS, failed),
        log_errors_total: samples.sum(&LOGS, label_is("level", "error")),
        version: samples.of(&VERSION).iter().find_map(|s| s.labels.get("version")).map(|v| clean_to(v, 64)),
        operation_seconds: seconds.zip(operations),
    }
}

fn runs_by_phase(samples: &Samples) -> BTreeMap<String, f64> {
    let mut phases = BTreeMap::new();
    for sample in samples.of(&RUNS) {
        let phase = sample.labels.get("phase").or_else(|| sample.labels.get("status"));
        if let (Some(phase), Some(value)) = (phase, number(sample))
            && phases.len() < PHASES_MAX
        {
            *phases.entry(clean_to(phase, 32)).or_insert(0.0) += value;
        }
    }
    phases
}

/// Samples by name, those that are asked for and no others.
struct Samples(BTreeMap<String, Vec<Sample>>);

impl Samples {
    fn read(text: &str) -> Samples {
        let wanted = |line: &&str| {
            let name = line.split(|c: char| c == '{' || c.is_whitespace()).next().unwrap_or_default();
            [&LEADER[..], &RUNS, &QUEUE, &WORKERS, &ERRORS, &REQUESTS, &LOGS, &VERSION, &SECONDS, &OPERATIONS]
                .iter()
                .any(|names| names.contains(&name))
        };
        // A scrape has no time of its own here: the observation carries it.
        let lines = text.lines().filter(wanted).map(|line| io::Result::Ok(line.to_owned()));
        let mut by_name: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        if let Ok(scrape) = Scrape::parse(lines) {
            for sample in scrape.samples {
                by_name.entry(sample.metric.clone()).or_default().push(sample);
            }
        }
        Samples(by_name)
    }

    /// The samples of the first of the names that is there, so that an alias is not counted twice.
    fn of(&self, names: &[&str]) -> &[Sample] {
        names.iter().find_map(|name| self.0.get(*name)).map_or(&[], Vec::as_slice)
    }

    /// The sum over the samples that `keep` wants; zero when the metric is there and none is wanted, None when the
    /// metric is not there or says nothing.
    fn sum(&self, names: &[&str], keep: impl Fn(&Sample) -> bool) -> Option<f64> {
        let samples = self.of(names);
        (!samples.is_empty()).then_some(())?;
        samples.iter().filter(|s| keep(s)).map(number).sum()
    }

    /// The same, and None when none is wanted.
    fn sum_some(&self, names: &[&str], keep: impl Fn(&Sample) -> bool) -> Option<f64> {
        self.of(names).iter().any(&keep).then_some(())?;
        self.sum(names, keep)
    }
}

/// The value, unless it is no number.
fn number(sample: &Sample) -> Option<f64> {
    match sample.value {
        Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => value.is_finite().then_some(value),
        Value::Histogram(_) | Value::Summary(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REAL_37: &str = include_str!("../../../tests/data/metrics-argo-3.7.txt");

    #[test]
    fn a_real_scrape_of_3_7() {
        let sample = parse(REAL_37);
        assert_eq!(sample.is_leader, Some(true));
        assert_eq!(sample.runs_by_phase.get("Succeeded"), Some(&2.0));
        assert_eq!(sample.runs_by_phase.len(), 5);
        assert_eq!(sample.queue_depth, Some(0.0));
        assert_eq!(sample.workers_busy, Some(0.0));
        assert_eq!(sample.errors_total, Some(0.0));
        assert_eq!(sample.k8s_failures_total, Some(7.0), "two 404 and five 429");
        assert!(sample.k8s_requests_total > sample.k8s_failures_total);
        assert_eq!(sample.log_errors_total, Some(0.0));
        assert_eq!(sample.version.as_deref(), Some("v3.7.4"));
        let (seconds, operations) = sample.operation_seconds.unwrap();
        assert!(seconds > 0.0 && operations > 0.0);
    }

    #[test]
    fn names_of_every_generation() {
        let old = "argo_workflows_count{status=\"Running\"} 3\nargo_workflows_count{status=\"Failed\"} 1\n\
            argo_workflows_queue_depth_count{queue_name=\"cron_wf_queue\"} 9\n\
            argo_workflows_queue_depth_count{queue_name=\"workflow_queue\"} 4\n\
            log_messages{level=\"info\"} 100\nlog_messages{level=\"error\"} 2\n";
        let sample = parse(old);
        assert_eq!(sample.runs_by_phase, BTreeMap::from([("Running".to_owned(), 3.0), ("Failed".to_owned(), 1.0)]));
        assert_eq!((sample.queue_depth, sample.log_errors_total), (Some(4.0), Some(2.0)));
        assert_eq!((sample.is_leader, sample.version), (None, None), "3.5 does not export them");

        let new = "# TYPE argo_workflows_gauge gauge\nargo_workflows_gauge{phase=\"Running\"} 7\n\
            argo_workflows_is_leader 0\n\
            argo_workflows_error_count_total{cause=\"OperationPanic\"} 1\n\
            argo_workflows_error_count_total{cause=\"CronWorkflowSpecError\"} 2\n\
            argo_workflows_log_messages_total{level=\"info\"} 5\n";
        let sample = parse(new);
        assert_eq!(sample.runs_by_phase, BTreeMap::from([("Running".to_owned(), 7.0)]));
        assert_eq!((sample.is_leader, sample.errors_total), (Some(false), Some(3.0)));
        assert_eq!(sample.log_errors_total, Some(0.0), "levels are exported, and no error was logged");
        assert_eq!(sample.queue_depth, None);
    }

    #[test]
    fn silence_is_a_sample_without_numbers() {
        assert_eq!(parse(""), MetricsSample::default());
        assert_eq!(parse("<html>404</html>\n"), MetricsSample::default());
        assert_eq!(parse("argo_workflows_is_leader NaN\n").is_leader, None);
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "(argo_workflows_(gauge|is_leader|version)[{\"a-z=,} ]{0,20}[0-9NaInf.+-]{0,6}\n|\\PC{0,30}\n){0,6}") {
            let _ = parse(&text);
        }
    }
}
