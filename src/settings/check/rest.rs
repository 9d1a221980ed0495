//! News, the canary, approval, limits and intervals. Pure.

use std::time::Duration;

use toml::Spanned;

use super::{Findings, syntax};
use crate::domain::humane::HumaneSize;
use crate::settings::file;
use crate::settings::types::{
    ApprovalSettings, CanaryRun, CanarySettings, IntervalSettings, LimitSettings, WebhookSettings,
};

pub(super) fn notify(written: file::Notify, found: &mut Findings<'_>) -> Vec<WebhookSettings> {
    let later =
        [("pagerduty", written.pagerduty), ("opsgenie", written.opsgenie), ("alertmanager", written.alertmanager)];
    for (name, value) in later {
        if let Some(value) = value {
            found.wrong(value.span(), format!("[notify] {name} is not supported yet; a webhook is"));
        }
    }
    let mut webhooks = Vec::new();
    for webhook in written.webhook.0 {
        let host = match syntax::http_url(webhook.url.get_ref()) {
            Ok(url) => url.host_str().unwrap_or_default().to_owned(),
            Err(why) => {
                found.wrong(webhook.url.span(), format!("a webhook needs an http or https URL; this is {why}"));
                continue;
            }
        };
        let name = webhook.name.filter(|name| !name.is_empty()).unwrap_or(host);
        if webhooks.iter().any(|other: &WebhookSettings| other.name == name) {
            found.wrong(webhook.url.span(), format!("a second webhook called {name:?}; give it a name of its own"));
        }
        let secret_file = webhook.secret_file.as_ref().map(|path| found.path(path));
        webhooks.push(WebhookSettings { name, url: webhook.url.into_inner(), secret_file });
    }
    webhooks
}

pub(super) fn canary(written: Spanned<file::Canary>, found: &mut Findings<'_>) -> Option<CanarySettings> {
    let place = written.span();
    let canary = written.into_inner();
    let namespace = found.kubernetes_name(&canary.namespace, "namespace", false);
    let run = match (canary.template, canary.image) {
        (Some(template), None) => {
            if !canary.command.is_empty() || canary.service_account.is_some() {
                found.wrong(place, "[canary] command and service_account belong to image; a template has its own");
            }
            CanaryRun::Template(found.kubernetes_name(&template, "workflow template", true))
        }
        (None, Some(image)) => {
            if image.get_ref().trim().is_empty() || image.get_ref().contains(char::is_whitespace) {
                found.wrong(image.span(), format!("{:?} is no image", image.get_ref()));
            }
            let service_account =
                canary.service_account.as_ref().map(|name| found.kubernetes_name(name, "service account", true));
            CanaryRun::Container { image: image.into_inner(), command: canary.command, service_account }
        }
        (Some(_), Some(image)) => {
            found.wrong(image.span(), "[canary] has both template and image; leave one of them out");
            return None;
        }
        (None, None) => {
            found.wrong(place, "[canary] needs template = \"NAME\", or image (and command, service_account)");
            return None;
        }
    };
    Some(CanarySettings { namespace, run })
}

pub(super) fn approval(written: file::Approval, found: &mut Findings<'_>) -> ApprovalSettings {
    let mut approvers: Vec<String> = Vec::new();
    if let Some(first) = written.approvers.first() {
        found.unused(first.span(), "approvers", "a second person can not approve yet, whoever is listed");
    }
    for approver in written.approvers {
        if approver.get_ref().trim().is_empty() {
            found.wrong(approver.span(), "an empty user name");
        } else if approvers.contains(approver.get_ref()) {
            found.doubtful(approver.span(), format!("{:?} is listed twice", approver.get_ref()));
        } else {
            approvers.push(approver.into_inner());
        }
    }
    if let ([only], false) = (approvers.as_slice(), written.break_glass) {
        let message = format!("[approval] has one approver only: when {only} drives, nobody can be the second person");
        found.warnings.push(crate::settings::Warning(crate::domain::problem::Problem::new("configuration", message)));
    }
    ApprovalSettings { break_glass: written.break_glass, approvers }
}

pub(super) fn limits(written: file::Limits, found: &mut Findings<'_>) -> LimitSettings {
    let finished_runs = written.finished_runs.map_or(5000, |count| {
        if *count.get_ref() > 1_000_000 {
            found.wrong(count.span(), "must be at most 1000000; every kept run costs memory");
        }
        count.into_inner()
    });
    LimitSettings {
        loss_bytes_max: written.loss_bytes_max.map_or(1 << 20, |HumaneSize(bytes)| bytes),
        anti_flap: found.positive(written.anti_flap, "10m"),
        finished_runs,
    }
}

pub(super) fn intervals(written: file::Intervals, found: &mut Findings<'_>) -> IntervalSettings {
    // Faster than this is a load on servers that may be in trouble; slower, and what is on screen is history.
    let (least, most) = (Duration::from_millis(500), Duration::from_secs(3600));
    let mut read = |written, usual: &str| found.between(written, usual, least, most);
    IntervalSettings {
        probe: read(written.probe, "2s"),
        metrics: read(written.metrics, "5s"),
        dns: read(written.dns, "5s"),
        slow: read(written.slow, "20s"),
        timeout: read(written.timeout, "3s"),
    }
}
