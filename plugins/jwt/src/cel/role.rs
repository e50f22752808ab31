//! Roles with a program.

use coffer_jwt::Leeway;
use coffer_sdk::paging::{self, AFTER, LIMIT};
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::program::Program;
use crate::role::{
    CLOCK_SKEW_LEEWAY, EXPIRATION_LEEWAY, NAME, NOT_BEFORE_LEEWAY, leeways, seconds,
};

const PROGRAM: Field<Map<String, Value>> = Field::object(
    "cel_program",
    "expression, and variables that it may use, each with name and expression. It says a pb.Auth, or false or why there is none.",
)
.required();
const MESSAGE: Field<String> = Field::text(
    "message",
    "What is told to whom the program answers with false.",
);
const BOUND_AUDIENCES: Field<Vec<String>> = Field::text_list(
    "bound_audiences",
    "For one of these a token must be (aud); if there are none, that is for the program to check.",
);

pub(crate) const LIST: Path = Path::new("cel/role", "The names of the roles with a program.")
    .fields(&[AFTER.decl(), LIMIT.decl()])
    .list(|request| paging::list(request, "cel/role/").map(Response::list));

pub(crate) const PATH: Path = Path::new("cel/role/{name}", "A role whose program decides logins.")
    .fields(&[
        NAME.decl(),
        PROGRAM.decl(),
        MESSAGE.decl(),
        BOUND_AUDIENCES.decl(),
        EXPIRATION_LEEWAY.decl(),
        NOT_BEFORE_LEEWAY.decl(),
        CLOCK_SKEW_LEEWAY.decl(),
    ])
    .exists(|request| Ok(Role::load(&request.require(NAME)?)?.is_some()))
    .read(read)
    .write(write)
    .patch(patch)
    .delete(|request| {
        storage::delete(&key(&request.require(NAME)?))?;
        Ok(Response::empty())
    });

#[derive(Serialize, Deserialize)]
pub(super) struct Role {
    pub program: Program,
    pub message: String,
    pub bound_audiences: Vec<String>,
    expiration_leeway: i64,
    not_before_leeway: i64,
    clock_skew_leeway: i64,
}

/// What is usual.
impl Default for Role {
    fn default() -> Self {
        Self {
            program: Program::default(),
            message: String::new(),
            bound_audiences: Vec::new(),
            expiration_leeway: 150,
            not_before_leeway: 150,
            clock_skew_leeway: 60,
        }
    }
}

fn key(name: &str) -> String {
    format!("cel/role/{name}")
}

impl Role {
    pub fn load(name: &str) -> Result<Option<Self>> {
        storage::get_json(&key(name))
    }

    pub fn leeway(&self) -> Leeway {
        leeways(
            self.clock_skew_leeway,
            self.expiration_leeway,
            self.not_before_leeway,
        )
    }

    /// Takes what the request says of it; what it does not say stays.
    fn update(&mut self, request: &Request) -> Result<()> {
        if let Some(program) = request.get(PROGRAM)? {
            self.program = serde_json::from_value(Value::Object(program))
                .map_err(|why| Error::invalid(format!("failed to decode 'cel_program': {why}")))?;
        }
        if let Some(message) = request.get(MESSAGE)? {
            self.message = message;
        }
        if let Some(audiences) = request.get(BOUND_AUDIENCES)? {
            self.bound_audiences = audiences;
        }
        for (field, leeway) in [
            (EXPIRATION_LEEWAY, &mut self.expiration_leeway),
            (NOT_BEFORE_LEEWAY, &mut self.not_before_leeway),
            (CLOCK_SKEW_LEEWAY, &mut self.clock_skew_leeway),
        ] {
            if let Some(text) = request.get(field)? {
                *leeway = seconds(field.name(), &text)?;
            }
        }
        Ok(())
    }

    fn describe(&self, name: &str) -> Response {
        Response::data(json!({
            "name": name,
            "cel_program": self.program,
            "message": self.message,
            "bound_audiences": self.bound_audiences,
            "expiration_leeway": self.expiration_leeway,
            "not_before_leeway": self.not_before_leeway,
            "clock_skew_leeway": self.clock_skew_leeway,
        }))
    }
}

fn read(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let role = Role::load(&name)?.ok_or_else(|| Error::not_found(""))?;
    Ok(role.describe(&name))
}

/// The whole role: what the request does not say is as usual.
fn write(request: &Request) -> Result<Response> {
    if request.get(PROGRAM)?.is_none() {
        return Err(Error::invalid("missing required field 'cel_program'"));
    }
    store(request, Role::default())
}

fn patch(request: &Request) -> Result<Response> {
    let role = Role::load(&request.require(NAME)?)?
        .ok_or_else(|| Error::invalid("Unable to fetch cel role entry to patch"))?;
    store(request, role)
}

fn store(request: &Request, mut role: Role) -> Result<Response> {
    let name = request.require(NAME)?;
    role.update(request)?;
    role.program.compile()?;
    storage::put_json(&key(&name), &role)?;
    Ok(role.describe(&name))
}
