//! Who has logged in, by what an issuer claims of them.

use coffer_jwt::Claims;
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
        })
    }

    /// Their login, with a token of this kind.
    pub fn login(self, auth: Auth) -> Result<Response> {
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
