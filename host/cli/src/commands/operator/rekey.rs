//! `operator rekey`: new key shares.

use clap::Args;
use serde_json::{Map, Value, json};

use super::ceremony::{Ceremony, Step};
use super::pgp;
use crate::client::Method;
use crate::commands::{Context, strings};
use crate::error::CliResult;

/// `operator rekey`.
#[derive(Args)]
pub struct Rekey {
    #[command(flatten)]
    step: Step,
    /// How many new key shares to make
    #[arg(long, alias = "n", default_value_t = 5, value_name = "N")]
    key_shares: u32,
    /// How many of them will unseal
    #[arg(long, alias = "t", default_value_t = 3, value_name = "N")]
    key_threshold: u32,
    /// With -init: the new shares count only when enough of them were given back. Else: of that
    #[arg(long)]
    verify: bool,
    /// With -init: files with the key holders' public PGP keys, as many as shares
    #[arg(long, value_name = "FILE,...", value_delimiter = ',')]
    pgp_keys: Vec<String>,
    /// With -pgp-keys: the server keeps the encrypted shares
    #[arg(long, requires = "pgp_keys")]
    backup: bool,
    /// Print the encrypted shares that the server has kept
    #[arg(long, conflicts_with = "init")]
    backup_retrieve: bool,
    /// Have the server forget the encrypted shares
    #[arg(long, conflicts_with_all = ["init", "backup_retrieve"])]
    backup_delete: bool,
}

const BACKUP: &str = "sys/rekey/backup";

const ROWS: &[(&str, &str)] = &[
    ("Nonce", "nonce"),
    ("Started", "started"),
    ("New Shares", "n"),
    ("New Threshold", "t"),
    ("Verification Required", "verification_required"),
    ("Verification Nonce", "verification_nonce"),
];

impl Rekey {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let verifying = self.verify && !self.step.init;
        let (attempt, update, name) = match verifying {
            true => ("sys/rekey/verify", "sys/rekey/verify", "verification"),
            false => ("sys/rekey/init", "sys/rekey/update", "rekey"),
        };
        let ceremony = Ceremony {
            context,
            attempt,
            update,
            name,
        };
        if self.backup_retrieve {
            let kept = ceremony.send(Method::Get, BACKUP, None)?;
            return context.output.object(&kept, || kept_shares(&kept));
        }
        if self.backup_delete {
            ceremony.send(Method::Delete, BACKUP, None)?;
            return context.done("Success! Delete backup keys (if they existed)");
        }
        let mut wanted = json!({
            "secret_shares": self.key_shares,
            "secret_threshold": self.key_threshold,
            "require_verification": self.verify,
        });
        if !self.pgp_keys.is_empty() {
            wanted["pgp_keys"] = pgp::keys(&self.pgp_keys)?.into();
            wanted["backup"] = self.backup.into();
        }
        ceremony.run(self.step, &wanted, ROWS, |told| {
            let complete = told.get("complete") == Some(&json!(true));
            complete.then(|| match verifying {
                true => in_force(),
                false => new_shares(told),
            })
        })
    }
}

/// The shares of each holder, by the fingerprint of their key.
fn kept_shares(kept: &Map<String, Value>) -> String {
    let holders = kept.get("keys_base64").and_then(Value::as_object);
    let mut text = String::new();
    for (fingerprint, shares) in holders.into_iter().flatten() {
        for share in strings(shares) {
            text.push_str(&format!("{fingerprint}: {share}\n"));
        }
    }
    text
}

fn in_force() -> String {
    "Success! The new key shares are in force; the old ones open nothing any more.\n".to_owned()
}

fn new_shares(told: &Map<String, Value>) -> String {
    let keys = told.get("keys_base64").map(strings).unwrap_or_default();
    let holders = told
        .get("pgp_fingerprints")
        .map(strings)
        .unwrap_or_default();
    let mut text = String::new();
    for (index, key) in keys.iter().enumerate() {
        let holder = holders
            .get(index)
            .map(|holder| format!(" fingerprint: {holder}; value"));
        let holder = holder.unwrap_or_default();
        text.push_str(&format!("Key {}{holder}: {key}\n", index + 1));
    }
    let nonce = told.get("verification_nonce").and_then(Value::as_str);
    text.push_str(&match nonce {
        Some(nonce) => format!(
            "\nThe old key shares count until enough of these were given back:\n\n    \
             coffer operator rekey -verify -nonce={nonce}\n"
        ),
        None => format!("\n{}", in_force()),
    });
    text
}
