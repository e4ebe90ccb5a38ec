//! Which network addresses a tool may be connected to: the public internet, unless the tenant's grant says
//! more.
//!
//! Takes: the address that a name resolved to. Gives: [`Reach`], [`is_public`], [`may_dial`].
//! May name: nothing.
//!
//! The check is on the address that is about to be connected, never on the name, so that a name that resolves
//! to an inner address, also only the second time, gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// A global unicast address.
    Public,
    /// This machine or a private network: loopback, link-local, RFC 1918, carrier-grade NAT, unique local and
    /// site-local IPv6, local-use NAT64. Only for grants with `allow_private`.
    Private,
    /// Nothing that a tool is ever connected to: cloud metadata services, unspecified, multicast, broadcast,
    /// reserved, documentation, benchmarking, and obsolete tunnels that embed another address.
    Never,
}

/// Services of cloud providers that hand out the machine's own credentials to whoever asks from inside.
/// They stay closed with `allow_private` too: no tenant's grant can want the host's identity.
const METADATA_V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254), // AWS, Azure, GCP, OpenStack, DigitalOcean, …
    Ipv4Addr::new(169, 254, 169, 253), // AWS resolver of the VPC
    Ipv4Addr::new(169, 254, 170, 2),   // AWS ECS task credentials
    Ipv4Addr::new(169, 254, 170, 23),  // AWS EKS pod identity
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle
    Ipv4Addr::new(168, 63, 129, 16),   // Azure's platform service, inside public space
];

/// The same over IPv6: AWS metadata and pod identity, GCP metadata.
const METADATA_V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254),
];

/// Whether the address is on the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    reach(address) == Reach::Public
}

/// Whether a tool may be connected to this address, under a grant with or without `allow_private`.
///
/// # Errors
/// One sentence that says why not; it names no address.
pub fn may_dial(address: IpAddr, allow_private: bool) -> Result<(), &'static str> {
    match reach(address) {
        Reach::Public => Ok(()),
        Reach::Private if allow_private => Ok(()),
        Reach::Private => {
            Err("the name leads to a private or local address, and the grant has no `allow_private`")
        }
        Reach::Never => {
            Err("the name leads to an address that no tool is connected to (metadata, multicast, reserved)")
        }
    }
}

/// How far the address reaches. Addresses that embed an IPv4 address reach as far as that one, or not at all.
#[must_use]
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

fn reach_v4(v4: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&v4) {
        return Reach::Never;
    }
    let [a, b, c, _] = v4.octets();
    match (a, b, c) {
        (10 | 127, ..) | (169, 254, _) | (192, 168, _) => Reach::Private,
        (172, 16..=31, _) | (100, 64..=127, _) => Reach::Private,
        // This network; IETF assignments; documentation; benchmarking; the 6to4 relay.
        (0, ..) | (192, 0, 0) | (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Reach::Never,
        (198, 18..=19, _) | (192, 88, 99) => Reach::Never,
        // Multicast, reserved, broadcast.
        (224..=255, ..) => Reach::Never,
        _ => Reach::Public,
    }
}

fn reach_v6(v6: Ipv6Addr) -> Reach {
    if METADATA_V6.contains(&v6) {
        return Reach::Never;
    }
    if v6 == Ipv6Addr::LOCALHOST {
        return Reach::Private;
    }
    let [s0, s1, s2, s3, s4, s5, s6, s7] = v6.segments();
    let ([a, b], [c, d]) = (s6.to_be_bytes(), s7.to_be_bytes());
    let inner = Ipv4Addr::new(a, b, c, d);
    match (s0, s1, s2, s3, s4, s5) {
        // IPv4-mapped, and NAT64's well-known prefix: the connection ends at the embedded address.
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => reach_v4(inner),
        // Local-use NAT64: where it ends is the local network's secret.
        (0x64, 0xff9b, 1, ..) => Reach::Private,
        // Unique local, link-local, site-local.
        (0xfc00..=0xfdff, ..) | (0xfe80..=0xfeff, ..) => Reach::Private,
        // Teredo, ORCHID, benchmarking and the other IETF assignments; documentation; 6to4.
        (0x2001, 0..=0x01ff, ..) | (0x2001, 0x0db8, ..) | (0x3fff, 0..=0x0fff, ..) | (0x2002, ..) => {
            Reach::Never
        }
        // All that was ever handed out for the public internet.
        (0x2000..=0x3fff, ..) => Reach::Public,
        // Unspecified, IPv4-compatible, translated, discard-only, segment routing, multicast, unassigned.
        _ => Reach::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450:4001::200e",
            "2001:200::1",
            "3fff:1000::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(reach(ip(text)), Reach::Public, "{text}");
            assert!(is_public(ip(text)));
            assert!(may_dial(ip(text), false).is_ok());
        }
    }

    #[test]
    fn private_addresses_need_a_grant_that_says_so() {
        for text in [
            "10.0.0.0",
            "10.255.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "100.64.0.0",
            "100.127.255.255",
            "169.254.0.1",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::ffff:a9fe:1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "64:ff9b:1:ffff::8.8.8.8",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
        ] {
            assert_eq!(reach(ip(text)), Reach::Private, "{text}");
            assert!(may_dial(ip(text), false).is_err());
            assert!(may_dial(ip(text), true).is_ok());
        }
    }

    #[test]
    fn some_addresses_stay_closed_whatever_the_grant_says() {
        for text in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.0.1",
            "168.63.129.16",
            "0.0.0.0",
            "0.1.2.3",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.9",
            "198.18.0.1",
            "198.19.255.255",
            "192.88.99.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::7f00:1",
            "::8.8.8.8",
            "::ffff:0.0.0.0",
            "::ffff:169.254.169.254",
            "::ffff:0:8.8.8.8",
            "64:ff9b::169.254.169.254",
            "64:ff9b::100.100.100.200",
            "64:ff9b:0:0:1::1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "4000::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "ff02::1",
            "fe00::1",
        ] {
            assert_eq!(reach(ip(text)), Reach::Never, "{text}");
            assert!(may_dial(ip(text), true).is_err());
        }
    }

    proptest! {
        #[test]
        fn an_embedded_address_never_reaches_further_than_itself(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let nat64 = Ipv6Addr::from((0x0064_ff9b_u128 << 96) | u128::from(bits));
            let plain = reach(IpAddr::V4(v4));
            prop_assert_eq!(reach(IpAddr::V6(v4.to_ipv6_mapped())), plain);
            prop_assert_eq!(reach(IpAddr::V6(nat64)), plain);
            prop_assert_eq!(reach(IpAddr::V6(v4.to_ipv6_compatible())) == Reach::Public, false);
        }

        #[test]
        fn agrees_with_the_standard_library(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified()
            {
                prop_assert!(!is_public(IpAddr::V4(v4)));
            }
        }
    }
}
