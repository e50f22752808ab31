//! Hashes, and the names of hash functions.

use coffer_sdk::keys::Hash;
use coffer_sdk::prelude::*;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};

use crate::encoding;

pub(crate) const URL_ALGORITHM: Field<String> =
    Field::text("urlalgorithm", "The hash function, in the path.");
pub(crate) const ALGORITHM: Field<String> = Field::text(
    "algorithm",
    "The hash function: sha2-224, sha2-256, sha2-384, sha2-512, sha3-224, sha3-256, sha3-384 or sha3-512.",
)
.default_json("\"sha2-256\"");
pub(crate) const INPUT: Field<String> = Field::text("input", "The input, in base64.");
pub(crate) const FORMAT: Field<String> =
    Field::text("format", "The output's encoding: hex or base64.");

/// The hash that is meant where none is said.
pub(crate) const DEFAULT: &str = "sha2-256";

pub(crate) const PATH: Path = Path::new("hash", "Hashes.").fields(FIELDS).write(hash);
pub(crate) const WITH_ALGORITHM: Path = Path::new("hash/{urlalgorithm}", "Hashes.")
    .fields(FIELDS)
    .write(hash);

const FIELDS: &[coffer_sdk::Decl] = &[
    URL_ALGORITHM.decl(),
    ALGORITHM.decl(),
    INPUT.decl(),
    FORMAT.default_json("\"hex\"").decl(),
];

/// A hash function by Vault's name for it.
pub(crate) fn named(name: &str) -> Option<Hash> {
    Some(match name {
        "sha1" => Hash::Sha1,
        "sha2-224" => Hash::Sha2B224,
        "sha2-256" => Hash::Sha2B256,
        "sha2-384" => Hash::Sha2B384,
        "sha2-512" => Hash::Sha2B512,
        "sha3-224" => Hash::Sha3B224,
        "sha3-256" => Hash::Sha3B256,
        "sha3-384" => Hash::Sha3B384,
        "sha3-512" => Hash::Sha3B512,
        _ => return None,
    })
}

/// What the request calls the hash function, in its path or one of these parameters.
pub(crate) fn asked(request: &Request, fields: &[Field<String>]) -> Result<String> {
    for field in fields {
        if let Some(name) = request.get(*field)?.filter(|name| !name.is_empty()) {
            return Ok(name);
        }
    }
    Ok(DEFAULT.to_owned())
}

fn hash(request: &Request) -> Result<Response> {
    let input = request
        .get(INPUT)?
        .ok_or_else(|| Error::invalid("input missing"))?;
    let input = input_bytes(&input)?;
    let name = asked(request, &[URL_ALGORITHM, ALGORITHM])?;
    let sum = match named(&name) {
        Some(Hash::Sha2B224) => Sha224::digest(&input).to_vec(),
        Some(Hash::Sha2B256) => Sha256::digest(&input).to_vec(),
        Some(Hash::Sha2B384) => Sha384::digest(&input).to_vec(),
        Some(Hash::Sha2B512) => Sha512::digest(&input).to_vec(),
        Some(Hash::Sha3B224) => Sha3_224::digest(&input).to_vec(),
        Some(Hash::Sha3B256) => Sha3_256::digest(&input).to_vec(),
        Some(Hash::Sha3B384) => Sha3_384::digest(&input).to_vec(),
        Some(Hash::Sha3B512) => Sha3_512::digest(&input).to_vec(),
        Some(Hash::Sha1) | None => {
            return Err(Error::invalid(format!("unsupported algorithm {name}")));
        }
    };
    Ok(Response::data(
        json!({ "sum": formatted(request, &sum, "hex")? }),
    ))
}

pub(crate) fn input_bytes(input: &str) -> Result<Vec<u8>> {
    encoding::bytes(input).map_err(|error| {
        Error::invalid(format!(
            "unable to decode input as base64: {}",
            error.message
        ))
    })
}

/// In the encoding that the request asks for.
pub(crate) fn formatted(request: &Request, bytes: &[u8], default: &str) -> Result<String> {
    let format = request.get(FORMAT)?.filter(|format| !format.is_empty());
    match format.as_deref().unwrap_or(default) {
        "hex" => Ok(hex::encode(bytes)),
        "base64" => Ok(encoding::base64(bytes)),
        other => Err(Error::invalid(format!(
            "unsupported encoding format {other:?}; must be \"hex\" or \"base64\""
        ))),
    }
}
