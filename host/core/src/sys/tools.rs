//! `sys/tools`: randomness and hashes.
//! <https://developer.hashicorp.com/vault/api-docs/system/tools>

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use sha2::Digest;

use crate::Error;
use crate::reply::Reply;
use crate::routes::Context;

/// In bytes.
const MAX_RANDOM: u64 = 128 << 10;

/// Bytes as the request wants them; in hexadecimal, or as `default` says.
fn encoded(c: &Context<'_>, default: &str, bytes: &[u8]) -> Result<String, Error> {
    let format = c.params.text("format")?.unwrap_or_default();
    match if format.is_empty() { default } else { &format } {
        "hex" => Ok(hex::encode(bytes)),
        "base64" => Ok(BASE64_STANDARD.encode(bytes)),
        other => Err(Error::invalid(format!(
            "unsupported encoding format {other:?}; must be \"hex\" or \"base64\""
        ))),
    }
}

/// Random bytes.
pub async fn random(c: &mut Context<'_>) -> Result<Reply, Error> {
    // `random/SOURCE`, or `random/BYTES`.
    let source = c.params.text("source")?.unwrap_or_default();
    let (source, in_path) = match source.parse::<u64>() {
        Ok(bytes) => (String::new(), Some(bytes)),
        Err(_) => (source, c.params.number("urlbytes")?),
    };
    if !["", "platform", "seal", "all"].contains(&source.as_str()) {
        return Err(Error::invalid(format!(
            "unsupported entropy source {source:?}; must be \"platform\" or \"seal\", or \"all\""
        )));
    }
    let bytes = match in_path {
        Some(bytes) => bytes,
        None => c.params.number("bytes")?.unwrap_or(32),
    };
    if bytes < 1 {
        return Err(Error::invalid("'bytes' cannot be less than 1"));
    }
    if bytes > MAX_RANDOM {
        return Err(Error::invalid(format!(
            "'bytes' should be less than {MAX_RANDOM}"
        )));
    }
    let mut random = vec![0; usize::try_from(bytes).unwrap_or_default()];
    c.core.random.fill(&mut random);
    let random = encoded(c, "base64", &random)?;
    Ok(Reply::data(json!({ "random_bytes": random })))
}

/// A hash of the input.
pub async fn hash(c: &mut Context<'_>) -> Result<Reply, Error> {
    let algorithm = match c.params.text("urlalgorithm")? {
        Some(algorithm) => Some(algorithm),
        None => c.params.text("algorithm")?,
    };
    let algorithm = algorithm.filter(|name| !name.is_empty());
    let algorithm = algorithm.as_deref().unwrap_or("sha2-256");
    let input = c.params.text("input")?.unwrap_or_default();
    let input = BASE64_STANDARD
        .decode(input)
        .map_err(|error| Error::invalid(format!("unable to decode input as base64: {error}")))?;
    let sum = match algorithm {
        "sha2-224" => sha2::Sha224::digest(&input).to_vec(),
        "sha2-256" => sha2::Sha256::digest(&input).to_vec(),
        "sha2-384" => sha2::Sha384::digest(&input).to_vec(),
        "sha2-512" => sha2::Sha512::digest(&input).to_vec(),
        "sha3-224" => sha3::Sha3_224::digest(&input).to_vec(),
        "sha3-256" => sha3::Sha3_256::digest(&input).to_vec(),
        "sha3-384" => sha3::Sha3_384::digest(&input).to_vec(),
        "sha3-512" => sha3::Sha3_512::digest(&input).to_vec(),
        other => return Err(Error::invalid(format!("unsupported algorithm {other}"))),
    };
    let sum = encoded(c, "hex", &sum)?;
    Ok(Reply::data(json!({ "sum": sum })))
}
