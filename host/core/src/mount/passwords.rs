//! What makes passwords for a mount's plugin: the password policies of its namespace.

use async_trait::async_trait;
use coffer_barrier::Transaction;
use coffer_clock::Random;
use coffer_runtime::{PasswordError, Passwords};

use crate::keys::Ns;
use crate::limits;
use crate::password::PasswordPolicy;

/// The policies of a namespace.
pub struct NamespacePasswords {
    pub ns: String,
    pub random: Random,
}

#[async_trait]
impl Passwords for NamespacePasswords {
    async fn generate(&self, txn: &mut Transaction, policy: &str) -> Result<String, PasswordError> {
        if policy.is_empty() || policy.len() > limits::MAX_POLICY_NAME {
            return Err(PasswordError::NoPolicy);
        }
        let found = txn.get(&Ns(&self.ns).password_policy(policy)).await;
        let text = found
            .map_err(PasswordError::Barrier)?
            .ok_or(PasswordError::NoPolicy)?;
        let text = std::str::from_utf8(&text)
            .map_err(|error| PasswordError::Invalid(error.to_string()))?;
        let policy = PasswordPolicy::parse(text).map_err(PasswordError::Invalid)?;
        Ok(policy.generate(&self.random).to_string())
    }
}
