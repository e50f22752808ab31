//! Proofs that we know the password, without saying it.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The plugin of MySQL before version 8, and of MariaDB.
pub const NATIVE: &str = "mysql_native_password";
/// The plugin of MySQL since version 8.
pub const CACHING_SHA2: &str = "caching_sha2_password";

/// The answer to a seed; None if the plugin is unknown. Without a password it is empty.
pub fn answer(plugin: &str, password: &str, seed: &[u8]) -> Option<Vec<u8>> {
    match plugin {
        NATIVE | CACHING_SHA2 if password.is_empty() => Some(Vec::new()),
        NATIVE => Some(native(password.as_bytes(), seed)),
        CACHING_SHA2 => Some(caching_sha2(password.as_bytes(), seed)),
        _ => None,
    }
}

/// The server keeps the hash of the hash: from it, and the answer, it gets the hash and checks that.
fn native(password: &[u8], seed: &[u8]) -> Vec<u8> {
    let hash = Sha1::digest(password);
    let mask = Sha1::new()
        .chain_update(seed)
        .chain_update(Sha1::digest(hash))
        .finalize();
    xor(&hash, &mask)
}

fn caching_sha2(password: &[u8], seed: &[u8]) -> Vec<u8> {
    let hash = Sha256::digest(password);
    let mask = Sha256::new()
        .chain_update(Sha256::digest(hash))
        .chain_update(seed)
        .finalize();
    xor(&hash, &mask)
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As another client computes it (PyMySQL 1.2).
    #[test]
    fn known_answers() {
        let seed: Vec<u8> = (1..=20).collect();
        #[rustfmt::skip]
        let table = [
            (NATIVE, "hunter22", "cd7f694e10a988e75f98d962ed344a75f23fc864"),
            (NATIVE, "pässwörd", "9891a8536587af22d12e126cf5f7a8ea86d63b0e"),
            (CACHING_SHA2, "hunter22", "efaff9d0c14ff19f25f170399e5c842dafcad192f9e7596b5164f159fb3c883d"),
            (CACHING_SHA2, "pässwörd", "8526563d365f5cb2cf44b162e5251a5cc348e1a1afeec271669611d0fdac23f7"),
        ];
        for (plugin, password, expected) in table {
            let answer = answer(plugin, password, &seed).unwrap();
            assert_eq!(hex(&answer), expected, "{plugin} {password}");
        }
        assert_eq!(answer(CACHING_SHA2, "", &seed), Some(Vec::new()));
        assert_eq!(answer("dialog", "hunter22", &seed), None);
    }
}
