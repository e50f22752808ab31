//! Which cluster it is, and how it is asked.

use coffer_jwt::{Issuer, KeySet, Published, trusting};
use coffer_sdk::prelude::*;
use coffer_sdk::{http, pod};
use serde::{Deserialize, Serialize};

const HOST: Field<String> = Field::text(
    "kubernetes_host",
    "The URL of the cluster's API server, such as https://10.0.0.1:6443.",
)
.required()
.destination();
const CA: Field<String> = Field::text(
    "kubernetes_ca_cert",
    "Certificates in PEM that vouch for the API server; those of the pod that the server runs in if there are none.",
);
const REVIEWER: Field<String> = Field::text(
    "token_reviewer_jwt",
    "The token of an account that may review others (system:auth-delegator); that of the pod that the server runs in if there is \
     none. Without either each token reviews itself.",
);
const PEM_KEYS: Field<Vec<String>> = Field::text_list(
    "pem_keys",
    "The public keys, in PEM, that the cluster signs tokens with.",
);
const JWKS_URL: Field<String> = Field::text(
    "jwks_url",
    "Where the cluster publishes them, for verifying tokens without a review; /openid/v1/jwks of the API server if neither \
     this nor oidc_discovery_url is given.",
)
.destination();
const DISCOVERY_URL: Field<String> = Field::text(
    "oidc_discovery_url",
    "The cluster's issuer, whose configuration says where its keys are.",
)
.destination();
const DISABLE_REVIEW: Field<bool> = Field::boolean(
    "disable_token_review",
    "Verify tokens with the cluster's keys alone, without asking it at each login. What was deleted in the cluster logs in \
     until its token expires.",
);
const ISSUER: Field<String> = Field::text(
    "issuer",
    "The issuer (iss) that tokens have, where it is looked at.",
);
const DISABLE_ISSUER: Field<bool> =
    Field::boolean("disable_iss_validation", "Do not look at the issuer.").default_json("true");
const DISABLE_LOCAL: Field<bool> = Field::boolean(
    "disable_local_ca_jwt",
    "Do not take certificates and token of the pod that the server runs in: the public certificates vouch for the API server, and \
     each token reviews itself.",
);

pub(crate) const PATH: Path = Path::new("config", "Which cluster it is.")
    .fields(&[
        HOST.decl(),
        CA.decl(),
        REVIEWER.decl(),
        PEM_KEYS.decl(),
        JWKS_URL.decl(),
        DISCOVERY_URL.decl(),
        DISABLE_REVIEW.decl(),
        ISSUER.decl(),
        DISABLE_ISSUER.decl(),
        DISABLE_LOCAL.decl(),
    ])
    .read(|_| match Config::load()? {
        Some(config) => Ok(Response::data(config.shown())),
        None => Err(Error::not_found("")),
    })
    .write(write);

const STORED: &str = "config";
/// Where published keys are kept.
const KEYS: &str = "keys";
/// The issuer of tokens that live in secrets, of clusters before 1.24.
const OLD_ISSUER: &str = "kubernetes/serviceaccount";

#[derive(Serialize, Deserialize)]
pub(crate) struct Config {
    pub kubernetes_host: String,
    kubernetes_ca_cert: String,
    token_reviewer_jwt: String,
    pem_keys: Vec<String>,
    jwks_url: String,
    oidc_discovery_url: String,
    pub disable_token_review: bool,
    issuer: String,
    disable_iss_validation: bool,
    disable_local_ca_jwt: bool,
}

impl Config {
    pub fn load() -> Result<Option<Self>> {
        storage::get_json(STORED)
    }

    /// Without the reviewer's token.
    fn shown(&self) -> serde_json::Value {
        json!({
            "kubernetes_host": self.kubernetes_host,
            "kubernetes_ca_cert": self.kubernetes_ca_cert,
            "token_reviewer_jwt_set": !self.token_reviewer_jwt.is_empty(),
            "pem_keys": self.pem_keys,
            "jwks_url": self.jwks_url,
            "oidc_discovery_url": self.oidc_discovery_url,
            "disable_token_review": self.disable_token_review,
            "issuer": self.issuer,
            "disable_iss_validation": self.disable_iss_validation,
            "disable_local_ca_jwt": self.disable_local_ca_jwt,
        })
    }

    /// The issuer that tokens must have; None if any will do.
    pub fn expected_issuer(&self) -> Option<&str> {
        match (self.disable_iss_validation, self.issuer.as_str()) {
            (true, _) => None,
            (false, "") => Some(OLD_ISSUER),
            (false, issuer) => Some(issuer),
        }
    }

    /// The keys that tokens are verified with before anything else; None if the cluster is asked about each token alone.
    pub fn keys(&self, id: Option<&str>) -> Result<Option<KeySet>> {
        if !self.pem_keys.is_empty() {
            return KeySet::from_pems(self.pem_keys.iter().map(String::as_str)).map(Some);
        }
        if !self.disable_token_review {
            return Ok(None);
        }
        let issuer = match (self.jwks_url.as_str(), self.oidc_discovery_url.as_str()) {
            ("", "") => Issuer {
                at: Published::Jwks(self.url("/openid/v1/jwks")),
                roots: self.roots()?,
                bearer: self.reviewer()?,
                kept_as: KEYS,
            },
            (url, issuer) => Issuer {
                at: match url {
                    "" => Published::Discovery(issuer.to_owned()),
                    url => Published::Jwks(url.to_owned()),
                },
                // It may be anybody's: the pod's token is for its API server alone.
                roots: self.kubernetes_ca_cert.clone(),
                bearer: self.given_reviewer(),
                kept_as: KEYS,
            },
        };
        issuer.keys(id).map(Some)
    }

    fn given_reviewer(&self) -> Option<String> {
        Some(self.token_reviewer_jwt.clone()).filter(|token| !token.is_empty())
    }

    /// The token to review others with; None if each reviews itself. The pod's is another after a while.
    pub fn reviewer(&self) -> Result<Option<String>> {
        let given = self.given_reviewer();
        if given.is_some() || self.disable_local_ca_jwt {
            return Ok(given);
        }
        let found = pod::service_account_token()?.map(|token| token.trim().to_owned());
        Ok(found.filter(|token| !token.is_empty()))
    }

    /// The certificates that vouch for the API server; empty means the public roots.
    fn roots(&self) -> Result<String> {
        let given = &self.kubernetes_ca_cert;
        let is_plain = self.kubernetes_host.starts_with("http://");
        if !given.is_empty() || self.disable_local_ca_jwt || is_plain {
            return Ok(given.clone());
        }
        pod::certificate_authority()?.ok_or_else(|| {
            Error::unavailable(
                "nothing vouches for the API server: there is no kubernetes_ca_cert, and the server runs in no pod that has one; \
                 write it, or set disable_local_ca_jwt if the API server has a public certificate",
            )
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.kubernetes_host.trim_end_matches('/'))
    }

    /// A request to the API server with somebody's token.
    pub fn request(&self, method: &str, path: &str, bearer: &str) -> Result<http::Request> {
        let url = self.url(path);
        let request = http::Request::new(method, &url)
            .header("authorization", format!("Bearer {bearer}"))
            .header("accept", "application/json");
        Ok(match self.roots()?.as_str() {
            "" => request,
            roots => request.tls(trusting(&url, roots)),
        })
    }
}

fn write(request: &Request) -> Result<Response> {
    let text = |field| Ok::<_, Error>(request.get(field)?.unwrap_or_default());
    let config = Config {
        kubernetes_host: text(HOST)?,
        kubernetes_ca_cert: text(CA)?,
        token_reviewer_jwt: text(REVIEWER)?.trim().to_owned(),
        pem_keys: request.get(PEM_KEYS)?.unwrap_or_default(),
        jwks_url: text(JWKS_URL)?,
        oidc_discovery_url: text(DISCOVERY_URL)?,
        disable_token_review: request.get(DISABLE_REVIEW)?.unwrap_or_default(),
        issuer: text(ISSUER)?,
        disable_iss_validation: request.get(DISABLE_ISSUER)?.unwrap_or(true),
        disable_local_ca_jwt: request.get(DISABLE_LOCAL)?.unwrap_or_default(),
    };
    if config.kubernetes_host.is_empty() {
        return Err(Error::invalid("no host provided"));
    }
    if !config.kubernetes_host.starts_with("https://")
        && !config.kubernetes_host.starts_with("http://")
    {
        return Err(Error::invalid(
            "kubernetes_host is no URL: it begins with https:// or http://",
        ));
    }
    KeySet::from_pems(config.pem_keys.iter().map(String::as_str))?;
    config
        .roots()
        .map_err(|error| Error::invalid(error.message))?;
    storage::put_json(STORED, &config)?;
    storage::delete(KEYS)?;
    Ok(Response::empty())
}
