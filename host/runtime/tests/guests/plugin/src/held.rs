//! Keys that the host holds, kept longer than they are good for.

use std::cell::RefCell;

use serde_json::{Value, json};

use crate::coffer::plugin::types::Error;
use crate::exports::coffer::plugin::engine::Response;
use crate::{answer, internal, keys};

thread_local! {
    static KEPT: RefCell<Option<keys::Key>> = const { RefCell::new(None) };
}

pub fn serve(path: &str, data: &Value) -> Result<Response, Error> {
    let name = data["name"].as_str().unwrap_or("k");
    let open = || keys::open(name)?.ok_or_else(|| internal("no key"));
    match path {
        "make-key" => keys::generate(name, "hmac")?,
        "key-of" => return answer(json!({ "mac": open()?.mac(b"m")? })),
        "keep-key" => KEPT.set(Some(open()?)),
        "open-keys" => {
            let count = data["count"].as_u64().unwrap_or_default();
            let all: Result<Vec<_>, _> = (0..count).map(|_| open()).collect();
            drop(all?);
        }
        _ => {
            KEPT.with_borrow(|kept| kept.as_ref().map(|key| key.mac(b"m")).transpose())?;
            KEPT.set(None);
        }
    }
    answer(json!({}))
}
