//! Public PGP keys in files, as the API takes them: in base64, without armor.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::error::CliError;

/// The keys in these files.
///
/// # Errors
/// If one cannot be read.
pub(super) fn keys(files: &[String]) -> Result<Vec<String>, CliError> {
    files.iter().map(|file| key(file)).collect()
}

/// The key in a file.
///
/// # Errors
/// If it cannot be read.
pub(super) fn key(file: &str) -> Result<String, CliError> {
    if file.starts_with("keybase:") {
        return Err(CliError::usage(
            "keys are not fetched from Keybase: give a file with the public key, as `gpg --export` writes it",
        ));
    }
    let file = file.strip_prefix('@').unwrap_or(file);
    let bytes = std::fs::read(file)
        .map_err(|error| CliError::Refused(format!("Error reading a PGP key: {file}: {error}")))?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    Ok(match dearmored(text) {
        Some(base64) => base64,
        // In base64 already.
        None if !text.is_empty()
            && BASE64_STANDARD
                .decode(text.replace(char::is_whitespace, ""))
                .is_ok() =>
        {
            text.to_owned()
        }
        None => BASE64_STANDARD.encode(&bytes),
    })
}

/// What stands between the lines of an armor, headers and checksum left out. RFC 9580, section 6.
fn dearmored(text: &str) -> Option<String> {
    if !text.starts_with("-----BEGIN") {
        return None;
    }
    let inside = text
        .lines()
        .skip(1)
        .skip_while(|line| !line.trim().is_empty());
    let data = inside.take_while(|line| !line.starts_with('=') && !line.starts_with("-----END"));
    Some(data.map(str::trim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armor_is_taken_off() {
        let armored = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\nmQEN\nBF0=\n=aBcD\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(dearmored(armored).as_deref(), Some("mQENBF0="));
        assert_eq!(dearmored("mQENBF0="), None);
    }
}
