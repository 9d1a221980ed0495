//! What an HTTP client's error says. Pure.

/// The innermost cause: the outer ones only say that a request failed, and repeat the URL, which can hold a token.
pub fn innermost_cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(next) = innermost.source() {
        innermost = next;
    }
    match innermost.downcast_ref::<reqwest::Error>() {
        // Without a cause of its own it is the outer one.
        Some(_) => "the request failed".to_owned(),
        None => innermost.to_string(),
    }
}
