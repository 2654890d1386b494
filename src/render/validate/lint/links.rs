//! What a phone or a mail program makes a link of, and where it leads.
//!
//! Generous in what counts as a link, because every program has its own idea of it: whatever has a scheme, a `www.`, an
//! at sign, or a dot between letters that could be a domain.

use std::net::Ipv4Addr;

use unicode_normalization::UnicodeNormalization;

use super::required::{Sign, VALUE};

/// Where in `word` a link begins that may not be there, and what to do; `domains` and those below them may be.
pub(crate) fn foreign(word: &[Sign], domains: &[String]) -> impl Iterator<Item = (usize, String)> {
    let signs: Vec<Sign> = word.iter().flat_map(plain).collect();
    let chars: Vec<char> = signs.iter().map(|sign| sign.c).collect();
    let beside_value = chars.contains(&VALUE);
    let links = links(&chars);
    links.into_iter().filter_map(move |link| {
        let at = signs.get(link.start).map_or(0, |sign| sign.at);
        link.refusal(domains, beside_value).map(|what| (at, what))
    })
}

// Forms that browsers take for the same: full-width letters, the full stops of other scripts.
fn plain(sign: &Sign) -> impl Iterator<Item = Sign> {
    let Sign { c, at, of_fraud } = *sign;
    let parts = std::iter::once(c).nfkc().flat_map(char::to_lowercase);
    parts.map(move |c| Sign { c: if c == '\u{3002}' { '.' } else { c }, at, of_fraud })
}

struct Link {
    start: usize,
    host: String,
    // What stands before `://`.
    scheme: Option<String>,
}

impl Link {
    fn refusal(&self, domains: &[String], beside_value: bool) -> Option<String> {
        let host = self.host.trim_matches('.');
        let is_in = |domain: &String| {
            let domain = domain.trim_matches('.').to_lowercase();
            host == domain || host.strip_suffix(domain.as_str()).is_some_and(|below| below.ends_with('.'))
        };
        if beside_value {
            return Some("a value stands directly beside a link: put a blank between them".to_owned());
        }
        if let Some(scheme) = self.scheme.as_deref().filter(|scheme| *scheme != "https") {
            return Some(format!("{scheme}:// is not used in messages, only https://"));
        }
        if domains.iter().any(is_in) {
            return None;
        }
        Some(format!("{host} is not in [templates] link_domains: list it there, or take the link out"))
    }
}

fn links(chars: &[char]) -> Vec<Link> {
    let mut links = Vec::new();
    let mut in_path = false;
    let mut at = 0;
    while at < chars.len() {
        let end = at + chars[at..].iter().take_while(|c| is_of_a_host(**c)).count();
        let before = &chars[..at];
        let host: String = chars[at..end].iter().collect();
        let found = if before.ends_with(&[':', '/', '/']) {
            let scheme = before[..at - 3].iter().rev().take_while(|c| c.is_ascii_alphanumeric()).count();
            let start = at - 3 - scheme;
            Some(Link { start, host, scheme: Some(chars[start..at - 3].iter().collect()) })
        } else if before.ends_with(&['@']) && host.contains('.') {
            let name = before[..at - 1].iter().rev().take_while(|c| is_of_a_host(**c)).count();
            Some(Link { start: at - 1 - name, host, scheme: None })
        } else {
            let bare = (!in_path).then(|| host.split("..").find(|host| is_domain(host)).map(str::to_owned)).flatten();
            bare.map(|host| Link { start: at, host, scheme: None })
        };
        if let Some(link) = found {
            links.push(link);
            in_path = chars.get(end).is_some_and(|c| "/?#:".contains(*c));
        }
        at = end + 1;
    }
    links
}

fn is_of_a_host(c: char) -> bool {
    c.is_alphanumeric() || "-._".contains(c) || c == VALUE || unicode_normalization::char::is_combining_mark(c)
}

// Two names with a dot between, the last of which may be that of a country or a trade; or an address in numbers.
fn is_domain(host: &str) -> bool {
    let host = host.trim_matches('.');
    let Some((before, last)) = host.rsplit_once('.') else { return false };
    let is_top = last.chars().count() >= 2 && last.chars().all(char::is_alphabetic) || last.starts_with("xn--");
    !before.is_empty() && (is_top || last.contains(VALUE)) || host.parse::<Ipv4Addr>().is_ok()
}
