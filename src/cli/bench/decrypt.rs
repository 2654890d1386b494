//! Encrypted bodies opened on one core, in turns with the RSA operation alone that each of them cannot do without.
//!
//! Both are counted by the processor time of this thread, so that whatever else the machine does makes no difference.

use std::time::Duration;

use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Rsa;
use rustix::time::{ClockId, clock_gettime};

use super::figures::What;
use crate::ingest::jwe;
use crate::sim;
use crate::sim::processor::Otp;

/// How long one of the two is measured before it is the other's turn.
const TURN: Duration = Duration::from_millis(50);

/// What `openssl speed rsa2048` signs.
const SIGNED: [u8; 36] = [7; 36];

/// Opens the contract's sample with keys of 2048 and 4096 bits, for as long as `span` altogether.
pub(super) async fn measure(span: Duration) -> anyhow::Result<[(What, f64); 4]> {
    let both = move || {
        let (opened, signed) = pace(2048, span / 2)?;
        let (opened_long, signed_long) = pace(4096, span / 2)?;
        Ok([
            (What::Opened2048, opened),
            (What::Rsa2048, signed),
            (What::Opened4096, opened_long),
            (What::Rsa4096, signed_long),
        ])
    };
    tokio::task::spawn_blocking(both).await?
}

fn pace(bits: u32, span: Duration) -> anyhow::Result<(f64, f64)> {
    let private = PKey::from_rsa(Rsa::generate(bits)?)?;
    let public = PKey::public_key_from_der(&private.public_key_to_der()?)?;
    let body = sim::jwe::seal(&public, Otp::default().sample().body.as_bytes())?;
    let keys = [jwe::Key::new(&private)?];
    let mut opened = Meter::default();
    let mut signed = Meter::default();
    while opened.spent + signed.spent < span {
        opened.turn(|| {
            jwe::open(&keys, &body)?;
            Ok(())
        })?;
        signed.turn(signing(&private)?)?;
    }
    Ok((opened.rate(), signed.rate()))
}

fn signing(key: &PKey<Private>) -> anyhow::Result<impl FnMut() -> anyhow::Result<()>> {
    let mut context = PkeyCtx::new(key)?;
    context.sign_init()?;
    let mut signature = vec![0; key.size()];
    Ok(move || {
        context.sign(&SIGNED, Some(&mut signature))?;
        Ok(())
    })
}

/// How often something was done, and in how much processor time.
#[derive(Default)]
struct Meter {
    count: u32,
    spent: Duration,
}

impl Meter {
    fn turn(&mut self, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let began = processor_time();
        let mut spent = Duration::ZERO;
        while spent < TURN {
            work()?;
            self.count += 1;
            spent = processor_time().saturating_sub(began);
        }
        self.spent += spent;
        Ok(())
    }

    fn rate(&self) -> f64 {
        f64::from(self.count) / self.spent.as_secs_f64()
    }
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
