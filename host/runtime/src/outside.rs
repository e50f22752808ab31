//! The world outside of a component under test. What it asks of databases, HTTP and the network, and its log, goes to whoever
//! runs the test; sandbox, storage, transactions, clock and limits stay what they are. A server has none of this.

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bindings::plugin::coffer::plugin::databases::Target;
use crate::bindings::plugin::coffer::plugin::http::Request;
use crate::bindings::plugin::coffer::plugin::network::TlsOptions;
use crate::error::plugin_error;
use crate::pod::PodFile;
use crate::{ErrorKind, PluginError};

/// What a component does with its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageAccess {
    /// Reads a key.
    Get,
    /// Sets a key.
    Put,
    /// Removes a key.
    Delete,
    /// Lists keys.
    List,
}

/// What a component asks of the world outside.
#[derive(Debug, Serialize)]
#[serde(tag = "ask", content = "with", rename_all = "snake_case")]
pub enum Ask {
    /// `http.send`; answered with a response of the contract.
    Http(Request),
    /// `network.connect`; answered with a number for the stream.
    Connect {
        /// To whom.
        host: String,
        /// And where.
        port: u16,
    },
    /// `connection.read`; answered with bytes.
    Read {
        /// Which one.
        stream: u64,
        /// At most so many bytes.
        max: u32,
    },
    /// `connection.write`.
    Write {
        /// Which one.
        stream: u64,
        /// All of these.
        bytes: Vec<u8>,
    },
    /// `connection.start-tls`.
    StartTls {
        /// Which one.
        stream: u64,
        /// How.
        options: TlsOptions,
    },
    /// The stream is closed.
    Drop {
        /// Which one.
        stream: u64,
    },
    /// A function of `databases`; answered with what it returns.
    Database {
        /// On this connection.
        on: Target,
        /// The function, with underscores.
        call: &'static str,
        /// Its other argument.
        with: Value,
    },
    /// A function of `pod`; answered with a text, or none.
    Pod {
        /// The file.
        file: PodFile,
    },
    /// `databases.close`.
    CloseDatabase {
        /// The connection's name.
        name: String,
    },
}

/// Plays the world outside.
#[async_trait]
pub trait Outside: Send + Sync {
    /// Is told of each use of storage; an error is the component's answer.
    ///
    /// # Errors
    /// If the test lets it fail.
    fn storage(&self, access: StorageAccess) -> Result<(), PluginError>;

    /// Keeps a line of the log.
    fn log(&self, level: &str, message: String);

    /// Answers.
    async fn ask(&self, ask: Ask) -> Result<Value, PluginError>;
}

/// An answer, as what the contract has there.
pub(crate) async fn asked<T: DeserializeOwned>(
    outside: &dyn Outside,
    ask: Ask,
) -> Result<T, PluginError> {
    let answer = outside.ask(ask).await?;
    serde_json::from_value(answer).map_err(|error| {
        let message = format!("the test answers with something else: {error}");
        plugin_error(ErrorKind::Internal, message)
    })
}
