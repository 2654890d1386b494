//! Decrypts bodies on one core, alternating with the RSA private operation that each decryption needs.

use std::time::Duration;

use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Rsa;

use super::cpu_timer::CpuTimer;
use super::results::Quantity;
use otpost::ingest::jwe;
use otpost::sim;
use otpost::sim::processor::OtpSample;

/// The input that `openssl speed rsa2048` signs.
const SIGNED: [u8; 36] = [7; 36];

/// Decrypts the OpenAPI sample with keys of 2048 and 4096 bits, for `span` in total.
pub(super) async fn measure(span: Duration) -> anyhow::Result<[(Quantity, f64); 4]> {
    let both = move || {
        let (decrypted, signed) = pace(2048, span / 2)?;
        let (decrypted_long, signed_long) = pace(4096, span / 2)?;
        Ok([
            (Quantity::Decrypted2048, decrypted),
            (Quantity::Rsa2048, signed),
            (Quantity::Decrypted4096, decrypted_long),
            (Quantity::Rsa4096, signed_long),
        ])
    };
    tokio::task::spawn_blocking(both).await?
}

fn pace(bits: u32, span: Duration) -> anyhow::Result<(f64, f64)> {
    let private = PKey::from_rsa(Rsa::generate(bits)?)?;
    let public = PKey::public_key_from_der(&private.public_key_to_der()?)?;
    let body = sim::jwe::seal(&public, OtpSample::default().sample().body.as_bytes())?;
    let keys = [jwe::DecryptionKey::new(&private)?];
    let mut decrypted = CpuTimer::default();
    let mut signed = CpuTimer::default();
    while decrypted.spent + signed.spent < span {
        decrypted.turn(|| {
            jwe::open(&keys, &body)?;
            Ok(())
        })?;
        signed.turn(signing(&private)?)?;
    }
    Ok((decrypted.rate(), signed.rate()))
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
