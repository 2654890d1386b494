//! Keeps requests out of private networks. A URL that others chose, or a name that others resolve, must not lead to a machine that
//! only this one can reach (server-side request forgery).
//!
//! It is asked by the resolver of a client, which connects to the addresses that were checked and to no others, so a name cannot
//! change its address in between. Addresses that are written in a URL need no resolver; they are checked where the request is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use crate::channel::ProviderEndpoint;

/// Why a name is not connected to.
pub(super) const NOT_PUBLIC: &str = "the name leads to a private address, which allow_private would permit";

/// Which addresses are connected to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::channel) enum AddressGuard {
    #[default]
    Any,
    /// Only those that are reachable from everywhere.
    Public,
}

impl AddressGuard {
    pub(in crate::channel) const fn new(allow_private: bool) -> Self {
        if allow_private { Self::Any } else { Self::Public }
    }

    pub(super) fn allows(self, address: IpAddr) -> bool {
        self == Self::Any || is_public(address)
    }

    /// Whether the host of `url` may be asked for: it is a name, or an address that is allowed. `localhost` is an address.
    pub(in crate::channel) fn allows_host(self, url: &Url) -> bool {
        let Some(endpoint) = ProviderEndpoint::of_url(url.as_str()) else { return false };
        let is_allowed = |address| self.allows(address);
        self == Self::Any || (!endpoint.is_loopback() && endpoint.host.parse().map_or(true, is_allowed))
    }
}

/// Networks of IPv4 whose addresses are not reachable from everywhere, with the lengths of their prefixes.
const SPECIAL: [([u8; 4], u32); 15] = [
    // This network, private ones, that of a carrier's customers (RFC 6598), this machine, and link-local.
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    // Protocols, documentation, relays, benchmarks, multicast, and reserved.
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([192, 88, 99, 0], 24),
    ([198, 18, 0, 0], 15),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Whether packets to `address` leave private networks, by IANA's registries of special-purpose addresses (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_in =
        |(network, length): &([u8; 4], u32)| (u32::from(address) ^ u32::from_be_bytes(*network)) >> (32 - length) == 0;
    !SPECIAL.iter().any(is_in)
}

// Everything that is global begins with 2 or 3; the rest is private, link-local, multicast or not assigned.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    match address.segments() {
        // A translator to IPv4 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
        // Protocols and tunnels, documentation, and 6to4, which holds an address of IPv4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_are_reachable_from_everywhere_are_public() {
        for (address, public) in [
            ("0.0.0.0", false),
            ("1.1.1.1", true),
            ("10.1.2.3", false),
            ("100.63.255.255", true),
            ("100.64.0.1", false),
            ("100.127.255.255", false),
            ("100.128.0.1", true),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("172.15.255.255", true),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("172.32.0.1", true),
            ("192.0.0.8", false),
            ("192.0.1.1", true),
            ("192.0.2.1", false),
            ("192.168.0.1", false),
            ("198.17.0.1", true),
            ("198.18.0.1", false),
            ("198.19.255.255", false),
            ("203.0.113.9", false),
            ("223.255.255.255", true),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:1.1.1.1", true),
            ("::7f00:1", false),
            ("64:ff9b::a00:1", false),
            ("64:ff9b::101:101", true),
            ("64:ff9b:1::1", false),
            ("100::1", false),
            ("2001::1", false),
            ("2001:1ff::1", false),
            ("2001:200::1", true),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
            ("2606:4700:4700::1111", true),
            ("3fff:fff::1", false),
            ("fc00::1", false),
            ("fd12:3456::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
            assert!(AddressGuard::Any.allows(address.parse().unwrap()));
        }
    }

    #[test]
    fn an_address_in_a_url_is_read_however_it_is_written() {
        for (url, allowed) in [
            ("https://hooks.example/x", true),
            ("https://1.1.1.1/", true),
            ("https://10.0.0.1/", false),
            ("https://0x7f.1/", false),
            ("https://2130706433/", false),
            ("https://[::ffff:a00:1]/", false),
            ("https://localhost/", false),
            ("https://api.localhost./", false),
            ("https://169.254.169.254/latest/meta-data", false),
        ] {
            let url: Url = url.parse().unwrap();
            assert_eq!(AddressGuard::Public.allows_host(&url), allowed, "{url}");
            assert!(AddressGuard::Any.allows_host(&url));
        }
    }
}
