//! `sys/`: the host's own paths.

mod audit;
mod capabilities;
mod config;
mod counters;
mod generate_root;
mod host;
mod init;
mod inspect;
mod leases;
mod lifecycle;
mod locked_users;
mod loggers;
mod metrics;
mod mounts;
mod openapi;
mod passwords;
mod plugin_limits;
mod plugins;
mod policies;
mod raw;
mod rekey;
mod remount;
mod rotate;
mod tidy;
mod tools;
mod ui;
mod ui_headers;
mod wrapping;

use crate::fields;
use crate::request::Method::{Delete, Get, List, Post};
use crate::routes::{Gated, Needs, Route};

pub use init::{complete, initialize};
pub use lifecycle::{LIFECYCLE, lifecycle};
pub use loggers::Loggers;
pub use policies::fold_policy_name;
pub use tidy::tidy as tidy_tokens;

/// The paths of `sys/` that want an open barrier; see [`lifecycle`] for the others.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    Route { pattern: "seal", help: "Seals the server.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Post, |c| Box::pin(lifecycle::seal(c)))] },
    Route { pattern: "key-status", help: "The key that values are sealed with.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(rotate::status(c)))] },
    Route { pattern: "rotate", help: "Seals values with a new key from now on.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Post, |c| Box::pin(rotate::rotate(c)))] },
    Route { pattern: "rotate/keyring", help: "Seals values with a new key from now on.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Post, |c| Box::pin(rotate::rotate(c)))] },
    Route { pattern: "rotate/config", help: "When the key that values are sealed with is replaced.", needs: Needs::Token, fields: fields::ROTATION, operations: &[(Get, |c| Box::pin(rotate::config(c))), (Post, |c| Box::pin(rotate::configure(c)))] },
    Route { pattern: "rotate/keyring/config", help: "When the key that values are sealed with is replaced.", needs: Needs::Token, fields: fields::ROTATION, operations: &[(Get, |c| Box::pin(rotate::config(c))), (Post, |c| Box::pin(rotate::configure(c)))] },

    Route { pattern: "rekey/init", help: "Begins, describes or cancels the making of new key shares.", needs: Needs::Gate(Gated::Rekey), fields: fields::REKEY, operations: &[(Get, |c| Box::pin(rekey::read(c))), (Post, |c| Box::pin(rekey::begin(c))), (Delete, |c| Box::pin(rekey::cancel(c)))] },
    Route { pattern: "rekey/update", help: "Takes a key share towards new ones.", needs: Needs::Gate(Gated::Rekey), fields: fields::SHARE, operations: &[(Post, |c| Box::pin(rekey::update(c)))] },
    Route { pattern: "rekey/verify", help: "Takes a new key share, or begins anew with that; they are in force when enough were given.", needs: Needs::Gate(Gated::Rekey), fields: fields::SHARE, operations: &[(Get, |c| Box::pin(rekey::read_verification(c))), (Post, |c| Box::pin(rekey::verify(c))), (Delete, |c| Box::pin(rekey::cancel_verification(c)))] },
    Route { pattern: "rekey/backup", help: "New key shares, encrypted, that were kept.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(rekey::backup(c))), (Delete, |c| Box::pin(rekey::forget_backup(c)))] },
    Route { pattern: "rotate/root/init", help: "Begins, describes or cancels the making of new key shares.", needs: Needs::Sudo, fields: fields::REKEY, operations: &[(Get, |c| Box::pin(rekey::read(c))), (Post, |c| Box::pin(rekey::begin(c))), (Delete, |c| Box::pin(rekey::cancel(c)))] },
    Route { pattern: "rotate/root/update", help: "Takes a key share towards new ones.", needs: Needs::Sudo, fields: fields::SHARE, operations: &[(Post, |c| Box::pin(rekey::update(c)))] },
    Route { pattern: "rotate/root/verify", help: "Takes a new key share, or begins anew with that; they are in force when enough were given.", needs: Needs::Sudo, fields: fields::SHARE, operations: &[(Get, |c| Box::pin(rekey::read_verification(c))), (Post, |c| Box::pin(rekey::verify(c))), (Delete, |c| Box::pin(rekey::cancel_verification(c)))] },
    Route { pattern: "rotate/root/backup", help: "New key shares, encrypted, that were kept.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(rekey::backup(c))), (Delete, |c| Box::pin(rekey::forget_backup(c)))] },
    Route { pattern: "rekey/recovery-key-backup", help: "The same of recovery keys.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(rekey::no_backup(c))), (Delete, |c| Box::pin(rekey::no_backup(c)))] },
    Route { pattern: "rotate/root", help: "Replaces the root key; the key shares stay as they are.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Post, |c| Box::pin(rotate::rotate_root(c)))] },
    Route { pattern: "rotate/recovery/{path*}", help: "Recovery keys belong to seals that open by themselves.", needs: Needs::Sudo, fields: fields::ANYTHING, operations: &[(Get, |c| Box::pin(rekey::no_recovery(c))), (Post, |c| Box::pin(rekey::no_recovery(c))), (Delete, |c| Box::pin(rekey::no_recovery(c)))] },

    Route { pattern: "generate-root", help: "Begins, describes or cancels the making of a root token.", needs: Needs::Gate(Gated::GenerateRoot), fields: fields::GENERATE_ROOT, operations: &[(Get, |c| Box::pin(generate_root::read(c))), (Post, |c| Box::pin(generate_root::begin(c))), (Delete, |c| Box::pin(generate_root::cancel(c)))] },
    Route { pattern: "generate-root/attempt", help: "Begins, describes or cancels the making of a root token.", needs: Needs::Gate(Gated::GenerateRoot), fields: fields::GENERATE_ROOT, operations: &[(Get, |c| Box::pin(generate_root::read(c))), (Post, |c| Box::pin(generate_root::begin(c))), (Delete, |c| Box::pin(generate_root::cancel(c)))] },
    Route { pattern: "generate-root-token/attempt", help: "Begins, describes or cancels the making of a root token.", needs: Needs::Sudo, fields: fields::GENERATE_ROOT, operations: &[(Get, |c| Box::pin(generate_root::read(c))), (Post, |c| Box::pin(generate_root::begin(c))), (Delete, |c| Box::pin(generate_root::cancel(c)))] },
    Route { pattern: "generate-root/update", help: "Takes a key share towards a root token.", needs: Needs::Gate(Gated::GenerateRoot), fields: fields::SHARE, operations: &[(Post, |c| Box::pin(generate_root::update(c)))] },
    Route { pattern: "generate-root-token/update", help: "Takes a key share towards a root token.", needs: Needs::Sudo, fields: fields::SHARE, operations: &[(Post, |c| Box::pin(generate_root::update(c)))] },
    Route { pattern: "decode-token", help: "A root token out of its encoded form and the one-time password.", needs: Needs::Nothing, fields: fields::DECODE, operations: &[(Post, |c| Box::pin(generate_root::decode(c)))] },

    Route { pattern: "host-info", help: "The machine that the server runs on.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(host::info(c)))] },
    Route { pattern: "ha-status", help: "The servers of the cluster.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(host::ha_status(c)))] },
    Route { pattern: "version-history", help: "Which versions of the server have run, and since when.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(List, |c| Box::pin(host::versions(c)))] },
    Route { pattern: "in-flight-req", help: "The requests that are under way.", needs: Needs::Gate(Gated::InFlight), fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(host::under_way(c)))] },
    Route { pattern: "monitor", help: "What the server logs, as it happens.", needs: Needs::Token, fields: fields::MONITOR, operations: &[(Get, |c| Box::pin(loggers::monitor(c)))] },
    Route { pattern: "raw", help: "The names of what is stored, where the configuration allows that.", needs: Needs::Sudo, fields: fields::RAW, operations: &[(Get, |c| Box::pin(raw::read(c))), (List, |c| Box::pin(raw::list(c)))] },
    Route { pattern: "raw/{path*}", help: "What is stored, as it is, where the configuration allows that.", needs: Needs::Sudo, fields: fields::RAW, operations: &[
        (Get, |c| Box::pin(raw::read(c))), (Post, |c| Box::pin(raw::write(c))), (Delete, |c| Box::pin(raw::delete(c))), (List, |c| Box::pin(raw::list(c))),
    ] },
    Route { pattern: "loggers", help: "How much the server logs.", needs: Needs::Token, fields: fields::LEVEL, operations: &[(Get, |c| Box::pin(loggers::read(c))), (Post, |c| Box::pin(loggers::write(c))), (Delete, |c| Box::pin(loggers::reset(c)))] },
    Route { pattern: "loggers/{name}", help: "How much a part of the server logs.", needs: Needs::Token, fields: fields::LEVEL, operations: &[(Get, |c| Box::pin(loggers::read(c))), (Post, |c| Box::pin(loggers::write(c))), (Delete, |c| Box::pin(loggers::reset(c)))] },
    Route { pattern: "step-down", help: "Has another server of the cluster become active; alone, this one stays it.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Post, |c| Box::pin(lifecycle::step_down(c)))] },
    Route { pattern: "metrics", help: "What is counted of the server and of each plugin; with format=prometheus, for Prometheus.", needs: Needs::Gate(Gated::Metrics), fields: fields::METRICS, operations: &[(Get, |c| Box::pin(metrics::read(c)))] },

    Route { pattern: "audit", help: "The audit devices.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(audit::list(c)))] },
    Route { pattern: "audit/{path*}", help: "Enables or disables an audit device.", needs: Needs::Sudo, fields: fields::AUDIT, operations: &[
        (Post, |c| Box::pin(audit::enable(c))), (Delete, |c| Box::pin(audit::disable(c))),
    ] },
    Route { pattern: "config/state/sanitized", help: "The server's configuration, without what is secret in it.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(config::state(c)))] },
    Route { pattern: "config/reload/{subsystem}", help: "Reads a part of the configuration anew: only `license`, of which there is none.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Post, |c| Box::pin(config::reload(c)))] },
    Route { pattern: "config/ui/headers", help: "The headers that answers below /ui have besides.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(List, |c| Box::pin(ui_headers::list(c)))] },
    Route { pattern: "config/ui/headers/{header}", help: "A header that answers below /ui have besides.", needs: Needs::Sudo, fields: fields::UI_HEADER, operations: &[(Get, |c| Box::pin(ui_headers::read(c))), (Post, |c| Box::pin(ui_headers::write(c))), (Delete, |c| Box::pin(ui_headers::delete(c)))] },
    Route { pattern: "config/cors", help: "Which web pages of other origins may call.", needs: Needs::Sudo, fields: fields::CORS, operations: &[(Get, |c| Box::pin(config::read_cors(c))), (Post, |c| Box::pin(config::write_cors(c))), (Delete, |c| Box::pin(config::delete_cors(c)))] },
    Route { pattern: "config/auditing/request-headers", help: "The headers of requests that audit devices record.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(config::list_headers(c)))] },
    Route { pattern: "config/auditing/request-headers/{header}", help: "Has audit devices record a header of requests, or not.", needs: Needs::Sudo, fields: fields::AUDITED_HEADER, operations: &[(Get, |c| Box::pin(config::read_header(c))), (Post, |c| Box::pin(config::write_header(c))), (Delete, |c| Box::pin(config::delete_header(c)))] },
    Route { pattern: "audit-hash/{path*}", help: "What an audit device shows of a text.", needs: Needs::Token, fields: fields::AUDIT_HASH, operations: &[(Post, |c| Box::pin(audit::hash(c)))] },

    Route { pattern: "mounts", help: "The secret engines that are mounted.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(mounts::list(c, "")))] },
    Route { pattern: "mounts/{path*}", help: "Enables, describes or disables a secret engine; with /tune at the end, its settings.", needs: Needs::Token, fields: fields::MOUNT, operations: &[
        (Get, |c| Box::pin(mounts::read(c, ""))), (Post, |c| Box::pin(mounts::write(c, ""))), (Delete, |c| Box::pin(mounts::disable(c, ""))),
    ] },
    Route { pattern: "auth", help: "The auth methods that are enabled.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(mounts::list(c, "auth/")))] },
    Route { pattern: "auth/{path*}", help: "Enables, describes or disables an auth method; with /tune at the end, its settings.", needs: Needs::Sudo, fields: fields::MOUNT, operations: &[
        (Get, |c| Box::pin(mounts::read(c, "auth/"))), (Post, |c| Box::pin(mounts::write(c, "auth/"))), (Delete, |c| Box::pin(mounts::disable(c, "auth/"))),
    ] },

    Route { pattern: "remount", help: "Moves a mount to another path.", needs: Needs::Sudo, fields: fields::REMOUNT, operations: &[(Post, |c| Box::pin(remount::remount(c)))] },
    Route { pattern: "remount/status/{migration_id}", help: "How far the move of a mount is.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(remount::status(c)))] },

    Route { pattern: "plugins/catalog", help: "All plugins, by kind and in detail.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(plugins::list(c)))] },
    Route { pattern: "plugins/catalog/{type}", help: "The plugins of one kind: auth, database or secret.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(List, |c| Box::pin(plugins::list_kind(c)))] },
    // The paths without a kind that these had before.
    Route { pattern: "plugins/catalog/{name}", help: "Describes, registers or removes a plugin, its kind in the body.", needs: Needs::Sudo, fields: fields::PLUGIN, operations: &[
        (Get, |c| Box::pin(plugins::read(c))), (Post, |c| Box::pin(plugins::register(c))), (Delete, |c| Box::pin(plugins::remove(c))),
    ] },
    Route { pattern: "plugins/catalog/{type}/{name}", help: "Describes, registers or removes a version of a plugin.", needs: Needs::Sudo, fields: fields::PLUGIN, operations: &[
        (Get, |c| Box::pin(plugins::read(c))), (Post, |c| Box::pin(plugins::register(c))), (Delete, |c| Box::pin(plugins::remove(c))),
    ] },
    Route { pattern: "plugins/reload/backend", help: "Has the newest version of a plugin, or the pinned one, take over; or restarts the plugins of some mounts.", needs: Needs::Sudo, fields: fields::RELOAD, operations: &[(Post, |c| Box::pin(plugins::reload_any(c)))] },
    Route { pattern: "plugins/reload/{type}/{name}", help: "Has the newest version of a plugin, or the pinned one, take over.", needs: Needs::Sudo, fields: fields::RELOAD, operations: &[(Post, |c| Box::pin(plugins::reload(c)))] },
    Route { pattern: "plugins/pins", help: "The versions that are pinned.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(plugins::list_pins(c)))] },
    Route { pattern: "plugins/pins/{type}/{name}", help: "The version of a plugin that is to run, whatever is registered after it.", needs: Needs::Sudo, fields: fields::PIN, operations: &[
        (Get, |c| Box::pin(plugins::read_pin(c))), (Post, |c| Box::pin(plugins::pin(c))), (Delete, |c| Box::pin(plugins::unpin(c))),
    ] },
    Route { pattern: "plugins/grants/{type}/{name}", help: "What a plugin asks for, and what it was granted by whom.", needs: Needs::Sudo, fields: fields::GRANTS, operations: &[
        (Get, |c| Box::pin(plugins::read_grants(c))), (Post, |c| Box::pin(plugins::grant(c))), (Delete, |c| Box::pin(plugins::withdraw(c))),
    ] },
    Route { pattern: "plugins/runtimes/catalog", help: "What plugins run in.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(plugins::runtimes(c))), (List, |c| Box::pin(plugins::runtimes(c)))] },
    Route { pattern: "plugins/runtimes/catalog/{type}/{name}", help: "Plugins run in the server's own sandbox, and in nothing else.", needs: Needs::Sudo, fields: fields::ANYTHING, operations: &[(Post, |c| Box::pin(plugins::no_runtime(c)))] },

    Route { pattern: "policies/acl", help: "The names of the policies.", needs: Needs::Token, fields: fields::POLICY, operations: &[(Get, |c| Box::pin(policies::list(c, false))), (List, |c| Box::pin(policies::list(c, false)))] },
    Route { pattern: "policies/acl/{name*}", help: "Writes, reads or deletes a policy.", needs: Needs::Token, fields: fields::POLICY, operations: &[
        (Get, |c| Box::pin(policies::read(c, false))), (Post, |c| Box::pin(policies::write(c))), (Delete, |c| Box::pin(policies::delete(c))),
    ] },
    Route { pattern: "policies/detailed/acl", help: "The policies, with their texts.", needs: Needs::Token, fields: fields::POLICY, operations: &[(List, |c| Box::pin(policies::list_detailed(c)))] },
    Route { pattern: "policies/detailed/acl/{name*}", help: "The policies whose names start so, with their texts.", needs: Needs::Token, fields: fields::POLICY, operations: &[(List, |c| Box::pin(policies::list_detailed(c)))] },
    Route { pattern: "policies/explain", help: "Which rule of which policy decides an access.", needs: Needs::Sudo, fields: fields::EXPLAIN, operations: &[(Post, |c| Box::pin(capabilities::explain(c)))] },
    Route { pattern: "policies/password", help: "The names of the password policies.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(List, |c| Box::pin(passwords::list(c)))] },
    Route { pattern: "policies/password/{name}", help: "Writes, reads or deletes a policy that passwords are made by.", needs: Needs::Token, fields: fields::PASSWORD_POLICY, operations: &[
        (Get, |c| Box::pin(passwords::read(c))), (Post, |c| Box::pin(passwords::write(c))), (Delete, |c| Box::pin(passwords::delete(c))),
    ] },
    Route { pattern: "policies/password/{name}/generate", help: "A new password.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(passwords::generate(c)))] },
    Route { pattern: "policy", help: "The names of the policies.", needs: Needs::Token, fields: fields::POLICY, operations: &[(Get, |c| Box::pin(policies::list(c, true))), (List, |c| Box::pin(policies::list(c, true)))] },
    Route { pattern: "policy/{name*}", help: "Writes, reads or deletes a policy.", needs: Needs::Token, fields: fields::POLICY, operations: &[
        (Get, |c| Box::pin(policies::read(c, true))), (Post, |c| Box::pin(policies::write(c))), (Delete, |c| Box::pin(policies::delete(c))),
    ] },
    Route { pattern: "capabilities", help: "What a token may do on some paths.", needs: Needs::Token, fields: fields::CAPABILITIES, operations: &[(Post, |c| Box::pin(capabilities::of_token(c)))] },
    Route { pattern: "capabilities-accessor", help: "What the token with an accessor may do on some paths.", needs: Needs::Token, fields: fields::CAPABILITIES_ACCESSOR, operations: &[(Post, |c| Box::pin(capabilities::of_accessor(c)))] },
    Route { pattern: "capabilities-self", help: "What the caller's token may do on some paths.", needs: Needs::Token, fields: fields::CAPABILITIES, operations: &[(Post, |c| Box::pin(capabilities::of_self(c)))] },

    Route { pattern: "locked-users", help: "Who has failed to log in too often, by mount.", needs: Needs::Token, fields: fields::LOCKED, operations: &[(Get, |c| Box::pin(locked_users::list(c)))] },
    Route { pattern: "locked-users/{mount_accessor}/unlock/{alias_identifier*}", help: "Lets somebody in again who was locked out.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Post, |c| Box::pin(locked_users::unlock(c)))] },

    Route { pattern: "leases", help: "The leases whose revocation keeps failing, and why.", needs: Needs::Sudo, fields: fields::IRREVOCABLE, operations: &[(Get, |c| Box::pin(leases::list_irrevocable(c)))] },
    Route { pattern: "leases/count", help: "How many leases there are whose revocation keeps failing.", needs: Needs::Token, fields: fields::IRREVOCABLE, operations: &[(Get, |c| Box::pin(leases::count(c)))] },
    Route { pattern: "leases/tidy", help: "Takes away what belongs to tokens that are gone.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Post, |c| Box::pin(tidy::tidy(c)))] },
    Route { pattern: "leases/lookup", help: "Describes a lease; or lists the leases below a prefix.", needs: Needs::Token, fields: fields::LEASE_LOOKUP, operations: &[(Post, |c| Box::pin(leases::lookup(c)))] },
    Route { pattern: "leases/lookup", help: "Describes a lease; or lists the leases below a prefix.", needs: Needs::Sudo, fields: fields::LEASE_LOOKUP, operations: &[(List, |c| Box::pin(leases::list(c)))] },
    Route { pattern: "leases/lookup/{prefix*}", help: "The leases below a prefix.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(List, |c| Box::pin(leases::list(c)))] },
    Route { pattern: "leases/renew", help: "Prolongs a lease.", needs: Needs::Token, fields: fields::LEASE_RENEW, operations: &[(Post, |c| Box::pin(leases::renew(c)))] },
    Route { pattern: "leases/renew/{url_lease_id*}", help: "Prolongs a lease.", needs: Needs::Token, fields: fields::LEASE_RENEW, operations: &[(Post, |c| Box::pin(leases::renew(c)))] },
    Route { pattern: "leases/revoke", help: "Ends a lease, and what it stands for.", needs: Needs::Token, fields: fields::LEASE_REVOKE, operations: &[(Post, |c| Box::pin(leases::revoke(c)))] },
    Route { pattern: "leases/revoke/{url_lease_id*}", help: "Ends a lease, and what it stands for.", needs: Needs::Token, fields: fields::LEASE_REVOKE, operations: &[(Post, |c| Box::pin(leases::revoke(c)))] },
    Route { pattern: "leases/revoke-prefix/{prefix*}", help: "Ends all leases below a prefix.", needs: Needs::Sudo, fields: fields::LEASE_PREFIX, operations: &[(Post, |c| Box::pin(leases::revoke_prefix(c)))] },
    Route { pattern: "leases/revoke-force/{prefix*}", help: "Forgets all leases below a prefix, even if what they stand for cannot be undone.", needs: Needs::Sudo, fields: fields::LEASE_PREFIX, operations: &[(Post, |c| Box::pin(leases::revoke_force(c)))] },
    // The paths that these had before.
    Route { pattern: "renew", help: "As leases/renew.", needs: Needs::Token, fields: fields::LEASE_RENEW, operations: &[(Post, |c| Box::pin(leases::renew(c)))] },
    Route { pattern: "renew/{url_lease_id*}", help: "As leases/renew.", needs: Needs::Token, fields: fields::LEASE_RENEW, operations: &[(Post, |c| Box::pin(leases::renew(c)))] },
    Route { pattern: "revoke", help: "As leases/revoke.", needs: Needs::Token, fields: fields::LEASE_REVOKE, operations: &[(Post, |c| Box::pin(leases::revoke(c)))] },
    Route { pattern: "revoke/{url_lease_id*}", help: "As leases/revoke.", needs: Needs::Token, fields: fields::LEASE_REVOKE, operations: &[(Post, |c| Box::pin(leases::revoke(c)))] },
    Route { pattern: "revoke-prefix/{prefix*}", help: "As leases/revoke-prefix.", needs: Needs::Sudo, fields: fields::LEASE_PREFIX, operations: &[(Post, |c| Box::pin(leases::revoke_prefix(c)))] },
    Route { pattern: "revoke-force/{prefix*}", help: "As leases/revoke-force.", needs: Needs::Sudo, fields: fields::LEASE_PREFIX, operations: &[(Post, |c| Box::pin(leases::revoke_force(c)))] },

    Route { pattern: "tools/random", help: "Random bytes.", needs: Needs::Token, fields: fields::RANDOM, operations: &[(Post, |c| Box::pin(tools::random(c)))] },
    Route { pattern: "tools/random/{source}", help: "Random bytes of a source; or so many of them.", needs: Needs::Token, fields: fields::RANDOM, operations: &[(Post, |c| Box::pin(tools::random(c)))] },
    Route { pattern: "tools/random/{source}/{urlbytes}", help: "So many random bytes of a source.", needs: Needs::Token, fields: fields::RANDOM, operations: &[(Post, |c| Box::pin(tools::random(c)))] },
    Route { pattern: "tools/hash", help: "A hash of the input.", needs: Needs::Token, fields: fields::HASH, operations: &[(Post, |c| Box::pin(tools::hash(c)))] },
    Route { pattern: "tools/hash/{urlalgorithm}", help: "A hash of the input, by an algorithm.", needs: Needs::Token, fields: fields::HASH, operations: &[(Post, |c| Box::pin(tools::hash(c)))] },

    Route { pattern: "wrapping/wrap", help: "Wraps what is sent.", needs: Needs::Token, fields: fields::ANYTHING, operations: &[(Post, |c| Box::pin(wrapping::wrap(c)))] },
    Route { pattern: "wrapping/unwrap", help: "The answer that a token was given for, once.", needs: Needs::Token, fields: fields::ONE_TOKEN, operations: &[(Post, |c| Box::pin(wrapping::unwrap(c)))] },
    Route { pattern: "wrapping/rewrap", help: "The answer that a token was given for, for another token.", needs: Needs::Token, fields: fields::ONE_TOKEN, operations: &[(Post, |c| Box::pin(wrapping::rewrap(c)))] },
    Route { pattern: "wrapping/lookup", help: "Where the answer that a token was given for comes from.", needs: Needs::Nothing, fields: fields::ONE_TOKEN, operations: &[
        (Get, |c| Box::pin(wrapping::lookup(c))), (Post, |c| Box::pin(wrapping::lookup(c))),
    ] },

    Route { pattern: "internal/specs/openapi", help: "The API of all mounts that the caller may know of, in OpenAPI 3.", needs: Needs::Nothing, fields: fields::OPENAPI, operations: &[(Get, |c| Box::pin(openapi::document(c))), (Post, |c| Box::pin(openapi::document(c)))] },
    Route { pattern: "internal/counters/tokens", help: "How many service tokens there are.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(counters::tokens(c)))] },
    Route { pattern: "internal/counters/entities", help: "How many entities there are.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(counters::entities(c)))] },
    Route { pattern: "internal/inspect/router/{tag}", help: "The mounts by accessor, root, storage or uuid, where the configuration allows that.", needs: Needs::Sudo, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(inspect::router(c)))] },
    Route { pattern: "internal/inspect/request", help: "The request itself, as the server sees it, where the configuration allows that.", needs: Needs::Sudo, fields: fields::ANYTHING, operations: &[(Get, |c| Box::pin(inspect::request(c)))] },
    Route { pattern: "internal/counters/requests", help: "What counted requests in Vault once.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(counters::requests(c)))] },
    Route { pattern: "internal/ui/resultant-acl", help: "All that the caller may, by path.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(ui::resultant_acl(c)))] },
    Route { pattern: "internal/ui/namespaces", help: "The namespaces below the caller's.", needs: Needs::Token, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(ui::namespaces(c)))] },
    Route { pattern: "internal/ui/mounts", help: "The mounts that the caller may know of.", needs: Needs::Nothing, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(ui::mounts(c)))] },
    Route { pattern: "internal/ui/mounts/{path*}", help: "The mount that a path leads to.", needs: Needs::Nothing, fields: fields::NOTHING, operations: &[(Get, |c| Box::pin(ui::mount(c)))] },
];
