//! Kubeconfig text for simulated regions. Pure. One file may hold both regions, each with four contexts: REGION (the
//! administrator), REGION-operator, REGION-viewer and REGION-nobody.

use std::fmt::Write as _;

use k8s_openapi::ByteString;

use super::access::User;

/// What a kubeconfig says of one server.
#[derive(Clone)]
pub struct Cluster {
    /// The region's name: cluster, and the stem of the contexts.
    pub region: String,
    /// `https://127.0.0.1:port`.
    pub url: String,
    /// The authority's certificate as PEM.
    pub authority: String,
    /// A bearer token per user.
    pub tokens: Vec<(User, String)>,
}

/// The text of a kubeconfig for these clusters. The first one's administrator is the current context. It holds the tokens,
/// so whoever writes it must write it for its owner alone.
pub fn kubeconfig(clusters: &[Cluster]) -> String {
    let mut text = String::from("apiVersion: v1\nkind: Config\npreferences: {}\nclusters:\n");
    for cluster in clusters {
        // ByteString is the type whose JSON form is base64 in the Kubernetes API.
        let bytes = ByteString(cluster.authority.clone().into_bytes());
        let authority = serde_json::to_string(&bytes).unwrap_or_default();
        let _ = writeln!(
            text,
            "- name: {}\n  cluster:\n    server: {}\n    certificate-authority-data: {authority}",
            cluster.region, cluster.url
        );
    }
    text.push_str("users:\n");
    for (cluster, user, token) in each(clusters) {
        let _ = writeln!(text, "- name: {}\n  user: {{token: \"{token}\"}}", user_name(cluster, user));
    }
    text.push_str("contexts:\n");
    for (cluster, user, _) in each(clusters) {
        let _ = writeln!(
            text,
            "- name: {}\n  context: {{cluster: {}, user: {}}}",
            user.context(&cluster.region),
            cluster.region,
            user_name(cluster, user)
        );
    }
    let current = clusters.first().map_or("", |cluster| cluster.region.as_str());
    let _ = writeln!(text, "current-context: \"{current}\"");
    text
}

fn each(clusters: &[Cluster]) -> impl Iterator<Item = (&Cluster, User, &str)> {
    clusters.iter().flat_map(|cluster| cluster.tokens.iter().map(move |(user, token)| (cluster, *user, token.as_str())))
}

fn user_name(cluster: &Cluster, user: User) -> String {
    format!("{}-{}", cluster.region, user.name())
}
