//! The `state` that a browser carries: all that is to be known of a login under way, sealed with a key that the host holds. Who
//! asks for many logins fills nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::login_failed;
use crate::browser::CallbackMode;

/// How long a login may take, in seconds.
const GOOD_FOR: u64 = 10 * 60;
/// The name of the key.
const KEY: &str = "oidc-state";
/// Names what is sealed: what the key may seal for another purpose one day is no state.
const PURPOSE: &[u8] = b"a login under way";
/// The longest state that is looked at, in bytes.
const LONGEST: usize = 16 << 10;

/// A login under way.
#[derive(Serialize, Deserialize)]
pub(crate) struct Flow {
    /// In seconds since 1970.
    #[serde(rename = "e")]
    pub expires: u64,
    #[serde(rename = "r")]
    pub role: String,
    #[serde(rename = "u")]
    pub redirect_uri: String,
    #[serde(rename = "m")]
    pub mode: CallbackMode,
    /// Shows the provider who asked for the code (RFC 7636).
    #[serde(rename = "v")]
    pub verifier: String,
    /// Of what the client made up; empty if it has not.
    #[serde(rename = "c")]
    client_nonce: String,
    /// What the provider calls a login on another device.
    #[serde(rename = "d")]
    pub device_code: String,
    /// The address of whoever asked for the login.
    #[serde(rename = "f")]
    pub from: String,
}

/// A new key; what the one before has sealed is void then. Without a client there is none.
pub(crate) fn renew_key(is_wanted: bool) -> Result<()> {
    keys::delete(KEY)?;
    if is_wanted {
        // Any number of states under random nonces.
        keys::generate(KEY, keys::XCHACHA20_POLY1305)?;
    }
    Ok(())
}

fn key() -> Result<keys::Key> {
    keys::open(KEY)?.ok_or_else(|| Error::internal("the key for logins under way is gone"))
}

/// What a state comes to where it is not shown: `nonce` of the ID token, and its name in storage.
pub(crate) fn digest(state: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(state))
}

/// For a state that is none, none any more, or has served.
pub(crate) fn expired() -> Error {
    login_failed("Expired or missing OAuth state.")
}

impl Flow {
    /// A new one, which expires if it takes too long.
    pub fn new(role: &str, redirect_uri: &str, mode: CallbackMode, from: &str) -> Self {
        Self {
            expires: clock::now() / 1000 + GOOD_FOR,
            role: role.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            mode,
            verifier: URL_SAFE_NO_PAD.encode(random::bytes(32)),
            client_nonce: String::new(),
            device_code: String::new(),
            from: from.to_owned(),
        }
    }

    /// The same for a client that has made this up.
    #[must_use]
    pub fn of_client(mut self, client_nonce: &str) -> Self {
        if !client_nonce.is_empty() {
            self.client_nonce = digest(client_nonce);
        }
        self
    }

    /// What the provider is to know of the verifier.
    pub fn challenge(&self) -> String {
        digest(&self.verifier)
    }

    /// As a browser carries it.
    pub fn seal(&self) -> Result<String> {
        let sealed = key()?.encrypt(&serde_json::to_vec(self)?, PURPOSE)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What a state says, if it was made here and has not expired.
    pub fn open(state: &str) -> Result<Self> {
        if state.len() > LONGEST {
            return Err(expired());
        }
        let sealed = URL_SAFE_NO_PAD.decode(state).map_err(|_| expired())?;
        let opened = key()?.decrypt(&sealed, PURPOSE).map_err(|_| expired())?;
        let flow: Self = serde_json::from_slice(&opened)?;
        if flow.expires <= clock::now() / 1000 {
            return Err(expired());
        }
        Ok(flow)
    }

    /// Whether that is the client that asked for it.
    pub fn check_client(&self, client_nonce: &str) -> Result<()> {
        let given = digest(client_nonce);
        let is_same = bool::from(given.as_bytes().ct_eq(self.client_nonce.as_bytes()));
        if self.client_nonce.is_empty() || is_same {
            return Ok(());
        }
        Err(Error::invalid("invalid client_nonce"))
    }
}
