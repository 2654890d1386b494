//! `otpost template preview`: sample messages, with their cost. The code is invented, and nothing is sent; the database is
//! not opened.

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
use crate::domain::provider_profile::ProviderProfile;
use crate::domain::recipient::Locale;
use crate::render::sms::segments::{ForcingCharacter, SmsCost};
use crate::render::{MessageSample, Previews};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind of notification
    #[arg(long, value_parser = kinds())]
    kind: Kind,
    /// The locale of the recipient, such as pl or pl-PL
    #[arg(long, value_parser = Locale::parse)]
    locale: Locale,
    /// Only this channel
    #[arg(long, value_parser = channels())]
    channel: Option<Channel>,
    /// Write the HTML of the mail to this file, to open it in a browser
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

/// One message, the same with transliteration if that differs, and its cost at each provider.
struct ShownSample {
    channel: Channel,
    sample: MessageSample,
    transliterated: Option<MessageSample>,
    costs: Vec<SampleCost>,
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

/// Prints two messages for each channel: a typical one and the longest.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.file.load()?;
    let previews = Previews::open(&config.templates, args.kind, &args.locale).map_err(usage)?;
    let now = SystemClock.now();
    let mut all = Vec::new();
    for channel in Channel::ALL.into_iter().filter(|channel| args.channel.is_none_or(|only| only == *channel)) {
        all.extend(samples(&config, &previews, channel, now)?);
    }
    if let Some(file) = &args.html {
        write_html(&previews, file, now)?;
    }
    if args.json {
        output::json(&as_json(args, &all))?;
    } else {
        output::line(format_args!(
            "{} for a recipient with locale {}. The code is an example.",
            args.kind, args.locale
        ))?;
        all.iter().try_for_each(|shown| output::line(format_args!("\n{}", as_text(shown))))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn samples(config: &Config, previews: &Previews, channel: Channel, now: Timestamp) -> anyhow::Result<[ShownSample; 2]> {
    let samples = |transliterate| previews.samples(channel, transliterate, now).map_err(usage);
    let is_sms = |provider: &&ProviderProfile| provider.channel == Channel::Sms && channel == Channel::Sms;
    let mut costs = [Vec::new(), Vec::new()];
    for provider in config.provider.iter().map(Settings::profile).filter(is_sms) {
        let samples = samples(provider.transliterate)?;
        costs.iter_mut().zip(&samples).for_each(|(costs, sample)| costs.extend(cost(provider, sample)));
    }
    let [typical, longest] = samples(None)?;
    let [typical_transliterated, longest_transliterated] = samples(Some(true))?;
    let [typical_costs, longest_costs] = costs;
    let shown = |sample: MessageSample, transliterated: MessageSample, costs| {
        let transliterated = (transliterated != sample).then_some(transliterated);
        ShownSample { channel, sample, transliterated, costs }
    };
    Ok([shown(typical, typical_transliterated, typical_costs), shown(longest, longest_transliterated, longest_costs)])
}

fn cost(provider: &ProviderProfile, sample: &MessageSample) -> Option<SampleCost> {
    let segments = sample.cost.as_ref()?.size.segments;
    Some(SampleCost { provider: provider.provider.to_string(), segments, price: provider.price })
}

fn write_html(previews: &Previews, file: &PathBuf, now: Timestamp) -> anyhow::Result<()> {
    let [typical, _] = previews.samples(Channel::Email, None, now).map_err(usage)?;
    let html = typical.parts.iter().rfind(|(part, _)| part.ends_with("html")).map(|(_, text)| text.as_str());
    std::fs::write(file, html.unwrap_or_default()).with_context(|| format!("{} cannot be written", file.display()))
}

fn as_text(shown: &ShownSample) -> String {
    let ShownSample { channel, sample, transliterated, costs } = shown;
    let mut lines = vec![format!("{channel}, {}, in {}", sample.values, sample.locale)];
    for (part, text) in sample.parts.iter().filter(|(part, _)| !part.ends_with("html")) {
        let name = part.split_once('.').map_or("", |(_, name)| name);
        let indent = |(at, line): (usize, &str)| format!("  {:<9}{line}", if at == 0 { name } else { "" });
        lines.extend(text.lines().enumerate().map(indent).map(|line| line.trim_end().to_owned()));
    }
    lines.extend(sample.cost.iter().flat_map(size_lines));
    if let Some((text, cost)) = transliterated.as_ref().and_then(|it| Some((&it.parts.first()?.1, it.cost.as_ref()?))) {
        lines.push(format!(
            "  with the nearest characters of GSM 03.38 (transliterate):\n           {}",
            text.replace('\n', "\n           ")
        ));
        lines.extend(size_lines(cost));
    }
    lines.extend(costs.iter().map(|cost| {
        let SampleCost { provider, segments, price } = cost;
        format!("  {provider}: {segments} x {price} = {}", cost.sum())
    }));
    lines.join("\n")
}

fn size_lines(cost: &SmsCost) -> Vec<String> {
    let size = cost.size;
    let plural = if size.segments == 1 { "" } else { "s" };
    let mut lines = vec![format!(
        "  {}: {} of {} units, {} segment{plural}",
        size.encoding, size.units, size.capacity, size.segments
    )];
    let positions = |it: &ForcingCharacter| {
        let at: Vec<_> = it.at.iter().map(ToString::to_string).collect();
        format!("{it} at {}", at.join(" "))
    };
    if !cost.forcing.is_empty() {
        let forcing: Vec<_> = cost.forcing.iter().map(positions).collect();
        lines.push(format!("  outside GSM 03.38: {}", forcing.join(", ")));
    }
    lines
}

fn as_json(args: &Args, all: &[ShownSample]) -> Value {
    let message = |shown: &ShownSample| {
        let costs = shown.costs.iter().map(|cost| {
            json!({ "provider": cost.provider, "segments": cost.segments, "price": cost.price.to_string(), "sum": cost.sum().to_string() })
        });
        json!({
            "channel": shown.channel.name(),
            "values": shown.sample.values,
            "locale": shown.sample.locale,
            "parts": parts(&shown.sample),
            "cost": shown.sample.cost,
            "with_transliteration": shown.transliterated.as_ref().map(|it| json!({ "parts": parts(it), "cost": it.cost })),
            "providers": costs.collect::<Vec<_>>(),
        })
    };
    json!({
        "kind": args.kind,
        "locale": args.locale,
        "example": true,
        "messages": all.iter().map(message).collect::<Vec<_>>(),
    })
}

fn parts(sample: &MessageSample) -> Value {
    Value::Object(sample.parts.iter().map(|(part, text)| ((*part).to_owned(), text.as_str().into())).collect())
}
