//! The keys that a host holds for its plugins: what can be computed with each algorithm, and how a key is kept.
//!
//! The server computes with it behind the import `keys`, and the SDK's test host does the same in a test's own process.

mod aead;
mod algorithm;
mod der;
mod evp;
mod hash;
mod key;
mod public;
mod signing;
mod wrapping;

pub use aead::Nonce;
pub use algorithm::Algorithm;
pub use hash::Hash;
pub use key::{Key, Random};
pub use public::verify;
pub use signing::{Padding, Salt, Signing};

/// Why nothing was computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No algorithm has this name.
    #[error("there is no key algorithm {0:?}; there are {1}")]
    Unknown(String, String),
    /// The bytes are no key of this algorithm.
    #[error("this is no key for {0}: {1}")]
    NoKey(Algorithm, String),
    /// The bytes are no public key that signatures are verified with.
    #[error("this is no public key for a signature: {0}")]
    NoPublicKey(&'static str),
    /// The algorithm has no such function.
    #[error("a key for {0} does not {1}")]
    Unsupported(Algorithm, &'static str),
    /// Only the public half is there.
    #[error("there is only the public half of the key")]
    PublicOnly,
    /// A nonce of another length.
    #[error("a nonce for {algorithm} has {expected} bytes, not {got}")]
    Nonce {
        /// Of the key.
        algorithm: Algorithm,
        /// In bytes.
        expected: usize,
        /// In bytes.
        got: usize,
    },
    /// The nonce was to be made of the text, with a key that was not derived.
    #[error("only a derived key encrypts convergently")]
    NotDerived,
    /// What should be a digest is not as long as one.
    #[error("a digest of this hash function has {expected} bytes, not {got}")]
    Digest {
        /// In bytes.
        expected: usize,
        /// In bytes.
        got: usize,
    },
    /// The salt of RSA-PSS does not fit.
    #[error("a salt of {0} bytes does not fit: at most {1}")]
    Salt(u32, usize),
    /// More than fits in one block of RSA.
    #[error("the text has {got} bytes; this key takes at most {most}")]
    TooLong {
        /// In bytes.
        most: usize,
        /// In bytes.
        got: usize,
    },
    /// A ciphertext that this key did not make, or that was changed, or that belongs to other associated data.
    #[error("the ciphertext does not open: wrong key, wrong associated data, or it was changed")]
    Sealed,
    /// The library failed: too long an input, or no randomness.
    #[error("{0} failed")]
    Failed(&'static str),
}
