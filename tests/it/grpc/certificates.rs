//! Certificates: an endpoint is known by the one it comes with, and new ones count without a restart.

use std::{fs, path::PathBuf};

use liandong::proto::{received::SubmitRequest, v1::intake_client::IntakeClient};
use tonic::{
    Code, Request,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::bureau_and_mailbox;
use crate::harness::{
    authority::{Authority, Signed},
    hub::Hub,
    rpc::{Recipient, encoded, reason, soon, submit, with_token},
    sender::result,
};

/// The name that the hub's certificate is for.
const NAME: &str = "hub.test";

fn certificate(authority: &Authority, endpoint: &str) -> Signed {
    authority.vouches(&format!("liandong:endpoint:{endpoint}"))
}

struct Stage {
    hub: Hub,
    address: String,
    servers: Authority,
    endpoints: Authority,
}

impl Stage {
    fn new() -> Self {
        let (mut hub, address) = bureau_and_mailbox("");
        let (servers, endpoints) = (Authority::new(), Authority::new());
        put(&hub, &servers.signs(NAME));
        fs::write(hub.home().join("endpoints.pem"), &endpoints.certificate).unwrap();
        for (key, file) in
            [("certificate", "hub.pem"), ("key", "hub.key"), ("client_authority", "endpoints.pem")]
        {
            let path: PathBuf = hub.home().join(file);
            hub.set(&format!("grpc.{key}"), path.display());
        }
        hub.set("grpc.reload_ms", 50);
        hub.start();
        Self { hub, address, servers, endpoints }
    }

    fn channel(&self, identity: Option<Signed>) -> Channel {
        reach(&self.address, &self.servers, identity)
    }
}

fn put(hub: &Hub, signed: &Signed) {
    fs::write(hub.home().join("hub.key"), &signed.key).unwrap();
    fs::write(hub.home().join("hub.pem"), &signed.certificate).unwrap();
}

fn reach(address: &str, trusted: &Authority, identity: Option<Signed>) -> Channel {
    let tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&trusted.certificate)).domain_name(NAME);
    let tls = match identity {
        Some(signed) => tls.identity(Identity::from_pem(signed.certificate, signed.key)),
        None => tls,
    };
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
    endpoint.tls_config(tls).unwrap().connect_lazy()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_known_by_its_certificate() {
    let stage = Stage::new();
    let request = || Request::new(SubmitRequest { message: encoded(&result("A", "L")) });
    let certified = stage.channel(Some(certificate(&stage.endpoints, "xzspj")));
    IntakeClient::new(certified.clone()).submit(request()).await.unwrap();
    let without = stage.channel(None);
    let nobody = IntakeClient::new(without.clone()).submit(request()).await.unwrap_err();
    assert_eq!((nobody.code(), reason(&nobody)), (Code::Unauthenticated, "UNAUTHENTICATED".into()));
    let token = stage.hub.token("xzspj");
    submit(&without, &token, &result("A", "L")).await.unwrap();
    submit(&certified, &token, &result("A", "L")).await.unwrap();

    let regulator = stage.channel(Some(certificate(&stage.endpoints, "scjgj")));
    let forbidden = IntakeClient::new(regulator.clone()).submit(request()).await.unwrap_err();
    assert_eq!(reason(&forbidden), "FORBIDDEN", "it is another endpoint");
    let torn = submit(&regulator, &token, &result("A", "L")).await.unwrap_err();
    assert_eq!(torn.code(), Code::Unauthenticated, "certificate and token are two endpoints'");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_opens_nothing() {
    let stage = Stage::new();
    let forged = stage.channel(Some(certificate(&Authority::new(), "xzspj")));
    let request = Request::new(SubmitRequest { message: encoded(&result("A", "L")) });
    let refused = IntakeClient::new(forged).submit(request).await.unwrap_err();
    assert_ne!(refused.code(), Code::Ok);
    let counted = stage.hub.metric("liandong_messages_accepted_total{kind=\"approval.result\"}").await;
    assert_eq!(counted, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_certificates_count_without_a_restart_and_unfit_ones_never() {
    let stage = Stage::new();
    let token = stage.hub.token("scjgj");
    let mut open = Recipient::open(&stage.channel(None), &token, 0).await.unwrap();

    fs::write(stage.hub.home().join("hub.pem"), "no certificate").unwrap();
    stage.hub.until_metric("liandong_certificate_reloads_total{result=\"refused\"}", 1).await;
    let bureau = stage.hub.token("xzspj");
    submit(&stage.channel(None), &bureau, &result("A", "L")).await.unwrap();

    let others = Authority::new();
    put(&stage.hub, &others.signs(NAME));
    let before = stage.channel(None);
    let renewed = async {
        loop {
            let channel = reach(&stage.address, &others, None);
            if submit(&channel, &bureau, &result("A", "L")).await.is_ok() {
                return;
            }
        }
    };
    soon("the new certificate is shown", renewed).await;
    let request = with_token(&bureau, SubmitRequest { message: encoded(&result("A", "L")) });
    assert!(IntakeClient::new(before).submit(request).await.is_err(), "the one before is shown no more");
    assert!(open.hears_nothing().await, "what was open stays open");
}
