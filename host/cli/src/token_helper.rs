//! Where the command line keeps its token: `~/.vault-token`, as other Vault clients do, so that they share it.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use zeroize::Zeroizing;

fn path() -> Option<PathBuf> {
    std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".vault-token"))
}

/// The stored token, if there is one.
pub fn load() -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(std::fs::read_to_string(path()?).ok()?);
    Some(Zeroizing::new(text.trim().to_owned())).filter(|token| !token.is_empty())
}

/// Stores a token, readable by its owner only.
pub fn store(token: &str) -> std::io::Result<()> {
    let Some(path) = path() else { return Ok(()) };
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(token.as_bytes())
}
