//! Database backends that the server does not have, loaded into it while it runs, with the commands of the README: new kinds
//! of databases without a line of host code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::Duration;

use coffer_tests::influxdb::{self, InfluxDb};
use coffer_tests::mysql::{self, MySql};
use coffer_tests::valkey::{self, Valkey};
use coffer_tests::{Cli, Client, Server, check, plugin, until};
use serde_json::json;

/// A server with the `database` engine, and this backend of ours loaded into it.
fn loaded(name: &str) -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    client
        .post("sys/mounts/database", json!({"type": "database"}))
        .ok();
    let refused = client.post("database/config/early", json!({"plugin_name": name}));
    assert!(
        refused.errors().contains("plugin not found in the catalog"),
        "{refused:?}"
    );
    let ran = Cli::new(&server).unwrap().run(&format!(
        "plugin register database {name} {}",
        plugin::ours(name).display()
    ));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout
            .contains(&format!("Success! Registered database plugin {name} v")),
        "{ran:?}"
    );
    (server, client)
}

#[test]
fn mysql_credentials_live_as_long_as_their_lease() {
    let mysql = MySql::shared();
    let database = mysql.database();
    let (_server, client) = loaded("mysql-database-plugin");
    let config = json!({
        "plugin_name": "mysql-database-plugin", "allowed_roles": "*",
        "connection_url": mysql.url_template(), "username": mysql::SUPERUSER, "password": mysql::PASSWORD,
    });
    let create = format!(
        "CREATE USER '{{{{name}}}}'@'%' IDENTIFIED BY '{{{{password}}}}'; GRANT SELECT ON {database}.* TO '{{{{name}}}}'@'%';"
    );
    let role = json!({"db_name": "my", "creation_statements": create, "default_ttl": "1h", "max_ttl": "24h"});
    let wrong = json!({
        "plugin_name": "mysql-database-plugin", "connection_url": mysql.url_template(), "username": mysql::SUPERUSER, "password": "no",
    });
    let refused = client.post("database/config/wrong", wrong);
    assert_eq!(refused.status, 400, "{refused:?}");
    client.post("database/config/my", config).ok();
    client.post("database/roles/app", role).ok();
    let creds = client.get("database/creds/app");
    let (user, password) = (creds.text("/data/username"), creds.text("/data/password"));
    assert!(mysql.can_login(&user, &password));
    check! { client;
        "GET database/config/my" => 200, {"data": {"plugin_name": "mysql-database-plugin", "connection_details": {"username": "*"}}};
        "DELETE sys/plugins/catalog/database/mysql-database-plugin" => 400, {"errors": ["~in use by database/config/my"]};
    }
    client
        .post(
            "sys/leases/revoke",
            json!({"lease_id": creds.text("/lease_id")}),
        )
        .ok();
    until(Duration::from_secs(5), "the user is gone", || {
        !mysql.can_login(&user, &password)
    });
    // Disabled, everything goes, and the plugin can go too.
    let creds = client.get("database/creds/app");
    let user = creds.text("/data/username");
    client.delete("sys/mounts/database").ok();
    until(Duration::from_secs(5), "the user is gone", || {
        mysql.users_like(&user).is_empty()
    });
    client
        .delete("sys/plugins/catalog/database/mysql-database-plugin")
        .ok();
}

#[test]
fn valkey_credentials_live_as_long_as_their_lease_and_survive_a_swap() {
    let valkey = Valkey::shared();
    let (server, client) = loaded("valkey-database-plugin");
    let config = json!({
        "plugin_name": "valkey-database-plugin", "allowed_roles": "*", "host": "127.0.0.1", "port": valkey.address().port(),
        "username": valkey::ADMIN, "password": valkey::PASSWORD,
    });
    let role = json!({"db_name": "kv", "creation_statements": r#"["~app:*", "+@read"]"#, "default_ttl": "1h", "max_ttl": "24h"});
    client.post("database/config/kv", config).ok();
    client.post("database/roles/app", role).ok();
    let first = client.get("database/creds/app");
    let login = |reply: &coffer_tests::Reply| {
        valkey.can_login(&reply.text("/data/username"), &reply.text("/data/password"))
    };
    assert!(login(&first));
    // A version that cannot be had with this server's configuration does not take over: what works works on.
    let component = std::fs::read(plugin::ours("valkey-database-plugin")).unwrap();
    let broken = plugin::reversion(
        &component,
        "database",
        "valkey-database-plugin",
        "0.1.1",
        json!({}),
    );
    let cli = Cli::new(&server).unwrap();
    let register = |file: &str, bytes: &[u8]| {
        std::fs::write(cli.home().join(file), bytes).unwrap();
        cli.run(&format!(
            "plugin register database valkey-database-plugin ./{file}"
        ))
    };
    let ran = register("broken.wasm", &broken);
    assert!(
        ran.stderr.contains("which its manifest does not ask for"),
        "{ran:?}"
    );
    let next = plugin::reversion(
        &component,
        "database",
        "valkey-database-plugin",
        "0.1.1",
        json!({"network": ["configuration"]}),
    );
    let ran = register("next.wasm", &next);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = cli.run("plugin reload -plugin=valkey-database-plugin");
    assert_eq!(ran.code, 0, "{ran:?}");
    let second = client.get("database/creds/app");
    assert!(login(&first) && login(&second));
    check! { client;
        "GET sys/plugins/catalog/database/valkey-database-plugin" => 200, {"data": {"version": "v0.1.1", "used_by": ["database/config/kv"]}};
        // A connection can stay with a version of its own.
        "POST database/config/kv", {"plugin_version": "0.1.0"} => 204;
        "GET database/config/kv" => 200, {"data": {"plugin_version": "0.1.0"}};
        "GET sys/plugins/catalog/database/valkey-database-plugin?version=0.1.0" => 200, {"data": {"used_by": ["database/config/kv"]}};
        "POST database/config/kv", {"plugin_version": "9.0.0"} => 400, {"errors": ["~valkey-database-plugin 9.0.0"]};
    }
    client
        .post("sys/leases/revoke-prefix/database/creds/app", json!({}))
        .ok();
    until(Duration::from_secs(5), "both users are gone", || {
        !login(&first) && !login(&second)
    });
}

#[test]
fn influxdb_credentials_live_as_long_as_their_lease_over_tls() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let influx = InfluxDb::start(Some((&certificate, &key))).unwrap();
    let (_server, client) = loaded("influxdb-database-plugin");
    let config = |more: serde_json::Value| {
        let mut config = json!({
            "plugin_name": "influxdb-database-plugin", "allowed_roles": "*", "host": "localhost", "port": influx.address().port(),
            "username": influxdb::ADMIN, "password": influxdb::PASSWORD, "tls": true,
        });
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        client.post("database/config/influx", config)
    };
    for (more, says) in [
        (json!({}), "TLS with localhost"),
        (
            json!({"pem_bundle": certificate, "password": "no"}),
            "the server refuses the login",
        ),
        (json!({"tls": false}), "status 400"),
    ] {
        let refused = config(more);
        assert!(
            !refused.is_ok() && refused.errors().contains(says),
            "{says}: {refused:?}"
        );
    }
    config(json!({ "pem_bundle": certificate })).ok();
    influx.ask("CREATE DATABASE metrics");
    let create = r#"CREATE USER "{{username}}" WITH PASSWORD '{{password}}'; GRANT READ ON metrics TO "{{username}}""#;
    let role = json!({"db_name": "influx", "creation_statements": create, "default_ttl": "1h", "max_ttl": "24h"});
    client.post("database/roles/app", role).ok();
    let creds = client.get("database/creds/app");
    let (user, password) = (creds.text("/data/username"), creds.text("/data/password"));
    assert!(influx.can_login(&user, &password));
    client
        .post(
            "sys/leases/revoke",
            json!({"lease_id": creds.text("/lease_id")}),
        )
        .ok();
    until(Duration::from_secs(5), "the user is gone", || {
        influx.users_like(&user).is_empty()
    });
    // The connection's own password, once the server has made it, is known to nobody.
    client.post("database/rotate-root/influx", json!({})).ok();
    assert!(!influx.can_login(influxdb::ADMIN, influxdb::PASSWORD));
    let creds = client.get("database/creds/app");
    assert!(influx.can_login(&creds.text("/data/username"), &creds.text("/data/password")));
}
