//! The listeners of a running server: TLS with certificates that change, sockets handed over.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ai_gateway_testkit::{Client, Program, Provider};
use command_fds::{CommandFdExt as _, FdMapping};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const SOON: Duration = Duration::from_secs(20);

/// An authority of a test's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for localhost and its key.
    fn issue(&self) -> (rcgen::Certificate, KeyPair) {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    /// Writes a new certificate and its key; answers the certificate.
    fn write(&self, dir: &Path) -> CertificateDer<'static> {
        let (certificate, key) = self.issue();
        std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
        certificate.der().clone()
    }

    fn client(&self, own: Option<(rcgen::Certificate, KeyPair)>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                let chain = vec![certificate.der().clone()];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        // A resumed session would show the certificate of its first connection.
        config.resumption = rustls::client::Resumption::disabled();
        config
    }
}

async fn start(data: &Path, flags: &[&str]) -> (Program, SocketAddr, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway-server"));
    command.args([
        "--admin-listen",
        "127.0.0.1:0",
        "--proxy-listen",
        "127.0.0.1:0",
    ]);
    command.arg("--data-dir").arg(data).args(flags);
    let program = Program::start(command).unwrap();
    let admin = address(&program.line_with("Admin API", SOON).await.unwrap());
    let proxy = address(&program.line_with("Proxy", SOON).await.unwrap());
    (program, admin, proxy)
}

fn address(line: &str) -> SocketAddr {
    line.rsplit('/').next().unwrap().parse().unwrap()
}

async fn connect(
    address: SocketAddr,
    config: &ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config.clone()))
        .connect(name, stream)
        .await
}

/// Asks over an open connection; answers the status line, empty when the server hung up.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    let asked = stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    let mut answer = [0; 1024];
    match (asked, stream.read(&mut answer).await) {
        (Ok(()), Ok(read)) => String::from_utf8_lossy(&answer[..read])
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    }
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn the_proxy_speaks_tls_and_shows_a_new_certificate_without_a_break() {
    let (data, files) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let authority = Authority::new();
    let first = authority.write(files.path());
    let cert = files.path().join("cert.pem").display().to_string();
    let key = files.path().join("key.pem").display().to_string();
    let flags = ["--proxy-tls-cert", &cert, "--proxy-tls-key", &key];
    let (program, _, proxy) = start(data.path(), &flags).await;
    let config = authority.client(None);
    let mut old = connect(proxy, &config).await.unwrap();
    assert_eq!(shown(&old), first);
    assert_eq!(ask(&mut old).await, "HTTP/1.1 200 OK");

    let second = authority.write(files.path());
    program.signal("HUP").await.unwrap();
    program.line_with("certificate read", SOON).await.unwrap();
    let mut new = connect(proxy, &config).await.unwrap();
    assert_eq!(shown(&new), second);
    assert_eq!(ask(&mut new).await, "HTTP/1.1 200 OK");
    assert_eq!(ask(&mut old).await, "HTTP/1.1 200 OK");

    // What cannot be used changes nothing.
    std::fs::write(files.path().join("cert.pem"), "no certificate").unwrap();
    program.signal("HUP").await.unwrap();
    program
        .line_with("certificate not read", SOON)
        .await
        .unwrap();
    assert_eq!(shown(&connect(proxy, &config).await.unwrap()), second);

    let mut http2 = config.clone();
    http2.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = connect(proxy, &http2).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn a_tls_handshake_that_stalls_or_is_none_is_cut_and_counted() {
    let (data, files) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let authority = Authority::new();
    authority.write(files.path());
    let cert = files.path().join("cert.pem").display().to_string();
    let key = files.path().join("key.pem").display().to_string();
    let flags = [
        "--proxy-tls-cert",
        &cert,
        "--proxy-tls-key",
        &key,
        "--tls-handshake-timeout",
        "0.5",
    ];
    let (_program, admin, proxy) = start(data.path(), &flags).await;
    // Nothing, and the beginning of a greeting: each is cut when the time is over.
    for sent in [&b""[..], &[22, 3, 1, 2, 0, 1, 0, 1]] {
        let began = tokio::time::Instant::now();
        let mut stalled = TcpStream::connect(proxy).await.unwrap();
        stalled.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(SOON, stalled.read_to_end(&mut answer));
        read.await.unwrap().ok();
        assert!(began.elapsed() >= Duration::from_millis(400), "{sent:?}");
    }
    let mut plain = TcpStream::connect(proxy).await.unwrap();
    plain
        .write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.ok();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let mut good = connect(proxy, &authority.client(None)).await.unwrap();
    assert_eq!(ask(&mut good).await, "HTTP/1.1 200 OK");

    let admin = Client::new(&format!("http://{admin}")).unwrap();
    let metrics = admin.get("/metrics").await.unwrap().text();
    for (reason, count) in [("tls_timeout", 2), ("tls_handshake", 1)] {
        let line = format!("aigw_connections_closed_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[tokio::test]
async fn the_admin_api_asks_for_a_certificate_where_it_is_told_to() {
    let (data, files) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let authority = Authority::new();
    authority.write(files.path());
    std::fs::write(files.path().join("ca.pem"), &authority.pem).unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    let (cert, key, ca) = (path("cert.pem"), path("key.pem"), path("ca.pem"));
    let flags = [
        "--admin-tls-cert",
        &cert,
        "--admin-tls-key",
        &key,
        "--admin-tls-client-ca",
        &ca,
    ];
    let (_program, admin, _) = start(data.path(), &flags).await;
    let known = authority.client(Some(authority.issue()));
    let mut stream = connect(admin, &known).await.unwrap();
    assert_eq!(ask(&mut stream).await, "HTTP/1.1 200 OK");
    let stranger = Authority::new();
    for own in [None, Some(stranger.issue())] {
        // With TLS 1.3 the client hears of the refusal with its first read.
        if let Ok(mut stream) = connect(admin, &authority.client(own)).await {
            assert_eq!(ask(&mut stream).await, "");
        }
    }
}

/// Starts a server on sockets that are handed over.
async fn start_on(sockets: [&std::net::TcpListener; 2], data: &Path, openai: &str) -> Program {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gateway-server"));
    let mappings = sockets.iter().zip(3..).map(|(socket, child_fd)| FdMapping {
        parent_fd: OwnedFd::from(socket.try_clone().unwrap()),
        child_fd,
    });
    command.fd_mappings(mappings.collect()).unwrap();
    let [admin, proxy] = sockets.map(|socket| socket.local_addr().unwrap().to_string());
    command
        .env("LISTEN_FDS", "2")
        .args(["--admin-listen", &admin, "--proxy-listen", &proxy])
        .args(["--provider-base-url", &format!("openai={openai}")])
        .arg("--data-dir")
        .arg(data);
    let program = Program::start(command.into()).unwrap();
    program.line_with("Proxy", SOON).await.unwrap();
    program
}

#[tokio::test]
async fn twenty_restarts_under_load_refuse_nobody() {
    let data = TempDir::new().unwrap();
    let openai = Provider::openai().start().await.unwrap();
    let bind = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (admin, proxy) = (bind(), bind());
    let mut program = start_on([&admin, &proxy], data.path(), &openai.url()).await;
    let base = "/api/v1/gateways/default";
    let api = Client::new(&format!("http://{}", admin.local_addr().unwrap())).unwrap();
    let upstream = json!({ "name": "up", "targets": [{ "provider": "openai" }] });
    assert_eq!(
        api.post(&format!("{base}/upstreams"), &upstream)
            .await
            .unwrap()
            .status,
        201
    );
    let key = api
        .post(&format!("{base}/keys"), &json!({ "name": "app" }))
        .await
        .unwrap();
    let key = key.json()["key"].as_str().unwrap().to_owned();
    let client = Client::new(&format!("http://{}", proxy.local_addr().unwrap())).unwrap();
    let client = client.header("authorization", &format!("Bearer {key}"));

    let is_over = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let (client, is_over, served) = (client.clone(), Arc::clone(&is_over), Arc::clone(&served));
        callers.spawn(async move {
            let chat = json!({ "model": "m", "messages": [{ "role": "user", "content": "x" }] });
            while !is_over.load(Ordering::SeqCst) {
                let answer = client.post("/v1/chat/completions", &chat).await.unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
                served.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    for _ in 0..20 {
        let before = served.load(Ordering::SeqCst);
        let mut looks = tokio::time::interval(Duration::from_millis(2));
        while served.load(Ordering::SeqCst) < before + 8 {
            assert_eq!(callers.len(), 4, "{:?}", callers.try_join_next());
            assert!(callers.try_join_next().is_none());
            looks.tick().await;
        }
        assert!(program.terminate(SOON).await.unwrap().success());
        program = start_on([&admin, &proxy], data.path(), &openai.url()).await;
    }
    is_over.store(true, Ordering::SeqCst);
    callers.join_all().await;
    assert!(served.load(Ordering::SeqCst) >= 160);
}
