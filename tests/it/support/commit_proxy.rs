//! A proxy before PostgreSQL that breaks connections at COMMIT: before the server hears it, or before the client hears the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The simple query of a commit, as it is sent.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// What happens to the next commits, each number counted down.
#[derive(Default)]
struct Plan {
    unheard: AtomicU32,
    unanswered: AtomicU32,
    silent: AtomicU32,
}

/// A running proxy.
pub(crate) struct CommitProxy {
    address: SocketAddr,
    plan: Arc<Plan>,
}

impl CommitProxy {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, plan) = (listener.local_addr().unwrap(), Arc::<Plan>::default());
        let planned = Arc::clone(&plan);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let plan = Arc::clone(&planned);
                tokio::spawn(async move { drop(forward(client, server, &plan).await) });
            }
        });
        Self { address, plan }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next commit does not reach the server, and its connection ends.
    pub(crate) fn lose_commit(&self) {
        self.plan.unheard.store(1, Ordering::SeqCst);
    }

    /// The next commit is done, and its connection ends before the answer.
    pub(crate) fn lose_answer(&self) {
        self.plan.unanswered.store(1, Ordering::SeqCst);
    }

    /// The next commit does not reach the server, and both ends of its connection stay open.
    pub(crate) fn swallow_commit(&self) {
        self.plan.silent.store(1, Ordering::SeqCst);
    }

    /// Whether what was asked for has happened.
    pub(crate) fn has_struck(&self) -> bool {
        [&self.plan.unheard, &self.plan.unanswered, &self.plan.silent].iter().all(|it| it.load(Ordering::SeqCst) == 0)
    }
}

fn takes(number: &AtomicU32) -> bool {
    number.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

async fn forward(mut client: TcpStream, port: u16, plan: &Plan) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut asked, mut answered) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                let said = &asked[..read];
                if said.ends_with(COMMIT) {
                    if takes(&plan.unheard) {
                        return Ok(());
                    }
                    if takes(&plan.silent) {
                        return std::future::pending().await;
                    }
                    if takes(&plan.unanswered) {
                        server.write_all(said).await?;
                        // Whatever is answered first, the server has done it.
                        return server.read(&mut answered).await.map(drop);
                    }
                }
                server.write_all(said).await?;
            }
            read = server.read(&mut answered) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                client.write_all(&answered[..read]).await?;
            }
        }
    }
}
