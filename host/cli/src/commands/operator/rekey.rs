//! `operator rekey`: new key shares.

use clap::Args;
use serde_json::{Map, Value, json};

use super::ceremony::Ceremony;
use crate::client::Method;
use crate::commands::{Context, strings};
use crate::error::CliResult;

/// `operator rekey`.
#[derive(Args)]
pub struct Rekey {
    /// A key share, or - to read it from stdin; without it, it is asked for
    key: Option<String>,
    /// Begin a rekey
    #[arg(long, conflicts_with_all = ["status", "cancel"])]
    init: bool,
    /// How many new key shares to make
    #[arg(long, alias = "n", default_value_t = 5, value_name = "N")]
    key_shares: u32,
    /// How many of them will unseal
    #[arg(long, alias = "t", default_value_t = 3, value_name = "N")]
    key_threshold: u32,
    /// With -init: the new shares count only when enough of them were given back. Else: of that
    #[arg(long)]
    verify: bool,
    /// Only say how far it is
    #[arg(long)]
    status: bool,
    /// Forget it; with -verify, only the new shares given so far
    #[arg(long, conflicts_with = "status")]
    cancel: bool,
    /// Which rekey, or which verification, a share is for
    #[arg(long)]
    nonce: Option<String>,
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
        let verifying = self.verify && !self.init;
        let ceremony = Ceremony {
            context,
            attempt: if verifying {
                "sys/rekey/verify"
            } else {
                "sys/rekey/init"
            },
            update: if verifying {
                "sys/rekey/verify"
            } else {
                "sys/rekey/update"
            },
            name: if verifying { "verification" } else { "rekey" },
        };
        if self.init {
            let begun = ceremony.send(
                Method::Put,
                ceremony.attempt,
                Some(&json!({
                    "secret_shares": self.key_shares,
                    "secret_threshold": self.key_threshold,
                    "require_verification": self.verify,
                })),
            )?;
            return ceremony.show(&begun, ROWS);
        }
        if self.status {
            return ceremony.show(&ceremony.status()?, ROWS);
        }
        if self.cancel {
            return ceremony.cancel(self.nonce.as_deref());
        }
        let told = ceremony.give(self.key, self.nonce)?;
        let done = |told: &Map<String, Value>| told.get("complete") == Some(&json!(true));
        if !done(&told) {
            return ceremony.show(&told, ROWS);
        }
        let people = || {
            if verifying {
                in_force()
            } else {
                new_shares(&told)
            }
        };
        context.output.object(&told, people)
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
