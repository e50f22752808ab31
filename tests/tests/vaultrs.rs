//! The Rust client `vaultrs`, which reads every answer into a type of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;

use coffer_tests::postgres::{PASSWORD, SUPERUSER};
use coffer_tests::{Postgres, Server};
use vaultrs::api::ResponseWrapper;
use vaultrs::api::auth::approle::requests::SetAppRoleRequest;
use vaultrs::api::database::requests::{PostgreSQLConnectionRequest, SetRoleRequest};
use vaultrs::api::sys::requests::ListMountsRequest;
use vaultrs::api::token::requests::{CreateTokenRequest, SetTokenRoleRequest};
use vaultrs::auth::{approle, userpass};
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;
use vaultrs::{cubbyhole, database, kv1, kv2, sys, token};

fn client(server: &Server, token: &str) -> VaultClient {
    // Its HTTP client wants one, although nothing here is encrypted. A second time it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = VaultClientSettingsBuilder::default()
        .address(server.url())
        .token(token)
        .build()
        .unwrap();
    VaultClient::new(settings).unwrap()
}

fn pairs<'a>(pairs: &[(&'a str, &'a str)]) -> HashMap<&'a str, &'a str> {
    pairs.iter().copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_an_open_barrier() {
    let mut server = Server::durable().unwrap();
    server.start().unwrap();
    let nobody = client(&server, "");
    let status = sys::status(&nobody).await.unwrap();
    assert_eq!(format!("{status:?}"), "UNINITIALIZED");
    let made = sys::start_initialization(&nobody, 2, 2, None)
        .await
        .unwrap();
    assert_eq!(
        format!("{:?}", sys::status(&nobody).await.unwrap()),
        "SEALED"
    );
    for key in made.keys {
        sys::unseal(&nobody, Some(key), None, None).await.unwrap();
    }
    let health = sys::health(&nobody).await.unwrap();
    assert!(health.initialized && !health.sealed && !health.standby);
    let root = client(&server, &made.root_token);
    sys::seal(&root).await.unwrap();
    assert_eq!(
        format!("{:?}", sys::status(&nobody).await.unwrap()),
        "SEALED"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mounts_policies_and_wrapping() {
    let server = Server::dev().unwrap();
    let root = client(&server, server.root_token());
    sys::mount::enable(&root, "one", "kv", None).await.unwrap();
    let mounts = sys::mount::list(&root).await.unwrap();
    assert_eq!(mounts["one/"].mount_type, "kv");
    let one = sys::mount::get_configuration_of_a_secret_engine(&root, "one").await;
    assert_eq!(one.unwrap().mount_type, "kv");
    let moved = sys::remount::remount(&root, "one", "two").await.unwrap();
    let status = sys::remount::remount_status(&root, &moved.migration_id).await;
    assert_eq!(status.unwrap().migration_id, moved.migration_id);
    sys::mount::disable(&root, "two").await.unwrap();

    sys::auth::enable(&root, "users", "userpass", None)
        .await
        .unwrap();
    assert_eq!(
        sys::auth::list(&root).await.unwrap()["users/"].mount_type,
        "userpass"
    );
    sys::auth::disable(&root, "users").await.unwrap();

    let rules = "path \"a/*\" { capabilities = [\"read\"] }";
    sys::policy::set(&root, "mine", rules).await.unwrap();
    assert_eq!(sys::policy::read(&root, "mine").await.unwrap().rules, rules);
    let all = sys::policy::list(&root).await.unwrap().policies;
    assert!(all.contains(&"mine".to_owned()), "{all:?}");
    sys::policy::delete(&root, "mine").await.unwrap();

    let wrapped = ListMountsRequest::builder()
        .build()
        .unwrap()
        .wrap(&root)
        .await
        .unwrap();
    let told = wrapped.lookup(&root).await.unwrap();
    assert_eq!(told.creation_path, "sys/mounts");
    assert!(
        wrapped
            .unwrap(&root)
            .await
            .unwrap()
            .contains_key("cubbyhole/")
    );
    let again = wrapped.unwrap(&root).await;
    assert!(matches!(
        again,
        Err(ClientError::APIError { code: 400, .. })
    ));
    assert_eq!(
        sys::tools::random(&root, None)
            .await
            .unwrap()
            .random_bytes
            .len(),
        44
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens() {
    let server = Server::dev().unwrap();
    let root = client(&server, server.root_token());
    let mut wanted = CreateTokenRequest::builder();
    wanted
        .ttl("1h")
        .policies(vec!["default".to_owned()])
        .num_uses(50_u64);
    let made = token::new(&root, Some(&mut wanted)).await.unwrap();
    assert_eq!((made.lease_duration, made.orphan), (3600, false));
    let mine = client(&server, &made.client_token);
    let ttl = token::lookup_self(&mine).await.unwrap().ttl;
    assert!((3500..=3600).contains(&ttl), "{ttl}");
    let told = token::lookup(&root, &made.client_token).await.unwrap();
    assert_eq!(told.accessor, made.accessor);
    let told = token::lookup_accessor(&root, &made.accessor).await.unwrap();
    assert_eq!((told.id.as_str(), told.num_uses), ("", 49));
    assert_eq!(
        token::renew(&root, &made.client_token, Some("2h"))
            .await
            .unwrap()
            .lease_duration,
        7200
    );
    token::renew_accessor(&root, &made.accessor, None)
        .await
        .unwrap();
    token::renew_self(&mine, None).await.unwrap();
    token::revoke_self(&mine).await.unwrap();
    let gone = token::lookup_self(&mine).await;
    assert!(matches!(gone, Err(ClientError::APIError { code: 403, .. })));

    let orphan = token::new_orphan(&root, None).await.unwrap();
    assert!(orphan.orphan);
    token::revoke_orphan(&root, &orphan.client_token)
        .await
        .unwrap();
    let mut role = SetTokenRoleRequest::builder();
    role.allowed_policies(vec!["default".to_owned()])
        .orphan(true);
    token::role::set(&root, "worker", Some(&mut role))
        .await
        .unwrap();
    assert!(token::role::read(&root, "worker").await.unwrap().orphan);
    assert_eq!(token::role::list(&root).await.unwrap().keys, ["worker"]);
    let made = token::new_role(&root, "worker", None).await.unwrap();
    token::revoke_accessor(&root, &made.accessor).await.unwrap();
    token::role::delete(&root, "worker").await.unwrap();
    let made = token::new(&root, None).await.unwrap();
    token::revoke(&root, &made.client_token).await.unwrap();
    token::tidy(&root).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets() {
    let server = Server::dev().unwrap();
    let root = client(&server, server.root_token());
    let written = kv2::set(&root, "secret", "a/b", &pairs(&[("k", "v")]))
        .await
        .unwrap();
    assert_eq!(written.version, 1);
    kv2::set(&root, "secret", "a/b", &pairs(&[("k", "w")]))
        .await
        .unwrap();
    let read: HashMap<String, String> = kv2::read(&root, "secret", "a/b").await.unwrap();
    assert_eq!(read["k"], "w");
    let first: HashMap<String, String> =
        kv2::read_version(&root, "secret", "a/b", 1).await.unwrap();
    assert_eq!(first["k"], "v");
    assert_eq!(kv2::list(&root, "secret", "a").await.unwrap(), ["b"]);
    kv2::delete_versions(&root, "secret", "a/b", vec![1])
        .await
        .unwrap();
    kv2::undelete_versions(&root, "secret", "a/b", vec![1])
        .await
        .unwrap();
    kv2::destroy_versions(&root, "secret", "a/b", vec![1])
        .await
        .unwrap();
    kv2::delete_latest(&root, "secret", "a/b").await.unwrap();
    let told = kv2::read_metadata(&root, "secret", "a/b").await.unwrap();
    assert!(told.versions["1"].destroyed && !told.versions["2"].deletion_time.is_empty());
    kv2::set_metadata(&root, "secret", "a/b", None)
        .await
        .unwrap();
    kv2::delete_metadata(&root, "secret", "a/b").await.unwrap();
    kv2::config::set(&root, "secret", None).await.unwrap();
    kv2::config::read(&root, "secret").await.unwrap();

    sys::mount::enable(&root, "plain", "kv", None)
        .await
        .unwrap();
    kv1::set(&root, "plain", "a", &pairs(&[("k", "v")]))
        .await
        .unwrap();
    let read: HashMap<String, String> = kv1::get(&root, "plain", "a").await.unwrap();
    assert_eq!(read["k"], "v");
    assert_eq!(
        kv1::list(&root, "plain", "").await.unwrap().data.keys,
        ["a"]
    );
    kv1::delete(&root, "plain", "a").await.unwrap();

    cubbyhole::set(&root, "cubbyhole", "a", &pairs(&[("k", "v")]))
        .await
        .unwrap();
    let read: HashMap<String, String> = cubbyhole::get(&root, "cubbyhole", "a").await.unwrap();
    assert_eq!(read["k"], "v");
    cubbyhole::delete(&root, "cubbyhole", "a").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn logins() {
    let server = Server::dev().unwrap();
    let root = client(&server, server.root_token());
    sys::auth::enable(&root, "userpass", "userpass", None)
        .await
        .unwrap();
    userpass::user::set(&root, "userpass", "ann", "first", None)
        .await
        .unwrap();
    userpass::user::update_password(&root, "userpass", "ann", "second")
        .await
        .unwrap();
    userpass::user::update_policies(&root, "userpass", "ann", "default")
        .await
        .unwrap();
    assert_eq!(
        userpass::user::list(&root, "userpass").await.unwrap().keys,
        ["ann"]
    );
    let user = userpass::user::read(&root, "userpass", "ann")
        .await
        .unwrap();
    assert_eq!(user.token_policies, ["default"]);
    assert!(
        userpass::login(&root, "userpass", "ann", "first")
            .await
            .is_err()
    );
    let logged_in = userpass::login(&root, "userpass", "ann", "second")
        .await
        .unwrap();
    assert_eq!(logged_in.metadata.unwrap()["username"], "ann");
    userpass::user::delete(&root, "userpass", "ann")
        .await
        .unwrap();

    sys::auth::enable(&root, "approle", "approle", None)
        .await
        .unwrap();
    let mut role = SetAppRoleRequest::builder();
    role.token_policies(vec!["default".to_owned()])
        .token_ttl("10m");
    approle::role::set(&root, "approle", "app", Some(&mut role))
        .await
        .unwrap();
    assert_eq!(
        approle::role::read(&root, "approle", "app")
            .await
            .unwrap()
            .token_ttl,
        600
    );
    assert_eq!(
        approle::role::list(&root, "approle").await.unwrap().keys,
        ["app"]
    );
    approle::role::update_id(&root, "approle", "app", "the-role")
        .await
        .unwrap();
    let role = approle::role::read_id(&root, "approle", "app")
        .await
        .unwrap()
        .role_id;
    let secret = approle::role::secret::generate(&root, "approle", "app", None)
        .await
        .unwrap();
    let logged_in = approle::login(&root, "approle", &role, &secret.secret_id)
        .await
        .unwrap();
    assert_eq!(logged_in.lease_duration, 600);
    let told = approle::role::secret::read(&root, "approle", "app", &secret.secret_id)
        .await
        .unwrap();
    assert_eq!(told.secret_id_accessor, secret.secret_id_accessor);
    approle::role::secret::list(&root, "approle", "app")
        .await
        .unwrap();
    approle::role::secret::delete(&root, "approle", "app", &secret.secret_id)
        .await
        .unwrap();
    approle::tidy(&root, "approle").await.unwrap();
    approle::role::delete(&root, "approle", "app")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_a_database() {
    // The harness speaks to the database with a client that waits in a runtime of its own.
    let postgres = tokio::task::spawn_blocking(|| Postgres::shared().database())
        .await
        .unwrap();
    let server = Server::dev().unwrap();
    let root = client(&server, server.root_token());
    sys::mount::enable(&root, "database", "database", None)
        .await
        .unwrap();
    let mut connection = PostgreSQLConnectionRequest::builder();
    connection
        .plugin_name("postgresql-database-plugin")
        .allowed_roles(vec!["*".to_owned()])
        .connection_url(postgres.url_template())
        .username(SUPERUSER)
        .password(PASSWORD);
    database::connection::postgres(&root, "database", "app", Some(&mut connection))
        .await
        .unwrap();
    let told = database::connection::read(&root, "database", "app")
        .await
        .unwrap();
    assert_eq!(told.plugin_name, "postgresql-database-plugin");
    assert_eq!(
        database::connection::list(&root, "database")
            .await
            .unwrap()
            .keys,
        ["app"]
    );
    database::connection::reset(&root, "database", "app")
        .await
        .unwrap();
    let create =
        r#"CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"#;
    let mut role = SetRoleRequest::builder();
    role.db_name("app")
        .creation_statements(vec![create.to_owned()])
        .default_ttl("1h");
    database::role::set(&root, "database", "app", Some(&mut role))
        .await
        .unwrap();
    assert_eq!(
        database::role::read(&root, "database", "app")
            .await
            .unwrap()
            .default_ttl,
        3600
    );
    assert_eq!(
        database::role::list(&root, "database").await.unwrap().keys,
        ["app"]
    );
    let made = database::role::creds(&root, "database", "app")
        .await
        .unwrap();
    assert!(made.username.starts_with("v-"), "{}", made.username);
    database::role::delete(&root, "database", "app")
        .await
        .unwrap();
    database::connection::delete(&root, "database", "app")
        .await
        .unwrap();
    tokio::task::spawn_blocking(move || drop(postgres))
        .await
        .unwrap();
}
