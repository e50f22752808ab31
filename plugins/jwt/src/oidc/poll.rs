//! What has come of a login that somebody waits for.

use coffer_sdk::prelude::*;

use super::callback::person;
use super::outcome::Outcome;
use super::provider::{Party, Polled};
use super::state::{Flow, expired};
use super::{CLIENT_NONCE, STATE, configured, login_failed};
use crate::browser::CallbackMode;
use crate::role::Role;

pub(crate) const PATH: Path = Path::new(
    "oidc/poll",
    "The login of somebody who waits for it; until it is there, authorization_pending.",
)
.fields(&[STATE.decl(), CLIENT_NONCE.decl()])
.unauthenticated()
.write(poll);

fn poll(request: &Request) -> Result<Response> {
    configured()?;
    let state = request.get(STATE)?.unwrap_or_default();
    let flow = Flow::open(&state)?;
    flow.check_client(&request.get(CLIENT_NONCE)?.unwrap_or_default())?;
    let role = Role::load(&flow.role)?.filter(|role| role.is_oidc);
    let role = role.ok_or_else(|| login_failed("Role could not be found"))?;
    let auth = role.token.auth(&request.caller.remote_address)?;
    let person = match (Outcome::load(&state, &flow)?, flow.mode) {
        (Some(Outcome::Waits(person)), CallbackMode::Direct) => person,
        (None, CallbackMode::Direct) => return Err(Error::invalid("authorization_pending")),
        (None, CallbackMode::Device) => {
            let party = Party::load()?;
            match party.poll(&flow.device_code)? {
                Polled::Pending(word) => return Err(Error::invalid(word)),
                Polled::Tokens(tokens) => person(&party, &flow.role, &role, &tokens, None)?,
            }
        }
        _ => return Err(expired()),
    };
    Outcome::Served.keep(&state, &flow)?;
    person.login(auth)
}
