//! A request as it comes over the wire: a line with method and address, headers, an empty line, and the body. Nothing that
//! is sent is the server's fault, and every answer is one that a client can read.

use axum::http::{Method, Request};

use crate::world::World;

pub(crate) fn run(input: &[u8]) {
    if let Some(request) = parse(input) {
        World::with(|world| world.ask(request));
    }
}

fn parse(input: &[u8]) -> Option<Request<Vec<u8>>> {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = input.split_at(end.unwrap_or(input.len()));
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let mut request = Request::builder()
        .method(Method::from_bytes(first.next()?).ok()?)
        .uri(first.next()?);
    for line in lines {
        let at = line.windows(2).position(|pair| pair == b": ")?;
        let (name, value) = line.split_at(at);
        request = request.header(name, value.get(2..)?);
    }
    request
        .body(body.get(2..).unwrap_or_default().to_vec())
        .ok()
}
