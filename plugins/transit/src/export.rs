//! Keys on their way out: public halves, and what was made exportable.

use coffer_sdk::keys::{Hash, Key};
use coffer_sdk::prelude::*;
use pkcs8::PrivateKeyInfo;
use sec1::EcPrivateKey;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::encoding;
use crate::import;
use crate::kind::Kind;
use crate::policy::{NAME, Policy};
use crate::version::Version;

const TYPE: Field<String> = Field::text(
    "type",
    "What is exported: encryption-key, signing-key, hmac-key, public-key or certificate-chain.",
);
const VERSION: Field<String> = Field::text(
    "version",
    "A version, or latest; every version that may still be used if it is not given.",
);
const FORMAT: Field<String> = Field::text(
    "format",
    "raw, der (in base64) or pem; what is usual for the type if it is not given.",
);
const DESTINATION: Field<String> = Field::text(
    "destination",
    "The RSA key for which it is wrapped, usually the imported wrapping key of another mount.",
);
const SOURCE: Field<String> = Field::text("source", "The key that is exported.");
const HASH: Field<String> = Field::text(
    "hash",
    "The hash of OAEP: SHA1, SHA224, SHA256, SHA384 or SHA512.",
)
.default_json("\"SHA256\"");

const FIELDS: &[coffer_sdk::Decl] = &[TYPE.decl(), NAME.decl(), VERSION.decl(), FORMAT.decl()];
const BYOK_FIELDS: &[coffer_sdk::Decl] = &[
    DESTINATION.decl(),
    SOURCE.decl(),
    VERSION.decl(),
    HASH.decl(),
];

pub(crate) const PATH: Path = Path::new("export/{type}/{name}", "Exports a key.")
    .fields(FIELDS)
    .read(export);
pub(crate) const VERSION_PATH: Path = Path::new("export/{type}/{name}/{version}", "Exports a key.")
    .fields(FIELDS)
    .read(export);
pub(crate) const BYOK: Path = Path::new(
    "byok-export/{destination}/{source}",
    "Exports a key, wrapped for another mount to import.",
)
.fields(BYOK_FIELDS)
.read(wrap);
pub(crate) const BYOK_VERSION: Path = Path::new(
    "byok-export/{destination}/{source}/{version}",
    "Exports a key, wrapped for another mount to import.",
)
.fields(BYOK_FIELDS)
.read(wrap);

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Encryption,
    Signing,
    Hmac,
    Public,
    Certificates,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Usual,
    Raw,
    Der,
    Pem,
}

fn export(request: &Request) -> Result<Response> {
    let name = request.require(TYPE)?;
    let what = match name.as_str() {
        "encryption-key" => What::Encryption,
        "signing-key" => What::Signing,
        "hmac-key" => What::Hmac,
        "public-key" => What::Public,
        "certificate-chain" => What::Certificates,
        _ => return Err(Error::invalid(format!("invalid export type: {name}"))),
    };
    let format = request.get(FORMAT)?.unwrap_or_default();
    let form = match format.as_str() {
        "" => Form::Usual,
        "raw" => Form::Raw,
        "der" => Form::Der,
        "pem" => Form::Pem,
        _ => return Err(Error::invalid(format!("invalid format: {format}"))),
    };
    let policy = Policy::load(&request.require(NAME)?)?.ok_or_else(|| Error::not_found(""))?;
    let kind = policy.kind;
    let is_secret = !matches!(what, What::Public | What::Certificates);
    if is_secret && !policy.exportable {
        return Err(Error::invalid("private key material is not exportable"));
    }
    policy.check_usable()?;
    match what {
        What::Encryption if !kind.encrypts() => {
            return Err(Error::invalid("encryption not supported for the key"));
        }
        What::Signing if !kind.signs() => {
            return Err(Error::invalid("signing not supported for the key"));
        }
        What::Certificates if !kind.signs() => {
            return Err(Error::invalid(
                "certificate chain not supported for keys that do not support signing",
            ));
        }
        What::Public if !kind.signs() => {
            return Err(Error::invalid(format!(
                "unknown key type {} for export type public-key",
                kind.name()
            )));
        }
        _ => {}
    }
    answer(request, &policy, |version| match what {
        What::Hmac => symmetric(&policy.open_mac(version)?, form),
        What::Encryption if kind.is_aead() => symmetric(&policy.open(version)?, form),
        What::Encryption | What::Signing => private_text(kind, &policy.open(version)?, form),
        What::Public => public(kind, &policy.open(version)?, form).map(Zeroizing::new),
        What::Certificates => {
            let chain = Version::load(&policy.name, version)?.certificate_chain;
            if chain.is_empty() {
                return Err(Error::invalid(
                    "selected key version does not have a certificate chain imported",
                ));
            }
            Ok(Zeroizing::new(chain))
        }
    })
}

/// The versions that the request asks for, each as what `each` makes of it.
fn answer(
    request: &Request,
    policy: &Policy,
    each: impl Fn(u32) -> Result<Zeroizing<String>>,
) -> Result<Response> {
    let asked = request.get(VERSION)?.unwrap_or_default();
    let versions: Vec<u32> = match asked.as_str() {
        "" => policy.versions().collect(),
        "latest" => vec![policy.latest_version],
        text => {
            let number: u32 = text
                .trim_start_matches('v')
                .parse()
                .map_err(|_| Error::invalid("invalid key version"))?;
            if number < policy.min_decryption_version {
                return Err(Error::invalid(
                    "version for export is below minimum decryption version",
                ));
            }
            if number > policy.latest_version {
                return Err(Error::invalid("version does not exist or cannot be found"));
            }
            vec![number]
        }
    };
    let mut keys = Map::new();
    for version in versions {
        keys.insert(
            version.to_string(),
            Value::String(std::mem::take(&mut *each(version)?)),
        );
    }
    Ok(Response::data(json!({
        "name": policy.name,
        "type": policy.kind.name(),
        "keys": keys,
    })))
}

fn symmetric(key: &Key, form: Form) -> Result<Zeroizing<String>> {
    if matches!(form, Form::Der | Form::Pem) {
        return Err(Error::invalid(
            "unknown format for HMAC key; supported values are `` or `raw`",
        ));
    }
    let bytes = Zeroizing::new(key.export()?);
    Ok(Zeroizing::new(encoding::base64(&bytes)))
}

fn check_form(kind: Kind, form: Form) -> Result<()> {
    if form != Form::Raw || kind == Kind::Ed25519 {
        return Ok(());
    }
    let family = if kind.is_rsa() { "rsa" } else { "ec" };
    Err(Error::invalid(format!(
        "unknown key format for {family} key; supported values are ``, `der`, or `pem`"
    )))
}

fn private_text(kind: Kind, key: &Key, form: Form) -> Result<Zeroizing<String>> {
    check_form(kind, form)?;
    if key.is_public() {
        return Ok(Zeroizing::new(String::new()));
    }
    let pkcs8 = Zeroizing::new(key.export()?);
    let text = match (form, kind) {
        (Form::Der, _) => encoding::base64(&pkcs8),
        (Form::Pem, Kind::Ed25519) => trimmed(encoding::pem("PRIVATE KEY", &pkcs8)?),
        (Form::Pem, _) if kind.is_ecdsa() => trimmed(encoding::pem("PRIVATE KEY", &pkcs8)?),
        (Form::Pem, _) => encoding::pem("PRIVATE KEY", &pkcs8)?,
        (_, Kind::Ed25519) => {
            // As Go's library has it: the seed, and the public key behind it.
            let info = PrivateKeyInfo::try_from(pkcs8.as_slice()).map_err(Error::internal)?;
            let seed = info.private_key.get(2..).unwrap_or_default();
            encoding::base64(&Zeroizing::new([seed, &public_point(key)?].concat()))
        }
        (_, _) if kind.is_rsa() => {
            let info = PrivateKeyInfo::try_from(pkcs8.as_slice()).map_err(Error::internal)?;
            encoding::pem("RSA PRIVATE KEY", info.private_key)?
        }
        _ => {
            let info = PrivateKeyInfo::try_from(pkcs8.as_slice()).map_err(Error::internal)?;
            let inner = EcPrivateKey::try_from(info.private_key).map_err(Error::internal)?;
            // Outside of PKCS#8 it says itself which curve it is on.
            let curve = info.algorithm.parameters_oid().map_err(Error::internal)?;
            let whole = EcPrivateKey {
                parameters: Some(sec1::EcParameters::NamedCurve(curve)),
                ..inner
            };
            let der = Zeroizing::new(der::Encode::to_der(&whole).map_err(Error::internal)?);
            trimmed(encoding::pem("EC PRIVATE KEY", &der)?)
        }
    };
    Ok(Zeroizing::new(text))
}

fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end().len());
    text
}

fn spki(key: &Key) -> Result<Vec<u8>> {
    key.public_key()
        .ok_or_else(|| Error::internal("the key has no public half"))
}

/// The public key of Ed25519 by itself: what its `SubjectPublicKeyInfo` ends in.
fn public_point(key: &Key) -> Result<Vec<u8>> {
    let spki = spki(key)?;
    let at = spki.len().saturating_sub(32);
    Ok(spki.get(at..).unwrap_or_default().to_vec())
}

/// The public half as it is shown beside a key: PEM, or the bare key of Ed25519 in base64.
pub(crate) fn public_text(key: &Key) -> Result<String> {
    if key.algorithm() == keys::ED25519 {
        return Ok(encoding::base64(&public_point(key)?));
    }
    encoding::pem("PUBLIC KEY", &spki(key)?)
}

fn public(kind: Kind, key: &Key, form: Form) -> Result<String> {
    check_form(kind, form)?;
    match form {
        Form::Der => Ok(encoding::base64(&spki(key)?)),
        Form::Usual | Form::Raw if kind == Kind::Ed25519 => public_text(key),
        _ if kind.is_rsa() => encoding::pem("PUBLIC KEY", &spki(key)?),
        _ => Ok(trimmed(encoding::pem("PUBLIC KEY", &spki(key)?)?)),
    }
}

fn wrap(request: &Request) -> Result<Response> {
    let load = |field: Field<String>, missing: &str| {
        Policy::load(&request.require(field)?)?.ok_or_else(|| Error::invalid(missing))
    };
    let holder = load(DESTINATION, "no such destination key to export to")?;
    let policy = load(SOURCE, "no such source key for export")?;
    if !policy.exportable {
        return Err(Error::invalid("key is not exportable"));
    }
    policy.check_usable()?;
    holder.check_usable()?;
    if !holder.kind.is_rsa() {
        return Err(Error::invalid(
            "unsupported key type in use; must be a rsa key",
        ));
    }
    let hash: Hash = import::hash_named(&request.get(HASH)?.unwrap_or_default())?;
    let wrapping = holder.open(holder.latest_version)?;
    answer(request, &policy, |version| {
        let wrapped = wrapping.wrap(&policy.open(version)?, hash)?;
        Ok(Zeroizing::new(encoding::base64(&wrapped)))
    })
}
