//! Requests through a trusted proxy: its header identifies the client and nothing else; on the ordinary listener the
//! header has no effect.

use openssl::base64::encode_block;
use openssl::x509::X509;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use otpost::telemetry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{counted, until};
use crate::support::certificates;
use crate::support::gateway_files::{GatewayFiles, client};
use crate::support::sender::{Identity, Line, tls};
use crate::support::{Gateway, Setup, otp};

#[tokio::test]
async fn on_the_ordinary_listener_the_header_has_no_effect() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Gateway::start().await;
    let unlisted = client(&gateway.files.authority, "processor");
    let forged = with(&[header(&gateway.files.processor.certificate)]);

    let rejected = gateway.exchange(&unlisted, &forged).await;
    let accepted = gateway.exchange(&gateway.files.processor, &with(&[header(&unlisted.certificate)])).await;

    assert_eq!((rejected.status, accepted.status), (403, 204));
    assert!(metrics.render().contains("otpost_ingest_forged_headers_total 2"));
}

#[tokio::test]
async fn each_request_through_the_proxy_has_its_own_client_whose_certificate_is_verified_again() {
    let proxy = Proxy::new();
    let gateway = proxy.gateway().await;
    gateway.clock.move_on(std::time::Duration::from_mins(1));
    let files = &gateway.files;
    let other = Authority::create("Practice CA", 400, SystemClock.now()).unwrap();
    let good = header(&files.processor.certificate);
    let rows = [
        ("the processor", vec![good.clone()], 204),
        ("the second one, on the same connection", vec![header(&files.second.certificate)], 204),
        ("no header", vec![], 403),
        ("two", vec![good.clone(), good.clone()], 400),
        ("two in one", vec![format!("{good}, {good}")], 400),
        ("no byte sequence", vec![encode_block(b"x")], 400),
        ("not listed", vec![header(&client(&files.authority, "processor").certificate)], 403),
        ("of another authority", vec![header(&client(&other, "processor").certificate)], 403),
        ("self-signed", vec![header(&certificates::self_signed().certificate)], 403),
        ("for servers", vec![header(&certificates::for_servers_only(&files.authority).certificate)], 403),
        ("a weak key", vec![header(&certificates::with_rsa_key(&files.authority, 1024).certificate)], 403),
        ("the authority itself", vec![header(&files.authority.certificate().to_owned())], 403),
    ];

    let mut line = proxy.line(&gateway).await;
    for (row, headers, status) in rows {
        line.send(&with(&headers)).await;
        let answer = line.answer().await.unwrap();
        assert_eq!(answer.status, status, "{row}: {}", answer.body);
        if answer.closes() {
            line = proxy.line(&gateway).await;
        }
    }
}

#[tokio::test]
async fn only_the_proxy_can_connect_to_its_listener() {
    let metrics = telemetry::collect().unwrap();
    let proxy = Proxy::new();
    let gateway = proxy.gateway().await;
    let address = gateway.proxy_address();

    for identity in [client(&proxy.authority, "proxy"), gateway.files.processor.clone(), certificates::self_signed()] {
        if let Ok(mut line) = Line::try_open(address, tls(Some(&identity))).await {
            line.send(&with(&[header(&gateway.files.processor.certificate)])).await;
            assert!(line.answer().await.is_err());
        }
    }

    let rejections = "otpost_handshake_rejections_total";
    until("counted", async || counted(&metrics.render(), rejections, "not_listed") == 1).await;
    assert_eq!(gateway.exchange(&gateway.files.processor, &otp().request()).await.status, 204);
}

#[tokio::test]
async fn only_the_listed_users_can_connect_to_the_socket() {
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());

    for (uid, accepted) in [(own, true), (own + 1, false)] {
        let toml = format!("[ingest.trusted_proxy]\nsocket = \"ingest.sock\"\nuids = [{uid}]\n");
        let gateway = Setup::new().more(&toml).start().await;
        let mut socket = UnixStream::connect(gateway.files.path("ingest.sock")).await.unwrap();
        let _ = socket.write_all(&with(&[header(&gateway.files.processor.certificate)])).await;
        let mut answer = [0; 512];
        let read = socket.read(&mut answer).await.unwrap_or(0);
        assert_eq!(
            answer[..read].starts_with(b"HTTP/1.1 204"),
            accepted,
            "{}",
            String::from_utf8_lossy(&answer[..read])
        );
        let mode = std::fs::metadata(gateway.files.path("ingest.sock")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o660);
    }
}

#[tokio::test]
async fn a_proxy_whose_pin_is_removed_is_rejected_on_its_open_connection_and_its_successor_is_accepted() {
    let proxy = Proxy::new();
    let gateway = proxy.gateway().await;
    let successor = client(&proxy.authority, "proxy");
    let request = with(&[header(&gateway.files.processor.certificate)]);
    let mut open = proxy.line(&gateway).await;
    open.send(&request).await;
    open.answer().await.unwrap().expect_status(204);

    let [old, new] = [&proxy.identity, &successor].map(|it| pki::spki_pin(&it.certificate).unwrap());
    let toml = std::fs::read_to_string(gateway.files.path("otpost.toml")).unwrap();
    gateway.files.replace("otpost.toml", toml.replace(&old, &new));
    gateway.reload().await.unwrap();

    open.send(&request).await;
    assert_eq!(open.answer().await.unwrap().status, 403);
    let mut line = Line::open(gateway.proxy_address(), &successor).await;
    line.send(&request).await;
    line.answer().await.unwrap().expect_status(204);
}

struct Proxy {
    authority: Authority,
    identity: Identity,
}

impl Proxy {
    fn new() -> Self {
        let authority = Authority::create("Proxy CA", 400, SystemClock.now()).unwrap();
        Self { identity: client(&authority, "proxy"), authority }
    }

    async fn gateway(&self) -> Gateway {
        let pin = pki::spki_pin(&self.identity.certificate).unwrap();
        let ca = self.authority.certificate().to_pem().unwrap();
        let toml = format!(
            "[ingest.trusted_proxy]\nlisten = \"127.0.0.1:0\"\nclient_ca = \"pki/proxy-ca.pem\"\nspki_pins = [\"{pin}\"]\n"
        );
        let prepare = move |files: &GatewayFiles| files.replace("pki/proxy-ca.pem", ca);
        Setup::new().more(&toml).prepare(prepare).start().await
    }

    async fn line(&self, gateway: &Gateway) -> Line {
        Line::open(gateway.proxy_address(), &self.identity).await
    }
}

fn header(certificate: &X509) -> String {
    format!(":{}:", encode_block(&certificate.to_der().unwrap()))
}

/// An OTP request with these `Client-Cert` headers.
fn with(headers: &[String]) -> Vec<u8> {
    headers.iter().fold(otp(), |notice, value| notice.header("Client-Cert", value)).request()
}
