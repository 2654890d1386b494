//! `[console.oidc]` of the configuration.

use std::path::PathBuf;

use reqwest::Url;
use serde::Deserialize;

use crate::channel::ProviderEndpoint;
use crate::domain::access::Role;
use crate::domain::secret::Credential;

/// The longest text of the button.
const BUTTON_MAX: usize = 60;

/// `[console.oidc]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The identity provider, exactly as it calls itself; empty for no single sign-on.
    pub issuer: String,
    /// What the identity provider calls this gateway.
    pub client_id: String,
    pub client_secret: Credential,
    /// Certificates, PEM, that are trusted for the identity provider in addition to the system's; empty for none.
    pub ca: PathBuf,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// Which claim becomes the user's name here; of an e-mail address the part before the `@`.
    pub name_claim: String,
    /// Which claim lists the user's groups: its name, or a JSON pointer such as `/realm_access/roles`.
    pub groups_claim: String,
    /// What the button on the page to sign in says.
    pub button: String,
    /// Which groups give which roles. A user without any of them is refused.
    pub group: Vec<GroupRoles>,
}

/// One `[[console.oidc.group]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRoles {
    /// The group, as the identity provider calls it.
    pub name: String,
    pub roles: Vec<Role>,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {what}")]
pub struct InvalidSetting {
    pub key: String,
    pub what: String,
}

impl InvalidSetting {
    fn new(key: &str, what: impl Into<String>) -> Self {
        Self { key: format!("console.oidc.{key}"), what: what.into() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: Credential::default(),
            ca: PathBuf::new(),
            scopes: vec!["profile".to_owned()],
            name_claim: "preferred_username".to_owned(),
            groups_claim: "groups".to_owned(),
            button: "Sign in with single sign-on".to_owned(),
            group: Vec::new(),
        }
    }
}

impl Settings {
    /// Whether users can sign in at an identity provider.
    pub fn is_on(&self) -> bool {
        !self.issuer.is_empty()
    }

    /// Whether everything is set, and can be what it is for. Nothing is contacted.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        if !self.is_on() {
            return if self.client_id.is_empty() && self.group.is_empty() {
                Ok(())
            } else {
                Err(InvalidSetting::new("issuer", "must be set, because other keys of [console.oidc] are"))
            };
        }
        is_safe(&self.issuer).map_err(|what| InvalidSetting::new("issuer", what))?;
        let needed = [
            ("client_id", self.client_id.is_empty(), "must be set: what the identity provider calls this gateway"),
            ("client_secret", self.client_secret.expose().is_empty(), "must be set, such as \"file:keys/oidc.secret\""),
            ("name_claim", self.name_claim.is_empty(), "must name a claim, such as \"preferred_username\""),
            ("groups_claim", self.groups_claim.is_empty(), "must name a claim, such as \"groups\""),
            (
                "group",
                self.group.is_empty(),
                "at least one is needed: without a group that gives a role every user is refused",
            ),
        ];
        if let Some((key, _, what)) = needed.into_iter().find(|(_, is_missing, _)| *is_missing) {
            return Err(InvalidSetting::new(key, what));
        }
        if !(1..=BUTTON_MAX).contains(&self.button.chars().count()) {
            return Err(InvalidSetting::new("button", format!("must have 1 to {BUTTON_MAX} characters")));
        }
        if let Some(scope) = self.scopes.iter().find(|it| it.is_empty() || !it.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(InvalidSetting::new(
                "scopes",
                format!("{scope:?} cannot be a scope: expected a word such as \"groups\""),
            ));
        }
        self.check_groups()
    }

    fn check_groups(&self) -> Result<(), InvalidSetting> {
        for (at, group) in self.group.iter().enumerate() {
            let wrong = |what: &str| Err(InvalidSetting::new("group", format!("{:?}: {what}", group.name)));
            match group {
                _ if group.name.is_empty() => return wrong("name: must be a group of the identity provider"),
                _ if group.roles.is_empty() => return wrong("roles: at least one is needed"),
                _ if self.group[..at].iter().any(|it| it.name == group.name) => return wrong("duplicate name"),
                _ => {}
            }
        }
        Ok(())
    }

    /// The roles that these groups give, each once.
    pub(super) fn roles_of(&self, groups: &[&str]) -> Vec<Role> {
        let given = self.group.iter().filter(|it| groups.contains(&it.name.as_str()));
        let mut roles: Vec<_> = given.flat_map(|it| it.roles.iter().copied()).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }
}

/// The address, if what is sent there cannot be read on the way.
pub fn is_safe(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or("expected https:// and a host")?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("must have no user, no query and no fragment");
    }
    if ProviderEndpoint::of_url(text).is_none_or(|it| it.is_exposed()) {
        return Err("expected https://; plain HTTP is allowed on this machine only");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let group = GroupRoles { name: "staff".to_owned(), roles: vec![Role::Viewer] };
        Settings {
            issuer: "https://id.bank.example/realms/staff".to_owned(),
            client_id: "otpost".to_owned(),
            client_secret: Credential::new("s3cret".to_owned()),
            group: vec![group],
            ..Settings::default()
        }
    }

    fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = settings();
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn every_setting_that_cannot_work_is_named_with_what_is_expected() {
        assert!(settings().check().is_ok() && Settings::default().check().is_ok());
        for (issuer, expected) in [
            ("id.bank.example", "expected https:// and a host"),
            ("http://id.bank.example", "plain HTTP is allowed on this machine only"),
            ("https://id.bank.example?x=1", "no query"),
            ("https://user:pass@id.bank.example", "no user"),
        ] {
            let error = refused(|it| issuer.clone_into(&mut it.issuer));
            assert!(error.starts_with("console.oidc.issuer: ") && error.contains(expected), "{error}");
        }
        assert!(refused(|it| it.issuer.clear()).contains("must be set, because"));
        assert!(refused(|it| it.client_id.clear()).starts_with("console.oidc.client_id: must be set"));
        assert!(refused(|it| it.client_secret = Credential::default()).contains("client_secret: must be set"));
        assert!(refused(|it| it.group.clear()).contains("every user is refused"));
        assert!(refused(|it| it.group[0].roles.clear()).ends_with("group: \"staff\": roles: at least one is needed"));
        assert!(refused(|it| it.group.push(it.group[0].clone())).ends_with("\"staff\": duplicate name"));
        assert!(refused(|it| it.button = "x".repeat(61)).contains("button: must have 1 to 60 characters"));
        assert!(refused(|it| it.scopes.push("a b".to_owned())).contains("\"a b\" cannot be a scope"));
    }

    #[test]
    fn plain_http_is_allowed_on_this_machine() {
        let local = Settings { issuer: "http://127.0.0.1:8080".to_owned(), ..settings() };
        assert!(local.check().is_ok());
    }

    #[test]
    fn groups_give_each_role_once_and_unknown_groups_none() {
        let mut settings = settings();
        let roles = vec![Role::Admin, Role::Viewer];
        settings.group.push(GroupRoles { name: "admins".to_owned(), roles });

        assert_eq!(settings.roles_of(&["admins", "staff", "other"]), [Role::Viewer, Role::Admin]);
        assert!(settings.roles_of(&["Staff", "other"]).is_empty());
    }
}
