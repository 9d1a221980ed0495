//! What the servers themselves say, asked past leeward: kube-rs, SQL and plain DNS.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use kube::api::{Api, DynamicObject, ListParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::net::UdpSocket;

use crate::variables::{Place, Variables};

/// One region, asked directly.
#[derive(Clone)]
pub struct Region {
    pub name: String,
    pub client: kube::Client,
    pub database: Database,
    variables: Variables,
}

pub fn resource(kind: &str) -> ApiResource {
    let (group, version, plural) = match kind {
        "CronWorkflow" => ("argoproj.io", "v1alpha1", "cronworkflows"),
        "Workflow" => ("argoproj.io", "v1alpha1", "workflows"),
        "Deployment" => ("apps", "v1", "deployments"),
        "Lease" => ("coordination.k8s.io", "v1", "leases"),
        _ => ("", "v1", "pods"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

pub fn key(object: &DynamicObject) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{}/{}", part(&object.metadata.namespace), part(&object.metadata.name))
}

/// Whether a cron is suspended, by name.
pub type Crons = BTreeMap<String, bool>;

impl Region {
    pub async fn connect(variables: &Variables, place: &Place) -> Region {
        let file = Kubeconfig::read_from(&variables.kubeconfig).unwrap();
        let options = KubeConfigOptions { context: Some(place.context.clone()), ..KubeConfigOptions::default() };
        let mut config = Config::from_custom_kubeconfig(file, &options).await.unwrap();
        config.connect_timeout = Some(Duration::from_secs(5));
        config.read_timeout = Some(Duration::from_secs(20));
        Region {
            name: place.name.clone(),
            client: kube::Client::try_from(config).unwrap(),
            database: Database { monitor: place.database.clone() },
            variables: variables.clone(),
        }
    }

    fn all(&self, kind: &str) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource(kind))
    }

    fn of(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &resource(kind))
    }

    fn controllers(&self, kind: &str) -> Api<DynamicObject> {
        self.of(kind, &self.variables.controller_namespace)
    }

    pub async fn crons(&self) -> Crons {
        let list = self.all("CronWorkflow").list(&ListParams::default()).await.unwrap();
        let suspended = |cron: &DynamicObject| cron.data.pointer("/spec/suspend").and_then(Value::as_bool);
        list.iter().map(|cron| (key(cron), suspended(cron).unwrap_or(false))).collect()
    }

    /// Replicas wanted, and names of the controllers' pods.
    pub async fn controller(&self) -> (u64, Vec<String>) {
        let deployment = self.controllers("Deployment").get(&self.variables.controller_deployment).await.unwrap();
        let labels = deployment.data.pointer("/spec/selector/matchLabels").and_then(Value::as_object).unwrap();
        let selector = labels.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap())).collect::<Vec<_>>().join(",");
        let pods = self.controllers("Pod").list(&ListParams::default().labels(&selector)).await.unwrap();
        let names = pods.iter().filter_map(|pod| pod.metadata.name.clone()).collect();
        (deployment.data.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1), names)
    }

    /// Holder and time of the last renewal of the controllers' election.
    pub async fn leader(&self) -> Option<(String, jiff::Timestamp)> {
        self.lease(&self.variables.controller_lease).await
    }

    /// The same of any Lease in the controllers' namespace; None: it is not there or held by nobody.
    pub async fn lease(&self, name: &str) -> Option<(String, jiff::Timestamp)> {
        let lease = self.controllers("Lease").get_opt(name).await.unwrap()?;
        let text = |pointer: &str| lease.data.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let holder = text("/spec/holderIdentity").filter(|holder| !holder.is_empty())?;
        Some((holder, text("/spec/renewTime")?.parse().unwrap()))
    }

    /// Workflows that a run of leeward has made: name, UID, phase.
    pub async fn workflows_of(&self, run: &str) -> Vec<(String, String, String)> {
        let params = ListParams::default().labels(&format!("leeward.dev/run={run}"));
        let list = self.all("Workflow").list(&params).await.unwrap();
        let row = |object: &DynamicObject| {
            let phase = object.data.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
            (key(object), object.metadata.uid.clone().unwrap_or_default(), phase.to_owned())
        };
        list.iter().map(row).collect()
    }

    /// One line of what matters, for the protocol.
    pub async fn words(&self) -> String {
        let (wanted, pods) = self.controller().await;
        let crons = self.crons().await;
        let crons = crons.iter().map(|(name, off)| format!("{name} {}", if *off { "suspended" } else { "active" }));
        let leader = self.leader().await.map_or("none".to_owned(), |(holder, _)| holder);
        let crons = crons.collect::<Vec<_>>().join(", ");
        format!("{}: controllers {wanted} wanted, pods {pods:?}, leader {leader}; crons: {crons}", self.name)
    }
}

/// One database, asked directly.
#[derive(Clone)]
pub struct Database {
    monitor: String,
}

/// What a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub in_recovery: bool,
    pub timeline: u32,
    pub read_only: bool,
    /// A new session may really write: it has made a temporary table, which neither a replica nor a fenced server allows.
    pub takes_writes: bool,
}

impl Database {
    async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        tokio::time::timeout(Duration::from_secs(5), PgConnection::connect(&self.monitor))
            .await
            .unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
    }

    pub async fn answers(&self) -> bool {
        self.open().await.is_ok()
    }

    pub async fn text(&self, sql: &str) -> String {
        let mut session = self.open().await.unwrap();
        let sql = AssertSqlSafe(format!("SELECT ({sql})::text"));
        let text = sqlx::query_scalar::<_, Option<String>>(sql).fetch_one(&mut session).await.unwrap();
        text.unwrap_or_default()
    }

    pub async fn standing(&self) -> Standing {
        let in_recovery = self.text("pg_is_in_recovery()").await == "true";
        let timeline = if in_recovery {
            "(SELECT received_tli FROM pg_stat_wal_receiver UNION ALL SELECT timeline_id FROM pg_control_checkpoint() \
             LIMIT 1)"
        } else {
            "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"
        };
        let timeline = self.text(timeline).await.parse().unwrap();
        let read_only = self.text("current_setting('default_transaction_read_only')").await == "on";
        let mut session = self.open().await.unwrap();
        let takes_writes = sqlx::raw_sql("CREATE TEMPORARY TABLE probe ()").execute(&mut session).await.is_ok();
        Standing { in_recovery, timeline, read_only, takes_writes }
    }

    /// Something for the log, so that a replica hears from its primary: a transaction number, which changes no row.
    pub async fn beat(&self) -> Result<(), sqlx::Error> {
        let mut session = self.open().await?;
        sqlx::raw_sql("SELECT txid_current()").execute(&mut session).await.map(drop)
    }

    pub async fn archived(&self, uid: &str) -> bool {
        let sql = format!("SELECT 1 FROM argo_archived_workflows WHERE uid = '{}'", uid.replace('\'', ""));
        self.text(&format!("EXISTS ({sql})")).await == "true"
    }
}

/// Addresses of a name, and the zone's serial, at one server.
pub async fn dns(server: SocketAddr, zone: &str, name: &str) -> (Vec<IpAddr>, u32) {
    let answers = ask(server, name, RecordType::A).await;
    let mut addresses: Vec<IpAddr> = answers
        .into_iter()
        .filter_map(|data| if let RData::A(a) = data { Some(IpAddr::V4(a.0)) } else { None })
        .collect();
    addresses.sort();
    let serials = ask(server, zone, RecordType::SOA).await;
    let serial = serials.into_iter().find_map(|data| if let RData::SOA(soa) = data { Some(soa.serial) } else { None });
    (addresses, serial.unwrap())
}

async fn ask(server: SocketAddr, name: &str, kind: RecordType) -> Vec<RData> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(format!("{name}.")).unwrap(), kind));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = vec![0; 4096];
    for _ in 0..5 {
        socket.send_to(&message.to_vec().unwrap(), server).await.unwrap();
        let got = tokio::time::timeout(Duration::from_secs(2), socket.recv_from(&mut buffer)).await;
        if let Ok(Ok((length, _))) = got {
            let answer = Message::from_vec(&buffer[..length]).unwrap();
            return answer.answers.into_iter().map(|record| record.data).collect();
        }
    }
    panic!("{server} does not answer for {name}");
}
