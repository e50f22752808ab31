//! `pod`: what Kubernetes lays into the server's pod, for plugins that were granted it.

use crate::bindings::plugin::coffer::plugin::pod;
use crate::error::plugin_error;
use crate::outside::{self, Ask};
use crate::pod::PodFile;
use crate::state::State;
use crate::{ErrorKind, PluginError};

type Answer = wasmtime::Result<Result<Option<String>, PluginError>>;

impl State {
    async fn pod_file(&mut self, file: PodFile) -> Answer {
        if !self.call()?.mount.pod {
            return Ok(Err(plugin_error(
                ErrorKind::PermissionDenied,
                "the plugin was not granted pod",
            )));
        }
        if let Some(outside) = &self.outside {
            return Ok(outside::asked(&**outside, Ask::Pod { file }).await);
        }
        let read = self.environment.pod.read(file).await;
        Ok(read.map_err(|error| plugin_error(ErrorKind::Unavailable, error.to_string())))
    }
}

impl pod::Host for State {
    async fn service_account_token(&mut self) -> Answer {
        self.pod_file(PodFile::Token).await
    }

    async fn certificate_authority(&mut self) -> Answer {
        self.pod_file(PodFile::CertificateAuthority).await
    }
}
