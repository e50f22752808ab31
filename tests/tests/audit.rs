//! Audit devices: what they record, that nothing is answered which none has recorded, and that what they wrote cannot be
//! changed unseen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use coffer_tests::server::Keys;
use coffer_tests::{Cli, Client, Server, check, until};
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(20);

/// A server whose audit devices may write below its folder, and a file for one.
fn audited() -> (Server, Keys, PathBuf) {
    let (server, keys) = Server::ready_with("", |folder| {
        format!("audit_directory = {folder:?}\nunsafe_allow_api_audit_creation = true\n")
    })
    .unwrap();
    let file = server.folder().join("audit.log");
    (server, keys, file)
}

fn enable(client: &Client, path: &str, options: Value) {
    let kind = path.split('-').next().unwrap();
    let body = json!({ "type": kind, "options": options });
    client.post(&format!("sys/audit/{path}"), body).expect(204);
}

fn records(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The records of one path and type.
fn of<'r>(records: &'r [Value], kind: &str, path: &str) -> Vec<&'r Value> {
    let fits = |record: &&Value| record["type"] == kind && record["request"]["path"] == path;
    records.iter().filter(fits).collect()
}

#[test]
fn requests_and_answers_are_recorded_without_their_secrets() {
    let (server, _, file) = audited();
    let client = server.client();
    enable(&client, "file", json!({ "file_path": file }));
    check! { client;
        "GET sys/audit" => 200, {"file/": {"type": "file", "path": "file/", "local": false}, "data": {"file/": {"accessor": "~audit_file_"}}};
        "POST sys/mounts/kv", {"type": "kv", "config": {"audit_non_hmac_request_keys": ["colour"], "audit_non_hmac_response_keys": ["colour"]}} => 204;
        "POST kv/a", {"password": "swordfish", "colour": "red", "n": 7} => 204;
        "GET kv/a" => 200, {"data": {"password": "swordfish"}};
        "POST sys/policies/acl/none", {"policy": "path \"x\" { capabilities = [\"read\"] }"} => 204;
    }
    let made = client.post("auth/token/create", json!({"policies": ["none"]}));
    let (token, accessor) = (made.text("/auth/client_token"), made.text("/auth/accessor"));
    assert_eq!(client.with_token(&token).get("kv/a").status, 403);
    assert_eq!(client.with_token("nobody").get("kv/a").status, 403);
    assert_eq!(client.get("nowhere/a").status, 404);

    let text = fs::read_to_string(&file).unwrap();
    for secret in ["swordfish", &token, &accessor, server.root_token()] {
        assert!(!text.contains(secret), "{secret} is in the audit file");
    }
    let all = records(&file);
    let hash = |input: &str| {
        client
            .post("sys/audit-hash/file", json!({ "input": input }))
            .text("/data/hash")
    };
    assert_eq!(of(&all, "request", "sys/audit/test").len(), 1);

    let written = of(&all, "request", "kv/a");
    assert_eq!(written[0]["request"]["operation"], "update");
    assert_eq!(
        written[0]["request"]["data"],
        json!({"password": hash("swordfish"), "colour": "red", "n": 7})
    );
    assert_eq!(written[0]["request"]["mount_point"], "kv/");
    assert_eq!(written[0]["request"]["remote_address"], "127.0.0.1");
    assert_eq!(
        written[0]["auth"]["client_token"],
        hash(server.root_token()).as_str()
    );
    assert_eq!(written[0]["auth"]["policies"], json!(["root"]));
    let read = of(&all, "response", "kv/a")[1];
    assert_eq!(
        read["response"]["data"],
        json!({"password": hash("swordfish"), "colour": "red", "n": 7})
    );
    assert_eq!(read["request"]["id"], written[1]["request"]["id"]);

    let created = of(&all, "response", "auth/token/create")[0];
    assert_eq!(
        created["response"]["auth"]["client_token"],
        hash(&token).as_str()
    );
    assert_eq!(
        created["response"]["auth"]["accessor"],
        hash(&accessor).as_str()
    );
    assert_eq!(
        created["response"]["auth"]["policies"],
        json!(["default", "none"])
    );

    // Those that were refused, with who it was if that is known.
    let refused: Vec<_> = of(&all, "request", "kv/a")
        .into_iter()
        .filter(|record| record["error"] == "permission denied")
        .collect();
    assert_eq!(refused.len(), 2);
    assert_eq!(refused[0]["auth"]["accessor"], hash(&accessor).as_str());
    assert_eq!(refused[1]["auth"], Value::Null);
    assert_eq!(
        refused[1]["request"]["client_token"],
        hash("nobody").as_str()
    );
    assert_eq!(
        of(&all, "response", "nowhere/a")[0]["response"]["status"],
        404
    );
}

#[test]
fn headers_of_requests_are_recorded_as_they_are_told() {
    let (server, _, file) = audited();
    let client = server.client();
    let options = json!({ "file_path": file.display().to_string() });
    enable(&client, "file", options);
    check! { client;
        "GET sys/config/auditing/request-headers" => 200, {"headers": {}};
        "POST sys/config/auditing/request-headers/User-Agent", {} => 204;
        "POST sys/config/auditing/request-headers/accept", {"hmac": true} => 204;
        "POST sys/config/auditing/request-headers/a%20b", {} => 400, {"errors": ["*"]};
        "GET sys/config/auditing/request-headers" => 200, {"headers": {"accept": {"hmac": true}, "user-agent": {"hmac": false}}};
        "GET sys/config/auditing/request-headers/ACCEPT" => 200, {"accept": {"hmac": true}};
        "GET sys/config/auditing/request-headers/none" => 400, {"errors": ["Could not find header in config"]};
        "GET sys/policies/acl/default" => 200, {};
        "DELETE sys/config/auditing/request-headers/user-agent" => 204;
        "DELETE sys/config/auditing/request-headers/accept" => 204;
        "LIST sys/policies/acl" => 200, {};
    }
    let records = records(&file);
    let headers = |path: &str| {
        let found = of(&records, "request", path);
        found.last().unwrap()["request"]["headers"].clone()
    };
    let told = headers("sys/policies/acl/default");
    assert!(
        told["user-agent"][0].as_str().unwrap().contains("ureq"),
        "{told}"
    );
    assert!(
        told["accept"][0]
            .as_str()
            .unwrap()
            .starts_with("hmac-sha256:"),
        "{told}"
    );
    assert_eq!(headers("sys/policies/acl"), Value::Null);
}

#[test]
fn changes_of_the_catalog_are_recorded_with_who_made_them() {
    let (server, _, file) = audited();
    let client = server.client();
    enable(
        &client,
        "file",
        json!({ "file_path": file, "log_raw": "true" }),
    );
    client
        .post(
            "sys/plugins/catalog/secret/mine",
            json!({"component": "AGFzbQ=="}),
        )
        .expect(400);
    client
        .post(
            "sys/plugins/grants/secret/mine",
            json!({"capabilities": ["keys:export"]}),
        )
        .expect(400);
    client
        .post("sys/plugins/reload/secret/kv", json!({}))
        .expect(204);
    let all = records(&file);
    let granting = of(&all, "request", "sys/plugins/grants/secret/mine")[0];
    assert_eq!(
        granting["request"]["data"]["capabilities"],
        json!(["keys:export"])
    );
    assert_eq!(granting["auth"]["display_name"], "root");
    let registering = of(&all, "response", "sys/plugins/catalog/secret/mine")[0];
    assert!(
        registering["error"]
            .as_str()
            .unwrap()
            .contains("not a WebAssembly component"),
        "{registering}"
    );
    assert_eq!(
        of(&all, "response", "sys/plugins/reload/secret/kv").len(),
        1
    );
}

#[test]
fn options_say_how_records_look() {
    let (server, _, file) = audited();
    let client = server.client();
    let named = |name: &str| file.with_file_name(name);
    enable(
        &client,
        "file-raw",
        json!({ "file_path": named("raw"), "log_raw": true, "prefix": "@cee: ", "mode": "0640" }),
    );
    enable(
        &client,
        "file-short",
        json!({ "file_path": named("short"), "elide_list_responses": true, "hmac_accessor": false }),
    );
    client
        .post("sys/mounts/kv", json!({"type": "kv"}))
        .expect(204);
    client
        .post("kv/a", json!({"password": "swordfish"}))
        .expect(204);
    client.list("kv/").expect(200);
    // An answer leaves when one of them has it.
    for name in ["raw", "short"] {
        until(WAIT, name, || {
            let text = fs::read_to_string(named(name)).unwrap();
            text.matches("\"path\":\"kv/\"").count() == 2
        });
    }
    let raw = fs::read_to_string(named("raw")).unwrap();
    assert!(raw.contains("swordfish") && raw.lines().all(|line| line.starts_with("@cee: {")));
    let listed = records(&named("short"));
    assert_eq!(
        of(&listed, "response", "kv/")[0]["response"]["data"],
        json!({"keys": 1})
    );
    let accessor = client.get("auth/token/lookup-self").text("/data/accessor");
    assert_eq!(
        listed.last().unwrap()["auth"]["accessor"],
        accessor.as_str()
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(named("raw")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o640);
    // Both chains hold, whatever stands before the records.
    let cli = Cli::new(&server).unwrap();
    for name in ["raw", "short"] {
        cli.words(["audit", "verify", named(name).to_str().unwrap()])
            .ok();
    }
}

#[test]
fn what_was_written_is_proved_and_goes_on_after_a_crash() {
    let (mut server, keys, file) = audited();
    let client = server.client();
    let cli = Cli::new(&server).unwrap();
    let verify = |words: &[&str]| {
        let words = ["audit", "verify"].iter().chain(words).copied();
        cli.words(words)
    };
    let path = file.to_str().unwrap();
    cli.words(["audit", "enable", "file", &format!("file_path={path}")])
        .ok();
    assert!(cli.run("audit list -detailed").ok().contains(path));
    client
        .post("sys/mounts/kv", json!({"type": "kv"}))
        .expect(204);
    let before = verify(&["-format=json", path]).json();
    server.kill9();
    // In the middle of a record, as a machine that loses its power leaves a file.
    let whole = fs::read(&file).unwrap();
    fs::write(&file, [&whole[..], b"{\"time\":\"20"].concat()).unwrap();
    server.start().unwrap();
    server.unseal(&keys).unwrap();
    client.post("kv/a", json!({"x": "y"})).expect(204);
    let after = verify(&["-format=json", path]).json();
    assert_eq!(after["first"], 1);
    assert!(
        after["last"].as_u64() >= before["last"].as_u64().map(|last| last + 2),
        "{before} {after}"
    );
    let head = after["head"].as_str().unwrap().to_owned();
    verify(&[&format!("-head={head}"), path]).ok();
    // A file that ends too early, one with a changed word, one without a line.
    let lines: Vec<String> = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| format!("{line}\n"))
        .collect();
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().concat();
    let copy = file.with_file_name("copy");
    for (text, head, says) in [
        (
            without(lines.len() - 1),
            Some(&head),
            "records are missing at the end",
        ),
        (without(2), None, "record 4 follows record 2"),
        (
            lines.concat().replacen("\"root\"", "\"toor\"", 1),
            None,
            "is not what was written",
        ),
    ] {
        fs::write(&copy, text).unwrap();
        let head = head.map(|head| format!("-head={head}"));
        let mut words: Vec<&str> = head.iter().map(String::as_str).collect();
        words.push(copy.to_str().unwrap());
        let ran = verify(&words);
        assert!(ran.code == 2 && ran.stderr.contains(says), "{ran:?}");
    }
}

#[test]
fn a_file_is_put_aside_when_it_is_full_or_when_somebody_moves_it() {
    let (server, _, file) = audited();
    let client = server.client();
    let cli = Cli::new(&server).unwrap();
    let options = json!({ "file_path": file, "rotate_bytes": "4000", "rotate_max_files": 3 });
    enable(&client, "file", options);
    for _ in 0..40 {
        client.get("sys/mounts").expect(200);
    }
    let aside = || {
        let mut files: Vec<_> = fs::read_dir(server.folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.retain(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("audit.log.")
        });
        files.sort();
        files
    };
    let kept = aside();
    assert_eq!(kept.len(), 3, "{kept:?}");
    // By hand, as logrotate does it. The reopening is asked for by a signal, and done at the next chance.
    until(WAIT, "there is a file", || {
        client.get("sys/audit").expect(200);
        file.exists()
    });
    let moved = file.with_file_name("moved");
    fs::rename(&file, &moved).unwrap();
    let pid = server.pid().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-HUP", &pid])
            .status()
            .unwrap()
            .success()
    );
    until(WAIT, "the file is made anew", || {
        client.get("sys/audit").expect(200);
        file.exists()
    });
    let words = ["audit", "verify"]
        .map(PathBuf::from)
        .into_iter()
        .chain(aside())
        .chain([moved, file]);
    let ran = cli.words(words.filter(|path| path.exists() || path.components().count() == 1));
    assert!(ran.code == 0, "{ran:?}");
}

#[test]
fn nothing_is_answered_that_no_device_has_recorded() {
    let (server, _, file) = audited();
    let client = server.client();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    client
        .post("sys/mounts/kv", json!({"type": "kv"}))
        .expect(204);
    enable(
        &client,
        "socket",
        json!({ "address": address, "write_timeout": "1s" }),
    );
    let (stream, _) = listener.accept().unwrap();
    let first = BufReader::new(&stream).lines().next().unwrap().unwrap();
    assert!(first.contains("sys/audit/test"), "{first}");
    client.post("kv/a", json!({"x": "1"})).expect(204);
    drop((listener, stream));
    // A write to a connection that has just been closed may still be taken.
    until(WAIT, "the loss is noticed", || {
        client.post("kv/b", json!({})).status == 500
    });
    let refused = client.post("kv/a", json!({"x": "2"}));
    assert_eq!(
        refused.errors(),
        "no audit device could record this, so it is refused; the server's log says why"
    );
    assert_eq!(client.get("kv/a").status, 500);
    assert_eq!(
        server.anonymous().get("sys/health").status,
        200,
        "it says that it lives all the same"
    );
    // It comes back, and shows that nothing was done meanwhile.
    let listener = TcpListener::bind(&address).unwrap();
    let reader = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        BufReader::new(stream).lines().map_while(Result::ok).count()
    });
    assert_eq!(client.get("kv/a").text("/data/x"), "1");
    // Where another device records, a dead one delays nobody.
    enable(&client, "file", json!({ "file_path": file }));
    client.delete("sys/audit/socket").expect(204);
    assert!(reader.join().unwrap() > 0);
    assert_eq!(client.get("kv/a").text("/data/x"), "1");
}

#[test]
fn a_stuck_pipe_delays_nobody_while_another_device_records() {
    let (server, _, file) = audited();
    let client = server.client();
    let pipe = file.with_file_name("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    // Nobody reads it: opening it hangs.
    let begun = Instant::now();
    let body = json!({"type": "file", "options": {"file_path": pipe}});
    let refused = client.post("sys/audit/pipe", body.clone());
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused
            .errors()
            .contains("the audit device cannot write: pipe/: no answer"),
        "{refused:?}"
    );
    assert!(begun.elapsed() < WAIT);
    // It is read until it is made, and then never again.
    let mut reader = Command::new("head")
        .args(["-c", "1"])
        .arg(&pipe)
        .spawn()
        .unwrap();
    let keep_open = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    enable(&client, "file", json!({ "file_path": file }));
    client.post("sys/audit/pipe", body).expect(204);
    reader.wait().unwrap();
    client
        .post("sys/mounts/kv", json!({"type": "kv"}))
        .expect(204);
    let begun = Instant::now();
    // More than a pipe holds.
    for _ in 0..100 {
        client
            .post("kv/a", json!({ "x": vec!["y"; 20] }))
            .expect(204);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "100 requests took {:?}",
        begun.elapsed()
    );
    drop(keep_open);
}

#[test]
fn devices_write_where_the_server_lets_them() {
    let (server, _, file) = audited();
    let client = server.client();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), server.folder().join("leads-out")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("x"), server.folder().join("link")).unwrap();
    let inside = |name: &str| server.folder().join(name).display().to_string();
    let bad = [
        (
            json!({"file_path": outside.path().join("a")}),
            "is not in a folder below",
        ),
        (
            json!({"file_path": inside("../a")}),
            "is not in a folder below",
        ),
        (
            json!({"file_path": inside("leads-out/a")}),
            "is not in a folder below",
        ),
        (
            json!({"file_path": inside("nowhere/a")}),
            "is not in a folder below",
        ),
        (
            json!({"file_path": inside("link")}),
            "the audit device cannot write",
        ),
        (
            json!({"file_path": "/dev/full"}),
            "is not in a folder below",
        ),
        (
            json!({"file_path": inside("a"), "mode": "0755"}),
            "to read and to write only",
        ),
        (
            json!({"file_path": inside("a"), "colour": "red"}),
            "has no option \"colour\"",
        ),
        (
            json!({"file_path": inside("a"), "format": "jsonx"}),
            "records are written in json",
        ),
        (
            json!({"file_path": inside("a"), "prefix": "{"}),
            "prefix may not contain",
        ),
        (json!({}), "file_path is required"),
    ];
    for (options, says) in bad {
        let refused = client.post("sys/audit/x", json!({"type": "file", "options": options}));
        assert!(
            refused.status == 400 && refused.errors().contains(says),
            "{says}: {refused:?}"
        );
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    enable(&client, "file", json!({ "file_path": file }));
    check! { client;
        "POST sys/audit/file", {"type": "file", "options": {"file_path": "stdout"}} => 400, {"errors": ["path already in use at file/"]};
        "POST sys/audit/file/below", {"type": "file", "options": {"file_path": "stdout"}} => 400, {"errors": ["path already in use at file/"]};
        "POST sys/audit/pigeon", {"type": "pigeon"} => 400, {"errors": ["~there are file, socket and syslog"]};
        "POST sys/audit/x", {} => 400, {"errors": ["~type must be specified"]};
        "POST sys/audit-hash/nowhere", {"input": "x"} => 400, {"errors": ["unknown audit backend nowhere/"]};
        "POST sys/audit-hash/file", {} => 400, {"errors": ["~input"]};
        "DELETE sys/audit/nowhere" => 204;
    }
    let twice = client.post(
        "sys/audit/again",
        json!({"type": "file", "options": {"file_path": file}}),
    );
    assert_eq!(twice.errors(), "file/ writes to this file already");
    // Without a folder in the configuration there is no file at all.
    let dev = Server::dev().unwrap();
    let refused = dev.client().post(
        "sys/audit/file",
        json!({"type": "file", "options": {"file_path": "/tmp/a"}}),
    );
    assert!(
        refused.errors().contains("as audit_directory"),
        "{refused:?}"
    );
    // Nor does a token without sudo make one.
    client.post("sys/policies/acl/p", json!({"policy": "path \"sys/audit*\" { capabilities = [\"create\", \"update\", \"read\"] }"})).expect(204);
    let token = client
        .post("auth/token/create", json!({"policies": ["p"]}))
        .text("/auth/client_token");
    assert_eq!(
        client
            .with_token(&token)
            .post("sys/audit/x", json!({"type": "file"}))
            .status,
        403
    );
    assert_eq!(client.with_token(&token).get("sys/audit").status, 403);
}

#[test]
fn syslog_and_sockets_get_whole_records() {
    let (server, _, file) = audited();
    let client = server.client();
    let socket = file.with_file_name("log");
    let syslog = UnixDatagram::bind(&socket).unwrap();
    syslog.set_read_timeout(Some(WAIT)).unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(WAIT)).unwrap();
    enable(
        &client,
        "syslog",
        json!({ "address": socket, "facility": "LOCAL3", "tag": "coffer" }),
    );
    enable(
        &client,
        "socket",
        json!({ "address": udp.local_addr().unwrap().to_string(), "socket_type": "udp" }),
    );
    client.get("sys/mounts").expect(200);
    let mut buffer = vec![0; 1 << 16];
    let mut next = || {
        let len = syslog.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    };
    let first = next();
    // 19 for LOCAL3, 6 for informational.
    assert!(
        first.starts_with("<158>coffer[") && first.contains("]: {\""),
        "{first}"
    );
    while !next().contains("\"sys/mounts\"") {}
    let mut buffer = vec![0; 1 << 16];
    let len = udp.recv(&mut buffer).unwrap();
    let record: Value = serde_json::from_slice(&buffer[..len]).unwrap();
    assert_eq!(record["request"]["path"], "sys/audit/test");
}

#[test]
fn sealing_is_recorded_and_a_device_that_is_gone_stops_no_unsealing() {
    let (mut server, keys, file) = audited();
    let client = server.client();
    enable(&client, "file", json!({ "file_path": file }));
    client.post("sys/seal", json!({})).expect(204);
    assert_eq!(of(&records(&file), "response", "sys/seal").len(), 1);
    server.unseal(&keys).unwrap();
    client.get("sys/mounts").expect(200);
    server.kill9();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    server.start().unwrap();
    server.unseal(&keys).unwrap();
    assert_eq!(client.get("sys/mounts").status, 500);
    fs::remove_dir(&file).unwrap();
    client.get("sys/mounts").expect(200);
}
