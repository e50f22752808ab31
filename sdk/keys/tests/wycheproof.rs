//! The vectors of Project Wycheproof: what implementations of these algorithms have got wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use coffer_keys::{Algorithm, Hash, Key, Nonce, Padding, Salt, Signing};
use wycheproof::{HashFunction, TestResult, aead, ecdsa, eddsa, mac, rsa_oaep};
use wycheproof::{rsa_pkcs1_verify, rsa_pss_verify};

fn hash(of: HashFunction) -> Option<Hash> {
    Some(match of {
        HashFunction::Sha1 => Hash::Sha1,
        HashFunction::Sha2_224 => Hash::Sha2_224,
        HashFunction::Sha2_256 => Hash::Sha2_256,
        HashFunction::Sha2_384 => Hash::Sha2_384,
        HashFunction::Sha2_512 => Hash::Sha2_512,
        HashFunction::Sha3_224 => Hash::Sha3_224,
        HashFunction::Sha3_256 => Hash::Sha3_256,
        HashFunction::Sha3_384 => Hash::Sha3_384,
        HashFunction::Sha3_512 => Hash::Sha3_512,
        _ => return None,
    })
}

fn over(hash: Hash, padding: Padding) -> Signing {
    Signing {
        hash: Some(hash),
        prehashed: false,
        padding,
    }
}

/// What is acceptable may go either way.
fn check(what: &str, expected: TestResult, got: bool, ran: &mut usize) {
    *ran += 1;
    match expected {
        TestResult::Valid => assert!(got, "{what}: refused"),
        TestResult::Invalid => assert!(!got, "{what}: accepted"),
        TestResult::Acceptable => {}
    }
}

#[test]
fn encryption() {
    let mut ran = 0;
    for name in aead::TestName::all() {
        let set = aead::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            // A nonce of another length is refused, whatever it is a vector of.
            let algorithm = match (name, group.key_size, group.tag_size) {
                (aead::TestName::AesGcm, 128, 128) => Algorithm::Aes128Gcm96,
                (aead::TestName::AesGcm, 256, 128) => Algorithm::Aes256Gcm96,
                (aead::TestName::ChaCha20Poly1305, 256, 128) => Algorithm::ChaCha20Poly1305,
                (aead::TestName::XChaCha20Poly1305, 256, 128) => Algorithm::XChaCha20Poly1305,
                _ => continue,
            };
            for test in &group.tests {
                let what = format!("{algorithm} {}: {}", test.tc_id, test.comment);
                let key = Key::import(algorithm, &test.key).unwrap();
                let made = key.encrypt(&test.pt, &test.aad, Nonce::Given(&test.nonce), &mut |_| {});
                let sealed = [&test.nonce[..], &test.ct, &test.tag].concat();
                let nonce = if algorithm == Algorithm::XChaCha20Poly1305 {
                    192
                } else {
                    96
                };
                if group.nonce_size != nonce {
                    made.expect_err(&what);
                    continue;
                }
                let opened = key.decrypt(&sealed, &test.aad);
                check(&what, test.result, opened.is_ok(), &mut ran);
                if test.result == TestResult::Valid {
                    assert_eq!(made.unwrap(), sealed, "{what}");
                    assert_eq!(opened.unwrap().to_vec(), test.pt.to_vec(), "{what}");
                }
            }
        }
    }
    assert!(ran > 600, "{ran}");
}

#[test]
fn signatures_on_curves() {
    let mut ran = 0;
    for name in ecdsa::TestName::all() {
        let set = ecdsa::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let algorithm = match format!("{:?}", group.key.curve).as_str() {
                "Secp256r1" => Algorithm::EcdsaP256,
                "Secp384r1" => Algorithm::EcdsaP384,
                "Secp521r1" => Algorithm::EcdsaP521,
                _ => continue,
            };
            let (Some(hash), false) = (hash(group.hash), format!("{name:?}").contains("P1363"))
            else {
                continue;
            };
            let key = Key::import_public(algorithm, &group.der).unwrap();
            for test in &group.tests {
                let how = over(hash, Padding::Pkcs1);
                let valid = key.verify(&test.msg, &test.sig, how).unwrap();
                let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
                check(&what, test.result, valid, &mut ran);
            }
        }
    }
    assert!(ran > 3000, "{ran}");
    let mut ran = 0;
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    for group in &set.test_groups {
        let key = Key::import_public(Algorithm::Ed25519, &group.der).unwrap();
        for test in &group.tests {
            let how = Signing::message(Algorithm::Ed25519);
            let valid = key.verify(&test.msg, &test.sig, how).unwrap();
            let what = format!("Ed25519 {}: {}", test.tc_id, test.comment);
            check(&what, test.result, valid, &mut ran);
        }
    }
    assert!(ran > 100, "{ran}");
}

fn rsa(bits: usize) -> Option<Algorithm> {
    Some(match bits {
        2048 => Algorithm::Rsa2048,
        3072 => Algorithm::Rsa3072,
        4096 => Algorithm::Rsa4096,
        _ => return None,
    })
}

#[test]
fn signatures_of_rsa() {
    let mut ran = 0;
    for name in rsa_pkcs1_verify::TestName::all() {
        let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let (Some(hash), Some(algorithm)) = (hash(group.hash), rsa(group.key_size)) else {
                continue;
            };
            let key = Key::import_public(algorithm, &group.der).unwrap();
            for test in &group.tests {
                let valid = key.verify(&test.msg, &test.sig, over(hash, Padding::Pkcs1));
                let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
                check(&what, test.result, valid.unwrap(), &mut ran);
            }
        }
    }
    assert!(ran > 3000, "{ran}");
    let mut ran = 0;
    for name in rsa_pss_verify::TestName::all() {
        let set = rsa_pss_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let (Some(hash), Some(algorithm)) = (hash(group.hash), rsa(group.key_size)) else {
                continue;
            };
            // MGF1 has the signature's hash here, and keys come without parameters of their own.
            let key = Key::import_public(algorithm, &group.der);
            let (true, Ok(key)) = (group.mgf_hash == Some(group.hash), key) else {
                continue;
            };
            let salt = Salt::Bytes(u32::try_from(group.salt_size).unwrap());
            for test in &group.tests {
                let valid = key.verify(&test.msg, &test.sig, over(hash, Padding::Pss(salt)));
                let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
                check(&what, test.result, valid.unwrap(), &mut ran);
            }
        }
    }
    assert!(ran > 300, "{ran}");
}

#[test]
fn encryption_with_rsa() {
    let mut ran = 0;
    for name in rsa_oaep::TestName::all() {
        let set = rsa_oaep::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let Some(algorithm) = rsa(group.key_size) else {
                continue;
            };
            if (group.hash, group.mgf_hash) != (HashFunction::Sha2_256, HashFunction::Sha2_256) {
                continue;
            }
            let key = Key::import(algorithm, &group.pkcs8).unwrap();
            for test in group.tests.iter().filter(|test| test.label.is_empty()) {
                let opened = key.decrypt(&test.ct, b"");
                let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
                check(&what, test.result, opened.is_ok(), &mut ran);
                if let (TestResult::Valid, Ok(plain)) = (test.result, opened) {
                    assert_eq!(plain.to_vec(), test.pt.to_vec(), "{what}");
                }
            }
        }
    }
    assert!(ran > 60, "{ran}");
}

#[test]
fn authentication_codes() {
    use mac::TestName::*;
    let mut ran = 0;
    for (name, hash) in [
        (HmacSha1, Hash::Sha1),
        (HmacSha224, Hash::Sha2_224),
        (HmacSha256, Hash::Sha2_256),
        (HmacSha384, Hash::Sha2_384),
        (HmacSha512, Hash::Sha2_512),
        (HmacSha3_224, Hash::Sha3_224),
        (HmacSha3_256, Hash::Sha3_256),
        (HmacSha3_384, Hash::Sha3_384),
        (HmacSha3_512, Hash::Sha3_512),
    ] {
        let set = mac::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            for test in &group.tests {
                // Shorter keys are not taken.
                let Ok(key) = Key::import(Algorithm::Hmac, &test.key) else {
                    assert!(test.key.len() < 16);
                    continue;
                };
                let made = key.mac(&test.msg, hash).unwrap();
                let same = made.starts_with(&test.tag);
                let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
                check(&what, test.result, same, &mut ran);
            }
        }
    }
    assert!(ran > 1000, "{ran}");
}
