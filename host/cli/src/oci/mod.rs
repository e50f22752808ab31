//! Plugins in OCI registries: an artifact with the component as its one layer, laid out as the CNCF's "Wasm OCI artifact"
//! says, and its signatures where cosign puts them.
//! See <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_manifest::Manifest;
use coffer_runtime::MAX_COMPONENT;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const COMPONENT: &str = "application/wasm";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Where cosign keeps a signature, in the annotations of a layer whose content is what was signed.
const COSIGN: &str = "dev.cosignproject.cosign/signature";
/// A signature over the component itself, as `plugin sign` makes it, in the manifest's annotations.
const PLAIN: &str = "dev.coffer.plugin.signature";
/// A registry that says nothing for so long is down; `COFFER_REGISTRY_TIMEOUT`, in seconds, says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was pulled.
pub struct Pulled {
    /// The component.
    pub component: Vec<u8>,
    /// Its signatures, as the API takes them.
    pub signatures: Vec<Value>,
    /// Where exactly it was, with its digest.
    pub reference: String,
}

/// Pulls a component with its signatures.
///
/// # Errors
/// In words.
pub fn pull(reference: &str) -> Result<Pulled, String> {
    run(reference, async |client, reference, auth| {
        let (bytes, digest) = client
            .pull_manifest_raw(reference, auth, &[MANIFEST])
            .await?;
        let no = |reason: &str| OciDistributionError::GenericError(Some(reason.to_owned()));
        if let Some(asked) = reference.digest()
            && asked != format!("sha256:{}", hex::encode(Sha256::digest(&bytes)))
        {
            return Err(no("the registry has another manifest than the digest says"));
        }
        let manifest: OciImageManifest =
            serde_json::from_slice(&bytes).map_err(|_| no("its manifest is no image manifest"))?;
        let [layer] = manifest.layers.as_slice() else {
            return Err(no("it is no plugin: it has not one layer"));
        };
        if layer.media_type != COMPONENT {
            return Err(no(&format!(
                "it is no plugin: its layer is {:?}, not {COMPONENT:?}",
                layer.media_type
            )));
        }
        let component = blob(client, reference, layer).await?;
        let mut signatures = Vec::new();
        let annotations = manifest.annotations.unwrap_or_default();
        signatures.extend(
            annotations
                .get(PLAIN)
                .map(|signature| json!({ "signature": signature })),
        );
        signatures.extend(cosigned(client, reference, auth, &digest, &bytes).await?);
        Ok(Pulled {
            component,
            signatures,
            reference: format!(
                "{}/{}@{digest}",
                reference.registry(),
                reference.repository()
            ),
        })
    })
}

/// The signatures that cosign made of a manifest.
async fn cosigned(
    client: &Client,
    reference: &Reference,
    auth: &RegistryAuth,
    digest: &str,
    manifest: &[u8],
) -> Result<Vec<Value>, OciDistributionError> {
    let tag = format!("{}.sig", digest.replace(':', "-"));
    let place = Reference::with_tag(
        reference.registry().to_owned(),
        reference.repository().to_owned(),
        tag,
    );
    // Where there is none the registry says so, each in its own words.
    let Ok((bytes, _)) = client.pull_manifest_raw(&place, auth, &[MANIFEST]).await else {
        return Ok(Vec::new());
    };
    let Ok(signed) = serde_json::from_slice::<OciImageManifest>(&bytes) else {
        return Ok(Vec::new());
    };
    let mut signatures = Vec::new();
    for layer in &signed.layers {
        let annotations = layer.annotations.as_ref();
        let Some(signature) = annotations.and_then(|annotations| annotations.get(COSIGN)) else {
            continue;
        };
        let payload = blob(client, &place, layer).await?;
        signatures.push(json!({
            "signature": signature,
            "payload": BASE64_STANDARD.encode(payload),
            "manifest": BASE64_STANDARD.encode(manifest),
        }));
    }
    Ok(signatures)
}

/// A blob, its digest checked by the client.
async fn blob(
    client: &Client,
    reference: &Reference,
    layer: &OciDescriptor,
) -> Result<Vec<u8>, OciDistributionError> {
    let most = i64::try_from(MAX_COMPONENT).unwrap_or(i64::MAX);
    if layer.size > most {
        return Err(OciDistributionError::GenericError(Some(format!(
            "it has {} bytes; {most} are allowed",
            layer.size
        ))));
    }
    let mut bytes = Vec::new();
    client.pull_blob(reference, layer, &mut bytes).await?;
    Ok(bytes)
}

/// Pushes a component with its signatures. Returns where it is, with its digest.
///
/// # Errors
/// In words.
pub fn push(
    reference: &str,
    component: Vec<u8>,
    signatures: &[Value],
    manifest: &Manifest,
) -> Result<String, String> {
    let mut annotations = BTreeMap::from([
        (
            "org.opencontainers.image.title".to_owned(),
            manifest.name.clone(),
        ),
        (
            "org.opencontainers.image.version".to_owned(),
            manifest.version.to_string(),
        ),
    ]);
    if !manifest.description.is_empty() {
        annotations.insert(
            "org.opencontainers.image.description".to_owned(),
            manifest.description.clone(),
        );
    }
    let plain = signatures
        .iter()
        .find(|signature| signature.get("payload").is_none());
    if let Some(signature) = plain.and_then(|signature| signature["signature"].as_str()) {
        annotations.insert(PLAIN.to_owned(), signature.to_owned());
    }
    let about = json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [format!("sha256:{}", hex::encode(Sha256::digest(&component)))],
    });
    run(reference, async |client, reference, auth| {
        let layers = [ImageLayer::new(
            component.clone(),
            COMPONENT.to_owned(),
            None,
        )];
        let config = Config::new(about.to_string().into_bytes(), CONFIG.to_owned(), None);
        let image = OciImageManifest::build(&layers, &config, Some(annotations.clone()));
        client
            .push(reference, &layers, config, auth, Some(image))
            .await?;
        let digest = client.fetch_manifest_digest(reference, auth).await?;
        Ok(format!(
            "{}/{}@{digest}",
            reference.registry(),
            reference.repository()
        ))
    })
}

/// Does something at a registry, and puts into words what goes wrong.
fn run<T>(
    reference: &str,
    work: impl AsyncFnOnce(&Client, &Reference, &RegistryAuth) -> Result<T, OciDistributionError>,
) -> Result<T, String> {
    let parsed: Reference = reference
        .parse()
        .map_err(|error| format!("oci://{reference} is no reference: {error}"))?;
    // The one of the rest of this program. A second call finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let registry = parsed.resolve_registry().to_owned();
    let patience = patience();
    let config = ClientConfig {
        protocol: protocol(&registry),
        connect_timeout: Some(patience),
        read_timeout: Some(patience),
        ..ClientConfig::default()
    };
    let words = |error: OciDistributionError| format!("oci://{reference}: {}", with_causes(&error));
    let client = Client::try_from(config).map_err(words)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let auth = credentials();
    runtime
        .block_on(async {
            tokio::time::timeout(10 * patience, work(&client, &parsed, &auth)).await
        })
        .map_err(|_| format!("oci://{reference}: the registry takes too long"))?
        .map_err(words)
}

/// An error with what is behind it: `error sending request` alone helps nobody.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn patience() -> Duration {
    let seconds = std::env::var("COFFER_REGISTRY_TIMEOUT").ok();
    seconds
        .and_then(|seconds| seconds.parse().ok())
        .map_or(PATIENCE, Duration::from_secs)
}

/// A registry on this machine speaks HTTP, as every client of registries has it.
fn protocol(registry: &str) -> ClientProtocol {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    match host {
        "localhost" | "127.0.0.1" | "[::1]" => ClientProtocol::Http,
        _ => ClientProtocol::Https,
    }
}

fn credentials() -> RegistryAuth {
    let get = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (
        get("COFFER_REGISTRY_USERNAME"),
        get("COFFER_REGISTRY_PASSWORD"),
    ) {
        (Some(user), Some(password)) => RegistryAuth::Basic(user, password),
        _ => RegistryAuth::Anonymous,
    }
}
