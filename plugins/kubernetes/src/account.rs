//! The service account that a token is of, as the token says.

use coffer_jwt::Claims;
use coffer_sdk::prelude::*;
use serde_json::Value;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// Where the token lives, of clusters before 1.24; else empty.
    pub secret: String,
}

impl Account {
    /// Of the claims of either kind: those that the token lives with in a secret, and those that it was asked for with (bound
    /// tokens).
    pub fn of(claims: &Claims) -> Result<Self> {
        let old = |name: &str| text(claims.get(&format!("kubernetes.io/serviceaccount/{name}")));
        let bound = claims.get("kubernetes.io");
        let at = |pointer: &str| text(bound.and_then(|bound| bound.pointer(pointer)));
        let first = |old: String, bound: String| if old.is_empty() { bound } else { old };
        let account = Self {
            namespace: first(old("namespace"), at("/namespace")),
            name: first(old("service-account.name"), at("/serviceaccount/name")),
            uid: first(old("service-account.uid"), at("/serviceaccount/uid")),
            secret: old("secret.name"),
        };
        if account.namespace.is_empty() || account.name.is_empty() || account.uid.is_empty() {
            return Err(Error::denied("the token is of no service account"));
        }
        Ok(account)
    }
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}
