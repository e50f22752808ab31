//! Keys that the host holds: made, used and deleted as the suite asks.

use coffer_sdk::keys::Key;
use coffer_sdk::prelude::*;

const NAME: Field<String> = Field::text("name", "The key's name.");
const OPERATION_NAME: Field<String> = Field::text("operation", "What is done with it.");
const ALGORITHM: Field<String> = Field::text("algorithm", "What it computes with.");
const MATERIAL: Field<String> = Field::text("material", "The key, from elsewhere, in hexadecimal.");
const INPUT: Field<String> = Field::text("input", "In hexadecimal.");
const MORE: Field<String> = Field::text("more", "Associated data, a signature, a context: in hexadecimal.");

pub const KEY: Path = Path::new("keys/{name}", "A key.")
    .fields(&[NAME.decl(), ALGORITHM.decl(), MATERIAL.decl()])
    .write(|request| make(request).map(|()| Response::empty()))
    .read(|request| {
        let key = open(request)?;
        let public = key.public_key().map(|der| text(&der));
        Ok(Response::data(json!({ "algorithm": key.algorithm(), "public": public })))
    })
    .delete(|request| keys::delete(&request.require(NAME)?).map(|()| Response::empty()));

/// Makes a key, and fails.
pub const HALF: Path = Path::new("half-a-key/{name}", "A request that fails when the key is made.")
    .fields(&[NAME.decl(), ALGORITHM.decl(), MATERIAL.decl()])
    .write(|request| {
        make(request)?;
        Err(Error::invalid("as it was asked to"))
    });

pub const OPERATION: Path = Path::new("keys/{name}/{operation}", "What is done with a key.")
    .fields(&[NAME.decl(), OPERATION_NAME.decl(), INPUT.decl(), MORE.decl()])
    .write(|request| {
        let key = open(request)?;
        let bytes = |field| Ok::<_, Error>(request.get(field)?.map_or(Vec::new(), |text: String| bytes(&text)));
        let (input, more) = (bytes(INPUT)?, bytes(MORE)?);
        let output = match request.require(OPERATION_NAME)?.as_str() {
            "encrypt" => key.encrypt(&input, &more)?,
            "decrypt" => key.decrypt(&input, &more)?,
            "sign" => key.sign(&input)?,
            "verify" => vec![u8::from(key.verify(&input, &more)?)],
            "mac" => key.mac(&input)?,
            "derived-mac" => key.derive(&more)?.mac(&input)?,
            "export" => key.export()?,
            other => return Err(Error::not_found(other)),
        };
        Ok(Response::data(json!({ "output": text(&output) })))
    });

fn make(request: &Request) -> Result<()> {
    let (name, algorithm) = (request.require(NAME)?, request.require(ALGORITHM)?);
    match request.get(MATERIAL)? {
        Some(material) => keys::import(&name, &algorithm, &bytes(&material)),
        None => keys::generate(&name, &algorithm),
    }
}

fn open(request: &Request) -> Result<Key> {
    keys::open(&request.require(NAME)?)?.ok_or_else(|| Error::not_found("no such key"))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use coffer_sdk::testing::Host;
    use coffer_sdk::{Operation, Response};

    use super::*;
    use crate::ECHO;

    fn write(host: &Host, path: &str, data: serde_json::Value) -> Result<Response> {
        host.call(&ECHO, Operation::Write, path, data)
    }

    #[test]
    fn keys_are_kept_from_call_to_call_and_rolled_back_with_one_that_fails() {
        let host = Host::new();
        write(&host, "keys/a", json!({"algorithm": keys::HMAC})).unwrap();
        write(&host, "half-a-key/b", json!({"algorithm": keys::HMAC})).unwrap_err();
        assert_eq!(host.held_keys(), ["a"]);
        let mac = |input: &str| write(&host, "keys/a/mac", json!({ "input": input })).unwrap().data;
        assert_eq!(mac("00"), mac("00"));
        assert_ne!(mac("00"), mac("01"));
        assert!(host.keys().is_empty(), "storage has no key");
        let read = host.call(&ECHO, Operation::Delete, "keys/a", json!({}));
        read.unwrap();
        assert!(host.held_keys().is_empty());
    }
}
