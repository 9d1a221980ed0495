//! How everything in the sandbox is reached, in the forms of the settings: for this process, and as a configuration file for
//! another one.

use super::postgres::Role;
use super::{ENVIRONMENT, NAME, REGIONS, Sandbox, target};
use crate::domain::endpoints::{
    DatabaseEndpoint, DnsEndpoints, DnsUpdateEndpoint, Endpoints, Intervals, MetricsEndpoint, PasswordSource,
    RegionEndpoints, TsigAlgorithm, WebhookEndpoint,
};
use crate::domain::policy::{CanaryPolicy, DnsPolicy, Policy, RegionPolicy};
use crate::domain::region::{PerSide, Side};
use crate::domain::secret::Secret;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Namespace of the workflow controller, as in the plain manifests of Argo Workflows.
const CONTROLLER_NAMESPACE: &str = "argo";

/// Namespace of the runs.
const RUN_NAMESPACE: &str = "ml";

fn name(side: Side) -> &'static str {
    match side {
        Side::A => REGIONS[0],
        Side::B => REGIONS[1],
    }
}

fn database(sandbox: &Sandbox, side: Side, role: Role) -> DatabaseEndpoint {
    let url = sandbox.pair.bare_url_at(sandbox.lines.get(side).addr(), role);
    DatabaseEndpoint { url, password: PasswordSource::Given(Secret::new(sandbox.pair.password(role))) }
}

pub fn endpoints(sandbox: &Sandbox) -> Endpoints {
    let region = |side: Side| RegionEndpoints {
        name: name(side).to_owned(),
        kubeconfig: Some(sandbox.kubeconfig()),
        context: format!("{}-operator", name(side)),
        namespaces: Vec::new(),
        controller_namespace: CONTROLLER_NAMESPACE.to_owned(),
        metrics: MetricsEndpoint::PodProxy,
        database: database(sandbox, side, Role::Monitor),
        operator: Some(database(sandbox, side, Role::Operator)),
    };
    let servers: Vec<String> = sandbox.dns.addrs().iter().map(ToString::to_string).collect();
    let update = servers.first().map(|server| DnsUpdateEndpoint {
        server: server.clone(),
        key_name: sandbox.dns.key().name(),
        key: PasswordSource::Given(Secret::new(sandbox.dns.key().base64())),
        algorithm: TsigAlgorithm::Sha256,
    });
    Endpoints {
        regions: PerSide::new(region(Side::A), region(Side::B)),
        dns: Some(DnsEndpoints {
            name: NAME.to_owned(),
            zone: sandbox.dns.zone().trim_end_matches('.').to_owned(),
            authoritative: servers,
            primary: None,
            resolvers: Vec::new(),
            update,
        }),
        notify: vec![WebhookEndpoint {
            name: "sandbox".to_owned(),
            url: sandbox.webhook.url("/notify"),
            secret: PasswordSource::None,
        }],
        intervals: Intervals {
            probe: Duration::from_secs(1),
            metrics: Duration::from_secs(2),
            dns: Duration::from_secs(2),
            ..Intervals::default()
        },
    }
}

pub fn policy(sandbox: &Sandbox) -> Policy {
    let region = |side: Side| RegionPolicy {
        name: name(side).to_owned(),
        controller_namespace: CONTROLLER_NAMESPACE.to_owned(),
        controller_replicas: 1,
        operator_configured: true,
    };
    Policy {
        environment: ENVIRONMENT.to_owned(),
        regions: PerSide::new(region(Side::A), region(Side::B)),
        rto_target: Duration::from_secs(15 * 60),
        rpo_target: Duration::from_secs(60),
        loss_bytes_max: 1024 * 1024,
        anti_flap: Duration::from_secs(10 * 60),
        finished_runs: 5_000,
        break_glass: true,
        simulated: true,
        dns: Some(DnsPolicy {
            name: NAME.to_owned(),
            can_switch: true,
            trouble: None,
            targets: PerSide::new(Some(target(Side::A)), Some(target(Side::B))),
            ttl: Duration::from_secs(30),
            server: sandbox.dns.addrs().first().map(ToString::to_string).unwrap_or_default(),
        }),
        canary: CanaryPolicy {
            namespace: RUN_NAMESPACE.to_owned(),
            template: None,
            image: "sandbox/step".to_owned(),
            command: vec!["step".to_owned(), "canary".to_owned()],
            service_account: None,
        },
        notify: vec!["sandbox".to_owned()],
    }
}

/// A configuration file with which any leeward reaches this sandbox.
pub fn config(sandbox: &Sandbox) -> String {
    let region = |side: Side| {
        let url = |role| sandbox.pair.bare_url_at(sandbox.lines.get(side).addr(), role);
        let file = |role| sandbox.pair.password_file(role).display().to_string();
        format!(
            r#"
[regions.{name}]
context = "{name}-operator"
kubeconfig = "{kubeconfig}"
controller = {{ namespace = "{CONTROLLER_NAMESPACE}", metrics = "auto" }}

[regions.{name}.database]
url = "{monitor}"
password_file = "{monitor_file}"
operator = {{ url = "{operator}", password_file = "{operator_file}" }}
"#,
            name = name(side),
            kubeconfig = sandbox.kubeconfig().display(),
            monitor = url(Role::Monitor),
            monitor_file = file(Role::Monitor),
            operator = url(Role::Operator),
            operator_file = file(Role::Operator),
        )
    };
    let servers: Vec<String> = sandbox.dns.addrs().iter().map(|addr| format!("\"{addr}\"")).collect();
    format!(
        r#"# Reaches the running sandbox in this folder; gone with it.
schema = 1
environment = "{ENVIRONMENT}"
{a}{b}
[dns]
name = "{NAME}"
provider = "rfc2136"
server = {server}
zone = "{zone}"
servers = [{all}]
tsig_name = "{key}"
tsig_secret_file = "{folder}/dns-key"
ttl = "30s"
targets = {{ {name_a} = "{target_a}", {name_b} = "{target_b}" }}

[[notify.webhook]]
name = "sandbox"
url = "{webhook}"

[canary]
namespace = "{RUN_NAMESPACE}"
image = "sandbox/step"
command = ["step", "canary"]

[approval]
break_glass = true

[state]
dir = "{folder}/state"
"#,
        a = region(Side::A),
        b = region(Side::B),
        server = servers.first().cloned().unwrap_or_default(),
        zone = sandbox.dns.zone().trim_end_matches('.'),
        all = servers.join(", "),
        key = sandbox.dns.key().name().trim_end_matches('.'),
        folder = sandbox.folder().display(),
        name_a = name(Side::A),
        name_b = name(Side::B),
        target_a = target(Side::A),
        target_b = target(Side::B),
        webhook = sandbox.webhook.url("/notify"),
    )
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
