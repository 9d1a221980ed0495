//! `Status` bodies: how the API server says no. Pure. Messages and reasons are those of k8s.io/apimachinery
//! pkg/api/errors and of the registry; clients match on `reason` and `code`, people read the message.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    kinds::{Kind, Meta},
    store::StoreError,
};

/// A refusal.
#[derive(Clone, Debug)]
pub struct Failure {
    /// HTTP status.
    pub code: StatusCode,
    /// The Status object.
    pub body: Value,
    /// Seconds for a `Retry-After` header.
    pub retry_after: Option<u64>,
}

impl Failure {
    /// A Status with this code, reason and message.
    pub fn new(code: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        let mut body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message.into(), "code": code.as_u16()});
        if !reason.is_empty() {
            body["reason"] = reason.into();
        }
        Self { code, body, retry_after: None }
    }

    fn about(mut self, meta: &Meta, name: &str) -> Self {
        self.body["details"] = details(meta.group, meta.plural, name);
        self
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 401: who are you?
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// 404 for an object.
    pub fn not_found(kind: Kind, name: &str) -> Self {
        let meta = kind.meta();
        let message = format!("{} \"{name}\" not found", meta.resource());
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(meta, name)
    }

    /// 404 for a path below a known group.
    pub fn no_such_resource() -> Self {
        let mut failure =
            Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource");
        failure.body["details"] = json!({});
        failure
    }

    /// 405: the resource knows no such verb.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        let mut failure = Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
        failure.body["details"] = json!({});
        failure
    }

    /// 409 for a name that is taken.
    pub fn already_exists(kind: Kind, name: &str) -> Self {
        let meta = kind.meta();
        let message = format!("{} \"{name}\" already exists", meta.resource());
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(meta, name)
    }

    /// 409 for a precondition that does not hold.
    pub fn conflict(kind: Kind, name: &str, why: &str) -> Self {
        let meta = kind.meta();
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", meta.resource());
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(meta, name)
    }

    /// 409 for the precondition of a deletion: a real server names the kind there instead of the resource.
    pub fn deletion_conflict(kind: Kind, name: &str, why: &str) -> Self {
        let meta = kind.meta();
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", meta.qualified_kind());
        let mut failure = Self::new(StatusCode::CONFLICT, "Conflict", message);
        failure.body["details"] = details(meta.group, meta.kind, name);
        failure
    }

    /// 409 for the uid precondition of a `scale`.
    pub fn scale_conflict(kind: Kind, name: &str, expected: &str, found: &str) -> Self {
        let meta = kind.meta();
        let plural = format!("{}/scale", meta.plural);
        let message = format!(
            "Operation cannot be fulfilled on {plural}.{} \"{name}\": Precondition failed: UID in precondition: {expected}, \
             UID in object meta: {found}",
            meta.group
        );
        let mut failure = Self::new(StatusCode::CONFLICT, "Conflict", message);
        failure.body["details"] = details(meta.group, &plural, name);
        failure
    }

    /// 422: the object is not valid.
    pub fn invalid(kind: Kind, name: &str, field: &str, reason: &str, why: &str) -> Self {
        let meta = kind.meta();
        let message = format!("{} \"{name}\" is invalid: {field}: {why}", meta.qualified_kind());
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        failure.body["details"] = details(meta.group, meta.kind, name);
        failure.body["details"]["causes"] = json!([{"reason": reason, "message": why, "field": field}]);
        failure
    }

    /// 410: the resourceVersion or continue token is too old.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// 415: a body in a format that the server does not take.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// 429 with a cause, as the eviction of a pod gets it.
    pub fn disruption_budget(message: &str) -> Self {
        let mut failure = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        );
        failure.body["details"] = json!({"causes": [{"reason": "DisruptionBudget", "message": message}]});
        failure
    }

    /// 503: what is behind the server does not answer.
    pub fn unreachable(why: &str) -> Self {
        let message = format!("error trying to reach service: {why}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    /// 504 for a resourceVersion from the future.
    pub fn too_large(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut failure = Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message);
        failure.body["details"] = json!({"causes": [{"reason": "ResourceVersionTooLarge",
            "message": "Too large resource version"}], "retryAfterSeconds": 1});
        failure.retry_after = Some(1);
        failure
    }

    /// What a refused write of the store reads like for a client.
    pub fn from_store(error: StoreError, kind: Kind, name: &str) -> Self {
        match error {
            StoreError::NotFound => Self::not_found(kind, name),
            StoreError::AlreadyExists => Self::already_exists(kind, name),
            StoreError::Conflict => Self::conflict(kind, name, &StoreError::Conflict.to_string()),
            StoreError::OtherUid { expected, found } => {
                let why = format!("Precondition failed: UID in precondition: {expected}, UID in object meta: {found}");
                Self::conflict(kind, name, &why)
            }
            StoreError::Nameless => Self::invalid(
                kind,
                "",
                "metadata.name",
                "FieldValueRequired",
                "Required value: name or generateName is required",
            ),
        }
    }
}

fn details(group: &str, kind: &str, name: &str) -> Value {
    let mut details = json!({"kind": kind});
    if !name.is_empty() {
        details["name"] = name.into();
    }
    if !group.is_empty() {
        details["group"] = group.into();
    }
    details
}

/// The body of a deletion that is done.
pub fn deleted(meta: &Meta, name: &str, uid: &str) -> Value {
    let mut details = details(meta.group, meta.plural, name);
    details["uid"] = uid.into();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_read_like_the_real_ones() {
        let failure = Failure::not_found(Kind::Workflow, "x");
        assert_eq!(
            failure.body,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "workflows.argoproj.io \"x\" not found", "reason": "NotFound",
                "details": {"name": "x", "group": "argoproj.io", "kind": "workflows"}, "code": 404})
        );
        assert_eq!(Failure::not_found(Kind::Pod, "x").body["message"], "pods \"x\" not found");
        assert_eq!(
            Failure::from_store(StoreError::Conflict, Kind::Lease, "l").body["message"],
            "Operation cannot be fulfilled on leases.coordination.k8s.io \"l\": the object has been modified; please \
             apply your changes to the latest version and try again"
        );
    }
}
