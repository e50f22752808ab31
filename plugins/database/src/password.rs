//! Passwords: by a policy, or as Vault makes them by default.

use coffer_sdk::{Error, Result, passwords, random};

use crate::config::Config;
use crate::input::CredentialConfig;
use crate::limits;

const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
/// About one in four has all classes; so many at once almost always hold one.
const AT_ONCE: usize = 16;

/// A password for a user of this connection: by its role's policy, else by the connection's, else by none.
pub(crate) fn generate(config: &Config, role: &CredentialConfig) -> Result<String> {
    let policies = [&role.password_policy, &config.password_policy];
    match policies.into_iter().find(|policy| !policy.is_empty()) {
        Some(policy) => passwords::generate(policy).map_err(|error| {
            Error::internal(format!("failed to generate password: {}", error.message))
        }),
        None => Ok(usual()),
    }
}

/// 20 characters, with at least one of each class: small letters, capitals, digits, the dash. Every such password is as
/// likely as any other.
fn usual() -> String {
    loop {
        let letters = random::text(limits::PASSWORD * AT_ONCE, ALPHABET);
        let mut passwords = letters.as_bytes().chunks_exact(limits::PASSWORD);
        if let Some(password) = passwords.find(|password| is_complete(password)) {
            return password.iter().copied().map(char::from).collect();
        }
    }
}

fn is_complete(password: &[u8]) -> bool {
    let classes: [fn(&u8) -> bool; 4] = [
        u8::is_ascii_lowercase,
        u8::is_ascii_uppercase,
        u8::is_ascii_digit,
        |letter| *letter == b'-',
    ];
    classes.into_iter().all(|class| password.iter().any(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_and_never_twice() {
        let _host = coffer_sdk::testing::Host::new();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let password = usual();
            assert_eq!(password.len(), 20);
            assert!(is_complete(password.as_bytes()), "{password}");
            assert!(seen.insert(password));
        }
    }
}
