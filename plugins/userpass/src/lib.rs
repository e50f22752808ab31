//! Userpass: people log in with a name and a password.
//! <https://developer.hashicorp.com/vault/api-docs/auth/userpass>

mod password;
mod user;

use coffer_sdk::{Decl, paging, prelude::*, token};

/// The user's name, in any case.
const USERNAME: Field<String> = Field::text("username", "The user's name.").required();
const PASSWORD: Field<String> = Field::text("password", "The user's password.");
const PASSWORD_HASH: Field<String> = Field::text(
    "password_hash",
    "What bcrypt makes of the user's password, instead of it.",
);

const USER_FIELDS: [Decl; 17] = {
    let token = token::FIELDS;
    [
        USERNAME.decl(),
        PASSWORD.decl(),
        PASSWORD_HASH.decl(),
        token[0],
        token[1],
        token[2],
        token[3],
        token[4],
        token[5],
        token[6],
        token[7],
        token[8],
        token[9],
        token::OLD_POLICIES.decl(),
        token::OLD_TTL.decl(),
        token::OLD_MAX_TTL.decl(),
        token::OLD_BOUND_CIDRS.decl(),
    ]
};

/// The auth method.
pub static USERPASS: Plugin = Plugin::auth(
    "userpass",
    env!("CARGO_PKG_VERSION"),
    "People log in with a name and a password.",
)
.renew(user::renew)
.paths(&[
    Path::new("login/{username}", "Logs in.")
        .fields(&[USERNAME.decl(), PASSWORD.decl()])
        .unauthenticated()
        .write(user::login),
    Path::new("users", "Lists the users.")
        .fields(&[paging::AFTER.decl(), paging::LIMIT.decl()])
        .list(user::list),
    Path::new("users/{username}", "Who may log in, and what for.")
        .fields(&USER_FIELDS)
        .exists(user::exists)
        .read(user::read)
        .write(user::write)
        .delete(user::delete),
    Path::new("users/{username}/password", "Changes a user's password.")
        .fields(&[USERNAME.decl(), PASSWORD.decl(), PASSWORD_HASH.decl()])
        .write(user::write_password),
    Path::new("users/{username}/policies", "Changes a user's policies.")
        .fields(&[
            USERNAME.decl(),
            token::POLICIES.decl(),
            token::OLD_POLICIES.decl(),
        ])
        .write(user::write_policies),
]);

coffer_sdk::export_plugin!(USERPASS);

#[cfg(test)]
mod tests;
