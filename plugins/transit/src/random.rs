//! Random bytes.

use coffer_sdk::prelude::*;

use crate::hash::{self, FORMAT};

const SOURCE: Field<String> = Field::text(
    "source",
    "Where randomness comes from: platform, seal or all. There is one source, the platform's.",
)
.default_json("\"platform\"");
const URL_BYTES: Field<String> = Field::text("urlbytes", "How many bytes, in the path.");
const BYTES: Field<i64> = Field::integer("bytes", "How many bytes.").default_json("32");

/// Of bytes in one answer.
const MOST: i64 = 128 * 1024;

const FIELDS: &[coffer_sdk::Decl] = &[
    SOURCE.decl(),
    URL_BYTES.decl(),
    BYTES.decl(),
    FORMAT.default_json("\"base64\"").decl(),
];

pub(crate) const PATH: Path = Path::new("random", "Random bytes.")
    .fields(FIELDS)
    .write(random_bytes);
/// The segment is a source, or a number of bytes.
pub(crate) const FROM: Path = Path::new("random/{source}", "Random bytes.")
    .fields(FIELDS)
    .write(random_bytes);
pub(crate) const SIZED: Path = Path::new("random/{source}/{urlbytes}", "Random bytes.")
    .fields(FIELDS)
    .write(random_bytes);

fn random_bytes(request: &Request) -> Result<Response> {
    let mut source = request.get(SOURCE)?.unwrap_or_default();
    let mut size = request.get(URL_BYTES)?;
    let is_source = |text: &str| matches!(text, "" | "platform" | "seal" | "all");
    if size.is_none() && !is_source(&source) && request.path.starts_with("random/") {
        size = Some(std::mem::take(&mut source));
    }
    if !is_source(&source) {
        return Err(Error::invalid(format!(
            "unsupported entropy source {source:?}; must be \"platform\" or \"seal\", or \"all\""
        )));
    }
    let size = match size {
        Some(text) => text.parse().map_err(|_| {
            Error::invalid(format!(
                "error parsing url-set byte count: {text:?} is no number"
            ))
        })?,
        None => request.get(BYTES)?.unwrap_or(32),
    };
    if size < 1 {
        return Err(Error::invalid("'bytes' cannot be less than 1"));
    }
    if size > MOST {
        return Err(Error::invalid(format!(
            "'bytes' should be less than {MOST}"
        )));
    }
    let mut bytes = Vec::new();
    let mut missing = u32::try_from(size).map_err(Error::internal)?;
    while missing > 0 {
        /// What the host gives at a time.
        const AT_A_TIME: u32 = 65_536;
        let part = missing.min(AT_A_TIME);
        bytes.extend(random::bytes(part));
        missing -= part;
    }
    let answer = json!({ "random_bytes": hash::formatted(request, &bytes, "base64")? });
    let response = Response::data(answer);
    Ok(if source == "seal" {
        response.warning("no seal/entropy augmentation available, using platform entropy source")
    } else {
        response
    })
}
