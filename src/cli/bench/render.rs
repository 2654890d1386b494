//! Codes written on one core by the gateway's whole path, in turns with the bare engine: the same texts, registered once,
//! filled from a struct whose values are ready.
//!
//! What the gateway does besides: it looks for the reader's language, writes amount and hour as their locale does, cleans
//! the payee's name, and looks at what it wrote. Both are counted by the processor time of this thread.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use handlebars::{Handlebars, no_escape};
use serde::Serialize;

use super::figures::What;
use super::meter::Meter;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::{Content, Otp};
use crate::domain::recipient::Locale;
use crate::domain::secret::Code;
use crate::render::{self, RenderContext, Renderer, Settings};

const CODE: &str = "048291";
const PAYEE: &str = "Shop at the Corner";

/// 31 January 2026, 11:35 UTC.
const UNTIL: Timestamp = Timestamp::from_micros(1_769_859_300_000_000);

#[derive(Serialize)]
struct Ready {
    otp: &'static str,
    amount: &'static str,
    merchant: &'static str,
    until: &'static str,
    brand: String,
}

/// Writes the English code for each channel, for as long as `span` altogether.
pub(super) async fn measure(span: Duration) -> anyhow::Result<[(What, f64); 6]> {
    let all = move || {
        let folder = tempfile::tempdir()?;
        render::write_shipped(folder.path())?;
        let settings = Settings { dir: folder.path().to_owned(), ..Settings::default() };
        let renderer = Renderer::load(&settings)?;
        let english = folder.path().join("en/otp");
        let pace = |channel| pace(&renderer, &english, channel, &settings.brand, span / 3);
        let (sms, bare_sms) = pace(Channel::Sms)?;
        let (push, bare_push) = pace(Channel::Push)?;
        let (mail, bare_mail) = pace(Channel::Email)?;
        Ok([
            (What::WrittenSms, sms),
            (What::BareSms, bare_sms),
            (What::WrittenPush, push),
            (What::BarePush, bare_push),
            (What::WrittenMail, mail),
            (What::BareMail, bare_mail),
        ])
    };
    tokio::task::spawn_blocking(all).await?
}

fn pace(
    renderer: &Renderer,
    texts: &Path,
    channel: Channel,
    brand: &str,
    span: Duration,
) -> anyhow::Result<(f64, f64)> {
    let money = Money { minor: 123_450, currency: Currency::parse("PLN")? };
    let content = Content::Otp(Otp { code: Code::parse(CODE.into())?, money, merchant: PAYEE.into() });
    let locale = Locale::parse("en")?;
    let context = RenderContext { locale: &locale, zone: None, until: UNTIL, transliterate: None };
    let engine = engine(texts, channel)?;
    let names: Vec<String> = engine.get_templates().keys().cloned().collect();
    ensure!(!names.is_empty(), "no texts for {channel}");
    let ready =
        Ready { otp: CODE, amount: "PLN 1,234.50", merchant: PAYEE, until: "11:35 UTC", brand: brand.to_owned() };
    let (mut ours, mut bare) = (Meter::default(), Meter::default());
    while ours.spent + bare.spent < span {
        ours.turn(|| {
            std::hint::black_box(renderer.render(&content, channel, &context)?);
            Ok(())
        })?;
        bare.turn(|| {
            for name in &names {
                std::hint::black_box(engine.render(name, &ready)?);
            }
            Ok(())
        })?;
    }
    Ok((ours.rate(), bare.rate()))
}

// Each file of a channel begins with the channel's name.
fn engine(texts: &Path, channel: Channel) -> anyhow::Result<Handlebars<'static>> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(no_escape);
    for file in fs::read_dir(texts)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with(channel.name()) {
            engine.register_template_string(&name, fs::read_to_string(file.path())?)?;
        }
    }
    Ok(engine)
}
