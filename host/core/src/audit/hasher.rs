//! What a device shows of a text: enough to find it again, and not the text.

use ring::hmac;

use super::json;

const KIND: &str = "hmac-sha256:";
/// Of a hash, in hexadecimal.
const DIGITS: usize = 64;

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
        let mut hash = String::with_capacity(KIND.len() + DIGITS);
        self.write(&mut hash, text);
        hash
    }

    fn write(&self, out: &mut String, text: &str) {
        let tag = hmac::sign(&self.salt, text.as_bytes());
        let mut digits = [0; DIGITS];
        // It has half as many bytes.
        let _ = hex::encode_to_slice(tag, &mut digits);
        out.extend([KIND, std::str::from_utf8(&digits).unwrap_or_default()]);
    }

    /// As the device shows it.
    pub fn text(&self, text: &str) -> String {
        if self.raw {
            text.to_owned()
        } else {
            self.hash(text)
        }
    }

    /// Writes JSON with every text as the device shows it, but those of the fields `shown` of the object itself. Names of
    /// fields, numbers and truth values are no secrets, as in Vault.
    pub fn json(&self, out: &mut String, json: &str, shown: &[String]) {
        let is_shown = |name: &str| shown.iter().any(|shown| shown == name);
        json::copy(out, json, is_shown, |out, text| match self.raw {
            true => json::quote(out, text),
            false => {
                out.push('"');
                self.write(out, text);
                out.push('"');
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_hashed_and_nothing_else() {
        let hasher = Hasher::new(b"salt", false);
        let hashed = hasher.hash("a");
        assert_eq!(hashed.len(), KIND.len() + 64);
        assert_ne!(hashed, Hasher::new(b"other", false).hash("a"));
        let written = |hasher: &Hasher, json: &str| {
            let mut out = String::new();
            hasher.json(&mut out, json, &["shown".to_owned()]);
            out
        };
        let json = r#"{"x":"a","y":["a",1,true,null,{"z":"a"}],"shown":"a"}"#;
        let expected = format!(
            r#"{{"x":"{hashed}","y":["{hashed}",1,true,null,{{"z":"{hashed}"}}],"shown":"a"}}"#
        );
        assert_eq!(written(&hasher, json), expected);
        assert_eq!(written(&Hasher::new(b"salt", true), json), json);
    }
}
