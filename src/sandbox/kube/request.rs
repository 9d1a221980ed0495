//! What a request asks for: the path and the query of the Kubernetes API taken apart. Pure.

use std::time::Duration;

use http::Method;

use super::{access::Attributes, kinds::Kind};

/// A path of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Objects of a kind, one of them, or a subresource of one.
    Objects(Objects),
    /// A review that only answers: plural of the resource.
    Review(String),
    /// A path that holds no objects: discovery, health, version.
    Path(String),
}

/// Objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects {
    /// The kind.
    pub kind: Kind,
    /// The namespace of the path.
    pub namespace: Option<String>,
    /// The name of the path; for a proxy it still holds scheme and port.
    pub name: Option<String>,
    /// The subresource.
    pub subresource: Option<String>,
    /// What follows a proxy subresource, with its leading slash.
    pub rest: String,
}

/// The review resources: group, version, plural.
const REVIEWS: [(&str, &str); 3] = [
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
];

/// Takes a path apart. `None`: below a known prefix, but no resource of ours.
pub fn target(path: &str) -> Option<Target> {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Some(Target::Path(path.to_owned())),
    };
    let (namespace, rest) = match rest {
        [] => return Some(Target::Path(path.to_owned())),
        // `namespaces/x` and `namespaces/x/status` are the namespace itself, the rest is what lives in it.
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) => {
            (Some(*namespace), rest)
        }
        rest => (None, rest),
    };
    let (plural, rest) = rest.split_first()?;
    if REVIEWS.iter().any(|(one, review)| *one == group && review == plural) && version == "v1" {
        return rest.is_empty().then(|| Target::Review((*plural).to_owned()));
    }
    let kind = Kind::find(group, version, plural)?;
    if namespace.is_some() && !kind.meta().namespaced {
        return None;
    }
    let (name, subresource, rest) = match rest {
        [] => (None, None, String::new()),
        [name] => (Some(*name), None, String::new()),
        [name, "proxy", rest @ ..] => (Some(*name), Some("proxy"), format!("/{}", rest.join("/"))),
        [name, subresource] => (Some(*name), Some(*subresource), String::new()),
        _ => return None,
    };
    if name.is_some() && namespace.is_none() && kind.meta().namespaced {
        return None;
    }
    Some(Target::Objects(Objects {
        kind,
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        subresource: subresource.map(str::to_owned),
        rest,
    }))
}

impl Objects {
    /// The namespace, empty when cluster-wide.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("")
    }

    /// The name, empty for a collection.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("")
    }

    /// What RBAC is asked about a request.
    pub fn attributes(&self, method: &Method, watch: bool) -> Attributes {
        let one = self.name.is_some();
        let verb = match *method {
            Method::GET | Method::HEAD if watch => "watch",
            Method::GET | Method::HEAD if one => "get",
            Method::GET | Method::HEAD => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if one => "delete",
            Method::DELETE => "deletecollection",
            _ => "",
        };
        let meta = self.kind.meta();
        // A proxied name may be `https:name:9090`: RBAC is asked with the whole of it, as on a real server.
        Attributes {
            verb: verb.to_owned(),
            group: meta.group.to_owned(),
            resource: meta.plural.to_owned(),
            subresource: self.subresource.clone().unwrap_or_default(),
            namespace: self.namespace().to_owned(),
            name: self.name().to_owned(),
        }
    }
}

/// Parameters that are whole numbers.
const NUMBERS: [&str; 6] = ["limit", "timeoutSeconds", "gracePeriodSeconds", "tailLines", "limitBytes", "sinceSeconds"];

/// The query parameters that the API knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads `a=b&c=d`.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        });
        Self { pairs: pairs.collect() }
    }

    /// The first value of a parameter; an empty one counts as absent, as in Go's conversion of options.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    /// Whether a parameter stands there, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(one, _)| one == name)
    }

    /// Whether a boolean parameter is set.
    pub fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "true" | "1"))
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// The first parameter that is to be a whole number and is none, as the real server's own conversion words it.
    pub fn not_a_number(&self) -> Option<String> {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let (_, value) = self
            .pairs
            .iter()
            .find(|(name, value)| NUMBERS.contains(&name.as_str()) && value.parse::<i64>().is_err())?;
        let why = match value.parse::<i64>().map_err(|error| *error.kind()) {
            Err(PosOverflow | NegOverflow) => "value out of range",
            _ => "invalid syntax",
        };
        Some(format!("strconv.ParseInt: parsing {value:?}: {why}"))
    }

    /// `timeoutSeconds` as a duration.
    pub fn timeout(&self) -> Option<Duration> {
        self.number("timeoutSeconds").filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// Whether nothing may be stored.
    pub fn dry_run(&self) -> bool {
        self.get("dryRun") == Some("All")
    }
}

/// Undoes percent encoding; what is no encoding stays as it is.
fn decode(text: &str) -> String {
    let raw = text.as_bytes();
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let hex = raw.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                out.push(decoded);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(kind: Kind, namespace: &str, name: &str, subresource: &str, rest: &str) -> Option<Target> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Some(Target::Objects(Objects {
            kind,
            namespace: some(namespace),
            name: some(name),
            subresource: some(subresource),
            rest: rest.to_owned(),
        }))
    }

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/api/v1/nodes", objects(Kind::Node, "", "", "", "")),
            ("/api/v1/nodes/n1", objects(Kind::Node, "", "n1", "", "")),
            ("/api/v1/namespaces", objects(Kind::Namespace, "", "", "", "")),
            ("/api/v1/namespaces/ml", objects(Kind::Namespace, "", "ml", "", "")),
            ("/api/v1/namespaces/ml/pods", objects(Kind::Pod, "ml", "", "", "")),
            ("/api/v1/namespaces/ml/pods/p/log", objects(Kind::Pod, "ml", "p", "log", "")),
            (
                "/api/v1/namespaces/argo/pods/https:p:9090/proxy/metrics",
                objects(Kind::Pod, "argo", "https:p:9090", "proxy", "/metrics"),
            ),
            (
                "/api/v1/namespaces/argo/pods/https%3Ap%3A9090/proxy/metrics",
                objects(Kind::Pod, "argo", "https:p:9090", "proxy", "/metrics"),
            ),
            ("/apis/argoproj.io/v1alpha1/workflows", objects(Kind::Workflow, "", "", "", "")),
            ("/apis/apps/v1/namespaces/argo/deployments/d/scale", objects(Kind::Deployment, "argo", "d", "scale", "")),
            ("/api/v1", Some(Target::Path("/api/v1".to_owned()))),
            ("/version", Some(Target::Path("/version".to_owned()))),
            (
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                Some(Target::Review("selfsubjectaccessreviews".to_owned())),
            ),
            ("/apis/argoproj.io/v1alpha1/workflows/w", None),
            ("/apis/argoproj.io/v1alpha1/unknown", None),
            ("/api/v1/namespaces/ml/nodes", None),
        ] {
            assert_eq!(target(path), expected, "{path}");
        }
    }

    #[test]
    fn queries() {
        let query = Query::parse("labelSelector=a%3Db%2Cc+in+(d)&limit=500&watch=true&continue=&timeoutSeconds=7");
        assert_eq!(query.get("labelSelector"), Some("a=b,c in (d)"));
        assert_eq!((query.number("limit"), query.is("watch"), query.get("continue")), (Some(500), true, None));
        assert_eq!(query.timeout(), Some(Duration::from_secs(7)));
        assert_eq!(decode("100%"), "100%");
    }
}
