//! Targets behind TLS: who is trusted, and that nobody else is talked to.

use std::net::SocketAddr;
use std::sync::Arc;

use ai_gateway_proxy::Connections;
use ai_gateway_testkit::{Provider, StandIn};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::fixture::{Fixture, chat, chat_stream, target};

/// A stand-in behind a TLS front, whose certificate is for `name` and signed by itself.
struct Front {
    stand_in: StandIn,
    address: SocketAddr,
    roots: RootCertStore,
    _serving: JoinSet<()>,
}

impl Front {
    async fn start(name: &str) -> Self {
        let stand_in = Provider::openai().name("behind-tls").start().await.unwrap();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind = stand_in.address();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(pass(acceptor.clone(), stream, behind));
            }
        });
        Self {
            stand_in,
            address,
            roots,
            _serving: serving,
        }
    }

    fn target(&self) -> Value {
        json!({
            "name": "behind-tls",
            "protocol": "https",
            "host": "localhost",
            "port": self.address.port(),
        })
    }
}

/// Takes TLS off one connection. A handshake that fails is what some of the tests are about.
async fn pass(acceptor: TlsAcceptor, stream: TcpStream, behind: SocketAddr) {
    if let Ok(mut outside) = acceptor.accept(stream).await {
        let mut inside = TcpStream::connect(behind).await.unwrap();
        copy_bidirectional(&mut outside, &mut inside).await.ok();
    }
}

/// What a request gets from `front` where `roots` are trusted and a plain target is next in line,
/// and how the front's target is then.
async fn served_by(front: &Front, roots: RootCertStore) -> (String, Option<String>) {
    let plain = Provider::openai().name("plain").start().await.unwrap();
    let upstream = json!({ "targets": [front.target(), target(&plain, 2)] });
    let fixture = Fixture::with_upstream_over(Connections::with_roots(roots), upstream).await;
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &chat())
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let failure = fixture.health().first().unwrap().last_failure.clone();
    (
        answer.header("x-gateway-target").to_owned(),
        failure.map(|(kind, _)| kind),
    )
}

#[tokio::test]
async fn a_target_with_a_trusted_certificate_is_talked_to_over_tls() {
    let front = Front::start("localhost").await;
    let upstream = json!({ "targets": [front.target()] });
    let connections = Connections::with_roots(front.roots.clone());
    let fixture = Fixture::with_upstream_over(connections, upstream).await;
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &chat())
        .await
        .unwrap();
    assert_eq!(answer.header("x-gateway-target"), "behind-tls");
    let mut stream = fixture
        .client()
        .stream("/v1/chat/completions", &chat_stream())
        .await
        .unwrap();
    assert!(stream.rest().await.unwrap().ends_with(b"data: [DONE]\n\n"));
    assert_eq!(front.stand_in.requests().len(), 2);
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_or_of_another_name_is_refused() {
    let untrusted = Front::start("localhost").await;
    let other = Front::start("localhost").await;
    let served = served_by(&untrusted, other.roots.clone()).await;
    assert_eq!(served, ("plain".to_owned(), Some("connect".to_owned())));
    assert_eq!(
        untrusted.stand_in.requests().len(),
        0,
        "nothing was sent, no key least of all"
    );

    let misnamed = Front::start("else.where").await;
    let served = served_by(&misnamed, misnamed.roots.clone()).await;
    assert_eq!(served, ("plain".to_owned(), Some("connect".to_owned())));
    assert_eq!(misnamed.stand_in.requests().len(), 0);
}
