//! `lease lookup|renew|revoke`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Context, nothing_at, sanitised};
use crate::duration::Ttl;
use crate::error::{CliError, CliResult, Doing};
use crate::output;

/// `lease`.
#[derive(Subcommand)]
pub enum Lease {
    /// Show a lease
    Lookup(Lookup),
    /// Let a lease live longer
    Renew(Renew),
    /// End a lease, or all below a prefix
    Revoke(Revoke),
}

impl Lease {
    pub(super) fn run(self, context: &Context) -> CliResult {
        match self {
            Self::Lookup(command) => command.run(context),
            Self::Renew(command) => command.run(context),
            Self::Revoke(command) => command.run(context),
        }
    }
}

/// `lease lookup`.
#[derive(Args)]
pub struct Lookup {
    /// The lease
    #[arg(value_name = "LEASE_ID")]
    id: String,
}

impl Lookup {
    fn run(self, context: &Context) -> CliResult {
        let id = self.id.trim();
        let answer = context
            .client
            .write("sys/leases/lookup", &json!({ "lease_id": id }));
        let secret = answer
            .doing(format!("Error looking up lease id {id}"))?
            .ok_or_else(|| nothing_at(id))?;
        context.output.secret(&secret)
    }
}

/// `lease renew`.
#[derive(Args)]
pub struct Renew {
    /// The lease
    #[arg(value_name = "LEASE_ID")]
    id: String,
    /// For how long from now; the server may give less
    #[arg(long, value_name = "DURATION")]
    increment: Option<Ttl>,
}

impl Renew {
    fn run(self, context: &Context) -> CliResult {
        let id = self.id.trim();
        let mut request: Map<String, Value> =
            [("lease_id".to_owned(), id.into())].into_iter().collect();
        if let Some(increment) = self.increment {
            request.insert("increment".to_owned(), increment.0.into());
        }
        let answer = context
            .client
            .write("sys/leases/renew", &Value::Object(request));
        let secret = answer
            .doing(format!("Error renewing {id}"))?
            .ok_or_else(|| nothing_at(id))?;
        context.output.secret(&secret)
    }
}

/// `lease revoke`.
#[derive(Args)]
pub struct Revoke {
    /// The lease, or with -prefix the start of the ids of many
    #[arg(value_name = "LEASE_ID")]
    id: String,
    /// End all leases whose ids start so
    #[arg(long)]
    prefix: bool,
    /// With -prefix: forget the leases even if what they stand for cannot be removed
    #[arg(long, alias = "f")]
    force: bool,
    /// Wait until it is done
    #[arg(long)]
    sync: bool,
}

impl Revoke {
    fn run(self, context: &Context) -> CliResult {
        if self.force && !self.prefix {
            return Err(CliError::usage(
                "Specifying -force requires also specifying -prefix",
            ));
        }
        let id = sanitised(&self.id);
        let sync = self.sync;
        let write = |path: String, request: Value, doing: String| {
            context
                .client
                .send(crate::client::Method::Put, &path, &[], Some(&request))
                .doing(doing)
        };
        if self.force {
            output::warn(
                "Warning! Leases that are removed by force may leave behind what they stand for,\n\
                 for instance users of a database.",
            );
            write(
                format!("sys/leases/revoke-force/{id}"),
                json!({}),
                format!("Error force revoking leases with prefix {id}"),
            )?;
            return context.done(&format!(
                "Success! Force revoked any leases with prefix: {id}"
            ));
        }
        if self.prefix {
            let doing = format!("Error revoking leases with prefix {id}");
            write(
                format!("sys/leases/revoke-prefix/{id}"),
                json!({ "sync": sync }),
                doing,
            )?;
        } else {
            let request = json!({ "lease_id": id, "sync": sync });
            write(
                "sys/leases/revoke".to_owned(),
                request,
                format!("Error revoking lease {id}"),
            )?;
        }
        context.done(&match (sync, self.prefix) {
            (false, _) => "All revocation operations queued successfully!".to_owned(),
            (true, true) => format!("Success! Revoked any leases with prefix: {id}"),
            (true, false) => format!("Success! Revoked lease: {id}"),
        })
    }
}
