//! What the controller counts, and how it shows it: the text of /metrics as controllers from 3.6 on write it (names and
//! labels of 4.0.5; compared with 3.7.4, which calls the gauge's label `status`). Pure but for the mutex-free counters.

use std::{collections::BTreeMap, fmt::Write as _};

/// Counters of one controller process; they begin at zero with it.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// `total_count` by phase and namespace.
    pub phases: BTreeMap<(String, String), u64>,
    /// `pods_total_count` by phase and namespace.
    pub pods: BTreeMap<(String, String), u64>,
    /// `error_count` by cause.
    pub errors: BTreeMap<&'static str, u64>,
    /// `cronworkflows_triggered_total` by name and namespace.
    pub crons: BTreeMap<(String, String), u64>,
    /// `cronworkflows_concurrencypolicy_triggered` by name, namespace and policy.
    pub held: BTreeMap<(String, String, String), u64>,
    /// `workflowtemplate_triggered_total` by name and namespace.
    pub templates: BTreeMap<(String, String), u64>,
    /// `k8s_request_total` by kind, verb and status code.
    pub requests: BTreeMap<(&'static str, &'static str, u16), u64>,
    /// `log_messages` by level.
    pub logs: BTreeMap<&'static str, u64>,
    /// `queue_adds_count` by queue.
    pub queued: BTreeMap<&'static str, u64>,
    /// Looks at workflows, and the seconds they took.
    pub operations: (u64, f64),
}

impl Counters {
    /// Counts a request to the API server.
    pub fn request(&mut self, kind: &'static str, verb: &'static str, code: u16) {
        *self.requests.entry((kind, verb, code)).or_default() += 1;
    }
}

/// What a scrape sees beside the counters.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Whether this process leads.
    pub leader: bool,
    /// Workflows by phase.
    pub workflows: BTreeMap<String, u64>,
    /// Pods of workflows by phase.
    pub pods: BTreeMap<String, u64>,
    /// Depth by queue.
    pub queues: BTreeMap<&'static str, u64>,
    /// Version of the controller, `v4.0.5`.
    pub version: String,
}

/// The causes of errors that are always shown.
const CAUSES: [&str; 3] = ["CronWorkflowSpecError", "CronWorkflowSubmissionError", "OperationPanic"];
/// The queues.
pub const QUEUES: [&str; 5] =
    ["cron_wf_queue", "pod_cleanup_queue", "workflow_queue", "workflow_ttl_queue", "workflow_archive_queue"];

/// The text of /metrics.
pub fn text(counters: &Counters, gauges: &Gauges) -> String {
    let mut out = Text(String::with_capacity(8192));
    for ((name, namespace), count) in &counters.crons {
        out.line(
            "cronworkflows_triggered_total",
            "counter",
            &[("name", name), ("namespace", namespace)],
            *count as f64,
        );
    }
    for ((name, namespace, policy), count) in &counters.held {
        let labels = [("concurrency_policy", policy.as_str()), ("name", name), ("namespace", namespace)];
        out.line("cronworkflows_concurrencypolicy_triggered", "counter", &labels, *count as f64);
    }
    for cause in CAUSES {
        let count = counters.errors.get(cause).copied().unwrap_or(0);
        out.line("error_count", "counter", &[("cause", cause)], count as f64);
    }
    for phase in ["Error", "Failed", "Pending", "Running", "Succeeded"] {
        let count = gauges.workflows.get(phase).copied().unwrap_or(0);
        out.line("gauge", "gauge", &[("phase", phase)], count as f64);
    }
    out.line("is_leader", "gauge", &[], f64::from(u8::from(gauges.leader)));
    for ((kind, verb, code), count) in &counters.requests {
        let labels = [("kind", *kind), ("status_code", &*code.to_string()), ("verb", verb)];
        out.line("k8s_request_total", "counter", &labels, *count as f64);
    }
    for level in ["error", "info", "warning"] {
        let count = counters.logs.get(level).copied().unwrap_or(0);
        out.line("log_messages", "counter", &[("level", level)], count as f64);
    }
    out.line("operation_duration_seconds_sum", "untyped", &[], counters.operations.1);
    out.line("operation_duration_seconds_count", "untyped", &[], counters.operations.0 as f64);
    for phase in ["Pending", "Running"] {
        let count = gauges.pods.get(phase).copied().unwrap_or(0);
        out.line("pods_gauge", "gauge", &[("phase", phase)], count as f64);
    }
    for ((phase, namespace), count) in &counters.pods {
        out.line("pods_total_count", "counter", &[("namespace", namespace), ("phase", phase)], *count as f64);
    }
    for queue in QUEUES {
        let count = counters.queued.get(queue).copied().unwrap_or(0);
        out.line("queue_adds_count", "counter", &[("queue_name", queue)], count as f64);
    }
    for queue in QUEUES {
        let depth = gauges.queues.get(queue).copied().unwrap_or(0);
        out.line("queue_depth_gauge", "gauge", &[("queue_name", queue)], depth as f64);
    }
    for ((phase, namespace), count) in &counters.phases {
        out.line("total_count", "counter", &[("namespace", namespace), ("phase", phase)], *count as f64);
    }
    let version = [("platform", "linux/amd64"), ("version", &*gauges.version)];
    out.line("version", "gauge", &version, 1.0);
    out.line("workers_busy_count", "gauge", &[("worker_type", "workflow_queue")], 0.0);
    for ((name, namespace), count) in &counters.templates {
        let labels = [("cluster_scope", "false"), ("name", name), ("namespace", namespace)];
        out.line("workflowtemplate_triggered_total", "counter", &labels, *count as f64);
    }
    out.0
}

struct Text(String);

impl Text {
    fn line(&mut self, name: &str, kind: &str, labels: &[(&str, &str)], value: f64) {
        let head = format!("# TYPE argo_workflows_{name} {kind}\n");
        if kind != "untyped" && !self.0.contains(&head) {
            self.0.push_str(&head);
        }
        let labels: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
            .collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "argo_workflows_{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_can_read_it() {
        let mut counters = Counters::default();
        counters.request("leases", "Update", 200);
        counters.phases.insert(("Failed".to_owned(), "ml".to_owned()), 2);
        let gauges = Gauges {
            leader: true,
            workflows: BTreeMap::from([("Running".to_owned(), 3)]),
            version: "v4.0.5".to_owned(),
            ..Gauges::default()
        };
        let text = text(&counters, &gauges);
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = prometheus_parse::Scrape::parse(lines).unwrap();
        let find = |metric: &str, label: (&str, &str)| {
            let sample = scrape
                .samples
                .iter()
                .find(|one| one.metric == metric && (label.0.is_empty() || one.labels.get(label.0) == Some(label.1)))
                .unwrap_or_else(|| panic!("{metric} is missing"));
            match sample.value {
                prometheus_parse::Value::Counter(value) | prometheus_parse::Value::Gauge(value) => value,
                ref other => panic!("{other:?}"),
            }
        };
        assert_eq!(find("argo_workflows_gauge", ("phase", "Running")), 3.0);
        assert_eq!(find("argo_workflows_gauge", ("phase", "Pending")), 0.0);
        assert_eq!(find("argo_workflows_is_leader", ("", "")), 1.0);
        assert_eq!(find("argo_workflows_k8s_request_total", ("verb", "Update")), 1.0);
        assert_eq!(find("argo_workflows_total_count", ("phase", "Failed")), 2.0);
        assert_eq!(find("argo_workflows_queue_depth_gauge", ("queue_name", "workflow_queue")), 0.0);
    }
}
