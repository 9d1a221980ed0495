//! The resolved settings as TOML: what `config show` prints. Pure.
//!
//! It is the configuration that would give the same settings, defaults written out, so that it can be compared, copied
//! and read back. Passwords that stood in a URL are shown as `***`.

use std::fmt::Write;
use std::path::Path;

use toml::Value;

use super::types::{
    CanaryRun, DatabaseSettings, DnsProvider, DnsSettings, Login, MetricsSource, PasswordSource, RegionSettings,
    Settings,
};
use crate::domain::humane::{duration_text, size_text};

/// The settings as TOML, secrets masked.
pub fn show(settings: &Settings) -> String {
    let mut out = Writer::default();
    out.line("schema", Value::Integer(1));
    out.text("environment", &settings.environment);
    out.line("read_only", Value::Boolean(settings.read_only));
    out.text("rto_target", &duration_text(settings.rto_target));
    out.text("rpo_target", &duration_text(settings.rpo_target));
    for shown in &settings.regions {
        region(&mut out, shown);
    }
    if let Some(shown) = &settings.dns {
        dns(&mut out, shown);
    }
    for webhook in &settings.webhooks {
        out.header("[[notify.webhook]]");
        out.text("name", &webhook.name);
        out.text("url", &webhook.url);
        out.optional_path("secret_file", webhook.secret_file.as_deref());
    }
    if let Some(canary) = &settings.canary {
        out.header("[canary]");
        out.text("namespace", &canary.namespace);
        match &canary.run {
            CanaryRun::Template(name) => out.text("template", name),
            CanaryRun::Container { image, command, service_account } => {
                out.text("image", image);
                out.list("command", command);
                if let Some(name) = service_account {
                    out.text("service_account", name);
                }
            }
        }
    }
    out.header("[approval]");
    out.line("break_glass", Value::Boolean(settings.approval.break_glass));
    out.list("approvers", &settings.approval.approvers);
    out.header("[limits]");
    out.text("loss_bytes_max", &size_text(settings.limits.loss_bytes_max));
    out.text("anti_flap", &duration_text(settings.limits.anti_flap));
    out.line("finished_runs", Value::Integer(settings.limits.finished_runs.into()));
    intervals(&mut out, settings);
    out.header("[state]");
    out.path("dir", &settings.state_dir);
    if let Some(dir) = &settings.postgres_bindir {
        out.header("[postgres]");
        out.path("bindir", dir);
    }
    out.0
}

fn region(out: &mut Writer, region: &RegionSettings) {
    out.header(&format!("[regions.{}]", region.name));
    out.text("context", &region.context);
    out.optional_path("kubeconfig", region.kubeconfig.as_deref());
    out.list("namespaces", &region.namespaces);
    out.text("controller.namespace", &region.controller_namespace);
    let metrics = match &region.metrics {
        MetricsSource::Auto => "auto",
        MetricsSource::Url(url) => url,
        MetricsSource::Off => "off",
    };
    out.text("controller.metrics", metrics);
    out.line("controller.replicas", Value::Integer(region.controller_replicas.into()));
    if let Some(url) = &region.checkpoints {
        out.text("checkpoints.url", url);
    }
    database(out, &region.name, &region.database);
}

fn database(out: &mut Writer, region: &str, database: &DatabaseSettings) {
    out.header(&format!("[regions.{region}.database]"));
    login(out, "", &database.login);
    out.text("promote", "pg_promote");
    if let Some(operator) = &database.operator {
        login(out, "operator.", operator);
    }
}

fn login(out: &mut Writer, prefix: &str, login: &Login) {
    let url = match &login.password {
        // Behind the user, where it stood or could have stood.
        PasswordSource::Inline(_) => match login.url.split_once('@') {
            Some((user, rest)) => format!("{user}:***@{rest}"),
            None => login.url.clone(),
        },
        _ => login.url.clone(),
    };
    out.text(&format!("{prefix}url"), &url);
    if let PasswordSource::File(path) = &login.password {
        out.path(&format!("{prefix}password_file"), path);
    }
}

fn dns(out: &mut Writer, dns: &DnsSettings) {
    out.header("[dns]");
    out.text("name", &dns.name);
    if let Some(zone) = &dns.zone {
        out.text("zone", zone);
    }
    match &dns.provider {
        DnsProvider::None => out.text("provider", "none"),
        DnsProvider::Rfc2136 { server, tsig } => {
            out.text("provider", "rfc2136");
            out.text("server", server);
            if let Some(tsig) = tsig {
                out.text("tsig_name", &tsig.name);
                out.text("tsig_algorithm", tsig.algorithm.word());
                out.path("tsig_secret_file", &tsig.secret_file);
            }
        }
        DnsProvider::Command(command) => {
            out.text("provider", "command");
            out.list("command", command);
        }
    }
    for (region, target) in &dns.targets {
        out.text(&format!("targets.{region}"), &target.to_string());
    }
    out.text("ttl", &duration_text(dns.ttl));
    out.list("servers", &dns.servers);
    out.list("resolvers", &dns.resolvers);
}

fn intervals(out: &mut Writer, settings: &Settings) {
    let intervals = &settings.intervals;
    out.header("[intervals]");
    let all = [
        ("probe", intervals.probe),
        ("metrics", intervals.metrics),
        ("dns", intervals.dns),
        ("slow", intervals.slow),
        ("timeout", intervals.timeout),
    ];
    for (name, length) in all {
        out.text(name, &duration_text(length));
    }
}

#[derive(Default)]
struct Writer(String);

impl Writer {
    fn header(&mut self, header: &str) {
        self.0.push_str(&format!("\n{header}\n"));
    }

    fn line(&mut self, key: &str, value: Value) {
        // Writing to a String can't fail.
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.line(key, Value::String(value.to_owned()));
    }

    fn list(&mut self, key: &str, values: &[String]) {
        self.line(key, Value::Array(values.iter().cloned().map(Value::String).collect()));
    }

    fn path(&mut self, key: &str, path: &Path) {
        self.text(key, &path.display().to_string());
    }

    fn optional_path(&mut self, key: &str, path: Option<&Path>) {
        if let Some(path) = path {
            self.path(key, path);
        }
    }
}
