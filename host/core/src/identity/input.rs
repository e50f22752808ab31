//! What callers say of entities, aliases and groups, checked.

use coffer_barrier::Transaction;

use super::entity::Metadata;
use super::save::{Stored, id_at};
use crate::keys::Ns;
use crate::params::Params;
use crate::{Error, limits, wrapping};

/// Refuses a name that is none.
pub fn check_name(of: &str, name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > limits::IDENTITY_NAME {
        return Err(Error::invalid(format!(
            "the {of}'s name must have between 1 and {} bytes",
            limits::IDENTITY_NAME
        )));
    }
    Ok(())
}

/// A text that was given and is not empty.
pub fn given(params: &Params, name: &str) -> Result<Option<String>, Error> {
    Ok(params.text(name)?.filter(|text| !text.is_empty()))
}

/// The names of policies, if given: in lower case, sorted, each once. Nobody becomes root by who they are.
pub fn policies(params: &Params) -> Result<Option<Vec<String>>, Error> {
    let Some(mut policies) = params.list("policies")? else {
        return Ok(None);
    };
    for policy in &mut policies {
        *policy = policy.trim().to_lowercase();
    }
    policies.retain(|policy| !policy.is_empty());
    policies.sort();
    policies.dedup();
    for reserved in ["root", wrapping::POLICY] {
        if policies.iter().any(|policy| policy == reserved) {
            return Err(Error::invalid(format!(
                "policies cannot contain {reserved}"
            )));
        }
    }
    if policies.len() > limits::MAX_POLICIES {
        return Err(Error::invalid(format!(
            "there can be {} policies",
            limits::MAX_POLICIES
        )));
    }
    Ok(Some(policies))
}

/// What is to be said about `of`, if given.
pub fn metadata(params: &Params, of: &str, field: &str) -> Result<Option<Metadata>, Error> {
    let Some(metadata) = params.texts(field)? else {
        return Ok(None);
    };
    let wrong = |why: &str| Err(Error::invalid(format!("invalid {of} {field}: {why}")));
    if metadata.len() > limits::IDENTITY_METADATA {
        return wrong(&format!(
            "metadata cannot contain more than {} key/value pairs",
            limits::IDENTITY_METADATA
        ));
    }
    for (key, value) in &metadata {
        let wrong = |why: &str| {
            let pair = format!("failed to load metadata pair ({key:?}, {value:?})");
            Err(Error::invalid(format!(
                "invalid {of} {field}: {pair}: {why}"
            )))
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "=/+_-".contains(c);
        if key.is_empty() {
            return wrong("key cannot be blank");
        }
        if !key.chars().all(is_plain) {
            return wrong("key contains invalid characters");
        }
        if key.len() > limits::IDENTITY_METADATA_KEY {
            return wrong(&format!(
                "key is too long (limit: {} characters)",
                limits::IDENTITY_METADATA_KEY
            ));
        }
        if value.chars().count() > limits::IDENTITY_METADATA_VALUE {
            return wrong(&format!(
                "value is too long (limit: {} characters)",
                limits::IDENTITY_METADATA_VALUE
            ));
        }
    }
    Ok(Some(metadata))
}

/// Refuses a name that another entity or group has.
pub async fn check_free<T: Stored>(
    txn: &mut Transaction,
    ns: Ns<'_>,
    name: &str,
    id: &str,
) -> Result<(), Error> {
    check_name(T::KIND, name)?;
    match id_at(txn, &ns.named(T::KIND, name)).await? {
        Some(other) if other != id => Err(Error::invalid(format!(
            "{} name is already in use",
            T::KIND
        ))),
        _ => Ok(()),
    }
}
