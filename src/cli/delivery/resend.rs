//! `otpost delivery resend`: sends a notification again, as a further delivery.

use std::process::ExitCode;

use serde_json::json;
use uuid::Uuid;

use crate::cli::config_file::{ConfigFile, open_store};
use crate::cli::{Usage, output};
use crate::domain::delivery::DeliveryId;
use crate::store::operator;

const NOTES: &str = "\
It goes to the same recipient, with the contacts that the recipient has now, before the same deadline. Codes are never
sent again. The content of a delivery that failed is kept until its deadline; that of one that arrived is not.

Example:
  otpost delivery resend 01a219da-f7fd-714e-9a0b-2f6f2b7e9d11 --reason \"number corrected, ticket 4711\"";

#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Args {
    /// Id of the delivery
    id: Uuid,
    /// Kept in the audit log for good; it must not contain personal data
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let store = open_store(&config).await?;
    let resent = store.resend(DeliveryId(args.id), &args.reason, &operator()).await;
    store.close().await?;
    let delivery = resent?.map_err(|why| Usage(format!("delivery {} is not sent again: {why}", args.id)))?;
    if args.json {
        output::json(&json!({ "delivery": delivery, "of": args.id }))?;
    } else {
        output::line(format_args!("{} is sent again as {delivery}", args.id))?;
        output::line(format_args!("see what happens: otpost delivery show {delivery}"))?;
    }
    if config.store.running_gateway().is_none() {
        output::note("no gateway is running on this database: it is sent when one starts before its deadline");
    }
    Ok(ExitCode::SUCCESS)
}
