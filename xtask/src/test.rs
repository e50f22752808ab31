//! `cargo xtask test`: every test there is, after installing and building what they need.

use coffer_tests::postgres;

use crate::binary;
use crate::error::{Error, Result};
use crate::run;
use crate::setup;
use crate::workspace::{Profile, Workspace};

/// Runs the tests whose names contain `filter`; all, if there is none.
///
/// # Errors
/// If anything does not build or a test fails.
pub fn test(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    setup::postgres(workspace)?;
    setup::gnupg(workspace)?;
    setup::valkey(workspace)?;
    setup::influxdb(workspace)?;
    setup::mysql(workspace)?;
    setup::registry(workspace)?;
    setup::typescript_app(workspace)?;
    setup::oidc(workspace)?;
    setup::python(workspace)?;
    let go = setup::go(workspace)?;
    let clients = setup::clients(workspace)?;
    let binary = binary::build(workspace, Profile::Development)?;
    let mut cargo = workspace.cargo();
    cargo
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(filter);
    cargo.env("COFFER_BIN", &binary);
    cargo.env("GO_BIN", go);
    cargo.env("CLIENTS_BIN", clients);
    cargo.env(
        "PG_BIN",
        postgres::binaries().map_err(|error| Error::other(error.to_string()))?,
    );
    run::run(&mut cargo)?;
    let which = filter
        .map(|filter| format!(" with `{filter}` in their names"))
        .unwrap_or_default();
    println!(
        "\nAll tests{which} passed: the crates' own, and the black-box suites against {}.",
        binary.display()
    );
    Ok(())
}

/// Runs the tests with a real Kubernetes API server, which the others are spared.
///
/// # Errors
/// If anything does not build or a test fails.
pub fn kubernetes(workspace: &Workspace) -> Result<()> {
    let server = setup::kubernetes(workspace)?;
    let binary = binary::build(workspace, Profile::Development)?;
    let mut cargo = workspace.cargo();
    cargo
        .args(["test", "--workspace"])
        .args(["--test", "kubernetes_cluster", "--", "--ignored"]);
    cargo.env("COFFER_BIN", &binary);
    cargo.env("KUBE_APISERVER_BIN", server);
    run::run(&mut cargo)
}
