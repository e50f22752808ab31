#![allow(clippy::unwrap_used)]
use super::*;

fn config(url: &str) -> Config {
    Config {
        connection_url: url.to_owned(),
        username: "ad/min".to_owned(),
        password: Zeroizing::new("p@ss w:o'r\\d%2F&?#/".to_owned()),
        ..Config::default()
    }
}

fn read(url: &str) -> Result<Settings, Error> {
    config(url).settings()
}

#[test]
fn where_to_connect() {
    #[rustfmt::skip]
    let table = [
        ("u:p@tcp(db:3307)/app", "u", "p", "db", 3307, "app"),
        ("u@tcp(db)/", "u", "", "db", 3306, ""),
        ("u:p@/w:x@tcp(127.0.0.1:1)/a%2Fb", "u", "p@/w:x", "127.0.0.1", 1, "a/b"),
        ("u:p@tcp([::1]:3307)/", "u", "p", "::1", 3307, ""),
        ("u:p@tcp([fe80::1])/app?timeout=5s", "u", "p", "fe80::1", 3306, "app"),
        ("{{username}}:{{password}}@tcp(db:3306)/x", "ad/min", "p@ss w:o'r\\d%2F&?#/", "db", 3306, "x"),
    ];
    for (url, user, password, host, port, database) in table {
        let settings = read(url).unwrap();
        let got = (settings.user.as_str(), settings.password.as_str());
        assert_eq!(got, (user, password), "{url}");
        let got = (
            settings.host.as_str(),
            settings.port,
            settings.database.as_str(),
        );
        assert_eq!(got, (host, port, database), "{url}");
    }
}

#[test]
fn encryption() {
    use Encryption::{No, Preferred, Required};
    #[rustfmt::skip]
    let table = [
        ("", "", false, No, Verification::Full),
        ("tls=false", "", false, No, Verification::Full),
        ("tls=true", "", false, Required, Verification::Full),
        ("tls=true", "", true, Required, Verification::None),
        ("tls=skip-verify", "", false, Required, Verification::None),
        ("tls=preferred", "", false, Preferred, Verification::None),
        ("", "PEM", false, Required, Verification::Full),
        ("tls=preferred", "PEM", false, Required, Verification::Full),
        ("tls=false", "PEM", true, Required, Verification::None),
        ("", "", true, No, Verification::None),
    ];
    for (query, tls_ca, tls_skip_verify, encryption, verification) in table {
        let config = Config {
            tls_ca: tls_ca.to_owned(),
            tls_skip_verify,
            ..config(&format!("u@tcp(db)/?{query}"))
        };
        let settings = config.settings().unwrap();
        assert_eq!(settings.encryption, encryption, "{query} {tls_ca}");
        assert_eq!(settings.tls.verification, verification, "{query} {tls_ca}");
        assert_eq!(settings.tls.server_name, "db");
    }
    let named = Config {
        tls_server_name: "other".to_owned(),
        ..config("u@tcp(db)/")
    };
    assert_eq!(named.settings().unwrap().tls.server_name, "other");
}

#[test]
fn variables_of_the_session() {
    let settings =
        read("u@tcp(db)/?sql_mode=%27ANSI%27&autocommit=0&charset=utf8&lock_wait_timeout=5")
            .unwrap();
    assert_eq!(
        settings.first_statement(),
        "SET autocommit = 1, sql_mode = 'ANSI', lock_wait_timeout = 5"
    );
    assert!(
        read("u@tcp(db)/?multiStatements=true")
            .unwrap()
            .multi_statements
    );
}

#[test]
fn what_cannot_be_used() {
    #[rustfmt::skip]
    let table = [
        ("", "connection_url cannot be empty"),
        ("u:p@tcp(db:3306)", "slash"),
        ("u:p@/db", "no server is given"),
        ("u:p@db:3306/app", "no server is given"),
        ("u:p@tcp(db:3306/app", "no server is given"),
        ("u:p@tcp()/app", "no server is given"),
        ("u:p@unix(/tmp/mysql.sock)/app", "Unix socket"),
        ("u:p@tcp(db:0)/", "a port is no number"),
        ("u:p@tcp(db:99999)/", "a port is no number"),
        ("u:p@tcp([::1/", "no server is given"),
        ("u:p@tcp([::1)/", "`[` without `]`"),
        ("tcp(db:3306)/", "no user is given"),
        ("u@tcp(db)/?tls=custom", "tls is none of"),
        ("u@tcp(db)/?oops", "without `=`"),
        ("u@tcp(db)/?a;b=1", "a parameter's name"),
        ("u@tcp(db)/a%ff", "UTF-8"),
        ("u@tcp(db)/a%00", "NUL"),
    ];
    for (url, expected) in table {
        let error = read(url).unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
    }
    let fields = serde_json::json!({ "connection_url": ["x"] });
    assert!(Config::read(fields.as_object().unwrap()).is_err());
    let iam = Config {
        auth_type: "gcp_iam".to_owned(),
        ..config("u@tcp(db)/")
    };
    assert!(iam.settings().unwrap_err().to_string().contains("gcp_iam"));
}

#[test]
fn no_secret_shows() {
    let settings = read("{{username}}:{{password}}@tcp(db)/").unwrap();
    assert!(!format!("{settings:?}").contains("p@ss"));
    for url in [
        "u:hunter/2@db/app",
        "u:hunter@tcp(db:x)/",
        "u:hunter@tcp(db)",
        "u@tcp(db)/?tls=hunter",
    ] {
        let error = read(url).unwrap_err().to_string();
        assert!(!error.contains("hunter"), "{url}: {error}");
    }
}
