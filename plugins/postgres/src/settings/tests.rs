#![allow(clippy::unwrap_used)]
use super::*;

fn config(url: &str) -> Config {
    Config {
        connection_url: url.to_owned(),
        username: "ad/min".to_owned(),
        password: Zeroizing::new("p@ss w:o'r\\d%2F&?#".to_owned()),
        ..Config::default()
    }
}

fn read(url: &str) -> Result<Settings, Error> {
    config(url).settings()
}

fn hosts_of(settings: &Settings) -> Vec<(String, u16)> {
    settings
        .hosts
        .iter()
        .map(|host| (host.name.clone(), host.port))
        .collect()
}

#[test]
fn where_to_connect() {
    type Row = (&'static str, &'static [(&'static str, u16)], &'static str);
    #[rustfmt::skip]
    let table: &[Row] = &[
        ("postgresql://u@db/app", &[("db", 5432)], "app"),
        ("postgres://u@db:6000/app?sslmode=disable", &[("db", 6000)], "app"),
        ("postgresql://u@a:1,b,[::1]:3/app", &[("a", 1), ("b", 5432), ("::1", 3)], "app"),
        ("postgresql://u@[fe80::1]/", &[("fe80::1", 5432)], "u"),
        ("postgresql://u@/app?host=x,y&port=7", &[("x", 7), ("y", 7)], "app"),
        ("postgresql://u@db", &[("db", 5432)], "u"),
        ("postgresql:///?user=u&dbname=a%20b&host=db", &[("db", 5432)], "a b"),
        ("postgresql://u@d%62/a%2Fb", &[("db", 5432)], "a/b"),
        ("host=db port=6000 user=u dbname=app", &[("db", 6000)], "app"),
        ("host = a,b port=1,2 user='u' dbname = 'my app'", &[("a", 1), ("b", 2)], "my app"),
        ("user=u host=db", &[("db", 5432)], "u"),
    ];
    for (url, hosts, database) in table {
        let settings = read(url).unwrap();
        let expected: Vec<_> = hosts
            .iter()
            .map(|(name, port)| ((*name).to_owned(), *port))
            .collect();
        assert_eq!(hosts_of(&settings), expected, "{url}");
        assert_eq!(settings.database, *database, "{url}");
        assert_eq!(settings.user, "u", "{url}");
    }
}

#[test]
fn an_address_beside_the_name() {
    let settings = read("host=db hostaddr=10.0.0.1 user=u").unwrap();
    let host = Host {
        name: "db".to_owned(),
        address: Some("10.0.0.1".to_owned()),
        port: 5432,
    };
    assert_eq!(settings.hosts, [host]);
}

#[test]
fn what_is_put_in_comes_out_whole() {
    let table = [
        "postgresql://{{username}}:{{password}}@db/app",
        "postgresql://db/app?user={{username}}&password={{password}}",
        "user={{username}} password={{password}} host=db",
        "user='{{username}}' password='{{password}}' host=db",
        "postgresql://db/app",
    ];
    for url in table {
        let settings = read(url).unwrap();
        assert_eq!(settings.user, "ad/min", "{url}");
        assert_eq!(*settings.password, "p@ss w:o'r\\d%2F&?#", "{url}");
    }
    let raw = Config {
        password: Zeroizing::new("a%20b".to_owned()),
        disable_escaping: true,
        ..config("postgresql://u:{{password}}@db/app")
    };
    assert_eq!(*raw.settings().unwrap().password, "a b");
}

#[test]
fn encryption() {
    let ca = "-----BEGIN CERTIFICATE-----";
    #[rustfmt::skip]
    let table = [
        ("", "", SslMode::Prefer),
        ("sslmode=disable", "", SslMode::Disable),
        ("sslmode=allow", "", SslMode::Allow),
        ("sslmode=require", "", SslMode::Require),
        ("ssl=true", "", SslMode::Require),
        ("sslmode=require", ca, SslMode::VerifyCa),
        ("sslmode=require&sslrootcert=system", ca, SslMode::Require),
        ("sslmode=verify-ca", "", SslMode::VerifyCa),
        ("sslmode=verify-full", ca, SslMode::VerifyFull),
        ("sslmode=require&sslrootcert=-----BEGIN%20CERTIFICATE-----", "", SslMode::VerifyCa),
    ];
    for (query, roots, mode) in table {
        let mut config = config(&format!("postgresql://u@db/app?{query}"));
        config.certificates.roots = roots.to_owned();
        assert_eq!(config.settings().unwrap().ssl, mode, "{query}");
    }
}

#[test]
fn parameters_of_the_session() {
    let settings =
        read("postgresql://u@db/app?search_path=a&connect_timeout=5&application_name=me").unwrap();
    let expected = [
        ("search_path", "a"),
        ("application_name", "me"),
        ("TimeZone", "UTC"),
    ];
    assert_eq!(
        settings.parameters,
        expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
    assert!(
        read("postgresql://u@db/app?target_session_attrs=read-write")
            .unwrap()
            .writable
    );
}

#[test]
fn what_cannot_be_used() {
    #[rustfmt::skip]
    let table = [
        ("", "connection_url cannot be empty"),
        ("nonsense", "neither"),
        ("host=db password='open", "quote"),
        ("postgresql://u@db:99999/", "a port is no number"),
        ("postgresql://u@db:0/", "a port is no number"),
        ("postgresql:///app?user=u", "no host is given"),
        ("user=u dbname=app", "no host is given"),
        ("host=db spare password=x", "without `=`"),
        ("postgresql://u@[::1/", "`[` without `]`"),
        ("postgresql://u%zz@db/", "`%`"),
        ("postgresql://u%ff@db/", "UTF-8"),
        ("postgresql://u%00@db/", "NUL"),
        ("postgresql://u@%2Fvar%2Frun/", "Unix socket"),
        ("postgresql://u@db/?sslmode=maybe", "sslmode is none of"),
        ("postgresql://u@db/?sslrootcert=/etc/ca.pem", "tls_ca"),
        ("postgresql://u@db/?target_session_attrs=standby", "not supported"),
        ("postgresql://u@db/?oops", "without `=`"),
        ("postgresql://u@a,b/?port=1,2,3", "3 ports for 2 hosts"),
        ("postgresql://u@1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17/", "17 hosts"),
    ];
    for (url, expected) in table {
        let error = read(url).unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
    }
    let nobody = Config {
        username: String::new(),
        ..config("postgresql://db/app")
    };
    assert!(
        nobody
            .settings()
            .unwrap_err()
            .to_string()
            .contains("no user")
    );
    let loops = Config {
        username: "{{password}}".to_owned(),
        ..config("postgresql://db/app")
    };
    assert!(
        loops
            .settings()
            .unwrap_err()
            .to_string()
            .contains("template variables")
    );
}

#[test]
fn no_secret_shows() {
    let settings = read("postgresql://{{username}}:{{password}}@db/app").unwrap();
    assert!(!format!("{settings:?}").contains("p@ss"));
    // Nor a piece of one that was not encoded as it should be.
    for url in [
        "postgresql://u:hunter/2@db/app",
        "postgresql://u:1,hunter:2@db/app",
        "postgresql://u@db/?password=a&hunter=%zz",
        "postgresql://u@db/?sslmode=hunter",
        "postgresql://u@db/?target_session_attrs=hunter",
    ] {
        let Err(error) = read(url) else { continue };
        assert!(!error.to_string().contains("hunter"), "{url}: {error}");
    }
}
