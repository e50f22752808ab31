//! An ACL policy, asked about a path, and the same text as a password policy. What follows the first NUL is the path.

use coffer_core::fuzzing;

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (policy, path) = text.split_once('\0').unwrap_or((text, "secret/data/x"));
    if let Some(capabilities) = fuzzing::capabilities(policy, path) {
        assert!(!capabilities.is_empty(), "nothing is told as \"deny\"");
        let denied = capabilities.contains(&"deny");
        assert!(!denied || capabilities.len() == 1, "{capabilities:?}");
    }
    if let Some((length, password)) = fuzzing::password(policy, 1) {
        assert_eq!(password.chars().count(), length);
    }
}
