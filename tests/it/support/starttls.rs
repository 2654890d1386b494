//! A mail relay's front that asks for TLS: it greets, upgrades, and passes on to a relay that speaks in the clear.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use openssl::ssl::{Ssl, SslAcceptor, SslMethod};
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;

pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Front {
    pub(crate) async fn before(relay: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create("Relay CA", 30, SystemClock.now()).unwrap();
        let server = authority.issue_server(&["localhost".to_owned()], 30, SystemClock.now()).unwrap();
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_certificate(&server.certificate).unwrap();
        acceptor.set_private_key(&server.key).unwrap();
        let acceptor = Arc::new(acceptor.build());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Self { address: listener.local_addr().unwrap(), folder };
        pki::write_certificate(&front.ca(), authority.certificate()).unwrap();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, relay, Arc::clone(&acceptor)));
            }
        });
        front
    }

    /// The file of the authority that vouches for it as `localhost`.
    pub(crate) fn ca(&self) -> std::path::PathBuf {
        Path::join(self.folder.path(), "ca.pem")
    }
}

async fn serve(client: TcpStream, relay: SocketAddr, acceptor: Arc<SslAcceptor>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    for said in ["220 practice ESMTP\r\n", "250-practice\r\n250 STARTTLS\r\n", "220 2.0.0 begin\r\n"] {
        client.write_all(said.as_bytes()).await?;
        if !said.starts_with("220 2") && client.read_line(&mut String::new()).await? == 0 {
            return Ok(());
        }
    }
    let mut client = SslStream::new(Ssl::new(acceptor.context())?, client.into_inner())?;
    Pin::new(&mut client).accept().await.map_err(io::Error::other)?;
    let mut relay = BufReader::new(TcpStream::connect(relay).await?);
    relay.read_line(&mut String::new()).await?;
    tokio::io::copy_bidirectional(&mut client, &mut relay).await?;
    Ok(())
}
