//! States for tests, made from observations as the adapters would send them: a pair that is well, the same pair forty
//! seconds into an outage, and a run at the step that can't be undone.

#![allow(missing_docs)]

use super::event::{Event, RunNews};
use super::key::{Key, parse_chord};
use super::keymap::Keymap;
use super::layout::Size;
use super::state::{Access, Setup, State};
use super::{Command, update};
use crate::domain::Timestamp;
use crate::domain::cron::{CronRow, TemplateRow};
use crate::domain::database::*;
use crate::domain::dns::{DnsAnswer, DnsSample, ServerKind};
use crate::domain::effect::{Effect, EffectHash, Outcome};
use crate::domain::endpoints::Intervals;
use crate::domain::fleet::Fleet;
use crate::domain::freshness::{ErrorKind, Source, SourceError};
use crate::domain::kubernetes::*;
use crate::domain::metrics::MetricsSample;
use crate::domain::observation::{Change, Fact, Observation, Watched};
use crate::domain::policy::{CanaryPolicy, DnsPolicy, Policy, RegionPolicy};
use crate::domain::region::{Direction, PerSide, Side};
use crate::domain::units::{Bytes, Lsn, SystemId, Timeline};
use crate::domain::workflow::*;
use crate::gates;
use crate::playbook::consent::{Consent, Override, Tier};
use crate::playbook::propose::{Next, facts, propose};
use crate::playbook::record::{Before, Declared, End, Event as Line, Note, Record, RunId, StepStarted};
use crate::playbook::run::Run;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Terminals of the snapshots.
pub const SMALL: Size = Size { columns: 80, rows: 24 };
pub const WIDE: Size = Size { columns: 140, rows: 40 };
pub const HUGE: Size = Size { columns: 200, rows: 60 };

/// Seconds after two in the afternoon of the day of the tests.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_528_800 + seconds).unwrap()
}

pub fn policy() -> Policy {
    let region = |name: &str| RegionPolicy {
        name: name.into(),
        controller_namespace: "argo".into(),
        controller_replicas: 1,
        operator_configured: true,
    };
    Policy {
        environment: "prod".into(),
        regions: PerSide::new(region("us-central1"), region("us-east1")),
        rto_target: Duration::from_secs(900),
        rpo_target: Duration::from_secs(60),
        loss_bytes_max: 1024 * 1024,
        anti_flap: Duration::from_secs(600),
        break_glass: false,
        simulated: false,
        dns: Some(DnsPolicy {
            name: "workflows.example.com".into(),
            can_switch: true,
            targets: PerSide::new(Some("192.0.2.10".parse().unwrap()), Some("198.51.100.10".parse().unwrap())),
            ttl: Duration::from_secs(60),
            server: "10.0.0.53:53".into(),
        }),
        canary: CanaryPolicy {
            namespace: "ml".into(),
            template: Some("dr-canary".into()),
            image: "busybox".into(),
            command: vec!["true".into()],
            service_account: None,
        },
        notify: vec!["pager".into()],
    }
}

/// A console that has seen nothing.
pub fn fresh_with(size: Size, access: Access, policy: Policy) -> State {
    let fleet = Fleet::new(Arc::new(policy), &Intervals::default(), at(0));
    let (keymap, _) = Keymap::load(&[]).unwrap();
    let playbooks = crate::playbook::builtin().unwrap();
    State::new(Setup { fleet, keymap, identity: "oncall@bastion1".into(), access, playbooks, size })
}

pub fn fresh(size: Size) -> State {
    fresh_with(size, Access::MayWrite, policy())
}

fn seen(state: &mut State, seconds: i64, all: Vec<(Source, Fact)>) {
    let at = at(seconds);
    let all = all.into_iter().map(|(source, fact)| Observation { source, at, fact }).collect();
    update(state, Event::Observed(all));
}

/// A pair that is well, watched for `seconds`; the first region is the primary.
pub fn healthy(size: Size) -> State {
    let mut state = fresh(size);
    live(&mut state, 0, 120, &Side::BOTH);
    state
}

/// Feeds what answering regions tell every two seconds.
pub fn live(state: &mut State, from: i64, to: i64, sides: &[Side]) {
    for second in (from..=to).step_by(2) {
        let mut all = Vec::new();
        for side in sides.iter().copied() {
            all.extend(kubernetes(side, second, second == from));
            all.extend(database(side, second, sides.len() == 2));
        }
        all.push((Source::Dns, Fact::Answered { latency: Duration::from_millis(9) }));
        all.push((Source::Dns, Fact::Dns(names())));
        seen(state, second, all);
    }
    update(state, Event::Tick(at(to + 1)));
    update(state, Event::Settled);
}

fn kubernetes(side: Side, second: i64, first: bool) -> Vec<(Source, Fact)> {
    let (api, metrics) = (Source::Kubernetes(side), Source::Metrics(side));
    let latency = Duration::from_millis(if side == Side::A { 38 } else { 71 } + (second as u64 * 7) % 5);
    let mut all = vec![(api, Fact::Answered { latency }), (api, Fact::Controllers(controllers(side, second)))];
    all.push((metrics, Fact::Answered { latency: Duration::from_millis(12) }));
    all.push((metrics, Fact::Metrics((side == Side::A).then(|| metrics_at(second)))));
    all.push((api, Fact::Lock(None)));
    if first {
        all.push((api, Fact::Scope(Vec::new())));
        all.push((
            api,
            Fact::Identity(ClusterIdentity {
                cluster_uid: format!("cluster-{side:?}"),
                version: "1.33.3".into(),
                user: Some("oncall".into()),
            }),
        ));
        let right = Right {
            verb: "patch".into(),
            resource: "deployments.apps/scale".into(),
            namespace: "argo".into(),
            allowed: true,
        };
        all.push((api, Fact::Rights(vec![right])));
        let node = |n: i32| (format!("node-{n}"), NodeRow { ready: true, cordoned: false, cpu_millis: 8000 });
        all.push((api, Fact::Nodes(Change::Reset((0..12).map(node).collect()))));
        all.push((api, Fact::Crons(Change::Reset((0..14).map(|n| cron(n, side == Side::B)).collect()))));
        let template = |n: usize| {
            let name = if n == 0 { "dr-canary".to_owned() } else { format!("template-{n}") };
            (ObjectKey::new("ml", name), TemplateRow { uid: format!("t{n}"), generation: 1 })
        };
        let count = if side == Side::A { 41 } else { 40 };
        all.push((api, Fact::Templates(Change::Reset((0..count).map(template).collect()))));
        all.push((api, Fact::Runs(Change::Reset(if side == Side::A { runs() } else { Vec::new() }))));
    }
    for kind in [Watched::Runs, Watched::Crons, Watched::Templates, Watched::Nodes] {
        all.push((api, Fact::WatchConfirmed(kind)));
    }
    all
}

fn cron(n: usize, suspended: bool) -> (ObjectKey, CronRow) {
    let row = CronRow {
        uid: format!("c{n}"),
        suspended,
        schedules: vec!["5 * * * *".into()],
        timezone: String::new(),
        last_scheduled: None,
        starting_deadline_seconds: None,
    };
    (ObjectKey::new("ml", format!("nightly-{n}")), row)
}

pub fn controllers(side: Side, second: i64) -> Controllers {
    let on = u32::from(side == Side::A);
    let name = "workflow-controller-7d9fb4c6d-x2kqp";
    let pod = ControllerPod {
        name: name.into(),
        ready: true,
        terminating: false,
        restarts: 0,
        waiting: None,
        last_end: None,
    };
    Controllers {
        deployments: vec![ControllerDeployment {
            key: ObjectKey::new("argo", "workflow-controller"),
            uid: format!("deployment-{side:?}"),
            wanted: on,
            ready: on,
            version: Some("3.7.4".into()),
        }],
        pods: if on == 1 { vec![pod] } else { Vec::new() },
        leader: (on == 1).then(|| LeaseRow {
            holder: Some(name.into()),
            duration_seconds: 15,
            renewed: None,
            seen_unchanged_since: at(second - 3),
            transitions: 1,
        }),
        argo_server: Some((2, 2)),
    }
}

fn metrics_at(second: i64) -> MetricsSample {
    let wave = f64::from(i32::try_from(second).unwrap() % 40);
    MetricsSample {
        is_leader: Some(true),
        runs_by_phase: BTreeMap::from([("Running".into(), 200.0 + wave), ("Pending".into(), 3.0)]),
        queue_depth: Some(wave / 8.0),
        workers_busy: Some(12.0),
        errors_total: Some(17.0),
        k8s_requests_total: Some(1000.0 + second as f64 * 31.0),
        version: Some("3.7.4".into()),
        ..MetricsSample::default()
    }
}

/// Runs of the primary: some at work, many finished.
pub fn runs() -> Vec<(ObjectKey, RunRow)> {
    let row = |phase, age: i64, message: &str| RunRow {
        uid: format!("uid-{age}"),
        phase,
        created: at(-age),
        message: message.into(),
        archiving: Archiving::None,
        template: "train".into(),
        cron: String::new(),
        detail: None,
    };
    let detail = |progress: &str, suspended| RunDetail {
        progress: progress.into(),
        started: Some(at(-600)),
        suspended,
        parameters: vec![("epochs".into(), "3".into())],
        template: "train".into(),
    };
    let mut rows = vec![
        (
            ObjectKey::new("ml", "train-llm-8k2"),
            RunRow { detail: Some(detail("14/22", false)), ..row(Phase::Running, 9_660, "") },
        ),
        (
            ObjectKey::new("ml", "nightly-etl-1764"),
            RunRow { detail: Some(detail("3/9", false)), ..row(Phase::Running, 660, "") },
        ),
        (
            ObjectKey::new("serving", "batch-score-x1f"),
            row(Phase::Pending, 40, "Waiting for serving/ConfigMap/gpu-pool lock. Lock status: 0/2"),
        ),
        (
            ObjectKey::new("ml", "approve-release-7"),
            RunRow { detail: Some(detail("2/5", true)), ..row(Phase::Running, 3_000, "") },
        ),
        (
            ObjectKey::new("ml", "embed-docs-77"),
            RunRow { detail: Some(detail("8/8", false)), ..row(Phase::Running, 180, "") },
        ),
    ];
    for n in 0..40 {
        let phase = if n % 13 == 3 { Phase::Failed } else { Phase::Succeeded };
        let message = if phase == Phase::Failed { "child 'main' failed: Error (exit code 137): OOMKilled" } else { "" };
        rows.push((ObjectKey::new("ml", format!("train-eval-{:03}", 771 - n)), row(phase, 4_000 + n * 321, message)));
    }
    rows
}

fn identity(side: Side) -> DatabaseIdentity {
    let address = if side == Side::A { "10.4.0.12" } else { "10.8.0.12" };
    DatabaseIdentity { system: SystemId(7_421_118_220_415_129_903), address: Some(address.into()), port: 5432 }
}

fn written(second: i64) -> Lsn {
    Lsn(0x5A0_0000 + u64::try_from(second).unwrap() * 5_381)
}

fn database(side: Side, second: i64, connected: bool) -> Vec<(Source, Fact)> {
    let source = Source::Database(side);
    let last = if connected { second } else { 120 };
    let received = Lsn(written(last).0 - if last % 14 == 0 { 90_000 } else { 9_000 });
    let state = if side == Side::A {
        let sender = Sender {
            application: "us-east1".into(),
            state: Some("streaming".into()),
            sync_state: Some("async".into()),
            sent: Some(written(second)),
            flushed: Some(received),
            replayed: Some(received),
        };
        let slot = Slot {
            name: "us_east1".into(),
            active: true,
            wal_status: Some("reserved".into()),
            retained: Some(Bytes(212_000)),
        };
        ServerState::Primary(PrimaryState {
            lsn: written(second),
            senders: vec![sender],
            slots: vec![slot],
            wal_sender_timeout: Duration::from_secs(60),
        })
    } else {
        let receiver = Receiver {
            status: Some("streaming".into()),
            timeline: Some(Timeline(3)),
            sender: Some("10.4.0.12:5432".into()),
            last_message: Some(at(last)),
        };
        ServerState::Replica(ReplicaState {
            received: Some(received),
            replayed: Some(received),
            last_transaction: Some(at(last)),
            replay_paused: false,
            receiver: connected.then_some(receiver),
            wal_receiver_timeout: Duration::from_secs(60),
        })
    };
    let sample = DatabaseSample {
        identity: identity(side),
        version: "15.18".into(),
        server_time: at(second),
        timeline: Timeline(3),
        read_only_default: false,
        synchronous_standby_names: String::new(),
        tls: true,
        state,
    };
    let rights = OperatorRights {
        user: "leeward_operator".into(),
        identity: identity(side),
        promote: true,
        fence: true,
        terminate: true,
    };
    let archive = ArchiveFacts {
        schema_version: Some(61),
        rows: Some(18_204),
        newest_finished: Some(at(-60)),
        newest: Vec::new(),
    };
    vec![
        (source, Fact::Answered { latency: Duration::from_millis(4) }),
        (source, Fact::Database(Box::new(sample))),
        (source, Fact::Archive(archive)),
        (source, Fact::Operator(Ok(rights))),
    ]
}

/// The replica listens elsewhere: a promotion would be sent to another place.
pub fn replica_moves(state: &mut State, second: i64) {
    let mut known = state.fleet.region(Side::B).database.clone().unwrap().value;
    known.identity.port = 5433;
    known.server_time = at(second);
    let source = Source::Database(Side::B);
    let answered = Fact::Answered { latency: Duration::from_millis(4) };
    seen(state, second, vec![(source, answered), (source, Fact::Database(Box::new(known)))]);
}

fn names() -> DnsSample {
    let answer = |server: &str, kind, ttl| DnsAnswer {
        server: server.into(),
        kind,
        result: Ok((vec!["192.0.2.10".parse().unwrap()], Duration::from_secs(ttl))),
        serial: (kind == ServerKind::Authoritative).then_some(2_026_112_401),
    };
    DnsSample {
        answers: vec![
            answer("10.0.0.53:53", ServerKind::Authoritative, 300),
            answer("10.0.1.53:53", ServerKind::Authoritative, 300),
            answer("1.1.1.1:53", ServerKind::Resolver, 212),
            DnsAnswer {
                server: "8.8.8.8:53".into(),
                kind: ServerKind::Resolver,
                result: Err("no answer in 3 s".into()),
                serial: None,
            },
        ],
    }
}

/// The first region stops answering at second 120; `silent` seconds later.
pub fn outage(size: Size, silent: i64) -> State {
    let mut state = healthy(size);
    out(&mut state, silent);
    state
}

fn out(state: &mut State, silent: i64) {
    for second in (122..=120 + silent).step_by(2) {
        let failed = |source, text: &str| {
            let error = SourceError::new(ErrorKind::Timeout, text);
            (source, Fact::Failed { began: at(second - 1), error })
        };
        seen(
            state,
            second,
            vec![
                failed(Source::Kubernetes(Side::A), "connect to 34.1.2.3:443: no answer in 3 s"),
                failed(Source::Database(Side::A), "connect to 10.4.0.12:5432: no answer in 3 s"),
                failed(Source::Metrics(Side::A), "no API server to go through"),
            ],
        );
        live(state, second, second, &[Side::B]);
    }
    // `live` of one second lists everything anew and says that all is settled.
    update(state, Event::Tick(at(120 + silent)));
}

const DRIVER: &str = "oncall@bastion1";

fn record(second: i64, event: Line) -> Record {
    Record { at: at(second), by: DRIVER.into(), event }
}

/// A run that has just been declared, by this console.
pub fn declare(state: &mut State, second: i64) {
    let playbook = crate::playbook::builtin().unwrap().remove(0);
    let declared = Declared {
        run: RunId("7f3a21".into()),
        playbook,
        environment: "prod".into(),
        regions: PerSide::new("us-central1".into(), "us-east1".into()),
        direction: Direction::activating(Side::B),
        simulated: false,
        failing_since: state.fleet.failing_since(Side::A),
        before: Before {
            crons_active: (0..14).map(|n| ObjectKey::new("ml", format!("nightly-{n}"))).collect(),
            crons_at: Some(at(120)),
            replicas: Some(1),
            timeline: Some(Timeline(3)),
            who: None,
            rows_behind: Some(0),
        },
    };
    let run = Run::begin(&record(second, Line::Declared(Box::new(declared)))).unwrap();
    update(state, Event::Run(RunNews::Opened { run: Box::new(run), driving: true }));
}

fn recorded(state: &mut State, second: i64, event: Line) {
    update(state, Event::Run(RunNews::Recorded(Box::new(record(second, event)))));
    let trouble = state.run.as_ref().and_then(|followed| followed.trouble.clone());
    assert_eq!(trouble, None);
}

/// The environment's lock in the second region is ours.
pub fn lock_held(state: &mut State, second: i64) {
    let lease = LeaseRow {
        holder: Some(format!("{DRIVER}/7f3a21")),
        duration_seconds: 30,
        renewed: None,
        seen_unchanged_since: at(second - 2),
        transitions: 1,
    };
    seen(
        state,
        second,
        vec![
            (Source::Kubernetes(Side::B), Fact::Answered { latency: Duration::from_millis(70) }),
            (Source::Kubernetes(Side::B), Fact::Lock(Some(lease))),
        ],
    );
}

/// Starts and ends the current step, as the runner would on good or missing answers.
pub fn step(state: &mut State, second: i64) {
    let run = &state.run.as_ref().unwrap().run;
    let (_, step, _) = run.current().unwrap();
    let (id, tier) = (step.id.clone(), step.consent);
    let run_facts = facts(run, None);
    let effects: Vec<Effect> = match propose(run, &state.fleet, &run_facts).next {
        Next::Start { effects, .. } => effects,
        _ => Vec::new(),
    };
    let consent = if effects.is_empty() || tier == Tier::None {
        Consent::not_needed(&effects, DRIVER, at(second))
    } else {
        Consent::give(tier, &effects, &EffectHash::of(&effects), Some("us-east1"), "us-east1", DRIVER, at(second))
            .unwrap()
    };
    let unreachable = matches!(id.as_str(), "suspend-crons" | "fence-controllers" | "fence-database");
    let count = effects.len();
    let question = gates::Question { fleet: &state.fleet, direction: run.declared.direction, facts: &run_facts };
    let gates = step.gates.iter().map(|id| gates::ask(gates::by_id(id).unwrap(), &question)).collect();
    let started = StepStarted {
        step: id.clone(),
        attempt: 1,
        effects,
        gates,
        consent,
        unreachable: unreachable.then(|| "us-central1 does not answer".to_owned()),
        mirrored: false,
    };
    let loss = state.fleet.loss(run.declared.direction);
    recorded(state, second, Line::StepStarted(Box::new(started)));
    for index in 0..count {
        let outcome = if unreachable {
            Outcome::NotSent { reason: "no connection in 5 s".into() }
        } else {
            Outcome::Done { reply: "200 OK".into(), previous: None }
        };
        recorded(state, second + 1, Line::EffectEnded { step: id.clone(), index, outcome });
    }
    let end = if unreachable {
        let gate = Some("old-region-fenced".to_owned());
        Line::StepUnproven { step: id, reason: "us-central1 api does not answer".into(), gate }
    } else {
        let note = match id.as_str() {
            "inventory" => Some(Note::Inventory { at: at(120), runs: Vec::new() }),
            "catch-up" => Some(Note::Loss { loss, rows: Some(0) }),
            "switch-dns" => Some(Note::Dns { caches_new_by: at(900) }),
            _ => None,
        };
        Line::StepDone { step: id, evidence: Vec::new(), note: note.map(Box::new) }
    };
    recorded(state, second + 2, end);
}

/// The override of the fence that can't be proven, one person alone.
pub fn override_fence(state: &mut State, second: i64) {
    let run = &state.run.as_ref().unwrap().run;
    let gate = gates::by_id("old-region-fenced").unwrap();
    let run_facts = facts(run, None);
    let question = gates::Question { fleet: &state.fleet, direction: run.declared.direction, facts: &run_facts };
    let finding = gates::ask(gate, &question);
    let reason = "power cut confirmed by DC ops on the phone";
    let decision = Override::decide(gate, finding, "us-central1", reason, DRIVER, true, at(second)).unwrap();
    recorded(state, second, Line::Overridden(Box::new(decision)));
}

/// A run at its promotion, three minutes into an outage.
pub fn at_promote(size: Size) -> State {
    let mut state = outage(size, 150);
    declare(&mut state, 271);
    for second in 0..7 {
        live(&mut state, 271 + second * 4, 271 + second * 4, &[Side::B]);
        lock_held(&mut state, 272 + second * 4);
        if second == 2 {
            override_fence(&mut state, 280);
        }
        step(&mut state, 273 + second * 4);
    }
    out_more(&mut state, 300);
    state
}

fn out_more(state: &mut State, second: i64) {
    live(state, second, second, &[Side::B]);
    lock_held(state, second + 1);
    update(state, Event::Tick(at(second + 2)));
}

/// The same run, over.
pub fn ended(size: Size) -> State {
    let mut state = at_promote(size);
    for second in [305_i64, 320, 360, 420, 440, 450, 455] {
        live(&mut state, second - 2, second - 2, &[Side::B]);
        lock_held(&mut state, second - 1);
        step(&mut state, second);
    }
    live(&mut state, 468, 468, &[Side::B]);
    recorded(&mut state, 460, Line::Ended { end: End::Done, reason: String::new() });
    update(&mut state, Event::Tick(at(470)));
    state
}

/// Presses keys, painting after each, and gives back what was asked for.
pub fn press(state: &mut State, keys: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    for key in keys.split(' ') {
        for key in parse_chord(key).unwrap() {
            commands.extend(update(state, Event::Key(key)));
            update(state, Event::Painted);
        }
    }
    commands
}

/// Types a text, letter by letter.
pub fn type_text(state: &mut State, text: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    for c in text.chars() {
        commands.extend(update(state, Event::Key(Key::char(c))));
    }
    commands
}

/// A run's tree, opened.
pub fn tree(size: Size) -> State {
    let mut state = healthy(size);
    let key = ObjectKey::new("ml", "train-llm-8k2");
    update(&mut state, Event::Observed(Vec::new()));
    press(&mut state, "w");
    type_palette(&mut state, "wf train-llm-8k2");
    let run = OpenRun {
        key: key.clone(),
        uid: "uid-9660".into(),
        phase: Phase::Running,
        message: String::new(),
        created: at(-9_660),
        finished: None,
        detail: runs().remove(0).1.detail.unwrap(),
        nodes: Nodes::Here(nodes()),
    };
    seen(&mut state, 121, vec![(Source::Kubernetes(Side::A), Fact::OpenRun(key, Some(Box::new(run))))]);
    state
}

/// Types a command into the palette and runs it.
pub fn type_palette(state: &mut State, text: &str) -> Vec<Command> {
    press(state, ":");
    type_text(state, text);
    press(state, "enter")
}

fn nodes() -> BTreeMap<String, Node> {
    let node = |id: &str, name: &str, kind: &str, phase, boundary: Option<&str>, children: &[&str]| Node {
        id: id.into(),
        name: name.into(),
        kind: kind.into(),
        phase,
        message: String::new(),
        template: name.split('(').next().unwrap().into(),
        started: Some(at(-600)),
        finished: (phase != Phase::Running).then(|| at(-400)),
        children: children.iter().map(ToString::to_string).collect(),
        boundary: boundary.map(Into::into),
        retried: false,
        hooked: false,
        host: (kind == "Pod").then(|| "node-3".into()),
        exit_code: None,
    };
    let root = "train-llm-8k2";
    let mut failed = node("s3a", "shard-3(0)", "Pod", Phase::Failed, Some(root), &[]);
    failed.retried = true;
    failed.exit_code = Some("137".into());
    failed.message = "OOMKilled (exit code 137)".into();
    let mut again = node("s3b", "shard-3(1)", "Pod", Phase::Running, Some(root), &[]);
    again.retried = true;
    let all = [
        node(root, root, "DAG", Phase::Running, None, &["prep"]),
        node("prep", "prepare", "Pod", Phase::Succeeded, Some(root), &["s1", "s3"]),
        node("s1", "shard-1", "Pod", Phase::Succeeded, Some(root), &[]),
        node("s3", "shard-3", "Retry", Phase::Running, Some(root), &["s3a", "s3b"]),
        failed,
        again,
        node("gate", "approve", "Suspend", Phase::Running, Some(root), &[]),
    ];
    all.into_iter().map(|node| (node.id.clone(), node)).collect()
}

/// Starts the current step against a region that does not answer: nothing was sent, nothing can be proven.
pub fn start_unreachable(state: &mut State, second: i64) {
    live(state, second - 2, second - 2, &[Side::B]);
    lock_held(state, second - 1);
    let run = &state.run.as_ref().unwrap().run;
    let (_, step, _) = run.current().unwrap();
    let id = step.id.clone();
    let effects: Vec<Effect> = match propose(run, &state.fleet, &facts(run, None)).next {
        Next::Start { effects, .. } => effects,
        other => panic!("{other:?}"),
    };
    let consent =
        Consent::give(Tier::Confirm, &effects, &EffectHash::of(&effects), None, "", DRIVER, at(second)).unwrap();
    let count = effects.len();
    recorded(state, second, Line::StepStarted(Box::new(StepStarted {
        step: id.clone(),
        attempt: 1,
        effects,
        gates: Vec::new(),
        consent,
        unreachable: Some("us-central1 does not answer".into()),
        mirrored: false,
    })));
    for index in 0..count {
        let outcome = Outcome::NotSent { reason: "no connection in 5 s".into() };
        recorded(state, second, Line::EffectEnded { step: id.clone(), index, outcome });
    }
}
