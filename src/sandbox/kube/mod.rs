//! A Kubernetes API server for one simulated region: TLS on loopback, good enough for kubectl, for kube-rs and for leeward
//! itself. It holds objects in memory and knows nothing of what they mean; `sandbox::argo` brings them to life.
//!
//! What it claims about the protocol was compared with a real kube-apiserver; where the two differ, this one is wrong.

mod access;
mod admit;
pub mod clock;
mod columns;
mod discovery;
mod fault;
mod forms;
mod handlers;
mod kinds;
mod kubeconfig;
mod kubelet;
mod patch;
mod protobuf;
mod random;
mod request;
mod selector;
mod server;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod tls;

pub use self::{
    access::User,
    fault::ApiFault,
    kinds::{Kind, Meta},
    kubeconfig::{Cluster, kubeconfig},
    kubelet::{Kubelet, LogLine, LogPage, ProxyAnswer, ProxyRequest},
    random::{suffix, uid},
    selector::LabelSelector,
    server::{ApiServer, ApiServerError, ApiServerOptions},
    store::{Change, Compacted, Event, Expect, HistoryLimit, ObjectKey, Snapshot, Store, StoreError, Stored},
    tls::TlsError,
};
