//! Writes the reports of each day into a folder on the next day, and mails the summary to operators.
//!
//! A day is done when its files are there and every operator has its mail, which the database remembers: a restart repeats
//! nothing, and a mail that failed is tried again for those who lack it. The files appear together, before the mails. A mail
//! has sums only and no personal data.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use serde::Deserialize;

use super::super::reporting::{self, ReportRequest};
use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::contact::{Channel, Contact};
use crate::domain::provider_profile::ProviderProfile;
use crate::flow::delivery_setup::LiveSetup;
use crate::flow::text_mail::{MailError, TextMail, escaped};
use crate::report::columns::SummedReport;
use crate::report::csv::Style;
use crate::report::format::ReportFormat;
use crate::report::new_file::{self, NewFile};
use crate::store::Store;

/// How often the time is compared.
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// How long a relay may keep a mail.
const MAIL_VALID_FOR: Duration = Duration::from_hours(12);

/// How long a day that failed waits for its repetition.
const AFTER_FAILURE: Duration = Duration::from_mins(10);

/// `[report]` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub daily: Daily,
}

/// `[report.daily]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Daily {
    /// When the reports of the day before are written; `None` for never.
    #[serde(deserialize_with = "time")]
    pub time: Option<Time>,
    /// Where they are written.
    pub folder: PathBuf,
    pub formats: Vec<ReportFormat>,
    /// The e-mail provider that mails the summary; empty for none.
    pub mail_provider: String,
    /// The operators who get it.
    pub mail_to: Vec<String>,
}

impl Daily {
    /// Whether mails can be sent, as far as the configuration says.
    pub fn check(&self, profiles: &[ProviderProfile]) -> Result<(), InvalidMail> {
        if !self.mail_provider.is_empty() && !profiles.iter().any(|profile| self.mails_through(profile)) {
            return Err(InvalidMail::NoProvider(self.mail_provider.clone()));
        }
        self.addresses().map(drop)
    }

    /// The last day whose summary is in the folder.
    pub fn last_written(&self) -> Option<Date> {
        let files = std::fs::read_dir(&self.folder).ok()?.filter_map(Result::ok);
        let day = |name: &str| name.get(..10).filter(|_| name[10..].starts_with("-summary."))?.parse::<Date>().ok();
        files.filter_map(|file| day(file.file_name().to_str()?)).max()
    }

    fn mails_through(&self, profile: &ProviderProfile) -> bool {
        profile.provider.0 == self.mail_provider && profile.channel == Channel::Email
    }

    fn addresses(&self) -> Result<Vec<Contact>, InvalidMail> {
        let address =
            |text: &String| Contact::parse(Channel::Email, text).map_err(|_| InvalidMail::NoAddress(text.clone()));
        self.mail_to.iter().map(address).collect()
    }
}

impl Default for Daily {
    fn default() -> Self {
        let formats = vec![ReportFormat::Csv];
        Self { time: None, folder: "reports".into(), formats, mail_provider: String::new(), mail_to: Vec::new() }
    }
}

fn time<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    let is_time = text.len() == 5;
    let time = text.parse().ok().filter(|_| is_time);
    time.map(Some).ok_or_else(|| serde::de::Error::custom("expected a time such as \"06:00\", or \"\" for never"))
}

/// A setting of the mails cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMail {
    #[error("report.daily.mail_provider: no e-mail provider has the name {0}")]
    NoProvider(String),
    #[error("report.daily.mail_to: {0} is not an e-mail address")]
    NoAddress(String),
}

/// Why the reports of a day were not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Report(#[from] reporting::Error),
    #[error(transparent)]
    File(#[from] new_file::Error),
    #[error("folder {} cannot be created", folder.display())]
    Folder { folder: PathBuf, source: std::io::Error },
    #[error("{failed} of {of} mails to operators were not sent; those operators get them at the next try")]
    Mail { failed: usize, of: usize, source: MailError },
    #[error(transparent)]
    Provider(#[from] InvalidMail),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

/// The reports of each day.
pub struct DailyReport {
    settings: Daily,
    setup: Arc<LiveSetup>,
    mail_to: Vec<Contact>,
}

impl DailyReport {
    /// `None` when none are configured.
    pub fn new(settings: &Settings, setup: Arc<LiveSetup>) -> Result<Option<Self>, InvalidMail> {
        let settings = settings.daily.clone();
        settings.check(&setup.current().profiles)?;
        let mail_to = if settings.mail_provider.is_empty() { Vec::new() } else { settings.addresses()? };
        Ok(settings.time.is_some().then_some(Self { settings, setup, mail_to }))
    }

    /// Writes reports until the process ends.
    pub async fn run(self, store: Arc<Store>, clock: Arc<dyn Clock>) {
        loop {
            let now = clock.now().to_jiff().to_zoned(TimeZone::system());
            let pause = match self.step(&store, &now).await {
                Ok(Some(day)) => {
                    tracing::info!(%day, folder = %self.settings.folder.display(), "reports of the day were written and mailed");
                    CHECK_EVERY
                }
                Ok(None) => CHECK_EVERY,
                Err(error) => {
                    tracing::error!(
                        error = chain(&error),
                        "reports of the day were not all written and mailed; tried again"
                    );
                    AFTER_FAILURE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Writes and mails the reports of the day before `now`, if it is time and that was not done; returns the day.
    pub async fn step(&self, store: &Store, now: &Zoned) -> Result<Option<Date>, Error> {
        let (Some(time), Ok(day)) = (self.settings.time, now.date().yesterday()) else { return Ok(None) };
        if now.time() < time {
            return Ok(None);
        }
        let is_written = self.files(day).iter().all(|(path, ..)| path.exists());
        let lacking = self.lacking(store, day).await?;
        if is_written && lacking.is_empty() {
            return Ok(None);
        }
        let start = |date: Date| date.to_zoned(now.time_zone().clone()).map(|at| Timestamp::from(at.timestamp()));
        let (Ok(from), Ok(to)) = (start(day), start(day.saturating_add(1.day()))) else { return Ok(None) };
        let state = store.report_model().report_state().await.map_err(reporting::Error::from)?;
        let next = store.report_model().changed_deliveries(state.counted, 1).await.map_err(reporting::Error::from)?;
        if next.last.is_some_and(|(_, at)| at < to) {
            // What the day still lacks is counted first.
            return Ok(None);
        }
        let request = ReportRequest { from, to, by: None, zone: now.time_zone().clone() };
        if !is_written {
            self.write(store, day, &request).await?;
        }
        self.send(store, day, &request, &lacking).await?;
        Ok(Some(day))
    }

    async fn write(&self, store: &Store, day: Date, request: &ReportRequest) -> Result<(), Error> {
        let folder = &self.settings.folder;
        std::fs::create_dir_all(folder).map_err(|source| Error::Folder { folder: folder.clone(), source })?;
        let mut files = Vec::new();
        for (path, report, format) in self.files(day) {
            let file = NewFile::create(&path, true)?;
            let mut writer = format.to_file(file.file()?, STYLE);
            let written = reporting::summed(store, report, request, &mut *writer, &|_, _| ()).await;
            drop(writer);
            match written {
                Ok(()) => files.push(file),
                Err(reporting::Error::Write(error)) => return Err(file.explain(error).into()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(files.into_iter().try_for_each(NewFile::finish)?)
    }

    /// The operators who did not get the mail of this day, with the hashes of their addresses.
    async fn lacking(&self, store: &Store, day: Date) -> Result<Vec<(&Contact, [u8; 16])>, Error> {
        if self.mail_to.is_empty() {
            return Ok(Vec::new());
        }
        let mailed = store.report_model().report_mails(&day.to_string()).await?;
        let mut lacking = Vec::new();
        for contact in &self.mail_to {
            let hash = store.contact_hash(contact)?;
            if !mailed.iter().any(|it| it[..] == hash) {
                lacking.push((contact, hash));
            }
        }
        Ok(lacking)
    }

    /// Mails the summary to all of them, also when one mail fails.
    async fn send(
        &self,
        store: &Store,
        day: Date,
        request: &ReportRequest,
        lacking: &[(&Contact, [u8; 16])],
    ) -> Result<(), Error> {
        if lacking.is_empty() {
            return Ok(());
        }
        let (setup, name) = (self.setup.current(), &self.settings.mail_provider);
        let provider = setup.mail_provider(name).ok_or_else(|| InvalidMail::NoProvider(name.clone()))?;
        let text = summary(store, request).await?;
        let mut errors = Vec::new();
        for (contact, hash) in lacking {
            match mail(day, &text).send(&**provider, contact, MAIL_VALID_FOR).await {
                Ok(()) => store.report_model().keep_report_mail(&day.to_string(), *hash).await?,
                Err(error) => errors.push(error),
            }
        }
        let failed = errors.len();
        let first = errors.into_iter().next();
        first.map_or(Ok(()), |source| Err(Error::Mail { failed, of: self.mail_to.len(), source }))
    }

    fn files(&self, day: Date) -> Vec<(PathBuf, SummedReport, ReportFormat)> {
        let reports = [SummedReport::Summary, SummedReport::Providers, SummedReport::Locales, SummedReport::Costs];
        let name =
            |report: SummedReport, format: ReportFormat| format!("{day}-{}.{}", report.name(), format.extension());
        let formats = &self.settings.formats;
        let all = reports.into_iter().flat_map(|report| formats.iter().map(move |format| (report, *format)));
        let folder: &Path = &self.settings.folder;
        all.map(|(report, format)| (folder.join(name(report, format)), report, format)).collect()
    }
}

/// A byte order mark, because these files are opened by people.
const STYLE: Style = Style { delimiter: ',', bom: true, raw: false };

async fn summary(store: &Store, request: &ReportRequest) -> Result<String, Error> {
    let mut bytes = Vec::new();
    if let Some(mut writer) = ReportFormat::Table.to_stream(&mut bytes, STYLE) {
        reporting::summed(store, SummedReport::Summary, request, &mut *writer, &|_, _| ()).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn mail(day: Date, text: &str) -> TextMail {
    TextMail {
        subject: format!("otpost: deliveries of {day}"),
        text: text.to_owned(),
        html: format!("<pre>{}</pre>", escaped(text)),
    }
}
