#![allow(clippy::unwrap_used)]
use super::*;
use crate::prelude::*;

fn lease_request() -> LeaseRequest {
    LeaseRequest {
        ttl: 600,
        max_ttl: 0,
        renewable: true,
        group: String::new(),
        internal: "{}".to_owned(),
    }
}

#[test]
fn a_failure_leaves_what_was_committed_before() {
    let host = Host::new().lease_ttls(60, 300);
    host.transaction(|| storage::put("kept", b"1")).unwrap();
    let failed: Result<()> = host.transaction(|| {
        storage::put("prepared", b"1")?;
        let grant = effects::lease(&lease_request())?;
        assert_eq!((grant.ttl, grant.expires), (300, clock::now() + 300_000));
        effects::lease(&lease_request()).unwrap_err();
        storage::put("lost", b"1")?;
        storage::delete("kept")?;
        Err(Error::internal("boom"))
    });
    assert_eq!(failed.unwrap_err().message, "boom");
    assert_eq!(host.keys(), ["kept", "prepared"]);
    assert_eq!(host.leases().len(), 1);
}

#[test]
fn listings() {
    let host = Host::new();
    for key in ["d/a", "d/a-b", "d/a/x", "d/a/y", "d/a0", "e"] {
        storage::put(key, b"").unwrap();
    }
    assert_eq!(storage::list("d/").unwrap(), ["a", "a-b", "a/", "a0"]);
    assert_eq!(storage::children("d/", Some("a-b"), 1).unwrap(), ["a/"]);
    let listed = |after, limit| storage::list_after("d/", after, limit).unwrap();
    assert_eq!(listed(Some("a"), 2), ["a-b", "a/"]);
    assert_eq!(listed(None, 0), [""; 0]);
    assert_eq!(storage::list("").unwrap(), ["d/", "e"]);
    assert_eq!(
        storage::scan("d/a", Some("d/a-b"), 2).unwrap(),
        ["d/a/x", "d/a/y"]
    );
    storage::delete_all("d/").unwrap();
    assert_eq!(host.keys(), ["e"]);
    storage::put("../x", b"").unwrap_err();
}

#[test]
fn randomness_follows_the_seed_and_is_even() {
    let draw = |seed| {
        let _host = Host::new().seed(seed);
        random::text(3000, b"abc")
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    for letter in "abc".chars() {
        let count = draw(1).matches(letter).count();
        assert!((850..1150).contains(&count), "{letter}: {count}");
    }
    let _host = Host::new();
    assert_eq!(random::text(5, b""), "");
    assert_eq!(random::base62(20).len(), 20);
    let uuid = random::uuid();
    assert_eq!((uuid.len(), uuid.get(14..15)), (36, Some("4")));
}

#[test]
fn times() {
    assert_eq!(
        clock::rfc3339(1_704_067_200_123),
        "2024-01-01T00:00:00.123000000Z"
    );
    assert_eq!(
        clock::parse_rfc3339("2024-01-01T00:00:00.123Z"),
        Some(1_704_067_200_123)
    );
    assert_eq!(clock::parse_rfc3339("yesterday"), None);
    assert_eq!(clock::rfc3339(u64::MAX), "9999-12-31T23:59:59.999000000Z");
}

#[test]
fn lease_ttls_follow_the_rules() {
    let host = Host::new().lease_ttls(600, 3600);
    let issued = clock::now();
    let role = |ttl, max_ttl, period| Renewal {
        ttl,
        max_ttl,
        period,
    };
    let lease_ttl = |increment, role: Renewal| crate::lease_ttl(increment, &role, issued);
    assert_eq!(lease_ttl(0, role(0, 0, 0)), 600);
    assert_eq!(lease_ttl(0, role(60, 0, 0)), 60);
    assert_eq!(lease_ttl(90, role(60, 0, 0)), 90);
    assert_eq!(lease_ttl(9000, role(60, 120, 0)), 120);
    assert_eq!(lease_ttl(9000, role(60, 9000, 0)), 3600);
    host.advance(100);
    assert_eq!(lease_ttl(9000, role(60, 120, 0)), 20);
    assert_eq!(lease_ttl(0, role(60, 120, 50)), 50);
    host.advance(100);
    assert_eq!(lease_ttl(9000, role(60, 120, 0)), 0);
}

#[test]
fn a_body_in_place_of_json_is_seen() {
    let host = Host::new();
    crate::content::respond("text/html", "<p>").unwrap();
    crate::content::respond("text/plain", "x").unwrap();
    for (kind, size) in [
        ("html", 1),
        ("text/html\r\nx: y", 1),
        ("a/b", (1 << 20) + 1),
    ] {
        crate::content::respond(kind, vec![0; size]).unwrap_err();
    }
    assert_eq!(
        host.content(),
        Some(("text/plain".to_owned(), b"x".to_vec()))
    );
    assert_eq!(host.content(), None);
}
