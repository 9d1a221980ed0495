//! Who may do what: four users and their rights as RBAC rules. Pure. A cluster administrator, an operator, a read-only
//! viewer and nobody, so that every screen can be seen with the rights that people really have.

use serde_json::{Value, json};

/// A user of the region.
#[allow(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum User {
    Admin,
    Operator,
    Viewer,
    Nobody,
}

/// What a request wants to do, in RBAC's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// get, list, watch, create, update, patch, delete, deletecollection.
    pub verb: String,
    /// API group.
    pub group: String,
    /// Plural of the resource.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace; empty for cluster-wide requests.
    pub namespace: String,
    /// Object name, or empty.
    pub name: String,
}

/// One rule: groups × resources × verbs, in one namespace or in all.
#[derive(Debug)]
struct Rule {
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    namespace: Option<&'static str>,
}

const READ: &[&str] = &["get", "list", "watch"];

const fn rule(
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule { groups, resources, verbs, namespace: None }
}

const fn in_argo(
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule { groups, resources, verbs, namespace: Some("argo") }
}

const ADMIN: &[Rule] = &[rule(&["*"], &["*"], &["*"])];

/// Everyone who is authenticated (`system:basic-user`).
const BASIC: &[Rule] = &[
    rule(&["authorization.k8s.io"], &["selfsubjectaccessreviews", "selfsubjectrulesreviews"], &["create"]),
    rule(&["authentication.k8s.io"], &["selfsubjectreviews"], &["create"]),
];

/// What a read-only monitor needs.
const VIEWER: &[Rule] = &[
    rule(
        &["argoproj.io"],
        &["workflows", "cronworkflows", "workflowtemplates", "clusterworkflowtemplates", "workflowtasksets"],
        READ,
    ),
    rule(
        &[""],
        &["namespaces", "nodes", "pods", "pods/log", "events", "services", "serviceaccounts", "resourcequotas"],
        READ,
    ),
    rule(&["rbac.authorization.k8s.io"], &["roles", "rolebindings"], READ),
    rule(&["apps"], &["deployments", "replicasets", "statefulsets", "daemonsets"], READ),
    rule(&["policy"], &["poddisruptionbudgets"], READ),
    rule(&["coordination.k8s.io"], &["leases"], READ),
    rule(&["events.k8s.io"], &["events"], READ),
    in_argo(&[""], &["configmaps"], READ),
    // The controller's metrics, which leeward reads through the API server unless it is given a URL.
    in_argo(&[""], &["pods/proxy"], &["get"]),
];

/// What an operator may do on top of a viewer.
const OPERATOR: &[Rule] = &[
    rule(&["argoproj.io"], &["workflows"], &["create", "update", "patch", "delete"]),
    rule(&["argoproj.io"], &["cronworkflows"], &["update", "patch"]),
    rule(&[""], &["nodes"], &["patch"]),
    rule(&[""], &["pods/eviction"], &["create"]),
    rule(&[""], &["pods"], &["delete"]),
    rule(&[""], &["pods/portforward"], &["create", "get"]),
    rule(&["certificates.k8s.io"], &["certificatesigningrequests"], &["create", "get", "list", "watch", "delete"]),
    in_argo(&[""], &["configmaps"], &["create", "update", "patch", "delete"]),
    in_argo(&["apps"], &["deployments", "deployments/scale"], &["get", "update", "patch"]),
    in_argo(&["coordination.k8s.io"], &["leases"], &["create", "update", "patch"]),
];

impl User {
    /// Every user.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Operator, Self::Viewer, Self::Nobody];

    /// The name as the API server knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::Nobody => "nobody",
        }
    }

    /// The end of the context's name in a kubeconfig: nothing for the administrator.
    pub fn context(self, region: &str) -> String {
        match self {
            Self::Admin => region.to_owned(),
            other => format!("{region}-{}", other.name()),
        }
    }

    /// The groups that the API server reports.
    pub const fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Admin => &["system:masters", "system:authenticated"],
            _ => &["system:authenticated"],
        }
    }

    fn rules(self) -> impl Iterator<Item = &'static Rule> {
        let (own, more): (&[Rule], &[Rule]) = match self {
            Self::Admin => (ADMIN, &[]),
            Self::Operator => (VIEWER, OPERATOR),
            Self::Viewer => (VIEWER, &[]),
            Self::Nobody => (&[], &[]),
        };
        BASIC.iter().chain(own).chain(more)
    }

    /// Whether the user may do this.
    pub fn may(self, wanted: &Attributes) -> bool {
        let resource = if wanted.subresource.is_empty() {
            wanted.resource.clone()
        } else {
            format!("{}/{}", wanted.resource, wanted.subresource)
        };
        let has = |list: &[&str], item: &str| list.iter().any(|one| *one == "*" || *one == item);
        self.rules().any(|rule| {
            rule.namespace.is_none_or(|namespace| namespace == wanted.namespace)
                && has(rule.groups, &wanted.group)
                && has(rule.resources, &resource)
                && has(rule.verbs, &wanted.verb)
        })
    }

    /// Whether the user may read a path that is no resource (`system:discovery`, `system:public-info-viewer`; more only
    /// for the administrator).
    pub fn may_path(self, verb: &str, path: &str) -> bool {
        let public = ["/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz"];
        let below = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        self == Self::Admin || (verb == "get" && public.into_iter().any(below))
    }

    /// The `status` of a SelfSubjectRulesReview for a namespace.
    pub fn rules_in(self, namespace: &str) -> Value {
        let rules: Vec<Value> = self
            .rules()
            .filter(|rule| rule.namespace.is_none_or(|one| one == namespace))
            .map(|rule| json!({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources}))
            .collect();
        let paths = if self == Self::Admin {
            json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}])
        } else {
            json!([{"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez",
                "/openapi", "/openapi/*", "/readyz", "/version", "/version/"]}])
        };
        json!({"resourceRules": rules, "nonResourceRules": paths, "incomplete": false})
    }

    /// The message of the 403 that a refused request gets.
    pub fn refusal(self, wanted: &Attributes) -> String {
        let Attributes { verb, group, resource, subresource, namespace, name } = wanted;
        let qualified = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        let about = if name.is_empty() { qualified } else { format!("{qualified} \"{name}\"") };
        let full = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
        let scope = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        format!(
            "{about} is forbidden: User \"{}\" cannot {verb} resource \"{full}\" in API group \"{group}\" {scope}",
            self.name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(verb: &str, resource: &str, namespace: &str) -> Attributes {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let group = match resource {
            "deployments" => "apps",
            "workflows" | "cronworkflows" => "argoproj.io",
            "leases" => "coordination.k8s.io",
            _ => "",
        };
        Attributes {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name: String::new(),
        }
    }

    #[test]
    fn rights() {
        use User::{Admin, Nobody, Operator, Viewer};
        for (user, verb, resource, namespace, expected) in [
            (Admin, "delete", "nodes", "", true),
            (Viewer, "list", "workflows", "", true),
            (Viewer, "patch", "workflows", "ml", false),
            (Viewer, "get", "configmaps", "argo", true),
            (Viewer, "list", "configmaps", "", false),
            (Viewer, "get", "secrets", "argo", false),
            (Viewer, "patch", "deployments/scale", "argo", false),
            (Operator, "patch", "deployments/scale", "argo", true),
            (Operator, "patch", "deployments/scale", "ml", false),
            (Operator, "update", "leases", "argo", true),
            (Operator, "update", "leases", "kube-system", false),
            (Operator, "create", "pods/eviction", "ml", true),
            (Operator, "create", "cronworkflows", "ml", false),
            (Operator, "patch", "nodes", "", true),
            (Nobody, "list", "workflows", "ml", false),
        ] {
            assert_eq!(user.may(&attributes(verb, resource, namespace)), expected, "{user:?} {verb} {resource}");
        }
        assert!(Nobody.may_path("get", "/version") && !Nobody.may_path("get", "/metrics"));
        assert!(!Nobody.may_path("get", "/versions"));
    }

    #[test]
    fn refusals_read_like_rbac() {
        let mut wanted = attributes("patch", "deployments/scale", "argo");
        wanted.name = "workflow-controller".to_owned();
        assert_eq!(
            User::Viewer.refusal(&wanted),
            "deployments.apps \"workflow-controller\" is forbidden: User \"viewer\" cannot patch resource \
             \"deployments/scale\" in API group \"apps\" in the namespace \"argo\""
        );
        assert_eq!(
            User::Nobody.refusal(&attributes("list", "nodes", "")),
            "nodes is forbidden: User \"nobody\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"
        );
    }
}
