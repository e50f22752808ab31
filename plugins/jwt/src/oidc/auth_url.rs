//! Where somebody logs in.

use coffer_sdk::prelude::*;
use serde_json::{Map, Value};

use super::provider::Party;
use super::state::{Flow, digest};
use super::{CLIENT_NONCE, LONGEST_NONCE, configured};
use crate::browser::CallbackMode;
use crate::role::Role;

const ROLE: Field<String> =
    Field::text("role", "The role; the mount's default if it is not given.");
const REDIRECT_URI: Field<String> = Field::text(
    "redirect_uri",
    "Where the provider is to send the browser back to: one of the role's. A login on another device needs none.",
);

pub(crate) const PATH: Path = Path::new(
    "oidc/auth_url",
    "The URL where somebody logs in at the provider; empty if they may not, for a reason that the server's log has.",
)
.fields(&[ROLE.decl(), REDIRECT_URI.decl(), CLIENT_NONCE.decl()])
.unauthenticated()
.write(auth_url);

/// The longest URL that somebody may be sent back to, in bytes.
const LONGEST_URI: usize = 2048;
/// The longest code of a provider for a device, in bytes.
const LONGEST_DEVICE_CODE: usize = 4096;
/// How often a result is asked for if nobody says, in seconds.
const POLL_INTERVAL: i64 = 5;

fn auth_url(request: &Request) -> Result<Response> {
    let (config, client) = configured()?;
    let text = |field| Ok::<_, Error>(request.get(field)?.unwrap_or_default());
    let name = match text(ROLE)? {
        given if given.is_empty() => config.default_role.clone(),
        given => given,
    };
    if name.is_empty() {
        return Err(Error::invalid("missing role"));
    }
    let role = Role::load(&name)?
        .ok_or_else(|| Error::invalid(format!("role {name:?} could not be found")))?;
    let nonce = text(CLIENT_NONCE)?;
    if nonce.len() > LONGEST_NONCE {
        return Err(Error::invalid(format!(
            "client_nonce can have {LONGEST_NONCE} bytes"
        )));
    }
    let mode = role.browser.callback_mode;
    // Where others than the browser's own machine hear of the answer, it must be known whose it is.
    if nonce.is_empty() && (mode != CallbackMode::Client || client.posts()) {
        return Err(Error::invalid("missing client_nonce"));
    }
    let redirect_uri = text(REDIRECT_URI)?;
    if redirect_uri.is_empty() && mode != CallbackMode::Device {
        return Err(Error::invalid("missing redirect_uri"));
    }
    if !role.is_oidc {
        return Ok(nowhere(&format!(
            "role {name:?} is not for logins with a browser"
        )));
    }
    if mode != CallbackMode::Device
        && (redirect_uri.len() > LONGEST_URI || !role.browser.allows(&redirect_uri))
    {
        let shown: String = redirect_uri.chars().take(200).collect();
        return Ok(nowhere(&format!(
            "unauthorized redirect_uri {shown:?} for role {name:?}"
        )));
    }
    let party = match Party::load() {
        Ok(party) => party,
        Err(error) => return Ok(nowhere(&error.message)),
    };
    let flow = Flow::new(&name, &redirect_uri, mode, &request.caller.remote_address);
    let flow = flow.of_client(&nonce);
    match mode {
        CallbackMode::Device => on_another_device(&party, &role, flow),
        CallbackMode::Client | CallbackMode::Direct => here(&party, &role, &flow),
    }
}

/// The answer to those who get none. Anybody may ask: why not is for the operator.
fn nowhere(why: &str) -> Response {
    log::warn(&format!("no login at the OpenID provider: {why}"));
    Response::data(json!({"auth_url": ""}))
}

/// With a browser that comes back.
fn here(party: &Party, role: &Role, flow: &Flow) -> Result<Response> {
    let state = flow.seal()?;
    let url = match party.login_url(role, flow, &state, &digest(&state)) {
        Ok(url) => url,
        Err(error) => return Ok(nowhere(&error.message)),
    };
    let mut data = Map::from_iter([("auth_url".to_owned(), url.into())]);
    if flow.mode == CallbackMode::Direct {
        let interval = match role.browser.poll_interval {
            0 => POLL_INTERVAL,
            given => given,
        };
        to_poll(&mut data, state, interval);
    }
    Ok(Response::data(data.into()))
}

/// With any browser there is.
fn on_another_device(party: &Party, role: &Role, mut flow: Flow) -> Result<Response> {
    let device = party.device(role)?;
    if device.device_code.len() > LONGEST_DEVICE_CODE {
        return Err(Error::unavailable(
            "error authorizing device: the provider's device_code is too long",
        ));
    }
    flow.device_code = device.device_code;
    let mut data = Map::new();
    let url = match (device.verification_uri_complete, device.verification_uri) {
        (Some(complete), _) => complete,
        (None, plain) => {
            data.insert("user_code".to_owned(), json!(device.user_code));
            plain.unwrap_or_default()
        }
    };
    data.insert("auth_url".to_owned(), url.into());
    let interval = match (role.browser.poll_interval, device.interval) {
        (0, None) => POLL_INTERVAL,
        (0, Some(said)) => said.clamp(1, 60) as i64,
        (given, _) => given,
    };
    to_poll(&mut data, flow.seal()?, interval);
    Ok(Response::data(data.into()))
}

fn to_poll(data: &mut Map<String, Value>, state: String, interval: i64) {
    data.insert("state".to_owned(), state.into());
    data.insert("poll_interval".to_owned(), interval.to_string().into());
}
