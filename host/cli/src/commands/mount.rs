//! What `secrets` and `auth` share: both are tables of mounts, with the same options.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Context, sanitised};
use crate::args::Format;
use crate::duration::{Ttl, human};
use crate::error::{CliError, CliResult, Doing};
use crate::output::{self, plain};
use crate::secret::Secret;

/// Which table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Secrets,
    Auth,
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Secrets => "secrets engine",
            Self::Auth => "auth method",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Secrets => "sys/mounts",
            Self::Auth => "sys/auth",
        }
    }

    /// Auth methods are tuned as mounts below `auth/`, which takes no `sudo`.
    fn tune(self, path: &str) -> String {
        match self {
            Self::Secrets => format!("sys/mounts/{path}/tune"),
            Self::Auth => format!("sys/mounts/auth/{path}/tune"),
        }
    }
}

/// Options that can be set when a mount is made, and later.
#[derive(Args)]
pub struct Tunable {
    /// Default time to live of leases and tokens
    #[arg(long, value_name = "DURATION")]
    default_lease_ttl: Option<Ttl>,
    /// The longest time to live of leases and tokens
    #[arg(long, value_name = "DURATION")]
    max_lease_ttl: Option<Ttl>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Request field not to obscure in audit logs; may be repeated
    #[arg(long, value_name = "KEY")]
    audit_non_hmac_request_keys: Vec<String>,
    /// Response field not to obscure in audit logs; may be repeated
    #[arg(long, value_name = "KEY")]
    audit_non_hmac_response_keys: Vec<String>,
    /// Request header to pass on; may be repeated
    #[arg(long, value_name = "NAME")]
    passthrough_request_headers: Vec<String>,
    /// Response header to let through; may be repeated
    #[arg(long, value_name = "NAME")]
    allowed_response_headers: Vec<String>,
    /// Who sees it listed: `unauth` or `hidden`
    #[arg(long, value_name = "WHO")]
    listing_visibility: Option<String>,
    /// Version of the plugin
    #[arg(long, value_name = "VERSION")]
    plugin_version: Option<String>,
    /// Kind of tokens that an auth method makes
    #[arg(long, value_name = "TYPE")]
    token_type: Option<String>,
    /// Option of the engine; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// Limit of its plugin: memory, deadline, concurrency, storage_bytes, storage_entries, response_size or connections; 0
    /// for the default; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    plugin_limit: Vec<String>,
    /// Version of a key/value engine
    #[arg(long, value_name = "N")]
    version: Option<u32>,
}

impl Tunable {
    /// The fields of a mount's `config`, those that were given.
    fn config(&self) -> Result<Map<String, Value>, CliError> {
        let limits = key_values("-plugin-limit", &self.plugin_limit)?;
        let list = |values: &Vec<String>| (!values.is_empty()).then(|| json!(values));
        let text = |value: &Option<String>| value.as_ref().map(|value| json!(value));
        let ttl = |value: Option<Ttl>| value.map(|ttl| json!(ttl.to_api()));
        let config = [
            ("default_lease_ttl", ttl(self.default_lease_ttl)),
            ("max_lease_ttl", ttl(self.max_lease_ttl)),
            (
                "audit_non_hmac_request_keys",
                list(&self.audit_non_hmac_request_keys),
            ),
            (
                "audit_non_hmac_response_keys",
                list(&self.audit_non_hmac_response_keys),
            ),
            (
                "passthrough_request_headers",
                list(&self.passthrough_request_headers),
            ),
            (
                "allowed_response_headers",
                list(&self.allowed_response_headers),
            ),
            ("listing_visibility", text(&self.listing_visibility)),
            ("plugin_version", text(&self.plugin_version)),
            ("token_type", text(&self.token_type)),
            (
                "plugin_limits",
                (!limits.is_empty()).then_some(Value::Object(limits)),
            ),
        ];
        let given = config
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Ok(given.collect())
    }

    fn options(&self) -> Result<Map<String, Value>, CliError> {
        let mut options = key_values("-options", &self.options)?;
        if let Some(version) = self.version {
            options.insert("version".to_owned(), version.to_string().into());
        }
        Ok(options)
    }
}

/// Pairs from a flag that may be repeated.
///
/// # Errors
/// If one has no `=`.
pub(super) fn key_values(flag: &str, given: &[String]) -> Result<Map<String, Value>, CliError> {
    let pair = |text: &String| {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("{flag}: write it as key=value")))?;
        Ok((key.to_owned(), Value::from(value)))
    };
    given.iter().map(pair).collect()
}

/// `enable`.
#[derive(Args)]
pub struct Enable {
    /// Type of the engine or method; with `plugin`, the one that -plugin-name names
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Where to mount it; its type, if not given
    #[arg(long)]
    path: Option<String>,
    /// Name of the plugin, if not the type
    #[arg(long, value_name = "NAME")]
    plugin_name: Option<String>,
    /// Not to be replicated
    #[arg(long)]
    local: bool,
    /// Wrap its storage with the seal
    #[arg(long)]
    seal_wrap: bool,
    /// Never cache
    #[arg(long)]
    force_no_cache: bool,
    #[command(flatten)]
    tunable: Tunable,
}

impl Enable {
    pub(super) fn run(self, context: &Context, kind: Kind) -> CliResult {
        let plugin = self.plugin_name.as_deref().unwrap_or_default();
        let name = if self.kind == "plugin" && !plugin.is_empty() {
            plugin
        } else {
            &self.kind
        };
        let path = sanitised(self.path.as_deref().unwrap_or(name)).to_owned();
        let mut config = self.tunable.config()?;
        if self.force_no_cache {
            config.insert("force_no_cache".to_owned(), true.into());
        }
        let options = self.tunable.options()?;
        let mut request = json!({
            "type": name,
            "description": self.tunable.description.clone().unwrap_or_default(),
            "local": self.local,
            "seal_wrap": self.seal_wrap,
            "config": config,
        });
        if let (Some(request), false) = (request.as_object_mut(), options.is_empty()) {
            request.insert("options".to_owned(), options.into());
        }
        let doing = match kind {
            Kind::Secrets => "Error enabling".to_owned(),
            Kind::Auth => format!("Error enabling {name} auth"),
        };
        context
            .client
            .post(&format!("{}/{path}", kind.table()), &request)
            .doing(doing)?;
        context.done(&format!(
            "Success! Enabled {}{name} {} at: {path}/",
            if kind == Kind::Secrets { "the " } else { "" },
            match kind {
                Kind::Secrets => "secrets engine",
                Kind::Auth => "auth method",
            }
        ))
    }
}

/// `tune`.
#[derive(Args)]
pub struct Tune {
    /// Where it is mounted
    path: String,
    #[command(flatten)]
    tunable: Tunable,
}

impl Tune {
    pub(super) fn run(self, context: &Context, kind: Kind) -> CliResult {
        let mut request = self.tunable.config()?;
        if let Some(description) = &self.tunable.description {
            request.insert("description".to_owned(), description.clone().into());
        }
        let options = self.tunable.options()?;
        if !options.is_empty() {
            request.insert("options".to_owned(), options.into());
        }
        let path = sanitised(&self.path);
        let doing = format!("Error tuning {} {path}/", kind.noun());
        context
            .client
            .post(&kind.tune(path), &Value::Object(request))
            .doing(doing)?;
        context.done(&format!("Success! Tuned the {} at: {path}/", kind.noun()))
    }
}

/// `move`.
#[derive(Args)]
pub struct Move {
    /// Where it is mounted
    from: String,
    /// Where it is to be
    to: String,
}

impl Move {
    pub(super) fn run(self, context: &Context, kind: Kind) -> CliResult {
        let full = |path: &str| {
            let path = sanitised(path);
            match kind {
                Kind::Auth if !path.starts_with("auth/") => format!("auth/{path}/"),
                _ => format!("{path}/"),
            }
        };
        let (from, to) = (full(&self.from), full(&self.to));
        let doing = format!("Error moving {} {from} to {to}", kind.noun());
        let request = json!({ "from": from, "to": to });
        let answer = context.client.post("sys/remount", &request).doing(&doing)?;
        let field = |answer: &Secret, path: &[&str]| {
            let first = answer.get(path.first()?)?;
            let last = path.iter().skip(1).try_fold(first, |at, key| at.get(key))?;
            last.as_str().map(str::to_owned)
        };
        let id = answer.and_then(|answer| field(&answer, &["migration_id"]));
        let status = format!("sys/remount/status/{}", id.unwrap_or_default());
        loop {
            let answer = context.client.read(&status, &[]).doing(&doing)?;
            let state = answer.and_then(|told| field(&told, &["migration_info", "status"]));
            match state.as_deref() {
                Some("success") => break,
                Some("failure") | None => {
                    return Err(CliError::Refused(format!(
                        "{doing}: the server's log says why"
                    )));
                }
                Some(_) => std::thread::sleep(std::time::Duration::from_millis(200)),
            }
        }
        context.done(&format!(
            "Success! Finished moving {} {from} to {to}",
            kind.noun()
        ))
    }
}

/// `disable`.
#[derive(Args)]
pub struct Disable {
    /// Where it is mounted
    path: String,
}

impl Disable {
    pub(super) fn run(self, context: &Context, kind: Kind) -> CliResult {
        let path = sanitised(&self.path);
        let doing = format!("Error disabling {} at {path}/", kind.noun());
        context
            .client
            .delete(&format!("{}/{path}", kind.table()), &[])
            .doing(doing)?;
        context.done(&format!(
            "Success! Disabled the {} (if it existed) at: {path}/",
            kind.noun()
        ))
    }
}

/// `list`.
#[derive(Args)]
pub struct List {
    /// Show everything
    #[arg(long)]
    detailed: bool,
}

impl List {
    pub(super) fn run(self, context: &Context, kind: Kind) -> CliResult {
        let doing = match kind {
            Kind::Secrets => "Error listing secrets engines",
            Kind::Auth => "Error listing enabled authentications",
        };
        let answer = context.client.read(kind.table(), &[]).doing(doing)?;
        let mounts = answer.and_then(|secret| secret.data).unwrap_or_default();
        match context.output.format {
            Format::Table => output::text(&if self.detailed {
                detailed(kind, &mounts)
            } else {
                brief(kind, &mounts)
            }),
            _ => context.output.data(&mounts),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(mount: &Value, key: &str) -> String {
    mount
        .get(key)
        .filter(|value| !value.is_null())
        .map(plain)
        .unwrap_or_default()
}

fn brief(kind: Kind, mounts: &Map<String, Value>) -> String {
    let mut columns = vec![
        ("Type", "type"),
        ("Accessor", "accessor"),
        ("Description", "description"),
    ];
    if kind == Kind::Auth {
        columns.push(("Version", "plugin_version"));
    }
    let titles: Vec<&str> = ["Path"]
        .into_iter()
        .chain(columns.iter().map(|(title, _)| *title))
        .collect();
    let row = |(path, mount): (&String, &Value)| {
        let cells = columns.iter().map(|(_, key)| text(mount, key));
        [path.clone()].into_iter().chain(cells).collect()
    };
    output::table(&titles, &mounts.iter().map(row).collect::<Vec<_>>())
}

fn detailed(kind: Kind, mounts: &Map<String, Value>) -> String {
    let mut titles = vec!["Path", "Plugin", "Accessor", "Default TTL", "Max TTL"];
    titles.push(if kind == Kind::Auth {
        "Token Type"
    } else {
        "Force No Cache"
    });
    titles.extend([
        "Replication",
        "Seal Wrap",
        "External Entropy Access",
        "Options",
        "Description",
        "UUID",
    ]);
    titles.extend([
        "Version",
        "Running Version",
        "Running SHA256",
        "Deprecation Status",
    ]);
    let row = |(path, mount): (&String, &Value)| {
        let config = mount.get("config").cloned().unwrap_or_default();
        let ttl = |key: &str| match (
            text(mount, "type").as_str(),
            config.get(key).and_then(Value::as_i64),
        ) {
            ("system" | "cubbyhole", _) => String::new(),
            (_, None | Some(0)) => "system".to_owned(),
            (_, Some(seconds)) => human(seconds),
        };
        let local = mount
            .get("local")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let options = mount
            .get("options")
            .filter(|options| !options.is_null())
            .map_or_else(|| "map[]".to_owned(), plain);
        vec![
            path.clone(),
            text(mount, "type"),
            text(mount, "accessor"),
            ttl("default_lease_ttl"),
            ttl("max_lease_ttl"),
            text(
                &config,
                if kind == Kind::Auth {
                    "token_type"
                } else {
                    "force_no_cache"
                },
            ),
            if local { "local" } else { "replicated" }.to_owned(),
            text(mount, "seal_wrap"),
            text(mount, "external_entropy_access"),
            options,
            text(mount, "description"),
            text(mount, "uuid"),
            text(mount, "plugin_version"),
            text(mount, "running_plugin_version"),
            text(mount, "running_sha256"),
            text(mount, "deprecation_status"),
        ]
    };
    output::table(&titles, &mounts.iter().map(row).collect::<Vec<_>>())
}
