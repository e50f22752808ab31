//! `kv enable-versioning` and `secrets migrate`: from version 1 of the engine to version 2.

use clap::Args;
use serde_json::json;

use crate::commands::{Context, sanitised};
use crate::error::{CliError, CliResult, Doing};
use crate::output;

/// `kv enable-versioning`.
#[derive(Args)]
pub struct EnableVersioning {
    /// Where the engine is mounted
    path: String,
}

impl EnableVersioning {
    pub(super) fn run(self, context: &Context) -> CliResult {
        let path = sanitised(&self.path);
        tune(
            context,
            path,
            &format!("Error tuning secrets engine {path}"),
        )?;
        context.done(&format!("Success! Tuned the secrets engine at: {path}/"))
    }
}

/// `secrets migrate`.
#[derive(Args)]
pub struct Migrate {
    /// Do it: there is no way back to version 1
    #[arg(long)]
    force: bool,
    /// The engine's type: kv
    kind: String,
    /// Where it is mounted
    path: String,
}

impl Migrate {
    pub(in crate::commands) fn run(self, context: &Context) -> CliResult {
        if self.kind != "kv" {
            return Err(CliError::Usage(format!(
                "Only engines of type kv have versions, not {:?}",
                self.kind
            )));
        }
        let path = sanitised(&self.path);
        if !self.force {
            return Err(CliError::Usage(format!(
                "{path}/ would have versions from then on, and secrets other addresses: {path}/data/...\n\
                 There is no way back. Give -force to do it"
            )));
        }
        let doing = format!("Error migrating {path}/");
        tune(context, path, &doing)?;
        let mut upgraded = 0;
        loop {
            let page = context.client.write(&format!("{path}/upgrade"), &json!({}));
            let page = page.doing(&doing)?;
            let told = |name: &str| page.as_ref().and_then(|page| page.get(name)).cloned();
            upgraded += told("upgraded")
                .and_then(|n| n.as_u64())
                .unwrap_or_default();
            if told("done").and_then(|done| done.as_bool()) != Some(false) {
                break;
            }
            output::progress(&format!("{upgraded} secrets have versions so far"));
        }
        output::progress("");
        context.done(&format!(
            "Success! Every secret at {path}/ has versions ({upgraded} were migrated now)"
        ))
    }
}

fn tune(context: &Context, path: &str, doing: &str) -> Result<(), CliError> {
    let request = json!({ "options": { "version": "2" } });
    let tune = format!("sys/mounts/{path}/tune");
    context.client.post(&tune, &request).doing(doing).map(drop)
}
