//! The server's configuration: HCL or JSON, with Vault's names.

mod limits;
mod listener;
mod parse;
mod sanitized;
mod tree;

use std::path::{Path, PathBuf};

use coffer_api::{Address, ForwardedFor, ProxyProtocol, TlsFiles};
use coffer_core::{DeviceConfig, Gates, LockoutDefaults, SignatureRule};
use tracing::level_filters::LevelFilter;

pub use parse::{address, parse};

/// A server to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerConfig {
    /// Where to listen.
    pub listeners: Vec<Listener>,
    /// Where data goes.
    pub storage: Option<StorageConfig>,
    /// How clients reach this server.
    pub api_addr: Option<String>,
    /// What `sys/health` calls the cluster.
    pub cluster_name: Option<String>,
    /// How much is logged.
    pub log_level: Option<LogLevel>,
    /// In which form.
    pub log_format: Option<LogFormat>,
    /// Seconds.
    pub default_lease_ttl: Option<u64>,
    /// Seconds.
    pub max_lease_ttl: Option<u64>,
    /// The file that has the number of the server's process while it runs.
    pub pid_file: Option<PathBuf>,
    /// The folder below which audit devices that are made through the API may write files.
    pub audit_directory: Option<PathBuf>,
    /// The audit devices that are there as long as they stand here.
    pub audit: Vec<DeviceConfig>,
    /// Whether audit devices of type `socket` can be made through the API.
    pub audit_sockets: bool,
    /// What locks out who fails to log in too often.
    pub user_lockout: LockoutDefaults,
    /// Whether `sys/raw` shows what is stored.
    pub raw_storage: bool,
    /// Whether `sys/internal/inspect` shows what the router knows.
    pub introspection: bool,
    /// Where the files are that registering a plugin by `command` names.
    pub plugin_directory: Option<PathBuf>,
    /// How long compiling a plugin may take, in seconds.
    pub plugin_compile_timeout: Option<u64>,
    /// Whether plugins must be signed.
    pub plugin_signatures: Option<SignatureRule>,
    /// Files with the public keys that may sign plugins, in PEM.
    pub plugin_keys: Vec<PathBuf>,
    /// Where the token and the certificates are that Kubernetes lays into a pod, if not where it does; empty: not to be looked for.
    pub service_account_directory: Option<PathBuf>,
    /// What was accepted and does nothing.
    pub warnings: Vec<String>,
}

/// A `listener` block.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Where it listens.
    pub address: Address,
    /// None for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The proxies whose word for a client's address is taken.
    pub forwarded: Option<ForwardedFor>,
    /// The load balancers that say at the beginning of a connection who a client is.
    pub proxied: Option<ProxyProtocol>,
    /// Who may call the paths that listeners differ in.
    pub gates: Gates,
    /// Refuse requests without the header `X-Vault-Request`.
    pub require_header: bool,
    /// Bytes.
    pub max_request_size: Option<usize>,
    /// Seconds.
    pub max_request_duration: Option<u64>,
    /// Seconds that a request's headers may take.
    pub header_timeout: Option<u64>,
    /// Seconds that a request's body may take.
    pub read_timeout: Option<u64>,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            address: Address::Tcp("127.0.0.1:8200".to_owned()),
            tls: None,
            forwarded: None,
            proxied: None,
            gates: Gates::default(),
            require_header: false,
            max_request_size: None,
            max_request_duration: None,
            header_timeout: None,
            read_timeout: None,
        }
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What may be wrong.
    Warn,
    /// What is wrong.
    Error,
}

impl LogLevel {
    /// From its name, as Vault knows it.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name.to_lowercase().as_str() {
            "trace" => Ok(Self::Trace),
            "debug" => Ok(Self::Debug),
            "info" | "notice" => Ok(Self::Info),
            "warn" | "warning" => Ok(Self::Warn),
            "error" | "err" => Ok(Self::Error),
            _ => Err(format!("{name:?} is not trace, debug, info, warn or error")),
        }
    }

    /// What of a log has it.
    pub fn filter(self) -> LevelFilter {
        match self {
            Self::Trace => LevelFilter::TRACE,
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
        }
    }

    /// What the log's filter calls it.
    pub fn directive(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// In which form it is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Standard,
    /// A JSON object a line.
    Json,
}

impl LogFormat {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Json => "json",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name {
            "standard" => Ok(Self::Standard),
            "json" => Ok(Self::Json),
            _ => Err(format!("{name:?} is not standard or json")),
        }
    }
}

/// A `storage` block.
#[derive(Clone, Debug, PartialEq)]
pub enum StorageConfig {
    /// In memory: gone with the process.
    Memory,
    /// In a file.
    Redb {
        /// The folder that it lies in.
        path: PathBuf,
    },
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or a folder cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why it was not.
        error: std::io::Error,
    },
    /// It says something that is no setting, or not enough.
    #[error("{place}: {reason}")]
    Invalid {
        /// The file, with line and column where that is known.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

impl ServerConfig {
    /// Reads files, and the `.hcl` and `.json` files of directories, in order. What a later one says goes.
    pub fn load(paths: &[PathBuf]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for path in paths {
            for file in files(path)? {
                let text = std::fs::read_to_string(&file).map_err(|error| ConfigError::Read {
                    path: file.clone(),
                    error,
                })?;
                config.merge(parse(&file.display().to_string(), &text)?);
            }
        }
        Ok(config)
    }

    fn merge(&mut self, other: Self) {
        self.listeners.extend(other.listeners);
        self.warnings.extend(other.warnings);
        self.storage = other.storage.or(self.storage.take());
        self.audit.extend(other.audit);
        self.user_lockout.extend(other.user_lockout);
        self.audit_sockets |= other.audit_sockets;
        self.raw_storage |= other.raw_storage;
        self.introspection |= other.introspection;
        self.api_addr = other.api_addr.or(self.api_addr.take());
        self.cluster_name = other.cluster_name.or(self.cluster_name.take());
        self.log_level = other.log_level.or(self.log_level.take());
        self.log_format = other.log_format.or(self.log_format.take());
        self.default_lease_ttl = other.default_lease_ttl.or(self.default_lease_ttl);
        self.max_lease_ttl = other.max_lease_ttl.or(self.max_lease_ttl);
        self.pid_file = other.pid_file.or(self.pid_file.take());
        self.audit_directory = other.audit_directory.or(self.audit_directory.take());
        self.plugin_directory = other.plugin_directory.or(self.plugin_directory.take());
        self.plugin_compile_timeout = other.plugin_compile_timeout.or(self.plugin_compile_timeout);
        self.plugin_signatures = other.plugin_signatures.or(self.plugin_signatures);
        self.plugin_keys.extend(other.plugin_keys);
        self.service_account_directory = other
            .service_account_directory
            .or(self.service_account_directory.take());
    }

    /// Whether a server can be made of it.
    ///
    /// # Errors
    /// If something is missing, or settings contradict each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |reason: &str| {
            Err(ConfigError::Invalid {
                place: "configuration".to_owned(),
                reason: reason.to_owned(),
            })
        };
        if self.storage.is_none() {
            return refuse(
                "a storage block is missing: storage \"redb\" { path = \"...\" }, or storage \"inmem\" {}",
            );
        }
        if self.listeners.is_empty() {
            return refuse(
                "a listener is missing: listener \"tcp\" { address = \"127.0.0.1:8200\" ... }",
            );
        }
        if let (Some(default), Some(max)) = (self.default_lease_ttl, self.max_lease_ttl)
            && default > max
        {
            return refuse("default_lease_ttl is greater than max_lease_ttl");
        }
        for (at, device) in self.audit.iter().enumerate() {
            let others = self.audit.iter().skip(at + 1);
            if others.into_iter().any(|other| other.path == device.path) {
                return refuse(&format!("audit: {} is there twice", device.path));
            }
        }
        Ok(())
    }
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let read = |error| ConfigError::Read {
        path: path.to_owned(),
        error,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(read)? {
        let file = entry.map_err(read)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "hcl" || extension == "json")
        {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
