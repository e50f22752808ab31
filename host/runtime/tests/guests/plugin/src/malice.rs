//! What a plugin must not get away with.

use std::hint::black_box;

use serde_json::{Value, json};

use crate::coffer::plugin::types::Error;
use crate::coffer::plugin::{databases, storage};
use crate::exports::coffer::plugin::engine::Response;
use crate::{answer, raw, target, user};

/// None if the path is no attack.
pub fn serve(path: &str, data: &Value) -> Option<Result<Response, Error>> {
    let number = |name: &str| data[name].as_u64().unwrap_or_default() as usize;
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    Some(match path {
        "spin" => loop {
            black_box(0);
        },
        "allocate" => {
            let mut all = Vec::new();
            loop {
                all.push(black_box(vec![1u8; 1 << 20]));
            }
        }
        "try-allocate" => answer(json!({
            "refused": Vec::<u8>::new().try_reserve_exact(number("len")).is_err()
        })),
        "recurse" => answer(json!({ "depth": recurse(0) })),
        "recurse-in-memory" => answer(json!({ "depth": recurse_in_memory(0) })),
        "panic" => panic!("the plugin panics"),
        "large" => raw(format!("{{\"x\":\"{}\"}}", "x".repeat(number("len")))),
        "large-warnings" => warnings(vec!["x".repeat(1 << 20); number("len")]),
        // Texts that reach beyond the memory, and one that is passed as many.
        "beyond" => raw(beyond(number("len"))),
        "beyond-warnings" => warnings(vec![beyond(number("len"))]),
        "beyond-put" => storage::put("beyond", beyond(number("len")).as_bytes())
            .and_then(|()| answer(json!({}))),
        "aliases" => warnings(aliases(number("count"), number("len"))),
        "aliases-out" => {
            let mut user = user(data);
            user.statements = aliases(number("count"), number("len"));
            databases::create_user(&target(data), &user).and_then(|()| answer(json!({})))
        }
        // More and more of the host.
        "put-on" => (0..)
            .try_for_each(|key| storage::put(&format!("on/{key}"), &vec![1; number("len")]))
            .and_then(|()| answer(json!({}))),
        "get-on" => (0..)
            .try_for_each(|number| {
                let own = format!("on/{number}");
                storage::get(data["key"].as_str().unwrap_or(&own)).map(|_| ())
            })
            .and_then(|()| answer(json!({}))),
        "delete-on" => (0..)
            .try_for_each(|key| storage::delete(&format!("on/{key}")))
            .and_then(|()| answer(json!({}))),
        "scan-on" => loop {
            if let Err(error) = storage::scan("", None, u32::MAX) {
                break Err(error);
            }
        },
        "children-on" => loop {
            if let Err(error) = storage::children("on/", None, u32::MAX) {
                break Err(error);
            }
        },
        // A trace in memory, and the search for one.
        "leave" => {
            let trace = text("trace").as_bytes();
            let filled: Vec<u8> = trace.iter().copied().cycle().take(number("len")).collect();
            std::mem::forget(black_box(filled));
            match text("then") {
                "panic" => panic!("with a full memory"),
                "spin" => loop {
                    black_box(0);
                },
                _ => answer(json!({})),
            }
        }
        "search" => {
            let before = search(text("shifted").as_bytes());
            core::arch::wasm32::memory_grow(0, number("pages"));
            answer(json!({ "found": before + search(text("shifted").as_bytes()) }))
        }
        _ => return None,
    })
}

fn warnings(warnings: Vec<String>) -> Result<Response, Error> {
    Ok(Response {
        warnings,
        ..answer(json!({}))?
    })
}

/// Exhausts the stack that the host gives.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    if depth == u64::MAX {
        0
    } else {
        recurse(depth + 1)
            .rotate_left(depth as u32 & 63)
            .wrapping_mul(depth | 1)
    }
}

/// Exhausts the stack that a guest has in its own memory.
#[inline(never)]
fn recurse_in_memory(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX {
        frame[0]
    } else {
        recurse_in_memory(depth + 1) + frame[(depth % 64) as usize]
    }
}

/// A text that does not end where the memory does. What makes it is no Rust, but it is good WebAssembly.
fn beyond(len: usize) -> String {
    let start = black_box(vec![b'x'; 16].leak().as_mut_ptr());
    unsafe { String::from_raw_parts(start, len, len) }
}

/// The same text, so many times: it takes little of the guest's memory.
fn aliases(count: usize, len: usize) -> Vec<String> {
    let start = black_box("x".repeat(len).leak().as_mut_ptr());
    (0..count)
        .map(|_| unsafe { String::from_raw_parts(start, len, len) })
        .collect()
}

/// How often this text is in the whole of the memory. Each of its bytes is given as its successor, so that it does not
/// find what it was given.
fn search(shifted: &[u8]) -> usize {
    let start = black_box(1usize);
    let end = core::arch::wasm32::memory_size(0) << 16;
    let memory = unsafe { std::slice::from_raw_parts(start as *const u8, end - start) };
    memory
        .windows(shifted.len())
        .filter(|found| {
            found
                .iter()
                .zip(shifted)
                .all(|(have, next)| have.wrapping_add(1) == *next)
        })
        .count()
}
