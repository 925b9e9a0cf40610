//! What the settings promise: the default file is whole, layers win in order, faults come all at once.

use std::collections::BTreeSet;

use super::*;
use crate::domain::id::EndpointId;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Settings, Error> {
    let environment: Environment = variables.iter().copied().collect();
    Settings::from_layers(Some(Source { name: "hub.toml", text }), &environment)
}

fn faults(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    match load(text, variables) {
        Err(Error::Faulty(faults)) => faults.0.iter().map(ToString::to_string).collect(),
        other => panic!("no faults in {other:?}"),
    }
}

#[test]
fn the_default_file_holds_every_key_and_no_other() {
    // The raw structs have no optional field and refuse unknown ones.
    toml::from_str::<raw::Raw>(DEFAULTS.text).unwrap();
    for line in DEFAULTS.text.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
        let without = DEFAULTS.text.replace(&format!("\n{line}\n"), "\n");
        assert!(toml::from_str::<raw::Raw>(&without).is_err(), "no field needs '{line}'");
    }
}

/// The sample of production, which is not compiled in.
const PRODUCTION: &str = include_str!("../../../config/production.toml");

#[test]
fn the_default_file_and_the_sample_of_production_explain_every_key() {
    for text in [DEFAULTS.text, PRODUCTION] {
        let mut before = "";
        for line in text.lines() {
            assert!(!line.contains(" = ") || line.starts_with('#') || before.starts_with('#'), "'{line}'");
            before = line;
        }
    }
}

#[test]
fn the_sample_of_production_shares_what_hubs_share_and_keeps_the_rest_inside() {
    let settings = load(PRODUCTION, &[]).unwrap();
    assert_eq!((settings.store.backend, settings.bus.backend), (Backend::Postgres, Carrier::Rabbitmq));
    assert!(settings.postgres.authority.is_some() && settings.bus.authority.is_some());
    assert!(settings.admin.listen.ip().is_loopback() && settings.http.listen.ip().is_loopback());
    assert_eq!(settings.log.format, LogFormat::Json);
    let secrets = [settings.postgres.url, settings.bus.url].map(|secret| secret.to_string());
    assert_eq!(secrets, ["env:LIANDONG_POSTGRES_URL", "env:LIANDONG_AMQP_URL"]);
    assert!(!settings.bus.workers.is_empty());
    assert!(!settings.keys.signing.to_string().contains("{data}"), "every hub has the same key");
}

#[test]
fn the_defaults_are_settings() {
    let settings = Settings::load(None, &Environment::default()).unwrap();
    assert_eq!(settings.http.listen, SocketAddr::from(([127, 0, 0, 1], 8080)));
    assert_eq!(settings.admin.listen, SocketAddr::from(([127, 0, 0, 1], 9600)));
    assert!(settings.http.listen.ip().is_loopback() && settings.admin.listen.ip().is_loopback());
    assert_eq!(settings.retry, retry::Policy::default());
    assert_eq!(settings.moment.operative, delivery::Moment::HandedOver);
    assert_eq!((settings.store.backend, &settings.postgres.authority), (Backend::Sqlite, &None));
    assert_eq!((settings.bus.backend, &settings.bus.authority), (Carrier::Local, &None));
    assert!(settings.bus.workers.is_empty());
    assert_eq!(settings.keys.signing, SecretRef::File("data/keys/signing.pem".into()));
}

#[test]
fn workers_are_read_as_accounts_with_their_endpoints() {
    let text = "[bus]\nbackend = \"rabbitmq\"\nurl = \"file:/etc/liandong/amqp\"\nauthority = \"/etc/ca.pem\"\n\
                workers = [\"north: a b\", \" south :b  c\"]";
    let bus = load(text, &[("LIANDONG__BUS__WORK_LIMIT", "7")]).unwrap().bus;
    assert_eq!((bus.backend, bus.work_limit), (Carrier::Rabbitmq, 7));
    assert_eq!(
        (bus.url, bus.authority),
        (SecretRef::File("/etc/liandong/amqp".into()), Some("/etc/ca.pem".into()))
    );
    let accounts = |endpoint: &str| bus.workers[endpoint].iter().map(|name| &**name).collect::<Vec<_>>();
    assert_eq!(
        (accounts("a"), accounts("b"), accounts("c")),
        (vec!["north"], vec!["north", "south"], vec!["south"])
    );
    assert_eq!(bus.workers.len(), 3);
}

#[test]
fn faults_of_the_bus_are_named() {
    let text = "[bus]\nbackend = \"kafka\"\nurl = \"amqp://u:hunter2@h/v\"\nprefix = \"a b\"\n\
                delivery_limit = 0\nworkers = [\"a\", \"w:\"]";
    let found = faults(text, &[]);
    let begins = [
        "hub.toml:2: bus.backend: must be local or rabbitmq, found kafka",
        "hub.toml:3: bus.url: a secret is given by reference",
        "hub.toml:4: bus.prefix: must be 1 to 64 letters, digits, '.', '-' and '_'",
        "hub.toml:5: bus.delivery_limit: 0 is not in 1 to 1000",
        "hub.toml:6: bus.workers: must be as \"account: endpoint endpoint\", found \"a\"",
        "hub.toml:6: bus.workers: must be as \"account: endpoint endpoint\", found \"w:\"",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (found, begin) in found.iter().zip(begins) {
        assert!(
            found.starts_with(begin) && !found.contains("hunter2"),
            "{found} does not begin with {begin}"
        );
    }
    let outside = faults("[bus]\nworkers = [\"w: a\"]", &[]);
    assert_eq!(outside.len(), 1, "{outside:?}");
    assert!(outside[0].contains("needs grpc.listen, or bus.backend = \"rabbitmq\""), "{outside:?}");
    let listens = "[bus]\nworkers = [\"w: a\"]\n[grpc]\nlisten = \"127.0.0.1:50051\"";
    assert_eq!(load(listens, &[]).unwrap().bus.workers.len(), 1, "workers attach over gRPC");
}

#[test]
fn a_worker_is_told_its_hubs_and_comes_with_all_of_a_certificate() {
    let text = "[worker]\nhubs = \"https://a:1, https://b:2\"\ntoken = \"env:T\"\nauthority = \"ca.pem\"";
    let worker = load(text, &[]).unwrap().worker;
    assert_eq!(worker.hubs.iter().map(|hub| &**hub).collect::<Vec<_>>(), ["https://a:1", "https://b:2"]);
    assert_eq!(worker.token.unwrap().to_string(), "env:T");
    assert!(load("", &[]).unwrap().worker.token.is_none());
    for (text, fault) in [
        ("hubs = \"https://a:1\"", "worker.authority: is empty, but worker.hubs has an https address"),
        ("certificate = \"c.pem\"", "worker.key: is empty, but worker.certificate is given"),
        ("key = \"k.pem\"", "worker.certificate: is empty, but worker.key is given"),
        ("certificate = \"c.pem\"\nkey = \"k.pem\"", "worker.authority: is empty, but worker.certificate"),
    ] {
        let found = faults(&format!("[worker]\n{text}"), &[]);
        assert!(found.iter().any(|it| it.contains(fault)), "{text}: {found:?}");
    }
}

#[test]
fn keys_names_carry_their_unit_last() {
    let units: BTreeSet<_> = ["ms", "bytes", "hours", "events"].into();
    for line in DEFAULTS.text.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
        let words: Vec<_> = line.split(" = ").next().unwrap().split('_').collect();
        let inner = &words[..words.len() - 1];
        assert!(!inner.iter().any(|word| units.contains(word)), "'{line}'");
    }
}

#[test]
fn a_file_beats_the_defaults_and_the_environment_beats_the_file() {
    let text = "[http]\nlisten = \"0.0.0.0:80\"\nconcurrency = 7\n[paths]\ndata = \"/srv/liandong\"";
    let settings = load(text, &[("LIANDONG__HTTP__LISTEN", "[::1]:81"), ("LIANDONG__SEAL__EVERY_MS", "500")]);
    let settings = settings.unwrap();
    assert_eq!(settings.http.listen, "[::1]:81".parse().unwrap());
    assert_eq!((settings.http.concurrency, settings.seal.every_ms), (7, 500));
    assert_eq!(settings.intake.batch_limit, 500);
    assert_eq!(settings.keys.signing, SecretRef::File("/srv/liandong/keys/signing.pem".into()));
}

#[test]
fn an_environment_value_of_a_text_key_is_taken_as_it_is() {
    let settings = load("", &[("LIANDONG__PATHS__DATA", "123"), ("LIANDONG__SEAL__ORIGIN", "a\"b")]).unwrap();
    assert_eq!(settings.paths.data, PathBuf::from("123"));
    assert_eq!(&*settings.seal.origin, "a\"b");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    assert_eq!(
        faults("[http]\n\nlistne = \"127.0.0.1:1\"", &[]),
        ["hub.toml:3: http.listne: unknown key; the nearest known one is http.listen"]
    );
    assert_eq!(
        faults("# hello\n[htttp]\nlisten = 1", &[]),
        ["hub.toml:2: htttp: unknown section; the nearest known one is http"]
    );
    assert_eq!(
        faults("", &[("LIANDONG__RETRY__MAXATTEMPTS", "3")]),
        ["LIANDONG__RETRY__MAXATTEMPTS: retry.maxattempts: unknown key; the nearest known one is \
          retry.max_attempts"]
    );
}

#[test]
fn all_faults_come_at_once_with_their_places() {
    let text = "[http]\nlisten = \"localhost\"\nconcurrency = \"many\"\ncolour = 1\n\
                [moment]\noperative = \"sent\"\n[retry]\nmin_ms = 0\nmax_ms = 99999999999999999999\n\
                [log]\nfilter = \"liandong=loud\"\n[keys]\nsigning = \"hunter2\"\n[seal]\norigin = \"a b\"";
    let found = faults(text, &[("LIANDONG__BREAKER__FAILURES", "0"), ("LIANDONG__STORE__READERS", "two")]);
    let begins = [
        "hub.toml:2: http.listen: must be an address with port as 127.0.0.1:8080, found localhost",
        "hub.toml:3: http.concurrency: must be integer, found string",
        "hub.toml:4: http.colour: unknown key",
        "hub.toml:6: moment.operative: must be handed_over or signed, found sent",
        "hub.toml:8: retry.min_ms: 0 is not in 1 to",
        "hub.toml:9: retry.max_ms: must be integer, found 99999999999999999999, which has more than 64 bits",
        "hub.toml:11: log.filter: ",
        "hub.toml:13: keys.signing: a secret is given by reference",
        "hub.toml:15: seal.origin: must be 1 to 255 bytes without spaces",
        "LIANDONG__BREAKER__FAILURES: breaker.failures: 0 is not in 1 to 1000",
        "LIANDONG__STORE__READERS: store.readers: must be integer, found string",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (found, begin) in found.iter().zip(begins) {
        assert!(found.starts_with(begin), "{found} does not begin with {begin}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn grpc_is_off_unless_told_where_to_listen_and_needs_certificate_and_key_together() {
    let settings = Settings::load(None, &Environment::default()).unwrap();
    assert_eq!((settings.grpc.listen, settings.grpc.tls), (None, None));
    let text = "[grpc]\nlisten = \"127.0.0.1:8080\"\ncertificate = \"c.pem\"\nkey = \"\"";
    assert_eq!(
        faults(text, &[]),
        [
            "hub.toml:2: grpc.listen: is taken by http.listen",
            "hub.toml:4: grpc.key: is empty, but grpc.certificate is given"
        ]
    );
    let both = "[grpc]\nlisten = \"127.0.0.1:1\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"";
    assert!(load(both, &[]).unwrap().grpc.tls.is_some());
}

#[test]
fn accounts_of_the_broker_are_read_by_endpoint_and_need_a_broker() {
    let text = "[bus]\nbackend = \"rabbitmq\"\nsenders = [\"one: a b\", \"two: b\"]";
    let senders = load(text, &[]).unwrap().bus.senders;
    let accounts = |endpoint: &str| {
        let accounts = senders.get(&EndpointId::from(endpoint)).into_iter().flatten();
        accounts.map(|account| &**account).collect::<Vec<_>>()
    };
    assert_eq!((accounts("a"), accounts("b"), accounts("c")), (vec!["one"], vec!["one", "two"], vec![]));
    assert_eq!(
        faults("[bus]\nsenders = [\"one\", \"two: b\"]\nintake_prefetch = 0", &[]),
        [
            "hub.toml:2: bus.senders: must be as \"account: endpoint endpoint\", found \"one\"",
            "hub.toml:2: bus.senders: needs bus.backend = \"rabbitmq\": nobody outside reaches a local bus",
            "hub.toml:3: bus.intake_prefetch: 0 is not in 1 to 10000",
        ]
    );
}

#[test]
fn values_that_depend_on_each_other_are_checked_together() {
    assert_eq!(
        faults("[retry]\nfirst_ms = 500\n[http]\nbatch_limit_bytes = 2048\n", &[]),
        [
            "hub.toml:2: retry.first_ms: first_ms is 500, allowed is 1000 to 31622400000",
            "hub.toml:4: http.batch_limit_bytes: must not be below http.body_limit_bytes (1048576)",
        ]
    );
    assert_eq!(
        faults("[admin]\nlisten = \"127.0.0.1:8080\"", &[]),
        ["hub.toml:2: admin.listen: 127.0.0.1:8080 is taken by http.listen"]
    );
}

#[test]
fn two_listeners_may_both_ask_for_any_free_port() {
    let text = "[admin]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"";
    assert!(load(text, &[]).is_ok());
}

#[test]
fn broken_syntax_is_told_with_its_line() {
    let found = faults("[http]\nlisten = \n[admin", &[]);
    assert!(found.iter().any(|fault| fault.starts_with("hub.toml:2: ")), "{found:?}");
    assert!(found.iter().any(|fault| fault.starts_with("hub.toml:3: ")), "{found:?}");
    assert_eq!(faults("paths = 3", &[]), ["hub.toml:1: paths: must be a section"]);
}

#[test]
fn a_missing_file_is_an_error_and_not_the_defaults() {
    let error = Settings::load(Some(Path::new("/nonexistent/hub.toml")), &Environment::default());
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("/nonexistent/hub.toml"), "{error}");
}

#[test]
fn an_error_prints_one_fault_a_line() {
    let error = load("[seal]\nevery_ms = 1\nentries = 0", &[]).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 2, "{error}");
}
