//! What stands around the servers during a case: lines that can be cut, name servers, a receiver, a configuration.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kube::config::Kubeconfig;
use leeward::sandbox::relay::Relay;
use leeward::sandbox::webhook::Webhook;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::named::{self, Named};
use crate::servers::Region;
use crate::variables::{Place, Variables};

pub const ENVIRONMENT: &str = "conformance";
pub const TARGETS: [&str; 2] = ["192.0.2.10", "198.51.100.10"];

/// A pair of regions with everything around it.
pub struct Bench {
    pub variables: Variables,
    pub a: Region,
    pub b: Region,
    pub webhook: Webhook,
    pub names: (Named, Named),
    /// Lines to region A: its API server, its database, its metrics.
    lines: Vec<Relay>,
    folder: TempDir,
    leeward: PathBuf,
}

/// What a call of leeward came to.
pub struct Told {
    pub code: i32,
    pub text: String,
}

impl Bench {
    pub async fn start(variables: Variables) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let program = variables.named.clone().or_else(named::program);
        let names = Named::pair(&program.expect("the conformance run needs BIND's named")).await;
        let webhook = Webhook::start().await.unwrap();
        let a = Region::connect(&variables, &variables.a).await;
        let b = Region::connect(&variables, &variables.b).await;
        fs::write(folder.path().join("tsig"), named::KEY).unwrap();
        let leeward =
            std::env::var_os("LEEWARD_BIN").map_or_else(|| env!("CARGO_BIN_EXE_leeward").into(), PathBuf::from);
        let mut bench = Bench { variables, a, b, webhook, names, lines: Vec::new(), folder, leeward };
        bench.configure().await;
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lines, kubeconfig and configuration. Everything of region A goes over a line.
    async fn configure(&mut self) {
        self.route_kubeconfig().await;
        let given = self.variables.a.clone();
        let a = Place {
            database: self.route_url(&given.database, 5432).await,
            operator: self.route_url(&given.operator, 5432).await,
            metrics: match given.metrics.as_str() {
                word @ ("auto" | "off") => word.to_owned(),
                url => self.route_url(url, if url.starts_with("https") { 443 } else { 80 }).await,
            },
            ..given.clone()
        };
        let b = self.variables.b.clone();
        self.write_config("leeward.toml", &a, &b);
        // The same with one thing swapped, for the case that must be refused.
        let (mut swapped_a, mut swapped_b) = (a.clone(), b.clone());
        std::mem::swap(&mut swapped_a.context, &mut swapped_b.context);
        self.write_config("contexts-swapped.toml", &swapped_a, &swapped_b);
        let (mut swapped_a, mut swapped_b) = (a, b);
        std::mem::swap(&mut swapped_a.database, &mut swapped_b.database);
        std::mem::swap(&mut swapped_a.operator, &mut swapped_b.operator);
        self.write_config("databases-swapped.toml", &swapped_a, &swapped_b);
    }

    /// A line to `host:port`, or the one there is.
    async fn line(&mut self, host: &str, port: u16) -> u16 {
        let target = tokio::net::lookup_host((host, port)).await.unwrap().next().unwrap();
        if let Some(line) = self.lines.iter().find(|line| line.target() == target) {
            return line.addr().port();
        }
        let line = Relay::start(target).await.unwrap();
        let port = line.addr().port();
        self.lines.push(line);
        port
    }

    async fn route_kubeconfig(&mut self) {
        let mut file = Kubeconfig::read_from(&self.variables.kubeconfig).unwrap();
        let context = file.contexts.iter().find(|context| context.name == self.variables.a.context);
        let cluster = context.and_then(|named| named.context.as_ref()).map(|context| context.cluster.clone());
        let cluster = cluster.expect("A_CONTEXT is not in KUBECONFIG");
        let named = file.clusters.iter_mut().find(|named| named.name == cluster).unwrap();
        let entry = named.cluster.as_mut().unwrap();
        let url: http::Uri = entry.server.as_ref().unwrap().parse().unwrap();
        let host = url.host().unwrap().trim_matches(['[', ']']).to_owned();
        let port = self.line(&host, url.port_u16().unwrap_or(443)).await;
        entry.server = Some(format!("https://127.0.0.1:{port}{}", url.path().trim_end_matches('/')));
        // The certificate is still the server's own, and is still compared with its name.
        entry.tls_server_name.get_or_insert(host);
        // JSON is YAML as well.
        fs::write(self.path("kubeconfig"), serde_json::to_string_pretty(&file).unwrap()).unwrap();
    }

    /// The URL with its host and port replaced by a line to them.
    async fn route_url(&mut self, url: &str, default_port: u16) -> String {
        let (scheme, rest) = url.split_once("://").expect("a URL has a scheme");
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (login, place) = authority.rsplit_once('@').map_or(("", authority), |(login, place)| (login, place));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().expect("a port is a number")),
            _ => (place, default_port),
        };
        let port = self.line(host.trim_matches(['[', ']']), port).await;
        let at = if login.is_empty() { "" } else { "@" };
        format!("{scheme}://{login}{at}127.0.0.1:{port}{tail}")
    }

    fn write_config(&self, name: &str, a: &Place, b: &Place) {
        let mut text = format!("schema = 1\nenvironment = \"{ENVIRONMENT}\"\n");
        for place in [a, b] {
            let (region, namespace) = (&place.name, &self.variables.controller_namespace);
            let _ = writeln!(
                text,
                "[regions.{region}]\ncontext = {:?}\nkubeconfig = {:?}\n\
                 controller = {{ namespace = {namespace:?}, metrics = {:?} }}\n\
                 [regions.{region}.database]\nurl = {:?}\noperator = {{ url = {:?} }}",
                place.context,
                self.path("kubeconfig").display().to_string(),
                place.metrics,
                place.database,
                place.operator,
            );
        }
        let (first, second) = (self.names.0.addr, self.names.1.addr);
        let _ = writeln!(
            text,
            "[dns]\nname = \"{}\"\nzone = \"{}\"\nprovider = \"rfc2136\"\nserver = \"{first}\"\nttl = \"20s\"\n\
             servers = [\"{first}\", \"{second}\"]\ntsig_name = \"leeward-key\"\ntsig_secret_file = {:?}\n\
             targets = {{ {} = \"{}\", {} = \"{}\" }}",
            named::NAME,
            named::ZONE,
            self.path("tsig").display().to_string(),
            a.name,
            TARGETS[0],
            b.name,
            TARGETS[1],
        );
        let canary = &self.variables.canary;
        let _ = writeln!(text, "[canary]\nnamespace = {:?}", canary.namespace);
        let parts =
            [("template", &canary.template), ("image", &canary.image), ("service_account", &canary.service_account)];
        for (key, value) in parts {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {value:?}");
            }
        }
        if !canary.command.is_empty() {
            let _ = writeln!(text, "command = {:?}", canary.command);
        }
        let _ = writeln!(
            text,
            "[notify]\nwebhook = {{ name = \"receiver\", url = \"{}\" }}\n[approval]\nbreak_glass = true\n\
             [state]\ndir = {:?}",
            self.webhook.url("/hook"),
            self.path("state").display().to_string(),
        );
        fs::write(self.path(name), text).unwrap();
    }

    /// Cuts every line to region A: connections are closed, new ones refused.
    pub fn cut(&self) {
        self.lines.iter().for_each(Relay::cut);
    }

    /// Every line to region A is half-open: nothing is closed and nothing passes.
    pub fn freeze(&self) {
        self.lines.iter().for_each(Relay::freeze);
    }

    pub fn mend(&self) {
        self.lines.iter().for_each(Relay::mend);
    }

    /// Writes a file of consents and gives its name.
    pub fn consents(&self, playbook: &str, steps: &[&str], overrides: &[&str]) -> String {
        let mut text = format!("schema = 1\nplaybook = {playbook:?}\n");
        for step in steps {
            let _ = writeln!(text, "[[consent]]\nstep = {step:?}");
            if *step == "promote" {
                let _ = writeln!(text, "region = {:?}", self.b.name);
            }
        }
        for gate in overrides {
            let reason = "power cut confirmed by the data centre on the phone";
            let _ = writeln!(text, "[[override]]\ngate = {gate:?}\nreason = {reason:?}\nbreak_glass = true");
        }
        fs::write(self.path("consents.toml"), text).unwrap();
        "consents.toml".to_owned()
    }

    fn command(&self, config: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.leeward);
        command.args(args).current_dir(self.folder.path()).env("LEEWARD_CONFIG", self.path(config));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs leeward and prints command, output and exit code.
    pub async fn leeward(&self, args: &[&str]) -> Told {
        self.leeward_with("leeward.toml", args).await
    }

    pub async fn leeward_with(&self, config: &str, args: &[&str]) -> Told {
        let told = self.quietly(config, args).await;
        let named = if config == "leeward.toml" { String::new() } else { format!("LEEWARD_CONFIG={config} ") };
        println!("  $ {named}leeward {}", args.join(" "));
        for line in told.text.lines() {
            println!("  | {line}");
        }
        println!("  exit code {}", told.code);
        told
    }

    pub async fn quietly(&self, config: &str, args: &[&str]) -> Told {
        let output = self.command(config, args).output().await.unwrap();
        let mut text = String::from_utf8(output.stdout).unwrap();
        text.push_str(&String::from_utf8(output.stderr).unwrap());
        // The case's own folder is nobody's business.
        let text = text.replace(&self.folder.path().display().to_string(), "…");
        Told { code: output.status.code().unwrap_or(-1), text }
    }

    /// The document of `status -o json`.
    pub async fn status(&self) -> (i32, Value) {
        self.status_with("leeward.toml").await
    }

    pub async fn status_with(&self, config: &str) -> (i32, Value) {
        let told = self.quietly(config, &["status", "-o", "json"]).await;
        let end = told.text.rfind('}').map_or(0, |at| at + 1);
        let document = serde_json::from_str(&told.text[..end]);
        (told.code, document.unwrap_or_else(|error| panic!("{error}: {}", told.text)))
    }

    /// Starts leeward with its output in a file that nobody shows.
    pub fn spawn(&self, args: &[&str]) -> Child {
        let out = fs::File::options().create(true).append(true).open(self.path("output")).unwrap();
        let copy = out.try_clone().unwrap();
        self.command("leeward.toml", args).stdout(out).stderr(copy).spawn().unwrap()
    }

    pub fn runs_folder(&self) -> PathBuf {
        self.path("state").join(ENVIRONMENT).join("runs")
    }

    /// Stops region A: its API server and its database.
    pub fn region_down(&self) {
        shell("REGION_DOWN", &self.variables.region_down);
    }

    pub fn region_up(&self) {
        shell("REGION_UP", &self.variables.region_up);
    }
}

/// A command of the file of variables.
pub fn shell(name: &str, command: &str) {
    println!("  ({name})");
    let output = std::process::Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ended with {}: {said}", output.status);
}

/// Lines of a journal.
pub fn journal(folder: &Path, run: &str) -> Vec<Value> {
    let Ok(text) = fs::read_to_string(folder.join(format!("{run}.jsonl"))) else { return Vec::new() };
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].clone()).collect()
}

/// The newest run by the time of its first record.
pub fn newest_run(folder: &Path) -> Option<String> {
    let names = fs::read_dir(folder).ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        Some(name.strip_suffix(".jsonl")?.to_owned())
    });
    let begun = names
        .filter_map(|run| Some((journal(folder, &run).first()?["at"].as_str()?.parse::<jiff::Timestamp>().ok()?, run)));
    begun.max().map(|(_, run)| run)
}

/// Asks until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) {
    let asked = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let asked = tokio::time::timeout(limit, asked).await;
    assert!(asked.is_ok(), "not within {} s: {what}", limit.as_secs());
}
