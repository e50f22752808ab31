//! What an OpenID provider says of itself.

use serde::{Deserialize, Serialize};

/// A provider's configuration, as far as somebody needs it who sends people there to log in (OpenID Connect Discovery 1.0, 3; RFC
/// 8628, 4).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Provider {
    /// Its URL, which its tokens have for `iss`.
    pub issuer: String,
    pub(crate) jwks_uri: String,
    /// Where people log in.
    pub authorization_endpoint: Option<String>,
    /// Where a code is exchanged for tokens.
    pub token_endpoint: Option<String>,
    /// Where more is said of who has logged in.
    pub userinfo_endpoint: Option<String>,
    /// Where a login on another device begins.
    pub device_authorization_endpoint: Option<String>,
    /// How clients may show who they are; nothing means `client_secret_basic`.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
}
