//! Published vectors, and what must hold for every key.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

use coffer_keys::{Algorithm, Key, KeyError};
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
    Key::generate(algorithm, &mut counting()).unwrap()
}

const ENCRYPT: [Algorithm; 3] = [
    Algorithm::Aes128Gcm96,
    Algorithm::Aes256Gcm96,
    Algorithm::ChaCha20Poly1305,
];
const SIGN: [Algorithm; 3] = [
    Algorithm::Ed25519,
    Algorithm::EcdsaP256,
    Algorithm::EcdsaP384,
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
            Some(&bytes(nonce)),
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
    assert_eq!(key.sign(&[0x72]), Ok(signature));
    // RFC 4231, test case 1, under a key of 20 bytes.
    let key = Key::import(Algorithm::Hmac, &[0x0b; 20]).unwrap();
    let mac = bytes("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_eq!(key.mac(b"Hi There"), Ok(mac));
}

#[test]
fn derived_keys_are_hkdf() {
    // RFC 5869, test case 3: no salt, no info.
    let key = Key::import(Algorithm::Hmac, &[0x0b; 22]).unwrap();
    let okm = bytes("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    assert_eq!(key.derive(b"").unwrap().export().to_vec(), okm);
    for algorithm in Algorithm::ALL {
        let key = made(algorithm);
        match key.derive(b"a") {
            Err(error) => assert_eq!(error, KeyError::Unsupported(algorithm, "derive others")),
            Ok(derived) => {
                assert_eq!(derived.algorithm(), algorithm);
                assert_eq!(*derived.export(), *key.derive(b"a").unwrap().export());
                assert_ne!(*derived.export(), *key.derive(b"b").unwrap().export());
                assert_ne!(*derived.export(), *key.export());
            }
        }
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let ed25519 = made(Algorithm::Ed25519).export();
    let ecdsa = made(Algorithm::EcdsaP256).export();
    #[rustfmt::skip]
    let table: [(Algorithm, &[u8], &str); 8] = [
        (Algorithm::Aes128Gcm96, &[0; 32], "it has 32 bytes, not 16"),
        (Algorithm::Aes256Gcm96, &[], "it has 0 bytes, not 32"),
        (Algorithm::ChaCha20Poly1305, &[0; 31], "it has 31 bytes, not 32"),
        (Algorithm::Hmac, &[0; 15], "it has 15 bytes, not 16 to 4096"),
        (Algorithm::Ed25519, &[0; 33], "InvalidEncoding"),
        (Algorithm::Ed25519, &ecdsa, "WrongAlgorithm"),
        (Algorithm::EcdsaP384, &ecdsa, "WrongAlgorithm"),
        (Algorithm::EcdsaP256, &ed25519, "WrongAlgorithm"),
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
        let key = made(algorithm);
        assert_eq!(format!("{key:?}"), format!("Key({algorithm})"));
        let encrypts = ENCRYPT.contains(&algorithm);
        let signs = SIGN.contains(&algorithm);
        assert_eq!(
            key.encrypt(b"", b"", None, &mut counting()).is_ok(),
            encrypts
        );
        assert_eq!(key.sign(b"").is_ok(), signs);
        assert_eq!(key.verify(b"", b"").is_ok(), signs);
        assert_eq!(key.public_key().is_some(), signs);
        assert_eq!(key.mac(b"").is_ok(), algorithm == Algorithm::Hmac);
    }
    let key = made(Algorithm::Aes256Gcm96);
    let error = key.encrypt(b"", b"", Some(&[0; 11]), &mut counting());
    let message = "a nonce for aes256-gcm96 has 12 bytes, not 11";
    assert_eq!(error.unwrap_err().to_string(), message);
}

proptest! {
    #[test]
    fn what_was_encrypted_opens_whole_or_not_at_all(
        which in 0..ENCRYPT.len(), text: Vec<u8>, aad: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8,
    ) {
        let key = made(ENCRYPT[which]);
        let mut sealed = key.encrypt(&text, &aad, None, &mut counting()).unwrap();
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
        which in 0..SIGN.len(), message: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8,
    ) {
        let key = made(SIGN[which]);
        let mut signature = key.sign(&message).unwrap();
        prop_assert_eq!(key.verify(&message, &signature), Ok(true));
        prop_assert_eq!(key.verify(&[&message[..], b"x"].concat(), &signature), Ok(false));
        let at = at.index(signature.len());
        signature[at] ^= 1_u8 << bit;
        prop_assert_eq!(key.verify(&message, &signature), Ok(false));
    }

    #[test]
    fn a_key_is_kept_and_exported_as_itself(which in 0..Algorithm::ALL.len()) {
        let key = made(Algorithm::ALL[which]);
        let kept = Key::from_stored(&key.to_stored()).unwrap();
        let taken = Key::import(key.algorithm(), &key.export()).unwrap();
        prop_assert_eq!(kept.public_key(), key.public_key());
        prop_assert_eq!(&*kept.export(), &*key.export());
        prop_assert_eq!(&*taken.export(), &*key.export());
    }
}
