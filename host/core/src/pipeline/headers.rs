//! The headers of HTTP that a mount lets through, between a client and a plugin.
//! <https://developer.hashicorp.com/vault/api-docs/system/mounts#tune-mount-configuration>

use http::{HeaderName, HeaderValue};

use crate::limits;
use crate::mount::MountConfig;
use crate::request::{Request, ResponseHeader};

/// What a plugin never sees: who has a token could act as its owner.
const NEVER: &str = "x-vault-token";
/// May carry the token.
const AUTHORIZATION: &str = "authorization";
/// What a plugin cannot say: HTTP itself lives by these, or the host has said it.
const HOSTS: [&str; 8] = [
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the request says in headers that the mount lets through: names in small letters, and their values in order.
pub(super) fn passed(config: &MountConfig, request: &Request) -> Vec<(String, String)> {
    let mut passed = Vec::new();
    for name in &config.passthrough_request_headers {
        let name = name.trim().to_lowercase();
        let by_token = name == AUTHORIZATION && !request.headers.contains_key(NEVER);
        if name == NEVER || by_token {
            continue;
        }
        let values = request.headers.get_all(&name).iter();
        passed.extend(
            values.filter_map(|value| Some((name.clone(), value.to_str().ok()?.to_owned()))),
        );
    }
    passed
}

/// What a plugin has said in headers so far, as far as the mount lets it.
#[derive(Default)]
pub(crate) struct Said(Vec<ResponseHeader>);

impl Said {
    /// One more. What the mount does not let through is dropped.
    ///
    /// # Errors
    /// If it is no header, or one too many.
    pub(crate) fn add(
        &mut self,
        config: &MountConfig,
        name: &str,
        value: &str,
    ) -> Result<(), String> {
        let wrong = || format!("{name:?} with this value is no header of HTTP");
        let parsed = HeaderName::try_from(name).map_err(|_| wrong())?;
        HeaderValue::try_from(value).map_err(|_| wrong())?;
        if HOSTS.contains(&parsed.as_str()) || parsed.as_str().starts_with("x-vault-") {
            return Err(format!("the header {name:?} is the host's"));
        }
        let mut allowed = config.allowed_response_headers.iter();
        if !allowed.any(|allowed| allowed.trim().eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        if self.0.len() >= limits::RESPONSE_HEADERS || value.len() > limits::RESPONSE_HEADER {
            return Err(format!(
                "a response can have {} headers of {} bytes",
                limits::RESPONSE_HEADERS,
                limits::RESPONSE_HEADER
            ));
        }
        self.0.push((parsed.to_string().into(), value.to_owned()));
        Ok(())
    }

    /// All of it.
    pub(crate) fn take(&mut self) -> Vec<ResponseHeader> {
        std::mem::take(&mut self.0)
    }
}
