//! Which web pages of other origins may call: CORS, as `sys/config/cors` says.
//! <https://developer.hashicorp.com/vault/api-docs/system/config-cors>

use serde::{Deserialize, Serialize};

use crate::keys::CORS;
use crate::{Core, Error, stored};

/// Headers that a page may always send.
pub const HEADERS: &[&str] = &[
    "Content-Type",
    "Authorization",
    "X-Vault-Token",
    "X-Vault-Namespace",
    "X-Vault-Request",
    "X-Vault-MFA",
    "X-Vault-No-Request-Forwarding",
    "X-Vault-Wrap-Format",
    "X-Vault-Wrap-TTL",
    "X-Requested-With",
    "X-Vault-Policy-Override",
];

/// What is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    /// Origins, or only `*`.
    pub origins: Vec<String>,
    /// Headers besides the usual ones.
    pub headers: Vec<String>,
    /// Whether a page may send cookies and the like; never with `*`.
    pub credentials: bool,
}

impl Cors {
    /// Whether pages of this origin may call.
    pub fn allows(&self, origin: &str) -> bool {
        let is = |allowed: &String| allowed == "*" || allowed.eq_ignore_ascii_case(origin);
        self.origins.iter().any(is)
    }

    /// All headers that a page may send.
    pub fn all_headers(&self) -> Vec<&str> {
        let own = self.headers.iter().map(String::as_str);
        HEADERS.iter().copied().chain(own).collect()
    }
}

impl Core {
    /// What is allowed, if anything. While the barrier is sealed that is not known, and nothing is.
    ///
    /// # Errors
    /// If storage fails.
    pub async fn cors(&self) -> Result<Option<Cors>, Error> {
        let mut txn = match self.barrier.begin() {
            Err(coffer_barrier::BarrierError::Sealed) => return Ok(None),
            txn => txn?,
        };
        stored::load(&mut txn, CORS).await
    }
}
