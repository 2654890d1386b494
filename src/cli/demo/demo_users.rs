//! The sample users of the console: two of them, so that one can approve what the other wrote.
//!
//! They are set up as every user is, but without an authenticator app, which `console.second_factor` of the demo allows. Their
//! passwords are made for each demo.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::Gateway;
use crate::config::Config;
use crate::domain::access::Role;
use crate::domain::clock::SystemClock;
use crate::flow::users::{BrowserOrigin, SetupForm, TotpSecret, Users};
use crate::store::operator;

/// Name, what the user is for, and roles.
const SAMPLES: [(&str, &str, &[Role]); 2] = [
    (
        "author",
        "writes templates, operates providers, answers customers",
        &[Role::Author, Role::Operator, Role::Support],
    ),
    ("approver", "approves templates, reads the audit log, adds users", &[Role::Approver, Role::Security, Role::Admin]),
];

/// A sample user.
pub(super) struct DemoUser {
    pub(super) name: &'static str,
    pub(super) purpose: &'static str,
    pub(super) password: String,
}

impl DemoUser {
    pub(super) fn describe(&self) -> Value {
        json!({ "name": self.name, "password": self.password })
    }
}

/// Adds the sample users and sets them up.
pub(super) async fn add(gateway: &Gateway, config: &Config) -> anyhow::Result<Vec<DemoUser>> {
    let store = Arc::clone(gateway.store());
    let users = Users::new(store, Arc::new(SystemClock), config.console.lifetime(), config.console.second_factor);
    let origin = BrowserOrigin { address: None, browser: "otpost demo".to_owned(), token: None };
    let mut samples = Vec::new();
    for (name, purpose, roles) in SAMPLES {
        let mut random = [0; 6];
        openssl::rand::rand_bytes(&mut random)?;
        let password = format!("demo-{}", hex::encode(random));
        let code = users.add(&operator(), name, roles).await?;
        let secret = TotpSecret::random()?;
        let form = SetupForm { setup_code: code.text(), password: &password, secret: &secret, code: "" };
        let (token, _) = users.set_up(&form, &origin).await?;
        if let Some(session) = users.session(token.cookie_value(), true).await? {
            users.sign_out(&session).await?;
        }
        samples.push(DemoUser { name, purpose, password });
    }
    Ok(samples)
}
