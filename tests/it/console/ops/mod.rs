//! Providers, routing, reports and the audit log in the console.

mod providers;
mod routing;

use super::browser::{Browser, signed_in, user, with_console};
use crate::support::{Gateway, Setup};

/// A gateway with a console, and a user with every right that these pages ask for.
async fn gateway() -> (Gateway, Browser) {
    let gateway = with_console(Setup::new()).start().await;
    let browser = signed_in(&gateway, &["operator", "security"]);
    (gateway, browser)
}

/// What would run if it were not escaped.
const EVIL: &str = "<script>alert(1)</script><img src=x onerror=alert(1)>";
