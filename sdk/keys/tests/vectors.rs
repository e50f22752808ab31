//! Published vectors, and what must hold for every key.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

use std::sync::LazyLock;

use coffer_keys::{Algorithm, Hash, Key, KeyError, Nonce, Padding, Salt, Signing};
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

/// Counts up: enough to see that it was asked.
fn counting() -> impl FnMut(&mut [u8]) {
    let mut next = 0_u8;
    move |out| {
        for byte in out {
            next = next.wrapping_add(1);
            *byte = next;
        }
    }
}

fn made(algorithm: Algorithm) -> Key {
    Key::generate(algorithm, None, &mut counting()).unwrap()
}

/// One of each: RSA keys take their time.
static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| Algorithm::ALL.map(made).into());

fn of(algorithm: Algorithm) -> &'static Key {
    KEYS.iter()
        .find(|key| key.algorithm() == algorithm)
        .unwrap()
}

fn over(hash: Hash, padding: Padding) -> Signing {
    Signing {
        hash: Some(hash),
        prehashed: false,
        padding,
    }
}

fn message(key: &Key) -> Signing {
    Signing::message(key.algorithm())
}

const ENCRYPT: [Algorithm; 4] = [
    Algorithm::Aes128Gcm96,
    Algorithm::Aes256Gcm96,
    Algorithm::ChaCha20Poly1305,
    Algorithm::XChaCha20Poly1305,
];
const RSA: [Algorithm; 3] = [Algorithm::Rsa2048, Algorithm::Rsa3072, Algorithm::Rsa4096];
const SIGN: [Algorithm; 7] = [
    Algorithm::Ed25519,
    Algorithm::EcdsaP256,
    Algorithm::EcdsaP384,
    Algorithm::EcdsaP521,
    Algorithm::Rsa2048,
    Algorithm::Rsa3072,
    Algorithm::Rsa4096,
];

#[test]
fn encryption_is_as_published() {
    // Test cases 4 and 16 of the GCM specification, and RFC 8439, 2.8.2.
    let text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
    let aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
    let sunscreen = hex::encode(
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    );
    #[rustfmt::skip]
    let table = [
        (Algorithm::Aes128Gcm96, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", text, aad,
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091 5bc94fbc3221a5db94fae95ae7121a47"),
        (Algorithm::Aes256Gcm96, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", text, aad,
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662 76fc6ece0f4e1768cddf8853bb2d551b"),
        (Algorithm::ChaCha20Poly1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647",
            sunscreen.as_str(), "50515253c0c1c2c3c4c5c6c7",
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116 1ae10b594f09e26a7e902ecbd0600691"),
    ];
    for (algorithm, key, nonce, text, aad, sealed) in table {
        let key = Key::import(algorithm, &bytes(key)).unwrap();
        let made = key.encrypt(
            &bytes(text),
            &bytes(aad),
            Nonce::Given(&bytes(nonce)),
            &mut counting(),
        );
        assert_eq!(
            made,
            Ok([bytes(nonce), bytes(sealed)].concat()),
            "{algorithm}"
        );
        assert_eq!(
            key.decrypt(&made.unwrap(), &bytes(aad)).unwrap().to_vec(),
            bytes(text)
        );
    }
}

#[test]
fn signatures_and_codes_are_as_published() {
    // RFC 8032, 7.1, test 2.
    let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let key = Key::import(Algorithm::Ed25519, &seed).unwrap();
    let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    assert!(hex::encode(key.public_key().unwrap()).ends_with(public));
    let signature = bytes(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    assert_eq!(key.sign(&[0x72], message(&key)), Ok(signature));
    // RFC 4231, test case 1, under a key of 20 bytes.
    let key = Key::import(Algorithm::Hmac, &[0x0b; 20]).unwrap();
    let mac = bytes("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_eq!(key.mac(b"Hi There", Hash::Sha2_256), Ok(mac));
}

#[test]
fn derived_keys_are_hkdf() {
    // RFC 5869, test case 3: no salt, no info.
    let key = Key::import(Algorithm::Hmac, &[0x0b; 22]).unwrap();
    let okm = bytes("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    assert_eq!(key.derive(b"").unwrap().export().unwrap().to_vec(), okm);
    for algorithm in Algorithm::ALL {
        let key = of(algorithm);
        match key.derive(b"a") {
            Err(error) => assert_eq!(error, KeyError::Unsupported(algorithm, "derive others")),
            Ok(derived) => {
                assert_eq!(derived.algorithm(), algorithm);
                let export = |key: &Key| key.export().unwrap().to_vec();
                assert_eq!(export(&derived), export(&key.derive(b"a").unwrap()));
                assert_ne!(export(&derived), export(&key.derive(b"b").unwrap()));
                assert_ne!(export(&derived), export(key));
            }
        }
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let ed25519 = made(Algorithm::Ed25519).export().unwrap();
    let ecdsa = made(Algorithm::EcdsaP256).export().unwrap();
    let rsa = of(Algorithm::Rsa2048).export().unwrap();
    let behind = [&rsa[..], &[0]].concat();
    #[rustfmt::skip]
    let table: [(Algorithm, &[u8], &str); 13] = [
        (Algorithm::Aes128Gcm96, &[0; 32], "it has 32 bytes, not 16"),
        (Algorithm::Aes256Gcm96, &[], "it has 0 bytes, not 32"),
        (Algorithm::ChaCha20Poly1305, &[0; 31], "it has 31 bytes, not 32"),
        (Algorithm::Hmac, &[0; 15], "it has 15 bytes, not 16 to 4096"),
        (Algorithm::Ed25519, &[0; 33], "InvalidEncoding"),
        (Algorithm::Ed25519, &ecdsa, "WrongAlgorithm"),
        (Algorithm::EcdsaP384, &ecdsa, "it is a key on P256"),
        (Algorithm::EcdsaP256, &ed25519, "it is of another kind"),
        (Algorithm::Rsa2048, &ecdsa, "it is a key on P256"),
        (Algorithm::EcdsaP521, &rsa, "it is an RSA key of 2048 bits"),
        (Algorithm::Rsa3072, &rsa, "it is an RSA key of 2048 bits"),
        (Algorithm::Rsa2048, &rsa[1..], "no private key in PKCS#8 is there"),
        (Algorithm::Rsa2048, &behind, "no private key in PKCS#8 is there"),
    ];
    for (algorithm, material, why) in table {
        let error = Key::import(algorithm, material).unwrap_err();
        assert_eq!(error, KeyError::NoKey(algorithm, why.to_owned()));
    }
    let unknown = "rot13".parse::<Algorithm>().unwrap_err().to_string();
    assert!(
        unknown.starts_with("there is no key algorithm \"rot13\"; there are aes128-gcm96,"),
        "{unknown}"
    );
    for stored in [
        &b""[..],
        b"hmac",
        b"rot13\0key",
        b"hmac\0short",
        b"\0",
        &[0xff; 40],
    ] {
        Key::from_stored(stored).unwrap_err();
    }
}

#[test]
fn a_key_does_what_its_algorithm_does_and_says_what_not() {
    for algorithm in Algorithm::ALL {
        let key = of(algorithm);
        assert_eq!(format!("{key:?}"), format!("Key({algorithm})"));
        let encrypts = ENCRYPT.contains(&algorithm) || RSA.contains(&algorithm);
        let signs = SIGN.contains(&algorithm);
        let made = key.encrypt(b"", b"", Nonce::Random, &mut counting());
        assert_eq!(made.is_ok(), encrypts);
        assert_eq!(key.sign(b"", message(key)).is_ok(), signs);
        assert_eq!(key.verify(b"", b"", message(key)).is_ok(), signs);
        assert_eq!(key.public_key().is_some(), signs);
        let mac = key.mac(b"", Hash::Sha2_256);
        assert_eq!(mac.is_ok(), algorithm == Algorithm::Hmac);
    }
    let key = made(Algorithm::Aes256Gcm96);
    let error = key.encrypt(b"", b"", Nonce::Given(&[0; 11]), &mut counting());
    let message = "a nonce for aes256-gcm96 has 12 bytes, not 11";
    assert_eq!(error.unwrap_err().to_string(), message);
}

#[test]
fn xchacha_is_as_published() {
    // draft-irtf-cfrg-xchacha-03, A.3.1.
    let key: Vec<u8> = (0x80..=0x9f).collect();
    let nonce: Vec<u8> = (0x40..=0x57).collect();
    let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    let aad = bytes("50515253c0c1c2c3c4c5c6c7");
    let sealed = bytes(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49",
    );
    let key = Key::import(Algorithm::XChaCha20Poly1305, &key).unwrap();
    let made = key.encrypt(text, &aad, Nonce::Given(&nonce), &mut counting());
    assert_eq!(made, Ok([nonce, sealed].concat()));
}

#[test]
fn convergent_texts_are_the_same_again_under_a_derived_key_only() {
    for algorithm in ENCRYPT {
        let key = of(algorithm);
        let sealed =
            |key: &Key, text: &[u8]| key.encrypt(text, b"", Nonce::Convergent, &mut counting());
        assert_eq!(sealed(key, b"text"), Err(KeyError::NotDerived));
        let derived = key.derive(b"context").unwrap();
        let text = sealed(&derived, b"text").unwrap();
        assert_eq!(
            sealed(&key.derive(b"context").unwrap(), b"text").unwrap(),
            text
        );
        assert_ne!(sealed(&derived, b"texts").unwrap()[..12], text[..12]);
        assert_ne!(
            sealed(&key.derive(b"another").unwrap(), b"text").unwrap(),
            text
        );
        assert_eq!(derived.decrypt(&text, b"").unwrap().to_vec(), b"text");
    }
}

#[test]
fn rsa_signs_with_every_hash_and_padding() {
    use Hash::*;
    for algorithm in RSA {
        let key = of(algorithm);
        for hash in [
            Sha1, Sha2_224, Sha2_256, Sha2_384, Sha2_512, Sha3_224, Sha3_256, Sha3_384, Sha3_512,
        ] {
            for padding in [
                Padding::Pkcs1,
                Padding::Pss(Salt::Longest),
                Padding::Pss(Salt::Hash),
                Padding::Pss(Salt::Bytes(0)),
                Padding::Pss(Salt::Bytes(17)),
            ] {
                let how = over(hash, padding);
                let signature = key.sign(b"text", how).unwrap();
                assert_eq!(
                    key.verify(b"text", &signature, how),
                    Ok(true),
                    "{algorithm} {how:?}"
                );
                assert_eq!(key.verify(b"texts", &signature, how), Ok(false));
                let prehashed = Signing {
                    prehashed: true,
                    ..how
                };
                let digest = hash.digest(b"text");
                assert_eq!(key.verify(&digest, &signature, prehashed), Ok(true));
                let any = over(hash, Padding::Pss(Salt::Longest));
                let is_pss = padding != Padding::Pkcs1;
                assert_eq!(key.verify(b"text", &signature, any), Ok(is_pss));
            }
        }
        let most = match algorithm {
            Algorithm::Rsa2048 => 222,
            Algorithm::Rsa3072 => 350,
            _ => 478,
        };
        let salt = |len| key.sign(b"", over(Sha2_256, Padding::Pss(Salt::Bytes(len))));
        salt(most).unwrap();
        let error = salt(most + 1).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("a salt of {} bytes does not fit: at most {most}", most + 1)
        );
        salt(u32::MAX).unwrap_err();
    }
    let key = of(Algorithm::Rsa2048);
    let bare = Signing {
        hash: None,
        prehashed: true,
        padding: Padding::Pkcs1,
    };
    let signature = key.sign(b"anything", bare).unwrap();
    assert_eq!(key.verify(b"anything", &signature, bare), Ok(true));
    assert_eq!(key.verify(b"anything else", &signature, bare), Ok(false));
    let pss = Signing {
        padding: Padding::Pss(Salt::Hash),
        ..bare
    };
    key.sign(b"", pss).unwrap_err();
    let short = Signing {
        prehashed: true,
        ..over(Sha2_256, Padding::Pkcs1)
    };
    let error = key.sign(b"short", short).unwrap_err().to_string();
    assert_eq!(error, "a digest of this hash function has 32 bytes, not 5");
    assert_eq!(
        key.sign(&[0; 300], bare),
        Err(KeyError::TooLong {
            most: 245,
            got: 300
        })
    );
}

#[test]
fn rsa_encrypts_as_much_as_fits() {
    for (algorithm, most) in RSA.into_iter().zip([190, 318, 446]) {
        let key = of(algorithm);
        let encrypt =
            |text: &[u8], aad: &[u8]| key.encrypt(text, aad, Nonce::Random, &mut counting());
        let text = vec![7; most];
        let sealed = encrypt(&text, b"").unwrap();
        assert_ne!(encrypt(&text, b"").unwrap(), sealed, "it is random");
        assert_eq!(key.decrypt(&sealed, b"").unwrap().to_vec(), text);
        let got = most + 1;
        assert_eq!(
            encrypt(&vec![7; got], b""),
            Err(KeyError::TooLong { most, got })
        );
        encrypt(b"", b"associated").unwrap_err();
        for at in [0, 1, sealed.len() - 1] {
            let mut sealed = sealed.clone();
            sealed[at] ^= 1;
            assert_eq!(key.decrypt(&sealed, b""), Err(KeyError::Sealed));
        }
        assert_eq!(key.decrypt(&sealed[1..], b""), Err(KeyError::Sealed));
    }
}

#[test]
fn a_public_half_does_half() {
    for algorithm in SIGN {
        let whole = of(algorithm);
        let public = Key::import_public(algorithm, &whole.public_key().unwrap()).unwrap();
        let kept = Key::from_stored(&public.to_stored()).unwrap();
        assert!(kept.is_public() && !whole.is_public());
        assert_eq!(kept.public_key(), whole.public_key());
        let signature = whole.sign(b"text", message(whole)).unwrap();
        assert_eq!(kept.verify(b"text", &signature, message(&kept)), Ok(true));
        assert_eq!(kept.verify(b"texts", &signature, message(&kept)), Ok(false));
        assert_eq!(
            kept.sign(b"text", message(&kept)),
            Err(KeyError::PublicOnly)
        );
        assert_eq!(kept.export(), Err(KeyError::PublicOnly));
        if RSA.contains(&algorithm) {
            let sealed = kept
                .encrypt(b"text", b"", Nonce::Random, &mut counting())
                .unwrap();
            assert_eq!(whole.decrypt(&sealed, b"").unwrap().to_vec(), b"text");
            assert_eq!(kept.decrypt(&sealed, b""), Err(KeyError::PublicOnly));
        }
        for other in Algorithm::ALL {
            let taken = Key::import_public(other, &whole.public_key().unwrap());
            assert_eq!(taken.is_ok(), other == algorithm);
        }
    }
}

#[test]
fn keys_agree() {
    for algorithm in [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::EcdsaP521,
    ] {
        let (ours, theirs) = (made(algorithm), made(algorithm));
        let here = ours
            .agree(&theirs.public_key().unwrap(), Algorithm::Aes256Gcm96)
            .unwrap();
        let there = theirs
            .agree(&ours.public_key().unwrap(), Algorithm::Aes256Gcm96)
            .unwrap();
        assert_eq!(here.export(), there.export());
        ours.agree(&theirs.public_key().unwrap(), Algorithm::Hmac)
            .unwrap_err();
        ours.agree(
            &of(Algorithm::Rsa2048).public_key().unwrap(),
            Algorithm::Aes256Gcm96,
        )
        .unwrap_err();
        ours.agree(b"", Algorithm::Aes256Gcm96).unwrap_err();
    }
}

#[test]
fn a_wrapped_key_is_for_one_holder() {
    let (holder, another) = (of(Algorithm::Rsa4096), of(Algorithm::Rsa3072));
    for algorithm in Algorithm::ALL {
        let key = of(algorithm);
        let mut wrapped = holder.wrap(key, Hash::Sha2_256, &mut counting()).unwrap();
        let material = holder.unwrap(&wrapped, Hash::Sha2_256).unwrap();
        assert_eq!(Ok(material), key.export(), "{algorithm}");
        holder.unwrap(&wrapped, Hash::Sha1).unwrap_err();
        another.unwrap(&wrapped, Hash::Sha2_256).unwrap_err();
        *wrapped.last_mut().unwrap() ^= 1;
        assert_eq!(
            holder.unwrap(&wrapped, Hash::Sha2_256),
            Err(KeyError::Sealed)
        );
        assert_eq!(
            holder.unwrap(&wrapped[..512], Hash::Sha2_256),
            Err(KeyError::Sealed)
        );
        assert_eq!(holder.unwrap(b"", Hash::Sha2_256), Err(KeyError::Sealed));
    }
}

proptest! {
    #[test]
    fn what_was_encrypted_opens_whole_or_not_at_all(
        which in 0..ENCRYPT.len(), text: Vec<u8>, aad: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8,
    ) {
        let key = made(ENCRYPT[which]);
        let mut sealed = key.encrypt(&text, &aad, Nonce::Random, &mut counting()).unwrap();
        prop_assert_eq!(key.decrypt(&sealed, &aad).unwrap().to_vec(), text);
        prop_assert_eq!(key.decrypt(&sealed, &[&aad[..], b"x"].concat()), Err(KeyError::Sealed));
        let at = at.index(sealed.len());
        sealed[at] ^= 1_u8 << bit;
        prop_assert_eq!(key.decrypt(&sealed, &aad), Err(KeyError::Sealed));
        sealed.truncate(at);
        prop_assert_eq!(key.decrypt(&sealed, &aad), Err(KeyError::Sealed));
    }

    #[test]
    fn a_signature_is_of_one_message(
        which in 0..SIGN.len(), text: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8,
    ) {
        let key = of(SIGN[which]);
        let how = message(key);
        let mut signature = key.sign(&text, how).unwrap();
        prop_assert_eq!(key.verify(&text, &signature, how), Ok(true));
        prop_assert_eq!(key.verify(&[&text[..], b"x"].concat(), &signature, how), Ok(false));
        let at = at.index(signature.len());
        signature[at] ^= 1_u8 << bit;
        prop_assert_eq!(key.verify(&text, &signature, how), Ok(false));
    }

    #[test]
    fn a_key_is_kept_and_exported_as_itself(which in 0..Algorithm::ALL.len()) {
        let key = of(Algorithm::ALL[which]);
        let kept = Key::from_stored(&key.to_stored()).unwrap();
        let taken = Key::import(key.algorithm(), &key.export().unwrap()).unwrap();
        prop_assert_eq!(kept.public_key(), key.public_key());
        prop_assert_eq!(kept.export(), key.export());
        prop_assert_eq!(taken.export(), key.export());
    }
}
