//! A key that two holders have in common, of which each knows only the other's public half (ECDH).

use coffer_sdk::prelude::*;

use crate::import;
use crate::kind::Kind;
use crate::policy::{NAME, Policy};

const ALGORITHM: Field<String> =
    Field::text("key_derivation_algorithm", "How: ecdh.").default_json("\"ecdh\"");
const PEER: Field<String> = Field::text(
    "peer_public_key",
    "The other's public key, in PEM, on the same curve.",
)
.required();
const BASE_NAME: Field<String> = Field::text(
    "base_key_name",
    "Our key: ecdsa-p256, ecdsa-p384 or ecdsa-p521.",
)
.required();
const BASE_VERSION: Field<i64> = Field::integer(
    "base_key_version",
    "The version of our key; 0 is the latest.",
);
const DERIVED_TYPE: Field<String> =
    Field::text("derived_key_type", "The type of the key in common.")
        .default_json("\"aes256-gcm96\"");

pub(crate) const PATH: Path = Path::new(
    "derive-key/{name}",
    "Makes a key, or a new version of it, of ours and of another's public one.",
)
.fields(&[
    NAME.decl(),
    ALGORITHM.decl(),
    PEER.decl(),
    BASE_NAME.decl(),
    BASE_VERSION.decl(),
    DERIVED_TYPE.decl(),
])
.write(|request| {
    let algorithm = request.get(ALGORITHM)?.unwrap_or_else(|| "ecdh".to_owned());
    if algorithm != "ecdh" {
        return Err(Error::invalid(format!(
            "key derivation algorithm {algorithm} not supported"
        )));
    }
    let peer = request.get(PEER)?.unwrap_or_default();
    if peer.is_empty() {
        return Err(Error::invalid("peer public key not provided"));
    }
    let kind = Kind::asked(request.get(DERIVED_TYPE)?.as_deref())?;
    if !kind.is_aead() {
        return Err(Error::invalid(format!("unknown key type {}", kind.name())));
    }
    let base = Policy::load(&request.require(BASE_NAME)?)?
        .ok_or_else(|| Error::invalid("specified base key not found"))?;
    base.check_usable()?;
    if !base.kind.is_ecdsa() {
        return Err(Error::invalid(format!(
            "base key type {} does not support key agreement",
            base.kind.name()
        )));
    }
    let version =
        base.version_to_make(request.get(BASE_VERSION)?.unwrap_or_default(), "derivation")?;
    let peer = import::public_der(&peer)?;
    let key = base.open(version)?;
    import::adopt(&request.require(NAME)?, kind, |held| {
        key.agree(&peer, held, kind.name())
    })?;
    Ok(Response::empty())
});
