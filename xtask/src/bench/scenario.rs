//! What is measured: each scenario sets itself up, and says what request comes next.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use clap::ValueEnum;
use coffer_tests::jwt::{Signer, now};
use serde_json::{Value, json};

use crate::bench::cluster;
use crate::bench::http::Call;
use crate::bench::load::{Load, Sink, Source, drive};
use crate::bench::process;
use crate::bench::target::{Target, text};
use crate::error::Result;

/// Where the scenarios keep their secrets.
const MOUNT: &str = "bench-kv";
/// How many secrets are read.
const SECRETS: u64 = 1000;
/// Where the scenarios encrypt and sign.
const TRANSIT: &str = "bench-transit";
/// Where the scenarios log in.
const APPROLE: &str = "bench-approle";
const JWT: &str = "bench-jwt";
/// What the tokens of the scenarios may do.
const POLICY: &str = "bench";

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Reads one of a thousand secrets, KV version 2.
    KvRead,
    /// Writes a secret of its own, KV version 2.
    KvWrite,
    /// `auth/token/lookup-self`.
    LookupSelf,
    /// `auth/approle/login`.
    ApproleLogin,
    /// `auth/jwt/login`, with a key that is written down.
    JwtLogin,
    /// `auth/kubernetes/login`: a cluster is asked about each token, over TLS.
    KubernetesLogin,
    /// The same with the cluster's keys written down, so that nobody is asked: OpenBao has no such.
    KubernetesKeys,
    /// Encrypts 32 bytes with AES-256.
    TransitEncrypt,
    /// Encrypts 1 KiB with AES-256.
    TransitEncryptLong,
    /// Encrypts a hundred times 32 bytes with AES-256 in one request.
    TransitBatch,
    /// Signs 32 bytes with Ed25519.
    TransitSign,
    /// Issue and revoke of PostgreSQL credentials, beside pgbench.
    Credentials,
}

impl Scenario {
    /// Its name on the command line and in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::KvRead => "kv-read",
            Self::KvWrite => "kv-write",
            Self::LookupSelf => "lookup-self",
            Self::ApproleLogin => "approle-login",
            Self::JwtLogin => "jwt-login",
            Self::KubernetesLogin => "kubernetes-login",
            Self::KubernetesKeys => "kubernetes-keys",
            Self::TransitEncrypt => "transit-encrypt",
            Self::TransitEncryptLong => "transit-encrypt-long",
            Self::TransitBatch => "transit-batch",
            Self::TransitSign => "transit-sign",
            Self::Credentials => "credentials",
        }
    }

    /// Whether a target can do it at all.
    pub fn is_had_by(self, target: &Target) -> bool {
        self != Self::KubernetesKeys || target.name != super::THEM
    }
}

/// What a scenario came to on a target.
pub struct Measured {
    /// The requests.
    pub load: Load,
    /// Processor time of the server per request, in microseconds.
    pub cpu: Option<f64>,
    /// Resident memory afterwards, in MiB.
    pub resident: Option<f64>,
}

/// Prepares the target for all scenarios.
///
/// # Errors
/// If it refuses.
pub fn set_up(target: &Target) -> Result<()> {
    tear_down(target);
    target.ask(
        "POST",
        &format!("sys/mounts/{MOUNT}"),
        json!({ "type": "kv", "options": { "version": "2" } }),
    )?;
    let ready = || {
        target
            .client
            .send("GET", &format!("{MOUNT}/metadata/none"), None)
            .is_ok_and(|reply| reply.status == 404)
    };
    coffer_tests::within(Duration::from_secs(10), ready);
    for n in 0..SECRETS {
        target.ask("POST", &format!("{MOUNT}/data/read/{n}"), secret(n))?;
    }
    let policy = format!(
        r#"path "{MOUNT}/*" {{ capabilities = ["create", "read", "update"] }}
           path "{TRANSIT}/*" {{ capabilities = ["create", "update"] }}
           path "bench-database/creds/*" {{ capabilities = ["read"] }}"#
    );
    target.ask(
        "POST",
        &format!("sys/policies/acl/{POLICY}"),
        json!({ "policy": policy }),
    )?;
    target.ask(
        "POST",
        &format!("sys/mounts/{TRANSIT}"),
        json!({ "type": "transit" }),
    )?;
    for (name, kind) in [("aes", "aes256-gcm96"), ("ed25519", "ed25519")] {
        let path = format!("{TRANSIT}/keys/{name}");
        target.ask("POST", &path, json!({ "type": kind }))?;
    }
    target.ask(
        "POST",
        &format!("sys/auth/{APPROLE}"),
        json!({ "type": "approle" }),
    )?;
    let role = json!({ "token_policies": POLICY, "token_ttl": "20m", "token_max_ttl": "1h" });
    target.ask("POST", &format!("auth/{APPROLE}/role/app"), role)?;
    Ok(())
}

/// Takes away what [`set_up`] made.
pub fn tear_down(target: &Target) {
    for path in [
        format!("sys/mounts/{MOUNT}"),
        format!("sys/mounts/{TRANSIT}"),
        format!("sys/auth/{APPROLE}"),
        format!("sys/auth/{JWT}"),
        format!("sys/auth/{}", cluster::MOUNT),
        format!("sys/policies/acl/{POLICY}"),
    ] {
        target.try_ask("DELETE", &path);
    }
}

/// Runs a scenario; all but [`Scenario::Credentials`], which is [more than one](super::credentials).
///
/// # Errors
/// If the target refuses to be set up, or stops answering.
pub fn run(
    target: &Target,
    scenario: Scenario,
    connections: usize,
    limit: Duration,
) -> Result<Measured> {
    let source = source(target, scenario, connections)?;
    measure(target, connections, limit, source, Rc::new(|_| {}))
}

/// Logs in so often, and returns by how many MiB the server has grown.
///
/// # Errors
/// As [`run`].
pub fn logins(target: &Target, count: u64, connections: usize) -> Result<(Measured, Option<f64>)> {
    let before = target.resident();
    let source = source(target, Scenario::ApproleLogin, connections)?;
    let left = RefCell::new(count);
    let bounded = move |connection: usize, n: u64| {
        let mut left = left.borrow_mut();
        *left = left.checked_sub(1)?;
        source(connection, n)
    };
    let measured = measure(
        target,
        connections,
        Duration::from_secs(3600),
        Rc::new(bounded),
        Rc::new(|_| {}),
    )?;
    // What is only garbage may go first.
    std::thread::sleep(Duration::from_secs(3));
    let growth = target
        .resident()
        .zip(before)
        .map(|(after, before)| after - before);
    Ok((measured, growth))
}

/// Drives a target and takes what it used meanwhile.
///
/// # Errors
/// If it stops answering.
pub fn measure(
    target: &Target,
    connections: usize,
    limit: Duration,
    source: Rc<Source>,
    sink: Rc<Sink>,
) -> Result<Measured> {
    let cpu = || target.pid.and_then(process::cpu);
    let before = cpu();
    let load = drive(target.address, connections, limit, source, sink)?;
    let used = cpu()
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    let requests = (load.requests() + load.failures).max(1) as f64;
    Ok(Measured {
        cpu: used.map(|used| used.as_secs_f64() * 1e6 / requests),
        resident: target.resident(),
        load,
    })
}

fn source(target: &Target, scenario: Scenario, connections: usize) -> Result<Rc<Source>> {
    Ok(match scenario {
        Scenario::ApproleLogin => {
            let role = text(
                &target.ask(
                    "GET",
                    &format!("auth/{APPROLE}/role/app/role-id"),
                    Value::Null,
                )?,
                "/data/role_id",
            )?;
            let made = target.ask(
                "POST",
                &format!("auth/{APPROLE}/role/app/secret-id"),
                json!({}),
            )?;
            let body = json!({ "role_id": role, "secret_id": text(&made, "/data/secret_id")? });
            let call = Call::post(format!("auth/{APPROLE}/login"), "", &body);
            Rc::new(move |_, _| Some(call.clone()))
        }
        Scenario::JwtLogin => {
            let signer = Signer::new("bench");
            target.try_ask("DELETE", &format!("sys/auth/{JWT}"));
            target.ask("POST", &format!("sys/auth/{JWT}"), json!({ "type": "jwt" }))?;
            let config = json!({ "jwt_validation_pubkeys": signer.pem() });
            target.ask("POST", &format!("auth/{JWT}/config"), config)?;
            let role = json!({
                "role_type": "jwt", "user_claim": "sub", "bound_audiences": "bench", "token_policies": POLICY,
                "token_ttl": "20m", "token_max_ttl": "1h",
            });
            target.ask("POST", &format!("auth/{JWT}/role/app"), role)?;
            let claims =
                json!({ "sub": "bench", "aud": "bench", "iat": now(), "exp": now() + 86_400 });
            let body = json!({ "role": "app", "jwt": signer.token(&claims) });
            let call = Call::post(format!("auth/{JWT}/login"), "", &body);
            Rc::new(move |_, _| Some(call.clone()))
        }
        Scenario::KubernetesLogin => cluster::logins(target, POLICY, true)?,
        Scenario::KubernetesKeys => cluster::logins(target, POLICY, false)?,
        Scenario::LookupSelf => {
            let tokens = target.tokens(connections, "default")?;
            Rc::new(move |connection, _| {
                Some(Call::get("auth/token/lookup-self", tokens.get(connection)?))
            })
        }
        Scenario::KvRead => {
            let tokens = target.tokens(connections, POLICY)?;
            Rc::new(move |connection, n| {
                let secret = scattered(connection, n) % SECRETS;
                Some(Call::get(
                    format!("{MOUNT}/data/read/{secret}"),
                    tokens.get(connection)?,
                ))
            })
        }
        Scenario::TransitEncrypt => transit(target, connections, "encrypt/aes", &plaintext(32))?,
        Scenario::TransitEncryptLong => {
            transit(target, connections, "encrypt/aes", &plaintext(1024))?
        }
        Scenario::TransitBatch => {
            let batch = json!({ "batch_input": vec![plaintext(32); 100] });
            transit(target, connections, "encrypt/aes", &batch)?
        }
        Scenario::TransitSign => {
            let input = json!({ "input": base64(32) });
            transit(target, connections, "sign/ed25519", &input)?
        }
        Scenario::KvWrite | Scenario::Credentials => {
            let tokens = target.tokens(connections, POLICY)?;
            Rc::new(move |connection, n| {
                let path = format!("{MOUNT}/data/write/{connection}/{}", n % 100);
                Some(Call::post(path, tokens.get(connection)?, &secret(n)))
            })
        }
    })
}

/// The same request to the transit engine, again and again.
fn transit(target: &Target, connections: usize, path: &str, body: &Value) -> Result<Rc<Source>> {
    let tokens = target.tokens(connections, POLICY)?;
    let calls: Vec<Call> = tokens
        .iter()
        .map(|token| Call::post(format!("{TRANSIT}/{path}"), token, body))
        .collect();
    Ok(Rc::new(move |connection, _| calls.get(connection).cloned()))
}

/// So many bytes (a multiple of three, or nearly), in base64.
fn base64(len: usize) -> String {
    let mut text = "QUJD".repeat(len / 3);
    text.push_str(
        ["", "QQ==", "QUI="]
            .get(len % 3)
            .copied()
            .unwrap_or_default(),
    );
    text
}

fn plaintext(len: usize) -> Value {
    json!({ "plaintext": base64(len) })
}

fn secret(n: u64) -> Value {
    json!({ "data": { "username": format!("user-{n}"), "password": "correct horse battery staple", "number": n } })
}

/// A number that jumps about, the same in every run.
fn scattered(connection: usize, n: u64) -> u64 {
    (connection as u64 * 7919 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}
