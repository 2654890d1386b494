//! Finds text that a phone or a mail program turns into a link, and its domain.
//!
//! Programs differ in what they turn into a link, so much counts as one: a scheme, a `www.`, an at sign, or a dot between
//! letters that could be a domain.

use std::net::Ipv4Addr;

use unicode_normalization::UnicodeNormalization;

use super::words::{Letter, VALUE};

/// The offsets of the links in `word` that are not allowed, with what to do. `domains` and their subdomains are allowed.
pub(crate) fn foreign(word: &[Letter], domains: &[String]) -> impl Iterator<Item = (usize, String)> {
    let letters: Vec<Letter> = word.iter().flat_map(plain).collect();
    let chars: Vec<char> = letters.iter().map(|letter| letter.c).collect();
    let touches_value = chars.contains(&VALUE);
    let links = links(&chars);
    links.into_iter().filter_map(move |link| {
        let at = letters.get(link.start).map_or(0, |letter| letter.at);
        link.rejection(domains, touches_value).map(|message| (at, message))
    })
}

// Browsers treat full-width letters and the full stops of other scripts like ASCII.
fn plain(letter: &Letter) -> impl Iterator<Item = Letter> {
    let Letter { c, .. } = *letter;
    let parts = std::iter::once(c).nfkc().flat_map(char::to_lowercase);
    parts.map(move |c| Letter { c: if c == '\u{3002}' { '.' } else { c }, ..*letter })
}

struct Link {
    start: usize,
    host: String,
    // The part before `://`.
    scheme: Option<String>,
}

impl Link {
    fn rejection(&self, domains: &[String], touches_value: bool) -> Option<String> {
        let host = self.host.trim_matches('.');
        let is_in = |domain: &String| {
            let domain = domain.trim_matches('.').to_lowercase();
            host == domain || host.strip_suffix(domain.as_str()).is_some_and(|below| below.ends_with('.'))
        };
        if touches_value {
            return Some("a value directly next to a link: put a space between them".to_owned());
        }
        if let Some(scheme) = self.scheme.as_deref().filter(|scheme| *scheme != "https") {
            return Some(format!("{scheme}:// is not allowed in messages, only https://"));
        }
        if domains.iter().any(is_in) {
            return None;
        }
        Some(format!("{host} is not in [templates] link_domains: add it there, or remove the link"))
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

// Two names with a dot between them, of which the last may be a top-level domain; or an IPv4 address.
fn is_domain(host: &str) -> bool {
    let host = host.trim_matches('.');
    let Some((before, last)) = host.rsplit_once('.') else { return false };
    let is_top = last.chars().count() >= 2 && last.chars().all(char::is_alphabetic) || last.starts_with("xn--");
    !before.is_empty() && (is_top || last.contains(VALUE)) || host.parse::<Ipv4Addr>().is_ok()
}
