//! Credential plugins of a kubeconfig (`users[].user.exec`), run here and not by the client library: theirs inherits the
//! terminal unless told otherwise, has no time limit, and is run again for every request that waits for it.

use base64::Engine as _;
use jiff::Timestamp;
use kube::config::{AuthInfo, ExecConfig};
use serde::Deserialize;
use std::process::Stdio;
use std::time::Duration;

/// Longest time a plugin may take. Cloud tools need a second or two, a slow line some more.
pub const PLUGIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a plugin gave no credentials. None of the texts holds its standard output, which may be a token.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// No command stands in the kubeconfig.
    #[error("the credential plugin has no command")]
    NoCommand,
    /// It could not be started.
    #[error("credential plugin {command}: cannot be started: {error}")]
    Start {
        /// The command.
        command: String,
        /// The system's word.
        error: std::io::Error,
    },
    /// It took too long and was killed.
    #[error("credential plugin {command}: no answer in {} s", .limit.as_secs())]
    TimedOut {
        /// The command.
        command: String,
        /// The limit.
        limit: Duration,
    },
    /// It ended with an error.
    #[error("credential plugin {command} failed: {said}")]
    Failed {
        /// The command.
        command: String,
        /// The last line of its standard error, or its exit status.
        said: String,
    },
    /// Its answer is not an ExecCredential with a token or a certificate.
    #[error("credential plugin {command}: its answer has no usable credentials")]
    Answer {
        /// The command.
        command: String,
    },
}

#[derive(Deserialize)]
struct Credential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Runs the user's plugin, if there is one, and puts what it gave in its place. Returns when those credentials expire.
///
/// # Errors
/// The plugin gave no credentials.
pub async fn resolve(user: &mut AuthInfo, limit: Duration) -> Result<Option<Timestamp>, PluginError> {
    // The order of client-go and kube: a password or token that stands in the file wins.
    if user.token.is_some() || user.token_file.is_some() || (user.username.is_some() && user.password.is_some()) {
        return Ok(None);
    }
    let Some(plugin) = user.exec.take() else { return Ok(None) };
    let name = plugin.command.clone().ok_or(PluginError::NoCommand)?;
    let command = name.rsplit('/').next().unwrap_or(&name).to_owned();
    let output = run(&plugin, &name, &command, limit).await?;
    let unusable = || PluginError::Answer { command: command.clone() };
    let status = serde_json::from_slice::<Credential>(&output).ok().and_then(|c| c.status).ok_or_else(unusable)?;
    match (status.token, status.client_certificate_data, status.client_key_data) {
        (_, Some(certificate), Some(key)) => {
            let base64 = base64::engine::general_purpose::STANDARD;
            user.client_certificate_data = Some(base64.encode(certificate));
            user.client_key_data = Some(base64.encode(key).into());
        }
        (Some(token), _, _) => user.token = Some(token.into()),
        _ => return Err(unusable()),
    }
    Ok(status.expiration_timestamp.and_then(|at| at.parse().ok()))
}

async fn run(plugin: &ExecConfig, program: &str, command: &str, limit: Duration) -> Result<Vec<u8>, PluginError> {
    let spec = serde_json::json!({
        "kind": "ExecCredential",
        "apiVersion": plugin.api_version,
        "spec": { "interactive": false, "cluster": plugin.cluster.as_ref().filter(|_| plugin.provide_cluster_info) },
    });
    let mut process = tokio::process::Command::new(program);
    process.args(plugin.args.iter().flatten()).env("KUBERNETES_EXEC_INFO", spec.to_string());
    for entry in plugin.env.iter().flatten() {
        if let (Some(name), Some(value)) = (entry.get("name"), entry.get("value")) {
            process.env(name, value);
        }
    }
    for name in plugin.drop_env.iter().flatten() {
        process.env_remove(name);
    }
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let start = |error| PluginError::Start { command: command.to_owned(), error };
    let output = match tokio::time::timeout(limit, process.output()).await {
        Ok(output) => output.map_err(start)?,
        Err(_) => return Err(PluginError::TimedOut { command: command.to_owned(), limit }),
    };
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said =
        stderr.lines().rev().find(|line| !line.trim().is_empty()).map(|line| crate::domain::text::clean_to(line, 160));
    Err(PluginError::Failed { command: command.to_owned(), said: said.unwrap_or_else(|| output.status.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn user(folder: &std::path::Path, script: &str) -> AuthInfo {
        let path = folder.join("plugin");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let exec = ExecConfig {
            api_version: Some("client.authentication.k8s.io/v1".to_owned()),
            command: Some(path.to_string_lossy().into_owned()),
            ..serde_json::from_str("{}").unwrap()
        };
        AuthInfo { exec: Some(exec), ..AuthInfo::default() }
    }

    #[tokio::test]
    async fn a_token_and_its_expiry_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 7;; esac
            echo '{"kind":"ExecCredential","status":{"token":"t0k","expirationTimestamp":"2026-11-24T12:00:00Z"}}'"#;
        let mut user = user(folder.path(), script);
        let expires = resolve(&mut user, PLUGIN_TIMEOUT).await.unwrap();
        assert_eq!(expires, Some("2026-11-24T12:00:00Z".parse().unwrap()));
        assert!(user.token.is_some() && user.exec.is_none());
        assert!(!format!("{user:?}").contains("t0k"));
    }

    #[tokio::test]
    async fn what_went_wrong_is_said_without_the_token() {
        let folder = tempfile::tempdir().unwrap();
        for (script, limit, expected) in [
            ("echo secret; echo 'Reauthentication is needed' >&2; exit 1", 20, "failed: Reauthentication is needed"),
            ("echo secret", 20, "no usable credentials"),
            ("echo '{\"status\":{}}'", 20, "no usable credentials"),
            ("exec sleep 60", 0, "no answer in 0 s"),
        ] {
            let mut user = user(folder.path(), script);
            let error = resolve(&mut user, Duration::from_secs(limit)).await.unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{script}: {error}");
        }
    }
}
