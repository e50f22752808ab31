//! What Kubernetes lays into a pod for its service account: a token and certificates. A plugin names no path: there are these two
//! files of one folder, and that is the operator's to say.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

use crate::limits;

/// Where Kubernetes lays them.
/// <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>
const USUAL: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PodFile {
    /// The service account's token.
    Token,
    /// Certificates in PEM that vouch for the API server.
    CertificateAuthority,
}

impl PodFile {
    fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::CertificateAuthority => "ca.crt",
        }
    }
}

/// The pod that the server runs in, if it runs in one.
#[derive(Clone, Debug)]
pub struct Pod(Option<Arc<Path>>);

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the pod's {} cannot be read: {reason}", path.display())]
pub struct PodError {
    path: PathBuf,
    reason: String,
}

impl Pod {
    /// Where nothing is looked for.
    pub fn none() -> Self {
        Self(None)
    }

    /// Where Kubernetes lays it. It does so before anything runs in the pod: where there is nothing now, nothing will be.
    pub fn usual() -> Self {
        let folder = Path::new(USUAL);
        if folder.is_dir() {
            Self::at(folder)
        } else {
            Self::none()
        }
    }

    /// In another folder.
    pub fn at(folder: &Path) -> Self {
        Self(Some(folder.into()))
    }

    /// What a file has now; None if it is not there. Links are followed: what Kubernetes lays there are links, so that it can
    /// exchange all of it at once.
    ///
    /// # Errors
    /// If it is no file of text, is too long, or the system does not let it be read.
    pub async fn read(&self, file: PodFile) -> Result<Option<String>, PodError> {
        let Some(folder) = &self.0 else {
            return Ok(None);
        };
        let path = folder.join(file.name());
        match text(&path).await {
            Ok(text) => Ok(text),
            Err(reason) => Err(PodError { path, reason }),
        }
    }
}

async fn text(path: &Path) -> Result<Option<String>, String> {
    // To open something else, such as a pipe, could take for ever.
    match tokio::fs::metadata(path).await {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err("it is no file".to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let failed = |error: std::io::Error| error.to_string();
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(limits::POD_FILE + 1));
    let mut file = file.take(limits::POD_FILE as u64 + 1);
    while file.read_buf(&mut *bytes).await.map_err(failed)? > 0 {}
    if bytes.len() > limits::POD_FILE {
        return Err(format!(
            "it has more than {} bytes, which are allowed",
            limits::POD_FILE
        ));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err("it is no text".to_owned()),
    }
}
