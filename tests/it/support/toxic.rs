//! A proxy before a provider that spoils what the provider says, from any byte on.
//!
//! It knows no protocol, and never spoils what is said to the provider: whether a message was taken is known from it.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What is done to what the provider says.
#[derive(Debug, Clone)]
pub(crate) enum Toxic {
    /// Nothing.
    Clean,
    /// Each byte is sent alone, and so long after the one before.
    Sliced(Duration),
    /// Everything comes so much later.
    Late(Duration),
    /// So many bytes are passed on; with the next the end comes.
    After(usize, End),
}

/// How a conversation ends.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// The connection is closed.
    HangUp,
    /// It is reset.
    Reset,
    /// It stays open, and nothing more is said.
    Silence,
    /// This is said, and nothing more.
    Say(Arc<[u8]>),
    /// The first is said, and then the second without end.
    Babble(&'static str, &'static str),
}

impl End {
    pub(crate) fn say(bytes: impl AsRef<[u8]>) -> Self {
        Self::Say(bytes.as_ref().into())
    }
}

pub(crate) struct Proxy {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    hang_up: Arc<Notify>,
}

#[derive(Debug)]
struct Mood {
    toxic: Toxic,
    said: usize,
    babbled: usize,
}

impl Proxy {
    pub(crate) async fn before(provider: SocketAddr, toxic: Toxic) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mood = Arc::new(Mutex::new(Mood { toxic, said: 0, babbled: 0 }));
        let hang_up = Arc::<Notify>::default();
        let proxy = Self { address, mood: Arc::clone(&mood), hang_up: Arc::clone(&hang_up) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mood, hang_up) = (Arc::clone(&mood), Arc::clone(&hang_up));
                tokio::spawn(async move {
                    tokio::select! {
                        passed = pass(client, provider, mood) => passed,
                        () = hang_up.notified() => Ok(()),
                    }
                });
            }
        });
        proxy
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Spoils what is said from now on, also on connections that are open.
    pub(crate) fn turns(&self, toxic: Toxic) {
        *self.mood.lock().unwrap() = Mood { toxic, said: 0, babbled: 0 };
    }

    /// Closes every connection.
    pub(crate) fn hangs_up(&self) {
        self.hang_up.notify_waiters();
    }

    /// Bytes that the provider said and that were passed on, since it last turned.
    pub(crate) fn said(&self) -> usize {
        self.mood.lock().unwrap().said
    }

    /// Bytes of its own that one took, since it last turned.
    pub(crate) fn babbled(&self) -> usize {
        self.mood.lock().unwrap().babbled
    }
}

async fn pass(mut client: TcpStream, provider: SocketAddr, mood: Arc<Mutex<Mood>>) -> io::Result<()> {
    let mut provider = TcpStream::connect(provider).await?;
    client.set_nodelay(true)?;
    let ended = {
        let ((mut hears, mut says), (mut back, mut forth)) = (client.split(), provider.split());
        tokio::select! {
            _ = tokio::io::copy(&mut hears, &mut forth) => return Ok(()),
            ended = spoil(&mut back, &mut says, &mood) => ended?,
        }
    };
    if matches!(ended, End::Reset) { client.set_zero_linger() } else { Ok(()) }
}

async fn spoil(back: &mut ReadHalf<'_>, says: &mut WriteHalf<'_>, mood: &Mutex<Mood>) -> io::Result<End> {
    let mut chunk = [0; 4096];
    loop {
        let read = back.read(&mut chunk).await?;
        if read == 0 {
            return Ok(End::HangUp);
        }
        let (toxic, so_far) = {
            let mut mood = mood.lock().unwrap();
            mood.said += read;
            (mood.toxic.clone(), mood.said - read)
        };
        match toxic {
            Toxic::Clean => says.write_all(&chunk[..read]).await?,
            Toxic::Late(time) => {
                tokio::time::sleep(time).await;
                says.write_all(&chunk[..read]).await?;
            }
            Toxic::Sliced(pause) => {
                for byte in &chunk[..read] {
                    tokio::time::sleep(pause).await;
                    says.write_all(&[*byte]).await?;
                }
            }
            Toxic::After(limit, end) => {
                let left = limit.saturating_sub(so_far);
                says.write_all(&chunk[..read.min(left)]).await?;
                if read > left {
                    finish(says, &end, mood).await?;
                    return Ok(end);
                }
            }
        }
    }
}

// Comes back when the connection is to be closed.
async fn finish(says: &mut WriteHalf<'_>, end: &End, mood: &Mutex<Mood>) -> io::Result<()> {
    match end {
        End::HangUp | End::Reset => Ok(()),
        End::Silence => pending().await,
        End::Say(bytes) => {
            says.write_all(bytes).await?;
            pending().await
        }
        End::Babble(first, then) => {
            says.write_all(first.as_bytes()).await?;
            let many = then.repeat(64 * 1024 / then.len());
            loop {
                let taken = says.write(many.as_bytes()).await?;
                mood.lock().unwrap().babbled += taken;
            }
        }
    }
}
