//! Cryptography as a service: keys that the host holds, and what can be done with them, in the formats of Vault's transit
//! engine.

mod agree;
mod backup;
mod batch;
mod certificates;
mod data_key;
mod encoding;
mod encrypt;
mod export;
mod hash;
mod hmac;
mod import;
mod key;
mod kind;
mod lifecycle;
mod policy;
mod random;
mod settings;
mod sign;
mod verify;
mod version;

use coffer_sdk::prelude::*;

const HELP: &str = "Encrypts, signs and authenticates data with keys that nobody sees.";

/// The secret engine.
pub static TRANSIT: Plugin = Plugin::secret("transit", env!("CARGO_PKG_VERSION"), HELP)
    .paths(&[
        key::LIST,
        key::PATH,
        lifecycle::CONFIG,
        lifecycle::ROTATE,
        lifecycle::TRIM,
        lifecycle::SOFT_DELETE,
        lifecycle::SOFT_DELETE_RESTORE,
        import::IMPORT,
        import::IMPORT_VERSION,
        import::WRAPPING_KEY,
        certificates::CSR,
        certificates::SET_CERTIFICATE,
        encrypt::ENCRYPT,
        encrypt::DECRYPT,
        encrypt::REWRAP,
        data_key::PATH,
        agree::PATH,
        sign::PATH,
        sign::WITH_ALGORITHM,
        verify::PATH,
        verify::WITH_ALGORITHM,
        hmac::PATH,
        hmac::WITH_ALGORITHM,
        hash::PATH,
        hash::WITH_ALGORITHM,
        random::PATH,
        random::FROM,
        random::SIZED,
        export::PATH,
        export::VERSION_PATH,
        export::BYOK,
        export::BYOK_VERSION,
        backup::BACKUP,
        backup::RESTORE,
        backup::RESTORE_AS,
        settings::CACHE,
        settings::KEYS,
    ])
    .tick(60, lifecycle::rotate_what_is_due);

coffer_sdk::export_plugin!(TRANSIT);

#[cfg(test)]
mod tests;
