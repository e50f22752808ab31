//! JSON web tokens (RFC 7519) for auth methods: whose they are, and whether that is true.
//!
//! The host computes (`coffer_sdk::keys::verify`); which key and which algorithm may count is decided here. Keys are written down
//! (PEM), or an issuer publishes them (RFC 7517), and are then kept in the mount's storage until they are asked for again.

mod algorithm;
mod claims;
mod keys;
mod provider;
mod published;

pub use algorithm::{ALGORITHMS, Algorithm};
pub use claims::{Claims, Leeway, check_audience, check_issuer, check_times, glob};
pub use keys::KeySet;
pub use provider::Provider;
pub use published::{Found, Issuer, Published, trusting};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_sdk::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 64 << 10;

/// A token as it came, of which nothing is true yet.
pub struct Token<'t> {
    /// What is signed: header and claims, as they stand.
    signed: &'t str,
    claims: &'t str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    key_id: Option<String>,
}

/// What a token says of its signature (RFC 7515, 4.1). Where its key is to be found it cannot say: `jku`, `jwk`, `x5u` and `x5c`
/// are not even read.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood.
    crit: Option<Value>,
}

fn malformed() -> Error {
    Error::invalid("the token is malformed")
}

fn decoded(part: &str) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed())
}

impl<'t> Token<'t> {
    /// Takes it apart.
    ///
    /// # Errors
    /// Invalid if it is no token that is signed with one of [`ALGORITHMS`], or if it asks for something that nobody here
    /// understands.
    pub fn parse(text: &'t str) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(malformed());
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| malformed())?;
        let algorithm = Algorithm::named(&header.alg).ok_or_else(|| {
            let shown: String = header.alg.chars().take(32).collect();
            Error::invalid(format!(
                "the token is signed with {shown:?}, which no public key verifies"
            ))
        })?;
        if header.crit.is_some() {
            return Err(Error::invalid(
                "the token has an extension that must be understood (crit), and is not",
            ));
        }
        Ok(Self {
            signed,
            claims,
            signature: decoded(signature)?,
            algorithm,
            key_id: header.kid,
        })
    }

    /// The name of the key that it says it was signed with.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// How it says it was signed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What it claims, which nobody has looked at: it is for somebody else to say whether it is true.
    ///
    /// # Errors
    /// Invalid if these are no claims.
    pub fn unverified(&self) -> Result<Claims> {
        serde_json::from_slice(&decoded(self.claims)?).map_err(|_| malformed())
    }

    /// What it claims, if one of these keys has signed it with one of these algorithms; None if none has. Times, audience and
    /// issuer are not looked at yet.
    ///
    /// # Errors
    /// Invalid if what is signed are no claims.
    pub fn verify(&self, keys: &KeySet, algorithms: &[Algorithm]) -> Result<Option<Claims>> {
        if !algorithms.contains(&self.algorithm) {
            return Ok(None);
        }
        let signed = keys
            .candidates(self.key_id(), self.algorithm)
            .any(|key| self.algorithm.verify(&key, self.signed, &self.signature));
        signed.then(|| self.unverified()).transpose()
    }
}
