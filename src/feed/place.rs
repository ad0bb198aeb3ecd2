//! Where an address leads: to this machine, into a private network, or outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use crate::model::feed_url::FeedUrl;

/// Where a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Anywhere,
    /// Neither to this machine nor to private or link-local addresses: for places
    /// that a server outside has named.
    PublicOnly,
}

/// Whether requests to this address stay on this machine.
pub(super) fn is_loopback(url: &FeedUrl) -> bool {
    match url.reveal().host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether the address itself is not a public one. A name does not tell.
pub(super) fn is_written_private(url: &FeedUrl) -> bool {
    match url.reveal().host() {
        Some(Host::Ipv4(address)) => is_private(address.into()),
        Some(Host::Ipv6(address)) => is_private(address.into()),
        _ => is_loopback(url),
    }
}

/// Whether an address is not a public one: loopback, link-local, private, or one of
/// the forms in which IPv6 carries such an address.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        // Shared behind the routers of providers (RFC 6598).
        || (first == 100 && second & 0xc0 == 64)
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4_mapped() {
        return is_private_v4(address);
    }
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = address.segments();
    let embedded = |high: u16, low: u16| {
        let bits = u32::from(high) << 16 | u32::from(low);
        is_private_v4(Ipv4Addr::from_bits(bits))
    };
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        // Site-local, which was never taken out of use everywhere (RFC 3879).
        || first & 0xffc0 == 0xfec0
        // 6to4, Teredo (which turns the bits), and the prefixes of NAT64, of which the second
        // is for networks of one's own (RFC 8215).
        || (first == 0x2002 && embedded(second, third))
        || (first == 0x2001 && second == 0 && embedded(!seventh, !eighth))
        || (first == 0x64 && second == 0xff9b && (third == 1 || embedded(seventh, eighth)))
        // With the IPv4 address behind zeros (RFC 4291 section 2.5.5.1, RFC 2765).
        || ([first, second, third, fourth] == [0; 4]
            && matches!((fifth, sixth), (0, 0) | (0xffff, 0))
            && embedded(seventh, eighth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_form() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "::127.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b:1::808:808",
            "2001:0:808:808::80ff:fffe",
            "fec0::1",
        ] {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in [
            "192.0.2.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::",
            "2001:0:7f00:1::f7f7:f7f7",
        ] {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_may_say_itself_where_it_leads() {
        for (address, private) in [
            ("http://localhost:8080/", true),
            ("http://calendar.localhost./", true),
            ("http://127.1/", true),
            ("http://0x7f000001/", true),
            ("http://[::ffff:10.0.0.1]/", true),
            ("http://calendar.example.com/", false),
            ("http://192.0.2.1/", false),
        ] {
            let outside = FeedUrl::parse("http://calendar.example.com/").unwrap().0;
            let url = outside.join(address).unwrap();
            assert_eq!(is_written_private(&url), private, "{address}");
        }
    }
}
