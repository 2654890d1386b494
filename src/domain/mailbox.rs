//! Which e-mail addresses are accepted: those that our own mail writer and every mail relay accept.
//!
//! The import, the bodies of requests and the mail writer share this rule. An address is therefore refused where it comes
//! in, and not when a message is due.

/// The longest local part, in bytes (RFC 5321, 4.5.3.1.1).
const LOCAL_MAX: usize = 64;

/// The longest address, in bytes (RFC 5321, 4.5.3.1.3).
const ADDRESS_MAX: usize = 254;

/// The longest label of a domain, in bytes (RFC 1035, 2.3.4).
const LABEL_MAX: usize = 63;

/// The characters of an atom other than letters and digits (RFC 5322, 3.2.3).
const ATOM_SPECIALS: &str = "!#$%&'*+-/=?^_`{|}~";

/// What is not accepted between quotation marks although RFC 5321 allows it: characters that could end the address.
const NOT_QUOTED: &str = "()<>[]:;@\\,\"";

/// The local part and the domain of one plain mailbox, or `None`. The domain is in its ASCII form (RFC 5890, 2.3.2.1),
/// which every relay accepts. A local part beyond ASCII needs SMTPUTF8.
pub fn parse(text: &str) -> Option<(&str, String)> {
    let (local, domain) = text.split_once('@')?;
    let domain = idna::domain_to_ascii(domain).ok()?;
    let is_short = text.len() <= ADDRESS_MAX && local.len() + 1 + domain.len() <= ADDRESS_MAX;
    let is_local = local.len() <= LOCAL_MAX && (is_dot_atom(local) || is_quoted(local));
    (is_short && is_local && is_host_name(&domain)).then_some((local, domain))
}

fn is_dot_atom(local: &str) -> bool {
    let is_atom = |c: char| c.is_alphanumeric() || ATOM_SPECIALS.contains(c);
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
}

fn is_quoted(local: &str) -> bool {
    let inside = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let is_allowed = |c: char| c == ' ' || (c.is_ascii_graphic() && !NOT_QUOTED.contains(c));
    inside.is_some_and(|inside| !inside.is_empty() && inside.chars().all(is_allowed))
}

// A last label of digits only would be an IP address, which is no mail domain without brackets.
fn is_host_name(domain: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let ends_well = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        label.len() <= LABEL_MAX
            && label.bytes().all(is_inner)
            && ends_well(label.bytes().next())
            && ends_well(label.bytes().last())
    };
    let last = domain.rsplit_once('.').map(|(_, last)| last);
    last.is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit())) && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_a_relay_accepts_is_accepted_with_its_domain_in_ascii() {
        for (text, domain) in [
            ("name@example.org", "example.org"),
            ("first.last+tag@Mail.example.org", "mail.example.org"),
            ("o'neill@example.org", "example.org"),
            ("\"a b\"@c.de", "c.de"),
            ("\"a..b\"@c.de", "c.de"),
            ("źdźbło@mail.example", "mail.example"),
            ("ala@żółw.example", "xn--w-uga1v8h.example"),
            ("a@1und1.de", "1und1.de"),
            ("a@foo_bar.example", "foo_bar.example"),
        ] {
            assert_eq!(parse(text).map(|(_, domain)| domain).as_deref(), Some(domain), "{text}");
        }
    }

    #[test]
    fn an_address_that_a_relay_refuses_is_refused() {
        for text in [
            "a..b@example.com",
            ".a@example.com",
            "a.@example.com",
            "a@-example.com",
            "a@example-.com",
            "a@example..com",
            "a@.example.com",
            "a@example.com.",
            "a@example",
            "a@192.0.2.1",
            "a@[192.0.2.1]",
            "a@exa mple.com",
            "a@exam!ple.com",
            "@example.com",
            "a@",
            "a",
            "",
            "\"\"@c.de",
            "\"a@c.de",
            "\"a>b\"@c.de",
            "\"a\\\"b\"@c.de",
            "\"a@b\"@c.de",
            "\"ź\"@c.de",
            "a\"b@c.de",
            "🔑@c.de",
            "a@xn--a.de",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse(&format!("{}@c.de", "a".repeat(64))).is_some());
        assert!(parse(&format!("{}@c.de", "a".repeat(65))).is_none());
        assert!(parse(&format!("a@{}.de", "b".repeat(63))).is_some());
        assert!(parse(&format!("a@{}.de", "b".repeat(64))).is_none());
        assert!(parse(&format!("a@{}de", "b.".repeat(126))).is_none());
    }
}
