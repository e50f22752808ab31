//! What the provider is asked, as the client that the mount is there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_jwt::{Claims, Provider};
use coffer_sdk::http;
use coffer_sdk::prelude::*;
use form_urlencoded::{Serializer, byte_serialize};
use serde::Deserialize;

use super::login_failed;
use super::state::Flow;
use crate::client::Client;
use crate::config::Config;
use crate::role::Role;

/// How much of what the provider says goes on to others, in characters.
const SAID: usize = 200;

/// The provider, and the mount as its client.
pub(crate) struct Party {
    pub config: Config,
    pub client: Client,
    pub provider: Provider,
}

/// What is given out for a code (RFC 6749, 5; OpenID Connect Core 1.0, 3.1.3.3).
#[derive(Default, Deserialize)]
pub(crate) struct Tokens {
    pub access_token: Option<String>,
    pub id_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// A login on another device (RFC 8628, 3.2). Some have `url` for `uri`.
#[derive(Deserialize)]
pub(crate) struct Device {
    pub device_code: String,
    pub user_code: Option<String>,
    #[serde(alias = "verification_url")]
    pub verification_uri: Option<String>,
    #[serde(alias = "verification_url_complete")]
    pub verification_uri_complete: Option<String>,
    pub interval: Option<u64>,
}

/// What has come of a login on another device.
pub(crate) enum Polled {
    /// Nothing yet; in the provider's word.
    Pending(String),
    Tokens(Tokens),
}

impl Tokens {
    /// The one that a browser has brought, and no other.
    pub fn brought(id_token: String) -> Self {
        Self {
            id_token: Some(id_token),
            ..Self::default()
        }
    }

    /// Why there are none, if there are none.
    fn refused(&self) -> Option<String> {
        let error = self.error.as_deref()?;
        let description = self.error_description.as_deref().unwrap_or_default();
        let said = format!("{error} {description}");
        Some(said.trim().chars().take(SAID).collect())
    }
}

/// What clients of this role ask the provider to tell.
fn scopes(role: &Role) -> String {
    let mut scopes = vec!["openid"];
    for scope in &role.browser.scopes {
        if !scopes.contains(&scope.as_str()) {
            scopes.push(scope);
        }
    }
    scopes.join(" ")
}

impl Party {
    /// As it is configured, and as the provider is now.
    pub fn load() -> Result<Self> {
        let (config, client) = super::configured()?;
        let provider = config.provider()?;
        Ok(Self {
            config,
            client,
            provider,
        })
    }

    /// Where somebody logs in, and comes back with this state.
    pub fn login_url(&self, role: &Role, flow: &Flow, state: &str, nonce: &str) -> Result<String> {
        let endpoint = self.provider.authorization_endpoint.as_deref();
        let endpoint = endpoint.unwrap_or_default();
        // A browser is going to open this.
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(Error::unavailable(
                "the provider's authorization_endpoint is no URL of HTTP",
            ));
        }
        let mut query = Serializer::new(String::new());
        query
            .append_pair("client_id", &self.client.id)
            .append_pair("redirect_uri", &flow.redirect_uri)
            .append_pair("scope", &scopes(role))
            .append_pair("state", state)
            .append_pair("nonce", nonce);
        if self.client.wants_id_token() {
            query.append_pair("response_type", "id_token");
        } else {
            query
                .append_pair("response_type", "code")
                .append_pair("code_challenge", &flow.challenge())
                .append_pair("code_challenge_method", "S256");
        }
        if self.client.posts() {
            query.append_pair("response_mode", "form_post");
        }
        if role.browser.max_age.0 > 0 {
            query.append_pair("max_age", &role.browser.max_age.0.to_string());
        }
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{separator}{}", query.finish()))
    }

    /// What the code is good for.
    pub fn exchange(&self, flow: &Flow, code: &str) -> Result<Tokens> {
        let failed = |why: &str| login_failed(format!("Error exchanging oidc code: {why:?}."));
        let tokens = self
            .tokens(&[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", &flow.redirect_uri),
                ("code_verifier", &flow.verifier),
            ])
            .map_err(|error| failed(&error.message))?;
        match tokens.refused() {
            Some(why) => Err(failed(&why)),
            None => Ok(tokens),
        }
    }

    /// Begins a login on another device.
    pub fn device(&self, role: &Role) -> Result<Device> {
        let url = self.provider.device_authorization_endpoint.as_deref();
        let url = url.ok_or_else(|| Error::invalid("no device auth endpoint url discovered"))?;
        let answer = self.post(url, &[("scope", &scopes(role))])?;
        if !answer.is_success() {
            return Err(Error::unavailable(format!(
                "error authorizing device: the provider answers with status {}",
                answer.status
            )));
        }
        serde_json::from_slice(&answer.body).map_err(|_| {
            Error::unavailable("error authorizing device: the provider answers something else")
        })
    }

    /// What has come of a login on another device.
    pub fn poll(&self, device_code: &str) -> Result<Polled> {
        let tokens = self.tokens(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device_code),
        ])?;
        match tokens.error.as_deref() {
            Some(pending @ ("authorization_pending" | "slow_down")) => {
                Ok(Polled::Pending(pending.to_owned()))
            }
            Some(_) => Err(Error::invalid(format!(
                "authorization failed: {}",
                tokens.refused().unwrap_or_default()
            ))),
            None => Ok(Polled::Tokens(tokens)),
        }
    }

    /// What else the provider says of somebody, to whoever has their access token (OpenID Connect Core 1.0, 5.3).
    pub fn user_info(&self, access_token: &str, subject: &str) -> Result<Claims> {
        let url = self.provider.userinfo_endpoint.as_deref();
        let url = url.ok_or_else(|| Error::unavailable("the provider has no userinfo_endpoint"))?;
        let answer = self
            .config
            .ask("GET", url)
            .header("authorization", format!("Bearer {access_token}"))
            .send()?;
        if !answer.is_success() {
            return Err(Error::unavailable(format!(
                "{url} answers with status {}",
                answer.status
            )));
        }
        let claims: Claims = serde_json::from_slice(&answer.body)
            .map_err(|_| Error::unavailable(format!("{url} answers no claims in JSON")))?;
        // It may be of somebody else.
        match claims.get("sub").and_then(|sub| sub.as_str()) {
            Some(same) if same == subject => Ok(claims),
            _ => Err(Error::unavailable(format!(
                "{url} answers of another subject (sub)"
            ))),
        }
    }

    fn tokens(&self, fields: &[(&str, &str)]) -> Result<Tokens> {
        let url = self.provider.token_endpoint.as_deref();
        let url = url.ok_or_else(|| Error::unavailable("the provider has no token_endpoint"))?;
        let answer = self.post(url, fields)?;
        let tokens: Option<Tokens> = serde_json::from_slice(&answer.body).ok();
        match tokens {
            Some(tokens) if answer.is_success() || tokens.error.is_some() => Ok(tokens),
            _ => Err(Error::unavailable(format!(
                "the provider answers with status {} and no tokens",
                answer.status
            ))),
        }
    }

    /// A form, with what shows who we are (RFC 6749, 2.3.1).
    fn post(&self, url: &str, fields: &[(&str, &str)]) -> Result<http::Response> {
        let mut form = Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut request = self
            .config
            .ask("POST", url)
            .header("content-type", "application/x-www-form-urlencoded");
        let (id, secret) = (&self.client.id, &self.client.secret);
        if self.takes_basic() {
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let both = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
            request = request.header("authorization", format!("Basic {both}"));
        } else {
            form.append_pair("client_id", id)
                .append_pair("client_secret", secret);
        }
        request.body = form.finish().into_bytes();
        request.send()
    }

    fn takes_basic(&self) -> bool {
        let methods = &self.provider.token_endpoint_auth_methods_supported;
        let has = |name: &str| methods.iter().flatten().any(|method| method == name);
        has("client_secret_basic") || !has("client_secret_post")
    }
}
