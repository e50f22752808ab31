//! What the cluster says of a token, and of a namespace. Why it refuses one the operator reads in the log; whoever logs in does
//! not.

use std::collections::BTreeMap;

use coffer_sdk::http;
use coffer_sdk::prelude::*;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use crate::account::Account;
use crate::config::Config;

/// What is kept of a text that somebody else wrote, in characters.
const MESSAGE: usize = 300;

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenReview {
    status: Status,
    /// Of an answer that is an error.
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    user: User,
    error: String,
    audiences: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Namespace {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    labels: BTreeMap<String, String>,
}

fn refused(why: &str) -> Error {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let why: String = why.chars().take(MESSAGE).map(plain).collect();
    log::warn(&format!("a login was refused: {why}"));
    Error::denied("permission denied")
}

/// What the API server answers with success, to the reviewer or, where there is none, to whom the token is of. `complaint` says
/// what it refuses.
fn asked(
    config: &Config,
    method: &str,
    path: &str,
    jwt: &str,
    body: Option<&Value>,
    complaint: impl FnOnce(&http::Response) -> String,
) -> Result<Vec<u8>> {
    let reviewer = config.reviewer()?;
    let bearer = reviewer.as_deref().unwrap_or(jwt);
    let request = config.request(method, path, bearer)?;
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let host = &config.kubernetes_host;
    let answer = request.send().map_err(|error| Error {
        message: format!("the API server {host} cannot be asked: {}", error.message),
        ..error
    })?;
    match answer.status {
        200..=299 => Ok(answer.body),
        400..=499 => Err(refused(&complaint(&answer))),
        status => Err(Error::unavailable(format!(
            "the API server {host} answers with status {status}"
        ))),
    }
}

/// An answer that cannot be read says nothing.
fn review(answer: &[u8]) -> TokenReview {
    serde_json::from_slice(answer).unwrap_or_default()
}

/// Whether the cluster says that a token is good, and this account's; for this audience, if one is said.
pub(crate) fn token(config: &Config, jwt: &str, account: &Account, audience: &str) -> Result<()> {
    let mut spec = json!({ "token": jwt });
    if !audience.is_empty() {
        spec["audiences"] = json!([audience]);
    }
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec,
    });
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let answer = asked(config, "POST", path, jwt, Some(&body), |answer| {
        format!(
            "the API server refuses to review tokens (status {}): {}",
            answer.status,
            review(&answer.body).message
        )
    })?;
    let status = review(&answer).status;
    if !status.error.is_empty() {
        return Err(refused(&format!("the token's review: {}", status.error)));
    }
    if !status.authenticated {
        return Err(refused(
            "the token's review says that it is not authenticated",
        ));
    }
    let audiences = status.audiences.unwrap_or_default();
    if !audience.is_empty() && !audiences.iter().any(|one| one == audience) {
        return Err(refused(&format!("the token is not for {audience}")));
    }
    let expected = format!(
        "system:serviceaccount:{}:{}",
        account.namespace, account.name
    );
    if status.user.username != expected || status.user.uid != account.uid {
        return Err(refused(&format!(
            "the token says it is of {expected}, and its review says {}",
            status.user.username
        )));
    }
    Ok(())
}

/// The labels of a namespace.
pub(crate) fn labels(
    config: &Config,
    namespace: &str,
    jwt: &str,
) -> Result<BTreeMap<String, String>> {
    let name = utf8_percent_encode(namespace, NON_ALPHANUMERIC);
    let path = format!("/api/v1/namespaces/{name}");
    let answer = asked(config, "GET", &path, jwt, None, |answer| {
        format!(
            "the API server does not tell the labels of namespace {namespace} (status {})",
            answer.status
        )
    })?;
    let namespace: Namespace = serde_json::from_slice(&answer).unwrap_or_default();
    Ok(namespace.metadata.labels)
}
