//! Which issuer is trusted, and how its keys are known.

use coffer_jwt::{ALGORITHMS, Algorithm, Issuer, KeySet, Provider, Published, trusting};
use coffer_sdk::http;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::client::{self, Client};
use crate::oidc::state;

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
    "Further servers (host:port) that the issuer's configuration may send us to, for its keys or for logins.",
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
        client::ID.decl(),
        client::SECRET.decl(),
        client::RESPONSE_MODE.decl(),
        client::RESPONSE_TYPES.decl(),
        client::PROVIDER_CONFIG.decl(),
    ])
    .read(read)
    .write(write);

const STORED: &str = "config";
const WELL_KNOWN: &str = ".well-known/openid-configuration";
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
    /// What it is at the issuer, for logins with a browser.
    pub client: Option<Client>,
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

    /// What the issuer says of itself, for logins with a browser.
    pub fn provider(&self) -> Result<Provider> {
        match self.issuer() {
            Some(issuer) => issuer.provider(),
            None => Err(Error::invalid("there is no oidc_discovery_url")),
        }
    }

    /// A request to the provider.
    pub fn ask(&self, method: &str, url: &str) -> http::Request {
        let request = http::Request::new(method, url).header("accept", "application/json");
        match self.oidc_discovery_ca_pem.as_str() {
            "" => request,
            roots => request.tls(trusting(url, roots)),
        }
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

    /// Takes off what is the same for every issuer; says so if it was there.
    fn without_well_known(&mut self) -> Option<String> {
        let (url, _) = self.oidc_discovery_url.split_once(WELL_KNOWN)?;
        let url = url.to_owned();
        let warning = format!("oidc_discovery_url is taken for {url:?}, without what is behind it");
        self.oidc_discovery_url = url;
        Some(warning)
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

fn read(_: &Request) -> Result<Response> {
    let Some(config) = Config::load()? else {
        return Err(Error::not_found(""));
    };
    Ok(Response::data(json!({
        "oidc_discovery_url": config.oidc_discovery_url,
        "oidc_discovery_ca_pem": config.oidc_discovery_ca_pem,
        "oidc_discovery_hosts": config.oidc_discovery_hosts,
        "jwks_url": config.jwks_url,
        "jwks_ca_pem": config.jwks_ca_pem,
        "jwt_validation_pubkeys": config.jwt_validation_pubkeys,
        "jwt_supported_algs": config.jwt_supported_algs,
        "bound_issuer": config.bound_issuer,
        "default_role": config.default_role,
        "oidc_client_id": config.client.as_ref().map_or("", |client| &client.id),
        "oidc_response_mode": config.client.as_ref().map_or("", |client| client.mode_as_given()),
        "oidc_response_types": config.client.map(|client| client.response_types).unwrap_or_default(),
        "provider_config": {},
        "status": "valid",
    })))
}

fn write(request: &Request) -> Result<Response> {
    let text = |field| Ok::<_, Error>(request.get(field)?.unwrap_or_default());
    let list = |field| Ok::<_, Error>(request.get(field)?.unwrap_or_default());
    let mut config = Config {
        oidc_discovery_url: text(DISCOVERY_URL)?,
        oidc_discovery_ca_pem: text(DISCOVERY_CA)?,
        oidc_discovery_hosts: list(DISCOVERY_HOSTS)?,
        jwks_url: text(JWKS_URL)?,
        jwks_ca_pem: text(JWKS_CA)?,
        jwt_validation_pubkeys: list(PUBLIC_KEYS)?,
        jwt_supported_algs: list(SUPPORTED_ALGS)?,
        bound_issuer: text(BOUND_ISSUER)?,
        default_role: text(DEFAULT_ROLE)?,
        client: Client::given(request)?,
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
    if config.client.is_some() && config.oidc_discovery_url.is_empty() {
        return Err(Error::invalid("'oidc_discovery_url' must be set for OIDC"));
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
    let warning = config.without_well_known();
    storage::delete(KEYS)?;
    check(&config)?;
    storage::put_json(STORED, &config)?;
    state::renew_key(config.client.is_some())?;
    let mut response = Response::empty();
    response.warnings.extend(warning);
    Ok(response)
}

/// Whether the issuer is there, and is what it should be.
fn check(config: &Config) -> Result<()> {
    let Some(issuer) = config.issuer() else {
        return config.keys(None).map(drop);
    };
    let found = issuer.fetch().map_err(|error| {
        let what = match &issuer.at {
            Published::Jwks(_) => "jwks URL",
            Published::Discovery(_) => "oidc discovery URL",
        };
        Error::invalid(format!("error checking {what}: {}", error.message))
    })?;
    // Who begins a login first must not be the one to wait for it.
    issuer.keep(&found)?;
    match (&config.client, &found.provider) {
        (Some(client), Some(provider)) => {
            let mut granted = vec![config.oidc_discovery_url.as_str()];
            granted.extend(config.oidc_discovery_hosts.iter().map(String::as_str));
            client.check(provider, &granted)
        }
        _ => Ok(()),
    }
}
