//! `token create|lookup|renew|revoke|capabilities`.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::{Context, mount, nothing_at, sanitised, strings};
use crate::args::Format;
use crate::client::Method;
use crate::duration::Ttl;
use crate::error::{CliError, CliResult, Doing};
use crate::output;

/// `token`.
#[derive(Subcommand)]
pub enum Token {
    /// Make a token
    Create(Create),
    /// Show a token
    Lookup(Lookup),
    /// Let a token live longer
    Renew(Renew),
    /// End a token and its children
    Revoke(Revoke),
    /// Show what a token may do with a path
    Capabilities(Capabilities),
}

impl Token {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Create(command) => command.run(context),
            Self::Lookup(command) => command.run(context),
            Self::Renew(command) => command.run(context),
            Self::Revoke(command) => command.run(context),
            Self::Capabilities(command) => command.run(context),
        }
    }
}

/// `token create`.
#[derive(Args)]
pub struct Create {
    /// Its id, instead of a random one
    #[arg(long)]
    id: Option<String>,
    /// Name for logs
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// Time to live
    #[arg(long, value_name = "DURATION", value_parser = Ttl::not_negative)]
    ttl: Option<Ttl>,
    /// Time to live that no renewal exceeds
    #[arg(long, value_name = "DURATION", value_parser = Ttl::not_negative)]
    explicit_max_ttl: Option<Ttl>,
    /// Makes it periodic: each renewal gives it this long
    #[arg(long, value_name = "DURATION", value_parser = Ttl::not_negative)]
    period: Option<Ttl>,
    /// Whether it can be renewed
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    renewable: bool,
    /// It has no parent, and so does not end with one
    #[arg(long)]
    orphan: bool,
    /// Without the policy `default`
    #[arg(long)]
    no_default_policy: bool,
    /// How often it can be used; 0 is without end
    #[arg(long, value_name = "N")]
    use_limit: Option<u64>,
    /// service or batch
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Metadata; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    /// Policy; may be repeated
    #[arg(long, value_name = "NAME")]
    policy: Vec<String>,
    /// Role to make it from
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// Alias of an entity, with -role
    #[arg(long, value_name = "NAME")]
    entity_alias: Option<String>,
}

impl Create {
    fn run(self, context: &Context) -> CliResult {
        let path = match (&self.role, self.orphan) {
            (Some(role), _) => format!("auth/token/create/{}", sanitised(role)),
            (None, true) => "auth/token/create-orphan".to_owned(),
            (None, false) => "auth/token/create".to_owned(),
        };
        let answer = context
            .client
            .post(&path, &self.request()?)
            .doing("Error creating token")?;
        context
            .output
            .secret(&answer.ok_or_else(|| nothing_at(&path))?)
    }

    fn request(&self) -> Result<Value, CliError> {
        let metadata = mount::key_values("-metadata", &self.metadata)?;
        let ttl = |ttl: Option<Ttl>| ttl.map(|ttl| json!(ttl.to_api()));
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        let fields = [
            ("id", text(&self.id)),
            ("display_name", text(&self.display_name)),
            ("ttl", ttl(self.ttl)),
            ("explicit_max_ttl", ttl(self.explicit_max_ttl)),
            ("period", ttl(self.period)),
            ("renewable", Some(json!(self.renewable))),
            (
                "no_default_policy",
                self.no_default_policy.then_some(json!(true)),
            ),
            ("num_uses", self.use_limit.map(|uses| json!(uses))),
            ("type", text(&self.kind)),
            ("meta", (!metadata.is_empty()).then(|| metadata.into())),
            (
                "policies",
                (!self.policy.is_empty()).then(|| json!(self.policy)),
            ),
            ("entity_alias", text(&self.entity_alias)),
        ];
        Ok(fields
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect::<Map<_, _>>()
            .into())
    }
}

/// `token lookup`.
#[derive(Args)]
pub struct Lookup {
    /// A token, or with -accessor its accessor; without it, the token in use
    token: Option<String>,
    /// What is given is an accessor
    #[arg(long)]
    accessor: bool,
}

impl Lookup {
    fn run(self, context: &Context) -> CliResult {
        let client = &context.client;
        let answer = match (self.token, self.accessor) {
            (None, true) => {
                return Err(CliError::usage(
                    "Not enough arguments with -accessor (expected 1, got 0)",
                ));
            }
            (None, false) => client.read("auth/token/lookup-self", &[]),
            (Some(token), false) => client.post("auth/token/lookup", &json!({ "token": token })),
            (Some(accessor), true) => client.post(
                "auth/token/lookup-accessor",
                &json!({ "accessor": accessor }),
            ),
        };
        let secret = answer.doing("Error looking up token")?;
        context
            .output
            .secret(&secret.ok_or_else(|| CliError::Refused("No such token".to_owned()))?)
    }
}

/// `token renew`.
#[derive(Args)]
pub struct Renew {
    /// A token, or with -accessor its accessor; without it, the token in use
    token: Option<String>,
    /// What is given is an accessor
    #[arg(long)]
    accessor: bool,
    /// For how long from now; the server may give less
    #[arg(long, alias = "i", value_name = "DURATION")]
    increment: Option<Ttl>,
}

impl Renew {
    fn run(self, context: &Context) -> CliResult {
        let (path, mut request) = match (self.token, self.accessor) {
            (None, true) => {
                return Err(CliError::usage(
                    "Not enough arguments with -accessor (expected 1, got 0)",
                ));
            }
            (None, false) => ("auth/token/renew-self", Map::new()),
            (Some(token), false) => ("auth/token/renew", one("token", token)),
            (Some(accessor), true) => ("auth/token/renew-accessor", one("accessor", accessor)),
        };
        if let Some(increment) = self.increment {
            request.insert("increment".to_owned(), increment.0.into());
        }
        let answer = context
            .client
            .write(path, &request.into())
            .doing("Error renewing token")?;
        context
            .output
            .secret(&answer.ok_or_else(|| nothing_at(path))?)
    }
}

fn one(key: &str, value: String) -> Map<String, Value> {
    [(key.to_owned(), value.into())].into_iter().collect()
}

/// What is revoked with a token.
#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// The token alone.
    Orphan,
    /// All tokens made below a path.
    Path,
}

/// `token revoke`.
#[derive(Args)]
pub struct Revoke {
    /// A token; with -accessor its accessor, with -mode=path a path
    token: Option<String>,
    /// The token in use
    #[arg(long = "self")]
    own: bool,
    /// What is given is an accessor
    #[arg(long)]
    accessor: bool,
    /// orphan: leave its children; path: all tokens made below a path
    #[arg(long)]
    mode: Option<Mode>,
}

impl Revoke {
    fn run(self, context: &Context) -> CliResult {
        let (path, request) = match (self.token, self.own, self.accessor, self.mode) {
            (_, true, true, _) => return Err(CliError::usage("Cannot use -self with -accessor!")),
            (_, true, _, Some(_)) => return Err(CliError::usage("Cannot use -self with -mode!")),
            (_, _, true, Some(_)) => {
                return Err(CliError::usage("Cannot use -accessor with -mode!"));
            }
            (Some(_), true, ..) => {
                return Err(CliError::usage(
                    "Too many arguments with -self (expected 0, got 1)",
                ));
            }
            (None, false, ..) => {
                return Err(CliError::usage(
                    "Not enough arguments (expected 1 or -self, got 0)",
                ));
            }
            (None, true, false, None) => ("auth/token/revoke-self".to_owned(), Map::new()),
            (Some(accessor), false, true, None) => (
                "auth/token/revoke-accessor".to_owned(),
                one("accessor", accessor),
            ),
            (Some(token), false, false, None) => {
                ("auth/token/revoke".to_owned(), one("token", token))
            }
            (Some(token), false, false, Some(Mode::Orphan)) => {
                ("auth/token/revoke-orphan".to_owned(), one("token", token))
            }
            (Some(path), false, false, Some(Mode::Path)) => (
                format!("sys/leases/revoke-prefix/{}", sanitised(&path)),
                Map::new(),
            ),
        };
        context
            .client
            .send(Method::Put, &path, &[], Some(&request.into()))
            .doing("Error revoking token")?;
        context.done("Success! Revoked token (if it existed)")
    }
}

/// `token capabilities`.
#[derive(Args)]
pub struct Capabilities {
    /// A token (with -accessor its accessor; without it, the token in use), and the path
    #[arg(value_name = "[TOKEN] PATH", num_args = 1..=2, required = true)]
    arguments: Vec<String>,
    /// What is given is an accessor
    #[arg(long)]
    accessor: bool,
}

impl Capabilities {
    fn run(self, context: &Context) -> CliResult {
        let (endpoint, request, path) = match (self.arguments.as_slice(), self.accessor) {
            ([path], false) => ("sys/capabilities-self", json!({ "path": path }), path),
            ([token, path], false) => (
                "sys/capabilities",
                json!({ "token": token, "path": path }),
                path,
            ),
            ([accessor, path], true) => (
                "sys/capabilities-accessor",
                json!({ "accessor": accessor, "path": path }),
                path,
            ),
            _ => {
                return Err(CliError::usage(
                    "Wrong number of arguments (expected PATH, TOKEN PATH, or -accessor ACCESSOR PATH)",
                ));
            }
        };
        let answer = context
            .client
            .post(endpoint, &request)
            .doing("Error listing capabilities")?
            .unwrap_or_default();
        let found = answer.get(path).or_else(|| answer.get("capabilities"));
        let mut capabilities = found.map(strings).unwrap_or_default();
        capabilities.sort();
        match context.output.format {
            Format::Table => output::line(&capabilities.join(", ")),
            _ => context.output.data(&capabilities),
        }
        Ok(ExitCode::SUCCESS)
    }
}
