//! `login -method=oidc`: somebody logs in at an OpenID provider, with a browser. The browser comes back to this command
//! (`callbackmode=client`), to the server (`direct`), or need not come back (`device`).

use std::time::{Duration, Instant};

use coffer_clock::Random;
use serde_json::{Map, Value, json};

use super::super::Context;
use super::browser;
use super::listener::{Arrived, Listener};
use crate::client::{Client, ClientError, Method};
use crate::error::{CliError, Doing};
use crate::secret::Secret;
use crate::{limits, output};

const DOING: &str = "Error authenticating";

/// Logs in.
///
/// # Errors
/// If a field is unknown, or nobody logs in.
pub(super) fn run(
    context: &Context,
    mount: &str,
    fields: Map<String, Value>,
) -> Result<Secret, CliError> {
    let mut fields = Fields(fields);
    let mount = fields.take("mount").unwrap_or_else(|| mount.to_owned());
    let mode = fields.take("callbackmode").unwrap_or_default();
    let (mut flow, listener) = match mode.as_str() {
        "" | "client" => {
            let address = fields.or("listenaddress", "localhost");
            let listener = Listener::bind(&address, &fields.or("port", "8250"))?;
            let port = listener.port().to_string();
            let back = Back::taken(&mut fields, "http", "localhost", &port);
            (
                Flow::begin(context, mount, back, &mut fields)?,
                Some(listener),
            )
        }
        "direct" => {
            let (method, host, port) = context.client.server();
            let port = format!("{port}/v1/auth/{mount}");
            let back = Back::taken(&mut fields, &method, &host, &port);
            (Flow::begin(context, mount, back, &mut fields)?, None)
        }
        "device" => {
            let back = Back::taken(&mut fields, "http", "localhost", "8250");
            (Flow::begin(context, mount, back, &mut fields)?, None)
        }
        other => {
            return Err(CliError::Usage(format!(
                "callbackmode can be client, direct or device, and not {other:?}"
            )));
        }
    };
    match (listener, flow.polled.take()) {
        (Some(listener), None) => flow.await_browser(listener),
        (None, Some(polled)) => flow.poll(&polled),
        (Some(_), Some(_)) => Err(CliError::Refused(format!(
            "{DOING}: the role's callback_mode is not client: say callbackmode=direct or callbackmode=device"
        ))),
        (None, None) => Err(CliError::Refused(format!(
            "{DOING}: the role's callback_mode is client: leave out callbackmode"
        ))),
    }
}

/// What was given as key=value.
struct Fields(Map<String, Value>);

impl Fields {
    fn take(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name)? {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }

    fn or(&mut self, name: &str, otherwise: &str) -> String {
        self.take(name).unwrap_or_else(|| otherwise.to_owned())
    }

    fn switch(&mut self, name: &str) -> Result<bool, CliError> {
        match self.take(name).as_deref() {
            None | Some("false" | "0" | "f") => Ok(false),
            Some("true" | "1" | "t") => Ok(true),
            Some(other) => Err(CliError::Usage(format!(
                "{name} is true or false, and not {other:?}"
            ))),
        }
    }

    /// That there are no others.
    fn none_left(&self) -> Result<(), CliError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(CliError::Usage(format!(
                "{name:?} is no field of -method=oidc: these are role, mount, callbackmode, listenaddress, port, callbackmethod, \
                 callbackhost, callbackport, skip_browser and abort_on_error"
            ))),
        }
    }
}

/// Where the provider sends the browser back to.
struct Back(String);

impl Back {
    fn taken(fields: &mut Fields, method: &str, host: &str, port: &str) -> Self {
        let method = fields.or("callbackmethod", method);
        let host = fields.or("callbackhost", host);
        let port = fields.or("callbackport", port);
        Self(format!("{method}://{host}:{port}/oidc/callback"))
    }
}

/// What has to be asked for.
struct Polled {
    state: String,
    interval: Duration,
}

/// A login under way.
struct Flow<'c> {
    client: &'c Client,
    mount: String,
    nonce: String,
    /// What the browser carries.
    state: Option<String>,
    polled: Option<Polled>,
}

impl<'c> Flow<'c> {
    /// Asks where to log in, and sends somebody there.
    fn begin(
        context: &'c Context,
        mount: String,
        back: Back,
        fields: &mut Fields,
    ) -> Result<Self, CliError> {
        let role = fields.take("role").unwrap_or_default();
        let skip_browser = fields.switch("skip_browser")?;
        let abort_on_error = fields.switch("abort_on_error")?;
        fields.none_left()?;
        let nonce = Random::system().base62(20);
        let asked = json!({"role": role, "redirect_uri": back.0, "client_nonce": nonce});
        let path = format!("auth/{mount}/oidc/auth_url");
        let answer = context
            .client
            .unwrapped()
            .write(&path, &asked)
            .doing(DOING)?;
        let told = answer.unwrap_or_default();
        let text = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default();
        let url = text("auth_url");
        if url.is_empty() {
            return Err(CliError::Refused(format!(
                "Unable to authorize role {role:?} with redirect_uri {:?}. The server's log says why.",
                back.0
            )));
        }
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(CliError::Refused(format!(
                "{DOING}: what the server names is no URL for a browser"
            )));
        }
        let interval = text("poll_interval").parse().unwrap_or(5).clamp(1, 300);
        let polled = Some(text("state")).filter(|state| !state.is_empty());
        let flow = Self {
            client: &context.client,
            mount,
            nonce,
            state: browser::query(url, "state"),
            polled: polled.map(|state| Polled {
                state: state.to_owned(),
                interval: Duration::from_secs(interval),
            }),
        };
        if skip_browser || !context.interactive {
            output::complain(&format!(
                "Complete the login via your OIDC provider. Open the following link in your browser:\n\n    {url}\n\n"
            ));
        } else {
            output::complain(&format!(
                "Complete the login via your OIDC provider. Launching browser to:\n\n    {url}\n\n"
            ));
            if let Err(reason) = browser::open(url) {
                if abort_on_error {
                    return Err(CliError::Refused(format!("{DOING}: {reason}")));
                }
                output::complain(&format!("{reason}. Visit the link yourself."));
            }
        }
        output::complain("Waiting for OIDC authentication to complete...");
        let code = text("user_code");
        if !code.is_empty() {
            output::complain(&format!("When prompted, enter code {code}\n"));
        }
        Ok(flow)
    }

    fn path(&self, what: &str) -> String {
        format!("auth/{}/oidc/{what}", self.mount)
    }

    /// Waits until the browser comes back with what the provider gave it.
    fn await_browser(&self, listener: Listener) -> Result<Secret, CliError> {
        let deadline = Instant::now() + limits::OIDC_LOGIN;
        let arrivals = listener.listen();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(arrived) = arrivals.recv_timeout(left) else {
                return Err(CliError::Refused(
                    "Timed out waiting for response from provider".to_owned(),
                ));
            };
            // Any page in a browser can send it here; only the provider knows what it was given.
            if self
                .state
                .as_deref()
                .is_some_and(|state| arrived.field("state") != state)
            {
                arrived.answer(
                    400,
                    "Not logged in",
                    "This is not the login that is waited for.",
                );
                continue;
            }
            let done = self.complete(&arrived);
            match &done {
                Ok(_) => arrived.answer(
                    200,
                    "Logged in",
                    "You can close this window, and go on in the terminal.",
                ),
                Err(_) => arrived.answer(
                    400,
                    "Not logged in",
                    "The terminal where you have begun says why.",
                ),
            }
            return done;
        }
    }

    fn complete(&self, arrived: &Arrived) -> Result<Secret, CliError> {
        let error = arrived.field("error");
        if !error.is_empty() {
            let more = arrived.field("error_description");
            let said: String = format!("{error} {more}")
                .chars()
                .filter(|letter| !letter.is_control())
                .take(300)
                .collect();
            return Err(CliError::Refused(format!(
                "{DOING}: the provider refuses: {}",
                said.trim()
            )));
        }
        let path = self.path("callback");
        let mut fields: Vec<(String, String)> = ["state", "code"]
            .map(|name| (name.to_owned(), arrived.field(name).to_owned()))
            .into();
        fields.push(("client_nonce".to_owned(), self.nonce.clone()));
        if arrived.posted {
            let mut posted: Map<String, Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().into()))
                .collect();
            posted.insert("id_token".to_owned(), arrived.field("id_token").into());
            let body = Value::Object(posted);
            let client = self.client.unwrapped().once();
            // Its answer is a page for a browser. Whether it has worked the next request says.
            client.send(Method::Post, &path, &[], Some(&body)).ok();
        }
        let answer = self
            .client
            .clone()
            .once()
            .read(&path, &fields)
            .doing(DOING)?;
        answer.ok_or_else(nothing)
    }

    /// Asks until there is a result.
    fn poll(&self, polled: &Polled) -> Result<Secret, CliError> {
        let deadline = Instant::now() + limits::OIDC_POLLING;
        let asked = json!({"state": polled.state, "client_nonce": self.nonce});
        let mut interval = polled.interval;
        while Instant::now() < deadline {
            std::thread::sleep(interval);
            match self.client.write(&self.path("poll"), &asked) {
                Ok(answer) => return answer.ok_or_else(nothing),
                Err(error) if says(&error, "authorization_pending") => {}
                Err(error) if says(&error, "slow_down") => interval = interval.saturating_mul(2),
                Err(error) => return Err(error).doing(DOING),
            }
        }
        Err(CliError::Refused(
            "Timed out waiting for response from provider".to_owned(),
        ))
    }
}

fn says(error: &ClientError, word: &str) -> bool {
    matches!(error, ClientError::Api { errors, .. } if errors.iter().any(|error| error == word))
}

fn nothing() -> CliError {
    CliError::Refused(format!("{DOING}: the method answered nothing"))
}
