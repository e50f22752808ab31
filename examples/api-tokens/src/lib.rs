//! A secret engine for a small HTTP service that hands out API tokens: `creds/<role>` makes one, and when its lease ends
//! it is deleted there.

use coffer_sdk::effects::LeaseRequest;
use coffer_sdk::http;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

const URL: Field<String> = Field::text("url", "Where the service is: https://api.example.com").destination();
const KEY: Field<String> = Field::text("key", "The key that may make and delete tokens there.").required();
const TTL: Field<Seconds> = Field::duration("ttl", "How long a token lives.");
const ROLE: Field<String> = Field::text("role", "What the token is for.");

/// The secret engine.
pub static PLUGIN: Plugin = Plugin::secret("api-tokens", env!("CARGO_PKG_VERSION"), "API tokens of a small service.")
    .paths(&[
        Path::new("config", "Where the service is.")
            .fields(&[URL.decl(), KEY.decl(), TTL.decl()])
            .read(read)
            .write(write),
        Path::new("creds/{role}", "A new token.").fields(&[ROLE.decl()]).read(creds),
    ])
    .revoke(revoke);

coffer_sdk::export_plugin!(PLUGIN);

#[derive(Serialize, Deserialize)]
struct Config {
    url: String,
    key: String,
    ttl: u64,
}

impl Config {
    fn load() -> Result<Self> {
        storage::get_json("config")?.ok_or_else(|| Error::invalid("the mount is not configured: write config"))
    }

    fn request(&self, method: &str, id: &str) -> http::Request {
        let url = format!("{}/tokens/{id}", self.url.trim_end_matches('/'));
        http::Request::new(method, url).header("authorization", format!("Bearer {}", self.key))
    }
}

fn write(request: &Request) -> Result<Response> {
    let ttl = request.get(TTL)?.unwrap_or(Seconds(900)).0;
    storage::put_json("config", &Config { url: request.require(URL)?, key: request.require(KEY)?, ttl })?;
    Ok(Response::empty())
}

fn read(_: &Request) -> Result<Response> {
    let config = Config::load()?;
    Ok(Response::data(json!({ "url": config.url, "ttl": config.ttl })))
}

fn creds(request: &Request) -> Result<Response> {
    let (config, role) = (Config::load()?, request.require(ROLE)?);
    // We choose the token's name, and the lease that will delete it is durable before the token exists.
    let id = random::uuid();
    let lease = effects::lease(&LeaseRequest {
        ttl: config.ttl,
        max_ttl: config.ttl,
        renewable: false,
        group: String::new(),
        internal: json!({ "id": id }).to_string(),
    })?;
    let made = config.request("PUT", &id).json(&json!({ "role": role, "ttl": lease.ttl })).send()?;
    if !made.is_success() {
        return Err(Error::unavailable(format!("the service answered with {}", made.status)));
    }
    Ok(Response::data(json!({ "id": id, "token": made.json()?["token"] })))
}

fn revoke(lease: &Lease) -> Result<()> {
    #[derive(Deserialize)]
    struct Internal {
        id: String,
    }
    let answer = Config::load()?.request("DELETE", &lease.internal::<Internal>()?.id).send()?;
    // Gone already is gone.
    if answer.is_success() || answer.status == 404 {
        return Ok(());
    }
    Err(Error::unavailable(format!("the service answered with {}", answer.status)))
}
