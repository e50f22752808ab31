/// The host's clock.
pub mod clock {
    /// Milliseconds since the Unix epoch.
    pub fn now() -> u64 {
        #[cfg(target_family = "wasm")]
        return crate::bindings::plugin::coffer::plugin::clock::now();
        #[cfg(not(target_family = "wasm"))]
        crate::testing::Host::with(|host| host.now)
    }

    /// The last millisecond of the year 9999: RFC 3339 ends there.
    const END: u64 = 253_402_300_799_999;

    /// A time in RFC 3339, in UTC, with nanoseconds as Vault writes them.
    pub fn rfc3339(millis: u64) -> String {
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(millis.min(END));
        humantime::format_rfc3339_nanos(at).to_string()
    }

    /// The reverse of [`rfc3339`].
    pub fn parse_rfc3339(text: &str) -> Option<u64> {
        let at = humantime::parse_rfc3339(text).ok()?;
        u64::try_from(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis()).ok()
    }
}

/// The host's randomness.
pub mod random {
    /// So many unpredictable bytes.
    pub fn bytes(len: u32) -> Vec<u8> {
        #[cfg(target_family = "wasm")]
        return crate::bindings::plugin::coffer::plugin::random::bytes(len);
        #[cfg(not(target_family = "wasm"))]
        crate::testing::Host::with(|host| host.random(len))
    }

    /// A text of `len` characters out of `alphabet` (ASCII, at most 256 of them), each as likely as any other. Empty if
    /// the alphabet is.
    pub fn text(len: usize, alphabet: &[u8]) -> String {
        if alphabet.is_empty() {
            return String::new();
        }
        let size = alphabet.len().min(256);
        let fair = 256 / size * size;
        let mut text = String::with_capacity(len);
        while text.len() < len {
            let missing = len - text.len();
            let bytes = bytes(
                u32::try_from(missing + missing / 4 + 4)
                    .unwrap_or(1024)
                    .min(4096),
            );
            let letters = bytes
                .into_iter()
                .map(usize::from)
                .filter(|byte| *byte < fair);
            text.extend(
                letters
                    .filter_map(|byte| alphabet.get(byte % size))
                    .take(missing)
                    .map(|b| char::from(*b)),
            );
        }
        text
    }

    /// Letters and digits.
    pub fn base62(len: usize) -> String {
        text(
            len,
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        )
    }

    /// A version 4 UUID (RFC 9562).
    pub fn uuid() -> String {
        let mut b = bytes(16);
        b.resize(16, 0);
        if let Some(version) = b.get_mut(6) {
            *version = *version & 0x0f | 0x40;
        }
        if let Some(variant) = b.get_mut(8) {
            *variant = *variant & 0x3f | 0x80;
        }
        let hex = hex::encode(b);
        [0..8, 8..12, 12..16, 16..20, 20..32]
            .map(|part| hex.get(part).unwrap_or_default())
            .join("-")
    }
}

/// Passwords by rules that operators wrote.
pub mod passwords {
    use crate::Result;

    /// A new one, by the password policy of this name of the mount's namespace.
    ///
    /// # Errors
    /// Of the kind `NotFound` if there is none.
    pub fn generate(policy: &str) -> Result<String> {
        #[cfg(target_family = "wasm")]
        return crate::bindings::plugin::coffer::plugin::passwords::generate(policy);
        #[cfg(not(target_family = "wasm"))]
        {
            let policy = crate::testing::Host::with(|host| host.password_policy(policy))?;
            let (length, alphabet) = policy;
            Ok(super::random::text(length, alphabet.as_bytes()))
        }
    }
}

/// The operator's log. Never write a secret to it.
pub mod log {
    use crate::bindings::plugin::coffer::plugin::log::Level;

    fn write(level: Level, message: &str) {
        #[cfg(target_family = "wasm")]
        crate::bindings::plugin::coffer::plugin::log::write(level, message);
        #[cfg(not(target_family = "wasm"))]
        crate::testing::Host::with(|host| host.log.push(format!("{level:?}: {message}")));
    }

    /// For whoever looks closely.
    pub fn debug(message: &str) {
        write(Level::Debug, message);
    }

    /// Worth knowing.
    pub fn info(message: &str) {
        write(Level::Info, message);
    }

    /// Wrong, but gone around.
    pub fn warn(message: &str) {
        write(Level::Warn, message);
    }

    /// Wrong.
    pub fn error(message: &str) {
        write(Level::Error, message);
    }
}
