//! `otpost delivery resend`: sends a notification again, as a further delivery.

use std::process::ExitCode;

use serde_json::json;
use uuid::Uuid;

use crate::cli::config_file::{ConfigFile, open_store};
use crate::cli::remote::{RemoteError, RemoteGateway, ServerArgs};
use crate::cli::{Usage, output};
use crate::domain::delivery::DeliveryId;
use crate::flow::deliveries::listing::ResentDelivery;
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
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(remote) = args.server.remote()? {
        print(args, &ask(&remote, args).await?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = args.config.load()?;
    let store = open_store(&config).await?;
    let resent = store.resend(DeliveryId(args.id), &args.reason, &operator()).await;
    store.close().await?;
    let delivery = resent?.map_err(|why| Usage(format!("delivery {} is not sent again: {why}", args.id)))?;
    print(args, &ResentDelivery { delivery: delivery.0, of: args.id })?;
    if config.store.running_gateway().is_none() {
        output::note("no gateway is running on this database: it is sent when one starts before its deadline");
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(remote: &RemoteGateway, args: &Args) -> anyhow::Result<ResentDelivery> {
    let (id, reason) = (args.id.to_string(), json!({ "reason": args.reason }));
    remote.post(&["deliveries", &id, "resend"], &reason).await.map_err(|error| match error {
        RemoteError::NotFound { .. } => {
            Usage(format!("delivery {} is not sent again: there is no such delivery", args.id)).into()
        }
        error => error.explained(),
    })
}

fn print(args: &Args, resent: &ResentDelivery) -> anyhow::Result<()> {
    if args.json {
        return output::json(resent);
    }
    let ResentDelivery { delivery, of } = resent;
    output::line(format_args!("{of} is sent again as {delivery}"))?;
    Ok(output::line(format_args!("see what happens: otpost delivery show {delivery}"))?)
}
