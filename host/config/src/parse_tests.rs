#![allow(clippy::unwrap_used)]

use coffer_api::{Address, ForwardedFor, ProxyProtocol, TlsFiles, TlsVersion, UnixSocket};
use coffer_core::{Gate, Gates, SignatureRule};

use super::*;
use crate::Listener;

const GOOD: &str = r#"
    listener "tcp" {
      address         = "0.0.0.0:8200"
      tls_cert_file   = "/c.pem"
      tls_key_file    = "/k.pem"
      tls_min_version = "tls13"
      tls_client_ca_file = "/ca.pem"
      tls_require_and_verify_client_cert = true
    }
    # Behind a proxy.
    listener "tcp" {
      address                  = "127.0.0.1:8201"
      tls_disable              = true
      max_request_size         = 1048576
      max_request_duration     = "30s"
      http_read_header_timeout = "5s"
      http_read_timeout        = 20
      require_request_header   = true
      x_forwarded_for_authorized_addrs   = "10.0.0.0/8, 10.1.1.1"
      x_forwarded_for_hop_skips          = 1
      x_forwarded_for_reject_not_present = false
    }
    storage "redb" { path = "/var/lib/coffer" }
    api_addr          = "https://coffer:8200"
    cluster_addr      = "https://coffer:8201"
    ui                = true
    disable_mlock     = true
    default_lease_ttl = 3600
    max_lease_ttl     = "768h"
    log_level         = "warn"
    log_format        = "json"
    pid_file          = "/run/coffer.pid"
    audit_directory   = "/var/log/coffer"
    plugin_directory  = "/opt/plugins"
    plugin_compile_timeout = "5m"
    plugin_signatures = "require"
    plugin_keys       = ["/etc/a.pub", "/etc/b.pub"]
    service_account_directory = "/run/pod"
"#;

#[test]
fn a_whole_file() {
    let expected = ServerConfig {
        listeners: vec![
            Listener {
                address: Address::Tcp("0.0.0.0:8200".to_owned()),
                tls: Some(TlsFiles {
                    certificate: "/c.pem".into(),
                    key: "/k.pem".into(),
                    oldest: TlsVersion::Tls13,
                    newest: TlsVersion::Tls13,
                    cipher_suites: None,
                    client_ca: Some("/ca.pem".into()),
                    require_client_certificate: true,
                }),
                ..Listener::default()
            },
            Listener {
                address: Address::Tcp("127.0.0.1:8201".to_owned()),
                max_request_size: Some(1 << 20),
                max_request_duration: Some(30),
                header_timeout: Some(5),
                read_timeout: Some(20),
                require_header: true,
                forwarded: Some(ForwardedFor {
                    authorized: vec![
                        "10.0.0.0/8".parse().unwrap(),
                        "10.1.1.1/32".parse().unwrap(),
                    ],
                    hop_skips: 1,
                    reject_not_authorized: true,
                    reject_not_present: false,
                }),
                ..Listener::default()
            },
        ],
        storage: Some(StorageConfig::Redb {
            path: "/var/lib/coffer".into(),
        }),
        api_addr: Some("https://coffer:8200".to_owned()),
        log_level: Some(LogLevel::Warn),
        log_format: Some(LogFormat::Json),
        default_lease_ttl: Some(3600),
        max_lease_ttl: Some(768 * 3600),
        pid_file: Some("/run/coffer.pid".into()),
        audit_directory: Some("/var/log/coffer".into()),
        plugin_directory: Some("/opt/plugins".into()),
        plugin_compile_timeout: Some(300),
        plugin_signatures: Some(SignatureRule::Require),
        plugin_keys: vec!["/etc/a.pub".into(), "/etc/b.pub".into()],
        service_account_directory: Some("/run/pod".into()),
        warnings: vec![
            "line 25: cluster_addr is accepted, and does nothing".to_owned(),
            "line 26: ui is accepted, and does nothing".to_owned(),
        ],
        ..ServerConfig::default()
    };
    assert_eq!(parse("f", GOOD).unwrap(), expected);
}

#[test]
fn good_files() {
    #[rustfmt::skip]
    let table = [
        (r#"{"listener": [{"tcp": {"address": "a:1", "tls_disable": "true"}}], "storage": {"inmem": {}}}"#, 1),
        (r#"{"listener": {"tcp": {"address": "a:1", "tls_disable": 1}}, "storage": {"inmem": {}}}"#, 1),
        (r#"{"listener": {"tcp": [{"tls_disable": true}, {"tls_disable": true}]}, "storage": {"inmem": {}}}"#, 2),
        ("listener \"tcp\" {\n tls_disable = 1 \n}\nstorage \"inmem\" {}", 1),
        ("listener = { tcp = { tls_disable = true } }\nstorage = { inmem = {} }", 1),
        ("backend \"inmem\" {}", 0),
    ];
    for (text, listeners) in table {
        let config = parse("f", text).unwrap();
        assert_eq!(
            (config.listeners.len(), config.storage),
            (listeners, Some(StorageConfig::Memory)),
            "{text}"
        );
    }
}

#[test]
fn every_setting_is_known_where_it_is_listed() {
    for key in SETTINGS {
        if let Err(error) = parse("f", &format!("{key} = 1")) {
            assert!(!error.to_string().contains("no such setting"), "{error}");
        }
    }
}

#[test]
fn blocks_of_many_forms() {
    let device = |path: &str, file: &str| DeviceConfig {
        path: path.to_owned(),
        kind: "file".to_owned(),
        options: [("file_path".to_owned(), file.to_owned())].into(),
        ..DeviceConfig::default()
    };
    let same = [
        "audit \"file\" \"one\" {\n options {\n file_path = \"/a\"\n }\n}\naudit \"file\" {\n options = {\n file_path = \"/b\"\n }\n}",
        r#"{"audit": [{"file": {"one": {"options": {"file_path": "/a"}}}}, {"file": {"options": {"file_path": "/b"}}}]}"#,
    ];
    for text in same {
        assert_eq!(
            parse("f", text).unwrap().audit,
            [device("one/", "/a"), device("file/", "/b")],
            "{text}"
        );
    }
    let text = "user_lockout \"all\" {\n lockout_threshold = 9\n disable_lockout = true\n}\nuser_lockout \"userpass\" {\n lockout_duration = \"10m\"\n lockout_counter_reset = \"1h\"\n}";
    let lockouts = parse("f", text).unwrap().user_lockout;
    assert_eq!(
        (lockouts["all"].threshold, lockouts["all"].disable),
        (Some(9), Some(true))
    );
    assert_eq!(
        (
            lockouts["userpass"].duration,
            lockouts["userpass"].counter_reset
        ),
        (Some(600), Some(3600))
    );
    let text = "listener \"unix\" {\n address = \"/run/x.sock\"\n socket_mode = \"660\"\n socket_user = \"7\"\n disable_unauthed_rekey_endpoints = true\n}\nlistener \"tcp\" {\n tls_disable = true\n proxy_protocol_behavior = \"allow_authorized\"\n proxy_protocol_authorized_addrs = [\"10.0.0.0/8\"]\n telemetry {\n unauthenticated_metrics_access = true\n }\n}";
    let listeners = parse("f", text).unwrap().listeners;
    let expected = [
        Listener {
            address: Address::Unix(UnixSocket {
                path: "/run/x.sock".into(),
                mode: Some(0o660),
                user: Some(7),
                group: None,
            }),
            gates: Gates {
                rekey: Gate::Closed,
                ..Gates::default()
            },
            ..Listener::default()
        },
        Listener {
            proxied: Some(ProxyProtocol::AllowAuthorized(vec![
                "10.0.0.0/8".parse().unwrap(),
            ])),
            gates: Gates {
                metrics: Gate::Open,
                ..Gates::default()
            },
            ..Listener::default()
        },
    ];
    assert_eq!(listeners, expected);
}

#[test]
fn addresses() {
    #[rustfmt::skip]
    let table = [
        ("127.0.0.1:8200", Some("127.0.0.1:8200")), (":8200", Some(":8200")), (":0", Some(":0")), ("127.0.0.1", Some("127.0.0.1:8200")),
        ("[::1]:9", Some("[::1]:9")), ("::1", Some("[::1]:8200")), ("[::1]", Some("[::1]:8200")), ("vault.example", Some("vault.example:8200")),
        ("localhost:1", Some("localhost:1")), ("", None), ("a:", None), ("a:x", None), ("a:65536", None), ("http://a:1", None),
        ("a b:1", None), ("1:2:3", None), ("[::1:9", None), ("/run/coffer.sock", None),
    ];
    for (text, expected) in table {
        assert_eq!(address(text).ok().as_deref(), expected, "{text}");
    }
}

#[test]
fn bad_files_say_what_is_wrong_and_where() {
    #[rustfmt::skip]
    let table = [
        ("nonsense = 1", "f:1:12: nonsense: there is no such setting"),
        ("\n\nnonsense \"x\" {}", "f:3:1: nonsense: there is no such setting"),
        ("{\n\"ui\": true,\n\"nonsense\": 1}", "f:3:13: nonsense: there is no such setting"),
        (r#"storage "file" { path = "/x" }"#, "f:1:1: storage: there is no storage \"file\"; there are \"redb\" (a folder) and \"inmem\""),
        (r#"storage "redb" {}"#, "storage: path is missing"),
        (r#"storage "redb" { path = 3 }"#, "expected a text"),
        ("storage \"redb\" {\n path = \"/x\"\n size = 3\n}", "f:3:9: storage: size: there is no such setting"),
        ("storage \"inmem\" {}\nstorage \"inmem\" {}", "f:2:1: storage: there can be one"),
        ("storage = \"inmem\"", "expected a block"),
        (r#"listener "quic" {}"#, "there is no listener \"quic\"; there are \"tcp\" and \"unix\""),
        (r#"listener "unix" {}"#, "address is missing"),
        ("listener \"unix\" {\n address = \"/x\"\n socket_mode = \"999\"\n}", "socket_mode: \"999\" is not permissions"),
        ("listener \"unix\" {\n tls_cert_file = \"/x\"\n}", "f:2:18: listener: tls_cert_file: there is no such setting"),
        (r#"listener "tcp" { address = "a" }"#, "tls_cert_file and tls_key_file"),
        (r#"listener "tcp" { tls_cert_file = "a" }"#, "tls_cert_file and tls_key_file"),
        ("listener \"tcp\" {\n\n port = 3\n}", "f:3:9: listener: port: there is no such setting"),
        ("listener \"tcp\" {\n  address = \"http://a\"\n}", "f:2:13: listener: address: \"http://a\" is not where one can listen"),
        (r#"listener "tcp" { tls_min_version = "ssl" }"#, "tls_min_version: \"ssl\" is not"),
        ("listener \"tcp\" {\n tls_disable = true\n proxy_protocol_behavior = \"sometimes\"\n}", "f:3:28: listener: proxy_protocol_behavior: \"sometimes\" is not"),
        ("listener \"tcp\" {\n tls_disable = true\n proxy_protocol_behavior = \"deny_unauthorized\"\n}", "authorized_addrs is missing"),
        ("listener \"tcp\" {\n tls_disable = true\n proxy_protocol_authorized_addrs = \"10.0.0.1\"\n}", "behavior is missing"),
        (r#"listener "tcp" { tls_cert_fiel = "x" }"#, "tls_cert_fiel: there is no such setting; did you mean tls_cert_file?"),
        ("listener \"tcp\" {\n telemetry {\n unauthenticated_metric_access = true\n }\n}", "did you mean unauthenticated_metrics_access?"),
        (r#"defualt_lease_ttl = "1h""#, "did you mean default_lease_ttl?"),
        ("audit \"file\" \"x\" {\n optoins = {}\n}", "did you mean options?"),
        ("audit \"file\" \"x\" {\n options {\n file_path = []\n }\n}", "audit: expected a text"),
        (r#"user_lockout "all" { lockout_threshhold = 3 }"#, "did you mean lockout_threshold?"),
        (r#"telemetry { statsd_address = "x" }"#, "statsd_address: metrics are not sent"),
        (r#"telemetry { prometheus_retention = "1m" }"#, "there is no such setting"),
        ("listener \"tcp\" {\n tls_disable = true\n tls_client_ca_file = \"x\"\n}", "over TLS only"),
        ("listener \"tcp\" {\n tls_cert_file = \"a\"\n tls_key_file = \"a\"\n tls_require_and_verify_client_cert = true\n}", "needs tls_client_ca_file"),
        ("listener \"tcp\" {\n tls_cert_file = \"a\"\n tls_key_file = \"a\"\n tls_min_version = \"tls13\"\n tls_max_version = \"tls12\"\n}", "newer than"),
        (r#"listener "tcp" { tls_cipher_suites = "TLS_NULL" }"#, "there is no \"TLS_NULL\"; there are TLS_ECDHE_"),
        (r#"listener "tcp" { x_forwarded_for_authorized_addrs = "here" }"#, "neither an address nor a network"),
        ("listener \"tcp\" {\n tls_disable = true\n x_forwarded_for_hop_skips = 1\n}", "f:3:30: listener: x_forwarded_for_authorized_addrs is missing"),
        (r#"listener "tcp" { tls_disable = "perhaps" }"#, "tls_disable: expected true or false"),
        (r#"listener "tcp" { max_request_size = -1 }"#, "expected a"),
        (r#"seal "transit" {}"#, "seal: there is no seal \"transit\" yet"),
        (r#"max_lease_ttl = "x""#, "f:1:17: max_lease_ttl: expected a duration"),
        (r#"log_level = "loud""#, "log_level: \"loud\" is not trace"),
        (r#"log_format = "xml""#, "log_format: \"xml\" is not standard"),
        ("api_addr = some_variable", "f:1:12: expected a plain value"),
        ("api_addr = \"${x}\"", "f:1:12: expected a plain value"),
        ("{\"api_addr\": null}", "null is no setting"),
        ("{\n\"api_addr\" }", "f:2:12: not JSON"),
        ("ui = true\nlistener {", "f:2:11: not HCL"),
    ];
    for (text, reason) in table {
        let error = parse("f", text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}
