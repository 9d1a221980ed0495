//! The fields of the messages that are read. Pure data. Field numbers: generated.proto of k8s.io/api and
//! k8s.io/apimachinery 0.33. Go writes a field that is no pointer also when it is empty, and its JSON leaves that out.

/// How a field is read.
pub enum Field {
    /// A text; an empty one is none.
    Text(&'static str),
    /// Bytes, in JSON as base64.
    Bytes(&'static str),
    /// A number that may be zero.
    Number(&'static str),
    /// A number whose zero means that there is none.
    Count(&'static str),
    /// A truth that may be false.
    Bool(&'static str),
    /// A truth whose false means that there is none.
    Flag(&'static str),
    /// Texts.
    Texts(&'static str),
    /// An object.
    Message(&'static str, Fields),
    /// Objects.
    Messages(&'static str, Fields),
    /// Texts by name.
    TextMap(&'static str),
    /// Bytes by name.
    BytesMap(&'static str),
    /// Quantities by name.
    Quantities(&'static str),
    /// A number or a text.
    IntOrString(&'static str),
    /// What the server sets itself, whatever a client sends.
    Ignored,
}

/// The fields of a message by their numbers.
pub type Fields = &'static [(u64, Field)];

use Field::{
    Bool, Bytes, BytesMap, Count, Flag, Ignored, IntOrString, Message, Messages, Number, Quantities, Text, TextMap,
    Texts,
};

const META: Fields = &[
    (1, Text("name")),
    (2, Text("generateName")),
    (3, Text("namespace")),
    (4, Ignored),
    (5, Text("uid")),
    (6, Text("resourceVersion")),
    (7, Ignored),
    (8, Ignored),
    (9, Ignored),
    (10, Ignored),
    (11, TextMap("labels")),
    (12, TextMap("annotations")),
    (
        13,
        Messages(
            "ownerReferences",
            &[
                (1, Text("kind")),
                (3, Text("name")),
                (4, Text("uid")),
                (5, Text("apiVersion")),
                (6, Bool("controller")),
                (7, Bool("blockOwnerDeletion")),
            ],
        ),
    ),
    (14, Texts("finalizers")),
    (17, Ignored),
];

const SELECTOR: Fields = &[
    (1, TextMap("matchLabels")),
    (2, Messages("matchExpressions", &[(1, Text("key")), (2, Text("operator")), (3, Texts("values"))])),
];

const RESOURCE: Fields = &[
    (1, Text("namespace")),
    (2, Text("verb")),
    (3, Text("group")),
    (4, Text("version")),
    (5, Text("resource")),
    (6, Text("subresource")),
    (7, Text("name")),
];

const ACCESS: Fields = &[
    (1, Message("resourceAttributes", RESOURCE)),
    (2, Message("nonResourceAttributes", &[(1, Text("path")), (2, Text("verb"))])),
];

const DELETE: Fields = &[
    (1, Number("gracePeriodSeconds")),
    (2, Message("preconditions", &[(1, Text("uid")), (2, Text("resourceVersion"))])),
    (3, Bool("orphanDependents")),
    (4, Text("propagationPolicy")),
    (5, Texts("dryRun")),
];

const NAME: Fields = &[(1, Text("name"))];

const CONTAINER: Fields = &[
    (1, Text("name")),
    (2, Text("image")),
    (3, Texts("command")),
    (4, Texts("args")),
    (5, Text("workingDir")),
    (
        6,
        Messages(
            "ports",
            &[
                (1, Text("name")),
                (2, Count("hostPort")),
                (3, Count("containerPort")),
                (4, Text("protocol")),
                (5, Text("hostIP")),
            ],
        ),
    ),
    (7, Messages("env", &[(1, Text("name")), (2, Text("value"))])),
    (8, Message("resources", &[(1, Quantities("limits")), (2, Quantities("requests"))])),
    (13, Text("terminationMessagePath")),
    (14, Text("imagePullPolicy")),
    (16, Flag("stdin")),
    (17, Flag("stdinOnce")),
    (18, Flag("tty")),
    (20, Text("terminationMessagePolicy")),
];

const POD: Fields = &[
    (2, Messages("containers", CONTAINER)),
    (3, Text("restartPolicy")),
    (4, Number("terminationGracePeriodSeconds")),
    (5, Number("activeDeadlineSeconds")),
    (6, Text("dnsPolicy")),
    (7, TextMap("nodeSelector")),
    (8, Text("serviceAccountName")),
    (9, Text("serviceAccount")),
    (10, Text("nodeName")),
    (11, Flag("hostNetwork")),
    (12, Flag("hostPID")),
    (13, Flag("hostIPC")),
    (15, Messages("imagePullSecrets", NAME)),
    (16, Text("hostname")),
    (17, Text("subdomain")),
    (19, Text("schedulerName")),
    (20, Messages("initContainers", CONTAINER)),
    (21, Bool("automountServiceAccountToken")),
    (24, Text("priorityClassName")),
];

const DEPLOYMENT: Fields = &[
    (1, Number("replicas")),
    (2, Message("selector", SELECTOR)),
    (3, Message("template", &[(1, Message("metadata", META)), (2, Message("spec", POD))])),
    (
        4,
        Message(
            "strategy",
            &[
                (1, Text("type")),
                (2, Message("rollingUpdate", &[(1, IntOrString("maxUnavailable")), (2, IntOrString("maxSurge"))])),
            ],
        ),
    ),
    (5, Count("minReadySeconds")),
    (6, Number("revisionHistoryLimit")),
    (7, Flag("paused")),
    (9, Number("progressDeadlineSeconds")),
];

const SERVICE: Fields = &[
    (
        1,
        Messages(
            "ports",
            &[
                (1, Text("name")),
                (2, Text("protocol")),
                (3, Count("port")),
                (4, IntOrString("targetPort")),
                (5, Count("nodePort")),
                (6, Text("appProtocol")),
            ],
        ),
    ),
    (2, TextMap("selector")),
    (3, Text("clusterIP")),
    (4, Text("type")),
    (5, Texts("externalIPs")),
    (7, Text("sessionAffinity")),
    (10, Text("externalName")),
    (18, Texts("clusterIPs")),
];

const RULE: Fields = &[
    (1, Texts("verbs")),
    (2, Texts("apiGroups")),
    (3, Texts("resources")),
    (4, Texts("resourceNames")),
    (5, Texts("nonResourceURLs")),
];

const SELF_SUBJECT_ACCESS_REVIEW_KIND: Fields =
    &[(1, Message("metadata", META)), (2, Message("spec", ACCESS)), (3, Ignored)];

const SELF_SUBJECT_RULES_REVIEW_KIND: Fields =
    &[(1, Message("metadata", META)), (2, Message("spec", &[(1, Text("namespace"))])), (3, Ignored)];

const SELF_SUBJECT_REVIEW_KIND: Fields = &[(1, Message("metadata", META)), (2, Ignored)];

const EVICTION_KIND: Fields = &[(1, Message("metadata", META)), (2, Message("deleteOptions", DELETE))];

const NAMESPACE_KIND: Fields =
    &[(1, Message("metadata", META)), (2, Message("spec", &[(1, Texts("finalizers"))])), (3, Ignored)];

const CONFIG_MAP_KIND: Fields =
    &[(1, Message("metadata", META)), (2, TextMap("data")), (3, BytesMap("binaryData")), (4, Bool("immutable"))];

const SECRET_KIND: Fields = &[
    (1, Message("metadata", META)),
    (2, BytesMap("data")),
    (3, Text("type")),
    (4, TextMap("stringData")),
    (5, Bool("immutable")),
];

const SERVICE_ACCOUNT_KIND: Fields = &[
    (1, Message("metadata", META)),
    (3, Messages("imagePullSecrets", NAME)),
    (4, Bool("automountServiceAccountToken")),
];

const RESOURCE_QUOTA_KIND: Fields = &[
    (1, Message("metadata", META)),
    (2, Message("spec", &[(1, Quantities("hard")), (2, Texts("scopes"))])),
    (3, Ignored),
];

const SERVICE_KIND: Fields = &[(1, Message("metadata", META)), (2, Message("spec", SERVICE)), (3, Ignored)];

const DEPLOYMENT_KIND: Fields = &[(1, Message("metadata", META)), (2, Message("spec", DEPLOYMENT)), (3, Ignored)];

const POD_DISRUPTION_BUDGET_KIND: Fields = &[
    (1, Message("metadata", META)),
    (
        2,
        Message(
            "spec",
            &[
                (1, IntOrString("minAvailable")),
                (2, Message("selector", SELECTOR)),
                (3, IntOrString("maxUnavailable")),
                (4, Text("unhealthyPodEvictionPolicy")),
            ],
        ),
    ),
    (3, Ignored),
];

const ROLE_KIND: Fields = &[(1, Message("metadata", META)), (2, Messages("rules", RULE))];

const ROLE_BINDING_KIND: Fields = &[
    (1, Message("metadata", META)),
    (2, Messages("subjects", &[(1, Text("kind")), (2, Text("apiGroup")), (3, Text("name")), (4, Text("namespace"))])),
    (3, Message("roleRef", &[(1, Text("apiGroup")), (2, Text("kind")), (3, Text("name"))])),
];

const CERTIFICATE_SIGNING_REQUEST_KIND: Fields = &[
    (1, Message("metadata", META)),
    (
        2,
        Message(
            "spec",
            &[
                (1, Bytes("request")),
                (2, Ignored),
                (3, Ignored),
                (4, Ignored),
                (5, Texts("usages")),
                (6, Ignored),
                (7, Text("signerName")),
                (8, Number("expirationSeconds")),
            ],
        ),
    ),
    (3, Ignored),
];

/// Kinds that are read from protobuf, and their fields.
const KINDS: &[(&str, Fields)] = &[
    ("SelfSubjectAccessReview", SELF_SUBJECT_ACCESS_REVIEW_KIND),
    ("SelfSubjectRulesReview", SELF_SUBJECT_RULES_REVIEW_KIND),
    ("SelfSubjectReview", SELF_SUBJECT_REVIEW_KIND),
    ("Eviction", EVICTION_KIND),
    ("DeleteOptions", DELETE),
    ("Namespace", NAMESPACE_KIND),
    ("ConfigMap", CONFIG_MAP_KIND),
    ("Secret", SECRET_KIND),
    ("ServiceAccount", SERVICE_ACCOUNT_KIND),
    ("ResourceQuota", RESOURCE_QUOTA_KIND),
    ("Service", SERVICE_KIND),
    ("Deployment", DEPLOYMENT_KIND),
    ("PodDisruptionBudget", POD_DISRUPTION_BUDGET_KIND),
    ("Role", ROLE_KIND),
    ("RoleBinding", ROLE_BINDING_KIND),
    ("CertificateSigningRequest", CERTIFICATE_SIGNING_REQUEST_KIND),
];

/// The fields of a kind; `None`: it is read in JSON only.
pub fn fields(kind: &str) -> Option<Fields> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, fields)| *fields)
}
