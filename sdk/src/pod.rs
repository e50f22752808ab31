//! The Kubernetes pod that the server runs in: what Kubernetes lays there for the pod's service account. The component's manifest
//! asks for `pod`.

use crate::Result;

/// The service account's token, as it is now: Kubernetes renews it. None if the server runs in no pod.
///
/// # Errors
/// Of the kind `PermissionDenied` if nobody granted it; else if what is there cannot be read.
pub fn service_account_token() -> Result<Option<String>> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::pod::service_account_token();
    #[cfg(not(target_family = "wasm"))]
    Ok(crate::testing::Host::with(|host| host.pod.0.clone()))
}

/// Certificates in PEM that vouch for the cluster's API server. None if the server runs in no pod.
///
/// # Errors
/// As of [`service_account_token`].
pub fn certificate_authority() -> Result<Option<String>> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::pod::certificate_authority();
    #[cfg(not(target_family = "wasm"))]
    Ok(crate::testing::Host::with(|host| host.pod.1.clone()))
}
