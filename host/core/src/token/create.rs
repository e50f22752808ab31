//! Making a token: the one place where its policies are settled and its times computed.

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_barrier::Transaction;
use coffer_clock::UnixMillis;
use ipnet::IpNet;
use zeroize::Zeroizing;

use super::entry::{TokenEntry, TokenKind};
use super::store::Tokens;
use crate::identity::View;
use crate::mount::Mount;
use crate::reply::AuthReply;
use crate::ttl::TtlInput;
use crate::{Error, limits, wrapping};

/// A token that is asked for, by a login or by another token. Times in seconds, 0 for none.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// The id, if the caller chooses it.
    pub id: Option<Zeroizing<String>>,
    /// The path of the request that asks.
    pub path: String,
    pub policies: Vec<String>,
    pub no_default_policy: bool,
    pub display_name: String,
    pub meta: Option<BTreeMap<String, String>>,
    /// Who is to hold it, if that is known.
    pub identity: Option<Arc<View>>,
    pub internal: Option<String>,
    pub role: Option<String>,
    pub parent: Option<String>,
    pub batch: bool,
    pub renewable: bool,
    pub ttl: u64,
    pub max_ttl: u64,
    pub explicit_max_ttl: u64,
    pub period: u64,
    pub num_uses: u64,
    pub bound_cidrs: Vec<IpNet>,
    /// Seconds that its maker has left, if it cannot outlive it.
    pub at_most: Option<u64>,
}

/// Stores the token (a batch token stores itself) and returns it as its holder gets it.
pub fn create(
    tokens: &Tokens,
    txn: &mut Transaction,
    mount: &Mount,
    request: TokenRequest,
    now: UnixMillis,
) -> Result<(AuthReply, Vec<String>), Error> {
    let holder = request.identity.as_deref();
    let mut policies = request.policies;
    sanitize(&mut policies, request.no_default_policy);
    if policies.len() > limits::MAX_POLICIES {
        return Err(Error::invalid(format!(
            "a token can have {} policies",
            limits::MAX_POLICIES
        )));
    }
    if policies.iter().any(|policy| policy == wrapping::POLICY) {
        return Err(Error::invalid(format!(
            "cannot assign policy {:?}",
            wrapping::POLICY
        )));
    }
    let root = policies.iter().any(|policy| policy == "root");
    if request.batch {
        check_batch(
            &request.id,
            request.period,
            request.explicit_max_ttl,
            request.num_uses,
            root,
        )?;
    }
    // Only a root token may live for ever, and only if nothing says otherwise.
    let endless = root && request.ttl == 0 && request.period == 0 && request.explicit_max_ttl == 0;
    let mut warnings = Vec::new();
    let mut ttl = 0;
    if !endless {
        let input = TtlInput {
            ttl: request.ttl,
            max_ttl: request.max_ttl,
            period: request.period,
            explicit_max_ttl: request.explicit_max_ttl,
            mount_default: mount.default_lease_ttl,
            mount_max: mount.max_lease_ttl,
            ..TtlInput::default()
        };
        let granted = input.calculate(now);
        warnings.extend(granted.warnings);
        ttl = granted.seconds;
    }
    if let Some(most) = request.at_most
        && (ttl == 0 || ttl > most)
    {
        ttl = most;
    }
    let kind = if request.batch {
        TokenKind::Batch
    } else {
        TokenKind::Service
    };
    let id = request.id.unwrap_or_else(|| tokens.new_id(now));
    let entry = TokenEntry {
        ns: mount.entry.ns.clone(),
        accessor: if request.batch {
            String::new()
        } else {
            tokens.accessor(&id)?
        },
        policies,
        path: request.path,
        mount: mount.entry.uuid.clone(),
        display_name: request.display_name,
        meta: request.meta,
        num_uses: request.num_uses,
        created: now,
        creation_ttl: ttl,
        ttl: if request.ttl > 0 { request.ttl } else { ttl },
        max_ttl: request.max_ttl,
        explicit_max_ttl: request.explicit_max_ttl,
        period: request.period,
        expires: (ttl > 0).then(|| now.plus_seconds(ttl)),
        renewed: None,
        role: request.role,
        parent: request.parent,
        kind,
        renewable: request.renewable && ttl > 0 && !request.batch,
        bound_cidrs: request.bound_cidrs,
        entity: holder.map(|identity| identity.entity.id.clone()),
        internal: request.internal,
    };
    let id = match kind {
        TokenKind::Batch => tokens.seal_batch(&entry)?,
        TokenKind::Service => {
            tokens.create(txn, &id, &entry)?;
            id
        }
    };
    Ok((AuthReply::new(id, &entry, holder, ttl), warnings))
}

fn check_batch(
    id: &Option<Zeroizing<String>>,
    period: u64,
    explicit_max_ttl: u64,
    num_uses: u64,
    root: bool,
) -> Result<(), Error> {
    let refuse = |what: &str| {
        Err(Error::invalid(format!(
            "batch tokens cannot have {what} set"
        )))
    };
    if id.is_some() {
        return refuse("\"id\"");
    }
    if period > 0 {
        return refuse("\"period\"");
    }
    if explicit_max_ttl > 0 {
        return refuse("\"explicit_max_ttl\"");
    }
    if num_uses > 0 {
        return refuse("\"num_uses\"");
    }
    if root {
        return Err(Error::invalid("batch tokens cannot be root tokens"));
    }
    Ok(())
}

/// Lower case, sorted, each once, with `default` unless it is unwanted. With `root` the others say nothing.
pub(super) fn sanitize(policies: &mut Vec<String>, no_default: bool) {
    for policy in policies.iter_mut() {
        *policy = policy.trim().to_lowercase();
    }
    policies.retain(|policy| !policy.is_empty());
    if policies.iter().any(|policy| policy == "root") {
        *policies = vec!["root".to_owned()];
        return;
    }
    if !no_default {
        policies.push("default".to_owned());
    }
    policies.sort();
    policies.dedup();
}
