//! What a device shows of a text: enough to find it again, and not the text.

use ring::hmac;
use serde_json::Value;

/// Hashes texts under a device's own salt, unless it shows them as they are.
pub struct Hasher {
    salt: hmac::Key,
    raw: bool,
}

impl Hasher {
    pub fn new(salt: &[u8], raw: bool) -> Self {
        Self {
            salt: hmac::Key::new(hmac::HMAC_SHA256, salt),
            raw,
        }
    }

    /// As `sys/audit-hash` tells it.
    pub fn hash(&self, text: &str) -> String {
        let tag = hmac::sign(&self.salt, text.as_bytes());
        format!("hmac-sha256:{}", hex::encode(tag))
    }

    /// As the device shows it.
    pub fn text(&self, text: &str) -> String {
        if self.raw {
            text.to_owned()
        } else {
            self.hash(text)
        }
    }

    /// Every text in it, but those of the fields `shown` of the object itself. Names of fields, numbers and truth values
    /// are no secrets, as in Vault.
    pub fn value(&self, value: &Value, shown: &[String]) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(all) => all.iter().map(|value| self.value(value, &[])).collect(),
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| {
                    let value = if shown.contains(name) {
                        value.clone()
                    } else {
                        self.value(value, &[])
                    };
                    (name.clone(), value)
                })
                .collect(),
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_hashed_and_nothing_else() {
        let hasher = Hasher::new(b"salt", false);
        let hashed = hasher.hash("a");
        assert_eq!(hashed.len(), "hmac-sha256:".len() + 64);
        assert_ne!(hashed, Hasher::new(b"other", false).hash("a"));
        let value = json!({"x": "a", "y": ["a", 1, true, null, {"z": "a"}], "shown": "a"});
        let expected =
            json!({"x": hashed, "y": [hashed, 1, true, null, {"z": hashed}], "shown": "a"});
        assert_eq!(hasher.value(&value, &["shown".to_owned()]), expected);
        assert_eq!(Hasher::new(b"salt", true).value(&value, &[]), value);
    }
}
