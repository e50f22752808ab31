//! A real OCI registry of our own.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use ureq::Agent;

use crate::leash::Leash;
use crate::port;
use crate::wait::within;

const START: Duration = Duration::from_secs(60);

/// A registry, which stops when it is dropped.
pub struct Registry {
    address: SocketAddr,
    // The folder goes last.
    process: Option<(Child, Leash)>,
    _folder: TempDir,
}

impl Registry {
    /// A fresh one.
    ///
    /// # Errors
    /// If there is none installed, or it does not start.
    pub fn start() -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("coffer-registry-")
            .tempdir()?;
        let address = port::free();
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            folder.path().join("data").display()
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config)?;
        let mut child = Command::new(binary()?)
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let leash = Leash::on(child.id(), "KILL", Some(folder.path()))?;
        let agent = Agent::new_with_defaults();
        let url = format!("http://{address}/v2/");
        let up = within(START, || agent.get(&url).call().is_ok());
        if !up {
            let _ = child.kill();
            return Err(io::Error::other("the registry does not answer"));
        }
        Ok(Self {
            address,
            process: Some((child, leash)),
            _folder: folder,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it.
    pub fn stop(&mut self) {
        if let Some((mut child, leash)) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
            drop(leash);
        }
    }

    /// Stores a blob under a repository, and returns its digest.
    ///
    /// # Panics
    /// If the registry refuses it.
    pub fn blob(&self, repository: &str, digest: &str, bytes: &[u8]) {
        let agent = Agent::new_with_defaults();
        let url = format!("http://{}/v2/{repository}/blobs/uploads/", self.address);
        let begun = agent.post(&url).send_empty().expect("an upload");
        let place = begun.headers().get("location").expect("its place");
        let place = place.to_str().expect("a URL");
        agent
            .put(&format!("{place}&digest={digest}"))
            .header("content-type", "application/octet-stream")
            .send(bytes)
            .expect("a blob");
    }

    /// Stores a manifest under a tag.
    ///
    /// # Panics
    /// If the registry refuses it.
    pub fn manifest(&self, repository: &str, tag: &str, manifest: &str) {
        Agent::new_with_defaults()
            .put(&format!(
                "http://{}/v2/{repository}/manifests/{tag}",
                self.address
            ))
            .header("content-type", "application/vnd.oci.image.manifest.v1+json")
            .send(manifest)
            .expect("a manifest");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The registry's program: `REGISTRY_BIN`, or the one on the PATH.
///
/// # Errors
/// If there is none.
pub fn binary() -> io::Result<PathBuf> {
    if let Some(named) = std::env::var_os("REGISTRY_BIN") {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("docker-registry"))
        .find(|file| file.is_file())
        .ok_or_else(|| io::Error::other("docker-registry is not installed"))
}
