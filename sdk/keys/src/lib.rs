//! The keys that a host holds for its plugins: what can be computed with each algorithm, and how a key is kept.
//!
//! The server computes with it behind the import `keys`, and the SDK's test host does the same in a test's own process.

mod aead;
mod algorithm;
mod der;
mod key;

pub use algorithm::Algorithm;
pub use key::{Key, Random};

/// Why nothing was computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No algorithm has this name.
    #[error("there is no key algorithm {0:?}; there are {1}")]
    Unknown(String, String),
    /// The bytes are no key of this algorithm.
    #[error("this is no key for {0}: {1}")]
    NoKey(Algorithm, String),
    /// The algorithm has no such function.
    #[error("a key for {0} does not {1}")]
    Unsupported(Algorithm, &'static str),
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
    /// A ciphertext that this key did not make, or that was changed, or that belongs to other associated data.
    #[error("the ciphertext does not open: wrong key, wrong associated data, or it was changed")]
    Sealed,
    /// The library failed: too long an input, or no randomness.
    #[error("{0} failed")]
    Failed(&'static str),
}
