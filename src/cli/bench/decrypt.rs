//! Encrypted bodies opened on one core, in turns with the RSA operation alone that each of them cannot do without.
//!
//! Both are counted by the processor time of this thread, so that whatever else the machine does makes no difference.

use std::time::Duration;

use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Rsa;

use super::figures::What;
use super::meter::Meter;
use crate::ingest::jwe;
use crate::sim;
use crate::sim::processor::OtpSample;

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
    let body = sim::jwe::seal(&public, OtpSample::default().sample().body.as_bytes())?;
    let keys = [jwe::DecryptionKey::new(&private)?];
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
