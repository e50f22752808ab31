//! What a browser brings back from the provider.

use coffer_sdk::prelude::*;
use serde_json::Value;

use super::outcome::Outcome;
use super::provider::{Party, Tokens};
use super::state::{Flow, digest, expired};
use super::{CLIENT_NONCE, STATE, configured, id_token, login_failed, page};
use crate::browser::CallbackMode;
use crate::person::Person;
use crate::role::Role;

const CODE: Field<String> = Field::text("code", "What the provider gave the browser.");
const ID_TOKEN: Field<String> = Field::text("id_token", "The same, where it is a token.");
const ERROR: Field<String> = Field::text("error", "Why the provider gave nothing.");
const ERROR_DESCRIPTION: Field<String> =
    Field::text("error_description", "The same, in more words.");
const ERROR_URI: Field<String> = Field::text("error_uri", "Where still more is said of it.");
const CONFIRMATION: Field<String> = Field::text(
    "confirmation",
    "That it was its owner who wanted the login, where the browser comes back to the server.",
);

pub(crate) const PATH: Path = Path::new(
    "oidc/callback",
    "Completes a login with what the browser brought from the provider.",
)
.fields(&[
    STATE.decl(),
    CODE.decl(),
    ID_TOKEN.decl(),
    CLIENT_NONCE.decl(),
    ERROR.decl(),
    ERROR_DESCRIPTION.decl(),
    ERROR_URI.decl(),
    CONFIRMATION.decl(),
])
.unauthenticated()
.read(come_back)
.write(post);

/// What the Vault UI says where it has posted the code before.
const POSTED: &str = "no_code";
/// What providers say (RFC 6749, 4.1.2.1; OpenID Connect Core 1.0, 3.1.2.6).
const ERRORS: [&str; 11] = [
    "invalid_request",
    "unauthorized_client",
    "access_denied",
    "unsupported_response_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
];

/// What a request brings.
struct Brought<'r> {
    request: &'r Request,
    state: String,
    flow: Flow,
    role: Role,
}

impl<'r> Brought<'r> {
    fn of(request: &'r Request) -> Result<Self> {
        let state = request.get(STATE)?.unwrap_or_default();
        let flow = Flow::open(&state)?;
        let role = Role::load(&flow.role)?.filter(|role| role.is_oidc);
        let role = role.ok_or_else(|| login_failed("Role could not be found"))?;
        Ok(Self {
            request,
            state,
            flow,
            role,
        })
    }

    fn text(&self, field: Field<String>) -> Result<String> {
        Ok(self.request.get(field)?.unwrap_or_default())
    }

    fn outcome(&self) -> Result<Option<Outcome>> {
        Outcome::load(&self.state, &self.flow)
    }

    /// Who has logged in at the provider.
    fn person(&self) -> Result<Person> {
        let error = self.text(ERROR)?;
        if !error.is_empty() {
            return Err(self.refused(error.trim())?);
        }
        let party = Party::load()?;
        let code = self.text(CODE)?;
        let tokens = if !code.is_empty() && code != POSTED {
            party.exchange(&self.flow, &code)?
        } else {
            let given = self.text(ID_TOKEN)?;
            if given.is_empty() || !party.client.wants_id_token() {
                return Err(login_failed("No code or id_token received."));
            }
            Tokens::brought(given)
        };
        person(
            &party,
            &self.flow.role,
            &self.role,
            &tokens,
            Some(&digest(&self.state)),
        )
    }

    /// The provider's refusal. Only its known words go on: the rest is for the operator.
    fn refused(&self, error: &str) -> Result<Error> {
        let short = |text: String| text.chars().take(500).collect::<String>();
        log::warn(&format!(
            "the OpenID provider refuses a login: {:?} {:?} {:?}",
            short(error.to_owned()),
            short(self.text(ERROR_DESCRIPTION)?),
            short(self.text(ERROR_URI)?),
        ));
        let error = error.to_ascii_lowercase();
        Ok(login_failed(match ERRORS.contains(&error.as_str()) {
            true => &error,
            false => "The provider refuses the login. The server's log says why.",
        }))
    }
}

/// The person of these tokens, whose claims satisfy the role.
pub(crate) fn person(
    party: &Party,
    name: &str,
    role: &Role,
    tokens: &Tokens,
    nonce: Option<&str>,
) -> Result<Person> {
    let mut claims = id_token::claims(party, role, tokens, nonce)?;
    if let Some(access_token) = &tokens.access_token {
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match party.user_info(access_token, subject) {
            Ok(more) => claims.extend(more),
            // What is missing then the role will say.
            Err(error) => log::info(&format!(
                "no more of a login than its token: {}",
                error.message
            )),
        }
    }
    if role.browser.verbose_logging {
        let shown = Value::Object(claims.clone());
        log::debug(&format!("OIDC provider response: claims {shown}"));
    }
    Person::of(name, role, &claims)
}

/// GET: whoever logs in brings it, or the browser itself.
fn come_back(request: &Request) -> Result<Response> {
    configured()?;
    let brought = Brought::of(request)?;
    match brought.flow.mode {
        CallbackMode::Client => client(&brought),
        CallbackMode::Direct => direct(&brought),
        CallbackMode::Device => Err(expired()),
    }
}

/// POST: the same in a form.
fn post(request: &Request) -> Result<Response> {
    let (_, client) = configured()?;
    if !client.posts() {
        return Err(Error::unsupported(
            "the configuration's oidc_response_mode is not form_post",
        ));
    }
    let shown = Brought::of(request).and_then(|brought| match brought.flow.mode {
        CallbackMode::Client => posted(&brought),
        CallbackMode::Direct => direct(&brought),
        CallbackMode::Device => Err(expired()),
    });
    shown.or_else(|error| page::failure(&error))
}

/// The login, for whoever has asked for it.
fn client(brought: &Brought<'_>) -> Result<Response> {
    let nonce = brought.text(CLIENT_NONCE)?;
    brought.flow.check_client(&nonce)?;
    let auth = brought
        .role
        .token
        .auth(&brought.request.caller.remote_address)?;
    let person = match brought.outcome()? {
        None => brought.person()?,
        Some(Outcome::Waits(person)) => person,
        Some(Outcome::Served) => return Err(expired()),
    };
    Outcome::Served.keep(&brought.state, &brought.flow)?;
    person.login(auth)
}

/// The provider's answer, for a login that whoever has asked for it asks for next.
fn posted(brought: &Brought<'_>) -> Result<Response> {
    let nonce = brought.text(CLIENT_NONCE)?;
    brought.flow.check_client(&nonce)?;
    keep(brought)
}

/// The provider's answer, for a login that somebody waits for elsewhere.
fn direct(brought: &Brought<'_>) -> Result<Response> {
    let needs_confirmation = !brought.role.browser.disable_confirmation
        && brought.text(CONFIRMATION)?.is_empty()
        && brought.text(ERROR)?.is_empty();
    if needs_confirmation && brought.outcome()?.is_none() {
        let (_, client) = configured()?;
        let fields = [
            ("state", brought.state.clone()),
            ("code", brought.text(CODE)?),
            ("id_token", brought.text(ID_TOKEN)?),
        ];
        return page::confirm(
            &brought.flow.role,
            &brought.flow.from,
            client.posts(),
            &fields,
        );
    }
    keep(brought).or_else(|error| page::failure(&error))
}

fn keep(brought: &Brought<'_>) -> Result<Response> {
    if brought.outcome()?.is_some() {
        return Err(expired());
    }
    Outcome::Waits(brought.person()?).keep(&brought.state, &brought.flow)?;
    page::success()
}
