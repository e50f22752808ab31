//! Says which version it is, keeps what it is told, and misbehaves where it is asked to.

use coffer_sdk::http;
use coffer_sdk::prelude::*;

const NAME: Field<String> = Field::text("name", "A name.");
const VALUE: Field<String> = Field::text("value", "A value.");
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
            storage::put(&request.require(NAME)?, request.require(VALUE)?.as_bytes())?;
            Ok(Response::empty())
        }),
    Path::new("server", "A server that it may talk to.")
        .fields(&[URL.decl()])
        .write(|request| {
            storage::put("server", request.require(URL)?.as_bytes())?;
            Ok(Response::empty())
        })
        .delete(|_| storage::delete("server").map(|()| Response::empty())),
    Path::new("fetch", "What a server answers.").fields(&[URL.decl()]).read(|request| {
        let answer = http::Request::new("GET", request.require(URL)?).send()?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Ok(Response::data(json!({ "status": answer.status, "body": text })))
    }),
]);

coffer_sdk::export_plugin!(ECHO);
