//! Providers, routing, reports and the audit log in the console.

mod audit;
mod browser;
mod providers;
mod reports;
mod routing;
mod routing_changes;

use std::time::{Duration, Instant};

use crate::support::{Gateway, Setup};
use browser::{Browser, Page, signed_in, user, with_console};

/// A gateway with a console, and a user with every right that these pages ask for.
async fn gateway() -> (Gateway, Browser) {
    let gateway = with_console(Setup::new()).start().await;
    let browser = signed_in(&gateway, &["operator", "security"]).await;
    (gateway, browser)
}

/// What would run if it were not escaped.
const EVIL: &str = "<script>alert(1)</script><img src=x onerror=alert(1)>";

/// The longest that a busy machine may need for what happens by itself.
const PATIENCE: Duration = Duration::from_mins(2);

/// Loads a page until it shows a text.
async fn until(browser: &Browser, path: &str, text: &str) -> Page {
    let since = Instant::now();
    loop {
        let page = browser.page(path).await;
        if page.words().contains(text) || since.elapsed() > PATIENCE {
            page.shows(text);
            return page;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The file that a form asks for: the answer itself, or the download of the page that it leads to.
async fn exported(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Page {
    let answer = browser.post(path, fields).await;
    if answer.status == 200 {
        return answer;
    }
    let job = answer.location();
    until(browser, &job, "Download").await;
    browser.get(&format!("{job}/file")).await
}
