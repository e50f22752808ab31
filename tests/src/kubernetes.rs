//! A real Kubernetes API server of our own, with its etcd: what `tests/kubernetes` builds.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_keys::{Algorithm, Key};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::http::Request;

use crate::leash::Leash;
use crate::port;
use crate::wait::within;

const START: Duration = Duration::from_secs(120);
/// The token of who may do everything.
const ADMIN: &str = "the-admin";

/// An API server, which stops when it is dropped. There are no nodes, and nobody who runs pods.
pub struct Kubernetes {
    address: SocketAddr,
    agent: ureq::Agent,
    // The folder goes last.
    process: (Child, Leash),
    folder: TempDir,
}

impl Kubernetes {
    /// A fresh one.
    ///
    /// # Errors
    /// If there is none, or it is not ready within two minutes; with what it logged.
    pub fn start() -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("coffer-kubernetes-")
            .tempdir()?;
        let address = port::free();
        let at = |name: &str| folder.path().join(name);
        // As clusters have it: RSA.
        let key = Key::generate(Algorithm::Rsa2048, None, &mut |_| {}).map_err(io::Error::other)?;
        let key = BASE64_STANDARD.encode(&*key.export().map_err(io::Error::other)?);
        std::fs::write(
            at("accounts.key"),
            format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"),
        )?;
        std::fs::write(
            at("tokens.csv"),
            format!("{ADMIN},admin,admin,\"system:masters\"\n"),
        )?;
        let log = std::fs::File::create(at("log"))?;
        let child = Command::new(binary()?)
            .arg(at("etcd"))
            .arg(format!("--bind-address={}", address.ip()))
            .arg(format!("--secure-port={}", address.port()))
            .arg(format!("--cert-dir={}", at("tls").display()))
            .arg(format!("--token-auth-file={}", at("tokens.csv").display()))
            .args([
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.0.0.0/24",
            ])
            .arg(format!("--service-account-issuer=https://{address}"))
            .arg(format!(
                "--service-account-jwks-uri=https://{address}/openid/v1/jwks"
            ))
            .arg(format!(
                "--service-account-key-file={}",
                at("accounts.key").display()
            ))
            .arg(format!(
                "--service-account-signing-key-file={}",
                at("accounts.key").display()
            ))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let leash = Leash::on(child.id(), "KILL", Some(folder.path()))?;
        let tls = ureq::tls::TlsConfig::builder()
            .disable_verification(true)
            .build();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .tls_config(tls)
            .build()
            .into();
        let server = Self {
            address,
            agent,
            process: (child, leash),
            folder,
        };
        let ready = || {
            server
                .ask("GET", "readyz", &Value::Null)
                .is_ok_and(|(status, _)| status == 200)
        };
        if within(START, ready) {
            return Ok(server);
        }
        let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
        Err(io::Error::other(format!(
            "the API server is not ready\n{log}"
        )))
    }

    /// Its URL, which is its issuer's too.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What vouches for it, in PEM.
    ///
    /// # Panics
    /// If it has not written that.
    pub fn certificates(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("tls/apiserver.crt"))
            .expect("its certificates")
    }

    /// What it answers to who may do everything. What is no JSON is null.
    fn ask(&self, method: &str, path: &str, body: &Value) -> io::Result<(u16, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.url()))
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("content-type", "application/json")
            .body(body.to_string())
            .map_err(io::Error::other)?;
        let mut answer = self.agent.run(request).map_err(io::Error::other)?;
        let status = answer.status().as_u16();
        Ok((status, answer.body_mut().read_json().unwrap_or(Value::Null)))
    }

    /// Makes something.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn make(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask("POST", path, body).expect("an answer");
        assert_eq!(status, 201, "{path}: {answer}");
        answer
    }

    /// Removes something.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn remove(&self, path: &str) {
        let (status, answer) = self.ask("DELETE", path, &Value::Null).expect("an answer");
        assert_eq!(status, 200, "{path}: {answer}");
    }

    /// Makes a service account, and returns its uid.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn account(&self, namespace: &str, name: &str) -> String {
        let path = format!("api/v1/namespaces/{namespace}/serviceaccounts");
        let made = self.make(&path, &json!({ "metadata": { "name": name } }));
        made["metadata"]["uid"].as_str().expect("a uid").to_owned()
    }

    /// A token of a service account for these audiences (TokenRequest); for the API server's own if there are none.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn token(&self, namespace: &str, name: &str, audiences: &[&str]) -> String {
        let path = format!("api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let spec = json!({ "spec": { "audiences": audiences, "expirationSeconds": 3600 } });
        let made = self.make(&path, &spec);
        made["status"]["token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.process.0.kill().ok();
        self.process.0.wait().ok();
    }
}

/// The program that `cargo xtask test --kubernetes` builds: `KUBE_APISERVER_BIN`.
///
/// # Errors
/// If it is not named.
pub fn binary() -> io::Result<PathBuf> {
    std::env::var_os("KUBE_APISERVER_BIN")
        .map(PathBuf::from)
        .ok_or_else(|| {
            io::Error::other("KUBE_APISERVER_BIN names none: cargo xtask test --kubernetes")
        })
}
