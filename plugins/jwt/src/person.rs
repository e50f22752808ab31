//! Who has logged in, by what an issuer claims of them.

use coffer_jwt::Claims;
use coffer_sdk::identity;
use coffer_sdk::prelude::*;
use coffer_sdk::token::ByRole;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bound;
use crate::role::Role;

/// Somebody whose claims satisfy a role.
#[derive(Serialize, Deserialize)]
pub(crate) struct Person {
    /// The role's name.
    pub role: String,
    user: String,
    /// Of the login.
    metadata: Vec<(String, String)>,
    /// The groups that the issuer says they are in.
    groups: Vec<String>,
}

impl Person {
    /// Whom these claims are of, if they are what the role wants.
    pub fn of(name: &str, role: &Role, claims: &Claims) -> Result<Self> {
        bound::check(claims, &role.bound_claims, role.globs)?;
        let user = user(role, claims)?;
        let mut metadata = vec![("role".to_owned(), name.to_owned())];
        for (claim, target) in &role.claim_mappings {
            if let Some(value) = bound::claim(claims, claim) {
                metadata.push((target.clone(), bound::text(claim, value)?));
            }
        }
        Ok(Self {
            role: name.to_owned(),
            user,
            metadata,
            groups: groups(role, claims)?,
        })
    }

    /// Their login, with a token of this kind.
    pub fn login(self, auth: Auth) -> Result<Response> {
        identity::groups(&self.groups)?;
        Ok(Response::auth(Auth {
            display_name: self.user.clone(),
            alias: Some(Alias {
                name: self.user,
                metadata: self.metadata.clone(),
            }),
            metadata: self.metadata,
            internal: serde_json::to_string(&ByRole { role: self.role })?,
            ..auth
        }))
    }
}

fn groups(role: &Role, claims: &Claims) -> Result<Vec<String>> {
    let name = &role.groups_claim;
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let claimed = match bound::claim(claims, name) {
        Some(Value::Null) | None => {
            return Err(Error::invalid(format!(
                "failed to fetch groups: {name:?} claim not found in token"
            )));
        }
        Some(Value::Object(_)) => {
            return Err(Error::invalid(format!(
                "{name:?} claim could not be converted to string list"
            )));
        }
        Some(claimed) => bound::each(claimed),
    };
    let mut groups = Vec::new();
    for group in claimed {
        match group {
            Value::String(group) if group.is_empty() => {}
            Value::String(group) => groups.push(group.clone()),
            other => {
                return Err(Error::invalid(format!(
                    "value {other} in groups claim could not be parsed as string"
                )));
            }
        }
    }
    Ok(groups)
}

fn user(role: &Role, claims: &Claims) -> Result<String> {
    let name = &role.user_claim;
    let claim = if role.user_claim_json_pointer {
        bound::claim(claims, name)
    } else {
        claims.get(name)
    };
    match claim {
        Some(Value::String(user)) if !user.is_empty() => Ok(user.clone()),
        Some(Value::String(_)) | None => {
            Err(Error::invalid(format!("claim {name:?} not found in token")))
        }
        Some(_) => Err(Error::invalid(format!(
            "claim {name:?} could not be converted to string"
        ))),
    }
}
