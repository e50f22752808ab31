//! Verifying signatures, and codes that authenticate.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::batch::{self, BATCH, Opened, Outcome, Text};
use crate::encoding;
use crate::hash::{self, INPUT, URL_ALGORITHM};
use crate::hmac::hash_of;
use crate::key::CONTEXT;
use crate::policy::{NAME, Policy};
use crate::sign::{
    HASH_ALGORITHM, How, MARSHALING, OLD_ALGORITHM, PREHASHED, SALT_LENGTH, SIGNATURE_ALGORITHM,
    unmarshal,
};

const SIGNATURE: Field<String> =
    Field::text("signature", "The signature, with the version in front.");
const HMAC: Field<String> = Field::text("hmac", "The HMAC, with the version in front.");

const FIELDS: &[coffer_sdk::Decl] = &[
    NAME.decl(),
    URL_ALGORITHM.decl(),
    INPUT.decl(),
    SIGNATURE.decl(),
    HMAC.decl(),
    CONTEXT.decl(),
    HASH_ALGORITHM.decl(),
    OLD_ALGORITHM.decl(),
    PREHASHED.decl(),
    SIGNATURE_ALGORITHM.decl(),
    MARSHALING.decl(),
    SALT_LENGTH.decl(),
    BATCH.decl(),
];

pub(crate) const PATH: Path = Path::new("verify/{name}", "Verifies a signature or an HMAC.")
    .fields(FIELDS)
    .write(verify);
pub(crate) const WITH_ALGORITHM: Path = Path::new(
    "verify/{name}/{urlalgorithm}",
    "Verifies a signature or an HMAC.",
)
.fields(FIELDS)
.write(verify);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    input: Text,
    signature: Text,
    hmac: Text,
    context: Text,
    reference: Text,
}

#[derive(Default, Serialize)]
struct Verdict {
    valid: bool,
}

fn verify(request: &Request) -> Result<Response> {
    let batch = batch::items::<Item>(request)?;
    let is_batch = batch.is_some();
    let items = match batch {
        Some(items) => items,
        None => vec![Item {
            input: Some(request.get(INPUT)?.unwrap_or_default()),
            signature: request.get(SIGNATURE)?,
            hmac: request.get(HMAC)?,
            context: request.get(CONTEXT)?,
            reference: None,
        }],
    };
    if is_of_hmacs(&items, is_batch)? {
        let hash = hash_of(request)?;
        let policy = Policy::named(request, "encryption key not found")?;
        let mut keys = Opened::of(&policy, Policy::open_mac);
        return answer(items, is_batch, |item| {
            policy.check_usable()?;
            let (version, code) =
                encoding::split_version(item.hmac.as_deref().unwrap_or_default(), "HMAC")?;
            let code = encoding::bytes(code).map_err(|error| {
                Error::invalid(format!(
                    "unable to decode verification HMAC as base64: {}",
                    error.message
                ))
            })?;
            let version = policy.version_made_with(version, "HMAC")?;
            let made = keys.version(version)?.mac_with(&input(item)?, hash)?;
            Ok(made.ct_eq(&code).into())
        });
    }
    let how = How::of(request)?;
    let policy = Policy::named(request, "signature verification key not found")?;
    if !policy.kind.signs() {
        return Err(Error::invalid(format!(
            "key type {} does not support verification",
            policy.kind.name()
        )));
    }
    let mut keys = Opened::of(&policy, Policy::open);
    answer(items, is_batch, |item| {
        let input = input(item)?;
        let context = encoding::context(item.context.as_deref())?;
        policy.check_usable()?;
        let (version, signature) =
            encoding::split_version(item.signature.as_deref().unwrap_or_default(), "signature")?;
        let version = policy.version_made_with(version, "signature")?;
        let signature = unmarshal(policy.kind, how.marshaling, signature)?;
        policy.with_key(keys.version(version)?, &context, |key| {
            key.verify_with(&input, &signature, how.signing)
        })
    })
}

fn input(item: &Item) -> Result<Vec<u8>> {
    let input = item.input.as_deref();
    hash::input_bytes(input.ok_or_else(|| Error::invalid("missing input"))?)
}

/// Whether HMACs are to be verified, and not signatures: one or the other in all inputs.
fn is_of_hmacs(items: &[Item], is_batch: bool) -> Result<bool> {
    let signatures = items.iter().filter(|item| item.signature.is_some()).count();
    let hmacs = items.iter().filter(|item| item.hmac.is_some()).count();
    let all = items.len();
    let refused = |why: &str| Err(Error::invalid(why));
    match (signatures, hmacs) {
        (0, 0) if is_batch => refused("no batch_input elements have 'signature' or 'hmac'"),
        (0, 0) => refused("neither a 'signature' nor an 'hmac' were given to verify"),
        (1.., 1..) if is_batch => {
            refused("elements of batch_input must all provide 'signature' or all provide 'hmac'")
        }
        (1.., 1..) => refused("provide one of 'signature' or 'hmac'"),
        (some, 0) if some < all => refused("some elements of batch_input are missing 'signature'"),
        (0, some) if some < all => refused("some elements of batch_input are missing 'hmac'"),
        (_, hmacs) => Ok(hmacs > 0),
    }
}

fn answer(
    items: Vec<Item>,
    is_batch: bool,
    mut verified: impl FnMut(&Item) -> Result<bool>,
) -> Result<Response> {
    let mut judged = |item: &Item| verified(item).map(|valid| Verdict { valid });
    if !is_batch {
        let item = items.first().ok_or_else(|| Error::internal("no input"))?;
        return Response::json(&judged(item)?);
    }
    let items = items.into_iter();
    batch::results(items.map(|item| Outcome::filled(judged(&item), item.reference)))
}
