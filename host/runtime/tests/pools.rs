//! The pools of database connections: how many there are, and who waits for one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use coffer_runtime::{Caller, MountContext};
use serde_json::json;
use support::database::{Server, ask, db, with};
use support::{Kind, builtin, fixture, fixture_with, guest, mount, token};

#[tokio::test]
async fn a_connection_is_kept_and_shared_by_the_mounts_callers() {
    let (fixture, server) = (fixture().await, Server::default());
    let (mount, other) = (Arc::new(mount("db")), Arc::new(support::mount("other")));
    let url = server.start(None).await;
    let answer = ask(&fixture, &mount, "db/username", db(&url)).await;
    assert_eq!(answer, Ok(json!({"username": "v-d-r-1"})));
    assert_eq!(server.connections(), 0, "a name needs no connection");
    ask(&fixture, &mount, "db/ping", db(&url)).await.unwrap();
    ask(&fixture, &mount, "db/create", db(&url)).await.unwrap();
    fixture
        .ask(&mount, token("another"), "db/create", db(&url))
        .await
        .unwrap();
    assert_eq!(server.connections(), 1);
    // What the database refuses is told, and costs no connection.
    let refused = ask(
        &fixture,
        &mount,
        "db/create",
        with(db(&url), json!({"statements": ["fail"]})),
    )
    .await;
    assert_eq!(
        refused,
        Err("ErrorKind::InvalidRequest: permission denied for the role".to_owned())
    );
    ask(&fixture, &mount, "db/create", db(&url)).await.unwrap();
    assert_eq!(server.connections(), 1);
    ask(&fixture, &other, "db/ping", db(&url)).await.unwrap();
    assert_eq!(server.connections(), 2, "another mount has its own");
    // Another configuration is another pool, and the old one's connection is closed.
    ask(
        &fixture,
        &mount,
        "db/ping",
        with(db(&url), json!({"config": {"url": url, "x": 1}})),
    )
    .await
    .unwrap();
    assert_eq!(server.connections(), 3);
    server.until_open(2).await;
    ask(&fixture, &mount, "db/close", json!({"name": "db"}))
        .await
        .unwrap();
    server.until_open(1).await;
    fixture.plugins.clear();
    server.until_open(0).await;
}

#[tokio::test]
async fn no_more_connections_than_configured() {
    let (fixture, server) = (Arc::new(fixture().await), Server::default());
    let mount = Arc::new(mount("db"));
    let url = server.start(None).await;
    let slow = with(
        db(&url),
        json!({"max_connections": 2, "statements": ["slow"]}),
    );
    let calls = (0..6).map(|caller| {
        let (fixture, mount, slow) = (fixture.clone(), mount.clone(), slow.clone());
        tokio::spawn(async move {
            fixture
                .ask(&mount, token(&caller.to_string()), "db/create", slow)
                .await
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 2);
    // While both are in use, a name can still be had, and who cannot wait is told.
    let hang = with(
        db(&url),
        json!({"max_connections": 2, "statements": ["hang"]}),
    );
    let hanging: Vec<_> = (0..2)
        .map(|caller| {
            let (fixture, mount, hang) = (fixture.clone(), mount.clone(), hang.clone());
            tokio::spawn(async move {
                fixture
                    .ask(&mount, token(&caller.to_string()), "db/create", hang)
                    .await
            })
        })
        .collect();
    let short = Arc::new(MountContext {
        deadline: Duration::from_millis(400),
        ..support::mount("db")
    });
    let ping = async || {
        ask(
            &fixture,
            &short,
            "db/ping",
            with(db(&url), json!({"max_connections": 2})),
        )
        .await
    };
    let busy = loop {
        if let Err(error) = ping().await {
            break error;
        }
    };
    assert_eq!(
        busy,
        "ErrorKind::Unavailable: all 2 connections to database \"db\" are in use"
    );
    ask(
        &fixture,
        &mount,
        "db/username",
        with(db(&url), json!({"max_connections": 2})),
    )
    .await
    .unwrap();
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    server.until_open(0).await;
}

#[tokio::test]
async fn a_connection_is_retired_when_its_lifetime_is_over() {
    let (fixture, server) = (fixture().await, Server::default());
    let mount = Arc::new(mount("db"));
    let data = with(db(&server.start(None).await), json!({"max_lifetime": 1}));
    ask(&fixture, &mount, "db/ping", data.clone())
        .await
        .unwrap();
    let started = Instant::now();
    while server.connections() == 1 {
        assert!(started.elapsed() < Duration::from_secs(5));
        ask(&fixture, &mount, "db/ping", data.clone())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started.elapsed() > Duration::from_millis(900));
    server.until_open(1).await;
}

/// Hundreds of calls for a database that does not answer: what else is called answers as ever.
#[tokio::test]
async fn a_database_that_hangs_stalls_nobody_else() {
    let (fixture, server) = (Arc::new(fixture().await), Server::default());
    let (mount, other) = (Arc::new(mount("db")), Arc::new(support::mount("kv")));
    let url = server.start(None).await;
    let hang = with(db(&url), json!({"statements": ["hang"]}));
    let crowd: Vec<_> = (0..600)
        .map(|_| {
            let (fixture, mount, hang) = (fixture.clone(), mount.clone(), hang.clone());
            tokio::spawn(async move {
                fixture
                    .ask(&mount, Caller::Anonymous, "db/create", hang)
                    .await
            })
        })
        .collect();
    server.until_open(4).await;
    let prompt = async |mount, path, data| {
        let started = Instant::now();
        let answer = fixture.ask(mount, token("t"), path, data).await;
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{path} took {:?}: {answer:?}",
            started.elapsed()
        );
        answer
    };
    assert_eq!(prompt(&other, "echo", json!({})).await, Ok(json!({})));
    let second = with(db(&url), json!({"name": "second"}));
    assert_eq!(prompt(&mount, "db/ping", second).await, Ok(json!({})));
    assert_eq!(
        prompt(&mount, "db/ping", db(&url)).await,
        Err("ErrorKind::Unavailable: all 4 connections to database \"db\" are in use".to_owned())
    );
    let waiting = crowd.iter().filter(|call| !call.is_finished()).count();
    assert_eq!(waiting, 4 + 32, "they wait for as long as they can");
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
}

/// As long as the connections are handed on, a crowd of any size is served.
#[tokio::test]
async fn a_crowd_before_a_database_that_answers_is_served() {
    let (fixture, server) = (Arc::new(fixture().await), Server::default());
    let mount = Arc::new(mount("db"));
    let url = server.start(None).await;
    let calls: Vec<_> = (0..300)
        .map(|_| {
            let (fixture, mount, url) = (fixture.clone(), mount.clone(), url.clone());
            tokio::spawn(async move {
                fixture
                    .ask(&mount, Caller::Anonymous, "db/create", db(&url))
                    .await
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(json!({})));
    }
    assert_eq!(server.connections(), 4);
}

/// Whatever serves a call when everything is dropped, as it is when the server is sealed, ends with that call.
#[tokio::test]
async fn what_is_in_use_when_all_is_dropped_is_not_kept() {
    let (fixture, server) = (
        Arc::new(fixture_with(&[builtin(Kind::Database, "another", guest("backend"))]).await),
        Server::default(),
    );
    let mount = Arc::new(mount("db"));
    let url = server.start(None).await;
    let remember = async |secret: &str| {
        let data = json!({"secret": secret});
        fixture.ask(&mount, token("t"), "remember", data).await
    };
    assert_eq!(remember("a").await, Ok(json!({"remembered": ["a"]})));
    // The instance and its connection, and a pool whose component is only being compiled.
    let slow = with(db(&url), json!({"statements": ["slow"]}));
    let another = with(db(&url), json!({"plugin": "another"}));
    for data in [slow, another] {
        let call = tokio::spawn({
            let (fixture, mount) = (fixture.clone(), mount.clone());
            async move { fixture.ask(&mount, token("t"), "db/create", data).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        fixture.plugins.clear();
        assert_eq!(call.await.unwrap(), Ok(json!({})));
        let closed = server.until_open(0);
        tokio::time::timeout(Duration::from_secs(2), closed)
            .await
            .unwrap();
        assert_eq!(remember("b").await, Ok(json!({"remembered": ["b"]})));
        fixture.plugins.drop_mount("db");
    }
}

#[tokio::test]
async fn a_full_mount_can_still_change_its_databases() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("db"));
    let username = async |name: usize, url: &str| {
        let data = with(db(url), json!({"name": name.to_string()}));
        ask(&fixture, &mount, "db/username", data).await
    };
    for name in 0..4096 {
        username(name, "a").await.unwrap();
    }
    username(7, "b").await.unwrap();
    assert_eq!(
        username(4096, "a").await,
        Err("ErrorKind::Unavailable: a mount can have 4096 databases only".to_owned())
    );
    ask(&fixture, &mount, "db/close", json!({"name": "8"}))
        .await
        .unwrap();
    username(4096, "a").await.unwrap();
}
