//! What the cluster says of a token, and of a namespace. Why it refuses one the operator reads in the log; whoever logs in does
//! not.

use std::collections::BTreeMap;

use coffer_sdk::prelude::*;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

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

/// Who cannot be asked is named.
fn named(config: &Config, error: Error) -> Error {
    Error {
        message: format!(
            "the API server {} cannot be asked: {}",
            config.kubernetes_host, error.message
        ),
        ..error
    }
}

/// Whether the cluster says that a token is good, and this account's; for this audience, if one is said.
pub(crate) fn token(config: &Config, jwt: &str, account: &Account, audience: &str) -> Result<()> {
    let reviewer = match config.token_reviewer_jwt.as_str() {
        "" => jwt,
        reviewer => reviewer,
    };
    let mut spec = json!({ "token": jwt });
    if !audience.is_empty() {
        spec["audiences"] = json!([audience]);
    }
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec,
    });
    let answer = config
        .request(
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            reviewer,
        )
        .json(&body)
        .send()
        .map_err(|error| named(config, error))?;
    let review: TokenReview = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status {
        200..=299 => {}
        400..=499 => {
            return Err(refused(&format!(
                "the API server refuses to review tokens (status {}): {}",
                answer.status, review.message
            )));
        }
        status => {
            return Err(Error::unavailable(format!(
                "the API server {} answers with status {status}",
                config.kubernetes_host
            )));
        }
    }
    let status = review.status;
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
    let bearer = match config.token_reviewer_jwt.as_str() {
        "" => jwt,
        reviewer => reviewer,
    };
    let name = utf8_percent_encode(namespace, NON_ALPHANUMERIC);
    let answer = config
        .request("GET", &format!("/api/v1/namespaces/{name}"), bearer)
        .send()
        .map_err(|error| named(config, error))?;
    match answer.status {
        200..=299 => {}
        400..=499 => {
            return Err(refused(&format!(
                "the API server does not tell the labels of namespace {namespace} (status {})",
                answer.status
            )));
        }
        status => {
            return Err(Error::unavailable(format!(
                "the API server {} answers with status {status}",
                config.kubernetes_host
            )));
        }
    }
    let namespace: Namespace = serde_json::from_slice(&answer.body).unwrap_or_default();
    Ok(namespace.metadata.labels)
}
