//! Roles: which service accounts log in, and what they may then do.

use coffer_sdk::paging::{self, AFTER, LIMIT};
use coffer_sdk::{Decl, prelude::*, token};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::selector::Selector;

pub(crate) const NAME: Field<String> = Field::text("name", "Name of the role.");
const NAMES: Field<Vec<String>> = Field::text_list(
    "bound_service_account_names",
    "The service accounts that may log in; * stands for anything.",
)
.required();
const NAMESPACES: Field<Vec<String>> = Field::text_list(
    "bound_service_account_namespaces",
    "The namespaces that they are in; * stands for anything.",
);
const SELECTOR: Field<String> = Field::text(
    "bound_service_account_namespace_selector",
    "Or namespaces by their labels: a label selector in JSON or YAML.",
);
const AUDIENCE: Field<String> = Field::text("audience", "For whom tokens must be (aud).");
const ALIAS_SOURCE: Field<String> = Field::text(
    "alias_name_source",
    "What tells accounts apart: serviceaccount_uid, or serviceaccount_name (namespace/name).",
)
.default_json("\"serviceaccount_uid\"");

const OWN: [Decl; 10] = [
    NAME.decl(),
    NAMES.decl(),
    NAMESPACES.decl(),
    SELECTOR.decl(),
    AUDIENCE.decl(),
    ALIAS_SOURCE.decl(),
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
    pub bound_service_account_names: Vec<String>,
    pub bound_service_account_namespaces: Vec<String>,
    pub bound_service_account_namespace_selector: String,
    pub audience: String,
    /// Whether accounts are told apart by name, and not by uid.
    pub alias_by_name: bool,
    pub token: token::Settings,
}

fn key(name: &str) -> String {
    format!("role/{name}")
}

impl Role {
    pub fn load(name: &str) -> Result<Option<Self>> {
        storage::get_json(&key(name))
    }
}

fn read(request: &Request) -> Result<Response> {
    let Some(role) = Role::load(&request.require(NAME)?)? else {
        return Err(Error::not_found(""));
    };
    let mut data = role.token.describe();
    let mut show = |name: &str, value: Value| data.insert(name.to_owned(), value);
    show(NAMES.name(), json!(role.bound_service_account_names));
    show(
        NAMESPACES.name(),
        json!(role.bound_service_account_namespaces),
    );
    show(
        SELECTOR.name(),
        json!(role.bound_service_account_namespace_selector),
    );
    let source = if role.alias_by_name {
        "serviceaccount_name"
    } else {
        "serviceaccount_uid"
    };
    show(ALIAS_SOURCE.name(), json!(source));
    if !role.audience.is_empty() {
        show(AUDIENCE.name(), json!(role.audience));
    }
    Ok(Response::data(Value::Object(data)))
}

fn write(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let mut role = Role::load(&name)?.unwrap_or_default();
    if let Some(names) = request.get(NAMES)? {
        role.bound_service_account_names = names;
    }
    if let Some(namespaces) = request.get(NAMESPACES)? {
        role.bound_service_account_namespaces = namespaces;
    }
    if let Some(selector) = request.get(SELECTOR)? {
        role.bound_service_account_namespace_selector = selector;
    }
    if let Some(audience) = request.get(AUDIENCE)? {
        role.audience = audience;
    }
    match request.get(ALIAS_SOURCE)?.as_deref() {
        None => {}
        Some("" | "serviceaccount_uid") => role.alias_by_name = false,
        Some("serviceaccount_name") => role.alias_by_name = true,
        Some(_) => {
            return Err(Error::invalid(
                "invalid alias_name_source, must be one of: serviceaccount_uid, serviceaccount_name",
            ));
        }
    }
    let warning = role.token.update(request)?;
    check(&role)?;
    storage::put_json(&key(&name), &role)?;
    let mut response = Response::empty();
    response.warnings.extend(warning);
    if role.audience.is_empty() {
        response.warnings.push(format!(
            "role {name} has no audience: tokens that are for others log in with it too"
        ));
    }
    Ok(response)
}

fn check(role: &Role) -> Result<()> {
    let names = &role.bound_service_account_names;
    let namespaces = &role.bound_service_account_namespaces;
    let selector = &role.bound_service_account_namespace_selector;
    if names.is_empty() {
        return Err(Error::invalid(
            "\"bound_service_account_names\" can not be empty",
        ));
    }
    if namespaces.is_empty() && selector.is_empty() {
        return Err(Error::invalid(
            "\"bound_service_account_namespaces\" can not be empty if \"bound_service_account_namespace_selector\" is not set",
        ));
    }
    for list in [names, namespaces] {
        if list.len() > 1 && list.iter().any(|one| one == "*") {
            return Err(Error::invalid("can not mix \"*\" with values"));
        }
    }
    if !selector.is_empty() {
        Selector::parse(selector)?;
    }
    Ok(())
}
