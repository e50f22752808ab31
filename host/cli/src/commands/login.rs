//! `login`: by a token, by any auth method whose `login` takes the given fields, or at an OpenID provider with a browser.

mod browser;
mod listener;
mod oidc;

use std::io::Read;

use clap::Args;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Context, nothing_at, sanitised};
use crate::args::Format;
use crate::error::{CliError, CliResult, Doing};
use crate::output::{self, Output};
use crate::secret::{Auth, Secret};
use crate::{environment, kvdata, token_helper};

/// `login`.
#[derive(Args)]
pub struct Login {
    /// A token (- reads it from stdin), or the method's fields as key=value
    #[arg(value_name = "TOKEN | K=V")]
    data: Vec<String>,
    /// The auth method: token, approle, userpass, kubernetes, jwt, oidc, ...
    #[arg(long, default_value = "token", value_name = "TYPE")]
    method: String,
    /// Where the method is mounted; its type, if not given
    #[arg(long)]
    path: Option<String>,
    /// Do not keep the token for the next commands
    #[arg(long)]
    no_store: bool,
    /// Print nothing
    #[arg(long)]
    no_print: bool,
    /// Print the token and nothing else; does not keep it
    #[arg(long)]
    token_only: bool,
}

impl Login {
    pub(super) fn run(self, mut context: Context) -> CliResult {
        let method = sanitised(&self.method).to_owned();
        let secret = if method == "token" {
            self.by_token(&mut context)?
        } else {
            self.by_method(&context, &method)?
        };
        if secret.wrap_info.is_some() {
            // Whoever unwraps it has the token: here there is none to keep.
            return context.output.secret(&secret);
        }
        let token = secret
            .auth
            .as_ref()
            .map(|auth| Zeroizing::new(auth.client_token.clone()));
        let token = token.filter(|token| !token.is_empty()).ok_or_else(|| {
            CliError::Refused(
                "Error authenticating: the method answered without a token".to_owned(),
            )
        })?;
        let stored = !(self.no_store || self.token_only);
        if stored {
            token_helper::store(&token)?;
        }
        if self.no_print {
            return Ok(std::process::ExitCode::SUCCESS);
        }
        if self.token_only {
            let only = Output {
                format: Format::Table,
                field: Some("token".to_owned()),
            };
            return only.secret(&secret);
        }
        if !stored {
            output::complain(
                "The token was not stored in the token helper. Set the VAULT_TOKEN environment\n\
                 variable or pass the token below with each request.\n",
            );
        } else if let Some((variable, _)) = environment::named("TOKEN") {
            output::warn(&format!(
                "WARNING! The environment variable {variable} is set, and goes before the token that is\n\
                 stored now. Unset it, or set it to the new token.\n"
            ));
        }
        if context.output.format == Format::Table && context.output.field.is_none() {
            let kept = if stored {
                " The next commands use this token."
            } else {
                ""
            };
            output::line(&format!("Success! You are now authenticated.{kept}\n"));
        }
        context.output.secret(&secret)
    }

    fn by_token(&self, context: &mut Context) -> Result<Secret, CliError> {
        let token = match self.data.as_slice() {
            [] => context.ask(
                "Token",
                "give the token as the argument, or - and the token on stdin",
            )?,
            [dash] if dash == "-" => read_stdin()?,
            [one] => Zeroizing::new(one.strip_prefix("token=").unwrap_or(one).trim().to_owned()),
            _ => return Err(CliError::usage("Too many arguments (expected 0-1)")),
        };
        if token.is_empty() || token.chars().any(char::is_control) {
            return Err(CliError::usage(
                "The token is empty, or has characters that no token has",
            ));
        }
        context.client.set_token(Some(token.clone()));
        context.client.clear_wrapping();
        let doing = "Error authenticating: error looking up token";
        let found = context
            .client
            .read("auth/token/lookup-self", &[])
            .doing(doing)?;
        Ok(as_login(
            &token,
            found.ok_or_else(|| nothing_at("auth/token/lookup-self"))?,
        ))
    }

    fn by_method(&self, context: &Context, method: &str) -> Result<Secret, CliError> {
        let mut data = kvdata::parse(&self.data, &mut std::io::stdin())?;
        let mount = match &self.path {
            Some(path) => sanitised(path).to_owned(),
            None => method.to_owned(),
        };
        if method == "oidc" {
            return oidc::run(context, &mount, data);
        }
        // These have the user's name in the path, and a password that is better not typed into a shell.
        let path = if matches!(method, "userpass" | "ldap" | "radius" | "okta") {
            let user = data
                .remove("username")
                .as_ref()
                .and_then(Value::as_str)
                .map(str::to_owned);
            let user = user.ok_or_else(|| {
                CliError::Refused("Error authenticating: 'username' must be specified".to_owned())
            })?;
            if !data.contains_key("password") {
                let typed = context.ask(
                    "Password",
                    "give it as password=..., or password=- and the password on stdin",
                )?;
                data.insert("password".to_owned(), typed.as_str().into());
            }
            format!("auth/{mount}/login/{user}")
        } else {
            format!("auth/{mount}/login")
        };
        let answer = context
            .client
            .write(&path, &Value::Object(data))
            .doing("Error authenticating")?;
        answer.ok_or_else(|| {
            CliError::Refused("Error authenticating: the method answered nothing".to_owned())
        })
    }
}

fn read_stdin() -> Result<Zeroizing<String>, CliError> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| CliError::Usage(format!("Error reading stdin: {error}")))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// What a token's lookup tells, as if the token had just been made.
fn as_login(token: &str, lookup: Secret) -> Secret {
    let data = lookup.data.unwrap_or_default();
    let text = |key: &str| {
        data.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let list = |key: &str| {
        data.get(key)
            .and_then(Value::as_array)
            .map(|_| data.get(key).map(super::strings).unwrap_or_default())
    };
    let all: Vec<String> = list("policies")
        .into_iter()
        .chain(list("identity_policies"))
        .flatten()
        .collect();
    Secret {
        auth: Some(Auth {
            client_token: token.to_owned(),
            accessor: text("accessor"),
            policies: Some(all),
            token_policies: list("policies"),
            identity_policies: list("identity_policies"),
            metadata: data
                .get("meta")
                .and_then(Value::as_object)
                .cloned()
                .filter(|meta: &Map<_, _>| !meta.is_empty()),
            orphan: false,
            entity_id: text("entity_id"),
            lease_duration: data.get("ttl").and_then(Value::as_i64).unwrap_or_default(),
            renewable: data
                .get("renewable")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            mfa_requirement: None,
        }),
        ..Secret::default()
    }
}
