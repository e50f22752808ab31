//! The envelope that every answer of the API comes in.
//! See <https://developer.hashicorp.com/vault/api-docs#api-operations>.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// An answer. Its fields are in the order in which clients print them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// The request's id, as the server logs it.
    #[serde(deserialize_with = "null_as_default")]
    pub request_id: String,
    /// The lease; empty where there is none.
    #[serde(deserialize_with = "null_as_default")]
    pub lease_id: String,
    /// Seconds.
    #[serde(deserialize_with = "null_as_default")]
    pub lease_duration: i64,
    /// Whether the lease can be renewed.
    #[serde(deserialize_with = "null_as_default")]
    pub renewable: bool,
    /// What was asked for.
    pub data: Option<Map<String, Value>>,
    /// What the server thinks one should know.
    pub warnings: Option<Vec<String>>,
    /// A token, where one was made or renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Where the answer was wrapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrap_info: Option<WrapInfo>,
}

/// A token that an answer hands out.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Auth {
    /// The token.
    #[serde(deserialize_with = "null_as_default")]
    pub client_token: String,
    /// What names it without being it.
    #[serde(deserialize_with = "null_as_default")]
    pub accessor: String,
    /// All policies in force.
    pub policies: Option<Vec<String>>,
    /// Those of the token.
    pub token_policies: Option<Vec<String>>,
    /// Those of its entity.
    pub identity_policies: Option<Vec<String>>,
    /// What the auth method said of its bearer.
    pub metadata: Option<Map<String, Value>>,
    /// Whether it outlives its parent.
    #[serde(deserialize_with = "null_as_default")]
    pub orphan: bool,
    /// Its entity.
    #[serde(deserialize_with = "null_as_default")]
    pub entity_id: String,
    /// Seconds; 0 is for ever.
    #[serde(deserialize_with = "null_as_default")]
    pub lease_duration: i64,
    /// Whether it can be renewed.
    #[serde(deserialize_with = "null_as_default")]
    pub renewable: bool,
    /// What is still to be proved.
    pub mfa_requirement: Option<Value>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth")
            .field("accessor", &self.accessor)
            .field("policies", &self.policies)
            .finish_non_exhaustive()
    }
}

/// A token that stands for a wrapped answer.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WrapInfo {
    /// What unwraps it, once.
    #[serde(deserialize_with = "null_as_default")]
    pub token: String,
    /// What names the token without being it.
    #[serde(deserialize_with = "null_as_default")]
    pub accessor: String,
    /// Seconds.
    #[serde(deserialize_with = "null_as_default")]
    pub ttl: i64,
    /// RFC 3339.
    #[serde(deserialize_with = "null_as_default")]
    pub creation_time: String,
    /// The path whose answer it is.
    #[serde(deserialize_with = "null_as_default")]
    pub creation_path: String,
    /// Of the token inside, where there is one.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub wrapped_accessor: String,
}

impl std::fmt::Debug for WrapInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WrapInfo")
            .field("accessor", &self.accessor)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

impl Secret {
    /// Whether there is anything in it to show.
    pub fn is_empty(&self) -> bool {
        self.data.as_ref().is_none_or(Map::is_empty)
            && self.auth.is_none()
            && self.wrap_info.is_none()
            && self.lease_id.is_empty()
            && self.warnings.as_ref().is_none_or(Vec::is_empty)
    }

    /// A field of the data.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.data.as_ref()?.get(key)
    }
}

/// The server may say `null` where it has nothing to say.
fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}
