//! Keys that an issuer publishes. They are fetched when they are needed first, kept, and fetched again when a token names one
//! that is not among them: an issuer may have a new one at any time. How often that happens no token decides.

use coffer_sdk::http::{Request, TlsOptions, Verification};
use coffer_sdk::{Error, Result, clock, effects, log, storage};
use serde::{Deserialize, Serialize};

use crate::{KeySet, Provider};

/// After which the keys are fetched again in any case, in milliseconds: one may have been withdrawn.
const FRESH: u64 = 60 * 60 * 1000;
/// After which they are not trusted any more, in milliseconds, if the issuer does not answer.
const TRUSTED: u64 = 24 * 60 * 60 * 1000;
/// Within which the issuer is not asked twice, in milliseconds, whatever tokens name and whatever it answers.
const AT_MOST_EVERY: u64 = 10 * 1000;

/// Where an issuer says which keys it has.
#[derive(Clone, Debug)]
pub enum Published {
    /// At this URL.
    Jwks(String),
    /// Where its configuration says (OpenID Connect Discovery 1.0): its URL, and whether it must be the issuer that it says.
    Discovery(String),
}

/// An issuer's keys.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Where they are.
    pub at: Published,
    /// Certificates in PEM that vouch for the server; empty means the public roots.
    pub roots: String,
    /// What lets us ask, if that is needed.
    pub bearer: Option<String>,
    /// Under which the mount keeps them.
    pub kept_as: &'static str,
}

/// What an issuer publishes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found {
    /// Its keys.
    pub keys: KeySet,
    /// What it says of itself, if it was asked.
    #[serde(default)]
    pub provider: Option<Provider>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// Milliseconds since 1970.
    fetched: u64,
    /// When the issuer was asked last, whether it has answered or not.
    asked: u64,
    /// From where: what the configuration said before does not count.
    from: String,
    #[serde(flatten)]
    found: Found,
}

impl Issuer {
    /// The keys, among which is the one of this name, if the issuer has it.
    ///
    /// # Errors
    /// Unavailable if the issuer does not answer, or nonsense.
    pub fn keys(&self, id: Option<&str>) -> Result<KeySet> {
        Ok(self.found(id)?.keys)
    }

    /// What it says of itself: see [`Published::Discovery`].
    ///
    /// # Errors
    /// As [`keys`](Self::keys), and if it is not asked that.
    pub fn provider(&self) -> Result<Provider> {
        let found = self.found(None)?.provider;
        found.ok_or_else(|| Error::unavailable("the issuer is no OpenID provider"))
    }

    fn found(&self, id: Option<&str>) -> Result<Found> {
        let now = clock::now();
        let since = |then: u64| now.saturating_sub(then);
        let kept: Option<Kept> = storage::get_json(self.kept_as)?;
        let kept = kept.filter(|kept| kept.from == self.url() && since(kept.fetched) < TRUSTED);
        let Some(kept) = kept else {
            return self.fetch_and_keep();
        };
        let is_fresh = since(kept.fetched) < FRESH && kept.found.keys.has(id);
        if is_fresh || since(kept.asked) < AT_MOST_EVERY {
            return Ok(kept.found);
        }
        let kept = Kept { asked: now, ..kept };
        storage::put_json(self.kept_as, &kept)?;
        // That it was asked counts also if this login fails.
        effects::prepare()?;
        self.fetch_and_keep().or_else(|error| {
            log::warn(&format!(
                "the issuer's keys are those of before: {}",
                error.message
            ));
            Ok(kept.found)
        })
    }

    /// Keeps what was [fetched](Self::fetch) now.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub fn keep(&self, found: &Found) -> Result<()> {
        let now = clock::now();
        let kept = Kept {
            fetched: now,
            asked: now,
            from: self.url().to_owned(),
            found: found.clone(),
        };
        storage::put_json(self.kept_as, &kept)
    }

    fn fetch_and_keep(&self) -> Result<Found> {
        let found = self.fetch()?;
        self.keep(&found)?;
        Ok(found)
    }

    /// Fetches them now, without keeping them.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    pub fn fetch(&self) -> Result<Found> {
        let (url, provider) = match &self.at {
            Published::Jwks(url) => (url.clone(), None),
            Published::Discovery(issuer) => {
                let found = self.discover(issuer)?;
                (found.jwks_uri.clone(), Some(found))
            }
        };
        Ok(Found {
            keys: KeySet::from_jwks(&self.get(&url)?)?,
            provider,
        })
    }

    fn discover(&self, issuer: &str) -> Result<Provider> {
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let found: Provider = serde_json::from_slice(&self.get(&url)?).map_err(|_| {
            Error::unavailable(format!("{url} is no configuration of an OpenID provider"))
        })?;
        if found.issuer != *issuer {
            return Err(Error::unavailable(format!(
                "{url} says it is of another issuer: {:?}",
                found.issuer
            )));
        }
        Ok(found)
    }

    fn url(&self) -> &str {
        match &self.at {
            Published::Jwks(url) | Published::Discovery(url) => url,
        }
    }

    fn get(&self, url: &str) -> Result<Vec<u8>> {
        // Kubernetes has its keys under the type of RFC 7517 only, and says 406 to whom that does not suit.
        let mut request =
            Request::new("GET", url).header("accept", "application/json, application/jwk-set+json");
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if !self.roots.is_empty() {
            request = request.tls(trusting(url, &self.roots));
        }
        let answer = request.send()?;
        if !answer.is_success() {
            return Err(Error::unavailable(format!(
                "{url} answers with status {}",
                answer.status
            )));
        }
        Ok(answer.body)
    }
}

/// TLS with the server of this URL, for which these certificates vouch.
pub fn trusting(url: &str, roots: &str) -> TlsOptions {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = after.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    TlsOptions {
        server_name: host.unwrap_or_default().to_owned(),
        verification: Verification::Full,
        root_certificates: roots.to_owned(),
        client_certificate: String::new(),
        client_key: String::new(),
    }
}
