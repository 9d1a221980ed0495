//! The two regions: their names, contexts, servers and databases, and that they are two and not one twice. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use reqwest::Url;
use toml::Spanned;

use super::{Findings, syntax};
use crate::domain::secret::Secret;
use crate::settings::file::{self, Text};
use crate::settings::types::{DatabaseSettings, Login, MetricsSource, PasswordSource, RegionSettings};

/// libpq's words, all of which sqlx understands.
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// A region and what its comparison with the other one needs.
struct Checked {
    settings: RegionSettings,
    context: Range<usize>,
    server: Option<Server>,
    operator: Option<Server>,
}

/// Which database a URL means.
struct Server {
    span: Range<usize>,
    host: String,
    port: u16,
    database: String,
}

pub(super) fn regions(
    written: Spanned<BTreeMap<Text, file::Region>>,
    found: &mut Findings<'_>,
) -> Option<[RegionSettings; 2]> {
    let place = written.span();
    let mut list: Vec<(Text, file::Region)> = written.into_inner().into_iter().collect();
    list.sort_by_key(|(name, _)| name.span().start);
    count(place, &list, found);
    let mut checked: Vec<Checked> =
        list.into_iter().map(|(name, region)| region_settings(&name, region, found)).collect();
    let second = checked.pop()?;
    let first = checked.pop()?;
    compare(&first, &second, found);
    checked.is_empty().then_some([first.settings, second.settings])
}

/// Exactly two; says which one is too many.
fn count(place: Range<usize>, list: &[(Text, file::Region)], found: &mut Findings<'_>) {
    let names: Vec<&str> = list.iter().map(|(name, _)| name.get_ref().as_str()).collect();
    match names.as_slice() {
        [] => found.wrong(place, "no region; exactly two are needed: [regions.NAME] for each"),
        [only] => found.wrong(place, format!("only one region, \"{only}\"; exactly two are needed")),
        [_, _] => {}
        [first, second, ..] => {
            for (name, _) in list.iter().skip(2) {
                let message = format!(
                    "\"{}\" is one region too many; exactly two are possible, and \"{first}\" and \"{second}\" stand before it",
                    name.get_ref()
                );
                let mut problem = found.around.sources.problem(name.span(), message);
                if found.around.sources.is_override(&name.span()) {
                    problem = problem.about(name.get_ref()).among([*first, *second]);
                }
                found.problems.push(problem);
            }
        }
    }
}

fn region_settings(name: &Text, region: file::Region, found: &mut Findings<'_>) -> Checked {
    let settings_name = found.name(name, "region");
    if region.context.get_ref().trim().is_empty() {
        found.wrong(region.context.span(), "an empty context");
    }
    let kubeconfig = region.kubeconfig.as_ref().map(|path| found.path(path));
    let namespaces = region.namespaces.iter().map(|ns| found.kubernetes_name(ns, "namespace", false)).collect();
    let controller_namespace = match &region.controller.namespace {
        Some(namespace) => found.kubernetes_name(namespace, "namespace", false),
        None => "argo".to_owned(),
    };
    let controller_replicas = region.controller.replicas.map_or(1, |count| {
        if !(1..=100).contains(count.get_ref()) {
            found.wrong(count.span(), "must be between 1 and 100");
        }
        count.into_inner()
    });
    let metrics = region.controller.metrics.map_or(MetricsSource::Auto, |metrics| metrics_source(&metrics, found));
    let checkpoints = match region.checkpoints {
        Some(checkpoints) => {
            found.unused(checkpoints.url.span(), "checkpoints", "the store is not looked at");
            checkpoints_url(&checkpoints.url, found)
        }
        None => None,
    };
    let (database, server, operator) = database(name.get_ref(), region.database, found);
    Checked {
        context: region.context.span(),
        settings: RegionSettings {
            name: settings_name,
            context: region.context.into_inner(),
            kubeconfig,
            namespaces,
            controller_namespace,
            controller_replicas,
            metrics,
            checkpoints,
            database,
        },
        server,
        operator,
    }
}

fn metrics_source(text: &Text, found: &mut Findings<'_>) -> MetricsSource {
    let written = text.get_ref();
    if written == "auto" {
        return MetricsSource::Auto;
    }
    if written == "off" {
        return MetricsSource::Off;
    }
    if !written.contains(':') {
        found.wrong_word(text, "metrics must be \"auto\", \"off\" or an http or https URL", &["auto", "off"]);
    } else if let Err(why) = syntax::http_url(written) {
        found.wrong(text.span(), format!("metrics must be \"auto\", \"off\" or an http or https URL; this is {why}"));
    }
    MetricsSource::Url(written.clone())
}

fn checkpoints_url(text: &Text, found: &mut Findings<'_>) -> Option<String> {
    let url = match Url::parse(text.get_ref()) {
        Ok(url) => url,
        Err(error) => {
            found.wrong(text.span(), format!("not a URL: {error}; write it like s3://bucket/prefix"));
            return None;
        }
    };
    match url.scheme() {
        "s3" | "gs" | "az" if url.host_str().is_none_or(str::is_empty) => {
            found.wrong(text.span(), format!("no bucket; write it like {}://bucket/prefix", url.scheme()));
        }
        "file" if url.host_str().is_some_and(|host| !host.is_empty()) || url.path().len() < 2 => {
            found.wrong(text.span(), "a file URL needs three slashes and an absolute path: file:///data/checkpoints");
        }
        "s3" | "gs" | "az" | "file" => {}
        scheme => {
            let scheme = Spanned::new(text.span(), scheme.to_owned());
            found.wrong_word(
                &scheme,
                &format!("no known checkpoint store \"{}://\"", scheme.get_ref()),
                &["s3", "gs", "az", "file"],
            );
        }
    }
    if url.password().is_some() {
        found.wrong(
            text.span(),
            "credentials do not belong in this URL; they are found as the cloud's own tools find them",
        );
    }
    Some(text.get_ref().clone())
}

fn database(
    region: &str,
    written: Spanned<file::Database>,
    found: &mut Findings<'_>,
) -> (DatabaseSettings, Option<Server>, Option<Server>) {
    let place = written.span();
    let database = written.into_inner();
    let (login, server) = login(&database.url, database.password_file.as_ref(), found);
    let mut operator = None;
    let mut operator_server = None;
    match &database.operator {
        Some(written) => {
            let (login, server) = self::login(&written.url, written.password_file.as_ref(), found);
            operator = Some(login);
            operator_server = server;
        }
        None => found.doubtful(
            place,
            format!("no operator login for the database of {region}: it can't be fenced or promoted from here"),
        ),
    }
    promote(database.promote.as_ref(), found);
    (DatabaseSettings { login, operator }, server, operator_server)
}

fn promote(word: Option<&Text>, found: &mut Findings<'_>) {
    let Some(word) = word else { return };
    match word.get_ref().as_str() {
        "pg_promote" => {}
        later @ ("patroni" | "cloudnativepg" | "command") => {
            found.wrong(word.span(), format!("promotion by {later} is not supported yet; \"pg_promote\" is"));
        }
        _ => {
            found.wrong_word(word, "no known way of promotion", &["pg_promote", "patroni", "cloudnativepg", "command"])
        }
    }
}

/// The login without its password, and which server it means.
fn login(text: &Text, file: Option<&Text>, found: &mut Findings<'_>) -> (Login, Option<Server>) {
    let from_file = file.map(|path| PasswordSource::File(found.path(path))).unwrap_or(PasswordSource::None);
    let empty = Login { url: String::new(), password: from_file.clone() };
    let mut url = match Url::parse(text.get_ref()) {
        Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => url,
        Ok(url) => {
            let message = format!("a database URL begins with postgres://, not with {}:", url.scheme());
            found.wrong(text.span(), message);
            return (empty, None);
        }
        Err(error) => {
            found.wrong(text.span(), format!("not a URL: {error}; write it like postgres://user@host/database"));
            return (empty, None);
        }
    };
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let asked = |name: &str| pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let inline = url.password().map(syntax::percent_decoded).or_else(|| asked("password"));
    // Only fails for a URL without a host, which then has no password in this place either.
    let _ = url.set_password(None);
    if asked("password").is_some() {
        let kept: Vec<_> = pairs.iter().filter(|(key, _)| key != "password").collect();
        url.query_pairs_mut().clear().extend_pairs(kept);
        if url.query() == Some("") {
            url.set_query(None);
        }
    }
    if inline.is_some() && file.is_some() {
        found.wrong(text.span(), "a password in the URL and a password_file too; leave one of them out");
    }
    let host = asked("host")
        .or_else(|| asked("hostaddr"))
        .or_else(|| url.host_str().map(syntax::percent_decoded))
        .unwrap_or_default();
    ssl_mode(text, asked("sslmode").as_deref(), &host, found);
    let database = asked("dbname").unwrap_or_else(|| syntax::percent_decoded(url.path().trim_start_matches('/')));
    if database.is_empty() {
        found.wrong(text.span(), "no database in the URL; write it like postgres://user@host/database");
    }
    if url.username().is_empty() && asked("user").is_none() {
        found.wrong(text.span(), "no user in the URL; write it like postgres://user@host/database");
    }
    let port = asked("port").and_then(|port| port.parse().ok()).or(url.port()).unwrap_or(5432);
    let server = Server { span: text.span(), host: host.to_lowercase(), port, database };
    let password = match inline {
        Some(password) => PasswordSource::Inline(Secret::new(password)),
        None => from_file,
    };
    (Login { url: url.into(), password }, Some(server))
}

fn ssl_mode(text: &Text, mode: Option<&str>, host: &str, found: &mut Findings<'_>) {
    match mode {
        Some(mode) if !SSL_MODES.contains(&mode) => {
            let word = Spanned::new(text.span(), mode.to_owned());
            found.wrong_word(&word, &format!("no known sslmode \"{mode}\""), &SSL_MODES);
        }
        Some("verify-full") => {}
        _ if syntax::is_loopback(host) => {}
        _ => {
            let mode = mode.unwrap_or("prefer, libpq's own");
            found
                .doubtful(text.span(), format!("sslmode {mode}: the server does not prove its name; verify-full does"));
        }
    }
}

/// That the two regions are two.
fn compare(first: &Checked, second: &Checked, found: &mut Findings<'_>) {
    let (a, b) = (&first.settings, &second.settings);
    if a.context == b.context && a.kubeconfig == b.kubeconfig {
        found.wrong(
            second.context.clone(),
            format!("{} and {} have the same context \"{}\": they would be one cluster", a.name, b.name, b.context),
        );
    }
    let same = |x: &Server, y: &Server| x.host == y.host && x.port == y.port && x.database == y.database;
    if let (Some(x), Some(y)) = (&first.server, &second.server)
        && same(x, y)
    {
        let message = format!("{} and {} have the same database: a server is not its own replica", a.name, b.name);
        found.wrong(y.span.clone(), message);
        return;
    }
    for (own, other) in [(first, second), (second, first)] {
        let (Some(operator), Some(server)) = (&own.operator, &own.server) else { continue };
        let (mine, theirs) = (&own.settings.name, &other.settings.name);
        if other.server.as_ref().is_some_and(|server| same(operator, server)) {
            found.wrong(
                operator.span.clone(),
                format!("the operator login of {mine} names the database of {theirs}: a promotion would hit the wrong server"),
            );
        } else if !same(operator, server) {
            let message =
                format!("the operator login of {mine} names another server or database than its watching login");
            found.doubtful(operator.span.clone(), message);
        }
    }
    if let (Some(x), Some(y)) = (&first.settings.checkpoints, &second.settings.checkpoints)
        && x == y
    {
        let message = format!("{} and {} have the same checkpoint store: nothing is compared", a.name, b.name);
        found.doubtful(second.context.clone(), message);
    }
}
