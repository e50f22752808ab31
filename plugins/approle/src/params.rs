//! Every parameter of the auth method.

use std::collections::BTreeMap;

use coffer_sdk::Decl;
use coffer_sdk::prelude::*;
pub(crate) use coffer_sdk::token::{
    BOUND_CIDRS as TOKEN_CIDRS, EXPLICIT_MAX_TTL, MAX_TTL, NO_DEFAULT_POLICY as NO_DEFAULT,
    NUM_USES, OLD_PERIOD, OLD_POLICIES, PERIOD, POLICIES, STRICTLY_BIND_IP, TTL, TYPE,
};

pub(crate) const ROLE: Field<String> = Field::text("role_name", "The role's name.").required();
pub(crate) const ROLE_ID: Field<String> = Field::text("role_id", "The id of the role.");
pub(crate) const SECRET_ID: Field<String> = Field::text("secret_id", "The secret id.");
pub(crate) const ACCESSOR: Field<String> =
    Field::text("secret_id_accessor", "The accessor of a secret id.");

pub(crate) const BIND_SECRET_ID: Field<bool> =
    Field::boolean("bind_secret_id", "Whether a login needs a secret id.").default_json("true");
pub(crate) const SECRET_ID_CIDRS: Field<Vec<String>> = Field::text_list(
    "secret_id_bound_cidrs",
    "From where secret ids may be used.",
);
pub(crate) const OLD_CIDRS: Field<Vec<String>> =
    Field::text_list("bound_cidr_list", "The same as secret_id_bound_cidrs.").deprecated();
pub(crate) const SECRET_ID_NUM_USES: Field<i64> = Field::integer(
    "secret_id_num_uses",
    "How often a secret id may be used; 0 for ever.",
);
pub(crate) const SECRET_ID_TTL: Field<Seconds> = Field::duration(
    "secret_id_ttl",
    "How long a secret id may be used; 0 for ever.",
);
pub(crate) const LOCAL: Field<bool> = Field::boolean(
    "local_secret_ids",
    "Whether the secret ids stay on this cluster. Only when the role is made.",
);

pub(crate) const METADATA: Field<String> = Field::text(
    "metadata",
    "Kept with the tokens: a JSON object of strings, also in base64, or `name=value,name=value`.",
);
pub(crate) const CIDRS: Field<Vec<String>> =
    Field::text_list("cidr_list", "From where this secret id may be used.");
pub(crate) const USES: Field<i64> =
    Field::integer("num_uses", "How often this secret id may be used.");
pub(crate) const LIFE: Field<Seconds> =
    Field::duration("ttl", "How long this secret id may be used.");
/// The object form of the metadata.
pub(crate) const METADATA_MAP: Field<BTreeMap<String, String>> = Field::text_map("metadata", "");

#[rustfmt::skip]
pub(crate) static ROLE_FIELDS: &[Decl] = &[
    ROLE.decl(), ROLE_ID.decl(), BIND_SECRET_ID.decl(), SECRET_ID_CIDRS.decl(), OLD_CIDRS.decl(),
    SECRET_ID_NUM_USES.decl(), SECRET_ID_TTL.decl(), LOCAL.decl(), POLICIES.decl(), OLD_POLICIES.decl(), TTL.decl(),
    MAX_TTL.decl(), EXPLICIT_MAX_TTL.decl(), PERIOD.decl(), OLD_PERIOD.decl(), NUM_USES.decl(), NO_DEFAULT.decl(),
    TYPE.decl(), TOKEN_CIDRS.decl(), STRICTLY_BIND_IP.decl(),
];
pub(crate) static SECRET_ID_FIELDS: &[Decl] = &[
    ROLE.decl(),
    SECRET_ID.decl(),
    METADATA.decl(),
    CIDRS.decl(),
    TOKEN_CIDRS.decl(),
    USES.decl(),
    LIFE.decl(),
];
