//! From a request to an answer: who asks, may they, and which handler. Not pure: reads the store and the clock.

mod list;
mod one;
mod pods;
mod reviews;
mod scale;
mod watch;

use std::{convert::Infallible, sync::Arc};

use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Incoming};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    access::{Attributes, User},
    admit, clock, discovery,
    fault::ApiFault,
    forms::{Form, IncludeObject, Writer, negotiate},
    kinds::Kind,
    protobuf,
    request::{Objects, Query, Target, target},
    server::Shared,
    status::Failure,
    store::Store,
};

/// The largest body taken, as on a real server.
const BODY: usize = 3 << 20;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;
type Answer = Result<Response<Body>, Failure>;

/// What a handler knows of its request.
struct Context {
    shared: Arc<Shared>,
    user: User,
    method: Method,
    query: Query,
    accept: Option<String>,
    content_type: String,
    body: Bytes,
    now: Timestamp,
}

impl Context {
    fn store(&self) -> &Store {
        &self.shared.options.store
    }

    /// How this request wants objects of a kind written.
    fn writer(&self, kind: Kind) -> Result<Writer, Failure> {
        let form = negotiate(self.accept.as_deref()).ok_or_else(not_acceptable)?;
        let include = IncludeObject::parse(self.query.get("includeObject")).ok_or_else(|| {
            let value = self.query.get("includeObject").unwrap_or("");
            Failure::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: \"{value}\": must be 'Metadata', \
                 'Object', 'None', or empty"
            ))
        })?;
        Ok(Writer { form, include, kind, now: self.now })
    }

    /// The body as JSON; an empty one is an empty object where that is allowed.
    fn json(&self) -> Result<Value, Failure> {
        let format = self.content_type.split(';').next().unwrap_or("").trim();
        if format == protobuf::MEDIA_TYPE
            && let Some(object) = protobuf::read(&self.body)
        {
            return Ok(object);
        }
        if !format.is_empty() && format != "application/json" && !format.ends_with("+json") {
            return Err(Failure::unsupported_media_type(&["application/json"]));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::bad_request(format!("the object provided is unrecognized: {error}")))
    }

    fn authorise(&self, wanted: &Attributes) -> Result<(), Failure> {
        if self.user.may(wanted) {
            return Ok(());
        }
        let mut failure = Failure::new(StatusCode::FORBIDDEN, "Forbidden", self.user.refusal(wanted));
        failure.body["details"] = serde_json::json!({"kind": wanted.resource});
        for (field, value) in [("name", &wanted.name), ("group", &wanted.group)] {
            if !value.is_empty() {
                failure.body["details"][field] = value.as_str().into();
            }
        }
        Err(failure)
    }
}

/// Answers a request.
pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let fault = *shared.fault.borrow();
    if let ApiFault::Slow(delay) = fault {
        tokio::time::sleep(delay).await;
    }
    let head = request.method() == Method::HEAD;
    let response = match dispatch(shared, request).await {
        Ok(response) => response,
        Err(failure) => refuse(&failure),
    };
    if head { response.map(|_| empty()) } else { response }
}

async fn dispatch(shared: Arc<Shared>, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let token = header(&parts.headers, AUTHORIZATION.as_str());
    let token = token.as_deref().and_then(|value| value.strip_prefix("Bearer "));
    let user = token.and_then(|token| shared.user(token.trim())).ok_or_else(Failure::unauthorized)?;
    let body = match Limited::new(body, BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(admit::too_large()),
        Err(_) => return Err(Failure::bad_request("the request body broke off")),
    };
    let context = Context {
        shared,
        user,
        query: Query::parse(parts.uri.query().unwrap_or("")),
        accept: header(&parts.headers, ACCEPT.as_str()),
        content_type: header(&parts.headers, CONTENT_TYPE.as_str()).unwrap_or_default(),
        method: parts.method,
        body,
        now: clock::now(),
    };
    match target(parts.uri.path()) {
        None if built_in(parts.uri.path()) => Err(Failure::no_such_resource()),
        None => Ok(plain(StatusCode::NOT_FOUND, "404 page not found\n")),
        Some(Target::Path(path)) => static_path(&context, &path),
        Some(Target::Review(resource)) => reviews::answer(&context, &resource),
        Some(Target::Objects(objects)) => objects_of(&context, &objects).await,
    }
}

async fn objects_of(context: &Context, objects: &Objects) -> Answer {
    let watch = context.query.is("watch") && objects.subresource.is_none();
    let wanted = objects.attributes(&context.method, watch);
    let resource = match &objects.subresource {
        Some(subresource) if known_subresource(objects.kind, subresource) => {
            format!("{}/{subresource}", wanted.resource)
        }
        _ => wanted.resource.clone(),
    };
    context.shared.count(&wanted.verb, &resource);
    context.authorise(&wanted)?;
    if let Some(why) = context.query.not_a_number() {
        return Err(Failure::bad_request(why));
    }
    let read = matches!(context.method, Method::GET | Method::HEAD);
    match (objects.subresource.as_deref(), objects.name.is_some()) {
        (None, _) if watch && read => watch::answer(context, objects),
        (None, false) if read => list::answer(context, objects),
        (None | Some("status"), true) if read => one::get(context, objects),
        (None, false) if context.method == Method::POST => one::create(context, objects),
        (None, true) if context.method == Method::DELETE => one::delete(context, objects),
        (None | Some("status"), true) if matches!(context.method, Method::PUT | Method::PATCH) => {
            if objects.subresource.is_some() && !objects.kind.meta().status {
                return Err(Failure::no_such_resource());
            }
            one::update(context, objects)
        }
        (Some("scale"), true) if objects.kind.meta().scale => scale::answer(context, objects),
        (Some("log"), true) if objects.kind == Kind::Pod && read => pods::log(context, objects),
        (Some("proxy"), true) if objects.kind == Kind::Pod && read => pods::proxy(context, objects),
        (Some("eviction"), true) if objects.kind == Kind::Pod && context.method == Method::POST => {
            pods::evict(context, objects)
        }
        (Some(_), _) => Err(Failure::no_such_resource()),
        _ => Err(Failure::method_not_allowed()),
    }
}

/// Below a group that the server itself serves. There an unknown resource is told in a Status; where definitions of
/// custom resources would be, and in groups that are not served, a plain page is (measured on 1.36).
fn built_in(path: &str) -> bool {
    match path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().as_slice() {
        ["api", "v1", ..] => true,
        ["apis", "argoproj.io", ..] => false,
        ["apis", group, ..] => discovery::document(&format!("/apis/{group}"), "").is_some(),
        _ => false,
    }
}

fn known_subresource(kind: Kind, subresource: &str) -> bool {
    match subresource {
        "status" => kind.meta().status,
        "scale" => kind.meta().scale,
        "log" | "proxy" | "eviction" => kind == Kind::Pod,
        _ => false,
    }
}

fn static_path(context: &Context, path: &str) -> Answer {
    let verb = context.method.as_str().to_lowercase();
    if !context.user.may_path(&verb, path) {
        let why = format!("forbidden: User \"{}\" cannot {verb} path \"{path}\"", context.user.name());
        return Err(Failure::new(StatusCode::FORBIDDEN, "Forbidden", why));
    }
    match path.trim_end_matches('/') {
        // `?verbose` has no value.
        at @ ("/livez" | "/readyz" | "/healthz") if context.query.has("verbose") => {
            let checks = "[+]ping ok\n[+]log ok\n";
            let text = format!("{checks}{} check passed\n", at.trim_start_matches('/'));
            return Ok(bytes(StatusCode::OK, "text/plain; charset=utf-8", text));
        }
        "/livez" | "/readyz" | "/healthz" => return Ok(plain(StatusCode::OK, "ok")),
        "/metrics" => {
            let text = context.shared.metrics();
            return Ok(bytes(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text));
        }
        _ => {}
    }
    let negotiated = negotiate(context.accept.as_deref()).or(Some(Form::Full));
    match discovery::document(path, &context.shared.address.to_string()).filter(|_| negotiated.is_some()) {
        Some(document) => Ok(json(StatusCode::OK, &document)),
        None => Ok(plain(StatusCode::NOT_FOUND, "404 page not found\n")),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    // Several Accept headers are one list.
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn not_acceptable() -> Failure {
    let message = "only the following media types are accepted: application/json";
    Failure::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
}

fn refuse(failure: &Failure) -> Response<Body> {
    let mut response = json(failure.code, &failure.body);
    if let Some(seconds) = failure.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if failure.code == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET"));
    }
    response
}

fn respond(code: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

fn bytes(code: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    respond(code, content_type, Full::new(body.into()).boxed_unsync())
}

fn json(code: StatusCode, body: &Value) -> Response<Body> {
    bytes(code, "application/json", format!("{body}\n"))
}

fn plain(code: StatusCode, body: &'static str) -> Response<Body> {
    bytes(code, "text/plain; charset=utf-8", body)
}

fn empty() -> Body {
    Full::new(Bytes::new()).boxed_unsync()
}
