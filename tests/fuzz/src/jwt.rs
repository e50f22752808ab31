//! A JSON web token, NUL, and the keys that are to verify it: a set, or PEM.

use coffer_jwt::{ALGORITHMS, KeySet, Token};
use coffer_sdk::testing::Host;

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (token, keys) = text.split_once('\0').unwrap_or((text, ""));
    let _host = Host::new();
    let Ok(keys) = KeySet::from_jwks(keys.as_bytes()).or_else(|_| KeySet::from_pems([keys])) else {
        return;
    };
    let Ok(token) = Token::parse(token) else {
        return;
    };
    let verified = token.verify(&keys, &ALGORITHMS);
    if let Ok(Some(claims)) = verified {
        assert_eq!(Ok(claims), token.unverified());
        assert!(!keys.is_empty() && keys.has(token.key_id()));
        assert_eq!(token.verify(&keys, &[]), Ok(None));
    }
}
