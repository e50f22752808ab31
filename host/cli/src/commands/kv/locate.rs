//! From the path of a secret to its engine: the path may begin with the mount, or the mount is given by `-mount`.

use clap::Args;
use serde_json::Value;

use crate::client::Client;
use crate::commands::sanitised;
use crate::error::{CliError, Doing};

/// The path of a secret.
#[derive(Args)]
pub struct SecretPath {
    /// Where the engine is mounted; the path is then that of the secret within it
    #[arg(long)]
    mount: Option<String>,
    /// Path of the secret
    path: String,
}

/// A secret, and the engine that has it.
pub struct Location {
    /// Where the engine is mounted, without the last slash.
    mount: String,
    /// The rest.
    key: String,
    /// Whether it is version 2.
    pub versioned: bool,
}

impl SecretPath {
    /// Asks the server which engine the path belongs to.
    ///
    /// # Errors
    /// If the token sees none.
    pub fn locate(&self, client: &Client) -> Result<Location, CliError> {
        locate(client, self.mount.as_deref(), &self.path)
    }

    /// The same, for what only version 2 can do.
    ///
    /// # Errors
    /// If the engine is version 1.
    pub fn versioned(&self, client: &Client, what: &str) -> Result<Location, CliError> {
        let location = self.locate(client)?;
        if !location.versioned {
            return Err(CliError::Usage(format!(
                "{what} not supported on KV Version 1"
            )));
        }
        Ok(location)
    }
}

/// See [`SecretPath::locate`].
pub fn locate(client: &Client, mount: Option<&str>, path: &str) -> Result<Location, CliError> {
    let path = sanitised(path);
    let asked = mount.map_or(path, sanitised);
    let answer = client
        .aside()
        .read(&format!("sys/internal/ui/mounts/{asked}"), &[])
        .doing(String::new())?;
    let found = answer
        .as_ref()
        .and_then(|secret| secret.get("path"))
        .and_then(Value::as_str)
        .map(sanitised);
    let versioned = answer
        .as_ref()
        .and_then(|secret| secret.get("options"))
        .and_then(|options| options.get("version"));
    let (mount, key) = match mount {
        Some(mount) => (sanitised(mount), path),
        None => {
            // A server that does not tell has no version 2 either: the first segment is as good as any.
            let mount = found.unwrap_or_else(|| path.split('/').next().unwrap_or_default());
            (mount, path.strip_prefix(mount).unwrap_or(path))
        }
    };
    Ok(Location {
        key: sanitised(key).to_owned(),
        mount: mount.to_owned(),
        versioned: versioned.and_then(Value::as_str) == Some("2"),
    })
}

impl Location {
    /// The API's path of the secret; below `kind` (`data`, `metadata`, ...) in version 2.
    pub fn path(&self, kind: &str) -> String {
        let parts = [
            self.mount.as_str(),
            if self.versioned { kind } else { "" },
            self.key.as_str(),
        ];
        parts
            .iter()
            .filter(|part| !part.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let location = |key: &str, versioned| Location {
            mount: "team/kv".to_owned(),
            key: key.to_owned(),
            versioned,
        };
        let cases = [
            (location("a/b", true), "data", "team/kv/data/a/b"),
            (location("a/b", false), "data", "team/kv/a/b"),
            (location("", true), "metadata", "team/kv/metadata"),
            (location("", false), "metadata", "team/kv"),
        ];
        for (location, kind, expected) in cases {
            assert_eq!(location.path(kind), expected);
        }
    }
}
