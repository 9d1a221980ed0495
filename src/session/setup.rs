//! What a session is about: how everything is reached, what the team decided, where notes are kept, who is here.

use crate::domain::endpoints::{
    DatabaseEndpoint, DnsEndpoints, DnsUpdateEndpoint, Endpoints, Intervals, MetricsEndpoint, PasswordSource,
    RegionEndpoints, TsigAlgorithm, WebhookEndpoint,
};
use crate::domain::policy::{CanaryPolicy, DnsPolicy, Policy, RegionPolicy};
use crate::domain::region::{PerSide, Side};
use crate::settings::{self, CanaryRun, DnsProvider, Login, MetricsSource, RegionSettings, Settings};
use std::path::PathBuf;
use std::sync::Arc;

/// Whether this process may change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Clients are built that cannot write.
    ReadOnly,
    /// It may, by playbooks.
    MayWrite,
}

/// What a session is about.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How everything is reached.
    pub endpoints: Endpoints,
    /// What the team decided.
    pub policy: Arc<Policy>,
    /// Where journals and notes are kept.
    pub state_dir: PathBuf,
    /// Whether it may change anything.
    pub access: Access,
    /// Operator and machine: `oncall@bastion1`.
    pub operator: String,
    /// What is doubtful about the configuration, a line each: it is told again where it is seen, on the timeline.
    pub doubts: Vec<String>,
}

/// Image and command of a canary that nobody configured: one small step that ends well at once.
const CANARY_IMAGE: &str = "busybox:stable";

impl Setup {
    /// From a configuration.
    #[must_use]
    pub fn from_settings(settings: &Settings, access: Access) -> Setup {
        let access = if settings.read_only { Access::ReadOnly } else { access };
        let [a, b] = &settings.regions;
        let endpoints = Endpoints {
            regions: PerSide::new(region(a), region(b)),
            dns: settings.dns.as_ref().map(dns),
            notify: settings.webhooks.iter().map(webhook).collect(),
            intervals: Intervals {
                probe: settings.intervals.probe,
                metrics: settings.intervals.metrics,
                dns: settings.intervals.dns,
                slow: settings.intervals.slow,
                timeout: settings.intervals.timeout,
            },
        };
        Setup {
            endpoints,
            policy: Arc::new(policy(settings)),
            state_dir: settings.state_dir.clone(),
            access,
            operator: operator(),
            doubts: Vec::new(),
        }
    }
}

/// Who is here, as the machine knows it: user and host, for the lock, the journal and the report.
#[must_use]
pub fn operator() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).or_else(|_| std::env::var("LOGNAME"));
    let user = user.ok().or_else(account).unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    let name = rustix::system::uname();
    let host = name.nodename().to_string_lossy();
    let host = host.split('.').next().unwrap_or_default();
    let word = |text: &str| -> String {
        text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).take(40).collect()
    };
    format!("{}@{}", word(&user), word(host))
}

/// The account's name, where the environment does not say it, as under a service manager.
fn account() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = accounts.lines().find(|line| line.split(':').nth(2) == Some(uid.as_str()))?;
    line.split(':').next().map(str::to_owned)
}

fn region(region: &RegionSettings) -> RegionEndpoints {
    RegionEndpoints {
        name: region.name.clone(),
        kubeconfig: region.kubeconfig.clone(),
        context: region.context.clone(),
        namespaces: region.namespaces.clone(),
        controller_namespace: region.controller_namespace.clone(),
        metrics: match &region.metrics {
            MetricsSource::Auto => MetricsEndpoint::PodProxy,
            MetricsSource::Url(url) => MetricsEndpoint::Url(url.clone()),
            MetricsSource::Off => MetricsEndpoint::Off,
        },
        database: login(&region.database.login),
        operator: region.database.operator.as_ref().map(login),
    }
}

fn login(login: &Login) -> DatabaseEndpoint {
    let password = match &login.password {
        settings::PasswordSource::None => PasswordSource::None,
        settings::PasswordSource::Inline(secret) => PasswordSource::Given(secret.clone()),
        settings::PasswordSource::File(path) => PasswordSource::File(path.clone()),
    };
    DatabaseEndpoint { url: login.url.clone(), password }
}

fn dns(dns: &settings::DnsSettings) -> DnsEndpoints {
    let update = match &dns.provider {
        DnsProvider::Rfc2136 { server, tsig } => tsig.as_ref().map(|tsig| DnsUpdateEndpoint {
            server: server.clone(),
            key_name: tsig.name.clone(),
            key: PasswordSource::File(tsig.secret_file.clone()),
            algorithm: tsig.algorithm,
        }),
        DnsProvider::None | DnsProvider::Command(_) => None,
    };
    let primary = match &dns.provider {
        DnsProvider::Rfc2136 { server, .. } => Some(server.clone()),
        DnsProvider::None | DnsProvider::Command(_) => None,
    };
    DnsEndpoints {
        name: dns.name.clone(),
        zone: dns.zone.clone().unwrap_or_else(|| parent(&dns.name)),
        authoritative: dns.servers.clone(),
        primary,
        resolvers: dns.resolvers.clone(),
        update,
    }
}

/// The zone that a name most likely stands in, where the configuration does not say.
fn parent(name: &str) -> String {
    name.split_once('.').map_or_else(|| name.to_owned(), |(_, rest)| rest.to_owned())
}

fn webhook(webhook: &settings::WebhookSettings) -> WebhookEndpoint {
    let secret = webhook.secret_file.clone().map_or(PasswordSource::None, PasswordSource::File);
    WebhookEndpoint { name: webhook.name.clone(), url: webhook.url.clone(), secret }
}

fn policy(settings: &Settings) -> Policy {
    let [a, b] = &settings.regions;
    let region = |region: &RegionSettings| RegionPolicy {
        name: region.name.clone(),
        controller_namespace: region.controller_namespace.clone(),
        controller_replicas: region.controller_replicas,
        operator_configured: region.database.operator.is_some(),
    };
    Policy {
        environment: settings.environment.clone(),
        regions: PerSide::new(region(a), region(b)),
        rto_target: settings.rto_target,
        rpo_target: settings.rpo_target,
        loss_bytes_max: settings.limits.loss_bytes_max,
        anti_flap: settings.limits.anti_flap,
        finished_runs: usize::try_from(settings.limits.finished_runs).unwrap_or(usize::MAX),
        break_glass: settings.approval.break_glass,
        simulated: false,
        dns: settings.dns.as_ref().map(|dns| dns_policy(dns, [&a.name, &b.name])),
        canary: canary(settings),
        notify: settings.webhooks.iter().map(|webhook| webhook.name.clone()).collect(),
    }
}

fn dns_policy(dns: &settings::DnsSettings, regions: [&String; 2]) -> DnsPolicy {
    let target = |name: &String| dns.targets.iter().find(|(region, _)| region == name).map(|(_, address)| *address);
    let server = match &dns.provider {
        DnsProvider::Rfc2136 { server, .. } => server.clone(),
        DnsProvider::None | DnsProvider::Command(_) => String::new(),
    };
    let trouble = match &dns.provider {
        DnsProvider::Rfc2136 { tsig: Some(tsig), .. } => key_trouble(&tsig.secret_file, tsig.algorithm),
        _ => None,
    };
    DnsPolicy {
        name: dns.name.clone(),
        trouble,
        can_switch: matches!(&dns.provider, DnsProvider::Rfc2136 { tsig: Some(_), .. }),
        targets: PerSide::new(target(regions[Side::A as usize]), target(regions[Side::B as usize])),
        ttl: dns.ttl,
        server,
    }
}

/// Why this file holds no key of TSIG, as far as that can be told before the server is asked.
fn key_trouble(file: &std::path::Path, algorithm: TsigAlgorithm) -> Option<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => crate::adapters::dns::key_trouble(&text, algorithm).map(|why| format!("{}: {why}", file.display())),
        Err(error) => Some(format!("its key can not be read from {}: {error}", file.display())),
    }
}

fn canary(settings: &Settings) -> CanaryPolicy {
    let made = CanaryPolicy {
        namespace: settings.regions[0].controller_namespace.clone(),
        template: None,
        image: CANARY_IMAGE.to_owned(),
        command: vec!["true".to_owned()],
        service_account: None,
    };
    let Some(canary) = &settings.canary else { return made };
    let namespace = canary.namespace.clone();
    match &canary.run {
        CanaryRun::Template(name) => CanaryPolicy { namespace, template: Some(name.clone()), ..made },
        CanaryRun::Container { image, command, service_account } => CanaryPolicy {
            namespace,
            template: None,
            image: image.clone(),
            command: if command.is_empty() { made.command } else { command.clone() },
            service_account: service_account.clone(),
        },
    }
}
