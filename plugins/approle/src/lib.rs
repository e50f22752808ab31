//! AppRole: an application proves who it is with a role id and a secret id.

mod login;
mod params;
mod role;
mod secret_id;
mod setting;
mod tidy;

use coffer_sdk::{Decl, paging, prelude::*};

use crate::params as p;

const HELP: &str = "An application logs in with the id of its role and a secret id.";

/// The auth method.
pub static APPROLE: Plugin = Plugin::auth("approle", env!("CARGO_PKG_VERSION"), HELP)
    .tick(60, tidy::tick)
    .renew(login::renew)
    .paths(&[
        Path::new("login", "Logs in.")
            .fields(&[p::ROLE_ID.required().decl(), p::SECRET_ID.decl()])
            .unauthenticated()
            .write(login::login),
        Path::new("role", "Lists the roles.")
            .fields(&[paging::AFTER.decl(), paging::LIMIT.decl()])
            .list(role::list),
        Path::new("role/{role_name}", "A role.")
            .fields(p::ROLE_FIELDS)
            .exists(role::exists)
            .read(role::read)
            .write(role::write)
            .delete(role::delete),
        Path::new("role/{role_name}/role-id", "The role's id.")
            .fields(&[p::ROLE.decl(), p::ROLE_ID.decl()])
            .read(role::read_role_id)
            .write(role::write_role_id),
        Path::new(
            "role/{role_name}/local-secret-ids",
            "Whether the role's secret ids stay on this cluster.",
        )
        .fields(&[p::ROLE.decl()])
        .read(role::read_local_secret_ids),
        Path::new(
            "role/{role_name}/secret-id",
            "Makes a secret id, or lists the accessors of those that there are.",
        )
        .fields(p::SECRET_ID_FIELDS)
        .write(secret_id::generate)
        .list(secret_id::list),
        Path::new(
            "role/{role_name}/custom-secret-id",
            "Takes a secret id that the caller chose.",
        )
        .fields(p::SECRET_ID_FIELDS)
        .write(secret_id::custom),
        Path::new(
            "role/{role_name}/secret-id/lookup",
            "What is known of a secret id.",
        )
        .fields(&[p::ROLE.decl(), p::SECRET_ID.decl()])
        .write(secret_id::lookup),
        Path::new("role/{role_name}/secret-id/destroy", "Removes a secret id.")
            .fields(&[p::ROLE.decl(), p::SECRET_ID.decl()])
            .write(secret_id::destroy)
            .delete(secret_id::destroy),
        Path::new(
            "role/{role_name}/secret-id-accessor/lookup",
            "What is known of a secret id, by its accessor.",
        )
        .fields(&[p::ROLE.decl(), p::ACCESSOR.decl()])
        .write(secret_id::lookup_accessor),
        Path::new(
            "role/{role_name}/secret-id-accessor/destroy",
            "Removes a secret id, by its accessor.",
        )
        .fields(&[p::ROLE.decl(), p::ACCESSOR.decl()])
        .write(secret_id::destroy_accessor)
        .delete(secret_id::destroy_accessor),
        setting(
            "role/{role_name}/bind-secret-id",
            &[p::ROLE.decl(), p::BIND_SECRET_ID.decl()],
        ),
        setting(
            "role/{role_name}/secret-id-bound-cidrs",
            &[p::ROLE.decl(), p::SECRET_ID_CIDRS.decl()],
        ),
        setting(
            "role/{role_name}/bound-cidr-list",
            &[p::ROLE.decl(), p::OLD_CIDRS.decl()],
        ),
        setting(
            "role/{role_name}/secret-id-num-uses",
            &[p::ROLE.decl(), p::SECRET_ID_NUM_USES.decl()],
        ),
        setting(
            "role/{role_name}/secret-id-ttl",
            &[p::ROLE.decl(), p::SECRET_ID_TTL.decl()],
        ),
        setting(
            "role/{role_name}/policies",
            &[p::ROLE.decl(), p::POLICIES.decl(), p::OLD_POLICIES.decl()],
        ),
        setting(
            "role/{role_name}/token-ttl",
            &[p::ROLE.decl(), p::TTL.decl()],
        ),
        setting(
            "role/{role_name}/token-max-ttl",
            &[p::ROLE.decl(), p::MAX_TTL.decl()],
        ),
        setting(
            "role/{role_name}/token-explicit-max-ttl",
            &[p::ROLE.decl(), p::EXPLICIT_MAX_TTL.decl()],
        ),
        setting(
            "role/{role_name}/period",
            &[p::ROLE.decl(), p::PERIOD.decl(), p::OLD_PERIOD.decl()],
        ),
        setting(
            "role/{role_name}/token-num-uses",
            &[p::ROLE.decl(), p::NUM_USES.decl()],
        ),
        setting(
            "role/{role_name}/token-no-default-policy",
            &[p::ROLE.decl(), p::NO_DEFAULT.decl()],
        ),
        setting(
            "role/{role_name}/token-type",
            &[p::ROLE.decl(), p::TYPE.decl()],
        ),
        setting(
            "role/{role_name}/token-bound-cidrs",
            &[p::ROLE.decl(), p::TOKEN_CIDRS.decl()],
        ),
        setting(
            "role/{role_name}/token-strictly-bind-ip",
            &[p::ROLE.decl(), p::STRICTLY_BIND_IP.decl()],
        ),
        Path::new(
            "tidy/secret-id",
            "Removes what is left of secret ids that have expired.",
        )
        .write(tidy::tidy),
    ]);

/// The path of one of `setting::SETTINGS`.
const fn setting(pattern: &'static str, fields: &'static [Decl]) -> Path {
    Path::new(pattern, "One setting of the role.")
        .fields(fields)
        .read(setting::read)
        .write(setting::write)
        .delete(setting::delete)
}

coffer_sdk::export_plugin!(APPROLE);

#[cfg(test)]
mod tests;
