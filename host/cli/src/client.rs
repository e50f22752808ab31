//! The HTTP client of every command: one place for headers, retries, redirects and errors.

mod error;
mod instead;
mod request;
mod unix;

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use ureq::config::Config;
use ureq::http::{Request, Response, StatusCode, Uri, header};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, AsSendBody, Body};
use zeroize::Zeroizing;

pub use self::error::ClientError;
use self::instead::{Instead, policy};
pub use self::request::Method;
use self::request::{content_type, target};
use self::unix::UnixConnector;
use crate::args::Globals;
use crate::error::CliError;
use crate::output::Waiting;
use crate::secret::Secret;
use crate::{duration, environment, limits, tls, token_helper};

const DEFAULT_ADDRESS: &str = "https://127.0.0.1:8200";

/// An answer with a status of success.
pub struct Answer {
    /// The body; empty for 204.
    pub body: Zeroizing<Vec<u8>>,
    method: &'static str,
    url: String,
}

impl Answer {
    /// The body as a type; None if it is empty.
    ///
    /// # Errors
    /// If it is something else.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<Option<T>, ClientError> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        serde_json::from_slice(&self.body)
            .map(Some)
            .map_err(|error| ClientError::Malformed {
                method: self.method,
                url: self.url.clone(),
                reason: format!("line {}, column {}", error.line(), error.column()),
            })
    }
}

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    /// Where requests go: with `-tls-server-name`, the host is that name and the agent knows where it is.
    base: String,
    /// The address as it was given, for curl and for errors.
    address: String,
    token: Option<Zeroizing<String>>,
    namespace: Option<String>,
    wrap_ttl: Option<String>,
    headers: Vec<(String, String)>,
    retries: u32,
    /// How long a request may take, where the command knows better than the agent.
    patience: Option<Duration>,
    redirects: bool,
    instead: Option<Instead>,
}

impl Client {
    /// A client as the flags, the environment and the token helper say, in this order.
    ///
    /// # Errors
    /// If any of that is not usable.
    pub fn new(globals: &Globals) -> Result<Self, CliError> {
        let or =
            |flag: &Option<String>, name: &str| flag.clone().or_else(|| environment::get(name));
        let address = or(&globals.address, "ADDR").unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
        let address = address.trim_end_matches('/').to_owned();
        let socket = unix::socket_of(&address);
        let uri = socket.as_ref().map_or(address.as_str(), |_| unix::BASE);
        let uri: Uri = uri.parse().map_err(|_| bad_address(&address))?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(bad_address(&address));
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(timeout()?))
            .user_agent(concat!("coffer/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls::config(globals)?);
        // As every client: what is on this machine is not behind a proxy.
        if is_here(&uri) {
            config = config.proxy(None);
        }
        let config = config.build();
        let server_name = or(&globals.tls_server_name, "TLS_SERVER_NAME");
        let (base, agent) = match (socket, server_name) {
            (Some(socket), _) => (
                unix::BASE.to_owned(),
                Agent::with_parts(config, UnixConnector(socket), DefaultResolver::default()),
            ),
            (None, Some(name)) if uri.scheme_str() == Some("https") => {
                let port = authority.port_u16().unwrap_or(443);
                let base = format!("https://{name}:{port}{}", uri.path().trim_end_matches('/'));
                (
                    base,
                    Agent::with_parts(config, DefaultConnector::default(), Elsewhere { real: uri }),
                )
            }
            _ => (address.clone(), Agent::new_with_config(config)),
        };
        let token = match environment::get("TOKEN") {
            Some(token) => Some(Zeroizing::new(token.trim().to_owned())),
            None => token_helper::load()?,
        };
        Ok(Self {
            agent,
            base,
            address,
            token,
            namespace: or(&globals.namespace, "NAMESPACE")
                .map(|path| path.trim_matches('/').to_owned())
                .filter(|path| !path.is_empty()),
            wrap_ttl: or(&globals.wrap_ttl, "WRAP_TTL"),
            headers: headers(&globals.header)?,
            retries: number("MAX_RETRIES")?.unwrap_or(limits::CLIENT_RETRIES),
            patience: None,
            redirects: !(globals.disable_redirects || environment::is_true("DISABLE_REDIRECTS")?),
            instead: Instead::asked(globals),
        })
    }

    /// The scheme, host and port of the server.
    pub fn server(&self) -> (String, String, u16) {
        let uri: Uri = self.address.parse().unwrap_or_default();
        let scheme = uri.scheme_str().unwrap_or("https").to_owned();
        let usual = if scheme == "http" { 80 } else { 443 };
        let port = uri.port_u16().unwrap_or(usual);
        (scheme, uri.host().unwrap_or("localhost").to_owned(), port)
    }

    /// The same client, for answers that are not what the command was asked for.
    pub fn unwrapped(&self) -> Self {
        Self {
            wrap_ttl: None,
            ..self.clone()
        }
    }

    /// The same client, for what a command has to know before its own request: never wrapped, never printed instead.
    pub fn aside(&self) -> Self {
        Self {
            wrap_ttl: None,
            instead: None,
            ..self.clone()
        }
    }

    /// The same client, which does not try again.
    pub fn once(mut self) -> Self {
        self.retries = 0;
        self
    }

    /// The same client, for what takes a server long; unless its user has said how long to wait.
    pub fn patient(mut self, patience: Duration) -> Self {
        if environment::named("CLIENT_TIMEOUT").is_none() {
            self.patience = Some(patience);
        }
        self
    }

    /// Uses another token, or none, from now on.
    pub fn set_token(&mut self, token: Option<Zeroizing<String>>) {
        self.token = token;
    }

    /// Does not ask for wrapped answers from now on.
    pub fn clear_wrapping(&mut self) {
        self.wrap_ttl = None;
    }

    /// The token in use.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref().map(String::as_str)
    }

    /// Reads. None where there is nothing.
    ///
    /// # Errors
    /// If the server does not answer, or refuses.
    pub fn read(
        &self,
        path: &str,
        query: &[(String, String)],
    ) -> Result<Option<Secret>, ClientError> {
        absent(self.send(Method::Get, path, query, None))
    }

    /// Lists. None where there is nothing.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn list(&self, path: &str) -> Result<Option<Secret>, ClientError> {
        self.list_page(path, &[])
    }

    /// Lists with parameters, such as where to begin.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn list_page(
        &self,
        path: &str,
        query: &[(String, String)],
    ) -> Result<Option<Secret>, ClientError> {
        absent(self.send(Method::List, path, query, None))
    }

    /// Deletes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn delete(
        &self,
        path: &str,
        query: &[(String, String)],
    ) -> Result<Option<Secret>, ClientError> {
        absent(self.send(Method::Delete, path, query, None))
    }

    /// Writes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write(&self, path: &str, data: &Value) -> Result<Option<Secret>, ClientError> {
        self.send(Method::Put, path, &[], Some(data))?.json()
    }

    /// Writes, where Vault's clients use POST.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn post(&self, path: &str, data: &Value) -> Result<Option<Secret>, ClientError> {
        self.send(Method::Post, path, &[], Some(data))?.json()
    }

    /// Patches.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn patch(&self, path: &str, data: &Value) -> Result<Option<Secret>, ClientError> {
        self.send(Method::Patch, path, &[], Some(data))?.json()
    }

    /// Sends a request. It is tried again when the server was not there or says that the fault is its own.
    ///
    /// # Errors
    /// Unless the answer's status is one of success.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let target = target(method, path, query);
        let body = body.map(|body| Zeroizing::new(body.to_string()));
        if let Some(instead) = self.instead {
            let body = body.as_ref().map(|body| body.as_str());
            return Err(ClientError::Instead(match instead {
                Instead::Curl => self.as_curl(method, &target, body),
                Instead::Policy => policy(method, path),
            }));
        }
        let _waiting = Waiting::begin(&format!("Waiting for {}", self.address));
        let mut attempt = 0;
        loop {
            let sent = self.follow(method, &target, body.as_ref().map(|body| body.as_bytes()));
            let again = match &sent {
                Ok(response) => is_transient(response.status()),
                Err(error) => is_unreachable(error),
            };
            if again && attempt < self.retries {
                attempt += 1;
                // The only thing that this process does: there is nobody whose clock it could be.
                std::thread::sleep(
                    limits::CLIENT_BACKOFF
                        .saturating_mul(attempt)
                        .min(limits::CLIENT_BACKOFF_MAX),
                );
                continue;
            }
            return self.answer(method, &target, sent);
        }
    }

    /// One request, and the one redirect with which a standby names the active server.
    fn follow(
        &self,
        method: Method,
        target: &str,
        body: Option<&[u8]>,
    ) -> Result<Response<Body>, ureq::Error> {
        let response = self.once_to(method, &format!("{}{target}", self.base), body)?;
        let moved = matches!(response.status().as_u16(), 301 | 302 | 307 | 308) && self.redirects;
        let location = response
            .headers()
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok());
        match location {
            // Never from https to http: the token would travel in the clear.
            Some(location)
                if moved
                    && (location.starts_with("https://")
                        || (location.starts_with("http://")
                            && !self.base.starts_with("https://"))) =>
            {
                self.once_to(method, location, body)
            }
            _ => Ok(response),
        }
    }

    fn once_to(
        &self,
        method: Method,
        url: &str,
        body: Option<&[u8]>,
    ) -> Result<Response<Body>, ureq::Error> {
        let mut request = Request::builder()
            .method(method.http())
            .uri(url)
            .header("X-Vault-Request", "true");
        if let Some(token) = &self.token {
            request = request.header("X-Vault-Token", token.as_str());
        }
        for (name, value) in self
            .named_headers()
            .chain(content_type(method, body.is_some()))
        {
            request = request.header(name, value);
        }
        match body {
            Some(body) => self.run(request.body(body)?),
            None => self.run(request.body(())?),
        }
    }

    fn run(&self, request: Request<impl AsSendBody>) -> Result<Response<Body>, ureq::Error> {
        let Some(patience) = self.patience else {
            return self.agent.run(request);
        };
        let config = self.agent.configure_request(request);
        self.agent
            .run(config.timeout_global(Some(patience)).build())
    }

    fn named_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let namespace = self
            .namespace
            .as_deref()
            .map(|value| ("X-Vault-Namespace", value));
        let wrap = self
            .wrap_ttl
            .as_deref()
            .map(|value| ("X-Vault-Wrap-TTL", value));
        let own = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        namespace.into_iter().chain(wrap).chain(own)
    }

    fn answer(
        &self,
        method: Method,
        target: &str,
        sent: Result<Response<Body>, ureq::Error>,
    ) -> Result<Answer, ClientError> {
        let (method, url) = (method.http(), format!("{}{target}", self.address));
        let transport = |error: ureq::Error| ClientError::Transport {
            method,
            url: url.clone(),
            reason: reason(&error),
        };
        let mut response = sent.map_err(transport)?;
        let status = response.status();
        let body = response
            .body_mut()
            .with_config()
            .limit(limits::CLIENT_RESPONSE)
            .read_to_vec()
            .map_err(transport)?;
        if status.is_success() {
            return Ok(Answer {
                body: Zeroizing::new(body),
                method,
                url,
            });
        }
        let errors = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|body| {
                let errors = body.get("errors")?.as_array()?;
                Some(
                    errors
                        .iter()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect::<Vec<_>>(),
                )
            });
        Err(ClientError::Api {
            method,
            url,
            namespace: self.namespace.clone(),
            status: status.as_u16(),
            // An empty list says nothing, and is not worth showing either.
            raw: if errors.is_some() {
                String::new()
            } else {
                String::from_utf8_lossy(&body).into_owned()
            },
            errors: errors.unwrap_or_default(),
        })
    }
}

/// A missing thing is no error, where it is asked for; but an answer with content is one, whatever its status.
fn absent(sent: Result<Answer, ClientError>) -> Result<Option<Secret>, ClientError> {
    match sent {
        Ok(answer) => {
            let secret: Option<Secret> = answer.json()?;
            match secret {
                // A few `sys` paths answer without the envelope: then all of it is data.
                Some(secret) if secret.request_id.is_empty() && secret.is_empty() => {
                    let data = answer.json()?;
                    Ok(Some(Secret { data, ..secret }))
                }
                secret => Ok(secret),
            }
        }
        Err(ClientError::Api {
            status: 404, raw, ..
        }) => Ok(serde_json::from_str(&raw)
            .ok()
            .filter(|secret: &Secret| !secret.is_empty())),
        Err(error) => Err(error),
    }
}

/// As Vault's client: every 5xx but 501, and 412 (a standby that has not caught up).
fn is_transient(status: StatusCode) -> bool {
    status == StatusCode::PRECONDITION_FAILED
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

fn is_unreachable(error: &ureq::Error) -> bool {
    matches!(
        error,
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound
    )
}

fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn is_here(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

fn bad_address(address: &str) -> CliError {
    // As a server that is not there.
    CliError::Refused(format!(
        "{address:?} is not an address of a server; write for instance {DEFAULT_ADDRESS} (-address or VAULT_ADDR)"
    ))
}

fn number(name: &str) -> Result<Option<u32>, CliError> {
    let Some((variable, text)) = environment::named(name) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| CliError::Usage(format!("{variable}: {text:?} is not a number")))
}

fn timeout() -> Result<Duration, CliError> {
    let Some((variable, text)) = environment::named("CLIENT_TIMEOUT") else {
        return Ok(limits::CLIENT_TIMEOUT);
    };
    let seconds = duration::seconds(&text)
        .ok()
        .and_then(|seconds| u64::try_from(seconds).ok());
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| CliError::Usage(format!("{variable}: {text:?} is not a duration")))
}

fn headers(given: &[String]) -> Result<Vec<(String, String)>, CliError> {
    given
        .iter()
        .map(|header| {
            let (name, value) = header
                .split_once('=')
                .ok_or_else(|| CliError::usage("-header: write it as name=value"))?;
            if name.to_lowercase().starts_with("x-vault-") {
                return Err(CliError::Usage(format!(
                    "-header={name}: headers that start with X-Vault- are for internal use only"
                )));
            }
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Finds the real server behind the name that its certificate must have.
#[derive(Debug)]
struct Elsewhere {
    real: Uri,
}

impl Resolver for Elsewhere {
    fn resolve(
        &self,
        _: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        DefaultResolver::default().resolve(&self.real, config, timeout)
    }
}
