//! `operator diagnose`: whether a server would come up with a configuration, without starting one.

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use coffer_api::{Address, ListenerConfig, ServeError, Server};
use coffer_config::{ServerConfig, StorageConfig};
use serde::Serialize;

use crate::args::Format;
use crate::error::CliResult;
use crate::output::{self, Output};
use crate::server;

/// A server wants so many files and connections open at the same time.
const FILES: u64 = 4096;

/// `operator diagnose`.
#[derive(Args)]
pub struct Diagnose {
    /// A configuration file, or a folder of them. May be given several times
    #[arg(long = "config", value_name = "PATH", required = true)]
    config: Vec<PathBuf>,
    /// Leave out a check by its name. May be given several times
    #[arg(long, value_name = "NAME")]
    skip: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// What was looked at, and what was found.
#[derive(Serialize)]
struct Finding {
    name: &'static str,
    status: Status,
    message: String,
}

struct Report(Vec<Finding>);

/// Looks at something, and adds what it finds under its name.
type Check = fn(&'static str, &ServerConfig, &mut Report);

impl Report {
    fn add(&mut self, name: &'static str, status: Status, message: impl Into<String>) {
        let message = message.into();
        self.0.push(Finding {
            name,
            status,
            message,
        });
    }

    fn has(&self, status: Status) -> bool {
        self.0.iter().any(|finding| finding.status == status)
    }
}

impl Diagnose {
    /// Prints what is good and what is not. The exit code is 0, 1 if a server would not come up, 2 if it should not as it is.
    ///
    /// # Errors
    /// None: what is wrong is what it prints.
    pub fn run(self, output: &Output) -> CliResult {
        let mut report = Report(Vec::new());
        let config = ServerConfig::load(&self.config).and_then(|config| {
            config.check()?;
            Ok(config)
        });
        match config {
            Err(error) => report.add("configuration", Status::Fail, error.to_string()),
            Ok(config) => self.look(&config, &mut report),
        }
        match output.format {
            Format::Table => {
                for finding in &report.0 {
                    let mark = match finding.status {
                        Status::Ok => "[ ok ]",
                        Status::Warn => "[warn]",
                        Status::Fail => "[fail]",
                    };
                    output::line(&format!("{mark} {}: {}", finding.name, finding.message));
                }
            }
            _ => output.data(&report.0),
        }
        Ok(ExitCode::from(if report.has(Status::Fail) {
            1
        } else if report.has(Status::Warn) {
            2
        } else {
            0
        }))
    }

    fn look(&self, config: &ServerConfig, report: &mut Report) {
        let checks: [(&'static str, Check); 6] = [
            ("configuration", settings),
            ("storage", storage),
            ("listener", listeners),
            ("plugins", plugins),
            ("audit", audit),
            ("limits", files),
        ];
        for (name, check) in checks {
            if !self.skip.iter().any(|skipped| skipped == name) {
                check(name, config, report);
            }
        }
    }
}

fn settings(name: &'static str, config: &ServerConfig, report: &mut Report) {
    report.add(name, Status::Ok, "it can be read");
    for warning in &config.warnings {
        report.add(name, Status::Warn, warning.clone());
    }
    if config.api_addr.is_none() {
        report.add(
            name,
            Status::Warn,
            "api_addr is missing: clients are told the first listener's address",
        );
    }
}

fn storage(name: &'static str, config: &ServerConfig, report: &mut Report) {
    let path = match &config.storage {
        Some(StorageConfig::Redb { path }) => path,
        _ => {
            report.add(name, Status::Warn, "in memory: nothing outlives the server");
            return;
        }
    };
    if !path.join("coffer.redb").exists() {
        let there = path.ancestors().find(|folder| folder.exists());
        let is_folder = there.is_some_and(Path::is_dir);
        let (status, message) = match is_folder {
            true => (Status::Ok, "is new, and will be initialized"),
            false => (Status::Fail, "is below something that is no folder"),
        };
        report.add(name, status, format!("{} {message}", path.display()));
        return;
    }
    match server::open_storage(config) {
        Ok(_) => report.add(name, Status::Ok, format!("{} opens", path.display())),
        Err(error) => report.add(name, Status::Fail, error.to_string()),
    }
}

fn listeners(name: &'static str, config: &ServerConfig, report: &mut Report) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return report.add(name, Status::Fail, error.to_string()),
    };
    for listener in config.listeners.iter().map(server::listener) {
        let address = listener.address.clone();
        match runtime.block_on(Server::bind(std::slice::from_ref(&listener))) {
            Ok(_) => report.add(name, Status::Ok, format!("{address} can be listened at")),
            Err(ServeError::Bind { reason, .. })
                if reason.kind() == std::io::ErrorKind::AddrInUse =>
            {
                let message = format!("{address} is in use; by the server, if it runs");
                report.add(name, Status::Warn, message);
            }
            Err(error) => report.add(name, Status::Fail, error.to_string()),
        }
        if listener.tls.is_none() && !is_local(&listener) {
            let message = format!("{address} speaks plain HTTP, and not only to this machine");
            report.add(name, Status::Warn, message);
        }
    }
}

/// Whether only this machine reaches it.
fn is_local(listener: &ListenerConfig) -> bool {
    let Address::Tcp(address) = &listener.address else {
        return true;
    };
    let mut addresses = address.to_socket_addrs().into_iter().flatten();
    !address.starts_with(':') && addresses.all(|address| address.ip().is_loopback())
}

fn plugins(name: &'static str, config: &ServerConfig, report: &mut Report) {
    match server::plugin_keys(&config.plugin_keys) {
        Ok(keys) => report.add(name, Status::Ok, format!("{} keys may sign", keys.len())),
        Err(error) => report.add(name, Status::Fail, error.to_string()),
    }
    folder(
        name,
        "plugin_directory",
        config.plugin_directory.as_deref(),
        report,
    );
}

fn audit(name: &'static str, config: &ServerConfig, report: &mut Report) {
    folder(
        name,
        "audit_directory",
        config.audit_directory.as_deref(),
        report,
    );
}

fn folder(name: &'static str, setting: &str, folder: Option<&Path>, report: &mut Report) {
    match folder {
        None => report.add(name, Status::Ok, format!("there is no {setting}")),
        Some(folder) if folder.is_dir() => {
            report.add(name, Status::Ok, format!("{setting}: {}", folder.display()));
        }
        Some(folder) => {
            let message = format!("{setting}: {} is no folder", folder.display());
            report.add(name, Status::Fail, message);
        }
    }
}

fn files(name: &'static str, _: &ServerConfig, report: &mut Report) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    match limit.current {
        Some(most) if most < FILES => {
            let message = format!("{most} open files are allowed (ulimit -n); {FILES} are wanted");
            report.add(name, Status::Warn, message);
        }
        _ => report.add(name, Status::Ok, "enough files can be open"),
    }
}
