//! The kinds that the simulated API server knows, as one table: group, version, names, scope and the few habits that
//! differ between kinds. Pure data. Discovery, paths, storage, RBAC and Table columns all read this table, so that a kind
//! is added in one place.

/// A kind of object.
#[allow(missing_docs, reason = "the names are those of Kubernetes and Argo Workflows")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Namespace,
    Node,
    Pod,
    Service,
    ServiceAccount,
    ConfigMap,
    Secret,
    Event,
    ResourceQuota,
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    PodDisruptionBudget,
    Lease,
    Role,
    RoleBinding,
    CertificateSigningRequest,
    Workflow,
    CronWorkflow,
    WorkflowTemplate,
    ClusterWorkflowTemplate,
    WorkflowTaskSet,
}

/// What the protocol needs to know of a kind.
#[derive(Debug)]
pub struct Meta {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version within the group.
    pub version: &'static str,
    /// Kind as in `kind:`.
    pub kind: &'static str,
    /// Plural as in a path.
    pub plural: &'static str,
    /// Singular, as kubectl accepts it.
    pub singular: &'static str,
    /// Short names, as kubectl accepts them.
    pub short: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether `.status` is written through `/status` only.
    pub status: bool,
    /// Whether it is a custom resource: no strategic merge patch, apiVersion and kind in list items.
    pub custom: bool,
    /// Whether `metadata.generation` is kept.
    pub generation: bool,
    /// Whether a PUT without resourceVersion is accepted (`AllowUnconditionalUpdate` of the kind's strategy).
    pub unconditional: bool,
    /// Whether the `scale` subresource exists.
    pub scale: bool,
}

impl Meta {
    const fn new(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Self {
        Self {
            group,
            version,
            kind,
            plural,
            singular: "",
            short: &[],
            namespaced: true,
            status: false,
            custom: false,
            generation: false,
            unconditional: true,
            scale: false,
        }
    }

    const fn core(kind: &'static str, plural: &'static str) -> Self {
        Self::new("", "v1", kind, plural)
    }

    const fn argo(kind: &'static str, plural: &'static str) -> Self {
        let mut meta = Self::new("argoproj.io", "v1alpha1", kind, plural);
        meta.custom = true;
        meta.generation = true;
        meta.unconditional = false;
        meta
    }

    const fn names(mut self, singular: &'static str, short: &'static [&'static str]) -> Self {
        self.singular = singular;
        self.short = short;
        self
    }

    const fn cluster(mut self) -> Self {
        self.namespaced = false;
        self
    }

    const fn with_status(mut self) -> Self {
        self.status = true;
        self
    }

    const fn with_generation(mut self) -> Self {
        self.generation = true;
        self
    }

    const fn with_scale(mut self) -> Self {
        self.scale = true;
        self
    }

    const fn conditional(mut self) -> Self {
        self.unconditional = false;
        self
    }

    /// `group/version`, or only the version for the core group: what stands in `apiVersion:`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `plural.group`, or only the plural for the core group: how Status messages name the resource.
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `Kind.group`, or only the kind for the core group: how validation messages name it.
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// The prefix of its paths: `/api/v1` or `/apis/group/version`.
    pub fn prefix(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }
}

impl Kind {
    /// Every kind, in the order of discovery.
    pub const ALL: [Self; 23] = [
        Self::Namespace,
        Self::Node,
        Self::Pod,
        Self::Service,
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::Secret,
        Self::Event,
        Self::ResourceQuota,
        Self::Deployment,
        Self::ReplicaSet,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::PodDisruptionBudget,
        Self::Lease,
        Self::Role,
        Self::RoleBinding,
        Self::CertificateSigningRequest,
        Self::Workflow,
        Self::CronWorkflow,
        Self::WorkflowTemplate,
        Self::ClusterWorkflowTemplate,
        Self::WorkflowTaskSet,
    ];

    /// The row of the table for this kind. Source: `kubectl api-resources` of Kubernetes 1.33 and the CRDs of Argo
    /// Workflows 4.0 (Workflow has no status subresource).
    pub const fn meta(self) -> &'static Meta {
        match self {
            Self::Namespace => {
                const { &Meta::core("Namespace", "namespaces").names("namespace", &["ns"]).cluster().with_status() }
            }
            Self::Node => const { &Meta::core("Node", "nodes").names("node", &["no"]).cluster().with_status() },
            Self::Pod => const { &Meta::core("Pod", "pods").names("pod", &["po"]).with_status().with_generation() },
            Self::Service => const { &Meta::core("Service", "services").names("service", &["svc"]).with_status() },
            Self::ServiceAccount => {
                const { &Meta::core("ServiceAccount", "serviceaccounts").names("serviceaccount", &["sa"]) }
            }
            Self::ConfigMap => const { &Meta::core("ConfigMap", "configmaps").names("configmap", &["cm"]) },
            Self::Secret => const { &Meta::core("Secret", "secrets").names("secret", &[]) },
            Self::Event => const { &Meta::core("Event", "events").names("event", &["ev"]) },
            Self::ResourceQuota => {
                const { &Meta::core("ResourceQuota", "resourcequotas").names("resourcequota", &["quota"]).with_status() }
            }
            Self::Deployment => {
                const { &apps("Deployment", "deployments").names("deployment", &["deploy"]).with_scale() }
            }
            Self::ReplicaSet => const { &apps("ReplicaSet", "replicasets").names("replicaset", &["rs"]).with_scale() },
            Self::StatefulSet => {
                const { &apps("StatefulSet", "statefulsets").names("statefulset", &["sts"]).with_scale() }
            }
            Self::DaemonSet => const { &apps("DaemonSet", "daemonsets").names("daemonset", &["ds"]) },
            Self::PodDisruptionBudget => {
                const {
                    &Meta::new("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
                        .names("poddisruptionbudget", &["pdb"])
                        .with_status()
                        .with_generation()
                        .conditional()
                }
            }
            Self::Lease => {
                const { &Meta::new("coordination.k8s.io", "v1", "Lease", "leases").names("lease", &[]).conditional() }
            }
            Self::Role => const { &rbac("Role", "roles").names("role", &[]) },
            Self::RoleBinding => const { &rbac("RoleBinding", "rolebindings").names("rolebinding", &[]) },
            Self::CertificateSigningRequest => {
                const {
                    &Meta::new("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests")
                        .names("certificatesigningrequest", &["csr"])
                        .cluster()
                        .with_status()
                }
            }
            Self::Workflow => const { &Meta::argo("Workflow", "workflows").names("workflow", &["wf"]) },
            Self::CronWorkflow => {
                const { &Meta::argo("CronWorkflow", "cronworkflows").names("cronworkflow", &["cwf", "cronwf"]) }
            }
            Self::WorkflowTemplate => {
                const { &Meta::argo("WorkflowTemplate", "workflowtemplates").names("workflowtemplate", &["wftmpl"]) }
            }
            Self::ClusterWorkflowTemplate => {
                const {
                    &Meta::argo("ClusterWorkflowTemplate", "clusterworkflowtemplates")
                        .names("clusterworkflowtemplate", &["clusterwftmpl", "cwft"])
                        .cluster()
                }
            }
            Self::WorkflowTaskSet => {
                const { &Meta::argo("WorkflowTaskSet", "workflowtasksets").names("workflowtaskset", &["wfts"]).with_status() }
            }
        }
    }

    /// The kind with this group, version and plural.
    pub fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| {
            let meta = kind.meta();
            meta.group == group && meta.version == version && meta.plural == plural
        })
    }
}

const fn apps(kind: &'static str, plural: &'static str) -> Meta {
    Meta::new("apps", "v1", kind, plural).with_status().with_generation()
}

const fn rbac(kind: &'static str, plural: &'static str) -> Meta {
    Meta::new("rbac.authorization.k8s.io", "v1", kind, plural)
}

/// The API groups served, in the order of discovery, the core group left out. The three review groups hold no objects.
pub const GROUPS: [(&str, &str); 8] = [
    ("apps", "v1"),
    ("authentication.k8s.io", "v1"),
    ("authorization.k8s.io", "v1"),
    ("certificates.k8s.io", "v1"),
    ("coordination.k8s.io", "v1"),
    ("policy", "v1"),
    ("rbac.authorization.k8s.io", "v1"),
    ("argoproj.io", "v1alpha1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_path() {
        for kind in Kind::ALL {
            let meta = kind.meta();
            assert_eq!(Kind::find(meta.group, meta.version, meta.plural), Some(kind));
            assert!(meta.group.is_empty() || GROUPS.contains(&(meta.group, meta.version)), "{kind:?} has no group");
        }
    }
}
