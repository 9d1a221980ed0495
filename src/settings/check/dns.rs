//! The public name: who answers for it, where it points for each region, how it is switched. Pure.

use std::net::IpAddr;

use toml::Spanned;

use super::{Findings, syntax};
use crate::domain::endpoints::TsigAlgorithm;
use crate::settings::file::{self, Text};
use crate::settings::types::{DnsProvider, DnsSettings, TsigSettings};

pub(super) fn dns(written: file::Dns, regions: &[String], found: &mut Findings<'_>) -> Option<DnsSettings> {
    let name = host(&written.name, found)?;
    let targets = targets(&written, regions, found);
    let mut servers: Vec<String> = written.servers.iter().filter_map(|server| host_port(server, found)).collect();
    let resolvers = written.resolvers.iter().filter_map(|server| host_port(server, found)).collect();
    let zone = zone(&written, &name, found);
    let provider = provider(&written, zone.is_some(), found);
    if let (DnsProvider::Rfc2136 { server, .. }, true) = (&provider, servers.is_empty()) {
        servers.push(server.clone());
    }
    let ttl = found.positive(written.ttl, "60s");
    Some(DnsSettings { name, zone, provider, targets, servers, resolvers, ttl })
}

fn host(text: &Text, found: &mut Findings<'_>) -> Option<String> {
    let name = syntax::host_name(text.get_ref());
    if name.is_none() {
        found.wrong(text.span(), format!("{:?} is no host name", text.get_ref()));
    }
    name
}

fn host_port(text: &Text, found: &mut Findings<'_>) -> Option<String> {
    syntax::host_port(text.get_ref(), 53).map_err(|why| found.wrong(text.span(), why)).ok()
}

fn zone(written: &file::Dns, name: &str, found: &mut Findings<'_>) -> Option<String> {
    let text = written.zone.as_ref()?;
    let zone = host(text, found)?;
    if name != zone && !name.ends_with(&format!(".{zone}")) {
        found.wrong(text.span(), format!("{name} is not in the zone {zone}"));
    }
    Some(zone)
}

fn targets(written: &file::Dns, regions: &[String], found: &mut Findings<'_>) -> Vec<(String, IpAddr)> {
    let known: Vec<&str> = regions.iter().map(String::as_str).collect();
    // With the regions themselves in disorder, a complaint about every target would only hide that.
    if known.len() != 2 {
        return Vec::new();
    }
    for region in written.targets.keys().filter(|region| !known.contains(&region.get_ref().as_str())) {
        found.wrong_word(region, &format!("a target for the unknown region \"{}\"", region.get_ref()), &known);
    }
    let mut targets: Vec<(String, IpAddr)> = Vec::new();
    for region in regions {
        let Some(target) = written.targets.get(region.as_str()) else {
            let message = format!("no target for region \"{region}\": what should the name point to there?");
            found.wrong(written.name.span(), message);
            continue;
        };
        match target.get_ref().parse::<IpAddr>() {
            Err(_) if syntax::host_name(target.get_ref()).is_some_and(|name| name.contains('.')) => {
                found.wrong(target.span(), "a name as target (CNAME) is not supported yet; give the address");
            }
            Err(_) => found.wrong(target.span(), format!("{:?} is no IP address", target.get_ref())),
            Ok(address) if targets.iter().any(|(_, other)| *other == address) => {
                found.wrong(target.span(), "both regions have the same target: switching would change nothing");
            }
            Ok(address) => targets.push((region.clone(), address)),
        }
    }
    targets
}

fn provider(written: &file::Dns, has_zone: bool, found: &mut Findings<'_>) -> DnsProvider {
    let Some(word) = &written.provider else {
        unused(written, "none", found);
        return DnsProvider::None;
    };
    match word.get_ref().as_str() {
        "none" => {
            unused(written, "none", found);
            DnsProvider::None
        }
        "rfc2136" => rfc2136(word, written, has_zone, found).unwrap_or(DnsProvider::None),
        "command" => match &written.command {
            Some(command) if command.get_ref().first().is_some_and(|program| !program.is_empty()) => {
                found.unused(
                    word.span(),
                    "provider \"command\"",
                    "the program is never run, and the name is switched by hand",
                );
                DnsProvider::Command(command.get_ref().clone())
            }
            _ => {
                found.wrong(word.span(), "provider = \"command\" needs command = [\"program\", \"argument\"]");
                DnsProvider::None
            }
        },
        later @ ("route53" | "clouddns") => {
            let message =
                format!("DNS provider {later} is not supported yet; use \"rfc2136\", \"command\" or \"none\"");
            found.wrong(word.span(), message);
            DnsProvider::None
        }
        _ => {
            found.wrong_word(word, "no known DNS provider", &["none", "rfc2136", "command", "route53", "clouddns"]);
            DnsProvider::None
        }
    }
}

/// Keys that only another provider reads: whoever wrote them expects an effect that will not come.
fn unused(written: &file::Dns, provider: &str, found: &mut Findings<'_>) {
    let keys = [
        ("server", &written.server),
        ("tsig_name", &written.tsig_name),
        ("tsig_secret_file", &written.tsig_secret_file),
        ("tsig_algorithm", &written.tsig_algorithm),
    ];
    for (key, text) in keys {
        if let Some(text) = text {
            found.doubtful(text.span(), format!("\"{key}\" has no effect with provider \"{provider}\""));
        }
    }
    if let Some(command) = &written.command {
        found.doubtful(command.span(), format!("\"command\" has no effect with provider \"{provider}\""));
    }
}

fn rfc2136(word: &Text, written: &file::Dns, has_zone: bool, found: &mut Findings<'_>) -> Option<DnsProvider> {
    let Some(server) = &written.server else {
        found.wrong(word.span(), "provider = \"rfc2136\" needs server = \"host:port\", the zone's primary");
        return None;
    };
    let server = host_port(server, found);
    if !has_zone && written.zone.is_none() {
        found.wrong(word.span(), "provider = \"rfc2136\" needs zone, the zone that holds the name");
    }
    let tsig = tsig(word, written, found);
    Some(DnsProvider::Rfc2136 { server: server?, tsig })
}

fn tsig(word: &Text, written: &file::Dns, found: &mut Findings<'_>) -> Option<TsigSettings> {
    let algorithm = written.tsig_algorithm.as_ref().map_or_else(TsigAlgorithm::default, |text| algorithm(text, found));
    match (&written.tsig_name, &written.tsig_secret_file) {
        (Some(name), Some(file)) => {
            let secret_file = found.path(file);
            Some(TsigSettings { name: host(name, found)?, algorithm, secret_file })
        }
        (Some(one), None) => {
            found.wrong(one.span(), "tsig_name needs tsig_secret_file too");
            None
        }
        (None, Some(one)) => {
            found.wrong(one.span(), "tsig_secret_file needs tsig_name too");
            None
        }
        (None, None) => {
            let place: &Spanned<String> = word;
            found.doubtful(
                place.span(),
                "no TSIG key: an update is never sent unsigned, so the name is switched by hand",
            );
            None
        }
    }
}

fn algorithm(text: &Text, found: &mut Findings<'_>) -> TsigAlgorithm {
    let lower = text.get_ref().to_ascii_lowercase();
    if let Some(known) = TsigAlgorithm::ALL.into_iter().find(|known| known.word() == lower) {
        return known;
    }
    match lower.as_str() {
        weak @ ("hmac-md5" | "hmac-md5.sig-alg.reg.int" | "hmac-sha1") => {
            found.wrong(text.span(), format!("{weak} is too weak to sign with; use hmac-sha256"));
        }
        _ => found.wrong_word(text, "no known TSIG algorithm", &TsigAlgorithm::ALL.map(TsigAlgorithm::word)),
    }
    TsigAlgorithm::default()
}
