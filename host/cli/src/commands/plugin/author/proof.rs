//! A component as a server would take it: looked at, compiled, and asked what it is.

use std::path::Path;
use std::sync::Arc;

use coffer_clock::{Clock, Random};
use coffer_manifest::{Kind, Manifest};
use coffer_runtime::{Catalog, Component, Engine, Environment, Inspection, Pod, Release};
use semver::Version;

use super::AuthorError;
use crate::server;

/// A component that a server would run.
pub(super) struct Proof {
    pub(super) sha256: String,
    pub(super) inspection: Inspection,
    pub(super) component: Arc<Component>,
}

/// Proves a component; `path` is where it came from.
pub(super) fn prove(path: &Path, bytes: &[u8]) -> Result<Proof, AuthorError> {
    let inspection = coffer_runtime::inspect(bytes).map_err(AuthorError::refused(path))?;
    let sha256 = coffer_runtime::digest(bytes);
    let release = release(inspection.manifest.as_ref(), &sha256);
    let host = |error: &dyn std::fmt::Display| AuthorError::Host(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| host(&error))?;
    let environment = Environment {
        clock: Clock::system(),
        random: Random::system(),
        pod: Pod::none(),
    };
    let engine = Engine::new().map_err(|error| host(&error))?;
    // By the same compiler, and within the same limits, as a server's.
    let catalog = Catalog::new(
        engine,
        environment,
        server::compiler(coffer_runtime::COMPILE_TIME),
        &[],
    );
    let (component, _) = runtime
        .block_on(catalog.prove(&release, bytes, inspection.manifest.clone()))
        .map_err(AuthorError::refused(path))?;
    Ok(Proof {
        sha256,
        inspection,
        component,
    })
}

/// As it would be registered. One without a manifest would not be: it is looked at all the same.
fn release(manifest: Option<&Manifest>, sha256: &str) -> Release {
    let (kind, name, version) = match manifest {
        Some(manifest) => (
            manifest.kind,
            manifest.name.as_str(),
            manifest.version.clone(),
        ),
        None => (Kind::Secret, "unnamed", Version::new(0, 0, 0)),
    };
    Release {
        kind,
        name: name.into(),
        version,
        sha256: sha256.into(),
        builtin: false,
        granted: Arc::default(),
    }
}
