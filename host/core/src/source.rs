//! The server's randomness, as cryptographic libraries take it.

use coffer_clock::Random;
use rand_core_06::{CryptoRng, RngCore};

/// The server's randomness.
pub struct Source<'r>(pub &'r Random);

impl CryptoRng for Source<'_> {}

impl RngCore for Source<'_> {
    fn next_u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.0.bytes())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.0.bytes())
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}
