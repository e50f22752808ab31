use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use crate::Result;
use crate::bindings::plugin::exports::coffer::plugin::engine as contract;

pub use contract::{Alias, Auth, Renewal, TokenKind};

/// What a handler answers.
#[derive(Default)]
pub struct Response {
    /// An HTTP status other than the usual.
    pub status: Option<u16>,
    /// The data, as JSON text of an object.
    pub data: Option<String>,
    /// What the caller should know besides.
    pub warnings: Vec<String>,
    /// A successful login.
    pub auth: Option<Auth>,
    /// Advice on how long the data may be kept, in seconds.
    pub ttl: u64,
}

/// Without the data: it may be a secret.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl Response {
    /// Nothing to say: 204; for a read, 404.
    pub fn empty() -> Self {
        Self::default()
    }

    /// An object.
    pub fn data(data: Value) -> Self {
        Self {
            data: Some(data.to_string()),
            ..Self::default()
        }
    }

    /// Something that serializes to an object.
    pub fn json(data: &impl Serialize) -> Result<Self> {
        Ok(Self {
            data: Some(serde_json::to_string(data)?),
            ..Self::default()
        })
    }

    /// The answer to a list.
    pub fn list(keys: Vec<String>) -> Self {
        Self::data(json!({ "keys": keys }))
    }

    /// A successful login.
    pub fn auth(auth: Auth) -> Self {
        Self {
            auth: Some(auth),
            ..Self::default()
        }
    }

    /// With this HTTP status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// With a warning.
    #[must_use]
    pub fn warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// The data, parsed: for tests.
    pub fn value(&self) -> Value {
        self.data
            .as_deref()
            .and_then(|data| serde_json::from_str(data).ok())
            .unwrap_or_default()
    }
}

impl From<Response> for contract::Response {
    fn from(response: Response) -> Self {
        let Response {
            status,
            data,
            warnings,
            auth,
            ttl,
        } = response;
        Self {
            status,
            data,
            warnings,
            auth,
            ttl,
        }
    }
}

impl Default for Auth {
    /// A login that allows nothing yet, to be filled in.
    fn default() -> Self {
        Self {
            policies: Vec::new(),
            no_default_policy: false,
            display_name: String::new(),
            alias: None,
            metadata: Vec::new(),
            internal: "null".to_owned(),
            renewable: true,
            ttl: 0,
            max_ttl: 0,
            explicit_max_ttl: 0,
            period: 0,
            num_uses: 0,
            bound_cidrs: Vec::new(),
            kind: TokenKind::Default,
        }
    }
}
