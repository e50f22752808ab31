//! What a role says of logins with a browser.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::oidc::is_allowed;

pub(crate) const ALLOWED_REDIRECT_URIS: Field<Vec<String>> = Field::text_list(
    "allowed_redirect_uris",
    "Where the provider may send the browser back to. On this machine (localhost, 127.0.0.1, ::1) any port will do.",
);
pub(crate) const SCOPES: Field<Vec<String>> = Field::text_list(
    "oidc_scopes",
    "What the provider is asked to tell, besides openid.",
);
pub(crate) const MAX_AGE: Field<Seconds> = Field::duration(
    "max_age",
    "How long ago somebody may have logged in at the provider; 0 for any time.",
);
pub(crate) const CALLBACK_MODE: Field<String> = Field::text(
    "callback_mode",
    "client: the browser comes back to whoever logs in; direct: to this server, which is asked for the result; device: it need not come back.",
)
.default_json("\"client\"");
pub(crate) const POLL_INTERVAL: Field<i64> = Field::integer(
    "poll_interval",
    "How often the result is asked for, in seconds: 5, or what the provider says of its devices, if this is 0.",
);
pub(crate) const DISABLE_CONFIRMATION: Field<bool> = Field::boolean(
    "oidc_disable_confirmation",
    "With callback_mode direct, do not have people confirm that it was them who wanted to log in.",
);
pub(crate) const VERBOSE_LOGGING: Field<bool> = Field::boolean(
    "verbose_oidc_logging",
    "Write what the provider claims of people into the server's log, where that is on level debug.",
);

/// The longest time between two polls, in seconds.
const LONGEST_INTERVAL: i64 = 300;
const MOST_URIS: usize = 200;

/// Who hears of the provider's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallbackMode {
    /// Whoever logs in: the browser is sent there.
    #[default]
    Client,
    /// This server: the browser is sent here, and whoever logs in asks.
    Direct,
    /// Nobody: the server asks the provider when it is asked (RFC 8628).
    Device,
}

/// What a role says of logins with a browser.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Browser {
    pub allowed_redirect_uris: Vec<String>,
    pub scopes: Vec<String>,
    /// 0 for any.
    pub max_age: Seconds,
    pub callback_mode: CallbackMode,
    /// In seconds; 0 for what is usual.
    pub poll_interval: i64,
    pub disable_confirmation: bool,
    pub verbose_logging: bool,
}

impl Browser {
    /// Takes what the request says of it; what it does not say stays.
    pub fn update(&mut self, request: &Request) -> Result<()> {
        if let Some(uris) = request.get(ALLOWED_REDIRECT_URIS)? {
            self.allowed_redirect_uris = uris;
        }
        if let Some(scopes) = request.get(SCOPES)? {
            self.scopes = scopes;
        }
        if let Some(age) = request.get(MAX_AGE)? {
            self.max_age = age;
        }
        match request.get(CALLBACK_MODE)?.as_deref() {
            None => {}
            Some("" | "client") => self.callback_mode = CallbackMode::Client,
            Some("direct") => self.callback_mode = CallbackMode::Direct,
            Some("device") => self.callback_mode = CallbackMode::Device,
            Some(other) => {
                return Err(Error::invalid(format!("invalid 'callback_mode': {other}")));
            }
        }
        if let Some(interval) = request.get(POLL_INTERVAL)? {
            self.poll_interval = interval;
        }
        if let Some(disable) = request.get(DISABLE_CONFIRMATION)? {
            self.disable_confirmation = disable;
        }
        if let Some(verbose) = request.get(VERBOSE_LOGGING)? {
            self.verbose_logging = verbose;
        }
        Ok(())
    }

    /// Whether anybody can log in by it.
    pub fn check(&self) -> Result<()> {
        if self.allowed_redirect_uris.is_empty() {
            return Err(Error::invalid(
                "'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified.",
            ));
        }
        if self.allowed_redirect_uris.len() > MOST_URIS {
            return Err(Error::invalid(format!(
                "a role can have {MOST_URIS} allowed_redirect_uris"
            )));
        }
        if !(0..=LONGEST_INTERVAL).contains(&self.poll_interval) {
            return Err(Error::invalid(format!(
                "poll_interval can be 0 to {LONGEST_INTERVAL} seconds"
            )));
        }
        Ok(())
    }

    pub fn allows(&self, redirect_uri: &str) -> bool {
        let mut allowed = self.allowed_redirect_uris.iter();
        allowed.any(|allowed| is_allowed(redirect_uri, allowed))
    }

    pub fn warning(&self) -> Option<String> {
        let warning = "verbose_oidc_logging has been enabled for this role. This is not recommended in production since \
                       sensitive information may be present in OIDC responses.";
        self.verbose_logging.then(|| warning.to_owned())
    }

    pub fn describe(&self) -> Map<String, Value> {
        let mut data = Map::new();
        let mut show = |name: &str, value: Value| data.insert(name.to_owned(), value);
        show("allowed_redirect_uris", json!(self.allowed_redirect_uris));
        show("oidc_scopes", json!(self.scopes));
        show("max_age", json!(self.max_age));
        show("callback_mode", json!(self.callback_mode));
        if self.poll_interval > 0 {
            show("poll_interval", json!(self.poll_interval));
        }
        show(
            "oidc_disable_confirmation",
            json!(self.disable_confirmation),
        );
        show("verbose_oidc_logging", json!(self.verbose_logging));
        data
    }
}
