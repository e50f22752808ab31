//! `plugin run`: a development server with the plugin in it, built and reloaded at every save.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use coffer_clock::Clock;
use coffer_manifest::{Kind, Manifest};
use tokio::signal::unix::{SignalKind, signal};

use super::AuthorError;
use super::build::{self, Effort};
use super::dev_server::{DevServer, Options};
use super::project::Project;
use super::watch::Snapshot;
use crate::error::{CliError, CliResult};
use crate::{limits, output};

/// `plugin run`.
#[derive(Args)]
pub struct Run {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where the server listens [default: 127.0.0.1:8200, or a free port]
    #[arg(long, value_name = "ADDRESS")]
    dev_listen_address: Option<String>,
    /// The root token
    #[arg(long, value_name = "ID", default_value = "root")]
    dev_root_token_id: String,
    /// What the server logs: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log_level: String,
}

impl Run {
    pub(super) fn run(self) -> CliResult {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| AuthorError::Host(error.to_string()))?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> CliResult {
        // A mistake here is one in how this was called; later ones are waited out.
        let project = Project::open(&self.folder)?;
        let host = |error: std::io::Error| AuthorError::Host(error.to_string());
        let mut interrupted = signal(SignalKind::interrupt()).map_err(host)?;
        let mut terminated = signal(SignalKind::terminate()).map_err(host)?;
        let options = Options {
            address: self.dev_listen_address.as_deref(),
            token: &self.dev_root_token_id,
            log_level: &self.log_level,
        };
        let mut server = DevServer::start(&options).await?;
        output::line(&format!(
            "A development server listens at {}. In another terminal:\n\n  export VAULT_ADDR={} VAULT_TOKEN={}\n",
            server.url, server.url, self.dev_root_token_id
        ));
        let mut deployment = Deployment {
            folder: project.folder,
            mounted: None,
        };
        let mut seen = deployment.renew(&server);
        loop {
            tokio::select! {
                _ = interrupted.recv() => break,
                _ = terminated.recv() => break,
                error = server.ended() => return Err(error.into()),
                () = tokio::time::sleep(limits::WATCH) => {}
            }
            let now = Snapshot::of(&deployment.folder);
            if now == seen {
                continue;
            }
            // Editors write a file in several steps.
            tokio::time::sleep(limits::WATCH / 5).await;
            seen = deployment.renew(&server);
        }
        server.stop().await;
        output::line("Stopped.");
        Ok(ExitCode::SUCCESS)
    }
}

/// What runs in the server.
struct Deployment {
    folder: PathBuf,
    mounted: Option<(Kind, String)>,
}

impl Deployment {
    /// Builds and reloads, or says why not. Returns the files that this was made of.
    fn renew(&mut self, server: &DevServer) -> Snapshot {
        let before = Snapshot::of(&self.folder);
        let clock = Clock::system();
        let start = clock.now();
        match self.attempt(server) {
            Ok(manifest) => {
                let millis = clock.now().0.saturating_sub(start.0);
                output::line(&format!(
                    "{} {} runs after {}.{} s. Save a file to build it again; Ctrl-C ends.",
                    manifest.name,
                    manifest.version,
                    millis / 1000,
                    millis % 1000 / 100
                ));
            }
            Err(error) => output::complain(&format!("{error}\nWaiting for the next save.")),
        }
        // What a project's own command writes beside the sources is not to be taken for a save.
        match Project::open(&self.folder) {
            Ok(project) if project.config.build.is_some() => Snapshot::of(&self.folder),
            _ => before,
        }
    }

    fn attempt(&mut self, server: &DevServer) -> Result<Manifest, CliError> {
        let project = Project::open(&self.folder)?;
        let component = build::component(&project, Effort::Quick)?;
        let manifest = Manifest::read(&component)
            .ok()
            .flatten()
            .ok_or_else(|| AuthorError::Host("The component lost its manifest".to_owned()))?;
        for warning in server.register(&manifest, &component)? {
            // Nobody signs what they are still writing.
            if warning != "it is not signed" {
                output::warn(&format!("WARNING! {warning}"));
            }
        }
        let own = (project.kind(), project.name().to_owned());
        if self.mounted.as_ref() == Some(&own) {
            server.reload(own.0, &own.1)?;
        } else {
            server.mount(own.0, &own.1)?;
            output::line(&how_to_call(own.0, &own.1));
            self.mounted = Some(own);
        }
        Ok(manifest)
    }
}

fn how_to_call(kind: Kind, name: &str) -> String {
    match kind {
        Kind::Secret => {
            format!("It is mounted at {name}/. What it has:\n\n  coffer path-help {name}/\n")
        }
        Kind::Auth => format!(
            "It is enabled at auth/{name}/. What it has:\n\n  coffer path-help auth/{name}/\n"
        ),
        Kind::Database => format!(
            "The engine that uses it is mounted at database/. Configure a connection, with the fields that it reads:\n\n  \
             coffer write database/config/mine plugin_name={name} allowed_roles='*' connection_url=...\n  \
             coffer write database/roles/app db_name=mine\n  \
             coffer read database/creds/app\n"
        ),
    }
}
