//! Small grammars of the outside: URLs, host names, ports, names of Kubernetes. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// A label or subdomain of RFC 1123 as Kubernetes asks for names (apimachinery `validation.go`).
pub(super) fn kubernetes_name(name: &str, dots: bool) -> bool {
    let label = |label: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edge(label.chars().next())
            && edge(label.chars().last())
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if dots { name.len() <= 253 && name.split('.').all(label) } else { name.len() <= 63 && label(name) }
}

/// A host name (RFC 1123; `_` too, which names of keys and services carry), in lower case and without the last dot.
pub(super) fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    // A last label of digits alone is a mistyped address (RFC 3696, section 2).
    let top = name.rsplit('.').next().unwrap_or_default();
    let numeric = top.chars().all(|c| c.is_ascii_digit());
    (name.len() <= 253 && !numeric && name.split('.').all(label)).then_some(name)
}

/// `host:port`, `[v6]:port` or a host alone, for which `port` is taken; given back as `host:port`.
pub(super) fn host_port(text: &str, port: u16) -> Result<String, String> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{text}]:{port}"));
    }
    let (host, digits) = match text.rsplit_once(':') {
        Some((host, digits)) if !text.ends_with(']') => (host, Some(digits)),
        _ => (text, None),
    };
    let port = match digits.map(str::parse::<u16>) {
        None => port,
        Some(Ok(port)) if port > 0 => port,
        Some(_) => return Err(format!("{text:?} has no port between 1 and 65535 after its last colon")),
    };
    let address = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let good = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok() || host_name(host).is_some(),
    };
    if good { Ok(format!("{host}:{port}")) } else { Err(format!("{text:?} is no host:port")) }
}

/// An `http` or `https` URL with a host.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("a URL of scheme \"{}\"; http or https is needed", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("a URL without a host".to_owned());
    }
    Ok(url)
}

/// Where a URL's server is reached only by this machine itself.
pub(super) fn is_loopback(host: &str) -> bool {
    host.is_empty()
        || host == "localhost"
        || host.starts_with('/')
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Turns `%41` into `A`; what is no escape stays.
pub(super) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
