//! `coffer server`: from a configuration to a running control plane, and to a clean end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use coffer_api::{Address, Bound, Certificates, Limits, ListenerConfig, Rules, Server};
use coffer_barrier::InitConfig;
use coffer_clock::{Clock, Random};
use coffer_config::{ConfigError, Listener, LogFormat, LogLevel, ServerConfig, StorageConfig};
use coffer_core::{AuditConfig, CatalogConfig, Core, CoreConfig, SignaturePolicy};
use coffer_runtime::{Catalog, Compiler, Engine, Environment, Pod};
use coffer_storage::{MemoryStorage, RedbOptions, RedbStorage, Storage};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::log::Log;
use crate::output;

include!(concat!(env!("OUT_DIR"), "/builtins.rs"));

/// The first argument of the process that compiles components for a server. Not for people.
pub const COMPILER: &str = "compile-component";

/// What that process does.
pub fn compile() -> ExitCode {
    match coffer_runtime::compile_stdin() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            output::complain(&reason);
            ExitCode::FAILURE
        }
    }
}

/// The keys in these files, checked: a key that could sign nothing is a mistake that is better found now.
pub fn plugin_keys(files: &[PathBuf]) -> Result<Vec<String>, ServerError> {
    let read = |file: &PathBuf| {
        let refuse = |reason: String| ServerError::Plugins(format!("{}: {reason}", file.display()));
        let pem = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
        coffer_core::fingerprint(&pem).map_err(refuse)?;
        Ok(pem)
    };
    files.iter().map(read).collect()
}

/// Who compiles components: a process of this executable.
pub fn compiler(time: Duration) -> Compiler {
    match std::env::current_exe() {
        Ok(program) => Compiler::Process {
            program,
            arguments: vec![COMPILER.into()],
            time,
        },
        // Nothing says where we are: then it is done in here.
        Err(_) => Compiler::Thread,
    }
}

/// `coffer server`.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// A configuration file, or a folder of them. May be given several times.
    #[arg(long = "config", value_name = "PATH")]
    config: Vec<PathBuf>,
    /// Development mode: in memory, initialized, unsealed, and not safe.
    #[arg(long)]
    dev: bool,
    /// Development mode: the root token.
    #[arg(
        long,
        value_name = "ID",
        env = "VAULT_DEV_ROOT_TOKEN_ID",
        hide_env_values = true
    )]
    dev_root_token_id: Option<String>,
    /// Development mode: where to listen.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "VAULT_DEV_LISTEN_ADDRESS",
        hide_env_values = true,
        value_parser = coffer_config::address,
        default_value = "127.0.0.1:8200"
    )]
    dev_listen_address: String,
    /// Development mode: leave ~/.vault-token as it is.
    #[arg(long)]
    dev_no_store_token: bool,
    /// Development mode: mount no key/value engine at secret/.
    #[arg(long)]
    dev_no_kv: bool,
    /// error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", env = "VAULT_LOG_LEVEL", hide_env_values = true, value_parser = LogLevel::parse)]
    log_level: Option<LogLevel>,
    /// standard or json.
    #[arg(long, value_name = "FORMAT", env = "VAULT_LOG_FORMAT", hide_env_values = true, value_parser = LogFormat::parse)]
    log_format: Option<LogFormat>,
}

/// Why a server did not come up, or went down.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("give -config=<path>, or -dev for a development server")]
    NoConfig,
    #[error("storage: {0}")]
    Storage(String),
    #[error("plugin_keys: {0}")]
    Plugins(String),
    #[error("runtime: {0}")]
    Runtime(String),
    #[error(transparent)]
    Serve(#[from] coffer_api::ServeError),
    #[error("development mode: {0}")]
    Dev(String),
}

/// Runs a server until it is told to stop.
pub fn run(args: &ServerArgs) -> Result<ExitCode, ServerError> {
    if !args.dev && args.config.is_empty() {
        return Err(ServerError::NoConfig);
    }
    let mut config = ServerConfig::load(&args.config)?;
    if args.dev {
        config.storage.get_or_insert(StorageConfig::Memory);
        if config.listeners.is_empty() {
            config.listeners.push(Listener {
                address: Address::Tcp(args.dev_listen_address.clone()),
                ..Listener::default()
            });
        }
    }
    config.check()?;
    let log = Log::start(
        args.log_level(&config),
        args.log_format.or(config.log_format).unwrap_or_default(),
    );
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| ServerError::Runtime(error.to_string()))?;
    runtime.block_on(serve(args, config, log))
}

impl ServerArgs {
    fn log_level(&self, config: &ServerConfig) -> LogLevel {
        self.log_level.or(config.log_level).unwrap_or_default()
    }
}

/// Opens the storage that is configured.
pub fn open_storage(config: &ServerConfig) -> Result<Arc<dyn Storage>, ServerError> {
    let failed = |error: &dyn std::fmt::Display| ServerError::Storage(error.to_string());
    match &config.storage {
        Some(StorageConfig::Redb { path }) => {
            std::fs::create_dir_all(path)
                .map_err(|error| failed(&format!("{}: {error}", path.display())))?;
            let storage = RedbStorage::open(&path.join("coffer.redb"), RedbOptions::default());
            Ok(Arc::new(storage.map_err(|error| failed(&error))?))
        }
        _ => Ok(Arc::new(MemoryStorage::new())),
    }
}

/// A listener as the API layer takes it.
pub fn listener(listener: &Listener) -> ListenerConfig {
    let mut limits = Limits::default();
    if let Some(bytes) = listener.max_request_size {
        limits.body = bytes;
    }
    let times = [
        (&mut limits.request_time, listener.max_request_duration),
        (&mut limits.header_time, listener.header_timeout),
        (&mut limits.body_time, listener.read_timeout),
    ];
    for (limit, configured) in times {
        if let Some(seconds) = configured {
            *limit = Duration::from_secs(seconds);
        }
    }
    ListenerConfig {
        address: listener.address.clone(),
        tls: listener.tls.clone(),
        proxied: listener.proxied.clone(),
        rules: Rules {
            limits,
            forwarded: listener.forwarded.clone(),
            gates: listener.gates,
            require_header: listener.require_header,
        },
    }
}

async fn serve(args: &ServerArgs, config: ServerConfig, log: Log) -> Result<ExitCode, ServerError> {
    let log = Arc::new(log);
    let runtime = |error: &dyn std::fmt::Display| ServerError::Runtime(error.to_string());
    // From here on it is no end: one that comes early waits until there is something to read again.
    let mut hangups = signal(SignalKind::hangup()).map_err(|error| runtime(&error))?;
    let storage = open_storage(&config)?;
    let listeners: Vec<_> = config.listeners.iter().map(listener).collect();
    let server = Server::bind(&listeners).await?;
    // Clients elsewhere have no use for a socket in the file system.
    let mut urls = server.bound().iter().map(Bound::url);
    let first = urls.find(|url| url.starts_with("http"));
    let api_addr = config.api_addr.clone().or(first).unwrap_or_default();

    let environment = Environment {
        clock: Clock::system(),
        random: Random::system(),
        pod: match &config.service_account_directory {
            Some(folder) if folder.as_os_str().is_empty() => Pod::none(),
            Some(folder) => Pod::at(folder),
            None => Pod::usual(),
        },
    };
    let engine = Engine::new().map_err(|error| runtime(&error))?;
    let catalog = Arc::new(Catalog::new(
        engine,
        environment.clone(),
        compiler(
            config
                .plugin_compile_timeout
                .map_or(coffer_runtime::COMPILE_TIME, |seconds| {
                    Duration::from_secs(seconds).min(coffer_runtime::MAX_COMPILE_TIME)
                }),
        ),
        BUILTINS,
    ));
    let defaults = CoreConfig::default();
    let max_lease_ttl = config.max_lease_ttl.unwrap_or(defaults.max_lease_ttl);
    let core_config = CoreConfig {
        default_lease_ttl: config
            .default_lease_ttl
            .unwrap_or(defaults.default_lease_ttl)
            .min(max_lease_ttl),
        max_lease_ttl,
        api_addr: api_addr.clone(),
        audit: AuditConfig {
            directory: config.audit_directory.clone(),
            sockets: config.audit_sockets,
            devices: config.audit.clone(),
        },
        user_lockout: config.user_lockout.clone(),
        cluster_name: config.cluster_name.clone(),
        raw_storage: config.raw_storage,
        introspection: config.introspection,
        sanitized: config.sanitized(),
        catalog: CatalogConfig {
            development: args.dev,
            directory: config.plugin_directory.clone(),
            signatures: SignaturePolicy {
                policy: config.plugin_signatures.unwrap_or_default(),
                keys: plugin_keys(&config.plugin_keys)?,
            },
        },
        loggers: Some(log.clone()),
        ..defaults
    };
    let core = Core::new(
        storage,
        catalog,
        environment.clock,
        environment.random,
        core_config,
    );
    if args.dev {
        start_dev(args, &core, &api_addr).await?;
    }
    for bound in server.bound() {
        tracing::info!(address = bound.url(), "listening");
    }
    if let Some(path) = &config.pid_file {
        std::fs::write(path, std::process::id().to_string())
            .map_err(|error| ServerError::Storage(format!("{}: {error}", path.display())))?;
    }

    let watched = log.clone();
    let (certificates, again, audited) = (server.certificates(), args.clone(), core.clone());
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            reload(&again, &certificates, &log);
            audited.reopen_audit_files();
        }
    });
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(server.serve(core.clone(), stopping));
    let code = tokio::select! {
        () = told_to_stop() => {
            tracing::info!("stopping: requests under way may finish");
            ExitCode::SUCCESS
        }
        reason = core.storage_failed() => {
            tracing::error!(reason, "storage failed: sealing and stopping");
            core.seal();
            ExitCode::FAILURE
        }
    };
    watched.stop();
    let _ = stop.send(true);
    let _ = serving.await;
    core.seal();
    if let Some(path) = &config.pid_file {
        let _ = std::fs::remove_file(path);
    }
    Ok(code)
}

/// What SIGHUP asks for: the files of certificates and keys, and the level of the log. What cannot be read changes nothing.
fn reload(args: &ServerArgs, certificates: &Certificates, log: &Log) {
    certificates.reload();
    match ServerConfig::load(&args.config) {
        Ok(config) => log.set_level(args.log_level(&config)),
        Err(error) => tracing::error!(%error, "the configuration in use stays"),
    }
}

async fn told_to_stop() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn start_dev(args: &ServerArgs, core: &Arc<Core>, address: &str) -> Result<(), ServerError> {
    let failed = |error: &dyn std::fmt::Display| ServerError::Dev(error.to_string());
    let one = InitConfig::new(1, 1).map_err(|error| failed(&error))?;
    let made = core
        .init(one, args.dev_root_token_id.as_deref(), !args.dev_no_kv)
        .await
        .map_err(|error| failed(&error))?;
    let key = made
        .keys
        .first()
        .ok_or_else(|| failed(&"there is no key"))?;
    core.unseal(key).await.map_err(|error| failed(&error))?;
    if !args.dev_no_store_token
        && let Err(error) = crate::token_helper::store(&made.root_token)
    {
        tracing::warn!(%error, "the root token could not be stored for the command line");
    }
    output::text(&dev_banner(address, key, &made.root_token));
    Ok(())
}

/// What a developer needs to know, in the lines that tools look for.
fn dev_banner(address: &str, key: &[u8], root_token: &str) -> String {
    format!(
        "\nWARNING! Development mode: everything is in memory, unsealed, and gone when this stops.\n\n    \
         $ export VAULT_ADDR='{address}'\n\n\
         Unseal Key: {}\nRoot Token: {root_token}\n\n\
         Development mode must not be used for anything that matters!\n\n",
        BASE64_STANDARD.encode(key)
    )
}
