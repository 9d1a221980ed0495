//! The controller's ConfigMap, as far as the simulation heeds it. Pure. There is no YAML reader in the product; what is
//! read here is flat enough for lines.

use serde_json::Value;

/// Top-level keys that a controller 4.0 knows (config/config.go). It is strict: an unknown one ends it.
const KNOWN: [&str; 33] = [
    "artifactDrivers",
    "artifactRepository",
    "columns",
    "executor",
    "failedPodRestart",
    "images",
    "initialDelay",
    "instanceID",
    "kubeConfig",
    "links",
    "mainContainer",
    "metricsConfig",
    "namespace",
    "namespaceParallelism",
    "navColor",
    "nodeEvents",
    "parallelism",
    "persistence",
    "podGCDeleteDelayDuration",
    "podGCGracePeriodSeconds",
    "podSpecLogStrategy",
    "resourceRateLimit",
    "retentionPolicy",
    "semaphoreLimitCacheSeconds",
    "sso",
    "synchronization",
    "telemetryConfig",
    "tracing",
    "workflowDefaults",
    "workflowEvents",
    "workflowRestrictions",
    "executorServiceAccount",
    "artifactGC",
];

/// What the simulation heeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Whether finished workflows are archived.
    pub archive: bool,
    /// `persistence.clusterName`.
    pub cluster: String,
    /// How many workflows may run at once.
    pub parallelism: Option<usize>,
    /// Whether /metrics speaks TLS, as it does from 3.6 on unless told otherwise.
    pub metrics_tls: bool,
}

impl Config {
    /// Reads the ConfigMap; the error is what the controller writes before it ends.
    pub fn read(map: Option<&Value>) -> Result<Self, String> {
        let Some(data) = map.and_then(|map| map["data"].as_object()) else {
            return Err("configmap \"workflow-controller-configmap\" not found".to_owned());
        };
        let nested = data.get("config").and_then(Value::as_str);
        if nested.is_some() && data.len() > 1 {
            return Err("invalid config map; must not have both config and other keys".to_owned());
        }
        let sections: Vec<(String, String)> = match nested {
            Some(text) => split(text),
            None => data.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned())).collect(),
        };
        if let Some((unknown, _)) = sections.iter().find(|(key, _)| !KNOWN.contains(&key.as_str())) {
            return Err(format!("error unmarshaling JSON: while decoding JSON: json: unknown field \"{unknown}\""));
        }
        let section = |name: &str| sections.iter().find(|(key, _)| key == name).map_or("", |(_, text)| text.as_str());
        let persistence = section("persistence");
        Ok(Self {
            archive: field(persistence, "archive") == Some("true"),
            cluster: field(persistence, "clusterName").unwrap_or("default").to_owned(),
            parallelism: section("parallelism").trim().parse().ok().filter(|limit| *limit > 0),
            metrics_tls: field(section("metricsConfig"), "secure") != Some("false"),
        })
    }
}

/// Splits YAML text at its top-level keys.
fn split(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let top = !line.starts_with([' ', '\t', '#', '-']) && !line.trim().is_empty();
        match (top, line.split_once(':')) {
            (true, Some((key, rest))) => sections.push((key.trim().to_owned(), rest.trim().to_owned())),
            _ => {
                if let Some((_, body)) = sections.last_mut() {
                    body.push('\n');
                    body.push_str(line);
                }
            }
        }
    }
    sections
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().trim_matches(['"', '\'']))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_shapes_are_read_and_unknown_keys_end_the_controller() {
        let many = json!({"data": {"parallelism": "12",
            "persistence": "archive: true\nclusterName: us-central1\npostgresql:\n  host: x\n"}});
        let expected =
            Config { archive: true, cluster: "us-central1".to_owned(), parallelism: Some(12), metrics_tls: true };
        assert_eq!(Config::read(Some(&many)).unwrap(), expected);
        let one = json!({"data": {"config":
            "parallelism: 12\npersistence:\n  archive: true\n  clusterName: us-central1\n"}});
        assert_eq!(Config::read(Some(&one)).unwrap(), expected);
        for bad in [
            json!({"data": {"paralellism": "12"}}),
            json!({"data": {"config": "x: 1"}}),
            json!({"data": {"config": "", "parallelism": "1"}}),
            json!({}),
        ] {
            assert!(Config::read(Some(&bad)).is_err(), "{bad}");
        }
        assert!(Config::read(None).is_err());
    }
}
