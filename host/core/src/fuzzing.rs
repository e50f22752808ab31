//! What only fuzz targets reach directly: parsers that everybody else meets behind a request.

use std::sync::Arc;

use coffer_clock::Random;
use zeroize::Zeroizing;

use crate::password::PasswordPolicy;
use crate::policy::{Acl, Policy, Subject};

/// What an ACL policy allows at a path; None if it is no policy.
pub fn capabilities(policy: &str, path: &str) -> Option<Vec<&'static str>> {
    let policy = Arc::new(Policy::parse("fuzzed", policy).ok()?);
    Some(
        Acl::new([&policy], false)
            .of(Subject::default())
            .capabilities(path),
    )
}

/// A password by a password policy, after its length in characters; None if it is no policy.
pub fn password(policy: &str, seed: u64) -> Option<(usize, Zeroizing<String>)> {
    let policy = PasswordPolicy::parse(policy).ok()?;
    Some((policy.length(), policy.generate(&Random::seeded(seed))))
}
