//! A browser of one signed-in user: it sends what a browser sends, follows no redirect by itself, and runs no script.

use otpost::domain::access::Role;

use crate::support::console::{self, CONSOLE, Request};
use crate::support::sender::Answer;
use crate::support::{Gateway, Setup};

/// A gateway with a console.
pub(crate) fn with_console(setup: Setup) -> Setup {
    setup.more(CONSOLE)
}

/// A user with these roles.
pub(crate) async fn signed_in(gateway: &Gateway, roles: &[&str]) -> Browser {
    Browser(console::signed_in(gateway, &named(roles)).await)
}

/// A named user with these roles.
pub(crate) async fn user(gateway: &Gateway, name: &str, roles: &[&str]) -> Browser {
    Browser(console::Browser::of(gateway, name, &named(roles)).await)
}

fn named(roles: &[&str]) -> Vec<Role> {
    roles.iter().map(|role| role.parse().unwrap()).collect()
}

pub(crate) struct Browser(console::Browser);

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    head: Answer,
    pub(crate) body: Vec<u8>,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head.header(name).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text that a reader sees, roughly: without tags, with single spaces.
    pub(crate) fn words(&self) -> String {
        let (mut words, mut is_tag) = (String::new(), false);
        for c in self.text().chars() {
            match c {
                '<' => is_tag = true,
                '>' => {
                    is_tag = false;
                    words.push(' ');
                }
                c if !is_tag => words.push(c),
                _ => {}
            }
        }
        for (entity, c) in [("&#x60;", "`"), ("&#x3D;", "="), ("&quot;", "\""), ("&#x27;", "'"), ("&amp;", "&")] {
            words = words.replace(entity, c);
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> &Self {
        assert!(self.words().contains(text), "{text} is not on the page: {} {}", self.status, self.words());
        self
    }

    /// Where the browser is sent to.
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.words());
        self.header("location").to_owned()
    }
}

impl Browser {
    pub(crate) async fn get(&self, path: &str) -> Page {
        self.fetch(Request::get(path)).await
    }

    /// Loads a page that must be there, and that no text from outside has changed.
    pub(crate) async fn page(&self, path: &str) -> Page {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.words());
        assert!(page.body.len() <= 100 * 1024, "{path} has {} bytes", page.body.len());
        assert_eq!(page.text().matches("<h1>").count(), 1, "{path}");
        assert!(!page.text().contains("<script>") && !page.text().contains("onerror="), "{path}");
        page
    }

    /// Sends the form of a page, with its token.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.fetch(Request::post(path, &self.0.with_token(fields))).await
    }

    async fn fetch(&self, request: Request) -> Page {
        let (head, body) = self.0.fetch(request).await;
        Page { status: head.status, head, body }
    }
}
