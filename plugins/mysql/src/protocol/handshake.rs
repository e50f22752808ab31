//! The first packets of either side.

use zeroize::Zeroizing;

use super::{Reader, refusal, tag};
use crate::error::{Error, nonsense};

/// What the two sides can do.
pub mod capability {
    /// Passwords longer than those of long ago; MariaDB takes its absence for something else.
    pub const LONG_PASSWORD: u32 = 1;
    /// A default database.
    pub const CONNECT_WITH_DB: u32 = 1 << 3;
    /// The protocol since 4.1.
    pub const PROTOCOL_41: u32 = 1 << 9;
    /// TLS.
    pub const SSL: u32 = 1 << 11;
    /// Transactions are told of.
    pub const TRANSACTIONS: u32 = 1 << 13;
    /// Logins since 4.1.
    pub const SECURE_CONNECTION: u32 = 1 << 15;
    /// Several statements in one command.
    pub const MULTI_STATEMENTS: u32 = 1 << 16;
    /// Several answers to one command.
    pub const MULTI_RESULTS: u32 = 1 << 17;
    /// Ways to log in have names.
    pub const PLUGIN_AUTH: u32 = 1 << 19;

    /// What we cannot do without.
    pub const NEEDED: u32 = PROTOCOL_41 | SECURE_CONNECTION;
}

/// Seed, as long as authentication plugins want it.
const SEED: usize = 20;
/// utf8mb4.
const CHARACTER_SET: u8 = 45;
const LARGEST_PACKET: u32 = 1 << 24;

/// How a server introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// What it calls its version.
    pub version: String,
    /// What it can do.
    pub capabilities: u32,
    /// What the password is scrambled with.
    pub seed: Vec<u8>,
    /// How it would have us log in.
    pub plugin: String,
}

impl Greeting {
    /// Reads one.
    ///
    /// # Errors
    /// If the server sends us away, or is none that we can speak with.
    pub fn parse(packet: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(packet);
        match reader.byte()? {
            10 => {}
            tag::ERR => return Err(refusal(packet)),
            other => {
                return Err(nonsense(format_args!(
                    "it speaks version {other} of the protocol"
                )));
            }
        }
        let version = String::from_utf8_lossy(reader.text()).into_owned();
        let _thread = reader.u32()?;
        let mut seed = reader.bytes(8)?.to_vec();
        reader.byte()?;
        let low = reader.u16()?;
        if reader.rest().is_empty() {
            return Err(nonsense("it is too old a server"));
        }
        let _character_set = reader.byte()?;
        let _status = reader.u16()?;
        let capabilities = u32::from(low) | u32::from(reader.u16()?) << 16;
        let _seed_len = reader.byte()?;
        reader.bytes(10)?;
        if capabilities & capability::NEEDED != capability::NEEDED {
            return Err(nonsense("it is too old a server"));
        }
        seed.extend(reader.bytes(SEED - seed.len())?);
        // The seed ends with a NUL, which is not part of it.
        if reader.rest().first() == Some(&0) {
            reader.byte()?;
        }
        let plugin = match capabilities & capability::PLUGIN_AUTH {
            0 => "mysql_native_password".to_owned(),
            _ => String::from_utf8_lossy(reader.text()).into_owned(),
        };
        Ok(Self {
            version,
            capabilities,
            seed,
            plugin,
        })
    }
}

/// How we introduce ourselves.
pub struct Response<'a> {
    /// What we want of what the server can.
    pub capabilities: u32,
    /// Who we are.
    pub user: &'a str,
    /// The default database; may be empty.
    pub database: &'a str,
    /// The scrambled password.
    pub answer: &'a [u8],
    /// And what scrambled it.
    pub plugin: &'a str,
}

impl Response<'_> {
    /// What goes ahead of TLS, and of everything else.
    pub fn head(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.capabilities.to_le_bytes());
        out.extend(LARGEST_PACKET.to_le_bytes());
        out.push(CHARACTER_SET);
        out.extend([0; 23]);
        out
    }

    /// All of it.
    ///
    /// # Errors
    /// Invalid, if the answer is too long for the protocol.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut out = Zeroizing::new(self.head());
        out.extend(self.user.as_bytes());
        out.push(0);
        let len = u8::try_from(self.answer.len())
            .map_err(|_| Error::Invalid("an answer that is too long".to_owned()))?;
        out.push(len);
        out.extend(self.answer);
        if self.capabilities & capability::CONNECT_WITH_DB != 0 {
            out.extend(self.database.as_bytes());
            out.push(0);
        }
        if self.capabilities & capability::PLUGIN_AUTH != 0 {
            out.extend(self.plugin.as_bytes());
            out.push(0);
        }
        Ok(out)
    }
}
