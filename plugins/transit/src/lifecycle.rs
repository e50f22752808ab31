//! What becomes of a key after it was made: its configuration, new versions, and the end of old ones.

use coffer_sdk::prelude::*;

use crate::key::{self, ALLOW_BACKUP, AUTO_ROTATE, EXPORTABLE};
use crate::policy::{NAME, Policy, ROTATED};
use crate::version::Version;

const MIN_DECRYPTION: Field<i64> = Field::integer(
    "min_decryption_version",
    "The oldest version that decrypts and verifies.",
);
const MIN_ENCRYPTION: Field<i64> = Field::integer(
    "min_encryption_version",
    "The oldest version that encrypts and signs; 0 is any that decrypts.",
);
const DELETION_ALLOWED: Field<bool> = Field::boolean("deletion_allowed", "Let the key be deleted.");
const MIN_AVAILABLE: Field<i64> = Field::integer(
    "min_available_version",
    "The oldest version that is kept: older ones are gone for ever.",
)
.required();

pub(crate) const CONFIG: Path = Path::new("keys/{name}/config", "Configures a key.")
    .fields(&[
        NAME.decl(),
        MIN_DECRYPTION.decl(),
        MIN_ENCRYPTION.decl(),
        DELETION_ALLOWED.decl(),
        EXPORTABLE.decl(),
        ALLOW_BACKUP.decl(),
        AUTO_ROTATE.decl(),
    ])
    .write(configure);

pub(crate) const ROTATE: Path = Path::new("keys/{name}/rotate", "Gives a key a new version.")
    .fields(&[NAME.decl()])
    .write(|request| {
        let mut policy = Policy::named(request, "key not found")?;
        policy.rotate()?;
        policy.store()?;
        key::show(&policy, &[])
    });

pub(crate) const TRIM: Path = Path::new(
    "keys/{name}/trim",
    "Forgets old versions of a key, for ever.",
)
.fields(&[NAME.decl(), MIN_AVAILABLE.decl()])
.write(trim);

pub(crate) const SOFT_DELETE: Path = Path::new(
    "keys/{name}/soft-delete",
    "Puts a key out of use, until it is restored.",
)
.fields(&[NAME.decl()])
.delete(|request| soft_delete(request, true, "key was already marked as soft deleted"));

pub(crate) const SOFT_DELETE_RESTORE: Path = Path::new(
    "keys/{name}/soft-delete-restore",
    "Puts a soft-deleted key to use again.",
)
.fields(&[NAME.decl()])
.write(|request| soft_delete(request, false, "key was already restored"));

fn configure(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let missing = format!("no existing key named {name} could be found");
    let mut policy = Policy::named(request, &missing)?;
    let mut warning = None;
    if let Some(asked) = minimum(request, MIN_DECRYPTION, "decryption", &policy)? {
        if asked == 0 {
            warning = Some("versions of keys begin at 1: the minimum is now 1");
        }
        policy.min_decryption_version = asked.max(1);
    }
    if let Some(asked) = minimum(request, MIN_ENCRYPTION, "encryption", &policy)? {
        policy.min_encryption_version = asked;
    }
    let (encryption, decryption) = (policy.min_encryption_version, policy.min_decryption_version);
    if encryption > 0 && encryption < decryption {
        return Err(Error::invalid(format!(
            "cannot set min encryption/decryption values; min encryption version of {encryption} must be greater than or \
             equal to min decryption version of {decryption}"
        )));
    }
    if policy.min_available_version > encryption {
        return Err(Error::invalid(
            "min encryption version should not be less than min available version",
        ));
    }
    if policy.min_available_version > decryption {
        return Err(Error::invalid(
            "min decryption version should not be less then min available version",
        ));
    }
    if let Some(allowed) = request.get(DELETION_ALLOWED)? {
        policy.deletion_allowed = allowed;
    }
    policy.exportable |= request.get(EXPORTABLE)?.unwrap_or_default();
    policy.allow_plaintext_backup |= request.get(ALLOW_BACKUP)?.unwrap_or_default();
    if let Some(period) = key::auto_rotate_period(request)? {
        policy.auto_rotate_period = period;
    }
    policy.store()?;
    let mut shown = key::show(&policy, &[])?;
    shown.warnings.extend(warning.map(str::to_owned));
    Ok(shown)
}

fn minimum(
    request: &Request,
    field: Field<i64>,
    what: &str,
    policy: &Policy,
) -> Result<Option<u32>> {
    let Some(asked) = request.get(field)? else {
        return Ok(None);
    };
    if asked < 0 {
        return Err(Error::invalid(format!(
            "min {what} version cannot be negative"
        )));
    }
    match u32::try_from(asked) {
        Ok(asked) if asked <= policy.latest_version => Ok(Some(asked)),
        _ => Err(Error::invalid(format!(
            "cannot set min {what} version of {asked}, latest key version is {}",
            policy.latest_version
        ))),
    }
}

fn trim(request: &Request) -> Result<Response> {
    let mut policy = Policy::named(request, "invalid key name")?;
    let asked = request
        .get(MIN_AVAILABLE)?
        .ok_or_else(|| Error::invalid("missing min_available_version"))?;
    let refused = |why: &str| Err(Error::invalid(format!("minimum available version {why}")));
    let available = match u32::try_from(asked) {
        Ok(asked) if asked >= policy.min_available_version => asked,
        Err(_) if asked > 0 => u32::MAX,
        _ => return refused("cannot be decremented"),
    };
    if policy.min_encryption_version == 0 {
        return refused("cannot be set when minimum encryption version is not set");
    }
    if available > policy.latest_version {
        return refused("cannot be greater than the latest key version");
    }
    if available > policy.min_encryption_version {
        return refused("cannot be greater than minimum encryption version");
    }
    if available > policy.min_decryption_version {
        return refused("cannot be greater than minimum decryption version");
    }
    policy.forget_versions(policy.oldest()..available)?;
    policy.min_available_version = available;
    policy.store()?;
    key::show(&policy, &[])
}

fn soft_delete(request: &Request, deleted: bool, already: &str) -> Result<Response> {
    let Some(mut policy) = Policy::load(&request.require(NAME)?)? else {
        return Ok(Response::empty());
    };
    if policy.soft_deleted == deleted {
        return Ok(key::show(&policy, &[])?.warning(already));
    }
    policy.soft_deleted = deleted;
    policy.store()?;
    key::show(&policy, &[])
}

/// Gives those keys a new version whose period has passed.
pub(crate) fn rotate_what_is_due() -> Result<()> {
    /// Keys that are looked at between two commits.
    const PAGE: u32 = 500;
    let mut after: Option<String> = None;
    loop {
        let page = storage::children(ROTATED, after.as_deref(), PAGE)?;
        for name in &page {
            if let Some(mut policy) = Policy::load(name)?
                && is_due(&policy)?
            {
                policy.rotate()?;
                policy.store()?;
                let version = policy.latest_version;
                log::info(&format!("key {name} has version {version} now"));
            }
        }
        effects::prepare()?;
        match page.into_iter().last() {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

fn is_due(policy: &Policy) -> Result<bool> {
    if policy.auto_rotate_period == 0
        || policy.soft_deleted
        || (policy.imported && !policy.allow_rotation)
    {
        return Ok(false);
    }
    let created = Version::load(&policy.name, policy.latest_version)?.created;
    Ok(created.saturating_add(policy.auto_rotate_period.saturating_mul(1000)) <= clock::now())
}
