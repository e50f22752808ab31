//! What a task needs besides Rust: found on the machine, or installed. Doing it again does nothing.

use std::process::Command;

use coffer_tests::{influxdb, mysql, postgres, registry, valkey};

use crate::error::{Error, Result};
use crate::run;
use crate::workspace::{Workspace, on_path};

/// A PostgreSQL server's programs.
///
/// # Errors
/// If there are none and they cannot be installed.
pub fn postgres(_: &Workspace) -> Result<()> {
    if postgres::binaries().is_ok() {
        return Ok(());
    }
    install(
        &["postgresql"],
        "PostgreSQL's server programs (`initdb`, `postgres`)",
    )?;
    postgres::binaries()
        .map(drop)
        .map_err(|error| Error::other(error.to_string()))
}

/// A Valkey server's program, or a Redis server's.
///
/// # Errors
/// If there is none and it cannot be installed.
pub fn valkey(_: &Workspace) -> Result<()> {
    if valkey::binary().is_ok() {
        return Ok(());
    }
    // Every release of Debian and Ubuntu has this one.
    install(&["redis-server"], "`valkey-server` or `redis-server`")?;
    valkey::binary()
        .map(drop)
        .map_err(|error| Error::other(error.to_string()))
}

/// A MariaDB server's programs.
///
/// # Errors
/// If there are none and they cannot be installed.
pub fn mysql(_: &Workspace) -> Result<()> {
    if mysql::installed().is_ok() {
        return Ok(());
    }
    install(
        &["mariadb-server"],
        "MariaDB's programs (`mariadbd`, `mariadb`, `mariadb-install-db`)",
    )?;
    mysql::installed().map_err(|error| Error::other(error.to_string()))
}

/// An InfluxDB 1.x server's program.
///
/// # Errors
/// If there is none and it cannot be installed.
pub fn influxdb(_: &Workspace) -> Result<()> {
    if influxdb::binary().is_ok() {
        return Ok(());
    }
    install(&["influxdb"], "`influxd`, of InfluxDB 1.x")?;
    influxdb::binary()
        .map(drop)
        .map_err(|error| Error::other(error.to_string()))
}

/// An OCI registry.
///
/// # Errors
/// If there is none and it cannot be installed.
pub fn registry(_: &Workspace) -> Result<()> {
    if registry::binary().is_ok() {
        return Ok(());
    }
    install(&["docker-registry"], "`docker-registry`")?;
    registry::binary()
        .map(drop)
        .map_err(|error| Error::other(error.to_string()))
}

/// Node.js, and the TypeScript example built with its dependencies.
///
/// # Errors
/// If there is no Node.js and it cannot be installed, or the example does not build.
pub fn typescript_app(workspace: &Workspace) -> Result<()> {
    if on_path("node").is_none() || on_path("npm").is_none() {
        install(&["nodejs", "npm"], "Node.js 20 or newer, with npm")?;
    }
    let folder = workspace.root.join("examples/typescript-app");
    let manifest = folder.join("package-lock.json");
    let installed = folder.join("node_modules/.package-lock.json");
    let age = |path: &std::path::Path| {
        path.metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    if age(&installed).is_none() || age(&installed) < age(&manifest) {
        run::run(
            Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund"])
                .current_dir(&folder),
        )?;
    }
    run::run(
        Command::new("npm")
            .args(["run", "--silent", "build"])
            .current_dir(&folder),
    )
}

/// A Python that makes virtual environments, for the examples in Python.
///
/// # Errors
/// If there is none and it cannot be installed.
pub fn python(_: &Workspace) -> Result<()> {
    let works = || {
        Command::new("python3")
            .args(["-c", "import ensurepip, venv"])
            .output()
            .is_ok_and(|done| done.status.success())
    };
    if works() {
        return Ok(());
    }
    install(
        &["python3", "python3-venv"],
        "Python 3.10 or newer, with venv",
    )?;
    if works() {
        return Ok(());
    }
    Err(Error::other("python3 cannot make virtual environments"))
}

/// With the system's package manager, where that is apt and we may.
fn install(packages: &[&str], what: &str) -> Result<()> {
    let cannot = || Error::other(format!("{what} not found: install it"));
    let apt = on_path("apt-get").ok_or_else(cannot)?;
    let mut prefix = Vec::new();
    if !rustix::process::geteuid().is_root() {
        // Never ask for a password in the middle of a build.
        prefix = vec![
            on_path("sudo").ok_or_else(cannot)?.into_os_string(),
            "-n".into(),
        ];
    }
    prefix.push(apt.into_os_string());
    let command = |arguments: &[&str]| {
        let (program, rest) = prefix.split_first().ok_or_else(cannot)?;
        let mut command = Command::new(program);
        command
            .args(rest)
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        run::run(&mut command)
            .map_err(|error| Error::other(format!("{what} not found, and not installed: {error}")))
    };
    command(&["update"])?;
    command(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}
