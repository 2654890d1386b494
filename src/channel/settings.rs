//! The `[[provider]]` sections of the configuration.
//!
//! The keys that every provider has are parsed here, once. The other keys belong to the kind of provider, which refuses the
//! ones that it does not know.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::credentials::Credentials;
use super::http::shown::ShownRequest;
use super::{ATTEMPT_MAX, Adapter, Capabilities, Error, KINDS, KindReport, ProviderEndpoint, Repeat};
use crate::domain::contact::Channel;
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::provider_profile::ProviderProfile;

type Table = Map<String, Value>;

/// The keys of every provider, read into [`ProviderProfile`] and [`ConnectionSettings`].
const COMMON_KEYS: [&str; 11] = [
    "name",
    "channel",
    "timeout",
    "ca",
    "insecure",
    "deduplicates",
    "weight",
    "min_validity",
    "price",
    "currency",
    "spend_cap_per_hour",
];

/// The keys that every SMS provider has in addition.
const SMS_KEYS: [&str; 2] = ["countries", "transliterate"];

/// The key that every push provider has in addition.
const PUSH_KEYS: [&str; 1] = ["app"];

/// The longest name in `app`, in bytes.
const APP_MAX: usize = 64;

/// The settings that every provider has.
#[derive(Debug, Clone)]
pub struct Common {
    /// The part that routing needs.
    pub profile: ProviderProfile,
    /// The time limit of one attempt, at most [`ATTEMPT_MAX`].
    pub timeout: Duration,
    /// A PEM file of certificates to trust in addition to the system's.
    pub ca: Option<PathBuf>,
    /// Whether a production gateway may send to another machine without TLS.
    pub insecure: bool,
}

impl Common {
    pub fn name(&self) -> &str {
        &self.profile.provider.0
    }
}

#[derive(Deserialize)]
struct ConnectionSettings {
    #[serde(default = "attempt_max", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    timeout: Duration,
    #[serde(default)]
    ca: Option<PathBuf>,
    #[serde(default)]
    insecure: bool,
}

const fn attempt_max() -> Duration {
    ATTEMPT_MAX
}

/// The settings that one kind of provider has beside the common ones.
pub trait KindSettings: fmt::Debug + Send + Sync {
    /// Builds the adapter. Nothing is contacted yet.
    fn connect(&self, common: &Common) -> Result<Adapter, Error>;
    /// The server that messages are sent to; `None` if the settings do not name one.
    fn endpoint(&self) -> Option<ProviderEndpoint>;
    /// What the kind can do, whatever its settings are.
    fn capabilities() -> Capabilities
    where
        Self: Sized;
}

/// One line of the provider registry: the name in `kind`, the channel, and how the kind's own keys are parsed.
pub(super) struct ProviderKind {
    name: &'static str,
    /// `None` if the settings say which one.
    channel: Option<Channel>,
    parse: fn(Table) -> Result<Arc<dyn KindSettings>, String>,
    capabilities: fn() -> Capabilities,
}

impl ProviderKind {
    pub(super) const fn new<S: KindSettings + DeserializeOwned + 'static>(
        name: &'static str,
        channel: Channel,
    ) -> Self {
        Self { channel: Some(channel), ..Self::of_any_channel::<S>(name) }
    }

    /// A kind whose providers send the messages of the channel that their settings name.
    pub(super) const fn of_any_channel<S: KindSettings + DeserializeOwned + 'static>(name: &'static str) -> Self {
        Self { name, channel: None, parse: |table| Ok(Arc::new(parse::<S>(table)?)), capabilities: S::capabilities }
    }

    fn find(name: &str) -> Result<&'static Self, String> {
        KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let known: Vec<_> = KINDS.iter().map(|kind| format!("`{}`", kind.name)).collect();
            format!("kind: unknown kind `{name}`, expected one of {}", known.join(", "))
        })
    }
}

fn is_common(channel: Channel, key: &str) -> bool {
    match channel {
        Channel::Sms if SMS_KEYS.contains(&key) => true,
        Channel::Push if PUSH_KEYS.contains(&key) => true,
        Channel::Sms | Channel::Push | Channel::Email => COMMON_KEYS.contains(&key),
    }
}

fn common_keys(channel: Channel) -> String {
    let keys = COMMON_KEYS.into_iter().chain(SMS_KEYS).chain(PUSH_KEYS).filter(|key| is_common(channel, key));
    keys.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

/// All kinds of providers, in the order of the registry.
pub fn kinds() -> impl Iterator<Item = KindReport> {
    KINDS.iter().map(|kind| KindReport { kind: kind.name, channel: kind.channel, capabilities: (kind.capabilities)() })
}

/// One `[[provider]]` section.
#[derive(Clone)]
pub struct Settings {
    pub common: Common,
    kind: &'static ProviderKind,
    own: Arc<dyn KindSettings>,
    credentials: Credentials,
    receipts_url: Option<String>,
}

impl Settings {
    pub fn name(&self) -> &str {
        self.common.name()
    }

    /// The name of its kind, as in the configuration.
    pub fn kind(&self) -> &'static str {
        self.kind.name
    }

    pub fn profile(&self) -> &ProviderProfile {
        &self.common.profile
    }

    /// The server that messages are sent to; `None` if the settings do not name one.
    pub fn endpoint(&self) -> Option<ProviderEndpoint> {
        self.own.endpoint()
    }

    /// The public URL that the provider is given for its receipts, if a request passes one on.
    pub fn receipts_url(&self) -> Option<&str> {
        self.receipts_url.as_deref()
    }

    /// Checks the settings and builds the adapter. Nothing is contacted yet.
    pub fn connect(&self) -> Result<Adapter, Error> {
        let ProviderProfile { channel, price, spend_cap, deduplicates, ref app, .. } = self.common.profile;
        let wrong = |what: String| Err(Error::new(self.name(), what));
        if let Some(own) = self.kind.channel.filter(|own| *own != channel) {
            return wrong(format!("channel: must be {own}, the channel of kind {}", self.kind.name));
        }
        if app.as_ref().is_some_and(|app| !is_app(app)) {
            return wrong(format!("app: expected 1 to {APP_MAX} letters, digits, dots, hyphens and underscores"));
        }
        if spend_cap.is_some_and(|cap| price.is_zero() || cap < price) {
            return wrong("spend_cap_per_hour: must be at least the price of one message; set price".to_owned());
        }
        if deduplicates && let Repeat::Never(text) = (self.kind.capabilities)().repeat {
            return wrong(format!("deduplicates: must be false, because kind {} sends {text}", self.kind.name));
        }
        if self.common.timeout.is_zero() || self.common.timeout > ATTEMPT_MAX {
            return wrong(format!("timeout: must be greater than 0s and at most {}s", ATTEMPT_MAX.as_secs()));
        }
        if let Some(key) = self.credentials.empty() {
            return wrong(format!("{key}: must not be empty"));
        }
        self.own.connect(&self.common)
    }

    /// The request for `message` without credentials; `None` if `adapter` does not speak HTTP.
    pub fn show_request(&self, adapter: &Adapter, message: &OutboundMessage) -> Option<ShownRequest> {
        let request = adapter.requests.as_ref()?.request(message).ok()?;
        Some(request.shown(|text| self.credentials.hidden_in(text)))
    }

    fn parse(mut table: Table) -> Result<Self, String> {
        let kind = match table.remove("kind") {
            Some(Value::String(name)) => ProviderKind::find(&name)?,
            Some(_) => return Err("kind: expected a string".to_owned()),
            None => return Err("missing field `kind`".to_owned()),
        };
        let channel = match (kind.channel, table.get("channel")) {
            (Some(channel), _) => channel,
            (None, Some(given)) => Channel::deserialize(given).map_err(|error| format!("channel: {error}"))?,
            (None, None) => return Err("missing field `channel`".to_owned()),
        };
        table.entry("channel").or_insert_with(|| channel.name().into());
        let (common, own): (Table, Table) = table.into_iter().partition(|(key, _)| is_common(channel, key));
        let ConnectionSettings { timeout, ca, insecure } = parse(common.clone())?;
        let common = Common { profile: parse(common)?, timeout, ca, insecure };
        let credentials = Credentials::of(&own);
        let receipts_url = own.get("receipts_url").or_else(|| own.get("receipts")?.get("url"));
        let receipts_url = receipts_url.and_then(Value::as_str).map(str::to_owned);
        let own = (kind.parse)(own).map_err(|what| {
            // A key of a table inside the section cannot be a common one.
            let is_top_level = what.split_once(": unknown field").is_some_and(|(key, _)| !key.contains('.'));
            let others = if is_top_level { format!(", or of {}", common_keys(channel)) } else { String::new() };
            format!("{what}{others}")
        })?;
        Ok(Self { common, kind, own, credentials, receipts_url })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("kind", &self.kind.name)
            .field("common", &self.common)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Table::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn is_app(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=APP_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}

fn parse<T: DeserializeOwned>(table: Table) -> Result<T, String> {
    serde_path_to_error::deserialize(Value::Object(table)).map_err(|error| match error.path().to_string().as_str() {
        "." => error.inner().to_string(),
        key => format!("{key}: {}", error.inner()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Settings, String> {
        serde_json::from_str(json).map_err(|error: serde_json::Error| error.to_string())
    }

    fn settings(json: &str) -> Settings {
        read(json).unwrap()
    }

    fn error(json: &str) -> String {
        settings(json).connect().err().unwrap().to_string()
    }

    fn sms(rest: &str) -> String {
        format!(r#"{{"kind":"sms_gateway","name":"primary","url":"https://a.example",{rest}}}"#)
    }

    #[test]
    fn a_provider_is_described_by_a_few_keys_and_the_rest_has_defaults() {
        let sms = settings(r#"{"kind":"sms_gateway","name":"primary","url":"https://sms.example/send"}"#);
        let profile = sms.profile();
        assert_eq!((sms.name(), profile.channel, profile.weight), ("primary", Channel::Sms, None));
        assert!(profile.countries.is_empty() && !profile.deduplicates && profile.min_validity.is_zero());
        assert_eq!((sms.common.timeout, &sms.common.ca), (ATTEMPT_MAX, &None));
        assert!(sms.connect().is_ok_and(|adapter| adapter.receipts.is_none()));

        let push = r#"{"kind":"push_http","name":"app","url":"http://push.example","weight":3,"min_validity":"90s","deduplicates":true}"#;
        let push = settings(push);
        let profile = push.profile();
        assert_eq!((profile.channel, profile.weight, profile.deduplicates), (Channel::Push, Some(3), true));
        assert_eq!(profile.min_validity, Duration::from_secs(90));
        assert!(push.connect().is_ok());

        let mail = settings(r#"{"kind":"smtp","name":"relay","host":"mx.example","from":"Bank <otp@bank.example>"}"#);
        assert_eq!((mail.profile().channel, mail.name()), (Channel::Email, "relay"));
        assert!(mail.connect().is_ok());
    }

    #[test]
    fn every_common_key_is_read() {
        let all = sms(
            r#""channel":"sms","timeout":"3s","ca":"a.pem","insecure":true,"deduplicates":true,"weight":2,"min_validity":"9s",
            "price":"0.5","currency":"PLN","spend_cap_per_hour":"9","countries":["+48"],"transliterate":true"#,
        );
        let Common { profile, timeout, ca, insecure } = settings(&all).common;
        assert_eq!((timeout, ca, insecure), (Duration::from_secs(3), Some(PathBuf::from("a.pem")), true));
        assert!(profile.deduplicates && profile.weight == Some(2) && profile.min_validity == Duration::from_secs(9));
        assert_eq!(profile.currency.map(|it| it.as_str().to_owned()).as_deref(), Some("PLN"));
        assert_eq!((profile.price.to_string(), profile.spend_cap.unwrap().to_string()), ("0.5".into(), "9".into()));
        assert_eq!((profile.countries[0].as_str(), profile.transliterate), ("+48", Some(true)));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_keys_that_exist() {
        let said = read(r#"{"kind":"push_http","name":"app","url":"https://a.example","colour":"red"}"#).unwrap_err();
        assert!(said.starts_with("colour: unknown field `colour`, expected one of `url`"), "{said}");
        assert!(said.contains("`spend_cap_per_hour`") && !said.contains("`countries`"), "{said}");
        let said = read(r#"{"kind":"smtp","name":"a","host":"h","from":"a@b.cd","countries":[]}"#).unwrap_err();
        assert!(said.starts_with("countries: unknown field `countries`"), "{said}");
    }

    #[test]
    fn a_value_of_the_wrong_form_is_named_by_its_key() {
        for (json, expected) in [
            (sms(r#""format":"xml""#), "format: unknown variant `xml`, expected `json` or `form`"),
            (sms(r#""fields":{"whom":"to"}"#), "fields.whom: unknown field `whom`"),
            (sms(r#""weight":"many""#), "weight: invalid type: string \"many\""),
            (sms(r#""countries":["+48","+999"]"#), "countries[1]: must be + and a country's calling code"),
            (r#"{"kind":"smtp","name":"relay"}"#.into(), "missing field `host`"),
            (r#"{"kind":"push_http","url":"https://a.example"}"#.into(), "missing field `name`"),
            (r#"{"kind":"pigeon","name":"a"}"#.into(), "kind: unknown kind `pigeon`, expected one of `sms_gateway`"),
            (r#"{"name":"a"}"#.into(), "missing field `kind`"),
        ] {
            let said = read(&json).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn an_error_names_the_provider_the_key_and_what_was_expected() {
        for (key, expected) in [
            (r#""url":"sms.example""#, "url: expected http:// or https:// and a host"),
            (
                r#""url":"https://me:secret@sms.example""#,
                "url: must not contain credentials; use the user and password keys",
            ),
            (r#""timeout":"9s""#, "timeout: must be greater than 0s and at most 8s"),
            (r#""timeout":"0s""#, "timeout: must be greater than 0s and at most 8s"),
            (r#""max_in_flight":0"#, "max_in_flight: must be 1 to 1024"),
            (r#""channel":"push""#, "channel: must be sms, the channel of kind sms_gateway"),
            (
                r#""spend_cap_per_hour":"200""#,
                "spend_cap_per_hour: must be at least the price of one message; set price",
            ),
            (
                r#""price":"0.5","spend_cap_per_hour":"0.4""#,
                "spend_cap_per_hour: must be at least the price of one message; set price",
            ),
        ] {
            let json = format!(r#"{{"kind":"sms_gateway","name":"primary","url":"https://a.example",{key}}}"#);
            let json = if key.contains("url") { json.replace(r#""url":"https://a.example","#, "") } else { json };
            assert_eq!(error(&json), format!("provider primary: {expected}"));
        }
        let missing = error(&sms(r#""ca":"/nowhere/ca.pem""#));
        assert!(missing.starts_with("provider primary: ca: /nowhere/ca.pem: "), "{missing}");
        assert_eq!(
            error(r#"{"kind":"smtp","name":"relay","host":"h","from":"the bank"}"#),
            "provider relay: from: expected a mailbox such as Bank <otp@bank.example>"
        );
    }

    #[test]
    fn credentials_are_not_shown_with_the_settings() {
        let sms = settings(&sms(
            r#""headers":{"x-key":"hush"},"user":"hush","password":"hush","static_fields":{"api_secret":"hush"}"#,
        ));
        assert!(!format!("{sms:?}").contains("hush"));
    }
}
