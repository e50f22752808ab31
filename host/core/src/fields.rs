//! The parameters of the host's own paths: what each is called, what it is, and what it is for. The OpenAPI document and help
//! are made from it; a parameter that is not here is told to the caller as ignored, and cannot be read by a handler.

use coffer_runtime::FieldType::{
    self, Boolean, Duration, Integer, Object, Text, TextList, TextMap,
};

/// A parameter.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: FieldType,
    pub help: &'static str,
}

/// The parameters of a path besides those that stand in its pattern. None: whatever is sent.
pub type Fields = Option<&'static [Field]>;

pub(crate) const fn field(name: &'static str, kind: FieldType, help: &'static str) -> Field {
    Field { name, kind, help }
}

/// A path without parameters.
pub const NOTHING: Fields = Some(&[]);
/// A path that takes whatever is sent.
pub const ANYTHING: Fields = None;

const NONCE: Field = field("nonce", Text, "Which attempt is meant, by its nonce.");
const KEY: Field = field("key", Text, "A key share, in hexadecimal or base64.");
const SYNC: Field = field("sync", Boolean, "Whether to wait until it is done.");
const LEASE: Field = field("lease_id", Text, "The lease's id.");
const URL_LEASE: Field = field(
    "url_lease_id",
    Text,
    "The lease's id, as it stands in other paths.",
);
const INCREMENT: Field = field("increment", Duration, "How long it is to last from now on.");
const TOKEN: Field = field("token", Text, "The token.");
const ACCESSOR: Field = field("accessor", Text, "The token's accessor.");
const DESCRIPTION: Field = field("description", Text, "For people.");

/// The statuses are given as numbers in text.
pub const HEALTH: Fields = Some(&[
    field("standbyok", Boolean, "Of no effect: there are no standbys."),
    field(
        "perfstandbyok",
        Boolean,
        "Of no effect: there are no standbys.",
    ),
    field("activecode", Integer, "The HTTP status if it is active."),
    field("sealedcode", Integer, "The HTTP status if it is sealed."),
    field(
        "uninitcode",
        Integer,
        "The HTTP status if it is not initialized.",
    ),
]);
pub const INIT: Fields = Some(&[
    field("secret_shares", Integer, "How many shares to make."),
    field(
        "secret_threshold",
        Integer,
        "How many of them open the seal.",
    ),
    field("pgp_keys", TextList, "A public PGP key for each share."),
    field(
        "root_token_pgp_key",
        Text,
        "A public PGP key for the root token.",
    ),
    field("stored_shares", Integer, "Must be 0: no share is stored."),
    field(
        "recovery_shares",
        Integer,
        "Must be 0: recovery keys belong to seals that open by themselves.",
    ),
    field("recovery_threshold", Integer, "The same."),
]);
pub const UNSEAL: Fields = Some(&[
    KEY,
    field(
        "reset",
        Boolean,
        "Whether to forget the shares that were given.",
    ),
    field("migrate", Boolean, "Must be false: there is one seal."),
]);
pub const SHARE: Fields = Some(&[KEY, NONCE]);
pub const REKEY: Fields = Some(&[
    NONCE,
    field("secret_shares", Integer, "How many shares to make."),
    field(
        "secret_threshold",
        Integer,
        "How many of them open the seal.",
    ),
    field("pgp_keys", TextList, "A public PGP key for each share."),
    field("stored_shares", Integer, "Must be 0: no share is stored."),
    field("backup", Boolean, "Whether to keep the encrypted shares."),
    field(
        "require_verification",
        Boolean,
        "Whether the new shares must be given before they are in force.",
    ),
]);
pub const GENERATE_ROOT: Fields = Some(&[
    NONCE,
    field(
        "otp",
        Text,
        "A one-time password as long as the token, to hide it.",
    ),
    field("pgp_key", Text, "A public PGP key to hide the token with."),
]);
pub const DECODE: Fields = Some(&[
    field("encoded_token", Text, "The token as it was handed out."),
    field("otp", Text, "The one-time password."),
]);
pub const ROTATION: Fields = Some(&[
    field("enabled", Boolean, "Whether the key is replaced by itself."),
    field("max_operations", Integer, "After how many values."),
    field("interval", Duration, "After how long; 0 is never."),
]);
pub const LEVEL: Fields = Some(&[
    field("name", Text, "The part of the server."),
    field("level", Text, "trace, debug, info, warn or error."),
]);
pub const MONITOR: Fields = Some(&[
    field("log_level", Text, "trace, debug, info, warn or error."),
    field("log_format", Text, "standard or json."),
]);
pub const RAW: Fields = Some(&[
    field("path", Text, "The key."),
    field("value", Text, "What is stored."),
    field("encoding", Text, "base64, if the value is."),
    field(
        "compression_type",
        Text,
        "Empty: values are not compressed.",
    ),
    field(
        "compressed",
        Boolean,
        "Of no effect: values are not compressed.",
    ),
]);
pub const METRICS: Fields = Some(&[field(
    "format",
    Text,
    "prometheus for that; JSON otherwise.",
)]);
pub const AUDIT: Fields = Some(&[
    field("type", Text, "file, socket or syslog."),
    DESCRIPTION,
    field(
        "options",
        TextMap,
        "What the type takes, and how records are shown.",
    ),
    field(
        "local",
        Boolean,
        "Of no effect: there is nothing to replicate it to.",
    ),
]);
pub const AUDIT_HASH: Fields = Some(&[field("input", Text, "The text to hash.")]);
pub const CORS: Fields = Some(&[
    field(
        "allowed_origins",
        TextList,
        "Whose pages may call; * for all.",
    ),
    field(
        "allowed_headers",
        TextList,
        "Headers that they may send besides the usual ones.",
    ),
    field(
        "allow_credentials",
        Boolean,
        "Whether they may send what a browser keeps.",
    ),
]);
pub const UI_HEADER: Fields = Some(&[
    field("values", TextList, "The header's values."),
    field("multivalue", Boolean, "Whether to answer all values."),
]);
pub const AUDITED_HEADER: Fields = Some(&[field("hmac", Boolean, "Whether the value is hashed.")]);
/// Those of enabling and of tuning, which share a path.
pub const MOUNT: Fields = Some(&[
    field(
        "type",
        Text,
        "The plugin, or with plugin_name just `plugin`.",
    ),
    DESCRIPTION,
    field("config", Object, "The same settings as for tune."),
    field(
        "options",
        TextMap,
        "What the plugin takes, such as version.",
    ),
    field(
        "local",
        Boolean,
        "Of no effect: there is nothing to replicate it to.",
    ),
    field("seal_wrap", Boolean, "Of no effect: everything is sealed."),
    field(
        "external_entropy_access",
        Boolean,
        "Of no effect: there is one source of randomness.",
    ),
    field("plugin_name", Text, "The plugin."),
    field(
        "plugin_version",
        Text,
        "Its version; empty for the one in force.",
    ),
    field(
        "default_lease_ttl",
        Duration,
        "How long leases last that say nothing.",
    ),
    field("max_lease_ttl", Duration, "How long leases last at most."),
    field(
        "force_no_cache",
        Boolean,
        "Of no effect: caches are never stale.",
    ),
    field(
        "listing_visibility",
        Text,
        "unauth shows the mount to anybody; hidden does not.",
    ),
    field(
        "token_type",
        Text,
        "What logins give: service, batch, default-service or default-batch.",
    ),
    field(
        "user_lockout_config",
        Object,
        "When who fails to log in too often is locked out.",
    ),
    field(
        "passthrough_request_headers",
        TextList,
        "Headers that the plugin sees.",
    ),
    field(
        "allowed_response_headers",
        TextList,
        "Headers that the plugin may set.",
    ),
    field(
        "audit_non_hmac_request_keys",
        TextList,
        "Fields of requests that audit devices show as they are.",
    ),
    field(
        "audit_non_hmac_response_keys",
        TextList,
        "Fields of answers that audit devices show as they are.",
    ),
    field("plugin_limits", TextMap, "What the plugin may use."),
]);
pub const REMOUNT: Fields = Some(&[
    field(
        "from",
        Text,
        "Where the mount is; an auth method's starts with auth/.",
    ),
    field("to", Text, "Where it is to be."),
]);
pub const PLUGIN: Fields = Some(&[
    field("name", Text, "The plugin."),
    field("type", Text, "auth, database or secret."),
    field("version", Text, "Its version."),
    field("sha256", Text, "The digest of the component."),
    field("sha_256", Text, "The same."),
    field(
        "command",
        Text,
        "The component's file in the plugin directory.",
    ),
    field(
        "args",
        TextList,
        "Must be empty: components have no arguments.",
    ),
    field(
        "env",
        TextList,
        "Must be empty: components have no environment.",
    ),
    field(
        "component",
        Text,
        "The component itself, in base64; in the query of a read, whether to show it.",
    ),
    field(
        "signatures",
        Object,
        "Signatures of the component: a list of key and signature.",
    ),
    field(
        "oci_image",
        Text,
        "Must be empty: plugins are components, not containers.",
    ),
    field("runtime", Text, "Must be empty, likewise."),
    field("key", Text, "The public key that it is signed with."),
    field("source", Text, "Where it comes from, for people."),
    field("grant", Boolean, "Whether what it asks for is granted."),
    field(
        "replace",
        Boolean,
        "Whether a version that is there may be replaced.",
    ),
]);
pub const RELOAD: Fields = Some(&[
    field("plugin", Text, "The plugin."),
    field("mounts", TextList, "The mounts, instead of a plugin."),
    field("scope", Text, "Of no effect: there is one server."),
]);
pub const PIN: Fields = Some(&[field("version", Text, "The version.")]);
pub const GRANTS: Fields = Some(&[
    field(
        "version",
        Text,
        "Of which version; the newest if there is none.",
    ),
    field(
        "capabilities",
        TextList,
        "What is granted, of what it asks for.",
    ),
]);
pub const POLICY: Fields = Some(&[
    field("name", Text, "The policy."),
    field(
        "policy",
        Text,
        "The rules, in HCL or JSON, or that in base64.",
    ),
    field("rules", Text, "The same, by its old name."),
    field("ttl", Duration, "When it ends, from now on."),
    field("expiration", Text, "When it ends, as a time in RFC 3339."),
    field(
        "cas",
        Text,
        "The version that is expected; -1 if there must be none.",
    ),
    field(
        "cas_required",
        Boolean,
        "Whether writing wants cas from now on.",
    ),
]);
pub const PASSWORD_POLICY: Fields = Some(&[field(
    "policy",
    Text,
    "The policy, in HCL or JSON, or that in base64.",
)]);
pub const EXPLAIN: Fields = Some(&[
    TOKEN,
    field("path", Text, "What is accessed."),
    field("capability", Text, "What is done there."),
    field("sudo", Boolean, "Whether the path wants sudo."),
    field("parameters", Object, "With which parameters."),
]);
pub const CAPABILITIES: Fields = Some(&[
    TOKEN,
    field("path", TextList, "The paths, by an old name."),
    field("paths", TextList, "The paths."),
]);
pub const CAPABILITIES_ACCESSOR: Fields = Some(&[
    ACCESSOR,
    field("path", TextList, "The paths, by an old name."),
    field("paths", TextList, "The paths."),
]);
pub const LOCKED: Fields = Some(&[field("mount_accessor", Text, "Of this mount only.")]);
pub const IRREVOCABLE: Fields = Some(&[
    field("type", Text, "Must be irrevocable."),
    field("limit", Text, "How many; none for all."),
    field(
        "include_child_namespaces",
        Boolean,
        "Whether those below count.",
    ),
]);
pub const LEASE_LOOKUP: Fields = Some(&[
    LEASE,
    URL_LEASE,
    field("prefix", Text, "What the ids start with."),
]);
pub const LEASE_RENEW: Fields = Some(&[LEASE, URL_LEASE, INCREMENT]);
pub const LEASE_REVOKE: Fields = Some(&[LEASE, URL_LEASE, SYNC]);
pub const LEASE_PREFIX: Fields = Some(&[SYNC]);
pub const RANDOM: Fields = Some(&[
    field("bytes", Integer, "How many."),
    field("urlbytes", Text, "The same."),
    field("source", Text, "platform, seal or all."),
    field("format", Text, "hex or base64."),
]);
pub const HASH: Fields = Some(&[
    field("input", Text, "What to hash, in base64."),
    field(
        "algorithm",
        Text,
        "sha2-224, sha2-256, sha2-384, sha2-512, or sha3- with the same numbers.",
    ),
    field("urlalgorithm", Text, "The same."),
    field("format", Text, "hex or base64."),
]);
pub const OPENAPI: Fields = Some(&[
    field(
        "generic_mount_paths",
        Boolean,
        "Whether plugins' mounts stand for all of their kind, with their path as a parameter.",
    ),
    field("context", Text, "Of no effect."),
]);

pub const TOKEN_CREATE: Fields = Some(&[
    field("id", Text, "The token itself; wants sudo."),
    field(
        "policies",
        TextList,
        "Its policies; those of its parent if there are none.",
    ),
    field("meta", TextMap, "For people and policies."),
    field(
        "no_parent",
        Boolean,
        "Whether it has no parent; wants sudo.",
    ),
    field(
        "no_default_policy",
        Boolean,
        "Whether it lacks the policy default.",
    ),
    field("renewable", Boolean, "Whether it can be prolonged."),
    field("ttl", Duration, "How long it lasts."),
    field("lease", Duration, "The same, by an old name."),
    field("type", Text, "service or batch."),
    field("explicit_max_ttl", Duration, "How long it lasts at most."),
    field("display_name", Text, "For people."),
    field(
        "num_uses",
        Integer,
        "How often it can be used; 0 for any number.",
    ),
    field(
        "period",
        Duration,
        "How long it lasts after each renewal, without end; wants sudo.",
    ),
    field("entity_alias", Text, "Whose it is, as the role allows."),
    field("bound_cidrs", TextList, "From where it can be used."),
]);
pub const TOKEN_ROLE: Fields = Some(&[
    field(
        "allowed_policies",
        TextList,
        "Policies that its tokens can have.",
    ),
    field(
        "allowed_policies_glob",
        TextList,
        "The same, with wildcards.",
    ),
    field(
        "disallowed_policies",
        TextList,
        "Policies that its tokens cannot have.",
    ),
    field(
        "disallowed_policies_glob",
        TextList,
        "The same, with wildcards.",
    ),
    field(
        "allowed_entity_aliases",
        TextList,
        "Whose its tokens can be.",
    ),
    field("orphan", Boolean, "Whether its tokens have no parent."),
    field("renewable", Boolean, "Whether they can be prolonged."),
    field(
        "path_suffix",
        Text,
        "What the path that they are revoked by ends in.",
    ),
    field("period", Duration, "token_period, by an old name."),
    field(
        "explicit_max_ttl",
        Duration,
        "token_explicit_max_ttl, by an old name.",
    ),
    field(
        "bound_cidrs",
        TextList,
        "token_bound_cidrs, by an old name.",
    ),
    field(
        "token_bound_cidrs",
        TextList,
        "From where its tokens can be used.",
    ),
    field(
        "token_explicit_max_ttl",
        Duration,
        "How long they last at most.",
    ),
    field(
        "token_period",
        Duration,
        "How long they last after each renewal, without end.",
    ),
    field(
        "token_no_default_policy",
        Boolean,
        "Whether they lack the policy default.",
    ),
    field(
        "token_num_uses",
        Integer,
        "How often they can be used; 0 for any number.",
    ),
    field(
        "token_type",
        Text,
        "service, batch, default-service or default-batch.",
    ),
]);
pub const ONE_TOKEN: Fields = Some(&[TOKEN]);
pub const TOKEN_RENEW: Fields = Some(&[TOKEN, INCREMENT]);
pub const ONE_ACCESSOR: Fields = Some(&[ACCESSOR]);
pub const ACCESSOR_RENEW: Fields = Some(&[ACCESSOR, INCREMENT]);
