//! Fresh keys for clients, encrypted with one of ours.

use coffer_sdk::prelude::*;
use zeroize::Zeroizing;

use crate::encoding;
use crate::encrypt::{self, ASSOCIATED_DATA, KEY_VERSION};
use crate::key::CONTEXT;
use crate::policy::{NAME, Policy};

const FORM: Field<String> = Field::text(
    "plaintext",
    "plaintext gives the key and its ciphertext, wrapped the ciphertext alone.",
);
const BITS: Field<i64> =
    Field::integer("bits", "The length of the key: 128, 256 or 512.").default_json("256");

pub(crate) const PATH: Path = Path::new(
    "datakey/{plaintext}/{name}",
    "Makes a key for use elsewhere, and encrypts it.",
)
.fields(&[
    FORM.decl(),
    NAME.decl(),
    CONTEXT.decl(),
    ASSOCIATED_DATA.decl(),
    BITS.decl(),
    KEY_VERSION.decl(),
])
.write(|request| {
    let shows = match request.require(FORM)?.as_str() {
        "plaintext" => true,
        "wrapped" => false,
        _ => {
            return Err(Error::invalid(
                "Invalid path, must be 'plaintext' or 'wrapped'",
            ));
        }
    };
    // The message about a context that is none is another here.
    encoding::context(request.get(CONTEXT)?.as_deref())?;
    let policy = Policy::named(request, "encryption key not found")?;
    let len = match request.get(BITS)?.unwrap_or(256) {
        128 => 16,
        256 => 32,
        512 => 64,
        _ => return Err(Error::invalid("invalid bit length")),
    };
    let key = Zeroizing::new(random::bytes(len));
    let sealed = encrypt::seal_new(&policy, &key, request)?;
    let mut data = json!({ "ciphertext": sealed.ciphertext, "key_version": sealed.key_version });
    if shows && let Some(data) = data.as_object_mut() {
        data.insert("plaintext".to_owned(), encoding::base64(&key).into());
    }
    Ok(Response::data(data))
});
