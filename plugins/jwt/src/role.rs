//! Roles: what a token must claim, and what the login may then do.

use std::collections::{BTreeMap, BTreeSet};

use coffer_jwt::Leeway;
use coffer_sdk::paging::{self, AFTER, LIMIT};
use coffer_sdk::{Decl, parse_signed_duration, prelude::*, token};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::browser::{self, Browser};

pub(crate) const NAME: Field<String> = Field::text("name", "Name of the role.");
const ROLE_TYPE: Field<String> = Field::text(
    "role_type",
    "oidc: people log in at the provider, with a browser; jwt: whoever has a token logs in with it.",
)
.default_json("\"oidc\"");
const BOUND_AUDIENCES: Field<Vec<String>> = Field::text_list(
    "bound_audiences",
    "For one of these a token must be (aud). A token that is for somebody needs them; one of a login with a browser must be for this client anyway.",
);
const BOUND_SUBJECT: Field<String> =
    Field::text("bound_subject", "The subject (sub) that a token must have.");
const BOUND_CLAIMS: Field<Map<String, Value>> = Field::object(
    "bound_claims",
    "What a token must claim: to each claim's name, or JSON pointer, a value or a list of which one is enough.",
);
const BOUND_CLAIMS_TYPE: Field<String> = Field::text(
    "bound_claims_type",
    "string: values are compared as they are; glob: * in them stands for anything.",
)
.default_json("\"string\"");
const CLAIM_MAPPINGS: Field<BTreeMap<String, String>> = Field::text_map(
    "claim_mappings",
    "Claims that become metadata of the login: to each claim's name, or JSON pointer, that of the metadata.",
);
const USER_CLAIM: Field<String> =
    Field::text("user_claim", "The claim that says who it is.").required();
const USER_CLAIM_POINTER: Field<bool> = Field::boolean(
    "user_claim_json_pointer",
    "user_claim is a JSON pointer (RFC 6901).",
);
const GROUPS_CLAIM: Field<String> = Field::text(
    "groups_claim",
    "The claim, or JSON pointer to it, that says in which groups they are: external groups with such aliases at this mount.",
);
pub(crate) const EXPIRATION_LEEWAY: Field<String> = Field::text(
    "expiration_leeway",
    "How long a token that does not say it (exp) is good for, in seconds: 150 if this is 0, nothing if it is negative.",
);
pub(crate) const NOT_BEFORE_LEEWAY: Field<String> = Field::text(
    "not_before_leeway",
    "How long before it expires a token that does not say it (nbf) is good, in seconds: 150 if this is 0.",
);
pub(crate) const CLOCK_SKEW_LEEWAY: Field<String> = Field::text(
    "clock_skew_leeway",
    "By how much clocks may differ, in seconds: 60 if this is 0, nothing if it is negative.",
);

const OWN: [Decl; 24] = [
    NAME.decl(),
    ROLE_TYPE.decl(),
    BOUND_AUDIENCES.decl(),
    BOUND_SUBJECT.decl(),
    BOUND_CLAIMS.decl(),
    BOUND_CLAIMS_TYPE.decl(),
    CLAIM_MAPPINGS.decl(),
    USER_CLAIM.decl(),
    USER_CLAIM_POINTER.decl(),
    GROUPS_CLAIM.decl(),
    EXPIRATION_LEEWAY.decl(),
    NOT_BEFORE_LEEWAY.decl(),
    CLOCK_SKEW_LEEWAY.decl(),
    browser::ALLOWED_REDIRECT_URIS.decl(),
    browser::SCOPES.decl(),
    browser::MAX_AGE.decl(),
    browser::CALLBACK_MODE.decl(),
    browser::POLL_INTERVAL.decl(),
    browser::DISABLE_CONFIRMATION.decl(),
    browser::VERBOSE_LOGGING.decl(),
    token::OLD_POLICIES.decl(),
    token::OLD_TTL.decl(),
    token::OLD_MAX_TTL.decl(),
    token::OLD_PERIOD.decl(),
];
const FIELDS: [Decl; OWN.len() + token::FIELDS.len()] = token::beside(OWN);

pub(crate) const LIST: Path = Path::new("role", "The names of the roles.")
    .fields(&[AFTER.decl(), LIMIT.decl()])
    .list(|request| paging::list(request, "role/").map(Response::list));

pub(crate) const PATH: Path = Path::new("role/{name}", "A role.")
    .fields(&FIELDS)
    .exists(|request| Ok(Role::load(&request.require(NAME)?)?.is_some()))
    .read(read)
    .write(write)
    .delete(|request| {
        storage::delete(&key(&request.require(NAME)?))?;
        Ok(Response::empty())
    });

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Role {
    /// Whether people log in with a browser, and not with a token that they have.
    pub is_oidc: bool,
    pub browser: Browser,
    pub bound_audiences: Vec<String>,
    pub bound_subject: String,
    pub bound_claims: Map<String, Value>,
    /// Whether `*` stands for anything in them.
    pub globs: bool,
    pub claim_mappings: BTreeMap<String, String>,
    pub user_claim: String,
    pub user_claim_json_pointer: bool,
    pub groups_claim: String,
    expiration_leeway: i64,
    not_before_leeway: i64,
    clock_skew_leeway: i64,
    pub token: token::Settings,
}

fn key(name: &str) -> String {
    format!("role/{name}")
}

impl Role {
    pub fn load(name: &str) -> Result<Option<Self>> {
        storage::get_json(&key(name))
    }

    fn role_type(&self) -> &'static str {
        if self.is_oidc { "oidc" } else { "jwt" }
    }

    pub fn leeway(&self) -> Leeway {
        leeways(
            self.clock_skew_leeway,
            self.expiration_leeway,
            self.not_before_leeway,
        )
    }
}

/// As roles say them, in seconds: 0 is what is usual.
pub(crate) fn leeways(clock_skew: i64, expiration: i64, not_before: i64) -> Leeway {
    let given = |seconds: i64| Some(seconds).filter(|seconds| *seconds != 0);
    Leeway {
        clock_skew: given(clock_skew),
        expiration: given(expiration),
        not_before: given(not_before),
    }
}

fn read(request: &Request) -> Result<Response> {
    let Some(role) = Role::load(&request.require(NAME)?)? else {
        return Err(Error::not_found(""));
    };
    let mut data = role.token.describe();
    let mut show = |name: &str, value: Value| data.insert(name.to_owned(), value);
    show("role_type", json!(role.role_type()));
    show("bound_audiences", json!(role.bound_audiences));
    show("bound_subject", json!(role.bound_subject));
    show("bound_claims", json!(role.bound_claims));
    let kind = if role.globs { "glob" } else { "string" };
    show("bound_claims_type", json!(kind));
    show("claim_mappings", json!(role.claim_mappings));
    show("user_claim", json!(role.user_claim));
    show(
        "user_claim_json_pointer",
        json!(role.user_claim_json_pointer),
    );
    show("groups_claim", json!(role.groups_claim));
    show("expiration_leeway", json!(role.expiration_leeway));
    show("not_before_leeway", json!(role.not_before_leeway));
    show("clock_skew_leeway", json!(role.clock_skew_leeway));
    data.extend(role.browser.describe());
    Ok(Response::data(Value::Object(data)))
}

fn write(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let mut role = Role::load(&name)?.unwrap_or_else(|| Role {
        is_oidc: true,
        ..Role::default()
    });
    match request.get(ROLE_TYPE)?.as_deref() {
        None | Some("") => {}
        Some("jwt") => role.is_oidc = false,
        Some("oidc") => role.is_oidc = true,
        Some(other) => return Err(Error::invalid(format!("invalid 'role_type': {other}"))),
    }
    if let Some(audiences) = request.get(BOUND_AUDIENCES)? {
        role.bound_audiences = audiences;
    }
    if let Some(subject) = request.get(BOUND_SUBJECT)? {
        role.bound_subject = subject;
    }
    if let Some(claims) = request.get(BOUND_CLAIMS)? {
        role.bound_claims = claims;
    }
    match request.get(BOUND_CLAIMS_TYPE)?.as_deref() {
        None => {}
        Some("" | "string") => role.globs = false,
        Some("glob") => role.globs = true,
        Some(other) => {
            return Err(Error::invalid(format!(
                "invalid 'bound_claims_type': {other}"
            )));
        }
    }
    if let Some(mappings) = request.get(CLAIM_MAPPINGS)? {
        role.claim_mappings = mappings;
    }
    if let Some(claim) = request.get(USER_CLAIM)? {
        role.user_claim = claim;
    }
    if let Some(pointer) = request.get(USER_CLAIM_POINTER)? {
        role.user_claim_json_pointer = pointer;
    }
    if let Some(claim) = request.get(GROUPS_CLAIM)? {
        role.groups_claim = claim;
    }
    for (field, leeway) in [
        (EXPIRATION_LEEWAY, &mut role.expiration_leeway),
        (NOT_BEFORE_LEEWAY, &mut role.not_before_leeway),
        (CLOCK_SKEW_LEEWAY, &mut role.clock_skew_leeway),
    ] {
        if let Some(text) = request.get(field)? {
            *leeway = seconds(field.name(), &text)?;
        }
    }
    role.browser.update(request)?;
    let warning = role.token.update(request)?;
    check(&role)?;
    storage::put_json(&key(&name), &role)?;
    let mut response = Response::empty();
    response.warnings.extend(warning);
    response.warnings.extend(role.browser.warning());
    Ok(response)
}

pub(crate) fn seconds(name: &str, text: &str) -> Result<i64> {
    if text.is_empty() {
        return Ok(0);
    }
    parse_signed_duration(text)
        .ok_or_else(|| Error::invalid(format!("{name} is no duration: {text:?}")))
}

fn check(role: &Role) -> Result<()> {
    if role.user_claim.is_empty() {
        return Err(Error::invalid("a user claim must be defined on the role"));
    }
    if role.user_claim_json_pointer && !role.user_claim.starts_with('/') {
        return Err(Error::invalid(
            "user_claim is no JSON pointer: it begins with a slash",
        ));
    }
    let mut targets = BTreeSet::new();
    for target in role.claim_mappings.values() {
        if target == "role" {
            return Err(Error::invalid(
                "metadata key \"role\" is reserved and may not be a mapping destination",
            ));
        }
        if !targets.insert(target) {
            return Err(Error::invalid(format!(
                "multiple keys are mapped to metadata key {target:?}"
            )));
        }
    }
    if role.is_oidc {
        // The token must be for this client in any case.
        return role.browser.check();
    }
    let bound = !role.bound_audiences.is_empty()
        || !role.bound_subject.is_empty()
        || !role.bound_claims.is_empty()
        || !role.token.token_bound_cidrs.is_empty();
    if !bound {
        return Err(Error::invalid(
            "must have at least one bound constraint when creating/updating a role",
        ));
    }
    Ok(())
}
