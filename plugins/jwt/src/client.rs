//! What the mount is at an OpenID provider: a client, which sends people there to log in.

use coffer_jwt::Provider;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) const ID: Field<String> = Field::text(
    "oidc_client_id",
    "The name of this client at the provider, for logins with a browser.",
);
pub(crate) const SECRET: Field<String> =
    Field::text("oidc_client_secret", "Its secret there; never shown again.");
pub(crate) const RESPONSE_MODE: Field<String> = Field::text(
    "oidc_response_mode",
    "How the browser brings back what the provider answers: query or form_post.",
)
.default_json("\"query\"");
pub(crate) const RESPONSE_TYPES: Field<Vec<String>> = Field::text_list(
    "oidc_response_types",
    "What it brings back: code, which is exchanged for tokens, or id_token, which only a form_post does.",
)
.default_json("[\"code\"]");
pub(crate) const PROVIDER_CONFIG: Field<Map<String, Value>> = Field::object(
    "provider_config",
    "For what particular providers do besides, none of which is known here: it must be empty.",
);

const CODE: &str = "code";
const ID_TOKEN: &str = "id_token";

/// A client at a provider.
#[derive(Serialize, Deserialize)]
pub(crate) struct Client {
    pub id: String,
    pub secret: String,
    pub mode: ResponseMode,
    pub response_types: Vec<String>,
}

/// How a browser brings back what the provider answers.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ResponseMode {
    /// In a query, as is usual with codes.
    Unsaid,
    /// The same, said.
    Query,
    /// In a form (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

impl Client {
    /// The one that a request configures, if any.
    pub fn given(request: &Request) -> Result<Option<Self>> {
        let provider_config = request.get(PROVIDER_CONFIG)?.unwrap_or_default();
        if !provider_config.is_empty() {
            return Err(Error::invalid(
                "invalid provider_config: no provider has a configuration of its own here; leave it empty, and have the \
                 provider put what is needed into its tokens",
            ));
        }
        let (id, secret) = (
            request.get(ID)?.unwrap_or_default(),
            request.get(SECRET)?.unwrap_or_default(),
        );
        if id.is_empty() != secret.is_empty() {
            return Err(Error::invalid(
                "both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC",
            ));
        }
        let response_types = request.get(RESPONSE_TYPES)?.unwrap_or_default();
        if response_types
            .iter()
            .any(|kind| ![CODE, ID_TOKEN].contains(&kind.as_str()))
        {
            return Err(Error::invalid(format!(
                "invalid response_types {response_types:?}. 'code' and 'id_token' are allowed"
            )));
        }
        let mode = match request.get(RESPONSE_MODE)?.as_deref() {
            None | Some("") => ResponseMode::Unsaid,
            Some("query") => ResponseMode::Query,
            Some("form_post") => ResponseMode::FormPost,
            Some(other) => {
                return Err(Error::invalid(format!("invalid response_mode: {other:?}")));
            }
        };
        let client = Self {
            id,
            secret,
            mode,
            response_types,
        };
        if client.wants_id_token() && mode != ResponseMode::FormPost {
            return Err(Error::invalid(
                "query response_mode may not be used with an id_token response_type",
            ));
        }
        Ok(Some(client).filter(|client| !client.id.is_empty()))
    }

    /// Whether browsers bring the token itself, and no code.
    pub fn wants_id_token(&self) -> bool {
        self.response_types.iter().any(|kind| kind == ID_TOKEN)
    }

    pub fn posts(&self) -> bool {
        self.mode == ResponseMode::FormPost
    }

    pub fn mode_as_given(&self) -> &'static str {
        match self.mode {
            ResponseMode::Unsaid => "",
            ResponseMode::Query => "query",
            ResponseMode::FormPost => "form_post",
        }
    }

    /// Whether people can log in at this provider, and whether the servers that it names are granted: these are what the
    /// configuration names.
    pub fn check(&self, provider: &Provider, granted: &[&str]) -> Result<()> {
        let missing = |name: &str| {
            Error::invalid(format!(
                "error checking oidc discovery URL: the provider's configuration has no {name}"
            ))
        };
        if provider.authorization_endpoint.is_none() {
            return Err(missing("authorization_endpoint"));
        }
        if provider.token_endpoint.is_none() && !self.wants_id_token() {
            return Err(missing("token_endpoint"));
        }
        let named: Vec<String> = granted.iter().map(|name| server(name)).collect();
        for (name, endpoint) in [
            ("token_endpoint", &provider.token_endpoint),
            ("userinfo_endpoint", &provider.userinfo_endpoint),
            (
                "device_authorization_endpoint",
                &provider.device_authorization_endpoint,
            ),
        ] {
            let Some(url) = endpoint else { continue };
            let server = server(url);
            if !named.contains(&server) {
                return Err(Error::invalid(format!(
                    "the provider's {name} is at {server}, where nothing may be asked: name it in oidc_discovery_hosts"
                )));
            }
        }
        Ok(())
    }
}

/// Host and port of a URL, or of what names a server.
fn server(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let port = if scheme == "http" { 80 } else { 443 };
    match has_port {
        true => authority.to_ascii_lowercase(),
        false => format!("{}:{port}", authority.to_ascii_lowercase()),
    }
}
