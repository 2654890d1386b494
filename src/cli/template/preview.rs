//! `otpost template preview`: a text as people get it, with what it costs. The code is invented, and nothing is sent; the
//! database is not opened.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Value, json};

use crate::channel::Settings;
use crate::cli::{ConfigFile, output, usage};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::domain::price::Price;
use crate::domain::recipient::Locale;
use crate::render::sms::segments::{ForcingCharacter, SmsCost};
use crate::render::{Previews, Sample};

/// What to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind of news
    #[arg(long, value_parser = kinds())]
    kind: Kind,
    /// The language of whoever reads it, such as pl or pl-PL
    #[arg(long, value_parser = Locale::parse)]
    locale: Locale,
    /// One channel alone
    #[arg(long, value_parser = channels())]
    channel: Option<Channel>,
    /// Write the mail's HTML there, to be looked at in a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name)).try_map(|name| name.parse::<Kind>())
}

fn channels() -> impl TypedValueParser<Value = Channel> {
    PossibleValuesParser::new(Channel::ALL.map(Channel::name)).try_map(|name| name.parse::<Channel>())
}

/// One message, how it would be with the nearest letters, and what it costs at each provider.
struct ShownSample {
    channel: Channel,
    sample: Sample,
    nearest: Option<Sample>,
    bills: Vec<SampleCost>,
}

struct SampleCost {
    provider: String,
    segments: usize,
    price: Price,
}

impl SampleCost {
    fn sum(&self) -> Price {
        self.price.times(self.segments as u64)
    }
}

/// Writes the messages of the channels that were asked for: a typical one of each, and the longest.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.file.config).map_err(usage)?;
    let previews = Previews::open(&config.templates, args.kind, &args.locale).map_err(usage)?;
    let now = SystemClock.now();
    let mut all = Vec::new();
    for channel in Channel::ALL.into_iter().filter(|channel| args.channel.is_none_or(|only| only == *channel)) {
        all.extend(shown(&config, &previews, channel, now)?);
    }
    if let Some(file) = &args.html {
        write_html(&previews, file, now)?;
    }
    if args.json {
        output::json(&as_json(args, &all))?;
    } else {
        output::line(format_args!("{} as {} reads it. An example: nobody has this code.", args.kind, args.locale))?;
        all.iter().try_for_each(|shown| output::line(format_args!("\n{}", as_text(shown))))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(config: &Config, previews: &Previews, channel: Channel, now: Timestamp) -> anyhow::Result<[ShownSample; 2]> {
    let samples = |transliterate| previews.samples(channel, transliterate, now).map_err(usage);
    let gateways: Vec<_> =
        config.provider.iter().filter(|it| it.channel() == Channel::Sms && channel == Channel::Sms).collect();
    let (usual, nearest) = (samples(None)?, samples(Some(true))?);
    let mut bills = [Vec::new(), Vec::new()];
    for gateway in gateways {
        let written = samples(gateway.transliterate())?;
        bills.iter_mut().zip(&written).for_each(|(bills, sample)| bills.extend(bill(gateway, sample)));
    }
    let [typical, longest] = usual;
    let [typical_nearest, longest_nearest] = nearest;
    let [typical_bills, longest_bills] = bills;
    let of = |sample: Sample, nearest: Sample, bills| {
        let nearest = (nearest != sample).then_some(nearest);
        ShownSample { channel, sample, nearest, bills }
    };
    Ok([of(typical, typical_nearest, typical_bills), of(longest, longest_nearest, longest_bills)])
}

fn bill(gateway: &Settings, sample: &Sample) -> Option<SampleCost> {
    let segments = sample.cost.as_ref()?.size.segments;
    Some(SampleCost { provider: gateway.name().to_owned(), segments, price: gateway.price() })
}

fn write_html(previews: &Previews, file: &PathBuf, now: Timestamp) -> anyhow::Result<()> {
    let [typical, _] = previews.samples(Channel::Email, None, now).map_err(usage)?;
    let html = typical.parts.iter().rfind(|(part, _)| part.ends_with("html")).map(|(_, text)| text.as_str());
    std::fs::write(file, html.unwrap_or_default()).with_context(|| format!("{} cannot be written", file.display()))
}

fn as_text(shown: &ShownSample) -> String {
    let ShownSample { channel, sample, nearest, bills } = shown;
    let mut lines = vec![format!("{channel}, {}, in {}", sample.about, sample.locale)];
    for (part, text) in sample.parts.iter().filter(|(part, _)| !part.ends_with("html")) {
        let name = part.split_once('.').map_or("", |(_, name)| name);
        let indent = |(at, line): (usize, &str)| format!("  {:<9}{line}", if at == 0 { name } else { "" });
        lines.extend(text.lines().enumerate().map(indent).map(|line| line.trim_end().to_owned()));
    }
    lines.extend(sample.cost.iter().flat_map(costs));
    if let Some((text, cost)) = nearest.as_ref().and_then(|it| Some((&it.parts.first()?.1, it.cost.as_ref()?))) {
        lines.push(format!(
            "  with the nearest letters of GSM 03.38 (transliterate):\n           {}",
            text.replace('\n', "\n           ")
        ));
        lines.extend(costs(cost));
    }
    lines.extend(bills.iter().map(|bill| {
        let SampleCost { provider, segments, price } = bill;
        format!("  {provider}: {segments} x {price} = {}", bill.sum())
    }));
    lines.join("\n")
}

fn costs(cost: &SmsCost) -> Vec<String> {
    let size = cost.size;
    let plural = if size.segments == 1 { "" } else { "s" };
    let mut lines =
        vec![format!("  {}: {} of {} units, {} segment{plural}", size.encoding, size.units, size.room, size.segments)];
    let place = |it: &ForcingCharacter| {
        let at: Vec<_> = it.at.iter().map(ToString::to_string).collect();
        format!("{it} at {}", at.join(" "))
    };
    if !cost.forcing.is_empty() {
        let places: Vec<_> = cost.forcing.iter().map(place).collect();
        lines.push(format!("  outside GSM 03.38: {}", places.join(", ")));
    }
    lines
}

fn as_json(args: &Args, all: &[ShownSample]) -> Value {
    let message = |shown: &ShownSample| {
        let bills = shown.bills.iter().map(|bill| {
            json!({ "provider": bill.provider, "segments": bill.segments, "price": bill.price.to_string(), "sum": bill.sum().to_string() })
        });
        json!({
            "channel": shown.channel.name(),
            "about": shown.sample.about,
            "locale": shown.sample.locale,
            "parts": parts(&shown.sample),
            "cost": shown.sample.cost,
            "with_transliteration": shown.nearest.as_ref().map(|it| json!({ "parts": parts(it), "cost": it.cost })),
            "providers": bills.collect::<Vec<_>>(),
        })
    };
    json!({
        "kind": args.kind,
        "locale": args.locale,
        "example": true,
        "messages": all.iter().map(message).collect::<Vec<_>>(),
    })
}

fn parts(sample: &Sample) -> Value {
    Value::Object(sample.parts.iter().map(|(part, text)| ((*part).to_owned(), text.as_str().into())).collect())
}
