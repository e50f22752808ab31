//! The tokens of the RFCs, and another implementation beside this one.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use coffer_jwt::{ALGORITHMS, Algorithm, KeySet, Token};
use coffer_keys::Key;
use coffer_sdk::testing::Host;
use proptest::prelude::*;
use serde_json::{Value, json};

fn keys(jwk: &Value) -> KeySet {
    KeySet::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap()
}

#[test]
fn the_tokens_of_the_rfcs() {
    let _host = Host::new();
    // RFC 7515, A.2 to A.4, and RFC 8037, A.4.
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let rs256 = (
        json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}),
        format!(
            "eyJhbGciOiJSUzI1NiJ9.{claims}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        ),
    );
    let es256 = (
        json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
        format!(
            "eyJhbGciOiJFUzI1NiJ9.{claims}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
        ),
    );
    for (jwk, token) in [rs256, es256] {
        let told = Token::parse(&token)
            .unwrap()
            .verify(&keys(&jwk), &ALGORITHMS);
        assert_eq!(told.unwrap().expect("it is signed")["iss"], "joe");
    }
    let jwk = json!({"kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"});
    let token = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    // What is signed there are no claims: it must be the signature that is good.
    let token = Token::parse(token).unwrap();
    token.verify(&keys(&jwk), &ALGORITHMS).unwrap_err();
    let jwk =
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    Token::parse(token)
        .unwrap()
        .verify(&keys(&jwk), &ALGORITHMS)
        .unwrap_err();
}

/// A key for each algorithm that the other implementation signs with.
fn signer(algorithm: jsonwebtoken::Algorithm) -> (jsonwebtoken::EncodingKey, KeySet) {
    use coffer_keys::Algorithm as Kind;
    use jsonwebtoken::EncodingKey;
    let (kind, of): (Kind, fn(&[u8]) -> EncodingKey) = match algorithm {
        jsonwebtoken::Algorithm::ES256 => (Kind::EcdsaP256, EncodingKey::from_ec_der),
        jsonwebtoken::Algorithm::ES384 => (Kind::EcdsaP384, EncodingKey::from_ec_der),
        jsonwebtoken::Algorithm::EdDSA => (Kind::Ed25519, EncodingKey::from_ed_der),
        _ => (Kind::Rsa2048, EncodingKey::from_rsa_der),
    };
    let mut next = 0_u8;
    let mut random = |out: &mut [u8]| {
        for byte in out {
            next = next.wrapping_add(7);
            *byte = next;
        }
    };
    let key = Key::generate(kind, None, &mut random).unwrap();
    let pkcs8 = key.export().unwrap();
    let private = match kind {
        // It wants what is inside of PKCS#8.
        Kind::Rsa2048 => of(pkcs8.get(26..).unwrap()),
        _ => of(&pkcs8),
    };
    let text = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        key.public_key().unwrap(),
    );
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n");
    (private, KeySet::from_pems([pem.as_str()]).unwrap())
}

#[test]
fn tokens_of_jsonwebtoken() {
    use jsonwebtoken::Algorithm::*;
    let _host = Host::new();
    for algorithm in [
        RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA,
    ] {
        let (private, public) = signer(algorithm);
        let header = jsonwebtoken::Header::new(algorithm);
        let token = jsonwebtoken::encode(&header, &json!({"sub": "joe"}), &private).unwrap();
        let parsed = Token::parse(&token).unwrap();
        let told = parsed.verify(&public, &ALGORITHMS).unwrap();
        assert_eq!(told.expect("it is signed")["sub"], "joe", "{algorithm:?}");
        let own = Algorithm::named(&format!("{algorithm:?}")).unwrap();
        for allowed in ALGORITHMS {
            let told = parsed.verify(&public, &[allowed]).unwrap();
            assert_eq!(told.is_some(), allowed == own);
        }
        let (_, another) = signer(if algorithm == ES256 { ES384 } else { ES256 });
        assert!(parsed.verify(&another, &ALGORITHMS).unwrap().is_none());
        assert!(
            parsed
                .verify(&KeySet::default(), &ALGORITHMS)
                .unwrap()
                .is_none()
        );
    }
}

proptest! {
    /// No change of any character of a token goes unseen.
    #[test]
    fn a_token_is_good_as_it_was_signed(at: prop::sample::Index, other in "[A-Za-z0-9_.=-]") {
        let _host = Host::new();
        let (private, public) = signer(jsonwebtoken::Algorithm::EdDSA);
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
        let token = jsonwebtoken::encode(&header, &json!({"sub": "joe"}), &private).unwrap();
        let at = at.index(token.len());
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        prop_assume!(changed != token);
        let told = Token::parse(&changed).and_then(|token| token.verify(&public, &ALGORITHMS));
        prop_assert!(!matches!(told, Ok(Some(_))), "{changed}");
    }

    #[test]
    fn nothing_is_too_strange(text in "\\PC*", json in "[\\[\\]{}\":,a-z0-9]*") {
        let _host = Host::new();
        let _ = Token::parse(&text);
        let _ = Token::parse(&format!("{json}.{json}.{json}"));
        let _ = KeySet::from_pems([text.as_str()]);
        let _ = KeySet::from_jwks(json.as_bytes());
    }
}
