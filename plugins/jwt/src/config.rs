//! Which issuer is trusted, and how its keys are known.

use coffer_jwt::{ALGORITHMS, Algorithm, Issuer, KeySet, Published};
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

const DISCOVERY_URL: Field<String> = Field::text(
    "oidc_discovery_url",
    "The issuer, whose configuration says where its keys are (OpenID Connect Discovery); without .well-known.",
)
.destination();
const DISCOVERY_CA: Field<String> = Field::text(
    "oidc_discovery_ca_pem",
    "Certificates in PEM that vouch for its server; the public ones if there are none.",
);
const DISCOVERY_HOSTS: Field<Vec<String>> = Field::text_list(
    "oidc_discovery_hosts",
    "Further servers (host:port) that the issuer's configuration may send us to for its keys.",
)
.destination();
const JWKS_URL: Field<String> =
    Field::text("jwks_url", "Where the issuer's keys are (RFC 7517).").destination();
const JWKS_CA: Field<String> = Field::text(
    "jwks_ca_pem",
    "Certificates in PEM that vouch for that server; the public ones if there are none.",
);
const PUBLIC_KEYS: Field<Vec<String>> = Field::text_list(
    "jwt_validation_pubkeys",
    "The issuer's public keys, in PEM.",
);
const SUPPORTED_ALGS: Field<Vec<String>> = Field::text_list(
    "jwt_supported_algs",
    "The algorithms that tokens may be signed with; all of an issuer's if it is empty.",
);
const BOUND_ISSUER: Field<String> =
    Field::text("bound_issuer", "The issuer (iss) that a token must have.");
const DEFAULT_ROLE: Field<String> =
    Field::text("default_role", "The role of a login that names none.");
/// Of the flow with a browser.
const CLIENT_ID: Field<String> = Field::text(
    "oidc_client_id",
    "For logins with a browser, which are not there yet.",
);

pub(crate) const PATH: Path = Path::new("config", "Which issuer is trusted.")
    .fields(&[
        DISCOVERY_URL.decl(),
        DISCOVERY_CA.decl(),
        DISCOVERY_HOSTS.decl(),
        JWKS_URL.decl(),
        JWKS_CA.decl(),
        PUBLIC_KEYS.decl(),
        SUPPORTED_ALGS.decl(),
        BOUND_ISSUER.decl(),
        DEFAULT_ROLE.decl(),
        CLIENT_ID.decl(),
    ])
    .read(|_| match Config::load()? {
        Some(config) => {
            let mut data = serde_json::to_value(&config)?;
            if let Some(data) = data.as_object_mut() {
                data.insert("status".to_owned(), "valid".into());
                data.insert("oidc_client_id".to_owned(), "".into());
            }
            Ok(Response::data(data))
        }
        None => Err(Error::not_found("")),
    })
    .write(write);

const STORED: &str = "config";
/// Where published keys are kept.
const KEYS: &str = "keys";

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    oidc_discovery_url: String,
    oidc_discovery_ca_pem: String,
    oidc_discovery_hosts: Vec<String>,
    jwks_url: String,
    jwks_ca_pem: String,
    jwt_validation_pubkeys: Vec<String>,
    jwt_supported_algs: Vec<String>,
    pub bound_issuer: String,
    pub default_role: String,
}

impl Config {
    pub fn load() -> Result<Option<Self>> {
        storage::get_json(STORED)
    }

    /// The issuer, if it publishes its keys.
    fn issuer(&self) -> Option<Issuer> {
        let (at, roots) = if !self.jwks_url.is_empty() {
            (Published::Jwks(self.jwks_url.clone()), &self.jwks_ca_pem)
        } else if !self.oidc_discovery_url.is_empty() {
            (
                Published::Discovery(self.oidc_discovery_url.clone()),
                &self.oidc_discovery_ca_pem,
            )
        } else {
            return None;
        };
        Some(Issuer {
            at,
            roots: roots.clone(),
            bearer: None,
            kept_as: KEYS,
        })
    }

    /// The keys, among which is the one of this name, if the issuer has it.
    pub fn keys(&self, id: Option<&str>) -> Result<KeySet> {
        match self.issuer() {
            Some(issuer) => issuer.keys(id),
            None => KeySet::from_pems(self.jwt_validation_pubkeys.iter().map(String::as_str)),
        }
    }

    /// The issuer that a token must have; empty if any will do. Who publishes a configuration is one.
    pub fn expected_issuer(&self) -> &str {
        match self.bound_issuer.as_str() {
            "" => &self.oidc_discovery_url,
            bound => bound,
        }
    }

    pub fn algorithms(&self) -> Vec<Algorithm> {
        if self.jwt_supported_algs.is_empty() {
            return ALGORITHMS.to_vec();
        }
        self.jwt_supported_algs
            .iter()
            .filter_map(|name| Algorithm::named(name))
            .collect()
    }
}

fn write(request: &Request) -> Result<Response> {
    if request.get(CLIENT_ID)?.is_some_and(|id| !id.is_empty()) {
        return Err(Error::invalid(
            "logins with a browser (oidc_client_id) are not there yet; tokens are verified without it",
        ));
    }
    let text = |field| Ok::<_, Error>(request.get(field)?.unwrap_or_default());
    let list = |field| Ok::<_, Error>(request.get(field)?.unwrap_or_default());
    let config = Config {
        oidc_discovery_url: text(DISCOVERY_URL)?,
        oidc_discovery_ca_pem: text(DISCOVERY_CA)?,
        oidc_discovery_hosts: list(DISCOVERY_HOSTS)?,
        jwks_url: text(JWKS_URL)?,
        jwks_ca_pem: text(JWKS_CA)?,
        jwt_validation_pubkeys: list(PUBLIC_KEYS)?,
        jwt_supported_algs: list(SUPPORTED_ALGS)?,
        bound_issuer: text(BOUND_ISSUER)?,
        default_role: text(DEFAULT_ROLE)?,
    };
    let ways = [
        !config.oidc_discovery_url.is_empty(),
        !config.jwks_url.is_empty(),
        !config.jwt_validation_pubkeys.is_empty(),
    ];
    if ways.iter().filter(|way| **way).count() != 1 {
        return Err(Error::invalid(
            "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set",
        ));
    }
    if let Some(unknown) = config
        .jwt_supported_algs
        .iter()
        .find(|name| Algorithm::named(name).is_none())
    {
        return Err(Error::invalid(format!(
            "invalid jwt_supported_algs: unsupported signing algorithm {unknown:?}"
        )));
    }
    match config.issuer() {
        None => drop(config.keys(None)?),
        Some(issuer) => drop(issuer.fetch().map_err(|error| {
            let what = match &issuer.at {
                Published::Jwks(_) => "jwks URL",
                Published::Discovery(_) => "oidc discovery URL",
            };
            Error::invalid(format!("error checking {what}: {}", error.message))
        })?),
    }
    storage::put_json(STORED, &config)?;
    storage::delete(KEYS)?;
    Ok(Response::empty())
}
