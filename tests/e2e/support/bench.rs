//! A sandbox in this process, whose servers can be asked what they got, and the program driven against it from outside.

use super::program::{Program, Told, leeward};
use super::{Turn, turn, until};
use leeward::domain::region::Side;
use leeward::sandbox::fault::FaultKind;
use leeward::sandbox::kube::Kind;
use leeward::sandbox::postgres;
use leeward::sandbox::{Sandbox, SandboxOptions};
use serde_json::Value;
use sqlx::Connection;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub const A: &str = "us-central1";
pub const B: &str = "us-east1";

/// Every step of the failover that asks for a consent.
pub const CONSENTS: [&str; 8] = [
    "declare",
    "suspend-crons",
    "fence-controllers",
    "fence-database",
    "promote",
    "start-controllers",
    "switch-dns",
    "activate-crons",
];

/// A sandbox, and who has the turn.
pub struct Bench {
    /// None only while it is dropped.
    sandbox: Option<Sandbox>,
    pub runtime: Runtime,
    pub home: TempDir,
    _turn: Turn,
}

/// What a database says of itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Standing {
    pub in_recovery: bool,
    /// Of a primary: by the name of the file that it writes.
    pub timeline: Option<String>,
    pub read_only: bool,
}

impl Bench {
    pub fn start() -> Bench {
        let turn = turn();
        // Both TLS providers are linked; rustls would panic at its first use with none installed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let sandbox = runtime.block_on(Sandbox::start(SandboxOptions { postgres_bindir: None, runs: 8 })).unwrap();
        Bench { sandbox: Some(sandbox), runtime, home: tempfile::tempdir().unwrap(), _turn: turn }
    }

    pub fn sandbox(&self) -> &Sandbox {
        self.sandbox.as_ref().unwrap()
    }

    pub fn config(&self) -> PathBuf {
        self.sandbox().folder().join("config.toml")
    }

    pub fn fault(&self, side: Side, kind: FaultKind) {
        self.runtime.block_on(self.sandbox().fault(side, kind)).unwrap();
    }

    /// The arguments with this sandbox's configuration before them.
    fn args<'a>(config: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        [&["--config", config], args].concat()
    }

    #[track_caller]
    pub fn leeward(&self, args: &[&str]) -> Told {
        leeward(self.home.path(), &Bench::args(&self.config().display().to_string(), args))
    }

    pub fn spawn(&self, args: &[&str]) -> Program {
        Program::start(self.home.path(), &Bench::args(&self.config().display().to_string(), args))
    }

    /// The same by another person.
    pub fn spawn_as(&self, user: &str, args: &[&str]) -> Program {
        Program::start_as(user, self.home.path(), &Bench::args(&self.config().display().to_string(), args))
    }

    /// Writes a file of consents and gives its name.
    pub fn consents(&self, steps: &[&str], overrides: &[&str]) -> &'static str {
        let mut text = "schema = 1\nplaybook = \"failover\"\n".to_owned();
        for step in steps {
            let region = if *step == "promote" { format!("region = {B:?}\n") } else { String::new() };
            let _ = write!(text, "[[consent]]\nstep = {step:?}\n{region}");
        }
        for gate in overrides {
            let _ = write!(
                text,
                "[[override]]\ngate = {gate:?}\nreason = \"the data centre confirmed the power cut\"\nbreak_glass = true\n"
            );
        }
        std::fs::write(self.home.path().join("consents.toml"), text).unwrap();
        "consents.toml"
    }

    /// Waits until `status` reads READY: every source has told what it knows, and it is noted.
    pub fn ready(&self) {
        until("READY", || (self.leeward(&["status"]).code == Some(0)).then_some(()));
    }

    pub fn runs(&self) -> PathBuf {
        self.sandbox().folder().join("state/sandbox/runs")
    }

    /// The only run there is.
    pub fn run(&self) -> Option<String> {
        let names = std::fs::read_dir(self.runs()).ok()?.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".jsonl").map(str::to_owned)
        });
        let runs: Vec<String> = names.collect();
        assert!(runs.len() < 2, "{runs:?}");
        runs.into_iter().next()
    }

    /// Whole lines of its journal.
    pub fn journal(&self) -> Vec<Value> {
        let Some(run) = self.run() else { return Vec::new() };
        let text = std::fs::read_to_string(self.runs().join(format!("{run}.jsonl"))).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["record"]["event"].clone()).collect()
    }

    /// Whether the journal has a record of this kind for this step.
    pub fn has_record(&self, event: &str, step: &str) -> bool {
        self.journal().iter().any(|record| record["event"] == event && record["step"] == step)
    }

    /// Every effect that a server took, by the journal.
    pub fn taken(&self) -> Vec<Value> {
        let (mut effects, mut taken) = (Vec::new(), Vec::new());
        for record in self.journal() {
            match record["event"].as_str() {
                Some("step-started") => effects = record["effects"].as_array().cloned().unwrap_or_default(),
                Some("effect-ended") if record["outcome"]["outcome"] == "done" => {
                    let index = usize::try_from(record["index"].as_u64().unwrap()).unwrap();
                    let effect: &Value = &effects[index];
                    taken.push(effect.clone());
                }
                _ => {}
            }
        }
        taken
    }

    fn objects(&self, side: Side, kind: Kind) -> Vec<Value> {
        self.sandbox().api(side).store().list(kind, None).items.iter().map(|object| object.value()).collect()
    }

    /// Whether each cron is suspended.
    pub fn crons(&self, side: Side) -> BTreeMap<String, bool> {
        let crons = self.objects(side, Kind::CronWorkflow).into_iter().map(|cron| {
            let name = cron["metadata"]["name"].as_str().unwrap().to_owned();
            (name, cron["spec"]["suspend"].as_bool().unwrap_or(false))
        });
        crons.collect()
    }

    /// Replicas that the workflow controllers are to have.
    pub fn replicas(&self, side: Side) -> u64 {
        let deployments = self.objects(side, Kind::Deployment);
        let controller = deployments.iter().find(|of| of["metadata"]["name"] == "workflow-controller").unwrap();
        controller["spec"]["replicas"].as_u64().unwrap()
    }

    /// Who holds a Lease of the controllers' namespace.
    pub fn holder(&self, side: Side, lease: &str) -> Option<String> {
        let leases = self.objects(side, Kind::Lease);
        let lease = leases.iter().find(|of| of["metadata"]["name"] == lease)?;
        lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty()).map(str::to_owned)
    }

    /// Names and phases of the workflows that a run has made.
    pub fn made_by(&self, run: &str) -> Vec<(String, String)> {
        let made = self
            .objects(Side::B, Kind::Workflow)
            .into_iter()
            .filter(|workflow| workflow["metadata"]["labels"]["leeward.dev/run"] == run);
        let row = |workflow: Value| {
            let text = |pointer: &str| workflow.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            (text("/metadata/uid"), text("/status/phase"))
        };
        made.map(row).collect()
    }

    /// Requests that change something, by region, verb and resource; those of the lock apart, which is renewed.
    pub fn writes(&self) -> BTreeMap<String, u64> {
        let sides = [(Side::A, A), (Side::B, B)];
        let all = sides.into_iter().flat_map(|(side, name)| {
            let requests = self.sandbox().api(side).requests().into_iter();
            requests.map(move |((verb, resource), count)| (format!("{name} {verb} {resource}"), count, verb, resource))
        });
        let changes = all.filter(|(_, _, verb, resource)| {
            // Access reviews are questions in the form of a create.
            !matches!(verb.as_str(), "get" | "list" | "watch") && !resource.contains("review") && resource != "leases"
        });
        changes.map(|(what, count, _, _)| (what, count)).collect()
    }

    /// One text of a database, asked past leeward and past its lines.
    pub fn sql(&self, side: postgres::Side, expression: &str) -> String {
        self.runtime.block_on(async {
            let mut session = self.sandbox().databases().connect(side, postgres::Role::Monitor).await.unwrap();
            let sql = sqlx::AssertSqlSafe(format!("SELECT ({expression})::text"));
            let text: Option<String> = sqlx::query_scalar(sql).fetch_one(&mut session).await.unwrap();
            session.close().await.unwrap();
            text.unwrap_or_default()
        })
    }

    pub fn standing(&self, side: postgres::Side) -> Standing {
        let in_recovery = self.sql(side, "pg_is_in_recovery()") == "true";
        let file = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
        Standing {
            in_recovery,
            timeline: (!in_recovery).then(|| self.sql(side, file)),
            read_only: self.sql(side, "current_setting('default_transaction_read_only')") == "on",
        }
    }

    /// Everything that has to be so in B, and around it, after a failover that is DONE.
    #[track_caller]
    pub fn failed_over(&self, run: &str) {
        let sandbox = self.sandbox();
        let primary = Standing { in_recovery: false, timeline: Some("00000002".to_owned()), read_only: false };
        assert_eq!(self.standing(postgres::Side::B), primary, "promoted, and once");
        assert_eq!(self.replicas(Side::B), 1);
        let leader = self.holder(Side::B, "workflow-controller").expect("a controller leads");
        assert!(leader.starts_with("workflow-controller-"), "{leader}");
        let canaries = self.made_by(run);
        let [(uid, phase)] = canaries.as_slice() else { panic!("one canary, not {canaries:?}") };
        assert_eq!(phase, "Succeeded");
        let row = format!("EXISTS (SELECT 1 FROM argo_archived_workflows WHERE uid = '{uid}')");
        assert_eq!(self.sql(postgres::Side::B, &row), "true", "the canary's row is in the archive of B");
        let target: IpAddr = "198.51.100.10".parse().unwrap();
        for server in 0..sandbox.dns().addrs().len() {
            assert_eq!(sandbox.dns().shown(server), [target], "name server {server}");
        }
        assert_eq!(sandbox.dns().updates(), 1, "the zone was changed once");
        let crons = self.crons(Side::B);
        let active: Vec<&String> = crons.iter().filter(|(_, off)| !**off).map(|(name, _)| name).collect();
        assert_eq!(active, ["heartbeat"], "exactly those that were active in A: {crons:?}");
        assert_eq!(sandbox.webhook().count(), 1, "told once");
        let event = sandbox.webhook().received()[0].json().unwrap();
        assert_eq!(event["data"]["details"]["run"], run);
        for side in Side::BOTH {
            assert_eq!(self.holder(side, "leeward-sandbox"), None, "the lock is given up");
        }
        self.leeward(&["journal", "verify", run]).ended(0).says("whole");
        let mut effects = self.taken();
        effects.retain(|effect| effect["do"] != "take-lock" && effect["do"] != "release-lock");
        let all = effects.len();
        effects.sort_by_key(ToString::to_string);
        effects.dedup();
        assert_eq!(effects.len(), all, "an effect was taken twice");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let folder = self.sandbox().folder().to_owned();
        let processes = self.sandbox().databases().processes();
        // Its tasks need the runtime while it ends.
        let _entered = self.runtime.enter();
        drop(self.sandbox.take());
        if !std::thread::panicking() {
            assert!(!folder.exists(), "the sandbox's folder is left");
            assert!(!processes.iter().any(leeward::sandbox::reaper::Process::alive), "a database server is left");
        }
    }
}
