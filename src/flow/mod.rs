//! The life of a notification, and what operators do.
//!
//! `intake` accepts it once, and `certificate_numbers` knows by which certificate. `worker` holds the leases of its deliveries and runs them. `dispatch` decides each next step:
//! `recipients` resolves the recipient, `providers` keeps the registry of providers, `limits` holds rate limits and allowed
//! countries, `delivery_setup` is the version of both that is in use, `ordering` makes a delivery wait for its predecessor, and `sender` makes an attempt; `pause` stops all of that. `receipts` applies what
//! providers report later. `audit` writes the ingest listener's events into the audit log, `alarms` holds what is wrong now, and
//! `tasks` runs what is periodic. `text_mail` sends mails of the gateway itself.
//!
//! For operators: `inspector` answers what they ask (`explain` is one of the questions), `deliveries` is how a delivery is shown,
//! `recent` sums the last day, `dossiers` makes the document of a dispute, `recipient_import` reads files of recipients,
//! `recipient_export` and `disclosure` are what they take out of the gateway. `exports` keeps files that take a while to make, such
//! as those of `report_export` and `audit_export`; `audit_state` says how far the audit log is signed, and checks it.
//! `template_publishing` takes changes of templates to the recipients, `routing_publishing` those of plans, limits and providers;
//! `review` is what both have in common. `users` knows the users of the console, their passwords and sessions; `single_sign_on` lets
//! them sign in at an identity provider instead, `used_once` knows which answers were given before, and `api_tokens` the tokens by
//! which programs act for them.

pub mod alarms;
pub mod api_tokens;
pub mod audit;
pub mod audit_bundle;
pub mod audit_export;
pub mod audit_list;
pub mod audit_state;
mod certificate_numbers;
pub mod deliveries;
mod delivery_metrics;
pub mod delivery_setup;
pub mod disclosure;
pub mod dispatch;
pub mod dossiers;
pub mod explain;
pub mod exports;
pub mod inspector;
pub mod intake;
pub mod limits;
mod ordering;
pub mod pause;
pub mod providers;
pub mod receipts;
pub mod recent;
pub mod recipient_export;
pub mod recipient_import;
pub mod recipient_search;
pub mod recipients;
pub mod report_export;
mod report_keys;
pub mod reporting;
pub mod review;
pub mod routing_publishing;
mod sender;
pub mod single_sign_on;
pub mod tasks;
pub mod template_documents;
pub mod template_publishing;
mod text_mail;
mod used_once;
pub mod users;
pub mod worker;
