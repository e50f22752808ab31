//! The development server that `plugin run` starts: this executable again, as a child.

use std::net::TcpListener;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_manifest::{Kind, Manifest};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::AuthorError;
use crate::args::Globals;
use crate::client::{Client, Method};
use crate::error::{CliError, Doing};
use crate::limits;
use crate::secret::Secret;

const USUAL: &str = "127.0.0.1:8200";
/// One that is not free leaves the choice to the system.
const ANY: &str = "127.0.0.1:0";
/// Between two questions whether it answers.
const PAUSE: Duration = Duration::from_millis(100);

/// What the server is started with.
pub(super) struct Options<'a> {
    pub(super) address: Option<&'a str>,
    pub(super) token: &'a str,
    pub(super) log_level: &'a str,
}

/// A server, which ends with this value.
pub(super) struct DevServer {
    child: Child,
    client: Client,
    pub(super) url: String,
}

impl DevServer {
    /// Starts one, and waits until it answers.
    pub(super) async fn start(options: &Options<'_>) -> Result<Self, CliError> {
        let host = |error: &dyn std::fmt::Display| AuthorError::Host(error.to_string());
        let address = match options.address {
            Some(address) => address.to_owned(),
            None => free().map_err(|error| host(&error))?,
        };
        let program = std::env::current_exe().map_err(|error| host(&error))?;
        let mut command = Command::new(program);
        command
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={}", options.token))
            .arg(format!("-dev-listen-address={address}"))
            .arg(format!("-log-level={}", options.log_level))
            .stdin(Stdio::null())
            // What it would say there is said in other words here.
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let child = command.spawn().map_err(|error| host(&error))?;
        let url = format!("http://{address}");
        let globals = Globals {
            address: Some(url.clone()),
            // Whatever the environment says of another server.
            namespace: Some(String::new()),
            ..Globals::default()
        };
        let mut client = Client::new(&globals)?.aside();
        client.set_token(Some(Zeroizing::new(options.token.to_owned())));
        let mut server = Self { child, client, url };
        server.answers().await?;
        Ok(server)
    }

    async fn answers(&mut self) -> Result<(), CliError> {
        let once = self.client.clone().once();
        let tries = limits::DEV_SERVER_START.as_millis() / PAUSE.as_millis();
        for _ in 0..tries {
            if once.send(Method::Get, "sys/health", &[], None).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(ended(status).into());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(AuthorError::Host("The development server does not answer".to_owned()).into())
    }

    /// Returns when it has ended by itself.
    pub(super) async fn ended(&mut self) -> AuthorError {
        match self.child.wait().await {
            Ok(status) => ended(status),
            Err(error) => AuthorError::Host(error.to_string()),
        }
    }

    /// Registers a component in the place of the one before; returns what the server warns of.
    pub(super) fn register(
        &self,
        manifest: &Manifest,
        component: &[u8],
    ) -> Result<Vec<String>, CliError> {
        let (kind, name) = (manifest.kind, &manifest.name);
        let answer = self.post(
            &format!("sys/plugins/catalog/{kind}/{name}"),
            &json!({
                "component": BASE64_STANDARD.encode(component),
                "source": "coffer plugin run",
                "grant": true,
                "replace": true,
            }),
            "Error registering the plugin",
        )?;
        Ok(answer
            .and_then(|answer| answer.warnings)
            .unwrap_or_default())
    }

    /// Mounts the plugin; for a database backend, the engine that uses it.
    pub(super) fn mount(&self, kind: Kind, name: &str) -> Result<(), CliError> {
        let (path, engine) = match kind {
            Kind::Secret => (format!("sys/mounts/{name}"), name),
            Kind::Auth => (format!("sys/auth/{name}"), name),
            Kind::Database => ("sys/mounts/database".to_owned(), "database"),
        };
        self.post(&path, &json!({ "type": engine }), "Error mounting it")
            .map(drop)
    }

    /// Has all that use the plugin take the component that is registered now.
    pub(super) fn reload(&self, kind: Kind, name: &str) -> Result<(), CliError> {
        let path = format!("sys/plugins/reload/{kind}/{name}");
        self.post(&path, &json!({}), "Error reloading it").map(drop)
    }

    fn post(&self, path: &str, data: &Value, doing: &str) -> Result<Option<Secret>, CliError> {
        self.client.post(path, data).doing(doing)
    }

    /// Stops it.
    pub(super) async fn stop(mut self) {
        // It is in memory: there is nothing to finish.
        let _ = self.child.kill().await;
    }
}

fn ended(status: ExitStatus) -> AuthorError {
    AuthorError::Failed {
        program: "The development server".to_owned(),
        status,
    }
}

/// The usual address, or else one that nobody listens at.
fn free() -> std::io::Result<String> {
    let listener = TcpListener::bind(USUAL).or_else(|_| TcpListener::bind(ANY))?;
    Ok(listener.local_addr()?.to_string())
}
