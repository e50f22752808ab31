//! `operator generate-root`: a root token, for whoever brings enough key shares.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::ceremony::{Ceremony, Step};
use super::pgp;
use crate::client::Method;
use crate::commands::Context;
use crate::error::{CliError, CliResult};
use crate::output;

/// `operator generate-root`.
#[derive(Args)]
pub struct GenerateRoot {
    #[command(flatten)]
    step: Step,
    /// The one-time password: to begin with, or to decode with
    #[arg(long)]
    otp: Option<String>,
    /// With -init: file with a public PGP key that the token is encrypted to, instead of a password
    #[arg(long, value_name = "FILE", conflicts_with = "otp")]
    pgp_key: Option<String>,
    /// Print a one-time password that -init takes
    #[arg(long)]
    generate_otp: bool,
    /// The encoded token that the last key share gave: print the token
    #[arg(long, value_name = "TOKEN", requires = "otp", conflicts_with = "init")]
    decode: Option<String>,
}

const ROWS: &[(&str, &str)] = &[
    ("Nonce", "nonce"),
    ("Started", "started"),
    ("Complete", "complete"),
    ("Encoded Token", "encoded_token"),
    ("PGP Fingerprint", "pgp_fingerprint"),
    ("OTP", "otp"),
    ("OTP Length", "otp_length"),
];

impl GenerateRoot {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let ceremony = Ceremony {
            context,
            attempt: "sys/generate-root/attempt",
            update: "sys/generate-root/update",
            name: "root generation",
        };
        if let (Some(encoded), Some(otp)) = (&self.decode, &self.otp) {
            let body = json!({ "encoded_token": encoded, "otp": otp });
            let told = ceremony.send(Method::Put, "sys/decode-token", Some(&body))?;
            let token = told.get("data").and_then(|data| data.get("token"));
            let token = token.map(output::plain).unwrap_or_default();
            let printed = Map::from_iter([("token".to_owned(), Value::from(token.clone()))]);
            return context.output.object(&printed, || format!("{token}\n"));
        }
        if self.generate_otp {
            let length = ceremony.status()?.get("otp_length").and_then(Value::as_u64);
            output::line(&password(length.unwrap_or_default())?);
            return Ok(ExitCode::SUCCESS);
        }
        let mut wanted = json!({ "otp": self.otp.unwrap_or_default() });
        if let Some(file) = &self.pgp_key {
            wanted = json!({ "pgp_key": pgp::key(file)? });
        }
        ceremony.run(self.step, &wanted, ROWS, |_| None)
    }
}

/// So many characters that are hard to guess.
fn password(length: u64) -> Result<String, CliError> {
    match usize::try_from(length) {
        Ok(length) if (1..=4096).contains(&length) => {
            Ok(coffer_clock::Random::system().base62(length))
        }
        _ => Err(CliError::Refused(format!(
            "the server wants a password of {length} characters, which cannot be"
        ))),
    }
}
