//! Renders OTP messages on one core, alternating with the template engine alone: the same templates with values that
//! are already formatted.
//!
//! In addition, the gateway selects the locale, formats the amount and the time, sanitizes the merchant's name, and
//! checks the rendered message.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use handlebars::{Handlebars, no_escape};
use serde::Serialize;

use super::cpu_timer::CpuTimer;
use super::results::Quantity;
use otpost::domain::clock::Timestamp;
use otpost::domain::contact::Channel;
use otpost::domain::money::{Currency, Money};
use otpost::domain::notification::{Content, Otp};
use otpost::domain::recipient::Locale;
use otpost::domain::secret::Code;
use otpost::render::{self, RenderContext, Renderer, Settings};

const CODE: &str = "048291";
const MERCHANT: &str = "Shop at the Corner";

/// 31 January 2026, 11:35 UTC.
const UNTIL: Timestamp = Timestamp::from_micros(1_769_859_300_000_000);

#[derive(Serialize)]
struct Values {
    otp: &'static str,
    amount: &'static str,
    merchant: &'static str,
    until: &'static str,
    brand: String,
}

/// Renders the English OTP message for each channel, for `span` in total.
pub(super) async fn measure(span: Duration) -> anyhow::Result<[(Quantity, f64); 6]> {
    let all = move || {
        let folder = tempfile::tempdir()?;
        render::write_shipped(folder.path())?;
        let settings = Settings { dir: folder.path().to_owned(), ..Settings::default() };
        let renderer = Renderer::load(&settings)?;
        let english = folder.path().join("en/otp");
        let pace = |channel| pace(&renderer, &english, channel, &settings.brand, span / 3);
        let (sms, alone_sms) = pace(Channel::Sms)?;
        let (push, alone_push) = pace(Channel::Push)?;
        let (mail, alone_mail) = pace(Channel::Email)?;
        Ok([
            (Quantity::RenderedSms, sms),
            (Quantity::HandlebarsSms, alone_sms),
            (Quantity::RenderedPush, push),
            (Quantity::HandlebarsPush, alone_push),
            (Quantity::RenderedMail, mail),
            (Quantity::HandlebarsMail, alone_mail),
        ])
    };
    tokio::task::spawn_blocking(all).await?
}

fn pace(
    renderer: &Renderer,
    templates: &Path,
    channel: Channel,
    brand: &str,
    span: Duration,
) -> anyhow::Result<(f64, f64)> {
    let money = Money { minor: 123_450, currency: Currency::parse("PLN")? };
    let content = Content::Otp(Otp { code: Code::parse(CODE.into())?, money, merchant: MERCHANT.into() });
    let locale = Locale::parse("en")?;
    let context = RenderContext { locale: &locale, zone: None, until: UNTIL, transliterate: None };
    let engine = engine(templates, channel)?;
    let names: Vec<String> = engine.get_templates().keys().cloned().collect();
    ensure!(!names.is_empty(), "no templates for {channel}");
    let values =
        Values { otp: CODE, amount: "PLN 1,234.50", merchant: MERCHANT, until: "11:35 UTC", brand: brand.to_owned() };
    let (mut rendered, mut alone) = (CpuTimer::default(), CpuTimer::default());
    while rendered.spent + alone.spent < span {
        rendered.turn(|| {
            std::hint::black_box(renderer.render(&content, channel, &context)?);
            Ok(())
        })?;
        alone.turn(|| {
            for name in &names {
                std::hint::black_box(engine.render(name, &values)?);
            }
            Ok(())
        })?;
    }
    Ok((rendered.rate(), alone.rate()))
}

// The name of a template begins with its channel.
fn engine(templates: &Path, channel: Channel) -> anyhow::Result<Handlebars<'static>> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(no_escape);
    for file in fs::read_dir(templates)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with(channel.name()) {
            engine.register_template_string(&name, fs::read_to_string(file.path())?)?;
        }
    }
    Ok(engine)
}
