//! Reviews: may I, what may I, who am I. Not pure only in that it reads the request's user.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    super::{access::Attributes, clock},
    Answer, Context, Failure, json as send,
};

pub(super) fn answer(context: &Context, resource: &str) -> Answer {
    let group = if resource == "selfsubjectreviews" { "authentication.k8s.io" } else { "authorization.k8s.io" };
    if context.method != Method::POST {
        return Err(Failure::method_not_allowed());
    }
    let wanted = Attributes {
        verb: "create".to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        ..Attributes::default()
    };
    context.shared.count("create", resource);
    context.authorise(&wanted)?;
    let mut review = context.json()?;
    if !review.is_object() {
        return Err(Failure::bad_request("the object provided is unrecognized (must be of type object)"));
    }
    let (kind, status) = match resource {
        "selfsubjectaccessreviews" => ("SelfSubjectAccessReview", access(context, &review["spec"])?),
        "selfsubjectrulesreviews" => {
            let namespace = review["spec"]["namespace"].as_str().filter(|namespace| !namespace.is_empty());
            let namespace = namespace.ok_or_else(|| Failure::bad_request("no namespace on request"))?;
            ("SelfSubjectRulesReview", context.user.rules_in(namespace))
        }
        _ => {
            let info =
                json!({"username": context.user.name(), "uid": context.user.name(), "groups": context.user.groups()});
            ("SelfSubjectReview", json!({"userInfo": info}))
        }
    };
    review["kind"] = kind.into();
    review["apiVersion"] = format!("{group}/v1").into();
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    if kind == "SelfSubjectReview" {
        review["metadata"]["creationTimestamp"] = clock::seconds(context.now).into();
    }
    review["status"] = status;
    Ok(send(StatusCode::CREATED, &review))
}

fn access(context: &Context, spec: &Value) -> Result<Value, Failure> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let allowed = if let Some(path) = spec.get("nonResourceAttributes").filter(|value| value.is_object()) {
        context.user.may_path(&text(&path["verb"]), &text(&path["path"]))
    } else if let Some(of) = spec.get("resourceAttributes").filter(|value| value.is_object()) {
        context.user.may(&Attributes {
            verb: text(&of["verb"]),
            group: text(&of["group"]),
            resource: text(&of["resource"]),
            subresource: text(&of["subresource"]),
            namespace: text(&of["namespace"]),
            name: text(&of["name"]),
        })
    } else {
        let message = ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: \
                       null: exactly one of nonResourceAttributes or resourceAttributes must be specified";
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message));
    };
    Ok(json!({"allowed": allowed}))
}
