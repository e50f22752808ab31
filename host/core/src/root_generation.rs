//! A new root token, for whoever brings enough key shares. <https://developer.hashicorp.com/vault/api-docs/system/generate-root>
//!
//! It is handed out combined with a one-time password that whoever began it has, or encrypted to a PGP key, so that the last
//! key holder does not learn it.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use coffer_barrier::{Gathering, Given};
use coffer_clock::UnixMillis;
use zeroize::Zeroizing;

use crate::keys::ROOT_NS;
use crate::pgp::Recipient;
use crate::shares::{self, Purpose};
use crate::token::TokenEntry;
use crate::{Core, Error};

/// One under way.
pub struct RootGeneration {
    begun: UnixMillis,
    given: Gathering,
    veil: Veil,
}

/// What hides the token from those who give shares.
#[derive(Clone)]
pub enum Veil {
    /// A one-time password as long as the token.
    Otp(Zeroizing<String>),
    /// It is encrypted to this PGP key.
    Pgp(Recipient),
}

/// How far it is.
#[derive(Default)]
pub struct Progress {
    pub nonce: String,
    pub progress: usize,
    /// Of the PGP key that the token is encrypted to; empty if there is none.
    pub fingerprint: String,
}

impl RootGeneration {
    fn progress(&self) -> Progress {
        Progress {
            nonce: self.given.nonce().to_owned(),
            progress: self.given.progress(),
            fingerprint: match &self.veil {
                Veil::Otp(_) => String::new(),
                Veil::Pgp(holder) => holder.fingerprint().to_owned(),
            },
        }
    }
}

impl Core {
    /// How far one is, if it is under way.
    pub(crate) fn root_generation_progress(&self) -> Option<Progress> {
        self.root_generation()
            .as_ref()
            .map(RootGeneration::progress)
    }

    /// As long as a token.
    pub(crate) fn otp_length(&self) -> usize {
        self.tokens.new_id(self.clock.now()).len()
    }

    /// A new one-time password.
    pub(crate) fn new_otp(&self) -> Zeroizing<String> {
        Zeroizing::new(self.random.base62(self.otp_length()))
    }

    /// Begins one.
    pub(crate) fn begin_root_generation(&self, veil: Veil) -> Result<Progress, Error> {
        if let Veil::Otp(otp) = &veil
            && otp.len() != self.otp_length()
        {
            return Err(Error::invalid("OTP string has incorrect length"));
        }
        let mut generation = self.root_generation();
        if generation.is_some() {
            return Err(Error::invalid("root generation already in progress"));
        }
        let begun = RootGeneration {
            begun: self.clock.now(),
            given: Gathering::new(&self.random),
            veil,
        };
        Ok(generation.insert(begun).progress())
    }

    /// Forgets it. Who may not do it as they like has to name it, unless it is old.
    pub(crate) fn cancel_root_generation(&self, free: bool, nonce: &str) -> Result<(), Error> {
        let mut generation = self.root_generation();
        if let Some(under_way) = generation.as_ref().filter(|_| !free) {
            let (given, begun) = (&under_way.given, under_way.begun);
            shares::may_cancel(Purpose::GenerateRoot, given, nonce, begun, self)?;
        }
        *generation = None;
        Ok(())
    }

    /// Gives a share. With the last one there is a token, which only the password or the PGP key makes usable.
    pub(crate) async fn give_to_root_generation(
        &self,
        nonce: &str,
        share: &[u8],
    ) -> Result<Option<String>, Error> {
        let enough = self.seal.status().await?.threshold;
        let given = {
            let mut generation = self.root_generation();
            let generation = generation.as_mut().ok_or_else(none)?;
            let gathering = &mut generation.given;
            match shares::give(Purpose::GenerateRoot, gathering, nonce, share, enough)? {
                Given::Enough(given) => given,
                _ => return Ok(None),
            }
        };
        self.seal.check(&given).await.map_err(shares::refuse)?;
        // Whoever takes it out makes the token: it is made once.
        let taken = self
            .root_generation()
            .take_if(|generation| generation.given.nonce() == nonce);
        let veil = taken.ok_or_else(none)?.veil;
        let token = self.create_root_token().await?;
        tracing::info!("a root token was made, with key shares");
        Ok(Some(match veil {
            Veil::Pgp(holder) => {
                BASE64_STANDARD.encode(holder.encrypt(token.as_bytes(), &self.random)?)
            }
            Veil::Otp(otp) => {
                let pairs = token.bytes().zip(otp.bytes());
                let mixed: Vec<u8> = pairs.map(|(token, otp)| token ^ otp).collect();
                BASE64_STANDARD_NO_PAD.encode(&*Zeroizing::new(mixed))
            }
        }))
    }

    async fn create_root_token(&self) -> Result<Zeroizing<String>, Error> {
        self.transact(|mut txn| async move {
            let now = self.clock.now();
            let id = self.tokens.new_id(now);
            let mount = self.token_mount(&mut txn).await?;
            let accessor = self.tokens.accessor(&id)?;
            let entry = TokenEntry::root(ROOT_NS, accessor, &mount.entry.uuid, now);
            self.tokens.create(&mut txn, &id, &entry)?;
            Ok((id, txn))
        })
        .await
    }
}

/// A token out of what [`Core::give_to_root_generation`] gave and the password.
pub fn decode(encoded: &str, otp: &str) -> Result<Zeroizing<String>, Error> {
    let mixed = BASE64_STANDARD_NO_PAD
        .decode(encoded.trim_end_matches('='))
        .map_err(|error| Error::invalid(format!("the encoded token is no base64: {error}")))?;
    if mixed.len() != otp.len() {
        return Err(Error::invalid(format!(
            "the encoded token has {} bytes, and the password {}: they do not belong together",
            mixed.len(),
            otp.len()
        )));
    }
    let token = mixed.iter().zip(otp.bytes()).map(|(a, b)| a ^ b).collect();
    String::from_utf8(token)
        .map(Zeroizing::new)
        .map_err(|_| Error::invalid("the password does not belong to the encoded token"))
}

fn none() -> Error {
    Error::invalid("no root generation in progress")
}
