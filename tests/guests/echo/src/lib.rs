//! Says which version it is, keeps what it is told, and misbehaves where it is asked to.

use coffer_sdk::{content, headers, http, pod};
use coffer_sdk::prelude::*;

mod held;

const NAME: Field<String> = Field::text("name", "A name.");
const VALUE: Field<String> = Field::text("value", "A value.");
const COPIES: Field<i64> = Field::integer("copies", "How often to keep it.");
const SIZE: Field<i64> = Field::integer("size", "How much.");
const URL: Field<String> = Field::text("url", "A server.").destination();

/// Written over, in the binary, by what the suite calls it.
static VERSION: &str = "7.7.7-echo";

static ECHO: Plugin = Plugin::secret("echo", VERSION, "Echoes.").paths(&[
    Path::new("version", "Which version it is.").read(|_| Ok(Response::data(json!({ "version": VERSION })))),
    Path::new("kept/{name}", "What was kept.")
        .fields(&[NAME.decl(), VALUE.decl()])
        .read(|request| {
            let kept = storage::get(&request.require(NAME)?)?;
            let text = kept.map(|kept| String::from_utf8_lossy(&kept).into_owned());
            Ok(Response::data(json!({ "value": text, "version": VERSION })))
        })
        .write(|request| {
            let (name, value) = (request.require(NAME)?, request.require(VALUE)?);
            storage::put(&name, value.as_bytes())?;
            for copy in 1..request.get(COPIES)?.unwrap_or(1) {
                storage::put(&format!("{name}-{copy}"), value.as_bytes())?;
            }
            Ok(Response::empty())
        })
        .delete(|request| storage::delete(&request.require(NAME)?).map(|()| Response::empty())),
    Path::new("hold", "Is busy for some milliseconds.").fields(&[SIZE.decl()]).read(|request| {
        let until = clock::now() + size(request)?;
        while clock::now() < until {}
        Ok(Response::data(json!({})))
    }),
    Path::new("take", "Takes some bytes of memory.").fields(&[SIZE.decl()]).read(|request| {
        let taken = vec![1_u8; size(request)? as usize];
        Ok(Response::data(json!({ "sum": taken.iter().map(|byte| u64::from(*byte)).sum::<u64>() })))
    }),
    Path::new("answer", "Answers with some bytes.").fields(&[SIZE.decl()]).read(|request| {
        Ok(Response::data(json!({ "text": "x".repeat(size(request)? as usize) })))
    }),
    Path::new("break", "Panics.").read(|_| panic!("as it was asked to")),
    Path::new("server", "A server that it may talk to.")
        .fields(&[URL.decl()])
        .write(|request| {
            storage::put("server", request.require(URL)?.as_bytes())?;
            Ok(Response::empty())
        })
        .delete(|_| storage::delete("server").map(|()| Response::empty())),
    Path::new("open", "What anybody may write.")
        .fields(&[URL.decl()])
        .unauthenticated()
        .write(|_| Ok(Response::empty())),
    Path::new("header/{name}", "What the request says in a header.")
        .fields(&[NAME.decl(), VALUE.decl()])
        .read(|request| Ok(Response::data(json!({ "values": headers::request(&request.require(NAME)?) }))))
        .write(|request| {
            headers::respond(&request.require(NAME)?, &request.require(VALUE)?)?;
            Ok(Response::data(json!({})))
        }),
    Path::new("pod/{name}", "What the server's pod has: token, or certificates.").fields(&[NAME.decl()]).read(|request| {
        let text = match request.require(NAME)?.as_str() {
            "token" => pod::service_account_token()?,
            _ => pod::certificate_authority()?,
        };
        Ok(Response::data(json!({ "text": text })))
    }),
    Path::new("page", "What is no JSON.")
        .fields(&[VALUE.decl(), SIZE.decl()])
        .read(|request| {
            page(request)?;
            Ok(Response::empty().status(203))
        })
        .write(|request| {
            page(request)?;
            Ok(Response::data(json!({ "besides": true })))
        }),
    held::KEY,
    held::OPERATION,
    held::HALF,
    Path::new("fetch", "What a server answers.").fields(&[URL.decl()]).read(|request| {
        let answer = http::Request::new("GET", request.require(URL)?).send()?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Ok(Response::data(json!({ "status": answer.status, "body": text })))
    }),
]);

fn page(request: &Request) -> Result<()> {
    content::respond(&request.require(VALUE)?, vec![b'x'; size(request)? as usize])
}

fn size(request: &Request) -> Result<u64> {
    Ok(request.require(SIZE)?.unsigned_abs())
}

coffer_sdk::export_plugin!(ECHO);

#[cfg(test)]
mod tests {
    use coffer_sdk::testing::Host;

    use super::*;

    #[test]
    fn what_the_pod_has_is_the_tests_to_say() {
        let read = |host: &Host, path: &str| {
            let read = host.call(&ECHO, coffer_sdk::Operation::Read, path, json!({}));
            let data: serde_json::Value = serde_json::from_str(&read.unwrap().data.unwrap()).unwrap();
            data["text"].clone()
        };
        let host = Host::new();
        assert_eq!(read(&host, "pod/token"), json!(null));
        let host = host.pod("a token", "certificates");
        assert_eq!(read(&host, "pod/token"), json!("a token"));
        assert_eq!(read(&host, "pod/certificates"), json!("certificates"));
    }
}
