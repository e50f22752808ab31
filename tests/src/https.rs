//! A server of somebody else's, over TLS: what it answers a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`, `POST`, ...
    pub method: String,
    /// With the query.
    pub path: String,
    /// The header `authorization`; empty if there was none.
    pub authorization: String,
    /// The header `accept`; empty if there was none.
    pub accept: String,
    /// The body.
    pub body: String,
}

type Answers = dyn Fn(&Asked) -> (u16, String) + Send + Sync;

/// The server. It answers until the test ends.
pub struct Https {
    address: SocketAddr,
    certificate: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Https {
    /// Begins to answer, with a status and a body, on a free port of 127.0.0.1 and with a certificate of its own.
    ///
    /// # Panics
    /// If it cannot.
    pub fn start(answers: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::answering(answers, true)
    }

    /// The same, for so many requests that it does not remember what it was asked.
    ///
    /// # Panics
    /// If it cannot.
    pub fn forgetful(answers: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::answering(answers, false)
    }

    fn answering(
        answers: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static,
        remembers: bool,
    ) -> Self {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.self_signed(&key))
            .expect("a certificate");
        let der = CertificateDer::from(certificate.der().to_vec());
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_no_client_auth())
            .and_then(|builder| builder.with_single_cert(vec![der], private))
            .expect("a configuration");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let answers = move |asked: &Asked| {
            let answer = answers(asked);
            if let (true, Ok(mut seen)) = (remembers, seen.lock()) {
                seen.push(asked.clone());
            }
            answer
        };
        let (config, answers) = (Arc::new(config), Arc::new(answers));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, answers) = (config.clone(), answers.clone());
                // Whoever hangs up early has its reasons.
                std::thread::spawn(move || drop(serve(stream, config, &*answers)));
            }
        });
        Self {
            address,
            certificate: certificate.pem(),
            asked,
        }
    }

    /// Its URL, without a path.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What vouches for it, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// What it was asked so far.
    ///
    /// # Panics
    /// If an answer did.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no answer has panicked").clone()
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, answers: &Answers) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(session, stream));
    while answer(&mut stream, answers)? {}
    Ok(())
}

/// Answers the next request of a connection, if there is one.
fn answer(
    stream: &mut BufReader<StreamOwned<ServerConnection, TcpStream>>,
    answers: &Answers,
) -> std::io::Result<bool> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(false);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let (mut authorization, mut accept, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.clone_into(&mut authorization),
            "accept" => value.clone_into(&mut accept),
            "content-length" => length = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let asked = Asked {
        method,
        path,
        authorization,
        accept,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let (status, body) = answers(&asked);
    let answer = format!(
        "HTTP/1.1 {status} .\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let stream = stream.get_mut();
    stream.write_all(answer.as_bytes())?;
    stream.flush()?;
    Ok(true)
}
