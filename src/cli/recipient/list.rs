//! `otpost recipient list` and `count`: the recipients, with masked contacts.

use std::process::ExitCode;

use serde_json::json;
use uuid::Uuid;

use super::contacts_on;
use crate::cli::config_file::ConfigFile;
use crate::cli::output;
use crate::domain::contact::Channel;
use crate::domain::recipient::{Locale, Recipient, RecipientId, RecipientStatus};
use crate::flow::recipient_search::MaskedRecipient;
use crate::report::csv::{harmless, quoted};
use crate::store::{Error, ListScope, Recipients};

const EXAMPLES: &str = "\
Examples:
  otpost recipient list --retired --csv
  otpost recipient list --status blocked --limit 20
  otpost recipient list --without-contacts --json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
pub(crate) struct Args {
    /// Only recipients with a retired contact, which a provider reported as gone
    #[arg(long)]
    retired: bool,
    /// Only recipients without a contact that is in use
    #[arg(long)]
    without_contacts: bool,
    /// Only recipients with a contact in use on this channel: sms, push or email
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<Channel>,
    /// Only recipients of this status: active, opted_out, blocked or deceased
    #[arg(long)]
    status: Option<RecipientStatus>,
    /// Only recipients of this language: pl also lists pl-PL
    #[arg(long, value_parser = Locale::parse)]
    locale: Option<Locale>,
    /// Recipients that are listed
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Go on after the recipient of this id
    #[arg(long, value_name = "UUID")]
    after: Option<Uuid>,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV, one line for each contact
    #[arg(long)]
    csv: bool,
}

impl Args {
    fn matches(&self, recipient: &Recipient) -> bool {
        let is_used = |channel| contacts_on(recipient, channel).any(|contact| recipient.retirement(contact).is_none());
        let speaks =
            |locale: &Locale| recipient.locale == *locale || recipient.locale.parent().as_ref() == Some(locale);
        self.channel.is_none_or(is_used)
            && self.status.is_none_or(|status| recipient.status == status)
            && self.locale.as_ref().is_none_or(speaks)
            && !(self.without_contacts && Channel::ALL.into_iter().any(is_used))
    }
}

/// The recipients that were found, and the last one that was read when there may be more.
struct ListedRecipients {
    recipients: Vec<Recipient>,
    next: Option<RecipientId>,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.config.read_store().await?;
    let listed = find(args, &store.recipients()).await;
    store.close().await?;
    let ListedRecipients { recipients, next } = listed?;
    if args.json {
        let recipients: Vec<MaskedRecipient> = recipients.iter().map(MaskedRecipient::from).collect();
        output::json(&json!({ "recipients": recipients, "next": next }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.csv {
        output::line(csv(&recipients).trim_end())?;
    } else if recipients.is_empty() {
        output::line("no recipients")?;
    } else {
        let rows: Vec<_> = recipients.iter().map(row).collect();
        output::line(output::table(&["ID", "OWN ID", "LOCALE", "STATUS", "CONTACTS"], &rows).trim_end())?;
    }
    if let Some(id) = next {
        output::note(format_args!("there may be more: repeat with --after {id}"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(args: &Args, directory: &Recipients) -> Result<ListedRecipients, Error> {
    let scope = if args.retired { ListScope::Retired } else { ListScope::All };
    let mut after = args.after.map(RecipientId);
    let mut recipients = Vec::new();
    loop {
        let page = directory.page(scope, after).await?;
        if page.is_empty() {
            return Ok(ListedRecipients { recipients, next: None });
        }
        for recipient in page {
            if recipients.len() >= args.limit as usize {
                return Ok(ListedRecipients { recipients, next: after });
            }
            after = Some(recipient.id);
            recipients.extend(args.matches(&recipient).then_some(recipient));
        }
    }
}

fn row(recipient: &Recipient) -> Vec<String> {
    let recipient = MaskedRecipient::from(recipient);
    let retired = recipient.contacts.iter().filter_map(|it| Some(format!("{} {}", it.contact, it.retired.as_ref()?)));
    let contacts: Vec<_> = recipient.in_use().map(|it| it.contact.clone()).chain(retired).collect();
    vec![
        recipient.id.to_string(),
        recipient.recipient.clone().unwrap_or_else(|| "-".to_owned()),
        recipient.locale.clone(),
        recipient.status.clone(),
        if contacts.is_empty() { "none".to_owned() } else { contacts.join("  ") },
    ]
}

fn csv(recipients: &[Recipient]) -> String {
    let head = "id,recipient,locale,status,channel,contact,retired_at,retired_by,retired_detail\r\n".to_owned();
    recipients.iter().fold(head, |text, recipient| text + &csv_lines(recipient))
}

fn csv_lines(recipient: &Recipient) -> String {
    let own = [
        recipient.id.to_string(),
        recipient.reference.clone().unwrap_or_default(),
        recipient.locale.to_string(),
        recipient.status.name().to_owned(),
    ];
    let line = |cells: [String; 5]| {
        let cells = own.iter().chain(&cells).map(|cell| quoted(harmless(cell), ','));
        cells.collect::<Vec<_>>().join(",") + "\r\n"
    };
    if recipient.contacts.is_empty() {
        return line(Default::default());
    }
    let contacts = Channel::ALL.into_iter().flat_map(|channel| contacts_on(recipient, channel));
    let cells = contacts.map(|contact| {
        let retired = recipient.retirement(contact);
        let text = |text: Option<String>| text.unwrap_or_default();
        [
            contact.channel().name().to_owned(),
            contact.masked(),
            text(retired.map(|it| it.at.to_string())),
            text(retired.map(|it| it.provider.0.clone())),
            text(retired.and_then(|it| it.detail.as_ref()).map(ToString::to_string)),
        ]
    });
    cells.map(line).collect()
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost recipient count --json")]
pub(crate) struct CountArgs {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn count(args: &CountArgs) -> anyhow::Result<ExitCode> {
    let store = args.config.read_store().await?;
    let counts = store.recipients().count().await;
    store.close().await?;
    let counts = counts?;
    if args.json {
        output::json(&counts)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![vec!["recipients".to_owned(), counts.recipients.to_string()]];
    let groups = [("status", &counts.by_status), ("locale", &counts.by_locale), ("with", &counts.by_channel)];
    for (group, counts) in groups {
        rows.extend(counts.iter().map(|(name, count)| vec![format!("{group} {name}"), count.to_string()]));
    }
    rows.push(vec!["without a contact in use".to_owned(), counts.without_contacts.to_string()]);
    rows.push(vec!["retired contacts".to_owned(), counts.retired_contacts.to_string()]);
    Ok(output::line(output::table(&["WHAT", "COUNT"], &rows).trim_end()).map(|()| ExitCode::SUCCESS)?)
}
