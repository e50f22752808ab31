//! Texts that stand for bytes: base64, PEM, and the prefix that says which version of a key something was made with.

use base64::DecodeError;
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use coffer_sdk::prelude::*;
use der::pem::LineEnding;

/// Takes the last character's spare bits for what they are: nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn base64_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Standard base64; line breaks in it mean nothing. The error says where it ends to be that.
pub(crate) fn bytes(text: &str) -> Result<Vec<u8>> {
    let decoded = if text.contains(['\n', '\r']) {
        LENIENT.decode(text.replace(['\n', '\r'], ""))
    } else {
        LENIENT.decode(text)
    };
    decoded.map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len(),
        };
        Error::invalid(format!("illegal base64 data at input byte {at}"))
    })
}

/// Base64 for URLs, without padding (RFC 7515, 2).
pub(crate) fn url_bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A parameter in base64 that is part of what a key is derived from. Nothing, if it is not given.
pub(crate) fn context(text: Option<&str>) -> Result<Vec<u8>> {
    bytes(text.unwrap_or_default()).map_err(|_| Error::invalid("failed to base64-decode context"))
}

/// `vault:v3:` and what it is in front of.
pub(crate) fn versioned(version: u32, text: &str) -> String {
    format!("vault:v{version}:{text}")
}

/// The version that stands in front, and what is behind. `what` names it in errors.
pub(crate) fn split_version<'t>(text: &'t str, what: &str) -> Result<(i64, &'t str)> {
    let rest = text
        .strip_prefix("vault:v")
        .ok_or_else(|| Error::invalid(format!("invalid {what}: no prefix")))?;
    let (version, rest) = rest
        .split_once(':')
        .ok_or_else(|| Error::invalid(format!("invalid {what}: wrong number of fields")))?;
    let version = version.parse().map_err(|_| {
        Error::invalid(format!(
            "invalid {what}: version number could not be decoded"
        ))
    })?;
    Ok((version, rest))
}

/// In PEM (RFC 7468), a line break at its end.
pub(crate) fn pem(label: &str, der: &[u8]) -> Result<String> {
    der::pem::encode_string(label, LineEnding::LF, der).map_err(Error::internal)
}
