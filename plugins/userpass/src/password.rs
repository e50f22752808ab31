//! Passwords are kept as what bcrypt makes of them.

use coffer_sdk::prelude::*;

use crate::{PASSWORD, PASSWORD_HASH};

/// How hard it is to try passwords: 2 to the power of this many rounds. As in Vault.
const COST: u32 = 10;
const SALT: u32 = 16;
/// The longest that bcrypt reads, in bytes.
const LONGEST: usize = 72;
/// Of a password that nobody has: who asks for a user that is not there waits as long.
const NOBODY: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

/// What is to be kept of the password that the request gives; None if it gives none.
pub(crate) fn given(request: &Request) -> Result<Option<String>> {
    let text = |field| Ok::<_, Error>(request.get(field)?.filter(|text: &String| !text.is_empty()));
    match (text(PASSWORD)?, text(PASSWORD_HASH)?) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Error::invalid(
            "only one of password or password_hash may be provided",
        )),
        (Some(password), None) => hash(&password).map(Some),
        (None, Some(hash)) => match hash.parse::<bcrypt::HashParts>() {
            Ok(parts) if (4..=16).contains(&parts.get_cost()) => Ok(Some(hash)),
            Ok(_) => Err(Error::invalid(
                "password_hash has a cost that is not between 4 and 16",
            )),
            Err(_) => Err(Error::invalid("password_hash is not a valid bcrypt hash")),
        },
    }
}

fn hash(password: &str) -> Result<String> {
    if password.len() > LONGEST {
        return Err(Error::invalid(format!(
            "bcrypt: password length exceeds {LONGEST} bytes"
        )));
    }
    let salt = random::bytes(SALT);
    let salt = salt
        .try_into()
        .map_err(|_| Error::internal("no salt could be made"))?;
    bcrypt::hash_with_salt(password, COST, salt)
        .map(|parts| parts.to_string())
        .map_err(|error| Error::internal(error.to_string()))
}

/// Whether this is the password that was kept so; of nobody's, never.
pub(crate) fn is(password: &str, kept: Option<&str>) -> bool {
    let same = bcrypt::verify(password, kept.unwrap_or(NOBODY)).unwrap_or(false);
    same && kept.is_some() && password.len() <= LONGEST
}
