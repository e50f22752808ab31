//! `operator rekey`: new key shares.

use clap::Args;
use serde_json::{Map, Value, json};

use super::ceremony::{Ceremony, Step};
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
}

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
        let wanted = json!({
            "secret_shares": self.key_shares,
            "secret_threshold": self.key_threshold,
            "require_verification": self.verify,
        });
        ceremony.run(self.step, &wanted, ROWS, |told| {
            let complete = told.get("complete") == Some(&json!(true));
            complete.then(|| match verifying {
                true => in_force(),
                false => new_shares(told),
            })
        })
    }
}

fn in_force() -> String {
    "Success! The new key shares are in force; the old ones open nothing any more.\n".to_owned()
}

fn new_shares(told: &Map<String, Value>) -> String {
    let keys = told.get("keys_base64").map(strings).unwrap_or_default();
    let mut text = String::new();
    for (index, key) in keys.iter().enumerate() {
        text.push_str(&format!("Key {}: {key}\n", index + 1));
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
