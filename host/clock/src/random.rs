use std::sync::{Arc, Mutex, PoisonError};

use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Unpredictable bytes, or in a simulation reproducible ones.
#[derive(Clone)]
pub struct Random(Source);

#[derive(Clone)]
enum Source {
    System(SystemRandom),
    /// SHA-256 of a counter and the seed: not for secrets, but the same everywhere.
    Seeded(Arc<Mutex<(u64, u64)>>),
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

impl Random {
    /// The operating system's.
    pub fn system() -> Self {
        Self(Source::System(SystemRandom::new()))
    }

    /// The same sequence for the same seed. For simulations only.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new((seed, 0)))))
    }

    /// Fills `buffer`.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing that a secrets server does is safe then.
    #[allow(clippy::expect_used)]
    pub fn fill(&self, buffer: &mut [u8]) {
        match &self.0 {
            Source::System(random) => random
                .fill(buffer)
                .expect("the operating system's randomness"),
            Source::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in buffer.chunks_mut(32) {
                    let block = Sha256::new()
                        .chain_update(state.0.to_le_bytes())
                        .chain_update(state.1.to_le_bytes());
                    state.1 += 1;
                    for (to, from) in chunk.iter_mut().zip(block.finalize()) {
                        *to = from;
                    }
                }
            }
        }
    }

    /// So many bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A text of letters and digits, each as likely as any other.
    pub fn base62(&self, len: usize) -> String {
        let mut text = String::with_capacity(len);
        while text.len() < len {
            // Values from 248 on would favour the first letters.
            text.extend(
                self.bytes::<32>()
                    .into_iter()
                    .filter(|byte| *byte < 248)
                    .filter_map(|byte| BASE62.get(usize::from(byte % 62)))
                    .map(|letter| char::from(*letter))
                    .take(len - text.len()),
            );
        }
        text
    }

    /// A number below `limit`, each as likely as any other; 0 if there is none.
    pub fn below(&self, limit: usize) -> usize {
        let Some(limit) = u64::try_from(limit).ok().filter(|limit| *limit > 0) else {
            return 0;
        };
        // Numbers from the last whole multiple on would favour the first ones.
        let whole = u64::MAX - u64::MAX % limit;
        loop {
            let number = u64::from_be_bytes(self.bytes());
            if number < whole {
                return usize::try_from(number % limit).unwrap_or_default();
            }
        }
    }

    /// A version 4 UUID (RFC 9562).
    pub fn uuid(&self) -> String {
        uuid::Builder::from_random_bytes(self.bytes())
            .into_uuid()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_repeat_and_differ() {
        let (a, b, c) = (Random::seeded(1), Random::seeded(1), Random::seeded(2));
        let first = a.bytes::<40>();
        assert_eq!(first, b.bytes::<40>());
        assert_ne!(first, c.bytes::<40>());
        assert_ne!(first, a.bytes::<40>());
    }

    #[test]
    fn texts_have_their_length_and_alphabet() {
        for random in [Random::system(), Random::seeded(3)] {
            for len in [0, 1, 24, 100] {
                let text = random.base62(len);
                assert_eq!(text.len(), len);
                assert!(text.bytes().all(|b| b.is_ascii_alphanumeric()));
            }
            assert_eq!(random.uuid().as_bytes().get(14), Some(&b'4'));
        }
    }
}
