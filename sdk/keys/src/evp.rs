//! RSA and ECDSA, by AWS-LC through its C interface.
//!
//! This is the only unsafe code of the crate, and it is here for this reason: no safe interface that is maintained has what
//! Vault's clients use (any hash with any of these keys, digests made elsewhere, salts of any length, OAEP) and computes with
//! private keys in constant time. `rsa` does not (RUSTSEC-2023-0071), `ring` and `aws-lc-rs` tie the hash to the algorithm.
//!
//! Why it is sound: every object that the library makes is owned by one of two types, which free it once, when dropped;
//! pointers into slices are passed along with their lengths and not kept by the library beyond the call; every output buffer
//! has the length that the library was told, and is cut to what it says it wrote, which is never more; every return value is
//! checked, and a null pointer never becomes an object. `EVP_PKEY` may be shared among threads as long as nobody changes it
//! (`openssl/evp.h`), and nothing here does once it is made.
#![allow(
    unsafe_code,
    reason = "calls of a C library; see above for why and how"
)]

use std::ffi::c_int;
use std::ptr::{NonNull, null, null_mut};

use aws_lc_sys as lc;
use zeroize::{Zeroize as _, Zeroizing};

use crate::algorithm::Curve;
use crate::{Hash, Padding, Salt};

/// An RSA key or one on a curve, whole or only its public half.
pub(crate) struct Pkey(NonNull<lc::EVP_PKEY>);

// Safety: see the module.
unsafe impl Send for Pkey {}
// Safety: see the module.
unsafe impl Sync for Pkey {}

impl Drop for Pkey {
    fn drop(&mut self) {
        // Safety: it is ours, and nobody uses it any more.
        unsafe { lc::EVP_PKEY_free(self.0.as_ptr()) }
    }
}

/// What one operation is set up in.
struct Context(NonNull<lc::EVP_PKEY_CTX>);

impl Drop for Context {
    fn drop(&mut self) {
        // Safety: it is ours, and nobody uses it any more.
        unsafe { lc::EVP_PKEY_CTX_free(self.0.as_ptr()) }
    }
}

impl Context {
    fn of(key: &Pkey) -> Option<Self> {
        // Safety: the key lives; the context takes a reference of its own.
        NonNull::new(unsafe { lc::EVP_PKEY_CTX_new(key.0.as_ptr(), null_mut()) }).map(Self)
    }

    fn making(kind: c_int) -> Option<Self> {
        // Safety: there is nothing to point to.
        NonNull::new(unsafe { lc::EVP_PKEY_CTX_new_id(kind, null_mut()) }).map(Self)
    }

    fn get(&self) -> *mut lc::EVP_PKEY_CTX {
        self.0.as_ptr()
    }
}

/// What the library says of an operation; what it has noted of an error is dropped, so that it does not pile up.
fn done(returned: c_int) -> Option<()> {
    if returned == 1 {
        return Some(());
    }
    // Safety: this touches only the thread's own list of errors.
    unsafe { lc::ERR_clear_error() };
    None
}

fn digest(hash: Hash) -> *const lc::EVP_MD {
    // Safety: these give pointers to constants.
    unsafe {
        match hash {
            Hash::Sha1 => lc::EVP_sha1(),
            Hash::Sha2_224 => lc::EVP_sha224(),
            Hash::Sha2_256 => lc::EVP_sha256(),
            Hash::Sha2_384 => lc::EVP_sha384(),
            Hash::Sha2_512 => lc::EVP_sha512(),
            Hash::Sha3_224 => lc::EVP_sha3_224(),
            Hash::Sha3_256 => lc::EVP_sha3_256(),
            Hash::Sha3_384 => lc::EVP_sha3_384(),
            Hash::Sha3_512 => lc::EVP_sha3_512(),
        }
    }
}

fn nid(curve: Curve) -> c_int {
    match curve {
        Curve::P256 => lc::NID_X9_62_prime256v1,
        Curve::P384 => lc::NID_secp384r1,
        Curve::P521 => lc::NID_secp521r1,
    }
}

/// What a key is, as far as anybody here asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rsa(u16),
    Ec(Curve),
    Other,
}

type Operation =
    unsafe extern "C" fn(*mut lc::EVP_PKEY_CTX, *mut u8, *mut usize, *const u8, usize) -> c_int;

impl Pkey {
    /// A new RSA key, its public exponent 65537.
    pub fn rsa(bits: u16) -> Option<Self> {
        let context = Context::making(lc::EVP_PKEY_RSA)?;
        // Safety: the context lives.
        unsafe {
            done(lc::EVP_PKEY_keygen_init(context.get()))?;
            done(lc::EVP_PKEY_CTX_set_rsa_keygen_bits(
                context.get(),
                c_int::from(bits),
            ))?;
        }
        Self::made_in(&context)
    }

    /// A new key on a curve.
    pub fn ec(curve: Curve) -> Option<Self> {
        let context = Context::making(lc::EVP_PKEY_EC)?;
        // Safety: the context lives.
        unsafe {
            done(lc::EVP_PKEY_keygen_init(context.get()))?;
            done(lc::EVP_PKEY_CTX_set_ec_paramgen_curve_nid(
                context.get(),
                nid(curve),
            ))?;
        }
        Self::made_in(&context)
    }

    fn made_in(context: &Context) -> Option<Self> {
        let mut key = null_mut();
        // Safety: the context is set up to make a key; `key` is where it goes.
        done(unsafe { lc::EVP_PKEY_keygen(context.get(), &mut key) })?;
        NonNull::new(key).map(Self)
    }

    /// From PKCS#8 in DER (RFC 5958), and nothing behind it. The library checks that the key is one.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let key = Self::parse(der, lc::EVP_parse_private_key)?;
        // A key that is for PSS alone says so in its identifier; here the padding is the caller's choice.
        // Safety: the key lives.
        if unsafe { lc::EVP_PKEY_id(key.0.as_ptr()) } != lc::EVP_PKEY_RSA_PSS {
            return Some(key);
        }
        // Safety: all three objects live; the new key takes a reference of its own to the RSA key, and ours is freed.
        unsafe {
            let plain = Self(NonNull::new(lc::EVP_PKEY_new())?);
            let rsa = lc::EVP_PKEY_get1_RSA(key.0.as_ptr());
            let set = lc::EVP_PKEY_set1_RSA(plain.0.as_ptr(), rsa);
            lc::RSA_free(rsa);
            done(set)?;
            Some(plain)
        }
    }

    /// From `SubjectPublicKeyInfo` in DER (RFC 5280), and nothing behind it.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        Self::parse(der, lc::EVP_parse_public_key)
    }

    fn parse(
        der: &[u8],
        parse: unsafe extern "C" fn(*mut lc::CBS) -> *mut lc::EVP_PKEY,
    ) -> Option<Self> {
        let mut input = lc::CBS {
            data: null(),
            len: 0,
        };
        // Safety: `input` points into `der`, which lives as long.
        let (key, left) = unsafe {
            lc::CBS_init(&mut input, der.as_ptr(), der.len());
            let key = parse(&mut input);
            (key, lc::CBS_len(&input))
        };
        let key = NonNull::new(key).map(Self);
        if key.is_none() {
            done(0)?;
        }
        key.filter(|_| left == 0)
    }

    /// PKCS#8 in DER.
    pub fn to_pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.marshal(lc::EVP_marshal_private_key)
    }

    /// `SubjectPublicKeyInfo` in DER.
    pub fn to_spki(&self) -> Option<Vec<u8>> {
        self.marshal(lc::EVP_marshal_public_key)
            .map(|mut der| std::mem::take(&mut *der))
    }

    fn marshal(
        &self,
        marshal: unsafe extern "C" fn(*mut lc::CBB, *const lc::EVP_PKEY) -> c_int,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut builder = std::mem::MaybeUninit::<lc::CBB>::zeroed();
        let (mut data, mut len) = (null_mut(), 0);
        // Safety: a zeroed builder may be initialised, and cleaned up whatever happened; once finished, the bytes are ours:
        // they are copied, wiped and freed.
        unsafe {
            let builder = builder.as_mut_ptr();
            let written = done(lc::CBB_init(builder, 512))
                .and_then(|()| done(marshal(builder, self.0.as_ptr())))
                .and_then(|()| done(lc::CBB_finish(builder, &mut data, &mut len)));
            if written.is_none() {
                lc::CBB_cleanup(builder);
                return None;
            }
            let bytes = std::slice::from_raw_parts_mut(data, len);
            let copy = Zeroizing::new(bytes.to_vec());
            bytes.zeroize();
            lc::OPENSSL_free(data.cast());
            Some(copy)
        }
    }

    pub fn kind(&self) -> Kind {
        // Safety: the key lives, and so do its parts while it does.
        unsafe {
            match lc::EVP_PKEY_id(self.0.as_ptr()) {
                lc::EVP_PKEY_RSA => {
                    let bits = lc::EVP_PKEY_bits(self.0.as_ptr());
                    u16::try_from(bits).map_or(Kind::Other, Kind::Rsa)
                }
                lc::EVP_PKEY_EC => {
                    let group = lc::EC_KEY_get0_group(lc::EVP_PKEY_get0_EC_KEY(self.0.as_ptr()));
                    let name = lc::EC_GROUP_get_curve_name(group);
                    [Curve::P256, Curve::P384, Curve::P521]
                        .into_iter()
                        .find(|curve| nid(*curve) == name)
                        .map_or(Kind::Other, Kind::Ec)
                }
                _ => Kind::Other,
            }
        }
    }

    /// The length of RSA's blocks, and the most that a signature has, in bytes.
    pub fn size(&self) -> usize {
        // Safety: the key lives.
        usize::try_from(unsafe { lc::EVP_PKEY_size(self.0.as_ptr()) }).unwrap_or(0)
    }

    /// The signature of a digest, by a key that is whole.
    pub fn sign(&self, input: &[u8], hash: Option<Hash>, padding: Padding) -> Option<Vec<u8>> {
        let context = Context::of(self)?;
        // Safety: the context lives.
        done(unsafe { lc::EVP_PKEY_sign_init(context.get()) })?;
        self.choose(&context, hash, padding, Salt::longest)?;
        self.run(&context, lc::EVP_PKEY_sign, input)
            .map(|mut signature| std::mem::take(&mut *signature))
    }

    /// Whether the key has made this signature of this digest.
    pub fn verify(
        &self,
        input: &[u8],
        signature: &[u8],
        hash: Option<Hash>,
        padding: Padding,
    ) -> bool {
        let verify = || {
            let context = Context::of(self)?;
            // Safety: the context lives.
            done(unsafe { lc::EVP_PKEY_verify_init(context.get()) })?;
            self.choose(&context, hash, padding, |_, _| lc::RSA_PSS_SALTLEN_AUTO)?;
            // Safety: both slices live, and are as long as is said.
            done(unsafe {
                lc::EVP_PKEY_verify(
                    context.get(),
                    signature.as_ptr(),
                    signature.len(),
                    input.as_ptr(),
                    input.len(),
                )
            })
        };
        verify().is_some()
    }

    /// Hash and padding of an RSA signature. ECDSA signs any digest as it stands.
    fn choose(
        &self,
        context: &Context,
        hash: Option<Hash>,
        padding: Padding,
        longest: fn(&Self, Hash) -> c_int,
    ) -> Option<()> {
        if !matches!(self.kind(), Kind::Rsa(_)) {
            return Some(());
        }
        let scheme = match padding {
            Padding::Pss(_) => lc::RSA_PKCS1_PSS_PADDING,
            Padding::Pkcs1 => lc::RSA_PKCS1_PADDING,
        };
        // Safety: the context lives, and the digests are constants.
        unsafe {
            done(lc::EVP_PKEY_CTX_set_rsa_padding(context.get(), scheme))?;
            if let Some(hash) = hash {
                done(lc::EVP_PKEY_CTX_set_signature_md(
                    context.get(),
                    digest(hash),
                ))?;
            }
            let Padding::Pss(salt) = padding else {
                return Some(());
            };
            let salt = match (salt, hash) {
                (Salt::Hash, _) => lc::RSA_PSS_SALTLEN_DIGEST,
                (Salt::Longest, Some(hash)) => longest(self, hash),
                (Salt::Bytes(len), _) => c_int::try_from(len).ok()?,
                (Salt::Longest, None) => return None,
            };
            done(lc::EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), salt))
        }
    }

    /// RSA-OAEP with this hash, and MGF1 with the same (RFC 8017, 7.1).
    pub fn encrypt(&self, plaintext: &[u8], hash: Hash) -> Option<Vec<u8>> {
        let context = Context::of(self)?;
        // Safety: the context lives.
        done(unsafe { lc::EVP_PKEY_encrypt_init(context.get()) })?;
        oaep(&context, hash)?;
        self.run(&context, lc::EVP_PKEY_encrypt, plaintext)
            .map(|mut ciphertext| std::mem::take(&mut *ciphertext))
    }

    /// What was encrypted so.
    pub fn decrypt(&self, ciphertext: &[u8], hash: Hash) -> Option<Zeroizing<Vec<u8>>> {
        let context = Context::of(self)?;
        // Safety: the context lives.
        done(unsafe { lc::EVP_PKEY_decrypt_init(context.get()) })?;
        oaep(&context, hash)?;
        self.run(&context, lc::EVP_PKEY_decrypt, ciphertext)
    }

    /// The secret that this key and the other's public half have in common: the x coordinate (SEC 1, 3.3.1).
    pub fn agree(&self, peer: &Self) -> Option<Zeroizing<Vec<u8>>> {
        let context = Context::of(self)?;
        let mut out = Zeroizing::new(vec![0; self.size().max(66)]);
        let mut len = out.len();
        // Safety: both keys live; the context takes a reference of its own to the peer; `out` is `len` long.
        unsafe {
            done(lc::EVP_PKEY_derive_init(context.get()))?;
            done(lc::EVP_PKEY_derive_set_peer(context.get(), peer.0.as_ptr()))?;
            done(lc::EVP_PKEY_derive(
                context.get(),
                out.as_mut_ptr(),
                &mut len,
            ))?;
        }
        out.truncate(len);
        Some(out)
    }

    /// An operation whose result is at most as long as the key's block.
    fn run(
        &self,
        context: &Context,
        operation: Operation,
        input: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut out = Zeroizing::new(vec![0; self.size()]);
        let mut len = out.len();
        // Safety: the context is set up for this operation; both slices live, and are as long as is said.
        done(unsafe {
            operation(
                context.get(),
                out.as_mut_ptr(),
                &mut len,
                input.as_ptr(),
                input.len(),
            )
        })?;
        out.truncate(len);
        Some(out)
    }
}

impl Salt {
    /// How much room PSS leaves for a salt, in bytes (RFC 8017, 9.1.1).
    fn longest(key: &Pkey, hash: Hash) -> c_int {
        c_int::try_from(longest_salt(key.size(), hash)).unwrap_or(0)
    }
}

/// The longest salt that PSS with this hash has room for, in a block of `block` bytes, all of whose bits are the modulus's.
pub(crate) fn longest_salt(block: usize, hash: Hash) -> usize {
    block.saturating_sub(hash.output_len() + 2)
}

fn oaep(context: &Context, hash: Hash) -> Option<()> {
    // Safety: the context lives, and the digests are constants.
    unsafe {
        done(lc::EVP_PKEY_CTX_set_rsa_padding(
            context.get(),
            lc::RSA_PKCS1_OAEP_PADDING,
        ))?;
        done(lc::EVP_PKEY_CTX_set_rsa_oaep_md(
            context.get(),
            digest(hash),
        ))?;
        done(lc::EVP_PKEY_CTX_set_rsa_mgf1_md(
            context.get(),
            digest(hash),
        ))
    }
}
